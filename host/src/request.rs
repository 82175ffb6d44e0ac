//! Documents to `AdmissionRequest`s, and a request to what the guest receives.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{Document, DocumentError, Position};
use crate::error::Error;

/// What the API server asks about one operation on one object: the fields of
/// `admission.k8s.io/v1` `AdmissionRequest` that policy-server passes on.
///
/// Reading drops all other fields; fields that are absent or `null` are not
/// written. `object`, `oldObject` and `options` are kept as they are.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "documented by Kubernetes, under the same names"
)]
pub struct AdmissionRequest {
    pub uid: String,
    pub kind: GroupVersionKind,
    pub resource: GroupVersionResource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_kind: Option<GroupVersionKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_resource: Option<GroupVersionResource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_sub_resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`; policy-server checks it no more than this.
    pub operation: String,
    pub user_info: UserInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
}

impl AdmissionRequest {
    /// The request as JSON, as [`Policy::validate`](crate::Policy::validate) takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`] when the request cannot be written as JSON.
    pub fn to_value(&self) -> Result<Value, Error> {
        serde_json::to_value(self).map_err(Error::Payload)
    }
}

/// The kind of an object: `apps/v1` `Deployment`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[expect(
    missing_docs,
    reason = "documented by Kubernetes, under the same names"
)]
pub struct GroupVersionKind {
    pub group: String,
    pub version: String,
    pub kind: String,
}

/// The resource of an object, as in the API server's URLs: `apps/v1` `deployments`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[expect(
    missing_docs,
    reason = "documented by Kubernetes, under the same names"
)]
pub struct GroupVersionResource {
    pub group: String,
    pub version: String,
    pub resource: String,
}

/// Who makes the request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[expect(
    missing_docs,
    reason = "documented by Kubernetes, under the same names"
)]
pub struct UserInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the four verbs of Kubernetes admission")]
pub enum Operation {
    #[default]
    Create,
    Update,
    Delete,
    Connect,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        })
    }
}

/// How an object that is not inside of a request becomes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrapping {
    /// What is done to the object. With [`Operation::Delete`] the object
    /// becomes the request's `oldObject`, as in the API server.
    pub operation: Operation,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// The stored objects of an update. `None` leaves `oldObject` out, and a
    /// policy then takes everything for new.
    pub old_objects: Option<Vec<Value>>,
}

impl Default for Wrapping {
    fn default() -> Self {
        Self {
            operation: Operation::default(),
            namespace: "default".to_owned(),
            old_objects: None,
        }
    }
}

/// A request, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Where it comes from.
    pub position: Position,
    /// What the policy is asked.
    pub request: AdmissionRequest,
}

/// Turns a document into requests: an `AdmissionReview` or a bare
/// `AdmissionRequest` into the one it holds, a Kubernetes object into one made
/// after `wrapping`, a `List` (or `PodList`, ...) into one for each item.
#[must_use]
pub fn requests(document: Document, wrapping: &Wrapping) -> Vec<Result<Input, DocumentError>> {
    let Document {
        position, value, ..
    } = document;
    unroll(position, value)
        .into_iter()
        .map(
            |(position, value)| match request(&position, value, wrapping) {
                Ok(request) => Ok(Input { position, request }),
                Err(message) => Err(DocumentError { position, message }),
            },
        )
        .collect()
}

/// The objects of a document: itself, or the items of a list, of lists in
/// that list, and so on.
#[must_use]
pub fn unroll(position: Position, value: Value) -> Vec<(Position, Value)> {
    let mut objects = Vec::new();
    match items(value) {
        Ok(items) => {
            for item in items {
                flatten(item, &mut objects);
            }
            let of_item = |(index, object): (usize, Value)| {
                (position.of_item(index.saturating_add(1)), object)
            };
            objects.into_iter().enumerate().map(of_item).collect()
        }
        Err(object) => vec![(position, object)],
    }
}

/// The payload of `validate`: compact JSON with all keys sorted, `request`
/// before `settings`; settings that are `null` become `{}`.
///
/// # Errors
///
/// [`Error::Payload`] when the values cannot be written as JSON.
pub fn payload(request: &Value, settings: &Value) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    struct Payload<'a> {
        request: &'a Value,
        settings: &'a Value,
    }

    let no_settings = Value::Object(Map::new());
    let settings = if settings.is_null() {
        &no_settings
    } else {
        settings
    };
    serde_json::to_vec(&Payload { request, settings }).map_err(Error::Payload)
}

fn flatten(value: Value, objects: &mut Vec<Value>) {
    match items(value) {
        Ok(items) => items.into_iter().for_each(|item| flatten(item, objects)),
        Err(object) => objects.push(object),
    }
}

/// The items of a list, or what is no list.
fn items(mut value: Value) -> Result<Vec<Value>, Value> {
    let of_kind = value
        .get("kind")
        .and_then(Value::as_str)
        .and_then(|kind| kind.strip_suffix("List"));
    let Some(of_kind) = of_kind.map(str::to_owned) else {
        return Err(value);
    };
    let Some(Value::Array(mut items)) = value.get_mut("items").map(Value::take) else {
        return Err(value);
    };
    // The API server leaves apiVersion and kind out of the items of a PodList.
    if !of_kind.is_empty() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            let api_version = value.get("apiVersion").cloned().unwrap_or_default();
            item.entry("apiVersion").or_insert(api_version);
            item.entry("kind")
                .or_insert_with(|| of_kind.as_str().into());
        }
    }
    Ok(items)
}

fn request(
    position: &Position,
    value: Value,
    wrapping: &Wrapping,
) -> Result<AdmissionRequest, String> {
    let Value::Object(mut document) = value else {
        return Err("neither an AdmissionReview nor a Kubernetes object: not a mapping".to_owned());
    };
    match (document.get("kind"), document.get("request")) {
        (Some(Value::String(kind)), None) if kind == "AdmissionReview" => {
            Err("AdmissionReview without `request`".to_owned())
        }
        (Some(Value::String(kind)), Some(_)) if kind == "AdmissionReview" => {
            existing(document.remove("request").unwrap_or_default())
        }
        (None, Some(_)) => existing(document.remove("request").unwrap_or_default()),
        (Some(Value::Object(_)), _) => existing(Value::Object(document)),
        _ => wrap(position, document, wrapping),
    }
}

fn existing(request: Value) -> Result<AdmissionRequest, String> {
    serde_json::from_value(request).map_err(|error| format!("not an AdmissionRequest: {error}"))
}

fn wrap(
    position: &Position,
    object: Map<String, Value>,
    wrapping: &Wrapping,
) -> Result<AdmissionRequest, String> {
    let identity = Identity::of(&object, &wrapping.namespace)?;
    let Identity {
        kind,
        namespace,
        name,
    } = identity.clone();
    let resource = GroupVersionResource {
        group: kind.group.clone(),
        version: kind.version.clone(),
        resource: plural(&kind.kind),
    };
    let (object, old_object) = match (wrapping.operation, &wrapping.old_objects) {
        (Operation::Delete, _) => (None, Some(Value::Object(object))),
        (Operation::Update, Some(old_objects)) => {
            let old_object = identity.find(old_objects, &wrapping.namespace)?;
            (Some(Value::Object(object)), Some(old_object))
        }
        _ => (Some(Value::Object(object)), None),
    };
    Ok(AdmissionRequest {
        uid: uid(position),
        request_kind: Some(kind.clone()),
        kind,
        request_resource: Some(resource.clone()),
        resource,
        sub_resource: None,
        request_sub_resource: None,
        name,
        namespace,
        operation: wrapping.operation.to_string(),
        user_info: UserInfo {
            username: Some("container-security".to_owned()),
            groups: Some(vec!["system:authenticated".to_owned()]),
            ..UserInfo::default()
        },
        object,
        old_object,
        dry_run: Some(false),
        options: None,
    })
}

/// The same for the same input, so that output can be compared.
fn uid(position: &Position) -> String {
    match position.item {
        None => format!("document-{}", position.document),
        Some(item) => format!("document-{}-item-{item}", position.document),
    }
}

/// Which object of a cluster an object is.
#[derive(Debug, Clone, PartialEq)]
struct Identity {
    kind: GroupVersionKind,
    namespace: Option<String>,
    name: Option<String>,
}

impl Identity {
    fn of(object: &Map<String, Value>, default_namespace: &str) -> Result<Self, String> {
        let text = |key| match object.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            Some(_) => Err(format!("not a Kubernetes object: `{key}` is not a string")),
            None => Err(format!("not a Kubernetes object: no `{key}`")),
        };
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let metadata = |key| {
            let text = object.get("metadata")?.get(key)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let namespace = if CLUSTER_SCOPED.contains(&(group, kind)) {
            None
        } else {
            Some(metadata("namespace").unwrap_or_else(|| default_namespace.to_owned()))
        };
        Ok(Self {
            kind: GroupVersionKind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
            },
            namespace,
            name: metadata("name"),
        })
    }

    fn find(&self, objects: &[Value], default_namespace: &str) -> Result<Value, String> {
        let is_same = |object: &&Value| {
            object
                .as_object()
                .and_then(|object| Self::of(object, default_namespace).ok())
                .is_some_and(|other| {
                    // The version may differ: an update often moves to a newer one.
                    other.kind.group == self.kind.group
                        && other.kind.kind == self.kind.kind
                        && other.namespace == self.namespace
                        && other.name == self.name
                })
        };
        objects.iter().find(is_same).cloned().ok_or_else(|| {
            format!("no old object for {self}: none has its kind, namespace and name")
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(self.name.as_deref().unwrap_or_default())
    }
}

/// The resource of a kind, by the rule of apimachinery's `UnsafeGuessKindToResource`,
/// which is right for every kind that Kubernetes itself has.
fn plural(kind: &str) -> String {
    let singular = kind.to_lowercase();
    if singular.ends_with("endpoints") {
        singular
    } else if singular.ends_with('s') {
        format!("{singular}es")
    } else if let Some(stem) = singular.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        format!("{singular}s")
    }
}

/// The kinds of Kubernetes and Kubewarden that live in no namespace: group, kind.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("policies.kubewarden.io", "ClusterAdmissionPolicy"),
    ("policies.kubewarden.io", "ClusterAdmissionPolicyGroup"),
    ("policies.kubewarden.io", "PolicyServer"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Places;
    use serde_json::json;

    fn results(value: Value, wrapping: &Wrapping) -> Vec<Result<Input, DocumentError>> {
        let position = Position {
            source: "f".to_owned(),
            document: 1,
            item: None,
        };
        let places = Places::default();
        let document = Document {
            position,
            value,
            places,
        };
        requests(document, wrapping)
    }

    fn request_of(value: Value) -> Value {
        let mut inputs = results(value, &Wrapping::default());
        assert_eq!(inputs.len(), 1);
        inputs.remove(0).unwrap().request.to_value().unwrap()
    }

    fn error_of(value: Value) -> String {
        results(value, &Wrapping::default())
            .remove(0)
            .unwrap_err()
            .to_string()
    }

    fn wrapping(operation: Operation, old_objects: Option<Vec<Value>>) -> Wrapping {
        Wrapping {
            operation,
            old_objects,
            ..Wrapping::default()
        }
    }

    fn deployment(image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"image": image},
        })
    }

    #[test]
    fn an_object_is_wrapped() {
        assert_eq!(
            request_of(deployment("a")),
            json!({
                "uid": "document-1",
                "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "requestKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
                "requestResource": {"group": "apps", "version": "v1", "resource": "deployments"},
                "name": "web",
                "namespace": "shop",
                "operation": "CREATE",
                "userInfo": {"username": "container-security", "groups": ["system:authenticated"]},
                "dryRun": false,
                "object": deployment("a"),
            })
        );
    }

    #[test]
    fn an_object_without_namespace_and_name_gets_the_default_and_no_name() {
        let request = request_of(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}
        }));
        assert_eq!(request["namespace"], "default");
        assert_eq!(request.get("name"), None);
        assert_eq!(
            request["kind"],
            json!({"group": "", "version": "v1", "kind": "Pod"})
        );
    }

    #[test]
    fn a_cluster_scoped_object_has_no_namespace() {
        let request =
            request_of(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}));
        assert_eq!(request.get("namespace"), None);
    }

    #[test]
    fn a_deleted_object_is_the_old_object() {
        let inputs = results(deployment("a"), &wrapping(Operation::Delete, None));
        let request = &inputs[0].as_ref().unwrap().request;
        assert_eq!(request.operation, "DELETE");
        assert_eq!(request.object, None);
        assert_eq!(request.old_object, Some(deployment("a")));
    }

    #[test]
    fn an_update_finds_its_old_object_among_others() {
        let other = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}});
        let update = wrapping(
            Operation::Update,
            Some(vec![other.clone(), deployment("old")]),
        );
        let inputs = results(deployment("new"), &update);
        let request = &inputs[0].as_ref().unwrap().request;
        assert_eq!(request.operation, "UPDATE");
        assert_eq!(request.object, Some(deployment("new")));
        assert_eq!(request.old_object, Some(deployment("old")));

        let update = wrapping(Operation::Update, Some(vec![other]));
        assert_eq!(
            results(deployment("new"), &update)[0]
                .as_ref()
                .unwrap_err()
                .to_string(),
            "f, document 1: no old object for Deployment shop/web: none has its kind, namespace and name"
        );
    }

    #[test]
    fn lists_are_unrolled() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [
            pod,
            {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "b"}}]},
            1,
        ]});
        let inputs = results(list, &Wrapping::default());
        assert_eq!(inputs[0].as_ref().unwrap().request.object, Some(pod));
        let second = inputs[1].as_ref().unwrap();
        assert_eq!(second.request.uid, "document-1-item-2");
        assert_eq!(
            second.request.object,
            Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}))
        );
        assert_eq!(
            inputs[2].as_ref().unwrap_err().to_string(),
            "f, document 1, item 3: neither an AdmissionReview nor a Kubernetes object: not a mapping"
        );
    }

    #[test]
    fn a_request_keeps_what_policy_server_passes_on() {
        let request = json!({
            "uid": "u",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers",
            "operation": "UPDATE",
            "userInfo": {"username": "alice", "extra": {"k": ["v"]}},
            "object": {"kept": null},
            "oldObject": {"a": 1},
            "options": {"b": 2},
        });
        let mut sent = request.clone();
        sent["dryRun"] = Value::Null;
        sent["unknown"] = json!(1);
        sent["userInfo"]["unknown"] = json!(1);
        assert_eq!(request_of(sent.clone()), request);
        assert_eq!(request_of(json!({"request": sent})), request);
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": sent
        });
        assert_eq!(request_of(review), request);
    }

    #[test]
    fn what_is_no_request_and_no_object_is_an_error() {
        for (value, message) in [
            (
                json!([]),
                "neither an AdmissionReview nor a Kubernetes object: not a mapping",
            ),
            (json!({}), "not a Kubernetes object: no `apiVersion`"),
            (
                json!({"apiVersion": "v1"}),
                "not a Kubernetes object: no `kind`",
            ),
            (
                json!({"apiVersion": 1}),
                "not a Kubernetes object: `apiVersion` is not a string",
            ),
            (
                json!({"kind": "AdmissionReview"}),
                "AdmissionReview without `request`",
            ),
            (
                json!({"kind": {}}),
                "not an AdmissionRequest: missing field `group`",
            ),
        ] {
            assert_eq!(error_of(value), format!("f, document 1: {message}"));
        }
    }

    #[test]
    fn the_resource_of_each_workload_is_its_plural() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("PodTemplate", "podtemplates"),
            ("ReplicationController", "replicationcontrollers"),
            ("ReplicaSet", "replicasets"),
            ("Deployment", "deployments"),
            ("StatefulSet", "statefulsets"),
            ("DaemonSet", "daemonsets"),
            ("Job", "jobs"),
            ("CronJob", "cronjobs"),
            ("Ingress", "ingresses"),
            ("NetworkPolicy", "networkpolicies"),
            ("Endpoints", "endpoints"),
        ] {
            assert_eq!(plural(kind), resource);
        }
    }

    #[test]
    fn the_keys_of_a_payload_are_sorted_at_every_depth() {
        let request: Value =
            serde_json::from_str(r#"{"uid":"1","object":{"b":[{"d":1,"c":1.0}],"a":null}}"#)
                .unwrap();
        let settings: Value = serde_json::from_str(r#"{"z":1,"a":{"c":1,"b":2}}"#).unwrap();
        assert_eq!(
            String::from_utf8(payload(&request, &settings).unwrap()).unwrap(),
            r#"{"request":{"object":{"a":null,"b":[{"c":1.0,"d":1}]},"uid":"1"},"settings":{"a":{"b":2,"c":1},"z":1}}"#
        );
        assert_eq!(
            payload(&json!({}), &Value::Null).unwrap(),
            br#"{"request":{},"settings":{}}"#
        );
    }
}
