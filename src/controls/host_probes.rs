//! Probes and lifecycle hooks must not name a host: the kubelet would connect to it from the node.
//!
//! - **Reads** `livenessProbe`, `readinessProbe`, `startupProbe`, `lifecycle.postStart` and
//!   `lifecycle.preStop` of each container: `httpGet.host` and `tcpSocket.host`
//! - **Unset**, and an empty host, mean the pod itself
//! - **Allowed** the hosts in `hostProbes.allowed`, compared exactly
//! - **Not applicable** never; Kubernetes takes no probes for ephemeral containers, but those of one
//!   that has them are judged
//! - **Differs from the Pod Security Standard** in nothing at its default; the standard has the rule
//!   since 1.34
//! - **Source** `check_hostProbesAndhostLifecycle.go` of pod-security-admission

use crate::decode::{Level, Mode, loosens, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::json::Text;
use crate::pod::container::Handlers;
use crate::pod::place::Place;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

section! {
    /// Probes and lifecycle hooks name no host, so the kubelet connects to the pod and to nothing else.
    ///
    /// The Pod Security Standard has the rule since v1.34. With an older `version` it is off.
    pub(crate) struct HostProbes in standard {
        "mode" mode: Mode = if standard.is_since(34) {
            standard.mode_from(Level::Baseline)
        } else {
            Mode::Disabled
        },
        /// Hosts that may be named, such as `127.0.0.1`.
        "allowed" allowed: Vec<String> = Vec::new(),
    }
}

loosens! {
    HostProbes {
        "allowed" allowed: Vec<String>,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &HostProbes, findings: &mut Findings<'p>) {
    for container in pod.containers() {
        let spec = container.spec;
        for (key, written) in [
            ("livenessProbe", &spec.liveness_probe),
            ("readinessProbe", &spec.readiness_probe),
            ("startupProbe", &spec.startup_probe),
            ("lifecycle", &spec.lifecycle),
        ] {
            if written.may_have(HOST) {
                let place = container.place().field(&[key]);
                match written.object() {
                    Some(handlers) => settings.judge(&place, &handlers, findings),
                    None => findings.report(Finding::new(
                        place,
                        Found::Phrase("cannot be read".into()),
                        Remedy::Must("be as Kubernetes has it".into()),
                    )),
                }
            }
        }
    }
}

impl HostProbes {
    fn judge<'p>(&self, place: &Place<'p>, written: &Handlers<'_>, findings: &mut Findings<'p>) {
        let hooks = [
            ("postStart", written.post_start.as_deref()),
            ("preStop", written.pre_stop.as_deref()),
        ];
        for (key, handlers) in hooks {
            if let Some(handlers) = handlers {
                self.judge(&place.clone().field(&[key]), handlers, findings);
            }
        }
        let connections = [
            ("httpGet", &written.http_get),
            ("tcpSocket", &written.tcp_socket),
        ];
        for (key, connection) in connections {
            let host = connection.as_ref().and_then(|to| to.host.as_ref());
            let host = host.map(Text::as_str).unwrap_or_default();
            if host.is_empty() || self.allowed.iter().any(|allowed| allowed == host) {
                continue;
            }
            let place = place.clone().field(&[key, HOST]);
            let found = Found::Phrase(format!("is {}", Quoted(host)).into());
            let found = Finding::new(place, found, Remedy::Remove);
            let reason = "and the kubelet would connect to it from the node";
            findings.report(if self.allowed.is_empty() {
                found.because(reason)
            } else {
                let allowed = Joined(&self.allowed);
                found.because(format!("{reason}; allowed are: {allowed}"))
            });
        }
    }
}

const HOST: &str = "host";
