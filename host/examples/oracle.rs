//! `make oracle`: compares the policy with Pod Security Admission on pods that nobody has thought of, at
//! every level and in every version, and records the first of them for `tests/oracle.rs` where they begin
//! with number 1.
//!
//! Takes the program of `tests/oracle/`, the module, the number of pods and a number to begin with. What
//! Pod Security Admission forbids, the policy must reject, for the same reasons; what the policy rejects
//! besides must be on the list of exceptions. One pod in a thousand goes through the module as well.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is too big for `cargo test`"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use container_security_host::Policy;
use container_security_test_kit::oracle::{self, Answer, EXCEPTIONS, Recorded};
use container_security_test_kit::pods::Generator;
use serde_json::Value;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().unwrap();
    let module = Policy::load(&fs::read(arguments.next().unwrap()).unwrap()).unwrap();
    let mut numbers = arguments.map(|argument| argument.parse::<u64>().unwrap());
    let (count, first) = (
        numbers.next().unwrap_or(1_000_000),
        numbers.next().unwrap_or(1),
    );

    let mut explained = BTreeMap::<usize, u64>::new();
    let mut accepted = 0_u64;
    let mut through_module = 0_u64;
    let mut sample = Vec::new();
    let mut seed = first;
    while seed < first + count {
        let end = (seed + AT_ONCE).min(first + count);
        let pods: Vec<Value> = (seed..end)
            .map(|seed| Generator::unvalidated(seed).pod())
            .collect();
        for (pod, answer) in pods.into_iter().zip(answers(&program, seed..end)) {
            let differences = oracle::compare(&pod, &answer)
                .unwrap_or_else(|problem| panic!("seed {seed}: {problem}\n{pod:#}"));
            for exception in differences {
                *explained.entry(exception).or_default() += 1;
            }
            accepted += u64::from(oracle::expected(&answer, "restricted", "latest").is_empty());
            if seed % ONE_IN == 0 {
                through_module += 1;
                ask_module(&module, &pod, &answer);
            }
            if sample.len() < SAMPLE {
                sample.push(Recorded { answer, pod });
            }
            seed += 1;
        }
    }
    if first == 1 {
        record(&sample);
    }

    for (exception, pods) in &explained {
        let exception = &EXCEPTIONS[*exception];
        println!(
            "{pods:>8} pods rejected that the oracle accepts: {}: {}",
            exception.name, exception.reason
        );
    }
    println!(
        "{count} pods at {} levels and versions, {accepted} accepted by the newest restricted one, \
         {through_module} through the module too, no disagreement",
        oracle::standards().count()
    );
}

fn ask_module(module: &Policy, pod: &Value, answer: &Answer) {
    let text = pod.to_string();
    for (level, version) in oracle::standards() {
        let payload = oracle::payload(&text, level, &version);
        let found = oracle::rejected_by(&module.validate_bytes(payload.as_bytes()).unwrap());
        oracle::explain(pod, answer, level, &version, &found)
            .unwrap_or_else(|problem| panic!("the module: {problem}\n{pod:#}"));
    }
}

/// What the oracle says of each pod.
fn answers(program: &str, seeds: Range<u64>) -> Vec<Answer> {
    let mut process = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut questions = process.stdin.take().unwrap();
    let answers = BufReader::new(process.stdout.take().unwrap());
    let answers = thread::scope(|scope| {
        scope.spawn(move || {
            for seed in seeds {
                writeln!(questions, "{}", Generator::unvalidated(seed).pod()).unwrap();
            }
        });
        let answers = answers
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        answers.collect()
    });
    assert!(process.wait().unwrap().success(), "{program}");
    answers
}

fn record(sample: &[Recorded]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle/sample.jsonl");
    let lines: Vec<String> = sample
        .iter()
        .map(|recorded| serde_json::to_string(recorded).unwrap() + "\n")
        .collect();
    fs::write(path, lines.concat()).unwrap();
}

/// How many pods are held at a time.
const AT_ONCE: u64 = 10_000;
/// One pod in how many goes through the module.
const ONE_IN: u64 = 1_000;
/// How many pods are recorded.
const SAMPLE: usize = 400;
