//! `container-security`: the policy on the command line, without a cluster.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
