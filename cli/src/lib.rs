//! `container-security`: the policy on the command line, without a cluster.
//!
//! | Module | For whom |
//! |---|---|
//! | `judge` | everybody: `evaluate`, `migrate`, `pin`, `pull` |
//! | [`publish`] | whoever maintains the policy: `annotate`, `artifacthub`, `docs`, `push`, `schema` |
//!
//! Neither knows the other.

#[cfg(feature = "registry")]
mod artifact;
mod files;
mod judge;
#[cfg(not(feature = "registry"))]
mod no_registry;
pub mod publish;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use judge::{Status, evaluate, migrate, pin, pull};
use publish::{annotate, artifacthub, docs, push, schema};

/// Runs the verb that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout and may meet a closed pipe.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let status = match arguments.verb {
        Verb::Annotate(arguments) => annotate::run(&arguments).map(|()| Status::Accepted),
        Verb::Artifacthub(arguments) => artifacthub::run(&arguments).map(|()| Status::Accepted),
        Verb::Docs(arguments) => docs::run(&arguments).map(|()| Status::Accepted),
        Verb::Evaluate(arguments) => evaluate::run(&arguments),
        Verb::Migrate(arguments) => migrate::run(&arguments).map(|()| Status::Accepted),
        Verb::Pin(arguments) => pin::run(&arguments).map(|()| Status::Accepted),
        Verb::Pull(arguments) => pull::run(&arguments).map(|()| Status::Accepted),
        Verb::Push(arguments) => push::run(&arguments).map(|()| Status::Accepted),
        Verb::Schema(arguments) => schema::run(&arguments).map(|()| Status::Accepted),
    };
    status
        .unwrap_or_else(|error| {
            terminal::print_error(&error);
            Status::NotJudged
        })
        .into()
}

#[derive(Parser)]
#[command(name = "container-security", version)]
/// Judges Kubernetes manifests with the container-security policy, without a cluster
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Annotate(annotate::Arguments),
    Artifacthub(artifacthub::Arguments),
    #[command(hide = true)]
    Docs(docs::Arguments),
    Evaluate(evaluate::Arguments),
    Migrate(migrate::Arguments),
    Pin(pin::Arguments),
    Pull(pull::Arguments),
    Push(push::Arguments),
    Schema(schema::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
