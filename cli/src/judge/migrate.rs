//! `migrate`: another policy's settings, said in this policy's.

use std::io::{self, Write as _};

use clap::Args;
use clap::builder::PossibleValuesParser;
use container_security_text::migrate::Source;
use serde_json::{Map, Value};

use super::evaluate::{advice_on_wrapper, is_policy, one_mapping};
use crate::files::read;
use crate::terminal::print_warning;

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

    /// File containing the settings of that policy, or that policy as a cluster has it, in YAML or JSON;
    /// `-` is standard input. Left out for a policy without settings and for a level
    settings: Option<String>,
}

/// Prints the settings on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let name = &arguments.from;
    let source = Source::named(name).ok_or_else(|| format!("nothing is known about {name}"))?;
    let path = arguments.settings.as_deref();
    let settings = path.map(settings).transpose()?;
    let migrated = source.migrate(settings.as_ref()).map_err(|refusals| {
        let at = path.map_or_else(|| "without settings,".to_owned(), |path| format!("{path}:"));
        let advice = settings.as_ref().map(advice_on_wrapper);
        format!(
            "{at} not everything that {name} judges by can be said:\n- {}{}",
            refusals.join("\n- "),
            advice.unwrap_or_default()
        )
    })?;
    if migrated.judges_nothing {
        print_warning(&match path {
            None => format!(
                "these settings let everything pass, as {name} does without settings; name a file \
                 with those that you use"
            ),
            Some(path) => format!("these settings let everything pass, as {name} does with {path}"),
        });
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(migrated.settings.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// The settings in a file, or of the policy in it.
fn settings(path: &str) -> Result<Value, String> {
    let mapping = one_mapping(path, &read(path)?)?;
    if !is_policy(&mapping) {
        return Ok(mapping);
    }
    let spec = |key| mapping.get("spec").and_then(|spec| spec.get(key));
    if spec("policies").is_some() {
        return Err(format!(
            "{path} is a policy group: write what stands under settings of one of its spec.policies"
        ));
    }
    match spec("settings") {
        None | Some(Value::Null) => Ok(Value::Object(Map::new())),
        Some(settings @ Value::Object(_)) => Ok(settings.clone()),
        Some(_) => Err(format!("{path}: spec.settings must be a mapping")),
    }
}
