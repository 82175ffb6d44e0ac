//! The waPC functions that Kubewarden calls.

use std::time::{SystemTime, UNIX_EPOCH};

use kubewarden_policy_sdk::protocol_version_guest;
use wapc_guest::{CallResult, host_call, register_function};

use crate::admission;
use crate::host_calls::Host;

/// Called once by the host when an instance is made; makes the functions known.
#[expect(unsafe_code, reason = "waPC finds this function by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", protocol_version_guest);
}

// Never `Err`: waPC turns one into "internal server error", which tells the user nothing.

#[expect(clippy::unnecessary_wraps, reason = "waPC asks for a result")]
fn validate(payload: &[u8]) -> CallResult {
    Ok(admission::validate(payload, &Kubewarden))
}

#[expect(clippy::unnecessary_wraps, reason = "waPC asks for a result")]
fn validate_settings(payload: &[u8]) -> CallResult {
    Ok(admission::validate_settings(payload))
}

/// policy-server, kwctl, or the embedded host.
struct Kubewarden;

impl Host for Kubewarden {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        host_call("kubewarden", namespace, operation, payload).map_err(|error| error.to_string())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the door hands out"
    )]
    fn now(&self) -> i64 {
        let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => seconds(since),
            Err(before) => seconds(before.duration()).saturating_neg(),
        }
    }
}
