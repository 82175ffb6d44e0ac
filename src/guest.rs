//! The waPC functions that Kubewarden calls.

use kubewarden_policy_sdk::protocol_version_guest;
use wapc_guest::{CallResult, register_function};

use crate::admission;

/// Called once by the host when an instance is made; makes the functions known.
#[expect(unsafe_code, reason = "waPC finds this function by its name")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", protocol_version_guest);
}

// Never `Err`: waPC turns one into "internal server error", which tells the user nothing.

fn validate(payload: &[u8]) -> CallResult {
    Ok(admission::validate(payload))
}

fn validate_settings(payload: &[u8]) -> CallResult {
    Ok(admission::validate_settings(payload))
}
