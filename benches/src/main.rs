//! Measures the policy beside two comparison guests, and writes `docs/benchmarks.md` and its chart.
//!
//! `--check` measures only what is the same on every machine (instructions and module sizes),
//! writes nothing, and fails when the document is out of date or a budget is broken.

#![expect(
    clippy::print_stdout,
    reason = "the tables are what this program is for"
)]

mod budgets;
mod chart;
mod figures;
mod guests;
mod hostile;
mod limits;
mod measure;
mod report;
mod requests;
mod wapc;

use std::env;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::measure::Timing;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let timing = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Timing::On,
        ["--check"] => Timing::Off,
        _ => bail!("usage: container-security-bench [--check]"),
    };
    guests::require_target()?;
    let measured = measure::measure(&requests::all()?, timing)?;
    println!(
        "{}\n{}",
        report::requests_table(&measured)?,
        report::modules_table(&measured)
    );
    println!("{}", limits::table(&measured.limits)?);
    println!("{}", hostile::table(&measured.hostile)?);

    let docs = guests::workspace().join("docs");
    let document = docs.join("benchmarks.md");
    let mut complaints = budgets::broken(&measured)?;
    complaints.extend(limits::broken(&measured.limits));
    complaints.extend(hostile::broken(&measured.hostile));
    match timing {
        Timing::On => {
            fs::create_dir_all(&docs)?;
            fs::write(
                &document,
                report::document(&measured, &guests::compiler()?)?,
            )?;
            fs::write(docs.join("benchmarks.svg"), chart::draw(&measured)?)?;
        }
        Timing::Off => {
            let text = fs::read_to_string(&document)
                .with_context(|| format!("{} is not readable", document.display()))?;
            complaints.extend(budgets::outdated(&report::figures(&text)?, &measured));
        }
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod engines;
