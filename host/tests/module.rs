//! Runs every case of `tests/` through the WebAssembly module, in the engine that Kubewarden uses,
//! and holds its answers against those of the native library, byte for byte.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

#[expect(
    dead_code,
    reason = "what is expected of a case is the native tests' affair"
)]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use container_security::NoHost;
use container_security_host::Policy;

#[test]
fn the_module_answers_every_case_as_the_native_library_does() {
    let policy = policy();
    for case in support::cases(&repository().join("tests")) {
        let native = container_security::validate(&case.payload, &NoHost);
        let answer = policy
            .validate_bytes(&case.payload)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(
            String::from_utf8_lossy(&answer),
            String::from_utf8_lossy(&native),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_module_answers_every_settings_case_as_the_native_library_does() {
    let policy = policy();
    for case in support::settings_cases(&repository().join("tests")) {
        let settings = serde_json::to_vec(&case.settings).unwrap();
        let native = container_security::validate_settings(&settings);
        let native: serde_json::Value = serde_json::from_slice(&native).unwrap();
        let verdict = policy.validate_settings(&case.settings).unwrap();
        assert_eq!(verdict.valid, native["valid"], "{}", case.case);
        assert_eq!(
            verdict.message.as_deref(),
            native["message"].as_str(),
            "{}",
            case.case
        );
    }
}

#[test]
fn the_module_answers_what_is_no_request_as_the_native_library_does() {
    let policy = policy();
    for payload in [
        &b""[..],
        b"null",
        b"{}",
        b"[]",
        b"{\"request\":{}}",
        b"\xff\xfe",
        b"{\"request\":{\"kind\":{\"group\":\"\",\"kind\":\"Pod\"},\"object\":{\"spec\":3}}}",
        b"{\"request\":{\"kind\":{\"kind\":\"Pod\"}},\"settings\":{\"mode\":1}}",
    ] {
        let native = container_security::validate(payload, &NoHost);
        let answer = policy.validate_bytes(payload).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&answer),
            String::from_utf8_lossy(&native)
        );
    }
}

#[test]
fn the_module_speaks_the_protocol_that_kubewarden_expects() {
    assert_eq!(policy().protocol_version().unwrap(), "v1");
}

fn policy() -> Policy {
    let path = repository().join("policy.wasm");
    let module = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with: make policy.wasm",
            path.display()
        )
    });
    Policy::load(&module).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
