//! Runs every case of `tests/` through the WebAssembly module and holds its answers against those of
//! the native library, byte for byte. `benches/src/engines.rs` does so with Kubewarden's engine.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use container_security::NoHost;
use container_security_host::Policy;
use container_security_test_kit::{cases, recorded};
use wasmparser::Payload;

#[test]
fn the_module_answers_every_case_as_the_native_library_does() {
    let policy = policy();
    let tests = repository().join("tests");
    for case in cases::cases(&tests)
        .into_iter()
        .chain(recorded::cases(&tests))
    {
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
    for case in cases::settings_cases(&repository().join("tests")) {
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

/// Everything that the module can ask of whoever runs it.
#[test]
fn the_module_imports_what_it_needs_and_nothing_else() {
    let expected = [
        // The random keys of a hash table in the waPC library.
        ("wasi_snapshot_preview1", "random_get"),
        // Whether RUST_BACKTRACE is set, which the standard library reads when it panics.
        ("wasi_snapshot_preview1", "environ_get"),
        ("wasi_snapshot_preview1", "environ_sizes_get"),
        // How old an image or a scan report is.
        ("wasi_snapshot_preview1", "clock_time_get"),
        // The standard library's last words when it panics, or when memory runs out.
        ("wasi_snapshot_preview1", "fd_write"),
        ("wasi_snapshot_preview1", "proc_exit"),
        // The request, and the answer to it.
        ("wapc", "__guest_request"),
        ("wapc", "__guest_response"),
        ("wapc", "__guest_error"),
        // Host capabilities, and what they answer.
        ("wapc", "__host_call"),
        ("wapc", "__host_response"),
        ("wapc", "__host_response_len"),
        ("wapc", "__host_error"),
        ("wapc", "__host_error_len"),
    ];
    let module = policy_bytes();
    let mut imports = BTreeSet::new();
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            let section = section.into_iter().map(Result::unwrap);
            imports.extend(section.map(|import| (import.module, import.name)));
        }
    }
    assert_eq!(imports, BTreeSet::from(expected));
}

/// They would make the module another one on each machine.
#[test]
fn the_module_names_no_path_of_the_machine_that_built_it() {
    let module = policy_bytes();
    let homes = ["HOME", "CARGO_HOME", "RUSTUP_HOME"];
    let places = homes.into_iter().filter_map(std::env::var_os);
    for place in places.chain([repository().canonicalize().unwrap().into_os_string()]) {
        let place = place.into_encoded_bytes();
        assert!(
            place.len() < 2 || !module.windows(place.len()).any(|found| found == place),
            "the module holds {}",
            String::from_utf8_lossy(&place)
        );
    }
}

fn policy() -> Policy {
    Policy::load(&policy_bytes()).unwrap()
}

fn policy_bytes() -> Vec<u8> {
    let path = repository().join("policy.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with: make policy.wasm",
            path.display()
        )
    })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
