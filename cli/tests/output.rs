//! `docs/output.md` has every field of the JSON report and every audit annotation, and no other.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

#[test]
fn the_tables_have_the_fields_of_the_report_and_the_audit_annotations() {
    let document = fs::read_to_string(root().join("docs/output.md")).unwrap();
    let reports = reports();
    let elements = || reports.iter().flat_map(|report| report.as_array().unwrap());
    let responses =
        || elements().flat_map(|element| [element.get("response"), element.get("monitored")]);
    let annotations = responses()
        .flatten()
        .filter_map(|response| response.get("auditAnnotations"));
    for (head, expected) in [
        ("Field", keys(elements())),
        ("Field of `response`", keys(responses().flatten())),
        ("Annotation", keys(annotations)),
    ] {
        assert_eq!(table(&document, head), expected, "{head}");
    }
}

#[test]
fn the_row_on_violations_has_their_keys() {
    let document = fs::read_to_string(root().join("docs/output.md")).unwrap();
    let row = document
        .lines()
        .find(|line| line.starts_with("| `violations` |"));
    let reports = reports();
    let elements = reports.iter().flat_map(|report| report.as_array().unwrap());
    let violations: Vec<Value> = elements
        .filter_map(|element| element.pointer("/response/auditAnnotations/violations"))
        .flat_map(|text| serde_json::from_str::<Vec<Value>>(text.as_str().unwrap()).unwrap())
        .collect();
    let fixes = violations
        .iter()
        .filter_map(|violation| violation.get("fix"));
    let keys = keys(violations.iter().chain(fixes));
    assert_eq!(keys.len(), 6 + 3);
    for key in keys {
        assert!(row.unwrap().contains(&format!("`{key}`")), "{key}");
    }
}

/// Reports that have all fields between them.
fn reports() -> Vec<Value> {
    let pod = |containers: &[Value], spec: &Value| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"containers": containers},
        });
        for (key, value) in spec.as_object().unwrap() {
            pod["spec"][key] = value.clone();
        }
        pod
    };
    let bad = json!({
        "name": "a", "image": "a", "ports": [{"containerPort": 1, "hostPort": 1}],
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
    });
    let many: Vec<_> = (0..1000).map(|_| bad.clone()).collect();
    let warning = json!({"rootUser": {"mode": "warn"}});
    let policy = |mode: &str, message: &str| {
        json!({
            "apiVersion": "policies.kubewarden.io/v1",
            "kind": "ClusterAdmissionPolicy",
            "metadata": {"name": "p"},
            "spec": {
                "module": "m", "mutating": false, "mode": mode, "message": message,
                "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}],
            },
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, value: Value| {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path.display().to_string()
    };
    let list = file(
        "list.json",
        json!({"apiVersion": "v1", "kind": "List", "items": [pod(&[bad], &json!({"hostPID": true}))]}),
    );
    let many = file("many.json", pod(&many, &json!({})));
    let undecodable = file("undecodable.json", pod(&[], &json!({"hostPID": 1})));
    let map = file("map.json", json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    let warning = file("settings.json", warning);
    let protect = file("protect.json", policy("protect", "no"));
    let monitor = file("monitor.json", policy("monitor", "no"));

    let session = root().join("tests/sessions/legacy-pod");
    let case = fs::read_to_string(session.join("case.yaml")).unwrap();
    let case: Value = yaml_serde::from_str(&case).unwrap();
    let excused = file("excused.json", json!({"request": case["request"]}));
    let excusing = file("excusing.json", case["settings"].clone());
    let session = session.join("session.yaml").display().to_string();

    [
        &[
            "-r",
            &list,
            "-r",
            &many,
            "-r",
            &undecodable,
            "-r",
            &map,
            "-r",
            "gone.json",
            "-s",
            &warning,
        ][..],
        &[&protect, "--module", "policy.wasm", "-r", &list],
        &[&monitor, "--module", "policy.wasm", "-r", &list],
        &[
            "-r",
            &excused,
            "-s",
            &excusing,
            "--replay-host-capabilities-interactions",
            &session,
        ],
    ]
    .map(|arguments| {
        let mut command = Command::cargo_bin("container-security").unwrap();
        let command = command
            .current_dir(root())
            .args(["evaluate", "--output", "json"]);
        let output = command.args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    })
    .to_vec()
}

fn keys<'v>(objects: impl Iterator<Item = &'v Value>) -> BTreeSet<String> {
    objects
        .flat_map(|object| object.as_object().unwrap().keys().cloned())
        .collect()
}

/// The first column of the table with this head, without the marks of code.
fn table(document: &str, head: &str) -> BTreeSet<String> {
    let (_, table) = document.split_once(&format!("\n| {head} | ")).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
