//! What `push` and `pull` have in common: the policy's place in an OCI registry.

use std::io::{self, Write as _};
use std::time::Duration;

use container_security_host::artifact::{Artifact, ArtifactError};
use container_security_host::oci::{Access, InsecureRegistry, Options, Reference};

use crate::terminal::print_warning;

/// A reference as in `spec.module`: with the scheme or without.
pub(crate) fn reference(text: &str) -> Result<Reference, String> {
    text.strip_prefix(SCHEME)
        .unwrap_or(text)
        .parse::<Reference>()
        .map_err(|error| error.to_string())
}

pub(crate) fn access(reference: &Reference, insecure: bool) -> Result<Access, String> {
    let registry = reference.registry();
    let insecure: Option<InsecureRegistry> = insecure
        .then(|| registry.parse())
        .transpose()
        .map_err(|error: container_security_host::oci::Error| error.to_string())?;
    if insecure
        .as_ref()
        .is_some_and(|registry| !registry.is_loopback())
    {
        print_warning(&format!(
            "everybody between here and {registry} can read the password and replace the policy"
        ));
    }
    Access::new(Options {
        insecure: insecure.into_iter().collect(),
        deadline: DEADLINE,
        ..Options::default()
    })
    .map_err(|error| error.to_string())
}

pub(crate) fn describe(error: &ArtifactError, insecure: bool) -> String {
    let mut text = error.to_string();
    let lacks_tls = matches!(error, ArtifactError::Registry(error) if error.lacks_tls());
    if lacks_tls && !insecure {
        text.push_str("; --insecure allows that");
    }
    text
}

pub(crate) fn print(reference: &Reference, artifact: &Artifact) -> Result<(), String> {
    let (registry, repository) = (reference.registry(), reference.repository());
    let digest = &artifact.digest;
    write!(
        io::stdout(),
        "digest: {digest}\nmodule: {SCHEME}{registry}/{repository}@{digest}\n"
    )
    .map_err(|error| format!("cannot write to standard output: {error}"))
}

const SCHEME: &str = "registry://";
/// A module is half a megabyte, and the line of whoever publishes it may be slow.
const DEADLINE: Duration = Duration::from_mins(5);
