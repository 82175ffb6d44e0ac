//! Holds the policy to what `examples/expected.yaml`, the other `examples/expected-*.yaml` and the
//! docs say about it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use container_security_host::policy_resource::{ContextAware, PolicyResource, Scope};
use container_security_host::{Denied, HostCapabilities, Policy, Replay, Reports};
use container_security_text::request::{self, AdmissionRequest, Wrapping};
use container_security_text::scan_report::{self, Reading};
use container_security_text::{Operation, Verdict, document};
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

/// One row of `examples/expected-in-a-cluster.yaml`; paths are relative to `examples/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterRow {
    policy: String,
    request: String,
    /// A recorded session of host calls.
    session: Option<String>,
    verdict: Answer,
    #[serde(default)]
    says: Vec<String>,
    /// `spec.policies.<name>: ` and a line of that policy.
    #[serde(default)]
    causes: Vec<String>,
    #[serde(default)]
    warns: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Accepted,
    Rejected,
    Monitored,
    #[serde(rename = "not asked")]
    NotAsked,
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
fn the_policy_says_of_each_scanned_example_what_is_expected() {
    let mut scans = Vec::new();
    for file in files("reports") {
        let bytes = fs::read(examples().join(&file)).unwrap();
        for document in document::parse(&file, &bytes) {
            for reading in scan_report::read(document.unwrap()) {
                match reading.unwrap() {
                    Reading::Report(report) => scans.push(report),
                    Reading::NoScan(reason) => panic!("{file}: {reason}"),
                }
            }
        }
    }
    let reports = Arc::new(Reports::new(scans, Denied));
    let policy = POLICY
        .clone()
        .with_host_capabilities(Arc::clone(&reports) as _);
    for row in reports_rows() {
        let request = request(&row.request).to_value().unwrap();
        let verdict = policy.validate(&request, &yaml(&row.settings)).unwrap();
        assert_eq!(
            verdict.accepted,
            row.verdict == Word::Accepted,
            "{}",
            row.request
        );
        let message = verdict.message.unwrap_or_default();
        for line in &row.says {
            assert!(
                message.lines().any(|said| said == format!("- {line}")),
                "{message}"
            );
        }
    }
    assert!(reports.was_asked());
}

#[test]
fn each_policy_of_a_cluster_answers_as_expected() {
    for row in cluster_rows() {
        let name = format!("{} by {}", row.request, row.policy);
        let (answer, said, causes, warnings) = ask(&row);
        assert_eq!(answer, row.verdict, "{name}: {said:#?}");
        for (expected, actual) in [
            (&row.says, said),
            (&row.causes, causes),
            (&row.warns, warnings),
        ] {
            for line in expected {
                assert!(
                    actual.contains(line),
                    "{name}:\n{line}\nis not among {actual:#?}"
                );
            }
        }
    }
}

#[test]
fn every_example_is_expected_to_be_something() {
    let (rows, reports_rows, cluster_rows) = (rows(), reports_rows(), cluster_rows());
    let requests: BTreeSet<_> = rows
        .iter()
        .map(|row| row.request.clone())
        .chain(cluster_rows.iter().map(|row| row.request.clone()))
        .collect();
    assert_eq!(files("workloads"), requests);
    let all_rows = rows.iter().chain(&reports_rows);
    let settings: BTreeSet<_> = all_rows.map(|row| row.settings.clone()).collect();
    assert_eq!(files("settings"), settings);
    let sessions: BTreeSet<_> = cluster_rows
        .iter()
        .filter_map(|row| row.session.clone())
        .collect();
    assert_eq!(files("sessions"), sessions);
}

#[test]
fn every_profile_that_the_settings_name_is_there_for_the_nodes() {
    let profiles = files("node-profiles");
    let texts: Vec<_> = profiles
        .iter()
        .map(|file| fs::read_to_string(examples().join(file)).unwrap())
        .collect();
    let mut used = BTreeSet::new();
    for file in files("settings") {
        let settings = yaml(&file);
        let localhost = |control: &str| {
            let allowed = settings[control]["allowed"].as_array();
            let words = allowed.into_iter().flatten().filter_map(Value::as_str);
            let profiles = words.filter_map(|word| word.strip_prefix("Localhost/"));
            profiles.map(str::to_owned).collect::<Vec<_>>()
        };
        for filter in localhost("seccomp") {
            let path = format!("node-profiles/{filter}");
            assert!(profiles.contains(&path), "{file}: {filter}");
            assert!(yaml(&path)["syscalls"].is_array(), "{filter}");
            used.insert(path);
        }
        for profile in localhost("appArmor") {
            let head = format!("profile {profile} ");
            let is_head = |text: &String| text.lines().any(|line| line.starts_with(&head));
            assert!(texts.iter().any(is_head), "{file}: {profile}");
        }
    }
    let is_filter = |file: &&String| Path::new(file).extension() == Some("json".as_ref());
    assert_eq!(
        profiles
            .iter()
            .filter(is_filter)
            .cloned()
            .collect::<BTreeSet<_>>(),
        used
    );
}

#[test]
fn every_policy_of_a_cluster_accepts_something_and_rejects_something() {
    let rows = cluster_rows();
    let of = |answers: &[Answer]| -> BTreeSet<_> {
        let rows = rows.iter().filter(|row| answers.contains(&row.verdict));
        rows.map(|row| row.policy.clone()).collect()
    };
    let mut policies = files("cluster");
    for rbac in RBAC {
        assert!(policies.remove(rbac));
    }
    assert_eq!(policies, of(&[Answer::Accepted]));
    let mut objecting = of(&[Answer::Rejected, Answer::Monitored]);
    let warned = rows.iter().filter(|row| !row.warns.is_empty());
    objecting.extend(warned.map(|row| row.policy.clone()));
    assert_eq!(policies, objecting);
}

#[test]
fn the_settings_of_every_policy_of_a_cluster_are_valid() {
    for file in files("cluster")
        .iter()
        .filter(|file| !RBAC.contains(&file.as_str()))
    {
        for resource in resources(file) {
            for member in resource.members() {
                let verdict = POLICY.validate_settings(member.settings()).unwrap();
                assert!(verdict.valid, "{file}: {:?}", verdict.message);
            }
        }
    }
}

#[test]
fn no_policy_of_a_cluster_says_what_a_cluster_does_not_do() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, policy) = readme.split_once("```yaml\napiVersion").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy = format!("apiVersion{policy}");
    let of_readme = PolicyResource::read("README.md", policy.as_bytes(), "default", None);
    let files = files("cluster");
    let of_files = files.iter().filter(|file| !RBAC.contains(&file.as_str()));
    let of_files = of_files.flat_map(|file| resources(file));
    let mut checked = 0;
    for resource in of_files.chain(of_readme.unwrap().policies) {
        assert_eq!(resource.warnings(), [""; 0], "{resource}");
        assert_eq!(resource.idle_rules(), [""; 0], "{resource}");
        assert_eq!(resource.check_settings(|_| true), Ok(vec![]), "{resource}");
        checked += 1;
    }
    // The policy of the README is one more.
    assert_eq!(checked, files.len() - RBAC.len() + 1);
}

/// Kubewarden 1.38 lets namespaced policies judge what teams create, and rejects others.
#[test]
fn a_policy_of_a_namespace_names_only_what_teams_create() {
    let allowed = [
        ("", ["pods", "pods/ephemeralcontainers"].as_slice()),
        (
            "apps",
            &["daemonsets", "deployments", "replicasets", "statefulsets"],
        ),
        ("batch", &["cronjobs", "jobs"]),
    ];
    let mut named = 0;
    for file in files("cluster")
        .iter()
        .filter(|file| !RBAC.contains(&file.as_str()))
    {
        for document in documents(file) {
            let kind = document["kind"].as_str().unwrap();
            if !kind.starts_with("AdmissionPolicy") {
                continue;
            }
            for rule in document["spec"]["rules"].as_array().unwrap() {
                let groups = rule["apiGroups"].as_array().unwrap();
                for resource in rule["resources"].as_array().unwrap() {
                    for group in groups {
                        let is_allowed = allowed.iter().any(|(allowed, resources)| {
                            group == allowed && resources.iter().any(|one| resource == one)
                        });
                        assert!(is_allowed, "{file}: {group}/{resource}");
                        named += 1;
                    }
                }
            }
        }
    }
    assert!(named > 0);
}

#[test]
fn the_policy_server_may_read_what_the_policies_need() {
    let rules: Vec<Value> = RBAC
        .iter()
        .flat_map(|file| documents(file))
        .filter(|document| document["kind"] == "ClusterRole")
        .flat_map(|role| role["rules"].as_array().unwrap().clone())
        .collect();
    let mut needed = 0;
    for file in files("cluster")
        .iter()
        .filter(|file| !RBAC.contains(&file.as_str()))
    {
        for document in documents(file) {
            let resources = document["spec"]["contextAwareResources"].as_array();
            for resource in resources.into_iter().flatten() {
                let (group, _) = resource["apiVersion"]
                    .as_str()
                    .unwrap()
                    .split_once('/')
                    .unwrap_or_default();
                let plural = format!("{}s", resource["kind"].as_str().unwrap().to_lowercase());
                // Reports are listed, owners and profiles are not.
                let verbs = match plural.as_str() {
                    "vulnerabilityreports" => json!(["get", "list", "watch"]),
                    _ => json!(["get"]),
                };
                let has =
                    |list: &Value, text: &str| list.as_array().unwrap().contains(&json!(text));
                let is_granted = |rule: &Value| {
                    has(&rule["apiGroups"], group)
                        && has(&rule["resources"], &plural)
                        && rule["verbs"] == verbs
                };
                assert!(rules.iter().any(is_granted), "{file}: {group}/{plural}");
                needed += 1;
            }
        }
    }
    assert!(needed > 0);
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
    let request = request(file);
    POLICY
        .validate(&request.to_value().unwrap(), settings)
        .unwrap()
}

/// The one request in a file.
fn request(file: &str) -> AdmissionRequest {
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
    inputs.remove(0).unwrap().request
}

/// The answer to the request of a row; the lines of the rejection, of its causes and the warnings.
fn ask(row: &ClusterRow) -> (Answer, Vec<String>, Vec<String>, Vec<String>) {
    let replay = row.session.as_ref().map(|session| {
        let bytes = fs::read(examples().join(session)).unwrap();
        Arc::new(Replay::from_yaml(session, &bytes).unwrap())
    });
    let host_capabilities: Arc<dyn HostCapabilities> = match &replay {
        Some(replay) => Arc::<Replay>::clone(replay),
        None => Arc::new(Denied),
    };
    let mut resources = resources(&row.policy);
    assert_eq!(resources.len(), 1, "{}", row.policy);
    let resource = resources.remove(0);
    let request = request(&row.request);
    match resource.scope(&request) {
        Scope::NotAsked(reason) => return (Answer::NotAsked, vec![reason], vec![], vec![]),
        Scope::Asked(mut notes) => {
            // Which namespaces have a level, only a cluster knows.
            notes.retain(|note| !note.contains("pod-security.kubernetes.io/"));
            assert_eq!(notes, [""; 0], "{}", row.policy);
        }
    }
    let value = request.to_value().unwrap();
    let judgement = resource
        .judge(&request, |member| {
            let granted = ContextAware::new(Arc::clone(&host_capabilities), member);
            let policy = POLICY.clone().with_host_capabilities(Arc::new(granted));
            policy.validate(&value, member.settings())
        })
        .unwrap();
    if let Some(replay) = &replay {
        assert_eq!(replay.leftovers(), [""; 0], "{}", row.policy);
    }
    let answer = match (&judgement.monitored, judgement.verdict.accepted) {
        (Some(_), _) => Answer::Monitored,
        (None, true) => Answer::Accepted,
        (None, false) => Answer::Rejected,
    };
    let causes = judgement.causes.iter().flat_map(|cause| {
        let field = cause.field.as_deref().unwrap_or_default();
        let lines = cause.message.lines();
        lines.map(move |line| format!("{field}: {line}"))
    });
    let decision = judgement.decision();
    let said = decision.message.iter().flat_map(|message| message.lines());
    (
        answer,
        said.map(str::to_owned).collect(),
        causes.collect(),
        decision.warnings.clone().unwrap_or_default(),
    )
}

fn resources(file: &str) -> Vec<PolicyResource> {
    let bytes = fs::read(examples().join(file)).unwrap();
    let file = PolicyResource::read(file, &bytes, "default", None);
    file.unwrap().policies
}

fn cluster_rows() -> Vec<ClusterRow> {
    serde_json::from_value(yaml("expected-in-a-cluster.yaml")).unwrap()
}

fn reports_rows() -> Vec<Row> {
    serde_json::from_value(yaml("expected-with-reports.yaml")).unwrap()
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

/// The rights that the policies of the supply chain need; no policy itself.
const RBAC: [&str; 3] = [
    "cluster/legacy-rbac.yaml",
    "cluster/localhost-profiles-rbac.yaml",
    "cluster/supply-chain-rbac.yaml",
];
