//! The tables for people, and how the check reads them again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::budgets;
use crate::figures::{grouped, ratio};
use crate::guests::Guest;
use crate::measure::{Measurements, Row};

/// The whole of `docs/benchmarks.md`.
pub(crate) fn document(measured: &Measurements, compiler: &str) -> Result<String> {
    Ok(format!(
        "\
# Benchmarks

Written by `make bench` (`cargo run --release -p container-security-bench`); edit `benches/`, not
this page. `cargo run --release -p container-security-bench -- --check` measures again without the
times and fails when an instruction count or a module's size is more than {tolerance} % off this page,
or when a budget is broken. What a policy server needs for it in a cluster is in [sizing.md](sizing.md).

![Instructions of the policy and of sdk-style, in multiples of skip-only](benchmarks.svg)

## What is measured

One `validate` call in a fresh instance, because that is what policy-server does for each request,
on three guests:

- **policy**: this policy, with every control that is decided from the request, but `serviceAccountToken`,
  configured and enforced, unless the request says `settings {{}}`.
- **skip-only**: walks over the payload's JSON without keeping anything and accepts. It is the
  floor: no policy that checks that its payload is JSON does with less.
- **sdk-style**: `ValidationRequest::new`, `extract_pod_spec_from_object` and a few simple checks,
  as most policies are written. It judges less than the policy does.

**Instructions** are the WebAssembly instructions of `wapc_init` and `validate` together, counted by
wasmtime 44 (its fuel; a bulk copy or fill is one instruction, however long). They are the same in
every run, and the bench fails if they are not. **Latency** is the median time of instantiation,
`wapc_init` and `validate` without counting, the guests taking turns; it is another on every machine,
so read the multiple and not the microseconds. **Memory** is the linear memory at the end. The
answers are checked, so that no row shows an error path. **Bytes** is the payload, settings included;
the Pod of the 20 KB requests is what a ReplicaSet makes: three containers and an init container,
defaulted, with `managedFields`.

## Requests

{requests}
An UPDATE brings the stored Pod along. Violations that it has already do not count, so the policy
accepts what sdk-style rejects.

In **supply chain**, `signatures` (by a workflow of GitHub Actions), `vulnerabilities` and
`imageFreshness` are configured, too, and judge other images and other namespaces than the Pod's;
**signatures by key** is a public key in place of all that. What they cost is their text in the
settings, which come with every request: a hundred bytes are one or two percent.

## Modules

{modules}
Built with {compiler} for wasm32-wasip1, release profile.

## Budgets

{budgets}",
        tolerance = budgets::TOLERANCE_PERCENT,
        requests = requests_table(measured)?,
        modules = modules_table(measured),
        budgets = budgets::table(measured)?,
    ))
}

/// The table of all rows.
pub(crate) fn requests_table(measured: &Measurements) -> Result<String> {
    let mut table = String::from(
        "| request | bytes | guest | instructions | × skip-only | × sdk-style | latency × skip-only | memory |\n\
         |---|--:|---|--:|--:|--:|--:|--:|\n",
    );
    for row in &measured.rows {
        let floor = measured.row(row.request, Guest::SkipOnly)?;
        let usual = measured.row(row.request, Guest::SdkStyle)?;
        writeln!(
            table,
            "| {} | {} | {} | {} | {:.2} | {:.2} | {} | {} KiB |",
            row.request,
            grouped(row.bytes),
            row.guest.name(),
            grouped(row.instructions),
            ratio(row.instructions, floor.instructions),
            ratio(row.instructions, usual.instructions),
            latency(row, floor),
            grouped(row.pages.saturating_mul(KIB_PER_PAGE)),
        )?;
    }
    Ok(table)
}

/// The table of the modules' sizes.
pub(crate) fn modules_table(measured: &Measurements) -> String {
    let rows = measured
        .modules
        .iter()
        .map(|module| format!("| {} | {} |\n", module.guest.name(), grouped(module.bytes)));
    std::iter::once("| module | bytes |\n|---|--:|\n".to_owned())
        .chain(rows)
        .collect()
}

/// The figures of a document that do not depend on the machine: a module's size by `module GUEST`,
/// the instructions by `REQUEST: GUEST`.
pub(crate) fn figures(document: &str) -> Result<BTreeMap<String, u64>> {
    let mut figures = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (name, figure) = match cells.as_slice() {
            ["", request, _, guest, instructions, _, _, _, _, ""] => {
                (format!("{request}: {guest}"), instructions)
            }
            ["", guest, bytes, ""] => (format!("module {guest}"), bytes),
            _ => continue,
        };
        let digits: String = figure
            .chars()
            .filter(|character| *character != ',')
            .collect();
        if digits.chars().all(|character| character.is_ascii_digit()) {
            let figure = digits
                .parse()
                .with_context(|| format!("{name}: {figure}"))?;
            figures.insert(name, figure);
        }
    }
    Ok(figures)
}

fn latency(row: &Row, floor: &Row) -> String {
    match (row.latency, floor.latency) {
        (Some(latency), Some(floor)) => format!(
            "{:.2} ({} µs)",
            latency.as_secs_f64() / floor.as_secs_f64(),
            latency.as_micros()
        ),
        _ => "not timed".to_owned(),
    }
}

const KIB_PER_PAGE: u64 = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::Module;
    use crate::requests::{BY_DEFAULT, WITHOUT_LOOKUPS};

    /// The requests that budgets are about; the policy's figure on `slow` is `instructions`.
    fn measured(slow: &str, instructions: u64) -> Measurements {
        let requests: BTreeSet<&'static str> = WITHOUT_LOOKUPS
            .iter()
            .flat_map(|(request, without)| [*request, *without])
            .chain([BY_DEFAULT])
            .collect();
        let rows = requests.into_iter().flat_map(|request| {
            let of_policy = if request == slow {
                instructions
            } else {
                600_000
            };
            [
                (Guest::SkipOnly, 400_000),
                (Guest::Policy, of_policy),
                (Guest::SdkStyle, 2_000_000),
            ]
            .map(|(guest, instructions)| Row {
                request,
                bytes: 21_000,
                guest,
                instructions,
                pages: 18,
                latency: None,
            })
        });
        Measurements {
            modules: vec![Module {
                guest: Guest::Policy,
                bytes: 300_000,
            }],
            rows: rows.collect(),
            limits: Vec::new(),
            hostile: Vec::new(),
        }
    }

    #[test]
    fn the_check_reads_what_the_bench_writes() {
        let measured = measured("", 0);
        let figures = figures(&document(&measured, "rustc 1.95.0").unwrap()).unwrap();
        let rows = measured.rows.iter().map(|row| {
            let name = format!("{}: {}", row.request, row.guest.name());
            (name, row.instructions)
        });
        let module = ("module policy".to_owned(), 300_000);
        assert_eq!(figures, rows.chain([module]).collect());
    }

    #[test]
    fn a_budget_that_does_not_hold_is_named() {
        for (request, without) in WITHOUT_LOOKUPS {
            let broken = |instructions| budgets::broken(&measured(request, instructions)).unwrap();
            assert!(broken(636_000).is_empty(), "{request}");
            let [sentence] = broken(636_001).try_into().unwrap();
            let what = format!("over budget: instructions on {request}, in multiples of {without}");
            assert!(sentence.starts_with(&what), "{sentence}");
        }
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let numbers = [7, 999, 1000, 123_456, 1_234_567].map(grouped);
        assert_eq!(numbers, ["7", "999", "1,000", "123,456", "1,234,567"]);
    }
}
