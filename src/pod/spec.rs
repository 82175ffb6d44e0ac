//! A pod: its spec and its profile annotations, wherever they stand in the admitted object, and the one
//! traversal over everything in it that has a container's rights or a container's image.
//!
//! Controls ask [`Pod::containers`] and [`Pod::images`](super::image) and never name the lists, so a
//! kind of container cannot be forgotten in one of them.

use std::slice;

use super::container::{Container, ContainerSpec};
use super::place::{ContainerKind, Place, Subject};
use super::profile::{ProfileAnnotations, Target};
use super::security_context::SecurityContext;
use super::volume::VolumeSpec;
use crate::json::Text;
use crate::object::{Sequence, object};
use crate::text::Step;

/// A pod as it is, or as it will be made from a template.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    /// The way from the admitted object to the pod's template; nothing in a Pod.
    pub(crate) root: Vec<Step<'a>>,
    pub(crate) annotations: ProfileAnnotations<'a>,
    pub(crate) spec: PodSpec<'a>,
}

object! {
    /// The fields of a PodSpec that controls read.
    pub(crate) struct PodSpec<'a> {
        "containers" pub(crate) containers: Sequence<ContainerSpec<'a>>,
        "initContainers" pub(crate) init_containers: Sequence<ContainerSpec<'a>>,
        "ephemeralContainers" pub(crate) ephemeral_containers: Sequence<ContainerSpec<'a>>,
        "volumes" pub(crate) volumes: Sequence<VolumeSpec<'a>>,
        "hostNetwork" pub(crate) host_network: Option<bool>,
        "hostPID" pub(crate) host_pid: Option<bool>,
        "hostIPC" pub(crate) host_ipc: Option<bool>,
        "hostUsers" pub(crate) host_users: Option<bool>,
        "runtimeClassName" pub(crate) runtime_class_name: Option<Text<'a>>,
        "shareProcessNamespace" pub(crate) share_process_namespace: Option<bool>,
        "automountServiceAccountToken" pub(crate) automount_service_account_token: Option<bool>,
        "os" os: Option<PodOs<'a>>,
        "securityContext" pub(super) security_context: Option<SecurityContext<'a>>,
    }
    usual: [
        "restartPolicy",
        "terminationGracePeriodSeconds",
        "dnsPolicy",
        "schedulerName",
        "serviceAccountName",
        "serviceAccount",
        "tolerations",
        "priority",
        "enableServiceLinks",
        "preemptionPolicy",
        "nodeName",
    ]
    known: [
        "affinity",
        "nodeSelector",
        "imagePullSecrets",
        "priorityClassName",
        "topologySpreadConstraints",
        "activeDeadlineSeconds",
        "dnsConfig",
        "evictionResponders",
        "hostAliases",
        "hostname",
        "hostnameOverride",
        "overhead",
        "readinessGates",
        "resourceClaims",
        "resources",
        "schedulingGates",
        "schedulingGroup",
        "setHostnameAsFQDN",
        "subdomain",
        "workloadRef",
    ]
}

object! {
    struct PodOs<'a> {
        "name" name: Text<'a>,
    }
}

impl Pod<'_> {
    /// Whether Pods are yet to be made from this. Kubernetes validates and completes a template less
    /// than a Pod: an image may still be missing.
    pub(crate) fn is_template(&self) -> bool {
        !self.root.is_empty()
    }

    /// Only `os.name` counts: a kubelet refuses a pod that lies there, but nobody checks a node
    /// selector.
    pub(crate) fn is_windows(&self) -> bool {
        self.spec
            .os
            .as_ref()
            .is_some_and(|os| os.name.as_str() == "windows")
    }

    /// Whether root in the pod is nobody on the node.
    pub(crate) fn has_own_user_namespace(&self) -> bool {
        self.spec.host_users == Some(false)
    }

    pub(crate) fn security_context(&self) -> Option<&SecurityContext<'_>> {
        self.spec.security_context.as_ref()
    }

    /// A field of the pod's spec.
    pub(crate) fn field<'p>(&'p self, keys: &[&'p str]) -> Place<'p> {
        Place::of_subject(&self.root, Subject::Pod).field(keys)
    }

    /// A field of one of the pod's volumes.
    pub(crate) fn volume_field<'p>(
        &'p self,
        index: usize,
        name: &'p str,
        key: &'p str,
    ) -> Place<'p> {
        Place::of_subject(&self.root, Subject::Volume { index, name }).field(&[key])
    }

    /// An annotation of the pod that is about `subject`.
    pub(crate) fn annotation<'p>(&'p self, subject: Subject<'p>, key: &'p str) -> Place<'p> {
        Place::of_annotation(&self.root, subject, key)
    }

    /// Whom the profile annotations concern, in their order: those for a target of a container the first
    /// container of this name, all others the pod.
    #[inline(never)]
    pub(crate) fn subjects_of_annotations<'p>(
        &'p self,
        target: fn(&'p str) -> Target<'p>,
    ) -> Vec<Subject<'p>> {
        let annotations = self.annotations.iter();
        let mut subjects: Vec<_> = annotations.map(|_| Subject::Pod).collect();
        if !subjects.is_empty() {
            for container in self.containers() {
                let place = self.annotations.position(target(container.name()));
                let own = place.ok().and_then(|place| subjects.get_mut(place));
                if let Some(own @ Subject::Pod) = own {
                    *own = container.subject();
                }
            }
        }
        subjects
    }

    /// Every container, in the order in which they start.
    pub(crate) fn containers(&self) -> Containers<'_> {
        Containers {
            pod: self,
            kind: ContainerKind::Init,
            list: self.list(ContainerKind::Init).iter(),
            index: 0,
        }
    }

    /// The containers of one kind.
    pub(crate) fn list(&self, kind: ContainerKind) -> &[ContainerSpec<'_>] {
        match kind {
            ContainerKind::Init => &self.spec.init_containers,
            ContainerKind::Regular => &self.spec.containers,
            ContainerKind::Ephemeral => &self.spec.ephemeral_containers,
        }
    }

    /// The container at this place, if there is one.
    pub(crate) fn container_at(&self, kind: ContainerKind, index: usize) -> Option<Container<'_>> {
        let spec = self.list(kind).get(index)?;
        Some(self.container(kind, index, spec))
    }

    fn container<'p>(
        &'p self,
        kind: ContainerKind,
        index: usize,
        spec: &'p ContainerSpec<'p>,
    ) -> Container<'p> {
        Container {
            root: &self.root,
            kind,
            index,
            spec,
        }
    }
}

/// The containers of a pod.
///
/// With the iterators of the standard library, put together, each place that goes through the
/// containers would be ten times the code.
#[derive(Clone)]
pub(crate) struct Containers<'p> {
    pod: &'p Pod<'p>,
    /// What is left of those of one kind, and how many have been.
    list: slice::Iter<'p, ContainerSpec<'p>>,
    kind: ContainerKind,
    index: usize,
}

impl<'p> Iterator for Containers<'p> {
    type Item = Container<'p>;

    #[inline(never)]
    fn next(&mut self) -> Option<Container<'p>> {
        loop {
            if let Some(spec) = self.list.next() {
                let index = self.index;
                self.index = index.saturating_add(1);
                return Some(self.pod.container(self.kind, index, spec));
            }
            self.kind = match self.kind {
                ContainerKind::Init => ContainerKind::Regular,
                ContainerKind::Regular => ContainerKind::Ephemeral,
                ContainerKind::Ephemeral => return None,
            };
            self.list = self.pod.list(self.kind).iter();
            self.index = 0;
        }
    }
}
