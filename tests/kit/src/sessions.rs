//! Supply-chain cases as data: a folder each in `tests/sessions/`, with two files.
//!
//! `session.yaml` is what the host is asked and answers, in the format of kwctl's
//! `--replay-host-capabilities-interactions`. `case.yaml` is the rest:
//!
//! ```yaml
//! case: an image without signatures is rejected
//! settings: {signatures: {rules: [...]}}
//! request: {uid: ..., object: {...}}   # an AdmissionRequest for the Pod "web" in "shop"
//! aside: ...                           # what the title says in parentheses, if anything
//! rejects: ["signatures: ..."]         # the lines of the message below its title; none accepts
//! warns: []
//! ```
//!
//! In messages `{days since N}` is the age, in days, of what was made N seconds after 1970.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case that is written wrongly must fail, and say where"
)]

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

/// A case and its session.
#[derive(Debug)]
pub struct Case {
    /// Folder and sentence.
    pub name: String,
    /// `session.yaml`, as kwctl reads it.
    pub session: Vec<u8>,
    written: Written,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: String,
    settings: Value,
    request: Value,
    aside: Option<String>,
    rejects: Vec<String>,
    warns: Vec<String>,
}

/// Every case below `tests/sessions/`, by name.
pub fn cases(tests: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = std::fs::read_dir(tests.join("sessions"))
        .unwrap()
        .map(|folder| read(&folder.unwrap().path()))
        .collect();
    cases.sort_by(|left, right| left.name.cmp(&right.name));
    assert!(!cases.is_empty(), "no cases below {}", tests.display());
    cases
}

fn read(folder: &Path) -> Case {
    let text = std::fs::read_to_string(folder.join("case.yaml"))
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let written: Written =
        yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    Case {
        name: format!(
            "{}: {}",
            folder.file_name().unwrap().display(),
            written.case
        ),
        session: std::fs::read(folder.join("session.yaml"))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
        written,
    }
}

impl Case {
    /// What the host sends.
    pub fn payload(&self) -> Vec<u8> {
        let Written {
            request, settings, ..
        } = &self.written;
        serde_json::to_vec(&json!({"request": request, "settings": settings})).unwrap()
    }

    /// What the title says in parentheses.
    pub fn aside(&self) -> Option<&str> {
        self.written.aside.as_deref()
    }

    /// The lines of the message below its title, and the warnings.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        let Written { rejects, warns, .. } = &self.written;
        rejects.iter().chain(warns).map(String::as_str)
    }

    /// Holds an answer against what the case expects of it.
    pub fn check(&self, answer: &[u8], now: i64) {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let rejects: Vec<String> = self
            .written
            .rejects
            .iter()
            .map(|line| with_age(line, now))
            .collect();
        let is_rejected = !rejects.is_empty();
        let expected = json!({
            "accepted": !is_rejected,
            "aside": self.written.aside,
            "lines": is_rejected.then_some(rejects),
            "code": is_rejected.then_some(403),
            "warnings": self.written.warns,
        });
        // Of the title, which the other cases have, only what depends on the answers of the host.
        let message = answer.get("message").and_then(Value::as_str);
        let lines: Option<Vec<&str>> =
            message.map(|message| message.split("\n- ").skip(1).collect());
        let aside = message
            .and_then(|message| {
                message
                    .split("\n- ")
                    .next()?
                    .split_once(" of container security (")
            })
            .and_then(|(_, aside)| aside.strip_suffix("):"));
        let found = json!({
            "accepted": answer.get("accepted"),
            "aside": aside,
            "lines": lines,
            "code": answer.get("code"),
            "warnings": answer.get("warnings").cloned().unwrap_or_else(|| json!([])),
        });
        assert_eq!(found, expected, "{}", self.name);
    }
}

fn with_age(line: &str, now: i64) -> String {
    let Some((before, rest)) = line.split_once("{days since ") else {
        return line.to_owned();
    };
    let (since, after) = rest.split_once('}').unwrap();
    let age = now.saturating_sub(since.parse().unwrap());
    format!("{before}{}d{after}", age.div_euclid(24 * 60 * 60))
}
