//! The payload of `validate`: `{"request": AdmissionRequest, "settings": {...}}`.
//!
//! The request's object is decoded where it stands, in the one pass over the payload, because its
//! kind comes before it (the host sorts all keys). Where it does not, and for `oldObject`, which is
//! seldom needed, the JSON is kept and decoded later.
//!
//! Source: `AdmissionRequest` of `k8s.io/api/admission/v1`.

use std::fmt::{self, Display, Formatter};

use crate::json::reader::{Error, Reader};
use crate::json::{self, Document, Fault, Node, Text};
use crate::object::{self, object, optional};
use crate::pod::kind::{Kind, Workload};
use crate::pod::spec::Pod;
use crate::review::owner::{Maker, OwnerReference};

/// What the host sends.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) request: Request<'a>,
    /// `None` where the payload has none; the error says why they are no JSON.
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
    pub(super) old_object: Option<&'a str>,
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

object! {
    /// The kind of the object; what it lacks is empty, and no kind that carries a pod.
    pub(super) struct GroupKind<'a> {
        "group" pub(super) group: Text<'a>,
        "kind" pub(super) kind: Text<'a>,
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
/// CREATE, which has no stored object that could excuse anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Operation {
    #[default]
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    fn of_word(word: Option<&str>) -> Self {
        match word {
            Some("UPDATE") => Self::Update,
            Some("DELETE") => Self::Delete,
            Some("CONNECT") => Self::Connect,
            _ => Self::Create,
        }
    }
}

/// The admitted object.
#[derive(Debug, Default)]
pub(super) enum Object<'a> {
    #[default]
    Absent,
    // Boxed because the other two are pointers.
    Workload(Box<Workload<'a>>),
    Raw(&'a str),
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
                let json = raw.as_bytes();
                let workload = kind.read(&mut Reader::new(json));
                workload.map_err(|error| Fault::new(error, json))
            }
        }
    }
}

impl<'a> Payload<'a> {
    /// Decodes everything, the object included, in one pass.
    pub(super) fn decode(payload: &'a [u8]) -> Result<Self, Error> {
        decode(payload, Objects::Decode)
    }

    /// Decodes everything but the object and the settings, so that neither is taken for the fault
    /// of the other.
    pub(super) fn decode_envelope(payload: &'a [u8]) -> Result<Self, Error> {
        decode(payload, Objects::Keep)
    }
}

/// What to do with the object, and with the settings, on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objects {
    Decode,
    Keep,
}

fn decode(json: &[u8], objects: Objects) -> Result<Payload<'_>, Error> {
    let (mut request, mut settings) = (None, None);
    let mut reader = Reader::new(json);
    reader.map("a request and settings", &mut |reader, key| {
        match &*key {
            "request" => request = Some(decode_request(reader, objects)?),
            "settings" => {
                settings = Some(match objects {
                    Objects::Decode => Ok(Document::read(reader)?),
                    Objects::Keep => {
                        let json = reader.raw()?.as_bytes();
                        Document::from_slice(json)
                            .map_err(|error| json::describe_error(error, json))
                    }
                });
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    reader.end()?;
    let request = request.ok_or(Error::Missing("request"))?;
    Ok(Payload { request, settings })
}

fn decode_request<'a>(reader: &mut Reader<'a>, objects: Objects) -> Result<Request<'a>, Error> {
    let mut request = Request::default();
    let text = |reader: &mut Reader<'a>| Ok(optional(reader, Reader::text)?.map(Text::from));
    reader.map("an AdmissionRequest", &mut |reader, key| {
        match &*key {
            "kind" => {
                request.kind = GroupKind::default();
                object::decode(reader, &mut request.kind)?;
            }
            "name" => request.name = text(reader)?,
            "namespace" => request.namespace = text(reader)?,
            "operation" => {
                let word = optional(reader, Reader::text)?;
                request.operation = Operation::of_word(word.as_deref());
            }
            "subResource" => request.sub_resource = text(reader)?,
            "oldObject" => request.old_object = optional(reader, Reader::raw)?,
            "object" => {
                let known = match objects {
                    Objects::Decode => request.kind.recognise(),
                    Objects::Keep => None,
                };
                request.object = match known {
                    Some(kind) => Object::Workload(Box::new(kind.read(reader)?)),
                    None => optional(reader, Reader::raw)?.map_or(Object::Absent, Object::Raw),
                };
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    // An object of no kind is not one of an unknown kind: nothing is known to judge its Pods.
    if request.kind.kind.as_str().is_empty() {
        return Err(Error::Missing("request.kind"));
    }
    Ok(request)
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
        let stored = request.old_object?.as_bytes();
        let new = Document::from_slice(object.as_bytes()).ok()?;
        let old = Document::from_slice(stored).ok()?;
        let new = kind.pod_template(new.root())?;
        let old = kind.pod_template(old.root())?;
        Some(if kind.makes_pods() {
            new.is_same_as(old)
        } else {
            let stored = kind.read(&mut Reader::new(stored)).ok()?;
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
    let metadata = request.get("object")?.get("metadata")?;
    let owners = metadata.items("ownerReferences")?;
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

/// A text that says something.
pub(super) fn given<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(Text::as_str).filter(|text| !text.is_empty())
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
