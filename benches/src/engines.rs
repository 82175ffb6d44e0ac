//! The interpreter of the embedded host and wasmtime, which policy-server has, give the same bytes.
//!
//! Both run the module that is published, with a clock that stands still.

use std::sync::{Arc, LazyLock};

use container_security::Host as _;
use container_security_host::{Denied, HostCapabilities, Policy, Replay};
use container_security_test_kit::{cases, policy_module, sessions};

use crate::guests::workspace;
use crate::wapc::{Fuel, Runner};
use container_security_test_kit::properties::HostAnswers;
use container_security_test_kit::properties::targets::{self, TARGETS};

#[test]
fn every_case_is_answered_alike() {
    for case in cases::cases(&workspace().join("tests")) {
        assert_alike(&case.name, "validate", &case.payload, || Arc::new(Denied));
    }
}

#[test]
fn every_settings_case_is_answered_alike() {
    for case in cases::settings_cases(&workspace().join("tests")) {
        let settings = serde_json::to_vec(&case.settings).unwrap();
        assert_alike(&case.case, "validate_settings", &settings, || {
            Arc::new(Denied)
        });
    }
}

#[test]
fn every_session_is_answered_alike() {
    for case in sessions::cases(&workspace().join("tests")) {
        assert_alike(&case.name, "validate", &case.payload(), || {
            Arc::new(Replay::from_yaml(&case.name, &case.session).unwrap())
        });
    }
}

#[test]
fn what_fuzzing_has_found_worth_keeping_is_answered_alike() {
    for (target, _) in TARGETS {
        let corpus = workspace().join("fuzz/corpus").join(target);
        for file in std::fs::read_dir(&corpus).unwrap() {
            let path = file.unwrap().path();
            let name = path.display().to_string();
            match targets::call(target, &std::fs::read(&path).unwrap()) {
                targets::Call::Validate(payload, None) => {
                    assert_alike(&name, "validate", &payload, || Arc::new(Denied));
                }
                targets::Call::Validate(payload, Some(answers)) => {
                    let answers = Arc::new(Answering(answers));
                    assert_alike(&name, "validate", &payload, || {
                        Arc::<Answering>::clone(&answers)
                    });
                }
                targets::Call::ValidateSettings(settings) => {
                    assert_alike(&name, "validate_settings", &settings, || Arc::new(Denied));
                }
            }
        }
    }
}

/// Asks both engines. Each gets a host of its own: a session can be had once only.
fn assert_alike(
    name: &str,
    function: &'static str,
    payload: &[u8],
    host: impl Fn() -> Arc<dyn HostCapabilities>,
) {
    let (policy, runner) = &*ENGINES;
    let policy = policy.clone().with_host_capabilities(host());
    let interpreted = match function {
        "validate" => policy.validate_bytes(payload),
        _ => policy.validate_settings_bytes(payload),
    };
    let host = host();
    let compiled = runner.call(
        function,
        &payload.into(),
        Arc::new(move |binding, namespace, operation, payload| {
            host.call(binding, namespace, operation, payload)
        }),
    );
    assert_eq!(
        String::from_utf8_lossy(&interpreted.unwrap()),
        String::from_utf8_lossy(&compiled.unwrap().answer),
        "{name}"
    );
}

static ENGINES: LazyLock<(Policy, Runner)> = LazyLock::new(|| {
    let module = policy_module::with_clock(NOW, 0);
    (
        Policy::load(&module).unwrap(),
        Runner::new(&module, Fuel::Free).unwrap(),
    )
});

/// What a fuzzed host answers.
struct Answering(HostAnswers);

impl HostCapabilities for Answering {
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
        self.0.call(namespace, operation, payload)
    }
}

/// 2026-01-31T00:00:00Z, in nanoseconds.
const NOW: i64 = 1_769_817_600_000_000_000;
