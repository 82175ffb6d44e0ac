//! Holds `settings.schema.json` against the policy: both accept and refuse the same settings.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use container_security::settings_schema;
use container_security_test_kit::{cases, sessions};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

/// What the policy refuses and a JSON Schema cannot.
struct Beyond {
    /// Words of the policy's message.
    problem: &'static str,
    /// What stands in the settings then, where the policy says the same of settings that a schema
    /// can refuse.
    mark: Option<&'static str>,
    reason: &'static str,
    /// Settings with this problem only, as text.
    settings: &'static str,
}

const BEYOND: [Beyond; 12] = [
    Beyond {
        problem: "is the kind of customWorkloads[",
        mark: None,
        reason: "a schema cannot compare two keys of two entries",
        settings: r#"{"customWorkloads": [{"group": "a.io", "kind": "A", "podTemplates": ["a"]}, {"group": "a.io", "kind": "A", "podTemplates": ["b"]}]}"#,
    },
    Beyond {
        problem: "is a kind that the policy knows by itself",
        mark: None,
        reason: "of all pairs of groups and kinds a schema could say it, and no editor would at the \
                 right place",
        settings: r#"{"customWorkloads": [{"group": "apps", "kind": "Deployment", "podTemplates": ["spec.template"]}]}"#,
    },
    Beyond {
        problem: "is both in allow and in reject",
        mark: None,
        reason: "a schema cannot compare the entries of two lists",
        settings: r#"{"registries": {"allow": ["ghcr.io"], "reject": ["GHCR.IO"]}}"#,
    },
    Beyond {
        problem: "is both in ignore and in reject",
        mark: None,
        reason: "a schema cannot compare the entries of two lists",
        settings: r#"{"vulnerabilities": {"source": "sbomscanner", "ignore": ["CVE-1"], "reject": ["CVE-1"]}}"#,
    },
    Beyond {
        problem: "is both in allowedAdd and in requiredDrop",
        mark: None,
        reason: "a schema cannot compare the entries of two lists, of which one may be there by \
                 default, and which is that depends on the level",
        settings: r#"{"capabilities": {"allowedAdd": ["NET_RAW"], "requiredDrop": ["NET_RAW"]}}"#,
    },
    Beyond {
        problem: "is both in allowed and in forbidden",
        mark: None,
        reason: "a schema cannot compare the entries of two lists",
        settings: r#"{"volumes": {"allowed": ["nfs"], "forbidden": ["nfs"]}}"#,
    },
    Beyond {
        problem: "hostPaths has no effect",
        mark: None,
        reason: "whether a star covers hostPath depends on what is forbidden, and that on the level",
        settings: r#"{"volumes": {"allowed": ["*"], "hostPaths": [{"path": "/"}]}}"#,
    },
    Beyond {
        problem: "can find nothing without baseRegistries, registries.allow",
        mark: None,
        reason: "of two sections together a schema could say it, and no editor would at the right \
                 place",
        settings: r#"{"imageFreshness": {"baseImage": "current", "unknownBase": "accept"}}"#,
    },
    Beyond {
        problem: "is above max",
        mark: None,
        reason: "a schema cannot compare two numbers",
        settings: r#"{"hostPorts": {"allowed": [{"min": 2, "max": 1}]}}"#,
    },
    Beyond {
        problem: "is written twice",
        mark: None,
        reason: "whoever validates has read the text, and kept one of the two",
        settings: r#"{"seccomp": {"mode": "warn", "mode": "enforce"}}"#,
    },
    Beyond {
        problem: "min: expected a whole number, found a number",
        mark: Some("80.0"),
        reason: "to JSON Schema, 80.0 is an integer",
        settings: r#"{"hostPorts": {"allowed": [{"min": 80.0, "max": 80}]}}"#,
    },
    Beyond {
        problem: "critical: expected a whole number, found a number",
        mark: Some("0.0"),
        reason: "to JSON Schema, 0.0 is an integer",
        settings: r#"{"vulnerabilities": {"source": "sbomscanner", "maximum": {"critical": 0.0}}}"#,
    },
];

#[test]
fn the_schema_in_the_repository_is_the_schema_of_the_settings() {
    let written = fs::read_to_string(root().join("settings.schema.json")).unwrap_or_default();
    assert!(
        written == format!("{:#}\n", settings_schema()),
        "settings.schema.json is out of date; run: make docs"
    );
}

#[test]
fn the_command_prints_the_schema() {
    let printed = assert_cmd::Command::cargo_bin("container-security")
        .unwrap()
        .arg("schema")
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    let printed: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(printed, settings_schema());
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::draft7::meta::validate(&settings_schema()).unwrap();
}

#[test]
fn the_schema_and_the_policy_agree_on_all_settings_of_tests_and_examples() {
    let schema = Schema::new();
    let settings = all_settings();
    assert!(settings.len() > 500, "{}", settings.len());
    for (name, settings) in &settings {
        schema.agrees(name, settings);
    }
}

/// Every place of every settings, with something else there: a typo away from valid.
#[test]
fn the_schema_and_the_policy_agree_on_settings_with_one_change() {
    let schema = Schema::new();
    let mut seen = BTreeSet::new();
    for (name, settings) in all_settings() {
        for changed in with_one_change(&settings) {
            if seen.insert(changed.to_string()) {
                schema.agrees(&name, &changed);
            }
        }
    }
}

#[test]
fn every_example_names_the_schema_to_editors() {
    for (path, text) in examples() {
        let reference = text.lines().next().and_then(|line| {
            let schema = line.strip_prefix("# yaml-language-server: $schema=")?;
            Path::new(&path).parent()?.join(schema).canonicalize().ok()
        });
        let schema = root().join("settings.schema.json").canonicalize().unwrap();
        assert_eq!(reference, Some(schema), "{path}");
    }
}

#[test]
fn what_a_schema_cannot_say_is_still_true() {
    let schema = Schema::new();
    for beyond in BEYOND {
        let Beyond {
            problem,
            mark,
            reason,
            settings,
        } = beyond;
        assert!(mark.is_none_or(|mark| settings.contains(mark)), "{problem}");
        let problems = problems(settings.as_bytes());
        assert!(
            matches!(problems.as_slice(), [only] if only.contains(problem)),
            "{problem}: {problems:?}"
        );
        let settings: Value = serde_json::from_str(settings).unwrap();
        assert!(
            schema.0.is_valid(&settings),
            "the schema does say it: {problem} ({reason})"
        );
    }
}

/// Each key of a control has a row in its chapter; what is deeper down is named there.
#[test]
fn every_key_is_in_the_docs() {
    fn names(schema: &Value, found: &mut BTreeSet<String>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            found.insert(name.clone());
            names(schema, found);
            names(&schema["items"], found);
        }
    }
    let docs = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let schema = settings_schema();
    for (key, schema) in schema["properties"].as_object().unwrap() {
        let (_, chapter) = docs
            .split_once(&format!("\n## {key}\n"))
            .unwrap_or_else(|| panic!("docs/settings.md has no chapter {key}"));
        let chapter = chapter.split("\n## ").next().unwrap();
        let words: BTreeSet<&str> = chapter.split(|end: char| !end.is_alphanumeric()).collect();
        for (row, _) in schema["properties"].as_object().into_iter().flatten() {
            let has_row = row == "mode" || chapter.contains(&format!("\n| `{row}` |"));
            assert!(has_row, "docs/settings.md: no row for {key}.{row}");
        }
        let mut all = BTreeSet::new();
        names(schema, &mut all);
        names(&schema["items"], &mut all);
        // It has a chapter of its own.
        all.remove("mode");
        for name in all {
            let is_named = words.contains(name.as_str());
            assert!(is_named, "docs/settings.md: {key} without {name}");
        }
    }
}

struct Schema(Validator);

impl Schema {
    fn new() -> Self {
        // The engine for patterns that, like Go's, has nothing that looks around or back.
        let validator = jsonschema::options()
            .with_draft(Draft::Draft7)
            .with_pattern_options(PatternOptions::regex())
            .build(&settings_schema());
        Self(validator.unwrap())
    }

    fn agrees(&self, name: &str, settings: &Value) {
        let text = settings.to_string();
        let problems = problems(text.as_bytes());
        let beyond = |problem: &String| {
            BEYOND
                .iter()
                .find(|beyond| problem.contains(beyond.problem))
        };
        let is_marked = |beyond: &Beyond| beyond.mark.is_some_and(|mark| text.contains(mark));
        if problems.iter().filter_map(beyond).any(is_marked) {
            return;
        }
        let is_beyond = |problem| beyond(problem).is_some_and(|beyond| beyond.mark.is_none());
        let errors: Vec<String> = self
            .0
            .iter_errors(settings)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(
            errors.is_empty(),
            problems.iter().all(is_beyond),
            "{name}: {settings}\nthe policy says {problems:#?}\nthe schema says {errors:#?}"
        );
    }
}

/// What the policy says of settings; nothing if they are valid.
fn problems(settings: &[u8]) -> Vec<String> {
    let answer = container_security::validate_settings(settings);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let message = answer["message"].as_str().unwrap_or_default();
    let problems: Vec<String> = message
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(answer["valid"], problems.is_empty(), "{message}");
    problems
}

/// The settings of every case and every example, by a name.
fn all_settings() -> Vec<(String, Value)> {
    let tests = root().join("tests");
    let of_payload = |payload: &[u8]| {
        let payload: Value = serde_json::from_slice(payload).unwrap();
        payload["settings"].clone()
    };
    let mut settings = Vec::new();
    for case in cases::settings_cases(&tests) {
        settings.push((case.case, case.settings));
    }
    for case in cases::cases(&tests) {
        settings.push((case.name, of_payload(&case.payload)));
    }
    for case in sessions::cases(&tests) {
        let payload = case.payload();
        settings.push((case.name, of_payload(&payload)));
    }
    for (path, text) in examples() {
        settings.push((path, yaml_serde::from_str(&text).unwrap()));
    }
    settings
}

/// The texts of `examples/settings/`, by path.
fn examples() -> Vec<(String, String)> {
    fs::read_dir(root().join("examples/settings"))
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect()
}

/// The settings with another value in one place, without one key, or with one key more.
fn with_one_change(settings: &Value) -> Vec<Value> {
    let others = || {
        [
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(65536),
            json!(10.5),
            json!(""),
            json!(" "),
            json!("*"),
            json!("enforce"),
            json!("ghcr.io/"),
            json!([]),
            json!([null]),
            json!([""]),
            json!({}),
        ]
    };
    let mut changed: Vec<Value> = others().into();
    match settings {
        Value::Object(map) => {
            for (key, value) in map {
                let with = |value: Option<Value>| {
                    let mut map = map.clone();
                    match value {
                        Some(value) => map.insert(key.clone(), value),
                        None => map.remove(key),
                    };
                    Value::Object(map)
                };
                changed.push(with(None));
                changed.extend(with_one_change(value).into_iter().map(Some).map(with));
            }
            let mut map = map.clone();
            map.insert("colour".to_owned(), "red".into());
            changed.push(Value::Object(map));
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let with = |value: Option<Value>| {
                    let mut list = list.clone();
                    list.splice(index..=index, value);
                    Value::Array(list)
                };
                changed.push(with(None));
                changed.extend(with_one_change(value).into_iter().map(Some).map(with));
            }
        }
        Value::String(text) => {
            changed.extend([
                json!(format!("{text} ")),
                json!(format!(" {text}")),
                json!(format!("{text}/")),
                json!(format!("{text}*")),
                json!(format!("x{text}")),
                json!(format!("-{text}")),
                json!(text.to_lowercase()),
                json!(text.to_uppercase()),
            ]);
            let mut shorter = text.clone();
            shorter.pop();
            changed.push(shorter.into());
        }
        _ => {}
    }
    changed
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
