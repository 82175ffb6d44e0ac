//! Containers must not take ports of their node.
//!
//! - **Reads** `ports[].hostPort`, and `ports[].containerPort` where `hostNetwork` is true
//! - **Unset**, and 0, mean none; but in a pod on its node's network every declared
//!   `containerPort` becomes a host port when the Pod is created, so it is judged as one
//! - **Allowed** the ranges in `hostPorts.allowed`
//! - **Not applicable** to ephemeral containers, which may not declare ports
//! - **Differs from the Pod Security Standard** in nothing at its default; the standard has no
//!   ranges, and sees a template's ports only in its Pods
//! - **Source** `check_hostPorts.go` of pod-security-admission; `SetDefaults_Pod` of the API
//!   server (`pkg/apis/core/v1/defaults.go`)

use super::{Control, Findings};
use crate::settings::{Check, Decode, Mode, Node, Problems, section};
use crate::violation::{Found, List, Remedy, Violation};
use crate::workload::Workload;

section! {
    /// The section `hostPorts`.
    pub(crate) struct HostPorts {
        "mode" mode: Mode = Mode::Enforce,
        "allowed" allowed: Vec<PortRange> = Vec::new(),
    }
}

impl Check for HostPorts {}

section! {
    /// Ports from `min` to `max`, both included.
    pub(crate) struct PortRange {
        "min" min: Port = Port(0),
        "max" max: Port = Port(0),
    }
}

impl Check for PortRange {
    fn check(&self, problems: &mut Problems) {
        for (key, port) in [("min", self.min), ("max", self.max)] {
            if port == Port(0) {
                problems.report(format_args!("has no valid {key}"));
            }
        }
        if self.min > self.max && self.max != Port(0) {
            problems.report(format_args!(
                "min {} is above max {}",
                self.min.0, self.max.0
            ));
        }
    }
}

/// A port number; 0 where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port(u16);

impl Decode for Port {
    fn decode(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let number = i64::decode(node, problems)?;
        match u16::try_from(number) {
            Ok(port) if port > 0 => Some(Self(port)),
            _ => {
                problems.report(format_args!("{number} is no port (1 to 65535)"));
                None
            }
        }
    }
}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    settings: &HostPorts,
    findings: &mut Findings<'w>,
) {
    let on_host_network = workload.pod.host_network == Some(true);
    for container in workload.containers() {
        for (index, port) in container.spec.ports.iter().enumerate() {
            let written = port.host_port.filter(|port| *port != 0);
            let (field, number) = match written {
                Some(number) => ("hostPort", number),
                None if on_host_network => ("containerPort", port.container_port),
                None => continue,
            };
            if settings.allows(number) {
                continue;
            }
            let path = container
                .path()
                .field(&["ports"])
                .index(index)
                .field(&[field]);
            let found = Found::Number(number.into());
            let subject = container.subject();
            let violation = if written.is_some() && settings.allowed.is_empty() && !on_host_network
            {
                Violation::new(Control::HostPorts, subject, path, found, Remedy::Remove)
            } else {
                let must = Remedy::Must(settings.must());
                Violation::new(Control::HostPorts, subject, path, found, must)
            };
            findings.report(if written.is_some() {
                violation
            } else {
                violation.because("a port of the node because hostNetwork is true")
            });
        }
    }
}

impl HostPorts {
    fn allows(&self, number: i32) -> bool {
        u16::try_from(number).is_ok_and(|port| {
            self.allowed
                .iter()
                .any(|range| (range.min.0..=range.max.0).contains(&port))
        })
    }

    fn must(&self) -> String {
        if self.allowed.is_empty() {
            return "go, or hostNetwork".to_owned();
        }
        let ranges: Vec<String> = self
            .allowed
            .iter()
            .map(|range| format!("{}-{}", range.min.0, range.max.0))
            .collect();
        format!("be within: {}", List(&ranges))
    }
}
