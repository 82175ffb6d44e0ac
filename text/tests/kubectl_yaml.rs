//! Holds the YAML reader to `tests/kubectl-yaml/table.jsonl`, in which a Go program has recorded what
//! kubectl makes of each input: the same is read, or it is refused with its line.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::cmp::Ordering;
use std::collections::BTreeSet;

use container_security_test_kit::json;
use container_security_text::document::{self, Document, DocumentError};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What kubectl reads and this reader refuses: name, reason, and what the error says.
const REFUSALS: &[(&str, &str, &[&str])] = &[
    (
        "duplicate key",
        "tools differ in which of the two they keep, so what is judged might not be what is applied",
        &["is set a second time"],
    ),
    (
        "unread text",
        "kubectl leaves it out without a word; whoever wrote it means it to be applied",
        &[
            "kubectl does not read what begins here",
            "a key must be text",
        ],
    ),
    (
        "not Unicode",
        "kubectl puts another character in place of each byte that it cannot read",
        &["the file is not UTF-"],
    ),
    (
        "byte-order mark",
        "inside of a text nobody sees it, and whether it is part of a name depends on what is before it",
        &["a byte-order mark stands inside of the text"],
    ),
    (
        "!!binary",
        "sigs.k8s.io/yaml advises against it: base64 text is what the API takes",
        &["the tag !!binary is not read here"],
    ),
    (
        "!!timestamp",
        "the text is the same without it",
        &["the tag !!timestamp is not read here"],
    ),
    (
        "minus zero as a key",
        "to kubectl it is the key 0, by the name of whichever of the two comes first",
        &["a key cannot be minus zero"],
    ),
    (
        "deep nesting",
        "JSON is not read deeper either, and nothing in Kubernetes is nested like that",
        &["more than 127 levels deep"],
    ),
    (
        "long key",
        "the parser counts 1024 bytes where kubectl's counts characters; Kubernetes has no such keys",
        &["mapping values are not allowed in this context"],
    ),
    (
        "tag with a comma or bracket",
        "the parser ends the tag there and kubectl's does not",
        &[
            "a tag with a comma",
            "did not find expected whitespace or line break",
        ],
    ),
    (
        "colon in flow style",
        "YAML 1.2 means a key there, and kubectl reads text",
        &["found unexpected ':'"],
    ),
    (
        "escaped quote",
        "no YAML has the escape \\'",
        &["found unknown escape character"],
    ),
];

/// A line of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    /// The name of a refusal.
    refused: Option<String>,
    input: Option<Input>,
    hex: Option<String>,
    /// Raw, because some are nested deeper than is read.
    documents: Vec<Box<RawValue>>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repetition { text: String, times: usize },
}

#[test]
fn each_input_is_read_as_kubectl_reads_it_or_refused_with_its_line() {
    let rows = rows();
    let mut used = BTreeSet::new();
    let mut differences = Vec::new();
    for row in &rows {
        let results = document::parse("f", &row.bytes());
        match &row.refused {
            None => differences.extend(difference(row, &results)),
            Some(name) => {
                used.insert(name.as_str());
                differences.extend(unexpected_refusal(row, name, &results));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    let named: BTreeSet<_> = REFUSALS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(used, named, "each refusal has a case");
}

#[test]
fn the_docs_name_the_inputs_and_each_refusal_with_its_reason() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let (_, section) = docs.split_once("\n## Files\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let count = format!("for {} inputs;", rows().len());
    assert!(
        section.contains(&count),
        "docs/reliability.md must say: {count}"
    );
    let (_, table) = section
        .split_once("\n| Refused | Why |\n|---|---|\n")
        .unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let refusals = REFUSALS
        .iter()
        .map(|(name, reason, _)| format!("| {name} | {reason} |"));
    assert_eq!(
        table.lines().collect::<Vec<_>>(),
        refusals.collect::<Vec<_>>()
    );
}

#[test]
fn no_input_is_in_the_table_twice() {
    let rows = rows();
    let cases: BTreeSet<_> = rows.iter().map(|row| &row.case).collect();
    let inputs: BTreeSet<_> = rows.iter().map(Row::bytes).collect();
    assert_eq!((cases.len(), inputs.len()), (rows.len(), rows.len()));
}

/// What is wrong with the results for an input that both read alike, up to the error if kubectl has
/// one.
fn difference(row: &Row, results: &[Result<Document, DocumentError>]) -> Option<String> {
    let read: Vec<_> = results
        .iter()
        .map_while(|result| result.as_ref().ok())
        .collect();
    let error = results
        .get(read.len())
        .and_then(|result| result.as_ref().err());
    let is_same = read.len() == row.documents.len()
        && row
            .documents
            .iter()
            .zip(&read)
            .all(|(recorded, read)| is_equal(&value(recorded), &read.value));
    match (error, &row.error) {
        (None, None) if is_same => None,
        (Some(error), Some(_)) if is_same && error.message.contains("line ") => None,
        _ => Some(format!(
            "{}: kubectl reads {:?} {:?}, this {:?} {:?}",
            row.case,
            row.documents,
            row.error,
            read.iter()
                .map(|document| document.value.to_string())
                .collect::<Vec<_>>(),
            error.map(|error| &error.message),
        )),
    }
}

/// What is wrong with the results for an input that kubectl reads and this refuses.
fn unexpected_refusal(
    row: &Row,
    name: &str,
    results: &[Result<Document, DocumentError>],
) -> Option<String> {
    let Some((.., texts)) = REFUSALS.iter().find(|(known, ..)| *known == name) else {
        return Some(format!("{}: there is no refusal {name:?}", row.case));
    };
    let is_expected = |error: &DocumentError| {
        error.message.contains("line ") && texts.iter().any(|text| error.message.contains(text))
    };
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    let refused: Vec<_> = refused.collect();
    let others_are_read_alike = results.iter().flatten().all(|document| {
        let mut recorded = row.documents.iter();
        recorded.any(|recorded| is_equal(&value(recorded), &document.value))
    });
    if !refused.is_empty()
        && refused.iter().all(|error| is_expected(error))
        && others_are_read_alike
    {
        None
    } else {
        Some(format!("{}: {results:?}", row.case))
    }
}

fn is_equal(one: &Value, other: &Value) -> bool {
    json::is_equal(one, other, |one, other| {
        one.partial_cmp(&other).is_some_and(Ordering::is_eq)
    })
}

fn value(recorded: &RawValue) -> Value {
    serde_json::from_str(recorded.get()).expect("what kubectl sends is JSON")
}

impl Row {
    fn bytes(&self) -> Vec<u8> {
        match (&self.input, &self.hex) {
            (Some(Input::Text(text)), None) => text.clone().into_bytes(),
            (Some(Input::Parts(parts)), None) => {
                let parts = parts.iter().map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Repetition { text, times } => text.repeat(*times),
                });
                parts.collect::<String>().into_bytes()
            }
            (None, Some(hex)) => {
                let digits: Vec<_> = hex
                    .chars()
                    .map(|digit| digit.to_digit(16).unwrap())
                    .collect();
                let (pairs, []) = digits.as_chunks() else {
                    panic!("{}: half a byte", self.case);
                };
                let bytes = pairs
                    .iter()
                    .map(|[high, low]| u8::try_from(high << 4 | low));
                bytes.collect::<Result<_, _>>().unwrap()
            }
            _ => panic!("{}: one of input and hex", self.case),
        }
    }
}

fn rows() -> Vec<Row> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/kubectl-yaml/table.jsonl"
    );
    let table = std::fs::read_to_string(path).unwrap();
    table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
