//! waPC guests in a few lines of WebAssembly text, one for each way a policy
//! can behave.
//!
//! All of them accept every settings except those with an `!` in them, and
//! answer `protocol_version` with `"v1"`; they differ in `validate`.

#![expect(
    clippy::unwrap_used,
    reason = "a module that is written wrongly must fail"
)]

/// Accepts.
pub const ACCEPT: &str = r"(call $respond (i32.const 1000) (i32.const 17))";

/// Rejects a payload with an `!` in it, accepts all others with a warning.
pub const REJECT_MARKED: &str = r"
    (if (call $is_marked (local.get $length))
      (then (call $respond (i32.const 1100) (i32.const 67)))
      (else (call $respond (i32.const 1200) (i32.const 39))))";

/// Rejects with two violations in the audit annotation.
pub const REPORT_VIOLATIONS: &str = r"
    (call $respond (i32.const 2000) (global.get $violations_length))";

/// Hands the payload back.
pub const ECHO: &str = "(call $respond (i32.const 65536) (local.get $length))";

/// Answers with something that is no JSON.
pub const NO_JSON: &str = "(call $respond (i32.const 1300) (i32.const 4))";

/// Answers with JSON of another shape.
pub const OTHER_JSON: &str = "(call $respond (i32.const 1400) (i32.const 2))";

/// Fails with a text of its own.
pub const FAIL: &str = "(call $fail (i32.const 1500) (i32.const 12)) (return (i32.const 0))";

/// Traps.
pub const TRAP: &str = "unreachable";

/// Never comes to an end.
pub const LOOP: &str = "(loop $again (br $again))";

/// Accepts in its first call and traps in the second, if it still is the same instance.
pub const ACCEPT_ONCE: &str = r"
    (if (global.get $called) (then unreachable))
    (global.set $called (i32.const 1))
    (call $respond (i32.const 1000) (i32.const 17))";

/// Hands its payload to `oci` `v2/verify`, answers with what the host says and
/// fails with the host's error.
pub const CALL_HOST: &str = r"
    (if (call $host_call
          (i32.const 1600) (i32.const 10) (i32.const 1610) (i32.const 3)
          (i32.const 1613) (i32.const 9) (i32.const 65536) (local.get $length))
      (then
        (call $host_response (i32.const 65536))
        (call $respond (i32.const 65536) (call $host_response_length)))
      (else
        (call $host_error (i32.const 65536))
        (call $fail (i32.const 65536) (call $host_error_length))
        (return (i32.const 0))))";

/// The module of a guest whose `validate` is one of the bodies above.
pub fn module(validate: &str) -> Vec<u8> {
    wat::parse_str(text(validate)).unwrap()
}

/// The same module as text.
pub fn text(validate: &str) -> String {
    TEMPLATE
        .replace("$VALIDATE", validate)
        .replace("$VIOLATIONS_LENGTH", &VIOLATIONS.len().to_string())
        .replace(
            "$VIOLATIONS",
            &VIOLATIONS.replace('\\', "\\5c").replace('"', "\\22"),
        )
}

const VIOLATIONS: &str = r#"{"accepted":false,"message":"two violations","audit_annotations":{"violations":"[{\"control\":\"seccomp\",\"mode\":\"enforce\",\"path\":\"/spec/securityContext/seccompProfile/type\",\"field\":\"spec.securityContext.seccompProfile.type\",\"fix\":{\"set\":\"RuntimeDefault\"}},{\"control\":\"registries\",\"mode\":\"warn\",\"container\":\"app\",\"path\":\"/spec/containers/0/image\",\"field\":\"spec.containers[0].image\"}]"}}"#;

/// The operation is written at 0 and the payload at 65536. The functions are
/// told apart by the length of their names: `validate`, `protocol_version`,
/// `validate_settings`.
const TEMPLATE: &str = r#"
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (import "wapc" "__host_call"
    (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_response_len" (func $host_response_length (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (import "wapc" "__host_error_len" (func $host_error_length (result i32)))
  (memory (export "memory") 16)
  (global $called (mut i32) (i32.const 0))
  (global $violations_length i32 (i32.const $VIOLATIONS_LENGTH))
  (data (i32.const 900) "{\22valid\22:true}")
  (data (i32.const 920) "{\22valid\22:false,\22message\22:\22marked\22}")
  (data (i32.const 960) "\22v1\22")
  (data (i32.const 1000) "{\22accepted\22:true}")
  (data (i32.const 1100)
    "{\22accepted\22:false,\22message\22:\22marked\\nsecond line\22,\22code\22:422      }")
  (data (i32.const 1200) "{\22accepted\22:true,\22warnings\22:[\22beware\22]}")
  (data (i32.const 1300) "nope")
  (data (i32.const 1400) "[]")
  (data (i32.const 1500) "I am no good")
  (data (i32.const 1600) "kubewarden" "oci" "v2/verify")
  (data (i32.const 2000) "$VIOLATIONS")

  (func $is_marked (param $length i32) (result i32)
    (local $index i32)
    (loop $next
      (if (i32.lt_u (local.get $index) (local.get $length))
        (then
          (if (i32.eq
                (i32.load8_u (i32.add (i32.const 65536) (local.get $index)))
                (i32.const 33))
            (then (return (i32.const 1))))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  (func $validate (param $length i32) (result i32)
    $VALIDATE
    (i32.const 1))

  (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
    (call $request (i32.const 0) (i32.const 65536))
    (if (i32.eq (local.get $operation) (i32.const 16))
      (then
        (call $respond (i32.const 960) (i32.const 4))
        (return (i32.const 1))))
    (if (i32.eq (local.get $operation) (i32.const 17))
      (then
        (if (call $is_marked (local.get $length))
          (then (call $respond (i32.const 920) (i32.const 34)))
          (else (call $respond (i32.const 900) (i32.const 14))))
        (return (i32.const 1))))
    (call $validate (local.get $length))))
"#;
