//! `push` and `pull`: the policy in an OCI registry.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use container_security_host::artifact::{self, Artifact, ArtifactError};
use container_security_host::oci::{Access, InsecureRegistry, Options, Reference};

use super::{in_file, print_warning};

/// Push an annotated policy to an OCI registry
#[derive(Args)]
#[command(after_help = "\
The credentials are those of `docker login`.

Exit status:
  0  the policy is in the registry: standard output has its digest, and the module of a ClusterAdmissionPolicy
  2  it is not: standard error has the reason, and the push can be repeated")]
pub(super) struct PushArguments {
    /// The annotated module
    policy: PathBuf,

    /// Where to push it: registry/repository:tag
    #[arg(value_parser = reference)]
    reference: Reference,

    /// The registry speaks plain HTTP
    #[arg(long)]
    insecure: bool,
}

/// Pull a policy from an OCI registry
#[derive(Args)]
#[command(after_help = "\
The credentials are those of `docker login`.

Exit status:
  0  the module is written; standard output has its digest, and the module of a ClusterAdmissionPolicy
  2  nothing is written: standard error has the reason")]
pub(super) struct PullArguments {
    /// The policy: registry/repository:tag, or registry/repository@digest
    #[arg(value_parser = reference)]
    reference: Reference,

    /// Where to write its module
    #[arg(short, long, value_name = "PATH")]
    output_path: PathBuf,

    /// The registry speaks plain HTTP
    #[arg(long)]
    insecure: bool,
}

pub(super) fn push(arguments: &PushArguments) -> Result<(), String> {
    let module = in_file(&arguments.policy, fs::read(&arguments.policy))?;
    let access = access(&arguments.reference, arguments.insecure)?;
    let artifact = artifact::push(&access, &arguments.reference, module)
        .map_err(|error| describe(&error, arguments.insecure))?;
    print(&arguments.reference, &artifact)
}

pub(super) fn pull(arguments: &PullArguments) -> Result<(), String> {
    let access = access(&arguments.reference, arguments.insecure)?;
    let artifact = artifact::pull(&access, &arguments.reference)
        .map_err(|error| describe(&error, arguments.insecure))?;
    in_file(
        &arguments.output_path,
        fs::write(&arguments.output_path, &artifact.module),
    )?;
    print(&arguments.reference, &artifact)
}

/// A reference as in `spec.module`: with the scheme or without.
fn reference(text: &str) -> Result<Reference, String> {
    text.strip_prefix(SCHEME)
        .unwrap_or(text)
        .parse()
        .map_err(|error: oci_client::ParseError| error.to_string())
}

fn access(reference: &Reference, insecure: bool) -> Result<Access, String> {
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

fn describe(error: &ArtifactError, insecure: bool) -> String {
    let mut text = error.to_string();
    if !insecure && text.ends_with("which is what a registry without TLS sends") {
        text.push_str("; --insecure allows that");
    }
    text
}

fn print(reference: &Reference, artifact: &Artifact) -> Result<(), String> {
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
