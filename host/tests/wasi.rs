//! What a guest gets of a system: a clock, random bytes, a way to say its last words, and nothing
//! else.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::time::{SystemTime, UNIX_EPOCH};

use container_security_host::Policy;

const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;

#[test]
fn the_clock_is_the_one_of_the_machine() {
    let before = now();
    let (error, bytes) = answer("(call $clock (i32.const 0) (i64.const 0) (i32.const 8))");
    let after = now();
    let time = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(error, SUCCESS);
    assert!(before <= time && time <= after, "{before} {time} {after}");
}

#[test]
fn the_other_clock_goes_on() {
    let body = "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 8)))
                (call $clock (i32.const 1) (i64.const 0) (i32.const 16))";
    let (error, bytes) = answer(body);
    let time = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(error, SUCCESS);
    assert!(time(0) <= time(8));
}

#[test]
fn random_bytes_are_others_each_time() {
    let body = "(call $random (i32.const 8) (i32.const 16))";
    let ((error, first), (_, second)) = (answer(body), answer(body));
    assert_eq!(error, SUCCESS);
    assert_ne!(first, second);
}

#[test]
fn the_environment_is_empty() {
    let body = "(i64.store (i32.const 8) (i64.const -1))
                (call $environ_sizes (i32.const 8) (i32.const 12))";
    assert_eq!(answer(body), (SUCCESS, vec![0; 16]));
    let body = "(call $environ (i32.const 8) (i32.const 12))";
    assert_eq!(answer(body), (SUCCESS, vec![0; 16]));
}

#[test]
fn what_is_asked_wrongly_is_an_error() {
    for (body, expected) in [
        (
            "(call $clock (i32.const 2) (i64.const 0) (i32.const 8))",
            EINVAL,
        ),
        (
            "(call $clock (i32.const 0) (i64.const 0) (i32.const 65529))",
            EFAULT,
        ),
        ("(call $random (i32.const 65535) (i32.const 2))", EFAULT),
        ("(call $random (i32.const -1) (i32.const -1))", EFAULT),
        (
            "(call $environ_sizes (i32.const 8) (i32.const 65533))",
            EFAULT,
        ),
        // Standard input, and files that nobody has opened.
        (
            "(call $write (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16))",
            EBADF,
        ),
        (
            "(call $write (i32.const 3) (i32.const 8) (i32.const 1) (i32.const 16))",
            EBADF,
        ),
        // The list of the pieces, a piece, and where the number of bytes should go.
        (
            "(call $write (i32.const 2) (i32.const 65530) (i32.const 1) (i32.const 16))",
            EFAULT,
        ),
        (
            "(call $write (i32.const 2) (i32.const 8) (i32.const -1) (i32.const 16))",
            EFAULT,
        ),
        (
            "(i64.store (i32.const 8) (i64.const 0x2_0000_ffff))
             (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 16))",
            EFAULT,
        ),
        (
            "(call $write (i32.const 2) (i32.const 8) (i32.const 0) (i32.const 65533))",
            EFAULT,
        ),
        // The whole memory, twice.
        (
            "(i32.store (i32.const 12) (i32.const 65536))
             (i32.store (i32.const 20) (i32.const 65536))
             (call $write (i32.const 2) (i32.const 8) (i32.const 2) (i32.const 32))",
            EFAULT,
        ),
    ] {
        assert_eq!(answer(body).0, expected, "{body}");
    }
}

#[test]
fn a_guest_that_exits_gives_no_verdict() {
    let failure = |body| {
        policy(body, "")
            .validate_bytes(b"")
            .unwrap_err()
            .to_string()
    };
    for (body, status) in [
        ("(call $exit (i32.const 0)) (i32.const 0)", 0),
        ("(call $exit (i32.const 3)) (i32.const 0)", 3),
    ] {
        assert_eq!(
            failure(body),
            format!(
                "internal server error: Guest call failure: the guest exits with status {status}"
            )
        );
    }
}

#[test]
fn a_guest_may_exit_from_its_main_function_unless_something_went_wrong() {
    let start = |status| format!(r#"(func (export "_start") (call $exit (i32.const {status})))"#);
    let answers = policy("(i32.const 0)", &start(0)).validate_bytes(b"");
    assert!(answers.is_ok(), "{answers:?}");
    let fails = policy("(i32.const 0)", &start(1)).validate_bytes(b"");
    assert_eq!(
        fails.unwrap_err().to_string(),
        "internal server error: Initialization failed: Initialization failed: the guest exits \
         with status 1"
    );
}

/// The error number that a function returns, and the sixteen bytes at the address 8.
fn answer(body: &str) -> (u32, Vec<u8>) {
    let answer = policy(body, "").validate_bytes(b"").unwrap();
    let (error, bytes) = answer.split_at(8);
    (
        u32::from_le_bytes(*error.first_chunk().unwrap()),
        bytes.to_vec(),
    )
}

fn policy(body: &str, more: &str) -> Policy {
    Policy::load(&module(body, more)).unwrap()
}

/// A guest whose every function answers with what `body` leaves, and the first bytes of memory.
fn module(body: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wasi_snapshot_preview1" "clock_time_get"
            (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get"
            (func $environ_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_get"
            (func $environ (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (data (i32.const 1024) "hello, world")
          (func $body (result i32) {body})
          {more}
          (func (export "__guest_call") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (call $body))
            (call $respond (i32.const 0) (i32.const 24))
            (i32.const 1)))"#
    );
    wat::parse_str(text).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is the host whose clock is compared"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}
