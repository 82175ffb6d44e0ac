//! What a real API server has asked policy-server, and the answers: `tests/cluster/recorded.jsonl`, which
//! `make cluster RECORD=...` writes.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a record that is wrong must fail, and say where"
)]

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cases::Case;
use crate::requests::{Expected, payload};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    settings: Value,
    request: Value,
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Every review, with what policy-server has answered.
pub fn cases(tests: &Path) -> Vec<Case> {
    let path = tests.join("cluster/recorded.jsonl");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<Case> = text
        .lines()
        .map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            Case {
                name: format!("recorded: {}", line.name),
                payload: payload(&line.request, &line.settings),
                expected: Expected {
                    accepted: line.accepted,
                    message: line.message,
                    code: line.code,
                    warnings: line.warnings,
                },
            }
        })
        .collect();
    assert!(!cases.is_empty(), "nothing is in {}", path.display());
    cases
}
