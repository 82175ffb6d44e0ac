//! `schema`: prints the JSON Schema of the settings.

use std::io::{self, Write as _};

use clap::Args;

/// Print the JSON Schema of the policy's settings
///
/// For editors, Helm and other checks of settings before they reach a cluster.
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  the schema is on standard output
  2  it could not be written")]
pub(crate) struct Arguments {}

/// Prints the schema.
pub(crate) fn run(_: &Arguments) -> Result<(), String> {
    let schema = container_security::settings_schema();
    writeln!(io::stdout(), "{schema:#}").map_err(|error| format!("standard output: {error}"))
}
