//! A container, and a volume whose content may be an image, down to the fields that controls read.

use serde_json::value::RawValue;

use super::place::{ContainerKind, Place, Subject};
use super::security_context::SecurityContext;
use crate::json::{Sequence, Text, object};
use crate::text::Step;

object! {
    /// The fields of a container that controls read.
    pub(crate) struct ContainerSpec<'a> {
        "name" pub(crate) name: Text<'a>,
        "image" pub(crate) image: Option<Text<'a>>,
        "ports" pub(crate) ports: Sequence<ContainerPort<'a>>,
        "volumeMounts" pub(super) volume_mounts: Option<&'a RawValue>,
        "securityContext" pub(crate) security_context: Option<SecurityContext<'a>>,
    }
}

object! {
    /// The fields of a port that controls read.
    pub(crate) struct ContainerPort<'a> {
        "containerPort" pub(crate) number: i32,
        "hostIP" pub(crate) host_ip: Option<Text<'a>>,
        "hostPort" pub(crate) host_port: Option<i32>,
        "protocol" pub(crate) protocol: Option<Text<'a>>,
    }
}

object! {
    /// The fields of a mount that controls read.
    pub(crate) struct VolumeMount<'a> {
        "mountPath" path: Text<'a>,
    }
}

impl VolumeMount<'_> {
    pub(crate) fn path(&self) -> &str {
        self.path.as_str()
    }
}

object! {
    /// The fields of a volume that controls read.
    pub(crate) struct VolumeSpec<'a> {
        "name" pub(crate) name: Text<'a>,
        "image" pub(crate) image: Option<ImageVolume<'a>>,
    }
}

object! {
    pub(crate) struct ImageVolume<'a> {
        "reference" pub(crate) reference: Option<Text<'a>>,
    }
}

/// A container with its place in the pod.
#[derive(Clone, Copy)]
pub(crate) struct Container<'p> {
    pub(super) root: &'p [Step<'p>],
    pub(crate) kind: ContainerKind,
    pub(super) index: usize,
    pub(crate) spec: &'p ContainerSpec<'p>,
}

impl<'p> Container<'p> {
    pub(crate) fn name(&self) -> &'p str {
        self.spec.name.as_str()
    }

    pub(crate) fn image(&self) -> Option<&'p str> {
        self.spec.image.as_ref().map(Text::as_str)
    }

    /// The mounts of volumes. They are decoded for whom asks only: nearly every container has some, and
    /// hardly a policy looks.
    ///
    /// # Errors
    ///
    /// serde's, where they are no mounts.
    pub(crate) fn volume_mounts(&self) -> serde_json::Result<Sequence<VolumeMount<'p>>> {
        self.spec.volume_mounts.map_or_else(
            || Ok(Sequence::default()),
            |mounts| serde_json::from_slice(mounts.get().as_bytes()),
        )
    }

    pub(crate) fn subject(&self) -> Subject<'p> {
        Subject::Container {
            kind: self.kind,
            index: self.index,
            name: self.name(),
        }
    }

    pub(crate) fn place(&self) -> Place<'p> {
        Place::of_subject(self.root, self.subject())
    }

    pub(crate) fn security_context(&self) -> Option<&'p SecurityContext<'p>> {
        self.spec.security_context.as_ref()
    }

    /// A field of this container's security context.
    #[cold]
    #[inline(never)]
    pub(crate) fn security_field(&self, keys: &[&'p str]) -> Place<'p> {
        self.place().field(&["securityContext"]).field(keys)
    }
}
