//! Containers must not take ports of their node.
//!
//! - **Reads** `ports[].hostPort`, and `ports[].containerPort` where `hostNetwork` is true; to tell a
//!   port that the stored object has from another, `ports[].protocol` and `ports[].hostIP`
//! - **Unset**, and 0, mean none; but in a pod on its node's network every declared
//!   `containerPort` becomes a host port when the Pod is created, so it is judged as one
//! - **Allowed** the ranges in `hostPorts.allowed`
//! - **Not applicable** never; ephemeral containers may not declare ports, but those of one that
//!   does are judged
//! - **Differs from the Pod Security Standard** in nothing at its default; the standard has no
//!   ranges, and sees a template's ports only in its Pods
//! - **Source** `check_hostPorts.go` of pod-security-admission; `SetDefaults_Pod` of the API
//!   server (`pkg/apis/core/v1/defaults.go`)

use std::{fmt, iter};

use crate::decode::{Decode, Level, Mode, Node, Problems, describe, loosens, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::json::Text;
use crate::pod::container::ContainerPort;
use crate::pod::spec::Pod;
use crate::text::Joined;

section! {
    /// Pods do not open ports on their node.
    pub(crate) struct HostPorts in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// Ranges of ports that pods may open, such as `{min: 8000, max: 9000}`; `[]` is no port at
        /// all.
        "allowed" allowed: Vec<PortRange> = Vec::new(),
    }
}

loosens! {
    HostPorts {
        "allowed" allowed: Vec<PortRange>,
    }
}

/// Ports from `min` to `max`, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PortRange {
    min: u16,
    max: u16,
}

describe!(
    PortRange: {
        "description": "Ports from `min` to `max`, both included.",
        "type": "object",
        "additionalProperties": false,
        "required": ["min", "max"],
        "properties": {
            "min": {"type": "integer", "minimum": 1, "maximum": u16::MAX},
            "max": {"type": "integer", "minimum": 1, "maximum": u16::MAX},
        },
    },
    |range| crate::schema::json!({"min": range.min, "max": range.max}),
);

impl Decode for PortRange {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let [min, max] = problems.values(node, &["min", "max"], &[])?;
        let mut port = |key, value| {
            let Some(node) = value else {
                problems.report(format_args!("has no {key}"));
                return None;
            };
            problems.within(key, |problems| decode_port(node, problems))
        };
        let (min, max) = (port("min", min), port("max", max));
        let range = Self {
            min: min?,
            max: max?,
        };
        if range.min > range.max {
            problems.report(format_args!("min {} is above max {}", range.min, range.max));
        }
        Some(range)
    }
}

fn decode_port(node: Node<'_>, problems: &mut Problems) -> Option<u16> {
    let number = i64::decode(node, problems)?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    if port.is_none() {
        problems.report(format_args!("{number} is not a port (1 to 65535)"));
    }
    port
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &HostPorts, findings: &mut Findings<'p>) {
    let on_host_network = pod.spec.host_network == Some(true);
    for container in pod.containers() {
        for (index, port) in container.spec.ports.iter().enumerate() {
            let written = port.host_port.filter(|port| *port != 0);
            let (field, number) = match written {
                Some(number) => ("hostPort", number),
                None if on_host_network => ("containerPort", port.number.unwrap_or_default()),
                None => continue,
            };
            if settings.allows(number) || findings.is_full() {
                continue;
            }
            let place = container
                .place()
                .field(&["ports"])
                .index(index)
                .field(&[field]);
            let found = Found::Number(number.into());
            let remedy = match (settings.allowed.as_slice(), written) {
                ([], Some(_)) => Remedy::Remove,
                ([], None) => Remedy::Must(NOT_DECLARED.into()),
                (ranges, _) => Remedy::Must(format!("be within: {}", Joined(ranges)).into()),
            };
            let violation = Finding::new(place, found, remedy).bounded_by(socket(port));
            findings.report(if written.is_some() {
                violation
            } else {
                violation.because("a port of the node because hostNetwork is true")
            });
        }
    }
}

/// What a port must while its pod stays on its node's network: Kubernetes writes a host port of its own
/// beside each port that is declared.
pub(crate) const NOT_DECLARED: &str = "not be declared while hostNetwork is true";

/// What a port opens on the node beside its number: another protocol, or another address of the
/// node, is another port.
fn socket<'p>(port: &'p ContainerPort<'p>) -> Vec<&'p str> {
    let given = |text: &'p Option<Text<'p>>| {
        let text = text.as_ref().map(Text::as_str);
        text.filter(|text| !text.is_empty())
    };
    let protocol = given(&port.protocol).unwrap_or("TCP");
    iter::once(protocol).chain(given(&port.host_ip)).collect()
}

impl HostPorts {
    fn allows(&self, number: i32) -> bool {
        u16::try_from(number).is_ok_and(|port| {
            self.allowed
                .iter()
                .any(|range| (range.min..=range.max).contains(&port))
        })
    }
}
