//! What the policy makes of a host that fails it: rejections that say why, never trust.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use container_security::Host;
use container_security_host::{Error, HostCapabilities, Limits, Policy};
use container_security_test_kit::{cases, policy_module, requests};
use container_security_text::Verdict;
use serde_json::{Value, json};

#[test]
fn a_capability_that_is_denied_is_a_rejection_that_says_so() {
    let policy = compiled();
    for (control, capability) in [
        (SIGNATURES, "oci/v2/verify"),
        (VULNERABILITIES, "kubernetes/get_resource"),
        (FRESHNESS, "oci/v1/oci_manifest_config"),
    ] {
        let denied = format!(
            "because the policy server does not allow it: Policy has not been granted access to \
             the '{capability}' host capability. The violation has been reported."
        );
        let verdict = policy.validate(&request(IMAGE), &settings(&[control]));
        assert_rejects(&verdict.unwrap(), &[control.cannot(&denied)]);
    }
}

#[test]
fn a_capability_that_errs_is_a_rejection_with_the_first_line_of_the_error() {
    let policy = policy(|_, _, _| {
        Err(
            "Callback evaluation failure: connection refused\n\nStack backtrace:\n   0: main"
                .to_owned(),
        )
    });
    for control in CONTROLS {
        let verdict = policy.validate(&request(IMAGE), &settings(&[control]));
        assert_rejects(&verdict.unwrap(), &[control.cannot(": connection refused")]);
    }
}

#[test]
fn an_answer_that_is_garbage_is_a_rejection() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("\"{}\"", "x".repeat(4 * 1024 * 1024));
    for garbage in [
        b"".as_slice(),
        b"null",
        b"true",
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe",
        b"trusted",
        br#"{"is_trusted":true}"#,
        br#"{"is_trusted":"true","digest":"sha256:0"}"#,
        br#"{"is_trusted":true,"digest":7}"#,
        br#"{"is_trusted":true,"digest":""}"#,
        br#"{"items":{}}"#,
        br#"{"items":[{}]}"#,
        br#"{"items":[null]}"#,
        br#"{"manifest":[],"config":{"created":true}}"#,
        br#"{"manifest":{},"config":{"created":"yesterday"}}"#,
        deep.as_bytes(),
        long.as_bytes(),
    ] {
        let answer = garbage.to_vec();
        let policy = policy(move |_, _, _| Ok(answer.clone()));
        for control in CONTROLS {
            let verdict = policy
                .validate(&request(IMAGE), &settings(&[control]))
                .unwrap_or_else(|error| panic!("{control:?}: {error}"));
            let message = verdict.message.clone().unwrap_or_default();
            assert!(
                !verdict.accepted && message.contains(control.name),
                "{control:?} on {:?}: {verdict:?}",
                String::from_utf8_lossy(garbage.get(..40).unwrap_or(garbage))
            );
        }
    }
}

#[test]
fn an_answer_that_does_not_fit_into_memory_is_no_verdict() {
    // policy-server rejects what has no verdict. It is memory that ends here, and not the time.
    let huge = format!("[{}0]", "0,".repeat(8 * 1024 * 1024));
    let policy = policy(move |_, _, _| Ok(huge.clone().into_bytes())).with_limits(Limits {
        timeout: Duration::from_mins(5),
    });
    for control in CONTROLS {
        let outcome = policy.validate(&request(IMAGE), &settings(&[control]));
        assert!(matches!(outcome, Err(Error::Guest(_))), "{outcome:?}");
    }
}

#[test]
fn an_answer_that_comes_after_the_deadline_is_no_verdict() {
    // As long as a call may take on a slow machine, so that only the late answer is late.
    let limits = Limits {
        timeout: Duration::from_millis(500),
    };
    let late = move |_: &str, _: &str, _: &[u8]| {
        thread::sleep(2 * limits.timeout);
        Ok(trusted(DIGEST))
    };
    let policy = Policy::load(&policy_module::bytes())
        .unwrap()
        .with_limits(limits)
        .with_host_capabilities(Arc::new(Answering(late)));
    let outcome = policy.validate(&request(IMAGE), &settings(&[SIGNATURES]));
    assert!(matches!(outcome, Err(Error::TimedOut)), "{outcome:?}");
    // Who comes next is judged as if nothing had happened.
    let verdict = policy.validate(&request(IMAGE), &json!({})).unwrap();
    assert!(verdict.accepted, "{verdict:?}");
}

#[test]
fn a_signature_of_another_digest_is_a_rejection() {
    let signed = policy(|_, _, _| Ok(trusted(DIGEST)));
    let verdict = signed.validate(&request(IMAGE), &settings(&[SIGNATURES]));
    assert!(verdict.unwrap().accepted);
    let other = policy(|_, _, _| Ok(trusted(OTHER)));
    let verdict = other.validate(&request(IMAGE), &settings(&[SIGNATURES]));
    let reason = format!("whose signature is for another digest: \"{OTHER}\"");
    assert_rejects(&verdict.unwrap(), &[SIGNATURES.line(&reason)]);
}

#[test]
fn a_report_about_another_digest_is_no_report() {
    for (digest, is_accepted) in [(DIGEST, true), (OTHER, false)] {
        let policy = policy(move |_, operation, _| match operation {
            "get_resource" => Err("Callback evaluation failure: Cannot find it".to_owned()),
            _ => Ok(report(digest)),
        });
        let verdict = policy
            .validate(&request(IMAGE), &settings(&[VULNERABILITIES]))
            .unwrap();
        assert_eq!(verdict.accepted, is_accepted, "{verdict:?}");
        if !is_accepted {
            let reason = "which no vulnerability report covers";
            assert_rejects(&verdict, &[VULNERABILITIES.line(reason)]);
        }
    }
}

#[test]
fn a_base_that_now_has_another_digest_is_a_rejection() {
    for (digest, is_accepted) in [(DIGEST, true), (OTHER, false)] {
        let policy = policy(move |_, operation, _| match operation {
            "v1/manifest_digest" => Ok(json!({ "digest": digest }).to_string().into_bytes()),
            "v1/oci_manifest" => Ok(b"{}".to_vec()),
            _ => Ok(built(DIGEST)),
        });
        let settings = json!({"imageFreshness": {"mode": "enforce", "baseImage": "current",
            "baseRegistries": ["docker.io/library"]}});
        let verdict = policy.validate(&request(IMAGE), &settings).unwrap();
        assert_eq!(verdict.accepted, is_accepted, "{verdict:?}");
    }
}

#[test]
fn before_1970_every_image_is_of_unknown_age() {
    struct BeforeTheEpoch;

    impl Host for BeforeTheEpoch {
        fn call(&self, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
            Ok(built(DIGEST))
        }

        fn now(&self) -> i64 {
            -1
        }
    }

    let payload = requests::payload(&request(IMAGE), &settings(&[FRESHNESS]));
    let answer = container_security::validate(&payload, &BeforeTheEpoch);
    let verdict = serde_json::from_slice(&answer).unwrap();
    assert_rejects(&verdict, &[WITHOUT_AGE.line(UNKNOWN_AGE)]);
}

#[test]
fn at_the_epoch_every_image_is_of_unknown_age_to_the_module_too() {
    let policy = Policy::load(&policy_module::with_clock(0, 0))
        .unwrap()
        .with_host_capabilities(Arc::new(Answering(|_: &str, _: &str, _: &[u8]| {
            Ok(built(DIGEST))
        })));
    let verdict = policy.validate(&request(IMAGE), &settings(&[FRESHNESS]));
    assert_rejects(&verdict.unwrap(), &[WITHOUT_AGE.line(UNKNOWN_AGE)]);
}

#[test]
fn a_clock_that_cannot_be_read_is_no_verdict() {
    // WASI has no time before 1970: a host whose clock is set there answers with an error.
    let policy = Policy::load(&policy_module::with_clock(0, ERRNO_OVERFLOW))
        .unwrap()
        .with_host_capabilities(Arc::new(Answering(|_: &str, _: &str, _: &[u8]| {
            Ok(built(DIGEST))
        })));
    let outcome = policy.validate(&request(IMAGE), &settings(&[FRESHNESS]));
    assert!(matches!(outcome, Err(Error::Guest(_))), "{outcome:?}");
    // Who asks nothing of the clock does not need one.
    let verdict = policy.validate(&request(IMAGE), &json!({})).unwrap();
    assert!(verdict.accepted, "{verdict:?}");
}

#[test]
fn ten_thousand_requests_on_one_instance_take_no_more_memory_than_the_first_few() {
    let policy = Policy::load(&policy_module::with_pages(PAGES)).unwrap();
    let mut instance = policy.instance().unwrap();
    // Requests that leaked twenty bytes each would not get to the end.
    for (payload, expected) in payloads().iter().cycle().take(10_000) {
        let answer = instance.validate_bytes(payload).unwrap();
        assert!(answer == *expected, "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn ten_thousand_fresh_instances_give_the_same_bytes() {
    let policy = compiled();
    for (payload, expected) in payloads().iter().cycle().take(10_000) {
        let answer = policy.validate_bytes(payload).unwrap();
        assert!(answer == *expected, "{}", String::from_utf8_lossy(&answer));
    }
}

/// The payloads of all cases, and what the native library answers.
fn payloads() -> Vec<(Vec<u8>, Vec<u8>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    cases::cases(&tests)
        .into_iter()
        .map(|case| {
            let answer = container_security::validate(&case.payload, &container_security::NoHost);
            (case.payload, answer)
        })
        .collect()
}

#[test]
fn settings_that_have_become_invalid_since_they_were_validated_reject_every_request() {
    let policy = compiled();
    let mut settings = json!({"registries": {"allow": ["myacr.azurecr.io"]}});
    assert!(policy.validate_settings(&settings).unwrap().valid);
    settings["registries"]["allow"][0] = "*".into();
    let problem = policy.validate_settings(&settings).unwrap();
    assert!(!problem.valid);
    let verdict = policy.validate(&request(IMAGE), &settings).unwrap();
    assert!(!verdict.accepted);
    assert_eq!(verdict.code, Some(500));
    assert_eq!(verdict.message, problem.message);
}

/// A control that asks the host, with settings that make it ask, and its words.
#[derive(Debug, Clone, Copy)]
struct Control {
    name: &'static str,
    settings: fn() -> Value,
    /// How it begins to say that it knows nothing.
    cannot: &'static str,
    must: &'static str,
}

const SIGNATURES: Control = Control {
    name: "signatures",
    settings: || json!({"rules": [{"images": ["ghcr.io/org"], "anyOf": [{"publicKeys": [KEY]}]}]}),
    cannot: "whose signatures cannot be verified",
    must: "name an image signed as signatures.rules asks",
};

const VULNERABILITIES: Control = Control {
    name: "vulnerabilities",
    settings: || json!({"source": "sbomscanner"}),
    cannot: "whose vulnerability reports cannot be read",
    must: "name an image that has been scanned",
};

const FRESHNESS: Control = Control {
    name: "imageFreshness",
    settings: || json!({"mode": "enforce", "maximumAge": "90d"}),
    cannot: "which cannot be looked up",
    must: "name an image that was rebuilt since",
};

/// The same about an image that says no age.
const WITHOUT_AGE: Control = Control {
    must: "name an image that says when it was built (others are up to imageFreshness.unknownAge)",
    ..FRESHNESS
};

const CONTROLS: [Control; 3] = [SIGNATURES, VULNERABILITIES, FRESHNESS];

impl Control {
    fn line(self, reason: &str) -> String {
        format!(
            "{}: container \"app\": image is \"{IMAGE}\", {reason}; spec.containers[0].image must {}",
            self.name, self.must
        )
    }

    /// The line about an answer that did not come, with what follows the opening words.
    fn cannot(self, why: &str) -> String {
        let space = if why.starts_with(':') { "" } else { " " };
        format!(
            "{}: container \"app\": image is \"{IMAGE}\", {}{space}{why}; \
             try again, or ask whoever runs the policy server",
            self.name, self.cannot
        )
    }
}

/// Answers every call as a function does.
struct Answering<F>(F);

impl<F> HostCapabilities for Answering<F>
where
    F: Fn(&str, &str, &[u8]) -> Result<Vec<u8>, String> + Send + Sync,
{
    fn call(
        &self,
        _binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        (self.0)(namespace, operation, payload)
    }
}

fn policy(
    answer: impl Fn(&str, &str, &[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
) -> Policy {
    compiled().with_host_capabilities(Arc::new(Answering(answer)))
}

/// The policy without host capabilities, compiled once for all tests.
fn compiled() -> Policy {
    static POLICY: LazyLock<Policy> =
        LazyLock::new(|| Policy::load(&policy_module::bytes()).unwrap());
    POLICY.clone()
}

fn settings(controls: &[Control]) -> Value {
    controls
        .iter()
        .map(|control| (control.name.to_owned(), (control.settings)()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Creates a Pod with one container of this image.
fn request(image: &str) -> Value {
    let mut pod = requests::valid_pod();
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"].as_object_mut().unwrap().remove(list);
    }
    pod["spec"]["containers"][0]["image"] = image.into();
    requests::create_request("Pod", requests::workload("Pod", pod))
}

fn trusted(digest: &str) -> Vec<u8> {
    json!({"is_trusted": true, "digest": digest})
        .to_string()
        .into_bytes()
}

/// A list with one report without findings.
fn report(digest: &str) -> Vec<u8> {
    let image = json!({"registryURI": "ghcr.io", "repository": "org/app", "digest": digest});
    json!({"items": [{"imageMetadata": image, "report": {"results": []}}]})
        .to_string()
        .into_bytes()
}

/// The config of an image that was built in 2026 on a base of this digest.
fn built(base: &str) -> Vec<u8> {
    let annotations = json!({
        "org.opencontainers.image.base.name": "docker.io/library/debian:13",
        "org.opencontainers.image.base.digest": base,
    });
    json!({
        "digest": DIGEST,
        "config": {"created": "2026-01-30T00:00:00Z"},
        "manifest": {"annotations": annotations},
    })
    .to_string()
    .into_bytes()
}

fn assert_rejects(verdict: &Verdict, lines: &[String]) {
    assert!(!verdict.accepted, "{verdict:?}");
    let message = verdict.message.as_deref().unwrap();
    let found: Vec<&str> = message.split("\n- ").skip(1).collect();
    assert_eq!(found, lines);
}

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const IMAGE: &str =
    "ghcr.io/org/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
const UNKNOWN_AGE: &str =
    "whose age is unknown: by the policy server's clock it was built in the future";
/// WASI's `EOVERFLOW`.
const ERRNO_OVERFLOW: i32 = 61;
/// What the largest case needs, in pages of 64 KiB, and one more.
const PAGES: u64 = 22;
