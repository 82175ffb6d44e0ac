//! What a guest reaches through waPC host calls.

/// Answers the host calls of a guest.
///
/// Calls arrive in the guest's order, on the thread that evaluates; several
/// evaluations may call at the same time. The time spent here counts against
/// the guest's [timeout](crate::Limits::timeout), but is not interrupted.
pub trait HostCapabilities: Send + Sync {
    /// Answers one call.
    ///
    /// `binding` is `kubewarden`; `namespace` and `operation` name the
    /// capability (`oci` and `v2/verify`); `payload` is JSON.
    ///
    /// # Errors
    ///
    /// The text that the guest receives, which its SDK prefixes with `Host error: `.
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String>;
}

/// Grants nothing, as policy-server does to a policy without `hostCapabilities`.
///
/// Only `tracing/log`, which needs no grant, succeeds; what is logged is dropped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Denied;

impl HostCapabilities for Denied {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        _payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        if binding != "kubewarden" {
            return Err(format!("unknown binding: {binding}"));
        }
        match (namespace, operation) {
            ("tracing", "log") => Ok(Vec::new()),
            ("tracing", _) => Err(format!("unknown operation: {operation}")),
            _ => Err(format!(
                "Policy has not been granted access to the '{namespace}/{operation}' host \
                 capability. The violation has been reported."
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_denied_in_the_words_of_policy_server() {
        assert_eq!(
            Denied.call("kubewarden", "oci", "v2/verify", b"{}"),
            Err("Policy has not been granted access to the 'oci/v2/verify' host capability. The violation has been reported.".to_owned())
        );
    }

    #[test]
    fn logging_needs_no_grant() {
        assert_eq!(
            Denied.call("kubewarden", "tracing", "log", b"{}"),
            Ok(Vec::new())
        );
        assert_eq!(
            Denied.call("kubewarden", "tracing", "span", b"{}"),
            Err("unknown operation: span".to_owned())
        );
    }

    #[test]
    fn only_the_binding_kubewarden_is_known() {
        assert_eq!(
            Denied.call("wasmcloud", "oci", "v2/verify", b"{}"),
            Err("unknown binding: wasmcloud".to_owned())
        );
    }
}
