//! The floor of the benchmarks: a guest that walks over the whole request and judges nothing.
//!
//! No policy that checks that its payload is JSON can do with fewer instructions, so the multiple
//! of this guest says what judging costs.

use serde::de::IgnoredAny;
use wapc_guest::CallResult;

/// Registers the three functions that a Kubewarden host calls.
#[expect(
    unsafe_code,
    reason = "a waPC host finds this function by its unmangled name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    wapc_guest::register_function("validate", validate);
    wapc_guest::register_function("validate_settings", validate_settings);
    wapc_guest::register_function("protocol_version", protocol_version);
}

fn validate(payload: &[u8]) -> CallResult {
    serde_json::from_slice::<IgnoredAny>(payload)?;
    Ok(br#"{"accepted":true}"#.to_vec())
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is waPC's")]
fn validate_settings(_settings: &[u8]) -> CallResult {
    Ok(br#"{"valid":true}"#.to_vec())
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is waPC's")]
fn protocol_version(_payload: &[u8]) -> CallResult {
    Ok(br#""v1""#.to_vec())
}
