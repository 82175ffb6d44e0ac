//! Runs every case of `tests/sessions/` through the WebAssembly module with its session replayed,
//! and holds the answers against those of the native library, byte for byte.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use assert_cmd::Command;
use container_security::Host;
use container_security_host::{HostCapabilities as _, Policy, Replay};
use container_security_test_kit::sessions;

#[test]
fn every_session_gets_its_verdict_from_the_module_and_the_library_alike() {
    let policy = policy();
    for case in sessions::cases(&repository().join("tests")) {
        let replay = Arc::new(Replay::from_yaml(&case.name, &case.session).unwrap());
        let answer = policy
            .clone()
            .with_host_capabilities(Arc::<Replay>::clone(&replay))
            .validate_bytes(&case.payload())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let now = now();
        case.check(&answer, now);
        assert_eq!(replay.leftovers(), Vec::<String>::new(), "{}", case.name);

        let native = Native {
            replay: Replay::from_yaml(&case.name, &case.session).unwrap(),
            now,
        };
        assert_eq!(
            String::from_utf8_lossy(&answer),
            String::from_utf8_lossy(&container_security::validate(&case.payload(), &native)),
            "{}",
            case.name
        );
        assert_eq!(
            native.replay.leftovers(),
            Vec::<String>::new(),
            "{}",
            case.name
        );
    }
}

#[test]
fn a_request_that_the_session_does_not_expect_is_never_trust() {
    let tests = repository().join("tests");
    for case in sessions::cases(&tests) {
        // Every session that holds anything, without its first exchange.
        let text = String::from_utf8(case.session.clone()).unwrap();
        let Some((_, rest)) = text.split_once("\n- ") else {
            continue;
        };
        let replay = Replay::from_yaml(&case.name, format!("- {rest}").as_bytes()).unwrap();
        let native = Native { replay, now: now() };
        let answer = container_security::validate(&case.payload(), &native);
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.contains("Replay error: unexpected request. Was expecting"),
            "{}: {answer}",
            case.name
        );
    }
}

#[test]
fn the_command_line_replays_a_session() {
    let folder = repository().join("tests/sessions/signatures-none");
    let case = std::fs::read_to_string(folder.join("case.yaml")).unwrap();
    let case: serde_json::Value = yaml_serde::from_str(&case).unwrap();
    Command::cargo_bin("container-security")
        .unwrap()
        .current_dir(&folder)
        .arg("evaluate")
        .arg(module())
        .args(["--request-path", "-"])
        .args(["--settings-json", &case["settings"].to_string()])
        .args(["--replay-host-capabilities-interactions", "session.yaml"])
        .write_stdin(case["request"].to_string())
        .assert()
        .code(1)
        .stderr("")
        .stdout(predicates::str::contains(
            "which has no cosign signature (tag sha256-....sig) that this policy server reads",
        ));
}

/// The native library's way to the same session.
struct Native {
    replay: Replay,
    now: i64,
}

impl Host for Native {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.replay
            .call("kubewarden", namespace, operation, payload)
            .map_err(|error| format!("Host error: {error}"))
    }

    fn now(&self) -> i64 {
        self.now
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the module reads the clock of the machine, and the library must read the same"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn policy() -> Policy {
    let module = module();
    let bytes = std::fs::read(&module).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with: make policy.wasm",
            module.display()
        )
    });
    Policy::load(&bytes).unwrap()
}

fn module() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from);
    std::env::var_os("CONTAINER_SECURITY_WASM").map_or_else(
        || target.join("wasm32-wasip1/release/container_security.wasm"),
        PathBuf::from,
    )
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
