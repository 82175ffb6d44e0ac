//! Holds the policy to what `examples/expected.yaml` says about each example.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde::Deserialize;
use serde_json::Value;

/// One row of `examples/expected.yaml`; paths are relative to `examples/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    request: String,
    settings: String,
    verdict: Verdict,
    /// Lines of the rejection.
    #[serde(default)]
    says: Vec<String>,
    /// Warnings.
    #[serde(default)]
    warns: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accepted,
    Rejected,
}

#[test]
fn the_policy_says_of_each_example_what_is_expected() {
    for row in rows() {
        let name = format!("{} under {}", row.request, row.settings);
        let response = evaluate(&row.request, &row.settings);
        let verdict = if response["accepted"] == true {
            Verdict::Accepted
        } else {
            Verdict::Rejected
        };
        assert_eq!(verdict, row.verdict, "{name}: {response:#}");

        let message = response["message"].as_str().unwrap_or_default();
        let said: BTreeSet<_> = message
            .lines()
            .filter_map(|line| line.strip_prefix("- "))
            .collect();
        for line in &row.says {
            assert!(
                said.contains(line.as_str()),
                "{name} must say\n{line}\nbut says {said:#?}"
            );
        }
        let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
        for line in row.warns {
            assert!(
                warnings.contains(&Value::from(line.as_str())),
                "{name} must warn\n{line}\nbut warns {warnings:#?}"
            );
        }
    }
}

#[test]
fn every_example_is_expected_to_be_something() {
    let rows = rows();
    let requests = rows.iter().map(|row| row.request.as_str()).collect();
    assert_eq!(files("workloads"), owned(&requests));
    let settings = rows.iter().map(|row| row.settings.as_str()).collect();
    assert_eq!(files("settings"), owned(&settings));
}

#[test]
fn every_setting_of_a_cluster_example_is_valid() {
    for file in files("cluster") {
        let text = fs::read_to_string(examples().join(&file)).unwrap();
        for document in text.split("\n---\n") {
            let document: Value = yaml_serde::from_str(document).unwrap();
            let spec = &document["spec"];
            let members = spec["policies"].as_object().into_iter().flatten();
            for settings in members
                .map(|(_, member)| &member["settings"])
                .chain([&spec["settings"]])
                .filter(|settings| settings.is_object())
            {
                let status = command()
                    .args(["--request-path", "workloads/deployment-hardened.yaml"])
                    .args(["--settings-json", &settings.to_string()])
                    .assert()
                    .get_output()
                    .status
                    .code();
                assert!(matches!(status, Some(0 | 1)), "{file}: {settings:#}");
            }
        }
    }
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(examples().join("expected.yaml")).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

/// What the policy answers to the one object of `request`.
fn evaluate(request: &str, settings: &str) -> Value {
    let assert = command()
        .args(["--request-path", request, "--settings-path", settings])
        .args(["--output", "json"])
        .assert();
    let output = assert.get_output();
    let outcomes: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "{request} under {settings}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    outcomes[0]["response"].clone()
}

/// `container-security evaluate` with the policy, in `examples/`.
fn command() -> Command {
    let policy = root().join("policy.wasm");
    assert!(
        policy.is_file(),
        "{} does not exist; build it with: make policy.wasm",
        policy.display()
    );
    let mut command = Command::cargo_bin("container-security").unwrap();
    command.current_dir(examples()).arg("evaluate").arg(policy);
    command
}

/// The files of a folder of `examples/`, by their paths below `examples/`.
fn files(folder: &str) -> BTreeSet<String> {
    fs::read_dir(examples().join(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|path| !path.ends_with(".md"))
        .collect()
}

fn owned(paths: &BTreeSet<&str>) -> BTreeSet<String> {
    paths.iter().copied().map(ToOwned::to_owned).collect()
}

fn examples() -> PathBuf {
    root().join("examples")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
