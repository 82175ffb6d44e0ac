//! The admitted object, down to the fields that controls read.
//!
//! Nine kinds carry a pod: [`Kind`] knows them by group and kind, and where each keeps its
//! PodTemplate. [`Kind`] is itself the decoder: it walks to the template and decodes only what is
//! judged there; everything else in the object is skipped, not built.
//!
//! The structs hold just those fields, borrowed from the payload. The groups and names of the kinds
//! are k8s-openapi's.

use std::fmt;

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, PodTemplate as PodTemplateResource, ReplicationController};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::container::{ContainerSpec, VolumeSpec};
use crate::json::{List, Node, Text, object};
use crate::profile::ProfileAnnotations;
use crate::security_context::SecurityContext;
use crate::violation::{FieldPath, Segment, Subject};

/// The kinds whose objects are, or carry, a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    PodTemplate,
    ReplicationController,
    ReplicaSet,
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl Kind {
    /// The kind of this group and kind, in any version: `batch.volcano.sh/Job` is no Job.
    pub(crate) fn recognise(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            (Pod::GROUP, Pod::KIND) => Some(Self::Pod),
            (PodTemplateResource::GROUP, PodTemplateResource::KIND) => Some(Self::PodTemplate),
            (ReplicationController::GROUP, ReplicationController::KIND) => {
                Some(Self::ReplicationController)
            }
            (ReplicaSet::GROUP, ReplicaSet::KIND) => Some(Self::ReplicaSet),
            (Deployment::GROUP, Deployment::KIND) => Some(Self::Deployment),
            (StatefulSet::GROUP, StatefulSet::KIND) => Some(Self::StatefulSet),
            (DaemonSet::GROUP, DaemonSet::KIND) => Some(Self::DaemonSet),
            (Job::GROUP, Job::KIND) => Some(Self::Job),
            (CronJob::GROUP, CronJob::KIND) => Some(Self::CronJob),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pod => Pod::KIND,
            Self::PodTemplate => PodTemplateResource::KIND,
            Self::ReplicationController => ReplicationController::KIND,
            Self::ReplicaSet => ReplicaSet::KIND,
            Self::Deployment => Deployment::KIND,
            Self::StatefulSet => StatefulSet::KIND,
            Self::DaemonSet => DaemonSet::KIND,
            Self::Job => Job::KIND,
            Self::CronJob => CronJob::KIND,
        }
    }

    /// Where the object keeps its PodTemplate; a Pod is one itself.
    fn template_path(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &[],
            Self::PodTemplate => &["template"],
            Self::ReplicationController
            | Self::ReplicaSet
            | Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::Job => &["spec", "template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
        }
    }
}

impl Kind {
    /// The pod's spec in a whole object of this kind.
    pub(crate) fn pod_spec(self, object: Node<'_>) -> Option<Node<'_>> {
        let mut found = object;
        for key in self.template_path() {
            found = found.get(key)?;
        }
        found.get("spec")
    }
}

/// A workload: a Pod, or the object that Pods will be made from.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    pub(crate) kind: Kind,
    name: Option<Text<'a>>,
    generate_name: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    pub(crate) annotations: ProfileAnnotations<'a>,
    pub(crate) pod: PodSpec<'a>,
}

impl Workload<'_> {
    /// The object's own name, or the prefix from which the API server makes one.
    pub(crate) fn name(&self) -> Option<&str> {
        [&self.name, &self.generate_name]
            .into_iter()
            .flatten()
            .map(Text::as_str)
            .find(|name| !name.is_empty())
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace
            .as_ref()
            .map(Text::as_str)
            .filter(|namespace| !namespace.is_empty())
    }

    /// Whether Pods are yet to be made from this object. Kubernetes validates and completes a
    /// template less than a Pod: an image may still be missing.
    pub(crate) fn is_template(&self) -> bool {
        self.kind != Kind::Pod
    }

    /// Only `os.name` counts: a kubelet refuses a pod that lies there, but nobody checks a node
    /// selector.
    pub(crate) fn is_windows(&self) -> bool {
        self.pod
            .os
            .as_ref()
            .is_some_and(|os| os.name.as_str() == "windows")
    }

    /// Whether root in the pod is nobody on the node.
    pub(crate) fn has_own_user_namespace(&self) -> bool {
        self.pod.host_users == Some(false)
    }

    pub(crate) fn security_context(&self) -> Option<&SecurityContext<'_>> {
        self.pod.security_context.as_ref()
    }

    /// A field of the pod's spec, for a violation.
    pub(crate) fn field<'p>(&self, keys: &[&'p str]) -> FieldPath<'p> {
        FieldPath::of_subject(self.pod_spec_path()).field(keys)
    }

    /// An annotation of the pod, for a violation of `subject`.
    pub(crate) fn annotation<'p>(&self, key: &'p str) -> FieldPath<'p> {
        let mut segments = self.template_segments();
        segments.push(Segment::Key("metadata"));
        FieldPath::of_subject(segments).field(&["annotations", key])
    }

    pub(crate) fn pod_spec_path<'p>(&self) -> Vec<Segment<'p>> {
        let mut segments = self.template_segments();
        segments.push(Segment::Key("spec"));
        segments
    }

    fn template_segments<'p>(&self) -> Vec<Segment<'p>> {
        self.kind
            .template_path()
            .iter()
            .map(|key| Segment::Key(key))
            .collect()
    }

    /// The container of this name, whose violation an annotation about it is.
    pub(crate) fn subject_named<'w>(&'w self, name: &str) -> Subject<'w> {
        self.containers()
            .find(|container| container.name() == name)
            .map_or(Subject::Workload, |container| container.subject())
    }
}

object! {
    /// The fields of a PodSpec that controls read.
    pub(crate) struct PodSpec<'a> {
        "containers" pub(crate) containers: List<ContainerSpec<'a>>,
        "initContainers" pub(crate) init_containers: List<ContainerSpec<'a>>,
        "ephemeralContainers" pub(crate) ephemeral_containers: List<ContainerSpec<'a>>,
        "volumes" pub(crate) volumes: List<VolumeSpec<'a>>,
        "hostNetwork" pub(crate) host_network: Option<bool>,
        "hostPID" pub(crate) host_pid: Option<bool>,
        "hostIPC" pub(crate) host_ipc: Option<bool>,
        "hostUsers" pub(crate) host_users: Option<bool>,
        "shareProcessNamespace" pub(crate) share_process_namespace: Option<bool>,
        "os" os: Option<PodOs<'a>>,
        "securityContext" security_context: Option<SecurityContext<'a>>,
    }
}

object! {
    struct PodOs<'a> {
        "name" name: Text<'a>,
    }
}

object! {
    /// A PodTemplate; a Pod has the same two fields.
    struct PodTemplate<'a> {
        "metadata" metadata: Option<ObjectMeta<'a>>,
        "spec" spec: Option<PodSpec<'a>>,
    }
}

object! {
    struct ObjectMeta<'a> {
        "name" name: Option<Text<'a>>,
        "generateName" generate_name: Option<Text<'a>>,
        "namespace" namespace: Option<Text<'a>>,
        "annotations" annotations: ProfileAnnotations<'a>,
    }
}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = Workload<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let (own, template) = match self.template_path() {
            [] => (None, PodTemplate::deserialize(deserializer)?),
            path => {
                let found = Walk { path, at_top: true }.deserialize(deserializer)?;
                (found.own, found.template.unwrap_or_default())
            }
        };
        // A Pod without a spec, or a controller without a template, is nothing that the API
        // server would store; accepting it would be accepting something unread.
        let pod = template.spec.ok_or_else(|| {
            de::Error::invalid_type(de::Unexpected::Unit, &"a pod template with a spec")
        })?;
        let metadata = template.metadata.unwrap_or_default();
        let annotations = metadata.annotations;
        let (name, generate_name, namespace) = match own {
            Some(own) => (own.name, own.generate_name, own.namespace),
            None if self == Self::Pod => {
                (metadata.name, metadata.generate_name, metadata.namespace)
            }
            None => (None, None, None),
        };
        Ok(Workload {
            kind: self,
            name,
            generate_name,
            namespace,
            annotations,
            pod,
        })
    }
}

/// Walks down `path` and decodes the PodTemplate at its end, and the object's own metadata at the
/// top.
struct Walk {
    path: &'static [&'static str],
    at_top: bool,
}

#[derive(Debug, Default)]
struct FoundOnWalk<'a> {
    own: Option<ObjectMeta<'a>>,
    template: Option<PodTemplate<'a>>,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = FoundOnWalk<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = FoundOnWalk<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a pod template")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(FoundOnWalk::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = FoundOnWalk::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match (self.path, key.as_str()) {
                ([last], key) if key == *last => found.template = map.next_value()?,
                ([first, rest @ ..], key) if key == *first => {
                    let below = Walk {
                        path: rest,
                        at_top: false,
                    };
                    found.template = map.next_value_seed(below)?.template;
                }
                (_, "metadata") if self.at_top => found.own = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}
