//! `docs/messages.md`: every message, with the control that says it and what causes it.
//!
//! The table is made from the cases: what they expect is what people read. `make messages` writes it;
//! here it is held, and so is that no text of the source is missing in it.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use container_security::{Host, validate};
use container_security_test_kit::controls::controls;
use container_security_test_kit::{cases, requests, sessions};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

#[test]
fn the_table_of_all_messages_is_up_to_date() {
    let path = root().join("docs/messages.md");
    let table = document(&messages());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == table,
        "docs/messages.md is out of date: make messages"
    );
}

#[test]
fn every_text_of_the_source_is_in_the_table() {
    let all: String = messages()
        .into_iter()
        .map(|message| message.text + "\n")
        .collect();
    let missing: BTreeSet<String> = source_texts()
        .into_iter()
        .filter(|text| !all.contains(text.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "no case shows these texts, so docs/messages.md has not got them: {missing:#?}"
    );
}

/// What a case expects to read.
#[derive(Debug)]
struct Message {
    /// The control, or where else it comes from.
    from: String,
    text: String,
    cause: String,
}

const SETTINGS: &str = "settings";
const REQUEST: &str = "request";

fn messages() -> Vec<Message> {
    let tests = root().join("tests");
    let controls = controls();
    let mut messages = Vec::new();
    let mut add = |name: &str, text: &str| {
        let from = match text.split_once(": ") {
            Some((control, _)) if controls.iter().any(|(known, _)| *known == control) => {
                control.to_owned()
            }
            _ => REQUEST.to_owned(),
        };
        let cause = cause(name);
        let text = text.to_owned();
        messages.push(Message { from, text, cause });
    };
    for case in cases::cases(&tests) {
        let message = case.expected.message.unwrap_or_default();
        let (title, _) = message.split_once('\n').unwrap_or_default();
        if let Some((_, aside)) = title.split_once(" of container security (") {
            add(&case.name, aside.trim_end_matches("):"));
        }
        let lines = match message.split_once("\n- ") {
            Some((_, lines)) => lines,
            None => message.as_str(),
        };
        for text in lines.split("\n- ").filter(|text| !text.is_empty()) {
            add(&case.name, text);
        }
        for text in &case.expected.warnings {
            add(&case.name, text);
        }
    }
    for case in sessions::cases(&tests) {
        for text in case.aside().into_iter().chain(case.messages()) {
            add(&case.name, text);
        }
    }
    for case in scripted() {
        add(&format!("messages: {}", case.case), &case.text);
    }
    for case in cases::settings_cases(&tests) {
        for text in &case.problems {
            messages.push(Message {
                from: SETTINGS.to_owned(),
                text: text.clone(),
                cause: cause(&format!("settings: {}", case.case)),
            });
        }
    }
    messages
}

/// A case of `tests/messages.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scripted {
    case: String,
    settings: Value,
    #[serde(default = "shop")]
    namespace: Value,
    /// How many containers the Pod has; each runs an image of its own.
    #[serde(default = "one")]
    images: usize,
    /// By operation, or by the type of verification; a text is an error.
    answers: BTreeMap<String, Value>,
    text: String,
}

fn shop() -> Value {
    "shop".into()
}

fn one() -> usize {
    1
}

impl Host for Scripted {
    fn call(&self, _: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let question: Value = serde_json::from_slice(payload).unwrap();
        let key = question
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or(operation);
        match self.answers.get(key) {
            Some(Value::String(error)) => Err(error.clone()),
            Some(answer) => Ok(answer.to_string().into_bytes()),
            // Whether reports may be read at all is asked for one that is not there.
            None => Err("Cannot find x/VulnerabilityReport named 'y'".to_owned()),
        }
    }

    fn now(&self) -> i64 {
        1_769_817_600
    }
}

fn scripted() -> Vec<Scripted> {
    let text = std::fs::read_to_string(root().join("tests/messages.yaml")).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

#[test]
fn the_supply_chain_says_what_its_cases_expect() {
    for case in scripted() {
        let mut pod = requests::valid_pod();
        for list in ["initContainers", "ephemeralContainers"] {
            pod["spec"].as_object_mut().unwrap().remove(list);
        }
        requests::set(
            &mut pod,
            "/spec/containers/0/image",
            "ghcr.io/org/app:1".into(),
        );
        for index in 1..case.images {
            let mut container = requests::valid_container(&format!("app-{index}"));
            container["image"] = format!("ghcr.io/org/app-{index}:1").into();
            requests::set(&mut pod, "/spec/containers/-", container);
        }
        pod["metadata"]["namespace"] = Value::Null;
        let mut request = requests::create_request("Pod", requests::workload("Pod", pod));
        request["namespace"] = case.namespace.clone();
        let answer = validate(&requests::payload(&request, &case.settings), &case);
        let answer: requests::Expected = serde_json::from_slice(&answer).unwrap();
        let message = answer.message.unwrap_or_default();
        let lines: Vec<&str> = message.split("\n- ").skip(1).collect();
        assert_eq!(lines, [case.text.as_str()], "{}", case.case);
    }
}

/// The sentence of a case, without the file and what the case was multiplied by.
fn cause(name: &str) -> String {
    let (_, sentence) = name.split_once(": ").unwrap();
    let multiplied =
        Regex::new(r#"(: (["\[{]|null|true|false|-?\d).*)?( \([A-Za-z]+(, [a-z ]+)?\))?$"#);
    multiplied.unwrap().replace(sentence, "").into_owned()
}

/// The document: of messages that differ in names and values only, the first.
fn document(messages: &[Message]) -> String {
    let mut document = HEAD.to_owned();
    let mut anchors = BTreeSet::new();
    for (from, title) in controls()
        .into_iter()
        .map(|(control, _)| (control, format!("`{control}`")))
        .chain([
            (REQUEST, "All controls, and requests".to_owned()),
            (SETTINGS, "Settings".to_owned()),
        ])
    {
        let mut rows: BTreeMap<String, &Message> = BTreeMap::new();
        for message in messages.iter().filter(|message| message.from == from) {
            rows.entry(pattern(&message.text)).or_insert(message);
        }
        let _ = write!(document, "\n## {title}\n\n| Text | Cause |\n|---|---|\n");
        for (pattern, Message { text, cause, .. }) in rows {
            let anchor = anchor(from, &pattern, &mut anchors);
            let (text, cause) = (text.replace('|', "\\|"), cause.replace('|', "\\|"));
            let _ = writeln!(document, "| <a id=\"{anchor}\"></a>`{text}` | {cause} |");
        }
    }
    document
}

/// A message without the names and values that differ from case to case.
fn pattern(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let compile = |(found, instead): (&str, _)| (Regex::new(found).unwrap(), instead);
        VARYING.into_iter().map(compile).collect()
    });
    let mut text = text.to_owned();
    for (found, instead) in PATTERNS.iter() {
        text = found.replace_all(&text, *instead).into_owned();
    }
    text
}

/// What differs from case to case, and what stands for it.
const VARYING: [(&str, &str); 8] = [
    (r#""(\\.|[^"\\])*"(\.\.\.)?"#, "\"\""),
    (r" \((allowed|runtime/default|docker\.io)[^)]*\)", ""),
    (
        r"(come from|be within|must be one of|not one of|none of|profiles are|keys are): .*$",
        "$1:",
    ),
    (
        r#"(init |ephemeral )?containers? ""(, (init |ephemeral )?(containers? )?"")*( and \d+ more)?"#,
        "container",
    ),
    (
        r"\b(spec|metadata|image|status|request|securityContext|annotations)(\.[A-Za-z]+|\[[^\]]*\])*",
        "field",
    ),
    (r"\[\d+\]", "[]"),
    (
        r"sha256:[0-9a-f.]+|CVE-[0-9-]+|\b[a-z0-9.-]+\.(io|com|example)(/[a-z0-9./-]+)?",
        "name",
    ),
    (r"\{days since \d+\}|\d+", "0"),
];

/// A name for a row that stays while its text does.
fn anchor(from: &str, pattern: &str, known: &mut BTreeSet<String>) -> String {
    let text = pattern
        .strip_prefix(&format!("{from}: "))
        .unwrap_or(pattern);
    let words = text
        .split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && *word != "0");
    let words: Vec<String> = words.take(12).map(str::to_lowercase).collect();
    let name = format!("{}-{}", from.to_lowercase(), words.join("-"));
    let free = (1..).map(|number| match number {
        1 => name.clone(),
        number => format!("{name}-{number}"),
    });
    let anchor = free.into_iter().find(|name| !known.contains(name)).unwrap();
    known.insert(anchor.clone());
    anchor
}

/// The parts of messages that the source writes out: what stands between placeholders.
fn source_texts() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let no_messages = [
        r"(?m)^\s*//.*$",
        // What a schema says, or an attribute, is no message.
        r#"(?s)#\[cfg\(feature = "schema"\)\]\n.*?\n    \}"#,
        r"(?s)describe!\(.*?\n\);",
        r#"reason = "(\\.|[^"\\])*""#,
        r#"\bbr?"(\\.|[^"\\])*"|\br"[^"]*"|'"'"#,
        r"(?s)expecting\(&self.*?\n    \}",
    ]
    .map(|pattern| Regex::new(pattern).unwrap());
    let literal = Regex::new(r#""((?:\\[\s\S]|[^"\\])*)""#).unwrap();
    let line_end = Regex::new(r"\\\n\s*").unwrap();
    let placeholder = Regex::new(r"\{[^}]*\}").unwrap();
    for file in rust_files(&root().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let text = no_messages.iter().fold(text.to_owned(), |text, pattern| {
            pattern.replace_all(&text, "").into_owned()
        });
        for found in literal.captures_iter(&text) {
            let joined = line_end.replace_all(found.get(1).unwrap().as_str(), "");
            let joined = joined.replace("\\\"", "\"");
            for part in placeholder.split(&joined) {
                let part = part.trim_matches(|char: char| !char.is_alphanumeric());
                if part.split(' ').count() > 2 {
                    texts.insert(part.to_owned());
                }
            }
        }
    }
    for other in OF_OTHERS {
        assert!(texts.remove(*other), "no longer in the source: {other}");
    }
    texts
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if !["schema.rs", "guest.rs", "lib.rs"]
            .iter()
            .any(|name| path.ends_with(name))
        {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is no part of the table: words of a host that are looked for and not repeated, titles of
/// messages, what only bytes lead to that no host sends, and what only an owner leads to that no session
/// can have (they have tests of their own).
const OF_OTHERS: &[&str] = &[
    "Callback evaluation failure",
    "No Signature Layer passed verification",
    "matching client's default platform",
    "no signatures found",
    "of container security",
    "the settings of container-security have",
    "a request and settings",
    "could not be asked: the answer cannot be read",
    "excuses nothing: which of its pod templates this is made from cannot be told",
    "is written twice",
    "it is not valid JSON",
    "it is not valid JSON at byte",
    "the admission request",
    "it is empty",
];

const HEAD: &str = "# Messages

<!-- Made by `make messages` from the cases in tests/, and held by a test. -->

Every message of the policy, with what causes it. Search for a few words of what you read: names, values and
paths are those of the case that the row comes from. A message says what is wrong, and behind the last `;` what to do
about it. Where several containers have one fault, it is said once.

A rejection begins with a line such as `Pod \"web\" in namespace \"shop\" breaks 2 rules of container security:`, which
is all that an event shows; its rules are the controls below, whose messages follow, a line each. What the command
line says beside the verdict is not here.

Each row has an address: open the link of its first cell, or add `#` and the row's id to the address of this page.
";
