//! Holds the policy to what `examples/expected.yaml` and the docs say about it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use container_security_host::request::{self, Wrapping};
use container_security_host::{Operation, Policy, Verdict, document};
use serde::Deserialize;
use serde_json::{Value, json};

/// One row of `examples/expected.yaml`; paths are relative to `examples/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    request: String,
    settings: String,
    verdict: Word,
    /// Lines of the rejection.
    #[serde(default)]
    says: Vec<String>,
    /// Warnings.
    #[serde(default)]
    warns: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Accepted,
    Rejected,
}

#[test]
fn the_policy_says_of_each_example_what_is_expected() {
    for row in rows() {
        let name = format!("{} under {}", row.request, row.settings);
        let verdict = judge(&row.request, &yaml(&row.settings));
        let word = if verdict.accepted {
            Word::Accepted
        } else {
            Word::Rejected
        };
        assert_eq!(word, row.verdict, "{name}: {verdict:#?}");

        let message = verdict.message.unwrap_or_default();
        let said: Vec<_> = message
            .lines()
            .filter_map(|line| line.strip_prefix("- "))
            .collect();
        for line in &row.says {
            assert!(
                said.contains(&line.as_str()),
                "{name} must say\n{line}\nbut says {said:#?}"
            );
        }
        let warnings = verdict.warnings.unwrap_or_default();
        for line in &row.warns {
            assert!(
                warnings.contains(line),
                "{name} must warn\n{line}\nbut warns {warnings:#?}"
            );
        }
    }
}

#[test]
fn every_example_is_expected_to_be_something() {
    let rows = rows();
    let requests: BTreeSet<_> = rows.iter().map(|row| row.request.clone()).collect();
    assert_eq!(files("workloads"), requests);
    let settings: BTreeSet<_> = rows.iter().map(|row| row.settings.clone()).collect();
    assert_eq!(files("settings"), settings);
}

#[test]
fn the_settings_of_every_cluster_example_are_valid() {
    for file in files("cluster") {
        let mut checked = 0;
        for document in documents(&file) {
            let spec = &document["spec"];
            let members = spec["policies"].as_object().into_iter().flatten();
            let settings = members
                .map(|(_, member)| &member["settings"])
                .chain([&spec["settings"]]);
            for settings in settings.filter(|settings| settings.is_object()) {
                let verdict = POLICY.validate_settings(settings).unwrap();
                assert!(verdict.valid, "{file}: {:?}", verdict.message);
                checked += 1;
            }
        }
        assert!(checked > 0, "{file} has no settings");
    }
}

#[test]
fn the_defaults_in_the_docs_are_the_defaults() {
    let docs = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let (_, block) = docs.split_once("```yaml\n").unwrap();
    let (defaults, _) = block.split_once("```").unwrap();
    let defaults: Value = yaml_serde::from_str(defaults).unwrap();
    let validity = POLICY.validate_settings(&defaults).unwrap();
    assert!(validity.valid, "{:?}", validity.message);
    for request in files("workloads") {
        let by_default = judge(&request, &json!({}));
        assert_eq!(by_default, judge(&request, &defaults), "{request}");
    }
}

/// The module that `make policy.wasm` has built.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let path = root().join("policy.wasm");
    let module = fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run: make policy.wasm", path.display()));
    Policy::load(&module).unwrap()
});

/// What the policy says of the one object in a file.
fn judge(file: &str, settings: &Value) -> Verdict {
    let wrapping = Wrapping {
        operation: Operation::Create,
        namespace: "default".to_owned(),
        old_objects: None,
    };
    let bytes = fs::read(examples().join(file)).unwrap();
    let mut inputs: Vec<_> = document::parse(file, &bytes)
        .into_iter()
        .flat_map(|document| request::requests(document.unwrap(), &wrapping))
        .collect();
    assert_eq!(inputs.len(), 1, "{file}");
    let request = inputs.remove(0).unwrap().request;
    POLICY
        .validate(&request.to_value().unwrap(), settings)
        .unwrap()
}

fn rows() -> Vec<Row> {
    serde_json::from_value(yaml("expected.yaml")).unwrap()
}

/// The one document of a file.
fn yaml(file: &str) -> Value {
    let mut documents = documents(file);
    assert_eq!(documents.len(), 1, "{file}");
    documents.remove(0)
}

fn documents(file: &str) -> Vec<Value> {
    let bytes = fs::read(examples().join(file)).unwrap();
    document::parse(file, &bytes)
        .into_iter()
        .map(|document| document.unwrap().value)
        .collect()
}

/// The files of a folder of `examples/`, by their paths below `examples/`.
fn files(folder: &str) -> BTreeSet<String> {
    fs::read_dir(examples().join(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect()
}

fn examples() -> PathBuf {
    root().join("examples")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
