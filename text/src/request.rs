//! Documents to `AdmissionRequest`s, and a request to what the guest receives.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::defaults;
use crate::document::{Document, DocumentError, Place, Places, Position};
use crate::error::Error;
use crate::kinds;

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
    /// The request as JSON, as a policy is asked with.
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

impl GroupVersionKind {
    /// Group and version, as an object writes them.
    fn api_version(&self) -> String {
        let Self { group, version, .. } = self;
        if group.is_empty() {
            version.clone()
        } else {
            format!("{group}/{version}")
        }
    }
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
    /// The stored objects of an update; an object that is not among them is
    /// created. `None` leaves `oldObject` out, and a policy then takes
    /// everything for new.
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
    /// Where the values of the object stand, or of the review that holds the request.
    pub places: Places,
    /// What the policy is asked.
    pub request: AdmissionRequest,
    /// Whether the object, which is not inside of a request, is of a kind of Kubernetes that has
    /// no Pods.
    pub has_no_pods: bool,
    /// What is special about how the object became a request.
    pub note: Option<String>,
}

impl Input {
    /// Where a field of the object stands, by its JSON pointer.
    #[must_use]
    pub fn place_in_object(&self, pointer: &str) -> Option<Place> {
        let request = self.places.entry("request").unwrap_or(&self.places);
        let object = request.entry("object").unwrap_or(&self.places);
        object.at(pointer)
    }
}

/// Turns a document into requests: an `AdmissionReview` or a bare
/// `AdmissionRequest` into the one it holds, a Kubernetes object, with the
/// defaults that a policy would miss, into one made after `wrapping`, a `List`
/// (or `PodList`, ...) into one for each item.
#[must_use]
pub fn requests(document: Document, wrapping: &Wrapping) -> Vec<Result<Input, DocumentError>> {
    unroll(document)
        .into_iter()
        .map(|document| request(document?, wrapping))
        .collect()
}

/// The objects of a document: itself, or the items of a list, of lists in
/// that list, and so on.
///
/// As to kubectl, every object with `items` is a list when there are objects
/// in it that name their kind. Of the kinds of others, nothing else is.
#[must_use]
pub fn unroll(document: Document) -> Vec<Result<Document, DocumentError>> {
    let Document {
        position,
        value,
        places,
    } = document;
    let mut objects = Vec::new();
    let is_list = flatten(value, &places, &mut objects);
    let positioned = |((result, places), index): ((Result<Value, String>, Places), usize)| {
        let position = if is_list {
            position.of_item(index)
        } else {
            position.clone()
        };
        match result {
            Ok(value) => Ok(Document {
                position,
                value,
                places,
            }),
            Err(message) => Err(error(position, &places, &message)),
        }
    };
    objects.into_iter().zip(1..).map(positioned).collect()
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

/// Appends an object, or those of a list, of which `true` is the answer.
fn flatten(
    value: Value,
    places: &Places,
    objects: &mut Vec<(Result<Value, String>, Places)>,
) -> bool {
    match items(value) {
        Items::Of(items) => {
            let places = places.entry("items");
            for (index, item) in items.into_iter().enumerate() {
                let place = places.and_then(|places| places.item(index));
                flatten(item, place.unwrap_or(&Places::default()), objects);
            }
            true
        }
        Items::NoList(object) => {
            objects.push((Ok(object), places.clone()));
            false
        }
        Items::Wrong(message) => {
            let places = places.entry("items").unwrap_or(places);
            objects.push((Err(message), places.clone()));
            false
        }
    }
}

/// What an object has to do with lists.
enum Items {
    Of(Vec<Value>),
    NoList(Value),
    Wrong(String),
}

fn items(mut value: Value) -> Items {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
    let (group, _) = api_version.split_once('/').unwrap_or_default();
    let is_list = kinds::is_list(group, &kind);
    let names_its_kind = |item: &Value| item.get("kind").is_some_and(Value::is_string);
    match value.get_mut("items") {
        Some(Value::Array(items)) if is_list || items.iter().any(names_its_kind) => {
            // The API server leaves apiVersion and kind out of the items of a PodList.
            let of_kind = kind.strip_suffix("List").unwrap_or(&kind);
            if !of_kind.is_empty() {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    if !item.contains_key("apiVersion") && !item.contains_key("kind") {
                        item.insert("apiVersion".to_owned(), api_version.as_str().into());
                        item.insert("kind".to_owned(), of_kind.into());
                    }
                }
            }
            Items::Of(std::mem::take(items))
        }
        // A template whose loop has no rounds leaves `items:` empty, which kubectl reads as an empty list.
        Some(Value::Null) if is_list => Items::Of(Vec::new()),
        Some(_) if is_list => Items::Wrong(format!("`items` of a {kind} must be a list")),
        None if is_list => Items::Wrong(format!("a {kind} must have `items`")),
        _ => Items::NoList(value),
    }
}

fn request(document: Document, wrapping: &Wrapping) -> Result<Input, DocumentError> {
    let Document {
        position,
        value,
        places,
    } = document;
    let wrapped = match value {
        Value::Object(mut object) => match (object.get("kind"), object.get("request")) {
            (Some(Value::String(kind)), None) if kind == "AdmissionReview" => {
                Err(Wrong::of("kind", "AdmissionReview without `request`"))
            }
            (Some(Value::String(kind)), Some(_)) if kind == "AdmissionReview" => {
                existing(object.remove("request").unwrap_or_default())
            }
            (None, Some(_)) => existing(object.remove("request").unwrap_or_default()),
            (Some(Value::Object(_)), _) => existing(Value::Object(object)),
            _ => wrap(&position, object, wrapping),
        },
        _ => Err(Wrong::of(
            "",
            "neither an AdmissionReview nor a Kubernetes object: not a mapping",
        )),
    };
    match wrapped {
        Ok(Wrapped {
            request,
            has_no_pods,
            note,
        }) => Ok(Input {
            position,
            places,
            request,
            has_no_pods,
            note,
        }),
        Err(Wrong { key, message }) => {
            let places = places.entry(key).unwrap_or(&places);
            Err(error(position, places, &message))
        }
    }
}

fn error(position: Position, places: &Places, message: &str) -> DocumentError {
    let place = places.place().map(|place| format!("{place}: "));
    DocumentError {
        position,
        message: format!("{}{message}", place.unwrap_or_default()),
    }
}

/// What is wrong with an object, and by which of its entries.
struct Wrong {
    key: &'static str,
    message: String,
}

impl Wrong {
    fn of(key: &'static str, message: impl Into<String>) -> Self {
        Self {
            key,
            message: message.into(),
        }
    }
}

/// A request, and what [`Input`] says of it.
struct Wrapped {
    request: AdmissionRequest,
    has_no_pods: bool,
    note: Option<String>,
}

fn existing(request: Value) -> Result<Wrapped, Wrong> {
    serde_json::from_value(request)
        .map(|request| Wrapped {
            request,
            has_no_pods: false,
            note: None,
        })
        .map_err(|error| Wrong::of("request", format!("not an AdmissionRequest: {error}")))
}

fn wrap(
    position: &Position,
    mut object: Map<String, Value>,
    wrapping: &Wrapping,
) -> Result<Wrapped, Wrong> {
    let identity = Identity::of(&object, &wrapping.namespace)?;
    let GroupVersionKind { group, kind, .. } = &identity.kind;
    if let Some(correction) = kinds::correction(group, kind) {
        let api_version = identity.kind.api_version();
        return Err(Wrong::of(
            "kind",
            format!("Kubernetes has no kind {kind:?} in apiVersion {api_version:?}; {correction}"),
        ));
    }
    let has_no_pods = kinds::has_no_pods(group, kind);
    defaults::set(group, kind, &mut object);
    let resource = GroupVersionResource {
        group: group.clone(),
        version: identity.kind.version.clone(),
        resource: plural(kind),
    };
    let (operation, old_object, note) = match (wrapping.operation, &wrapping.old_objects) {
        (Operation::Update, Some(old_objects)) => {
            match identity.find(old_objects, &wrapping.namespace) {
                Some(old_object) => (Operation::Update, Some(old_object), None),
                None => (Operation::Create, None, Some(NEW.to_owned())),
            }
        }
        (operation, _) => (operation, None, None),
    };
    let object = Some(Value::Object(object));
    let (object, old_object) = match operation {
        Operation::Delete => (None, object),
        _ => (object, old_object),
    };
    let Identity {
        kind,
        namespace,
        name,
    } = identity;
    let request = AdmissionRequest {
        uid: uid(position),
        request_kind: Some(kind.clone()),
        kind,
        request_resource: Some(resource.clone()),
        resource,
        sub_resource: None,
        request_sub_resource: None,
        name,
        namespace,
        operation: operation.to_string(),
        user_info: UserInfo {
            username: Some("container-security".to_owned()),
            groups: Some(vec!["system:authenticated".to_owned()]),
            ..UserInfo::default()
        },
        object,
        old_object,
        dry_run: Some(false),
        options: None,
    };
    Ok(Wrapped {
        request,
        has_no_pods,
        note,
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
    fn of(object: &Map<String, Value>, default_namespace: &str) -> Result<Self, Wrong> {
        let text = |key: &'static str| {
            let problem = match object.get(key) {
                Some(Value::String(text)) if !text.is_empty() => return Ok(text.as_str()),
                Some(Value::String(_)) => "is empty",
                Some(_) => "is not a string",
                None => {
                    return Err(Wrong::of(
                        key,
                        format!("not a Kubernetes object: no `{key}`"),
                    ));
                }
            };
            let message = format!("not a Kubernetes object: `{key}` {problem}");
            Err(Wrong::of(key, message))
        };
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let metadata = |key| {
            let text = object.get("metadata")?.get(key)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let namespace = if kinds::is_cluster_scoped(group, kind) {
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

    /// The object among others; a name that is yet to be made is nobody's.
    ///
    /// It gets the defaults that it has where it is stored.
    fn find(&self, objects: &[Value], default_namespace: &str) -> Option<Value> {
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
        self.name.as_ref()?;
        let mut found = objects.iter().find(is_same)?.clone();
        if let Some(object) = found.as_object_mut() {
            defaults::set(&self.kind.group, &self.kind.kind, object);
        }
        Some(found)
    }
}

/// The resource of a kind, by the rule of apimachinery's `UnsafeGuessKindToResource`,
/// which is right for every kind that Kubernetes itself has.
#[must_use]
pub fn plural(kind: &str) -> String {
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

const NEW: &str = "judged as a CREATE, because no old object has its kind, namespace and name";

#[cfg(test)]
mod tests {
    use super::*;
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

    fn error_of_yaml(text: &str) -> String {
        let document = crate::document::parse("f", text.as_bytes()).remove(0);
        requests(document.unwrap(), &Wrapping::default())
            .remove(0)
            .unwrap_err()
            .to_string()
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

    fn deployment_in(namespace: &str) -> Value {
        let mut deployment = deployment("a");
        deployment["metadata"]["namespace"] = namespace.into();
        deployment
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

        assert_eq!(inputs[0].as_ref().unwrap().note, None);
    }

    #[test]
    fn an_object_and_the_stored_one_get_defaults_and_those_of_a_request_do_not() {
        let pod = |volume: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"volumes": [volume]}});
        let written = pod(json!({"name": "a", "emptyDir": null}));
        let stored = pod(json!({"name": "a", "emptyDir": {}}));
        let update = wrapping(Operation::Update, Some(vec![written.clone()]));
        let inputs = results(written.clone(), &update);
        let request = &inputs[0].as_ref().unwrap().request;
        assert_eq!(request.object.as_ref(), Some(&stored));
        assert_eq!(request.old_object.as_ref(), Some(&stored));

        let mut request = request.to_value().unwrap();
        request["object"] = written.clone();
        request["oldObject"] = written;
        assert_eq!(request_of(json!({"request": request})), request);
    }

    #[test]
    fn an_object_that_is_new_is_created() {
        let unnamed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a"}});
        for (object, old_object) in [
            (deployment("new"), deployment_in("another-shop")),
            (deployment("new"), json!({"kind": 7})),
            (unnamed.clone(), unnamed),
        ] {
            let update = wrapping(Operation::Update, Some(vec![old_object]));
            let inputs = results(object.clone(), &update);
            let input = inputs[0].as_ref().unwrap();
            assert_eq!(input.request.operation, "CREATE");
            assert_eq!(input.request.object, Some(object));
            assert_eq!(input.request.old_object, None);
            assert_eq!(
                input.note.as_deref(),
                Some("judged as a CREATE, because no old object has its kind, namespace and name")
            );
        }
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
    fn a_list_of_nothing_has_no_requests() {
        for items in [json!([]), Value::Null] {
            for kind in ["List", "PodList"] {
                let list = json!({"apiVersion": "v1", "kind": kind, "items": items});
                assert_eq!(results(list, &Wrapping::default()), []);
            }
        }
    }

    #[test]
    fn items_that_are_no_list_are_an_error() {
        assert_eq!(
            error_of_yaml("apiVersion: v1\nkind: PodList\nitems: {a: {kind: Pod}}\n"),
            "f, document 1: line 3, column 1: `items` of a PodList must be a list"
        );
        assert_eq!(
            error_of_yaml("apiVersion: v1\nkind: List\n"),
            "f, document 1: line 1, column 1: a List must have `items`"
        );
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Pod"},
            {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": "a"},
        ]});
        assert_eq!(
            results(list, &Wrapping::default())[1]
                .as_ref()
                .unwrap_err()
                .to_string(),
            "f, document 1, item 2: `items` of a DeploymentList must be a list"
        );
    }

    #[test]
    fn a_custom_kind_whose_name_ends_in_list_is_no_list() {
        for items in [
            json!(["10.0.0.0/8"]),
            json!({"a": 1}),
            Value::Null,
            json!([{"cidr": "a"}]),
        ] {
            let object =
                json!({"apiVersion": "example.com/v1", "kind": "AllowList", "items": items});
            assert_eq!(request_of(object.clone())["object"], object);
        }
        let object = json!({"apiVersion": "example.com/v1", "kind": "AllowList", "spec": {}});
        assert_eq!(request_of(object.clone())["object"], object);
    }

    #[test]
    fn what_kubectl_sends_of_any_object_with_items_is_judged() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostPID": true}});
        for kind in ["AllowList", "ConfigMap", "Deployment"] {
            let object = json!({"apiVersion": "v1", "kind": kind, "items": [{"a": 1}, pod]});
            let inputs = results(object, &Wrapping::default());
            assert_eq!(
                inputs[1].as_ref().unwrap().request.object,
                Some(pod.clone())
            );
        }
    }

    #[test]
    fn a_kind_that_kubernetes_does_not_have_is_an_error() {
        assert_eq!(
            error_of_yaml("apiVersion: apps/v1\nkind: Daemonset\nspec: {}\n"),
            "f, document 1: line 2, column 1: Kubernetes has no kind \"Daemonset\" in apiVersion \"apps/v1\"; write kind DaemonSet"
        );
        assert_eq!(
            error_of(json!({"apiVersion": "v1", "kind": "Deployment"})),
            "f, document 1: Kubernetes has no kind \"Deployment\" in apiVersion \"v1\"; write apiVersion apps/v1 and kind Deployment"
        );
        assert_eq!(
            error_of(json!({"apiVersion": "v1", "kind": "podlist", "items": [{"spec": {}}]})),
            "f, document 1: Kubernetes has no kind \"podlist\" in apiVersion \"v1\"; write kind PodList"
        );
    }

    #[test]
    fn what_has_no_pods_is_known_of_objects_and_not_of_requests() {
        let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap"});
        let inputs = results(config_map.clone(), &Wrapping::default());
        assert!(inputs[0].as_ref().unwrap().has_no_pods);
        let request = request_of(config_map);
        let inputs = results(json!({"request": request}), &Wrapping::default());
        assert!(!inputs[0].as_ref().unwrap().has_no_pods);
        let inputs = results(deployment("a"), &Wrapping::default());
        assert!(!inputs[0].as_ref().unwrap().has_no_pods);
    }

    #[test]
    fn an_object_has_the_places_of_its_values() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  apiVersion: v1\n";
        let document = crate::document::parse("f", text.as_bytes()).remove(0);
        let inputs = requests(document.unwrap(), &Wrapping::default());
        let places = &inputs[0].as_ref().unwrap().places;
        let line = |places: &Places| places.place().unwrap().line;
        assert_eq!(line(places), 4);
        assert_eq!(line(places.entry("apiVersion").unwrap()), 5);
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
                json!({"apiVersion": "v1", "kind": ""}),
                "not a Kubernetes object: `kind` is empty",
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
