//! `migrate`: another policy's settings, said in this policy's.

use std::io::{self, Write as _};

use clap::Args;
use clap::builder::PossibleValuesParser;
use container_security_text::migrate::Source;

use super::evaluate::one_mapping;
use crate::files::read;

/// Print the settings that say what another policy, or a Pod Security level, says
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  the settings are printed
  2  nothing is printed: what cannot be said, and why, is on standard error")]
pub(crate) struct Arguments {
    /// The policy of Kubewarden's catalogue, or the level of Pod Security Admission
    #[arg(
        long,
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(Source::ALL.iter().map(|source| source.name))
    )]
    from: String,

    /// File containing the settings of that policy, in YAML or JSON; `-` is standard input. Left
    /// out for a policy without settings and for a level
    settings: Option<String>,
}

/// Prints the settings on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let name = &arguments.from;
    let source = Source::named(name).ok_or_else(|| format!("nothing is known about {name}"))?;
    let settings = match &arguments.settings {
        Some(path) => Some(one_mapping(path, &read(path)?)?),
        None => None,
    };
    let migrated = source.migrate(settings.as_ref()).map_err(|refusals| {
        let path = arguments.settings.as_ref();
        let at = path.map_or_else(|| "without settings,".to_owned(), |path| format!("{path}:"));
        format!(
            "{at} not everything that {name} judges by can be said:\n- {}",
            refusals.join("\n- ")
        )
    })?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(migrated.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
