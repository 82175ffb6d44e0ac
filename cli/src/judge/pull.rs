//! `pull`: the policy out of an OCI registry.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use container_security_host::artifact;
use container_security_host::oci::Reference;

use crate::artifact::{access, describe, print, reference};
use crate::files::in_file;

/// Pull a policy from an OCI registry
#[derive(Args)]
#[command(after_help = "\
The credentials are those of `docker login`.

Exit status:
  0  the module is written; standard output has its digest, and the module of a ClusterAdmissionPolicy
  2  nothing is written: standard error has the reason")]
pub(crate) struct Arguments {
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

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let access = access(&arguments.reference, arguments.insecure)?;
    let artifact = artifact::pull(&access, &arguments.reference)
        .map_err(|error| describe(&error, arguments.insecure))?;
    in_file(
        &arguments.output_path,
        fs::write(&arguments.output_path, &artifact.module),
    )?;
    print(&arguments.reference, &artifact)
}
