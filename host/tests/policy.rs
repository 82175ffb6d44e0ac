//! How each behaviour of a guest reaches the caller.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use container_security_host::{Error, HostCapabilities, Limits, Policy};
use container_security_test_kit::guest;
use container_security_text::SettingsVerdict;
use serde_json::{Value, json};

fn policy(validate: &str) -> Policy {
    Policy::load(&guest::module(validate)).unwrap()
}

fn failure(validate: &str) -> String {
    policy(validate)
        .validate(&json!({}), &json!({}))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_guest_accepts() {
    let verdict = policy(guest::ACCEPT)
        .validate(&json!({}), &json!({}))
        .unwrap();
    assert!(verdict.accepted);
    assert_eq!(verdict.message, None);
}

#[test]
fn a_guest_rejects_with_message_and_code() {
    let verdict = policy(guest::REJECT_MARKED)
        .validate(&json!({"a": "!"}), &json!({}))
        .unwrap();
    assert!(!verdict.accepted);
    assert_eq!(verdict.message.as_deref(), Some("marked\nsecond line"));
    assert_eq!(verdict.code, Some(422));
}

#[test]
fn raw_bytes_go_in_and_come_out() {
    let policy = policy(guest::ECHO);
    assert_eq!(
        policy.validate_bytes(b"not even JSON").unwrap(),
        b"not even JSON"
    );
    assert_eq!(policy.validate_bytes(b"").unwrap(), b"");
}

#[test]
fn a_guest_says_which_protocol_it_speaks() {
    assert_eq!(policy(guest::ACCEPT).protocol_version().unwrap(), "v1");
}

#[test]
fn a_guest_judges_its_settings() {
    let policy = policy(guest::TRAP);
    let valid = SettingsVerdict {
        valid: true,
        message: None,
    };
    assert_eq!(policy.validate_settings(&json!({"a": 1})).unwrap(), valid);
    assert_eq!(policy.validate_settings(&Value::Null).unwrap(), valid);
    assert_eq!(
        policy.validate_settings(&json!({"a": "!"})).unwrap(),
        SettingsVerdict {
            valid: false,
            message: Some("marked".to_owned())
        }
    );
}

#[test]
fn a_trap_is_an_internal_error() {
    assert_eq!(
        failure(guest::TRAP),
        "internal server error: Guest call failure: error while executing: wasm `unreachable` \
         instruction executed"
    );
}

#[test]
fn a_guest_that_calls_itself_without_end_traps() {
    let module = guest::text("(drop (call $deeper (i32.const 1)))").replace(
        "(func $validate",
        "(func $deeper (param i32) (result i32)
           (i32.add (local.get 0) (call $deeper (local.get 0))))
         (func $validate",
    );
    let policy = Policy::load(&wat::parse_str(module).unwrap()).unwrap();
    assert_eq!(
        policy.validate_bytes(b"").unwrap_err().to_string(),
        "internal server error: Guest call failure: error while executing: call stack exhausted"
    );
}

#[test]
fn what_a_guest_does_wrong_is_an_internal_error() {
    for (validate, error) in [
        (
            "(return (i32.const 0))",
            "No error message set for call failure",
        ),
        ("(nop)", "No error message OR response set for call success"),
        (
            "(call $fail (i32.const 1500) (i32.const 12))",
            "I am no good",
        ),
        (
            "(call $respond (i32.const 1048570) (i32.const 7))",
            "error while executing: out of bounds memory access",
        ),
        (
            "(call $respond (i32.const -1) (i32.const 2))",
            "error while executing: out of bounds memory access",
        ),
        (
            "(call $request (i32.const 1048570) (i32.const 0))",
            "error while executing: out of bounds memory access",
        ),
        (
            "(i32.store8 (i32.const 0) (i32.const 0xff)) (call $fail (i32.const 0) (i32.const 1))",
            "error while executing: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0",
        ),
        (
            "(i32.store8 (i32.const 0) (i32.const 0xff))
             (drop (call $host_call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
            "error while executing: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0",
        ),
        (
            "(drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1048576)))",
            "error while executing: out of bounds memory access",
        ),
    ] {
        assert_eq!(
            failure(validate),
            format!("internal server error: Guest call failure: {error}"),
            "{validate}"
        );
    }
}

#[test]
fn before_a_host_call_there_is_neither_response_nor_error() {
    let policy = policy(
        "(if (i32.or (call $host_response_length) (call $host_error_length)) (then unreachable))
         (call $host_response (i32.const 65536))
         (call $host_error (i32.const 65536))
         (call $respond (i32.const 65536) (local.get $length))",
    );
    assert_eq!(policy.validate_bytes(b"as it was").unwrap(), b"as it was");
}

#[test]
fn no_guest_gets_more_than_a_gibibyte_of_memory() {
    let policy = policy(
        "(if (i32.ne (memory.grow (i32.const 16369)) (i32.const -1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 16)) (i32.const 16)) (then unreachable))
         (call $respond (i32.const 1000) (i32.const 17))",
    );
    assert!(policy.validate(&json!({}), &json!({})).unwrap().accepted);
    let module = wat::parse_str(r#"(module (memory (export "memory") 16385))"#).unwrap();
    let error = Policy::load(&module).err().unwrap().to_string();
    assert!(error.starts_with("cannot load the policy: "), "{error}");
}

#[test]
fn an_error_of_the_guest_is_an_internal_error() {
    assert_eq!(
        failure(guest::FAIL),
        "internal server error: Guest call failure: I am no good"
    );
}

#[test]
fn an_answer_that_is_no_verdict_is_an_internal_error() {
    assert_eq!(
        failure(guest::NO_JSON),
        "internal server error: invalid response from policy: expected ident at line 1 column 2"
    );
    assert!(
        failure(guest::OTHER_JSON)
            .starts_with("internal server error: invalid response from policy: ")
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it is the host whose time is measured"
)]
fn a_guest_that_does_not_end_is_interrupted() {
    let limits = Limits {
        timeout: Duration::from_millis(100),
    };
    for validate in [
        guest::LOOP,
        "(loop $again (drop (call $host_response_length)) (br $again))",
        "(loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 1048576)) (br $again))",
    ] {
        let policy = Policy::load(&guest::module(validate))
            .unwrap()
            .with_limits(limits);
        let start = Instant::now();
        let error = policy.validate(&json!({}), &json!({})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Policy execution interrupted because it exceeded the allowed execution time"
        );
        assert!(start.elapsed() >= limits.timeout);
    }
}

#[test]
fn a_guest_that_does_not_end_its_start_is_interrupted() {
    let module = wat::parse_str(
        r#"(module
             (memory (export "memory") 1)
             (func (export "wapc_init") (loop $again (br $again)))
             (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))"#,
    )
    .unwrap();
    let limits = Limits {
        timeout: Duration::from_millis(100),
    };
    let policy = Policy::load(&module).unwrap().with_limits(limits);
    assert!(matches!(policy.validate_bytes(b""), Err(Error::TimedOut)));
    assert!(matches!(
        policy.validate_settings(&json!({})),
        Err(Error::TimedOut)
    ));
    assert!(matches!(policy.protocol_version(), Err(Error::TimedOut)));
}

#[test]
fn settings_and_protocol_version_fail_in_the_words_of_policy_server() {
    let module = wat::parse_str(
        r#"(module
             (memory (export "memory") 1)
             (func (export "__guest_call") (param i32 i32) (result i32) unreachable))"#,
    )
    .unwrap();
    let policy = Policy::load(&module).unwrap();
    let error = policy
        .validate_settings(&json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("Error invoking settings validation callback: GuestCallFailure(\""),
        "{error}"
    );
    let error = policy.protocol_version().unwrap_err().to_string();
    assert!(
        error.starts_with("cannot invoke 'protocol_version' waPC function : Guest call failure: "),
        "{error}"
    );
}

#[test]
fn each_call_has_an_instance_of_its_own() {
    let policy = policy(guest::ACCEPT_ONCE);
    assert!(policy.validate(&json!({}), &json!({})).unwrap().accepted);
    assert!(policy.validate(&json!({}), &json!({})).unwrap().accepted);
}

#[test]
fn a_policy_that_was_interrupted_judges_the_next_request() {
    let limits = Limits {
        timeout: Duration::from_millis(50),
    };
    let module = guest::module(&format!(
        "(if (call $is_marked (local.get $length)) (then {})) {}",
        guest::LOOP,
        guest::ACCEPT
    ));
    let policy = Policy::load(&module).unwrap().with_limits(limits);
    assert!(matches!(policy.validate_bytes(b"!"), Err(Error::TimedOut)));
    assert!(policy.validate(&json!({}), &json!({})).unwrap().accepted);
}

#[test]
fn threads_evaluate_one_compiled_policy() {
    let policy = policy(guest::ECHO);
    thread::scope(|scope| {
        for thread in 0..4 {
            let policy = &policy;
            scope.spawn(move || {
                for call in 0..25 {
                    let payload = format!("{thread}/{call}").into_bytes();
                    assert_eq!(policy.validate_bytes(&payload).unwrap(), payload);
                }
            });
        }
    });
}

#[test]
fn a_host_capability_is_denied_unless_it_is_given() {
    assert_eq!(
        failure(guest::CALL_HOST),
        "internal server error: Guest call failure: Policy has not been granted access to the 'oci/v2/verify' host capability. The violation has been reported."
    );
}

#[test]
fn a_host_capability_gets_the_call_and_the_guest_its_answer() {
    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl HostCapabilities for Recorder {
        fn call(
            &self,
            binding: &str,
            namespace: &str,
            operation: &str,
            payload: &[u8],
        ) -> Result<Vec<u8>, String> {
            let payload = String::from_utf8_lossy(payload);
            let call = format!("{binding} {namespace} {operation} {payload}");
            self.0.lock().unwrap().push(call);
            Ok(br#"{"accepted":true,"message":"from the host"}"#.to_vec())
        }
    }

    let recorder = Arc::new(Recorder::default());
    let policy = policy(guest::CALL_HOST).with_host_capabilities(recorder.clone());
    let verdict = policy
        .validate(&json!({"z": 1, "a": 2}), &Value::Null)
        .unwrap();
    assert_eq!(verdict.message.as_deref(), Some("from the host"));
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [r#"kubewarden oci v2/verify {"request":{"a":2,"z":1},"settings":{}}"#]
    );
}

#[test]
fn what_is_no_guest_is_not_loaded() {
    for (bytes, reason) in [
        (b"(module)".to_vec(), "cannot load the policy: "),
        (Vec::new(), "cannot load the policy: "),
        (
            wat::parse_str(r#"(module (import "wapc" "__nothing" (func)))"#).unwrap(),
            "cannot load the policy: unknown import: `wapc::__nothing` has not been defined",
        ),
        (
            wat::parse_str(
                r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))))"#,
            )
            .unwrap(),
            "cannot load the policy: unknown import: `wasi_snapshot_preview1::sched_yield` has not \
             been defined",
        ),
        (
            wat::parse_str(r#"(module (import "wapc" "__host_call" (func)))"#).unwrap(),
            "cannot load the policy: imported function (wapc,__host_call) type mismatch. ",
        ),
        // It would run before there is a deadline.
        (
            wat::parse_str("(module (func $start) (start $start))").unwrap(),
            "cannot load the policy: ",
        ),
    ] {
        let error = Policy::load(&bytes).err().unwrap().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    let without_guest_call = wat::parse_str("(module)").unwrap();
    let error = Policy::load(&without_guest_call)
        .unwrap()
        .validate_bytes(b"")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "internal server error: Initialization failed: Guest call function (__guest_call) not exported by wasm module."
    );
}
