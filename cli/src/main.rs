//! `container-security`: the policy on the command line, without a cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    container_security_cli::run()
}
