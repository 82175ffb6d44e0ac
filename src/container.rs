//! The one traversal over everything in a pod that has a container's rights or a container's
//! image: init, regular and ephemeral containers, and image volumes.
//!
//! Controls ask [`Workload::containers`] and [`Workload::images`] and never name the lists, so a
//! kind of container cannot be forgotten in one of them.

use crate::image::Image;
use crate::json::{List, Text, object};
use crate::security_context::SecurityContext;
use crate::violation::{ContainerKind, FieldPath, Segment, Subject};
use crate::workload::Workload;

object! {
    /// The fields of a container that controls read.
    pub(crate) struct ContainerSpec<'a> {
        "name" pub(crate) name: Text<'a>,
        "image" pub(crate) image: Option<Text<'a>>,
        "ports" pub(crate) ports: List<ContainerPort<'a>>,
        "securityContext" pub(crate) security_context: Option<SecurityContext<'a>>,
    }
}

object! {
    /// The fields of a port that controls read.
    pub(crate) struct ContainerPort<'a> {
        "containerPort" pub(crate) container_port: i32,
        "hostIP" pub(crate) host_ip: Option<Text<'a>>,
        "hostPort" pub(crate) host_port: Option<i32>,
        "protocol" pub(crate) protocol: Option<Text<'a>>,
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

/// A container with its place in the workload.
#[derive(Clone, Copy)]
pub(crate) struct Container<'w> {
    workload: &'w Workload<'w>,
    pub(crate) kind: ContainerKind,
    pub(crate) index: usize,
    pub(crate) spec: &'w ContainerSpec<'w>,
}

impl<'w> Container<'w> {
    pub(crate) fn name(&self) -> &'w str {
        self.spec.name.as_str()
    }

    pub(crate) fn subject(&self) -> Subject<'w> {
        Subject::Container {
            kind: self.kind,
            index: self.index,
            name: self.name(),
        }
    }

    pub(crate) fn path(&self) -> FieldPath<'w> {
        let mut segments = self.workload.pod_spec_path();
        segments.extend([Segment::Key(self.kind.field()), Segment::Index(self.index)]);
        FieldPath::of_subject(segments)
    }

    pub(crate) fn security_context(&self) -> Option<&'w SecurityContext<'w>> {
        self.spec.security_context.as_ref()
    }

    /// A field of this container's security context, for a violation.
    pub(crate) fn security_field(&self, keys: &[&'w str]) -> FieldPath<'w> {
        self.path().field(&["securityContext"]).field(keys)
    }
}

impl Workload<'_> {
    /// Every container, in the order in which they start.
    pub(crate) fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        let pod = &self.pod;
        [
            (ContainerKind::Init, &pod.init_containers),
            (ContainerKind::Regular, &pod.containers),
            (ContainerKind::Ephemeral, &pod.ephemeral_containers),
        ]
        .into_iter()
        .flat_map(move |(kind, list)| {
            list.iter().enumerate().map(move |(index, spec)| Container {
                workload: self,
                kind,
                index,
                spec,
            })
        })
    }

    /// Every image that the pod runs or mounts, parsed.
    pub(crate) fn images(&self) -> Vec<Image<'_>> {
        let of_containers = self.containers().map(|container| {
            Image::new(
                ImagePlace::Container(container),
                container.spec.image.as_ref(),
            )
        });
        let of_volumes = self
            .pod
            .volumes
            .iter()
            .enumerate()
            .filter_map(|(index, volume)| {
                let image = volume.image.as_ref()?;
                let place = ImagePlace::Volume {
                    workload: self,
                    index,
                    name: volume.name.as_str(),
                };
                Some(Image::new(place, image.reference.as_ref()))
            });
        of_containers.chain(of_volumes).collect()
    }
}

/// Where an image is named.
#[derive(Clone, Copy)]
pub(crate) enum ImagePlace<'w> {
    Container(Container<'w>),
    Volume {
        workload: &'w Workload<'w>,
        index: usize,
        name: &'w str,
    },
}

impl<'w> ImagePlace<'w> {
    pub(crate) fn subject(&self) -> Subject<'w> {
        match *self {
            Self::Container(container) => container.subject(),
            Self::Volume { index, name, .. } => Subject::Volume { index, name },
        }
    }

    /// The field that holds the reference.
    pub(crate) fn path(&self) -> FieldPath<'w> {
        match *self {
            Self::Container(container) => container.path().field(&["image"]),
            Self::Volume {
                workload, index, ..
            } => {
                let mut segments = workload.pod_spec_path();
                segments.extend([Segment::Key("volumes"), Segment::Index(index)]);
                FieldPath::of_subject(segments).field(&["image", "reference"])
            }
        }
    }
}
