//! The registries that `evaluate --registry` asks, and the keys that their images are verified with.

use container_security_host::oci::{self, Access};
use container_security_host::signing_keys;
use serde_json::Value;

pub(super) use container_security_host::Registry;
pub(super) use container_security_host::oci::InsecureRegistry;

/// Host calls answered by registries, of which these lack TLS.
pub(super) fn registry(insecure: &[InsecureRegistry]) -> Result<Registry, String> {
    Access::new(oci::Options {
        insecure: insecure.to_vec(),
        ..oci::Options::default()
    })
    .map(Registry::new)
    .map_err(|error| error.to_string())
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
