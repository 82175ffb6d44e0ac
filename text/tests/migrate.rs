//! What `migrate` makes of the settings in `migrations.yaml`, and what the
//! policy says under the result.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use container_security::{Host, validate, validate_settings};
use container_security_text::migrate::Source;
use container_security_text::settings::Setting;
use container_security_text::{SettingsVerdict, Verdict, request};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Migration {
    case: String,
    from: String,
    settings: Option<Value>,
    becomes: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    accepts: Vec<Value>,
    #[serde(default)]
    rejects: Vec<Value>,
    #[serde(default)]
    asks: Vec<Value>,
    #[serde(default)]
    reports: Vec<Report>,
    refused: Option<Vec<String>>,
    #[serde(default)]
    judges_nothing: bool,
}

/// The report on an image of `a.example/a`.
#[derive(Deserialize)]
struct Report {
    tag: String,
    findings: Value,
}

#[test]
fn each_case_becomes_the_settings_that_say_the_same() {
    for case in cases() {
        let name = format!("{}: {}", case.from, case.case);
        let source = Source::named(&case.from).unwrap();
        let migrated = source.migrate(case.settings.as_ref());
        let (Some(becomes), Ok(migrated)) = (&case.becomes, &migrated) else {
            assert_eq!(migrated.err(), case.refused, "{name}");
            continue;
        };
        let mut expected = becomes.clone();
        for (control, section) in &mut expected {
            let mut all = Setting::all().into_iter();
            let is_levelled = all.any(|setting| setting.name == control && setting.is_levelled());
            if let (true, Value::Object(keys)) = (is_levelled, section) {
                keys.entry("mode").or_insert(json!("enforce"));
            }
        }
        expected.insert("level".to_owned(), json!("privileged"));
        expected.insert("legacy".to_owned(), json!({"onUpdate": "allViolations"}));
        let settings: Value = yaml_serde::from_str(&migrated.settings).unwrap();
        assert_eq!(settings, json!(expected), "{name}");
        assert_eq!(migrated.judges_nothing, case.judges_nothing, "{name}");

        let host = Cluster::of(&case);
        let validity = validate_settings(settings.to_string().as_bytes());
        let validity: SettingsVerdict = serde_json::from_slice(&validity).unwrap();
        assert!(validity.valid, "{name}: {:?}", validity.message);
        for (pods, accepted) in [(&case.accepts, true), (&case.rejects, false)] {
            for pod in pods {
                let payload = request::payload(&creation(pod), &settings).unwrap();
                let verdict: Verdict = serde_json::from_slice(&validate(&payload, &host)).unwrap();
                assert_eq!(verdict.accepted, accepted, "{name}: {pod}: {verdict:#?}");
            }
        }
        assert_eq!(*host.asked.lock().unwrap(), case.asks, "{name}");
    }
}

#[test]
fn every_policy_is_translated_and_what_it_cannot_say_is_refused() {
    let cases = cases();
    for source in Source::ALL {
        let of_source = || cases.iter().filter(|case| case.from == source.name);
        let is_level = source.name.starts_with("psa-");
        assert!(
            is_level || of_source().any(|case| case.becomes.is_some()),
            "{}",
            source.name
        );
    }
    for case in &cases {
        let (translated, refused) = (case.becomes.is_some(), case.refused.is_some());
        assert!(translated != refused, "{}: {}", case.from, case.case);
        let judged = case.accepts.len() + case.rejects.len();
        assert!(refused || judged > 0, "{}: {}", case.from, case.case);
    }
}

#[test]
fn the_levels_of_pod_security_are_the_settings_of_the_examples() {
    for level in ["baseline", "restricted"] {
        let source = Source::named(&format!("psa-{level}")).unwrap();
        let migrated = source.migrate(None).unwrap();
        assert!(!migrated.judges_nothing, "{level}");
        let migrated: Value = yaml_serde::from_str(&migrated.settings).unwrap();
        let example = format!("examples/settings/pod-security-{level}.yaml");
        let example = fs::read_to_string(root().join(example)).unwrap();
        let example: Value = yaml_serde::from_str(&example).unwrap();
        assert_eq!(migrated, example, "{level}");
    }
}

/// Finds every signature, and the reports of a case; keeps what it is asked to verify.
struct Cluster {
    reports: Value,
    asked: Mutex<Vec<Value>>,
}

impl Cluster {
    fn of(case: &Migration) -> Self {
        let report = |Report { tag, findings }: &Report| {
            json!({
                "metadata": {"name": tag},
                "imageMetadata": {"registryURI": "a.example", "repository": "a", "tag": tag},
                "report": {"results": [{"vulnerabilities": findings}]},
            })
        };
        Self {
            reports: case.reports.iter().map(report).collect(),
            asked: Mutex::new(Vec::new()),
        }
    }
}

impl Host for Cluster {
    fn call(&self, space: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let answer = match (space, operation) {
            ("oci", "v2/verify") => {
                let request = serde_json::from_slice(payload).unwrap();
                self.asked.lock().unwrap().push(request);
                json!({"is_trusted": true, "digest": format!("sha256:{}", "a".repeat(64))})
            }
            ("kubernetes", "get_resource") => return Err("Cannot find it".to_owned()),
            ("kubernetes", "list_resources_by_namespace") => json!({
                "apiVersion": "storage.sbomscanner.kubewarden.io/v1alpha1",
                "kind": "VulnerabilityReportList",
                "metadata": {},
                "items": self.reports,
            }),
            _ => return Err(format!("{space}/{operation} is not expected")),
        };
        Ok(answer.to_string().into_bytes())
    }

    fn now(&self) -> i64 {
        1_800_000_000
    }
}

/// The creation of a Pod that asks for nothing, but for what is merged into it.
fn creation(changes: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "a.example/a"}]},
    });
    json_patch::merge(&mut pod, changes);
    json!({
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "name": "p",
        "namespace": "shop",
        "userInfo": {},
        "object": pod,
    })
}

fn cases() -> Vec<Migration> {
    let cases: Vec<Migration> = yaml_serde::from_str(include_str!("migrations.yaml")).unwrap();
    let names: BTreeSet<_> = cases.iter().map(|case| (&case.from, &case.case)).collect();
    assert_eq!(names.len(), cases.len());
    cases
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
