//! Valid workloads, requests about them, and what an answer says to people.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a request that is written wrongly must fail, and say where"
)]

use serde::Deserialize;
use serde_json::{Value, json};

/// The part of an answer that people read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Expected {
    /// The verdict.
    pub accepted: bool,
    /// What whoever is rejected reads.
    pub message: Option<String>,
    /// As HTTP has it.
    pub code: Option<u16>,
    /// Admission warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A pod that every control accepts with its default settings, with one container of each kind.
pub fn valid_pod() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "containers": [valid_container("app")],
            "ephemeralContainers": [valid_container("debug")],
            "initContainers": [valid_container("setup")],
            "securityContext": {
                "appArmorProfile": {"type": "RuntimeDefault"},
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    })
}

/// A container that every control accepts with its default settings.
pub fn valid_container(name: &str) -> Value {
    json!({
        "name": name,
        "image": format!("myacr.azurecr.io/shop/{name}:1.4.2"),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
    })
}

/// The valid workload of a kind: the valid pod where the kind keeps its template.
pub fn workload(kind: &str, pod: Value) -> Value {
    let (group, version, path) = shape(kind);
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let mut object = if path.is_empty() {
        pod
    } else {
        let mut template = pod;
        template["spec"]
            .as_object_mut()
            .unwrap()
            .remove("ephemeralContainers");
        template["metadata"]
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key == "annotations");
        let mut object = json!({"metadata": {"name": "web", "namespace": "shop"}});
        set(&mut object, path, template);
        object
    };
    object["apiVersion"] = api_version.into();
    object["kind"] = kind_name(kind).into();
    object
}

/// The kind without the group that tells it from another one here.
pub(crate) fn kind_name(kind: &str) -> &str {
    kind.rsplit('/').next().unwrap_or(kind)
}

/// An AdmissionRequest that creates this object.
pub fn create_request(kind: &str, object: Value) -> Value {
    let (group, version, _) = shape(kind);
    let mut request = json!({
        "uid": "0b4c6f1e-0000-4000-8000-000000000001",
        "kind": {"group": group, "version": version, "kind": kind_name(kind)},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice"},
    });
    request["object"] = object;
    request
}

/// The payload of `validate`, keys sorted, as the host sends it.
pub fn payload(request: &Value, settings: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"request": request, "settings": settings})).unwrap()
}

/// Sets the value at a JSON pointer; parents that are missing are made, and `-` is the place
/// behind the last element of a list.
pub fn set(target: &mut Value, pointer: &str, value: Value) {
    let mut place = target;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let is_index = token == "-" || token.parse::<usize>().is_ok();
        if place.is_null() {
            *place = if is_index { json!([]) } else { json!({}) };
        }
        place = match place {
            Value::Array(list) => {
                let index = token.parse().unwrap_or(list.len());
                while list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            Value::Object(map) => map.entry(token).or_insert(Value::Null),
            other => panic!("{pointer}: {other} has no {token}"),
        };
    }
    *place = value;
}

/// Group, version and the pointer of the pod template.
pub(crate) fn shape(kind: &str) -> (&'static str, &'static str, &'static str) {
    match kind {
        "Pod" => ("", "v1", ""),
        "PodTemplate" => ("", "v1", "/template"),
        "ReplicationController" => ("", "v1", "/spec/template"),
        "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" => {
            ("apps", "v1", "/spec/template")
        }
        "Job" => ("batch", "v1", "/spec/template"),
        "CronJob" => ("batch", "v1", "/spec/jobTemplate/spec/template"),
        // Not of Kubernetes.
        "Rollout" => ("argoproj.io", "v1alpha1", "/spec/template"),
        "JobSet" => (
            "jobset.x-k8s.io",
            "v1alpha2",
            "/spec/replicatedJobs/0/template/spec/template",
        ),
        "RayCluster" => ("ray.io", "v1", "/spec/headGroupSpec/template"),
        "batch.volcano.sh/Job" => ("batch.volcano.sh", "v1alpha1", "/spec/tasks/0/template"),
        "ScaledJob" => ("keda.sh", "v1alpha1", "/spec/jobTargetRef/template"),
        "DeploymentConfig" => ("apps.openshift.io", "v1", "/spec/template"),
        "serving.knative.dev/Service" => ("serving.knative.dev", "v1", "/spec/template"),
        other => panic!("no workload kind: {other}"),
    }
}
