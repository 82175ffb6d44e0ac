//! `push`: the policy into an OCI registry.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use container_security_host::artifact;
use container_security_host::oci::Reference;

use crate::artifact::{access, describe, print, reference};
use crate::files::in_file;

/// Push an annotated policy to an OCI registry
#[derive(Args)]
#[command(after_help = "\
The credentials are those of `docker login`.

Exit status:
  0  the policy is in the registry: standard output has its digest, and the module of a ClusterAdmissionPolicy
  2  it is not: standard error has the reason, and the push can be repeated")]
pub(crate) struct Arguments {
    /// The annotated module
    policy: PathBuf,

    /// Where to push it: registry/repository:tag
    #[arg(value_parser = reference)]
    reference: Reference,

    /// The registry speaks plain HTTP
    #[arg(long)]
    insecure: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let module = in_file(&arguments.policy, fs::read(&arguments.policy))?;
    let access = access(&arguments.reference, arguments.insecure)?;
    let artifact = artifact::push(&access, &arguments.reference, module)
        .map_err(|error| describe(&error, arguments.insecure))?;
    print(&arguments.reference, &artifact)
}
