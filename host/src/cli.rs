//! The verbs of the command line, and what they have in common.

mod annotate;
#[cfg(feature = "registry")]
mod artifact;
mod artifacthub;
mod docs;
mod evaluate;
mod host;
mod judge;
mod migrate;
mod outcome;
#[cfg_attr(not(feature = "registry"), path = "cli/no_registry.rs")]
mod registry;
mod report;
mod schema;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(not(feature = "registry"))]
use registry as artifact;

/// Runs the verb that the arguments name.
pub(crate) fn run() -> ExitCode {
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
        Verb::Pull(arguments) => artifact::pull(&arguments).map(|()| Status::Accepted),
        Verb::Push(arguments) => artifact::push(&arguments).map(|()| Status::Accepted),
        Verb::Schema(arguments) => schema::run(&arguments).map(|()| Status::Accepted),
    };
    status
        .unwrap_or_else(|error| {
            print_error(&error);
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
    Pull(artifact::PullArguments),
    Push(artifact::PushArguments),
    Schema(schema::Arguments),
}

/// How a run ends, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Accepted,
    Rejected,
    NotJudged,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Accepted => 0,
            Status::Rejected => 1,
            Status::NotJudged => 2,
        })
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    in_file(path, fs::read_to_string(path))
}

/// The result of something that was done with a file; an error names it.
fn in_file<T, E: Display>(path: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

fn print_error(message: &str) {
    print("error", message);
}

fn print_warning(message: &str) {
    print("warning", message);
}

/// Writes to stderr. When nobody listens there, there is nobody to tell.
fn print(what: &str, message: &str) {
    let lines: Vec<_> = message.lines().map(printable).collect();
    drop(writeln!(io::stderr(), "{what}: {}", lines.join("\n")));
}

/// The text of one line without control characters but tabs: names and
/// messages come from files that others wrote, and must neither steer a
/// terminal nor look like a line of the report.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(
            printable("a\n\tb\u{1b}[31m\u{9b}c"),
            "a\\n\tb\\u{1b}[31m\\u{9b}c"
        );
    }

    #[test]
    fn the_arguments_make_sense_to_clap() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_worst_status_is_the_largest() {
        assert!(Status::Accepted < Status::Rejected);
        assert!(Status::Rejected < Status::NotJudged);
    }
}
