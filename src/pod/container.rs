//! A container with its ports, probes, hooks and mounts, down to the fields that controls read.

use super::place::{ContainerKind, Place, Subject};
use super::security_context::SecurityContext;
use crate::json::Text;
use crate::object::{Later, Sequence, object};
use crate::text::Step;

object! {
    /// The fields of a container that controls read.
    pub(crate) struct ContainerSpec<'a> {
        "name" pub(crate) name: Text<'a>,
        "image" pub(crate) image: Option<Text<'a>>,
        "lifecycle" pub(crate) lifecycle: Later<'a>,
        "livenessProbe" pub(crate) liveness_probe: Later<'a>,
        "ports" pub(crate) ports: Sequence<ContainerPort<'a>>,
        "readinessProbe" pub(crate) readiness_probe: Later<'a>,
        "securityContext" pub(crate) security_context: Option<SecurityContext<'a>>,
        "startupProbe" pub(crate) startup_probe: Later<'a>,
        "volumeMounts" pub(crate) volume_mounts: Later<'a>,
    }
    usual: [
        "env",
        "imagePullPolicy",
        "resources",
        "terminationMessagePath",
        "terminationMessagePolicy",
    ]
    known: [
        "args",
        "command",
        "envFrom",
        "workingDir",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "stdin",
        "stdinOnce",
        "targetContainerName",
        "tty",
        "volumeDevices",
    ]
}

object! {
    /// The fields of a port that controls read.
    pub(crate) struct ContainerPort<'a> {
        "containerPort" pub(crate) number: Option<i32>,
        "hostIP" pub(crate) host_ip: Option<Text<'a>>,
        "hostPort" pub(crate) host_port: Option<i32>,
        "protocol" pub(crate) protocol: Option<Text<'a>>,
    }
}

object! {
    /// A probe, a lifecycle hook, or what holds both hooks: what they do, as far as it connects to
    /// something.
    pub(crate) struct Handlers<'a> {
        "httpGet" pub(crate) http_get: Option<Connection<'a>>,
        "postStart" pub(crate) post_start: Option<Box<Self>>,
        "preStop" pub(crate) pre_stop: Option<Box<Self>>,
        "tcpSocket" pub(crate) tcp_socket: Option<Connection<'a>>,
    }
}

object! {
    pub(crate) struct Connection<'a> {
        "host" pub(crate) host: Option<Text<'a>>,
    }
}

object! {
    pub(crate) struct VolumeMount<'a> {
        "mountPath" pub(crate) path: Text<'a>,
        "name" pub(crate) name: Text<'a>,
        "readOnly" pub(crate) read_only: Option<bool>,
        "subPath" pub(crate) sub_path: Text<'a>,
        "subPathExpr" pub(crate) sub_path_expr: Text<'a>,
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

    /// What it mounts; `None` where that cannot be read. It is decoded for whom asks only: nearly every
    /// container has some mounts, and hardly anybody looks.
    pub(crate) fn mounts(&self) -> Option<Sequence<VolumeMount<'p>>> {
        self.spec.volume_mounts.list()
    }

    pub(crate) fn subject(&self) -> Subject<'p> {
        Subject::Container {
            kind: self.kind,
            index: self.index,
            name: self.name(),
        }
    }

    #[inline(never)]
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
