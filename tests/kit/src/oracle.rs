//! What Pod Security Admission says of pods, and where the policy knowingly says something else.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a record that is wrong must fail, and say where"
)]

use std::collections::{BTreeMap, BTreeSet};

use container_security::{NoHost, validate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is forbidden at each level: the reasons, from each version on at which they change.
pub type Answer = BTreeMap<String, Vec<(String, Vec<String>)>>;

/// The levels and versions, as settings have them.
pub fn standards() -> impl Iterator<Item = (&'static str, String)> {
    ["restricted", "baseline", "privileged"]
        .into_iter()
        .flat_map(|level| {
            let versions = (OLDEST..=NEWEST).map(|minor| format!("v1.{minor}"));
            versions
                .chain(["latest".to_owned()])
                .map(move |version| (level, version))
        })
}

/// A pod with what is made of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// What Pod Security Admission says of it.
    pub answer: Answer,
    /// The object.
    pub pod: Value,
}

/// The names of the controls that the answer is about at a level and a version.
pub fn expected(answer: &Answer, level: &str, version: &str) -> BTreeSet<&'static str> {
    let minor = |version: &str| -> u8 {
        let minor = version.strip_prefix("v1.");
        minor.map_or(NEWEST, |minor| minor.parse().unwrap())
    };
    let reasons = answer[level]
        .iter()
        .rev()
        .find(|(first, _)| minor(first) <= minor(version))
        .map(|(_, reasons)| reasons);
    reasons
        .into_iter()
        .flatten()
        .map(|reason| control(reason))
        .collect()
}

/// The control that stands for a check, by the reason that the check gives.
fn control(reason: &str) -> &'static str {
    match reason {
        "allowPrivilegeEscalation != false" => "privilegeEscalation",
        "forbidden AppArmor profile" | "forbidden AppArmor profiles" => "appArmor",
        "forbidden sysctls" => "sysctls",
        "host namespaces" => "hostNamespaces",
        "hostPath volumes" | "restricted volume types" => "volumes",
        "hostPort" => "hostPorts",
        "hostProcess" | "privileged" => "privileged",
        "non-default capabilities" | "unrestricted capabilities" => "capabilities",
        "probe or lifecycle host" => "hostProbes",
        "procMount" => "procMount",
        "runAsNonRoot != true" | "runAsUser=0" => "rootUser",
        "seLinuxOptions" => "seLinux",
        "seccompProfile" => "seccomp",
        other => panic!("a check that nobody has heard of: {other}"),
    }
}

/// The names of the controls that the policy rejects a pod for.
pub fn found(pod: &str, level: &str, version: &str) -> BTreeSet<String> {
    let answer = validate(payload(pod, level, version).as_bytes(), &NoHost);
    rejected_by(&answer)
}

/// A request that creates the pod, with settings that are a level and a version.
pub fn payload(pod: &str, level: &str, version: &str) -> String {
    format!(
        r#"{{"request":{{"kind":{{"group":"","kind":"Pod","version":"v1"}},"object":{pod},"operation":"CREATE","uid":"0b4c6f1e-0000-4000-8000-000000000001"}},"settings":{{"level":"{level}","version":"{version}"}}}}"#
    )
}

/// The names of the controls that an answer of the policy rejects for.
pub fn rejected_by(answer: &[u8]) -> BTreeSet<String> {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let controls = answer.pointer("/audit_annotations/rejected-by");
    let controls = controls.and_then(Value::as_str).into_iter();
    let found: BTreeSet<String> = controls
        .flat_map(|controls| controls.split(", "))
        .map(ToOwned::to_owned)
        .collect();
    // A rejection that names no control is a pod that the policy could not read.
    assert_eq!(answer["accepted"], found.is_empty(), "{answer:#}");
    found
}

/// Where the policy rejects what Pod Security Admission accepts, and why it does.
pub struct Exception {
    /// What such a pod has.
    pub name: &'static str,
    /// Why it is rejected.
    pub reason: &'static str,
    controls: &'static [&'static str],
    is_about: fn(&Value) -> bool,
}

/// All that there are. Nothing that Pod Security Admission rejects is accepted.
pub const EXCEPTIONS: [Exception; 3] = [
    Exception {
        name: "a volume of several types, of which one may be unknown",
        reason: "the API server refuses two types and drops what it does not know; until it does, each \
                 must be allowed",
        controls: &["volumes"],
        is_about: |pod| {
            let volumes = pod["spec"]["volumes"].as_array();
            volumes.into_iter().flatten().any(|volume| {
                let keys = volume.as_object().into_iter().flatten();
                let types = keys.filter(|(key, value)| *key != "name" && !value.is_null());
                types.count() > 1
            })
        },
    },
    Exception {
        name: "a Localhost profile without a name, and a name without Localhost",
        reason: "the API server refuses both, and no container would run",
        controls: &["appArmor", "seccomp"],
        is_about: |pod| {
            fn is_in(node: &Value) -> bool {
                let is_malformed = |profile: &Value| {
                    let is_localhost = profile["type"] == "Localhost";
                    is_localhost == profile["localhostProfile"].is_null()
                };
                match node {
                    Value::Object(map) => map.iter().any(|(key, child)| {
                        (key.ends_with("Profile") && child.is_object() && is_malformed(child))
                            || is_in(child)
                    }),
                    Value::Array(list) => list.iter().any(is_in),
                    _ => false,
                }
            }
            is_in(&pod["spec"])
        },
    },
    Exception {
        name: "a port of a pod on its node's network",
        reason: "the API server makes a host port of it before Pod Security Admission is asked, and so \
                 does whoever asks the policy without an API server",
        controls: &["hostPorts"],
        is_about: |pod| pod["spec"]["hostNetwork"] == true,
    },
];

/// The exceptions that explain what the policy and Pod Security Admission say differently of a pod.
///
/// # Errors
///
/// What no exception explains.
pub fn compare(pod: &Value, answer: &Answer) -> Result<BTreeSet<usize>, String> {
    let text = pod.to_string();
    let mut explained = BTreeSet::new();
    for (level, version) in standards() {
        let found = found(&text, level, &version);
        explained.extend(explain(pod, answer, level, &version, &found)?);
    }
    Ok(explained)
}

/// The same of one level and version.
///
/// # Errors
///
/// What no exception explains.
pub fn explain(
    pod: &Value,
    answer: &Answer,
    level: &str,
    version: &str,
    found: &BTreeSet<String>,
) -> Result<BTreeSet<usize>, String> {
    let expected = expected(answer, level, version);
    let mut explained = BTreeSet::new();
    let problem = || format!("{level} of {version}: policy {found:?}, oracle {expected:?}");
    if expected.iter().any(|control| !found.contains(*control)) {
        return Err(problem());
    }
    for more in found
        .iter()
        .filter(|control| !expected.contains(control.as_str()))
    {
        let exception = EXCEPTIONS.iter().position(|exception| {
            exception.controls.contains(&more.as_str()) && (exception.is_about)(pod)
        });
        explained.insert(exception.ok_or_else(problem)?);
    }
    Ok(explained)
}

const OLDEST: u8 = 25;
const NEWEST: u8 = 37;
