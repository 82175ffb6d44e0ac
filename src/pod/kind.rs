//! The kinds of objects that are, or carry, a pod: [`Kind`] knows them by group and kind, and where each
//! keeps its PodTemplate. [`Kind`] is itself the decoder: it walks to the template and decodes only
//! what is judged there; everything else in the object is skipped, not built.
//!
//! The groups and names of the kinds are k8s-openapi's.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Pod as PodResource, PodTemplate as PodTemplateResource, ReplicationController,
};

use super::profile::ProfileAnnotations;
use super::spec::{Pod, PodSpec};
use crate::json::reader::{Error, Reader};
use crate::json::{Node, Text};
use crate::object::{self, Field as _, Object, Optional, Slot, object};
use crate::text::Step;

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
            (PodResource::GROUP, PodResource::KIND) => Some(Self::Pod),
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
            // Where these were before Kubernetes 1.16, and still are in old charts.
            ("extensions", ReplicaSet::KIND) => Some(Self::ReplicaSet),
            ("extensions", Deployment::KIND) => Some(Self::Deployment),
            ("extensions", DaemonSet::KIND) => Some(Self::DaemonSet),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pod => PodResource::KIND,
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
    pub(crate) fn template_path(self) -> &'static [&'static str] {
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

    /// Group and version in which controllers know the kind.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::Pod => PodResource::API_VERSION,
            Self::PodTemplate => PodTemplateResource::API_VERSION,
            Self::ReplicationController => ReplicationController::API_VERSION,
            Self::ReplicaSet => ReplicaSet::API_VERSION,
            Self::Deployment => Deployment::API_VERSION,
            Self::StatefulSet => StatefulSet::API_VERSION,
            Self::DaemonSet => DaemonSet::API_VERSION,
            Self::Job => Job::API_VERSION,
            Self::CronJob => CronJob::API_VERSION,
        }
    }

    /// Whether a controller makes Pods from what the object carries.
    pub(crate) fn makes_pods(self) -> bool {
        !matches!(self, Self::Pod | Self::PodTemplate)
    }

    /// Where the object keeps the pod's spec, as a message says it.
    fn spec_path(self) -> &'static str {
        match self.template_path() {
            [] => "spec",
            [_] => "template.spec",
            [_, _] => "spec.template.spec",
            _ => "spec.jobTemplate.spec.template.spec",
        }
    }

    /// The pod template in a whole object of this kind; a Pod is one itself.
    pub(crate) fn pod_template(self, object: Node<'_>) -> Option<Node<'_>> {
        let mut found = object;
        for key in self.template_path() {
            found = found.get(key)?;
        }
        Some(found)
    }

    /// Reads an object of this kind.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub(crate) fn read<'a>(self, reader: &mut Reader<'a>) -> Result<Workload<'a>, Error> {
        let mut template = None;
        let mut own = None;
        match self.template_path() {
            [] => object::decode(reader, template.insert(PodTemplate::default()))?,
            path => {
                let mut walk = Walk {
                    path,
                    ..Walk::default()
                };
                object::decode(reader, &mut walk)?;
                own = walk.own.take();
                template = walk.template();
            }
        }
        let template = template.unwrap_or_default();
        // A Pod without a spec, or a controller without a template, is nothing that the API
        // server would store; accepting it would be accepting something unread.
        let spec = template.spec.ok_or(Error::Missing(self.spec_path()))?;
        let mut metadata = template.metadata.unwrap_or_default();
        let annotations = metadata.annotations.take().unwrap_or_default();
        if self != Self::Pod {
            metadata = own.unwrap_or_default();
        }
        let steps = self.template_path().iter().copied();
        Ok(Workload {
            metadata,
            pod: Pod {
                root: steps.map(Step::Key).collect(),
                annotations,
                spec,
            },
        })
    }
}

/// The admitted object: a Pod, or what Pods will be made from.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    pub(crate) metadata: ObjectMeta<'a>,
    pub(crate) pod: Pod<'a>,
}

object! {
    /// A PodTemplate; a Pod has the same two fields.
    pub(super) struct PodTemplate<'a> {
        "metadata" pub(super) metadata: Option<ObjectMeta<'a>>,
        "spec" pub(super) spec: Option<PodSpec<'a>>,
    }
}

object! {
    /// The fields of an object's metadata that are read.
    pub(crate) struct ObjectMeta<'a> {
        "name" name: Option<Text<'a>>,
        "generateName" generate_name: Option<Text<'a>>,
        "namespace" namespace: Option<Text<'a>>,
        "annotations" pub(super) annotations: Option<ProfileAnnotations<'a>>,
    }
}

impl ObjectMeta<'_> {
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
}

/// Walks down `path` to the PodTemplate at its end, and to the object's own metadata at the top.
#[derive(Default)]
struct Walk<'a> {
    path: &'static [&'static str],
    below: Option<Box<Self>>,
    own: Option<ObjectMeta<'a>>,
    template: Option<PodTemplate<'a>>,
}

impl<'a> Walk<'a> {
    fn template(self) -> Option<PodTemplate<'a>> {
        match self.below {
            Some(below) => below.template(),
            None => self.template,
        }
    }
}

impl<'de> Object<'de> for Walk<'de> {
    fn slot(&mut self, key: &str) -> Slot<'_, 'de> {
        match self.path {
            [last] if key == *last => self.template.slot(),
            [first, rest @ ..] if key == *first => {
                Slot::OptionalObject(self.below.insert(Box::new(Self {
                    path: rest,
                    ..Self::default()
                })))
            }
            // Nobody asks those below for theirs.
            _ if key == "metadata" => self.own.slot(),
            _ => Slot::Nowhere,
        }
    }

    fn noun(&self) -> &'static str {
        "an object with a pod template"
    }
}

impl<'de> Optional<'de> for Box<Walk<'de>> {
    fn something(&mut self) -> &mut dyn Object<'de> {
        self
    }
}
