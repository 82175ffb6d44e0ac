//! Requests as large as they come, and larger: policy-server itself refuses more than 2 MiB.
//!
//! Each must get its verdict in time and with little memory. What nobody would write, but somebody
//! might send, need not get one, but must not be accepted: without a verdict policy-server rejects.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the values are made here, so an index that is wrong is wrong in every run"
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::figures::grouped;
use crate::requests::{create, minimal_pod, settings};
use crate::wapc::{Call, Fuel, Runner};

/// One verdict may take this long...
const MAX_TIME: Duration = Duration::from_millis(100);
/// ...and this much memory: what an instance takes for any request, its answer included, and three
/// times the payload. Settings are decoded whole, so theirs may be five times.
const MAX_TIMES_PAYLOAD: u64 = 3;
const MAX_TIMES_SETTINGS: u64 = 5;
const MAX_BASE_BYTES: u64 = 1_536 * 1024;
/// The module is linked with this.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a request at a limit must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Accepted,
    Rejected,
    /// Rejected, or no verdict at all; no limit of time or memory, but that of the module.
    NotAccepted,
}

/// One request, measured.
pub(crate) struct Row {
    name: &'static str,
    bytes: u64,
    outcome: &'static str,
    expected: Expected,
    /// Absent where there was no verdict.
    spent: Option<Spent>,
}

struct Spent {
    /// The best of some runs: a machine that is busy says nothing about the policy.
    time: Duration,
    memory: u64,
}

/// Judges every request with the policy.
pub(crate) fn measure(policy: &[u8]) -> Result<Vec<Row>> {
    let runner = Runner::new(policy, Fuel::Free)?;
    requests()
        .into_iter()
        .map(|(name, payload, expected)| {
            let payload: Arc<[u8]> = payload.into();
            let mut best: Option<Call> = None;
            for _ in 0..RUNS {
                let Ok(call) = runner.validate(&payload) else {
                    best = None;
                    break;
                };
                if best.as_ref().is_none_or(|best| call.elapsed < best.elapsed) {
                    best = Some(call);
                }
            }
            let outcome = match &best {
                None => "no verdict",
                Some(call) => {
                    let answer: Value = serde_json::from_slice(&call.answer)?;
                    if answer["accepted"] == true {
                        "accepted"
                    } else {
                        "rejected"
                    }
                }
            };
            ensure!(
                match expected {
                    Expected::Accepted => outcome == "accepted",
                    Expected::Rejected => outcome == "rejected",
                    Expected::NotAccepted => outcome != "accepted",
                },
                "{name}: expected {expected:?}, and it was {outcome}"
            );
            Ok(Row {
                name,
                bytes: u64::try_from(payload.len())?,
                outcome,
                expected,
                spent: best.map(|call| Spent {
                    time: call.elapsed,
                    memory: call.pages.saturating_mul(PAGE_BYTES),
                }),
            })
        })
        .collect()
}

/// The rows for people.
pub(crate) fn table(rows: &[Row]) -> Result<String> {
    let mut table =
        String::from("| request | bytes | outcome | time | memory |\n|---|--:|---|--:|--:|\n");
    for row in rows {
        let (time, memory) = row.spent.as_ref().map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |spent| {
                (
                    format!("{} ms", spent.time.as_millis()),
                    format!("{} KiB", grouped(spent.memory / 1024)),
                )
            },
        );
        writeln!(
            table,
            "| {} | {} | {} | {time} | {memory} |",
            row.name,
            grouped(row.bytes),
            row.outcome
        )?;
    }
    Ok(table)
}

/// A sentence for every limit that does not hold.
pub(crate) fn broken(rows: &[Row]) -> Vec<String> {
    let mut broken = Vec::new();
    for row in rows {
        let Some(spent) = &row.spent else { continue };
        let times = if row.name.contains("settings") {
            MAX_TIMES_SETTINGS
        } else {
            MAX_TIMES_PAYLOAD
        };
        let most = row
            .bytes
            .saturating_mul(times)
            .saturating_add(MAX_BASE_BYTES)
            .min(MAX_BYTES);
        if row.expected == Expected::NotAccepted {
            continue;
        }
        if spent.time > MAX_TIME {
            broken.push(format!(
                "{}: {} ms, and the limit is {} ms",
                row.name,
                spent.time.as_millis(),
                MAX_TIME.as_millis()
            ));
        }
        if spent.memory > most {
            broken.push(format!(
                "{}: {} bytes of memory, and the limit is {}",
                row.name,
                grouped(spent.memory),
                grouped(most)
            ));
        }
    }
    broken
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn requests() -> Vec<(&'static str, Vec<u8>, Expected)> {
    use Expected::{Accepted, NotAccepted, Rejected};

    let valid = |change: &dyn Fn(&mut Value)| {
        let mut pod = minimal_pod();
        change(&mut pod);
        create(&pod, &settings()).to_string().into_bytes()
    };
    let containers = |count: usize, privileged: bool| {
        valid(&|pod| {
            let container = pod["spec"]["containers"][0].clone();
            pod["spec"]["containers"] = (0..count)
                .map(|index| {
                    let mut container = container.clone();
                    container["name"] = format!("c{index}").into();
                    container["securityContext"]["privileged"] = privileged.into();
                    container
                })
                .collect();
        })
    };
    // Text in place of a value, because serde_json does not write what it would not read.
    let with_text = |text: &str| {
        let payload = valid(&|pod| pod["spec"]["nodeSelector"] = MARKER.into());
        let payload = String::from_utf8_lossy(&payload).into_owned();
        let marker = Value::from(MARKER).to_string();
        payload.replacen(&marker, text, 1).into_bytes()
    };
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    let of_settings = |settings: &Value| create(&minimal_pod(), settings).to_string().into_bytes();
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    vec![
        (
            "3 MB in one annotation",
            valid(&|pod| pod["metadata"]["annotations"] = json!({"note": "x".repeat(3 * MB)})),
            Accepted,
        ),
        (
            "3 MB of escaped text in one annotation",
            valid(&|pod| pod["metadata"]["annotations"] = json!({"note": "\n".repeat(3 * MB / 2)})),
            Accepted,
        ),
        (
            "3 MB of small values that no control reads",
            with_text(&format!("[{}0]", many("0,", 3 * MB))),
            Accepted,
        ),
        (
            "10,000 annotations",
            valid(&|pod| {
                let annotations = (0..10_000).map(|index| (format!("note-{index}"), "x".into()));
                pod["metadata"]["annotations"] = Value::Object(annotations.collect());
            }),
            Accepted,
        ),
        ("500 containers", containers(500, false), Accepted),
        (
            "500 privileged containers: the message is cut",
            containers(500, true),
            Rejected,
        ),
        (
            "nested to the parser's limit",
            with_text(&nested(120)),
            Accepted,
        ),
        (
            "nested 1,000,000 deep, unread",
            with_text(&nested(1_000_000)),
            Accepted,
        ),
        (
            "nested 1,000,000 deep, in the settings",
            String::from_utf8_lossy(&of_settings(&MARKER.into()))
                .replace(&Value::from(MARKER).to_string(), &nested(1_000_000))
                .into_bytes(),
            Rejected,
        ),
        (
            "an image of 3 MB",
            valid(&|pod| pod["spec"]["containers"][0]["image"] = "x".repeat(3 * MB).into()),
            Rejected,
        ),
        (
            "1 MB of settings in one text",
            of_settings(&json!({"registries": {"reject": ["x".repeat(MB)]}})),
            Rejected,
        ),
        (
            "1 MB of settings with 16,000 exemptions' namespaces",
            of_settings(&json!({"exemptions": [{
                "controls": ["hostPorts"],
                "namespaces": (0..16_000)
                    .map(|index| format!("{index:05}{}", "x".repeat(55)).into())
                    .collect::<Vec<Value>>(),
            }]})),
            Accepted,
        ),
        (
            "1 MB of settings with 16,000 image patterns",
            of_settings(&json!({"registries": {"reject": (0..16_000)
                .map(|index| format!("ghcr.io/{index:05}{}", "x".repeat(47)).into())
                .collect::<Vec<Value>>()}})),
            Accepted,
        ),
        (
            "3 MB of containers without anything in them",
            String::from_utf8_lossy(&valid(&|pod| pod["spec"]["containers"] = MARKER.into()))
                .replace(
                    &Value::from(MARKER).to_string(),
                    &format!("[{}{{}}]", many("{},", 3 * MB)),
                )
                .into_bytes(),
            NotAccepted,
        ),
        (
            "3 MB of settings with a million values",
            String::from_utf8_lossy(&of_settings(&MARKER.into()))
                .replace(
                    &Value::from(MARKER).to_string(),
                    &format!("{{\"exemptions\":[{}0]}}", many("0,", 3 * MB)),
                )
                .into_bytes(),
            NotAccepted,
        ),
    ]
}

const MB: usize = 1_000_000;
const MARKER: &str = "<the place of the value>";
const PAGE_BYTES: u64 = 64 * 1024;
const RUNS: usize = 5;
