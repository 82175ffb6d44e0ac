//! The payload of `validate`: `{"request": AdmissionRequest, "settings": {...}}`.
//!
//! The request's object is decoded where it stands, in the one pass over the payload, because its
//! kind comes before it (the host sorts all keys). Where it does not, and for `oldObject`, which is
//! seldom needed, the JSON is kept and decoded later.
//!
//! Source: `AdmissionRequest` of `k8s.io/api/admission/v1`.

use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::json::{self, Document, Fault, Node, Text};
use crate::object::object;
use crate::pod::kind::{Kind, Workload};
use crate::pod::spec::Pod;
use crate::review::owner::{Maker, OwnerReference};
use crate::text::Quoted;

/// What the host sends.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) request: Request<'a>,
    /// What is wrong with settings that are no JSON, where they are.
    pub(super) settings: Option<Result<Document<'a>, String>>,
}

/// The fields of an AdmissionRequest that decide something.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) kind: GroupKind<'a>,
    pub(super) name: Option<Text<'a>>,
    pub(super) namespace: Option<Text<'a>>,
    pub(super) operation: Operation,
    sub_resource: Option<Text<'a>>,
    pub(super) object: Object<'a>,
    pub(super) old_object: Option<&'a RawValue>,
}

object! {
    /// The kind of the object; what it lacks is empty, and no kind that carries a pod.
    pub(super) struct GroupKind<'a> {
        "group" group: Text<'a>,
        "kind" kind: Text<'a>,
    }
}

impl GroupKind<'_> {
    /// The workload kind that this is.
    pub(super) fn recognise(&self) -> Option<Kind> {
        Kind::recognise(self.group.as_str(), self.kind.as_str())
    }

    /// Whether the kind is in a group of Kubernetes' own. All kinds there from which Pods are made
    /// are recognised. Of the groups in `k8s.io` some are others' (`sparkoperator.k8s.io`).
    pub(super) fn is_of_kubernetes(&self) -> bool {
        let group = self.group.as_str();
        match group.strip_suffix(".k8s.io") {
            Some(name) => GROUPS_OF_K8S_IO.contains(&name),
            None => GROUPS.contains(&group),
        }
    }
}

impl Display for GroupKind<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.group.as_str().is_empty() {
            write!(f, "{}/", self.group.as_str())?;
        }
        f.write_str(self.kind.as_str())
    }
}

/// What the API server is asked to do. An operation that is missing or unknown is judged as a
/// CREATE, the one that nothing is taken off from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Operation {
    #[default]
    Create,
    Update,
    Delete,
    Connect,
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Option::<Text<'de>>::deserialize(deserializer)?;
        Ok(match word.as_ref().map(Text::as_str) {
            Some("UPDATE") => Self::Update,
            Some("DELETE") => Self::Delete,
            Some("CONNECT") => Self::Connect,
            _ => Self::Create,
        })
    }
}

/// The admitted object.
#[derive(Debug, Default)]
pub(super) enum Object<'a> {
    #[default]
    Absent,
    // Boxed because the other two are pointers.
    Workload(Box<Workload<'a>>),
    Raw(&'a RawValue),
}

impl<'a> Object<'a> {
    /// # Errors
    ///
    /// What is wrong with the object, and where, without any of its content.
    pub(super) fn into_workload(self, kind: Kind) -> Result<Workload<'a>, Fault> {
        match self {
            Self::Absent => Err("the request has no object".to_owned().into()),
            Self::Workload(workload) => Ok(*workload),
            Self::Raw(raw) => {
                let json = raw.get().as_bytes();
                kind.read(json).map_err(|error| Fault::new(&error, json))
            }
        }
    }
}

impl<'a> Payload<'a> {
    /// Decodes everything, the object included, in one pass.
    pub(super) fn decode(payload: &'a [u8]) -> Result<Self, serde_json::Error> {
        decode(payload, Objects::Decode)
    }

    /// Decodes everything but the object and the settings, so that neither is taken for the fault
    /// of the other.
    pub(super) fn decode_envelope(payload: &'a [u8]) -> Result<Self, serde_json::Error> {
        decode(payload, Objects::Keep)
    }
}

fn decode(payload: &[u8], objects: Objects) -> Result<Payload<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(payload);
    let payload = Seed::<Payload<'_>>::new(objects).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(payload)
}

const GROUPS: [&str; 6] = ["", "apps", "autoscaling", "batch", "extensions", "policy"];
const GROUPS_OF_K8S_IO: [&str; 18] = [
    "admissionregistration",
    "apiextensions",
    "apiregistration",
    "authentication",
    "authorization",
    "certificates",
    "coordination",
    "discovery",
    "events",
    "flowcontrol.apiserver",
    "internal.apiserver",
    "networking",
    "node",
    "rbac.authorization",
    "resource",
    "scheduling",
    "storage",
    "storagemigration",
];

/// How a message names the workload.
pub(super) struct Title<'t> {
    pub(super) kind: Kind,
    pub(super) name: Option<&'t str>,
    pub(super) namespace: Option<&'t str>,
}

impl Display for Title<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(name) = self.name {
            write!(f, " {}", Quoted(name))?;
        }
        if let Some(namespace) = self.namespace {
            write!(f, " in namespace {}", Quoted(namespace))?;
        }
        Ok(())
    }
}

/// Whether the UPDATE of this payload, to `pod`, leaves alone what runs: the whole template where Pods are
/// made from it, because any change of it makes new ones; else the pod's spec and its profile
/// annotations. What cannot be read is not known to be left alone.
///
/// The payload is read once more for it: the way on which nobody asks keeps no text of an object.
pub(super) fn leaves_pod_alone(payload: &[u8], kind: Kind, pod: &Pod<'_>) -> bool {
    let compare = || {
        let request = Payload::decode_envelope(payload).ok()?.request;
        let Object::Raw(object) = request.object else {
            return None;
        };
        let (new, old) = (object.get(), request.old_object?.get());
        let new = Document::from_slice(new.as_bytes()).ok()?;
        let old = Document::from_slice(old.as_bytes()).ok()?;
        let new = kind.pod_template(new.root())?;
        let old = kind.pod_template(old.root())?;
        Some(if kind.makes_pods() {
            new.is_same_as(old)
        } else {
            let stored = kind.read(request.old_object?.get().as_bytes()).ok()?;
            new.get("spec")?.is_same_as(old.get("spec")?)
                && pod.annotations.are_same_as(&stored.pod.annotations)
        })
    };
    compare().unwrap_or(false)
}

/// Who has made the object of this payload, if it has one owner that controls it.
pub(super) fn maker(payload: &[u8]) -> Option<Maker> {
    let payload = Document::from_slice(payload).ok()?;
    let request = payload.root().get("request")?;
    let owners = request.get("object")?.get("metadata")?;
    let owners = owners.items("ownerReferences")?;
    let is_controller =
        |owner: &Node<'_>| matches!(owner.get("controller"), Some(Node::Bool(true)));
    let mut controllers = owners.iter().filter(is_controller);
    let (Some(owner), None) = (controllers.next(), controllers.next()) else {
        return None;
    };
    let text = |key| owner.text(key).map(ToOwned::to_owned);
    let user = request
        .get("userInfo")
        .and_then(|user| user.text("username"));
    Some(Maker {
        user: user.unwrap_or_default().to_owned(),
        owner: OwnerReference {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
            name: text("name")?,
            uid: text("uid")?,
        },
    })
}

impl Request<'_> {
    /// Whether nothing in this request can change what runs: the object goes away, is not a
    /// workload (CONNECT), or is written through a sub-resource that leaves its spec alone.
    pub(super) fn is_out_of_scope(&self) -> bool {
        matches!(self.operation, Operation::Delete | Operation::Connect)
            || self.sub_resource.as_ref().is_some_and(|sub_resource| {
                matches!(
                    sub_resource.as_str(),
                    "status"
                        | "scale"
                        | "binding"
                        | "eviction"
                        | "exec"
                        | "attach"
                        | "log"
                        | "portforward"
                        | "proxy"
                )
            })
    }
}

/// What to do with the object, and with the settings, on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objects {
    Decode,
    Keep,
}

/// Decodes a `T` whose object is treated as `objects` says.
struct Seed<T> {
    objects: Objects,
    target: PhantomData<T>,
}

impl<T> Seed<T> {
    fn new(objects: Objects) -> Self {
        Self {
            objects,
            target: PhantomData,
        }
    }
}

impl<'de, T> DeserializeSeed<'de> for Seed<T>
where
    Self: Visitor<'de, Value = T>,
{
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<Payload<'de>> {
    type Value = Payload<'de>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a request and settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut request, mut settings) = (None, None);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "request" => request = Some(map.next_value_seed(Seed::new(self.objects))?),
                "settings" => {
                    settings = Some(match self.objects {
                        Objects::Decode => Ok(map.next_value()?),
                        Objects::Keep => {
                            let raw: &'de RawValue = map.next_value()?;
                            let json = raw.get().as_bytes();
                            Document::from_slice(json)
                                .map_err(|error| json::describe_error(&error, json))
                        }
                    });
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let request = request.ok_or_else(|| de::Error::missing_field("request"))?;
        Ok(Payload { request, settings })
    }
}

impl<'de> Visitor<'de> for Seed<Request<'de>> {
    type Value = Request<'de>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("an AdmissionRequest")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut request = Request::default();
        let mut kind: Option<GroupKind<'de>> = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "kind" => kind = Some(map.next_value()?),
                "name" => request.name = map.next_value()?,
                "namespace" => request.namespace = map.next_value()?,
                "operation" => request.operation = map.next_value()?,
                "subResource" => request.sub_resource = map.next_value()?,
                "oldObject" => request.old_object = map.next_value()?,
                "object" => {
                    let known = kind
                        .as_ref()
                        .filter(|_| self.objects == Objects::Decode)
                        .and_then(GroupKind::recognise);
                    request.object = match known {
                        Some(kind) => Object::Workload(Box::new(map.next_value_seed(kind)?)),
                        None => map
                            .next_value::<Option<&'de RawValue>>()?
                            .map_or(Object::Absent, Object::Raw),
                    };
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // An object of no kind is not one of an unknown kind: nothing is known to judge its Pods.
        request.kind = kind
            .filter(|kind| !kind.kind.as_str().is_empty())
            .ok_or_else(|| de::Error::missing_field("request.kind"))?;
        Ok(request)
    }
}
