//! What the policy may cost. A change that needs more has to raise a number here, and say why.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::figures::{grouped, ratio};
use crate::guests::Guest;
use crate::measure::Measurements;
use crate::requests::{BY_DEFAULT, TWENTY_KB, WITHOUT_LOOKUPS};

/// Instructions on the 20 KB Pod with `settings {}`, in percent of skip-only's: the request has to be
/// walked over anyway, and the whole Pod Security Standard must not cost more than half of that again.
const MAX_PERCENT_OF_SKIP_ONLY: u64 = 150;

/// Instructions on the 20 KB Pod with every control configured. The multiple alone would also hold if
/// both guests became slower, by a change of the JSON parser or of the compiler.
const MAX_INSTRUCTIONS: u64 = 720_000;

/// The module's size: policy-server downloads it from a registry and compiles it when it starts,
/// and the time and memory of that grow with the size.
const MAX_MODULE_BYTES: u64 = 440_000;

/// Instructions with the controls that ask the host configured, in percent of the same request
/// without them, where no image is to be asked about: who signs some images must not pay for all.
/// It was 105, until less inlining took more off the request without them than off this one.
const MAX_PERCENT_WITHOUT_LOOKUPS: u64 = 106;

/// How far a figure may be from the document's: compilers of one minor version differ by less.
pub(crate) const TOLERANCE_PERCENT: u64 = 2;

/// A limit, and what was measured.
struct Budget {
    what: String,
    measured: String,
    limit: String,
    holds: bool,
}

fn budgets(measured: &Measurements) -> Result<Vec<Budget>> {
    let policy = measured.row(TWENTY_KB, Guest::Policy)?.instructions;
    let by_default = measured.row(BY_DEFAULT, Guest::Policy)?.instructions;
    let floor = measured.row(BY_DEFAULT, Guest::SkipOnly)?.instructions;
    let module = measured.module(Guest::Policy)?.bytes;
    let mut budgets = vec![
        Budget {
            what: format!("instructions on {BY_DEFAULT}, in multiples of skip-only"),
            measured: format!("{:.2}", ratio(by_default, floor)),
            limit: format!("{:.2}", ratio(MAX_PERCENT_OF_SKIP_ONLY, 100)),
            holds: by_default.saturating_mul(100) <= floor.saturating_mul(MAX_PERCENT_OF_SKIP_ONLY),
        },
        Budget {
            what: format!("instructions on {TWENTY_KB}"),
            measured: grouped(policy),
            limit: grouped(MAX_INSTRUCTIONS),
            holds: policy <= MAX_INSTRUCTIONS,
        },
        Budget {
            what: "bytes of the module".to_owned(),
            measured: grouped(module),
            limit: grouped(MAX_MODULE_BYTES),
            holds: module <= MAX_MODULE_BYTES,
        },
    ];
    for (request, without) in WITHOUT_LOOKUPS {
        let configured = measured.row(request, Guest::Policy)?.instructions;
        let without_it = measured.row(without, Guest::Policy)?.instructions;
        let limit = without_it.saturating_mul(MAX_PERCENT_WITHOUT_LOOKUPS);
        budgets.push(Budget {
            what: format!("instructions on {request}, in multiples of {without}"),
            measured: format!("{:.3}", ratio(configured, without_it)),
            limit: format!("{:.3}", ratio(MAX_PERCENT_WITHOUT_LOOKUPS, 100)),
            holds: configured.saturating_mul(100) <= limit,
        });
    }
    Ok(budgets)
}

/// The budgets beside what was measured.
pub(crate) fn table(measured: &Measurements) -> Result<String> {
    let rows = budgets(measured)?.into_iter().map(|budget| {
        format!(
            "| {} | {} | {} |\n",
            budget.what, budget.measured, budget.limit
        )
    });
    Ok(
        ["| budget | measured | limit |\n|---|--:|--:|\n".to_owned()]
            .into_iter()
            .chain(rows)
            .collect(),
    )
}

/// A sentence for every budget that does not hold.
pub(crate) fn broken(measured: &Measurements) -> Result<Vec<String>> {
    Ok(budgets(measured)?
        .into_iter()
        .filter(|budget| !budget.holds)
        .map(
            |Budget {
                 what,
                 measured,
                 limit,
                 ..
             }| {
                format!("over budget: {what}: {measured}, and the limit is {limit}")
            },
        )
        .collect())
}

/// A sentence for every figure of the document that is not what was measured.
pub(crate) fn outdated(documented: &BTreeMap<String, u64>, measured: &Measurements) -> Vec<String> {
    let rows = measured.rows.iter().map(|row| {
        (
            format!("{}: {}", row.request, row.guest.name()),
            row.instructions,
        )
    });
    let modules = measured
        .modules
        .iter()
        .map(|module| (format!("module {}", module.guest.name()), module.bytes));
    let measured: BTreeMap<String, u64> = rows.chain(modules).collect();

    let mut outdated = Vec::new();
    for (name, figure) in &measured {
        match documented.get(name) {
            None => outdated.push(format!("not documented: {name}: {}", grouped(*figure))),
            Some(known) if !close(*known, *figure) => outdated.push(format!(
                "outdated: {name}: documented {}, measured {}",
                grouped(*known),
                grouped(*figure)
            )),
            Some(_) => {}
        }
    }
    for name in documented
        .keys()
        .filter(|name| !measured.contains_key(*name))
    {
        outdated.push(format!("documented, but no longer measured: {name}"));
    }
    outdated
}

fn close(documented: u64, measured: u64) -> bool {
    let difference = documented.abs_diff(measured).saturating_mul(100);
    difference <= documented.saturating_mul(TOLERANCE_PERCENT)
}
