//! Many requests of every sort, on several threads, over one module.
//!
//! Each verdict must be the one that a single thread got, and memory must not grow. A few thousand
//! requests are part of the tests; `make soak` sends a hundred thousand, and prints the figures.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers, and this one takes the time"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use container_security_host::{Denied, HostCapabilities, Policy, Replay};
use container_security_test_kit::{cases, policy_module, requests, sessions};
use serde_json::{Value, json};

#[test]
fn many_threads_get_the_verdicts_of_one_and_memory_stays_flat() {
    let requests = match std::env::var("SOAK_REQUESTS") {
        Ok(number) => number
            .parse()
            .unwrap_or_else(|error| panic!("SOAK_REQUESTS: {error}")),
        Err(_) => 5_000,
    };
    let policy = Policy::load(&policy_module::bytes()).unwrap();
    let mix = mix(&policy);
    let warm_up = requests / 10;
    let next = AtomicUsize::new(0);
    let (least, most) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    // Neighbours are of different sorts: threads are never all in the same place.
                    let asked = &mix[number.wrapping_mul(STRIDE) % mix.len()];
                    let answer = asked
                        .policy
                        .validate_bytes(&asked.payload)
                        .unwrap_or_else(|error| panic!("{}: {error}", asked.name));
                    assert_eq!(
                        String::from_utf8_lossy(&answer),
                        String::from_utf8_lossy(&asked.answer),
                        "{}",
                        asked.name
                    );
                    if number >= warm_up && number.is_multiple_of(SAMPLE) {
                        let resident = resident_kib();
                        least.fetch_min(resident, Ordering::Relaxed);
                        most.fetch_max(resident, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let elapsed = started.elapsed();
    let (least, most) = (least.into_inner(), most.into_inner());
    println!(
        "{requests} requests of {} sorts on {THREADS} threads in {:.1} s; \
         resident memory after the first tenth: {} to {} KiB",
        mix.len(),
        elapsed.as_secs_f64(),
        least,
        most
    );
    assert!(
        most - least <= MAX_GROWTH_KIB,
        "resident memory went from {least} to {most} KiB"
    );
}

/// A request, who is asked, and what a single thread was answered.
struct Asked {
    name: String,
    policy: Policy,
    payload: Vec<u8>,
    answer: Vec<u8>,
}

/// Every case and every session of `tests/`, and two large requests.
fn mix(policy: &Policy) -> Vec<Asked> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let cases = cases::cases(&tests)
        .into_iter()
        .map(|case| (case.name, case.payload, policy.clone()));
    let sessions = sessions::cases(&tests).into_iter().map(|case| {
        let replay = Replay::from_yaml(&case.name, &case.session).unwrap();
        let memory = Arc::new(Remembering::new(replay));
        let policy = policy.clone().with_host_capabilities(memory);
        (case.name.clone(), case.payload(), policy)
    });
    let large = [("500 containers", crowded()), ("a megabyte", long())].map(|(name, pod)| {
        let request = requests::create_request("Pod", requests::workload("Pod", pod));
        let settings = json!({"registries": {"allow": ["ghcr.io"]}});
        let payload = requests::payload(&request, &settings);
        (name.to_owned(), payload, policy.clone())
    });
    cases
        .chain(sessions)
        .chain(large)
        .map(|(name, payload, policy)| Asked {
            answer: policy.validate_bytes(&payload).unwrap(),
            name,
            payload,
            policy,
        })
        // An age goes on: the same request has another answer a day later.
        .filter(|asked| !String::from_utf8_lossy(&asked.answer).contains("which was built"))
        .collect()
}

fn crowded() -> Value {
    let mut pod = requests::valid_pod();
    for index in 0..500 {
        let container = requests::valid_container(&format!("c{index}"));
        requests::set(&mut pod, "/spec/containers/-", container);
    }
    pod
}

fn long() -> Value {
    let mut pod = requests::valid_pod();
    pod["metadata"]["annotations"]["note"] = "x".repeat(1024 * 1024).into();
    pod
}

/// A session that can be had again and again: remembers what it has answered once.
struct Remembering {
    replay: Replay,
    answers: Mutex<BTreeMap<Call, Result<Vec<u8>, String>>>,
}

/// Operation and payload.
type Call = (String, Vec<u8>);

impl Remembering {
    fn new(replay: Replay) -> Self {
        Self {
            replay,
            answers: Mutex::default(),
        }
    }
}

impl HostCapabilities for Remembering {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        if namespace == "tracing" {
            return Denied.call(binding, namespace, operation, payload);
        }
        self.answers
            .lock()
            .unwrap()
            .entry((operation.to_owned(), payload.to_vec()))
            .or_insert_with(|| self.replay.call(binding, namespace, operation, payload))
            .clone()
    }
}

/// The memory that this process holds, as Linux says it; elsewhere nothing is known, and 0.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .map_or(0, |number| number.trim().parse().unwrap())
}

const THREADS: usize = 8;
/// Requests between two looks at the memory.
const SAMPLE: usize = 16;
/// A prime, so that every sort is asked for.
const STRIDE: usize = 7919;
/// Eight instances of little more than a megabyte come and go. A leak of 400 bytes a request would
/// be 35 MiB in 90,000.
const MAX_GROWTH_KIB: u64 = 32 * 1024;
