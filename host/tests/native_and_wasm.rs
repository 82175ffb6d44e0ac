//! The module and the native library answer alike, byte for byte: what fuzzing has found worth
//! keeping, and random input of the same sorts.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::path::Path;
use std::sync::Arc;

use container_security::Host;
use container_security_host::{Denied, HostCapabilities, Policy};
use container_security_test_kit::policy_module;

use container_security_test_kit::properties::HostAnswers;
use container_security_test_kit::properties::targets::{self, Call, TARGETS, random_bytes};

#[test]
fn the_module_answers_the_corpus_as_the_native_library_does() {
    let policy = policy();
    for (target, _) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(target);
        let files = std::fs::read_dir(&corpus)
            .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
        for file in files {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert_alike(&policy, target, &bytes, &path.display().to_string());
        }
    }
}

#[test]
fn the_module_answers_random_input_as_the_native_library_does() {
    let policy = policy();
    for (target, _) in TARGETS {
        for (number, bytes) in random_bytes().take(1_000).enumerate() {
            assert_alike(
                &policy,
                target,
                &bytes,
                &format!("{target}, input {number}"),
            );
        }
    }
}

fn assert_alike(policy: &Policy, target: &str, bytes: &[u8], name: &str) {
    let (module, native) = match targets::call(target, bytes) {
        Call::Validate(payload, None) => (
            policy.validate_bytes(&payload).unwrap(),
            container_security::validate(&payload, &Nobody),
        ),
        Call::Validate(payload, Some(answers)) => {
            // The clock of the module is the constant that the module was made with.
            let answers = HostAnswers {
                now: NOW,
                ..answers
            };
            let native = container_security::validate(&payload, &answers);
            let policy = policy
                .clone()
                .with_host_capabilities(Arc::new(Answering(answers)));
            (policy.validate_bytes(&payload).unwrap(), native)
        }
        Call::ValidateSettings(settings) => (
            policy.validate_settings_bytes(&settings).unwrap(),
            container_security::validate_settings(&settings),
        ),
    };
    assert_eq!(
        String::from_utf8_lossy(&module),
        String::from_utf8_lossy(&native),
        "{name}"
    );
}

/// The library's side of a host that grants nothing.
struct Nobody;

impl Host for Nobody {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        Denied
            .call("kubewarden", namespace, operation, payload)
            .map_err(|text| format!("Host error: {text}"))
    }

    fn now(&self) -> i64 {
        NOW
    }
}

/// The module's side of the answers.
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
        let answer = self.0.call(namespace, operation, payload);
        // waPC's library for guests puts this before every error.
        answer.map_err(|text| text.trim_start_matches("Host error: ").to_owned())
    }
}

fn policy() -> Policy {
    let nanoseconds = NOW.checked_mul(1_000_000_000).unwrap();
    Policy::load(&policy_module::with_clock(nanoseconds, 0)).unwrap()
}

/// 2026-01-31T00:00:00Z.
const NOW: i64 = 1_769_817_600;
