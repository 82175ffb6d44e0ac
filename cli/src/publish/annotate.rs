//! `annotate`: writes the module that policy servers load.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use container_security_host::{Metadata, annotate};

use crate::files::{in_file, read_text};

/// Put the policy's metadata into its module
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  the annotated module is written
  2  nothing is written: what is missing or wrong is on standard error")]
pub(crate) struct Arguments {
    /// The policy's WebAssembly module
    #[arg(default_value = "policy.wasm")]
    policy: PathBuf,

    /// File containing the metadata, in YAML
    #[arg(
        short,
        long,
        value_name = "PATH",
        default_value = "policy-metadata.yaml"
    )]
    metadata_path: PathBuf,

    /// File containing the usage of the policy, in Markdown
    #[arg(short, long, value_name = "PATH")]
    usage_path: Option<PathBuf>,

    /// Where to write the annotated module
    #[arg(
        short,
        long,
        value_name = "PATH",
        default_value = "annotated-policy.wasm"
    )]
    output_path: PathBuf,
}

/// Writes the annotated module, or nothing.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let metadata = in_file(
        &arguments.metadata_path,
        Metadata::from_yaml(&read_text(&arguments.metadata_path)?),
    )?;
    let usage = arguments.usage_path.as_deref().map(read_text).transpose()?;
    let policy = in_file(&arguments.policy, fs::read(&arguments.policy))?;
    let annotated = in_file(
        &arguments.policy,
        annotate(&policy, metadata, usage.as_deref()),
    )?;
    in_file(
        &arguments.output_path,
        fs::write(&arguments.output_path, annotated),
    )
}
