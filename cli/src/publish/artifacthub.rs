//! `artifacthub`: writes what Artifact Hub shows of the policy.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use container_security_host::Metadata;

use super::package::package;
use crate::files::{in_file, read_text};

/// Write the package that Artifact Hub lists
#[derive(Args)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the options, which are named as kwctl's"
)]
pub(crate) struct Arguments {
    /// File containing the metadata, in YAML
    #[arg(
        short,
        long,
        value_name = "PATH",
        default_value = "policy-metadata.yaml"
    )]
    metadata_path: PathBuf,

    /// File that says when the version was released, in the format of Keep a Changelog
    #[arg(short, long, value_name = "PATH", default_value = "CHANGELOG.md")]
    changelog_path: PathBuf,

    /// File with the questions that Rancher asks, in YAML
    #[arg(short, long, value_name = "PATH")]
    questions_path: Option<PathBuf>,

    /// Where to write the package
    #[arg(
        short,
        long,
        value_name = "PATH",
        default_value = "artifacthub-pkg.yml"
    )]
    output_path: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let path = &arguments.metadata_path;
    let metadata = in_file(path, Metadata::from_yaml(&read_text(path)?))?;
    let changelog = read_text(&arguments.changelog_path)?;
    let questions = arguments
        .questions_path
        .as_deref()
        .map(read_text)
        .transpose()?;
    let package = in_file(path, package(&metadata, &changelog, questions.as_deref()))?;
    in_file(
        &arguments.output_path,
        fs::write(&arguments.output_path, package),
    )
}
