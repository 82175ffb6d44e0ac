//! The registries that `evaluate --registry` and `pin` ask, and the keys that their images are verified with.

use container_security_host::oci::{self, Access};
use container_security_host::{TrustRoot, signing_keys};
use serde_json::Value;

pub(super) use container_security_host::Registry;
pub(super) use container_security_host::oci::InsecureRegistry;

/// Host calls answered by registries, of which these lack TLS. Name and content of a file say whom
/// Sigstore trusts.
pub(super) fn registry(
    insecure: &[InsecureRegistry],
    trust_config: Option<(&str, Vec<u8>)>,
) -> Result<Registry, String> {
    let access = Access::new(oci::Options {
        insecure: insecure.to_vec(),
        ..oci::Options::default()
    });
    let registry = access
        .map(Registry::new)
        .map_err(|error| error.to_string())?;
    Ok(match trust_config {
        Some((path, bytes)) => {
            registry.with_trust_root(TrustRoot::from_client_trust_config(path, &bytes)?)
        }
        None => registry,
    })
}

/// A registry that may lack TLS.
pub(super) fn on_this_machine(text: &str) -> Result<InsecureRegistry, String> {
    let registry: InsecureRegistry = text
        .parse()
        .map_err(|error: oci::Error| error.to_string())?;
    if registry.is_loopback() {
        Ok(registry)
    } else {
        Err("only a registry on this machine (localhost, 127.0.0.1) may lack TLS".to_owned())
    }
}

/// What to say about the keys and certificates in settings.
pub(super) fn warnings_of_keys(settings: &Value) -> Vec<String> {
    signing_keys::warnings(settings)
}
