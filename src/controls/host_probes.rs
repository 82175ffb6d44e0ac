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

use crate::decode::{Level, Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::json::Text;
use crate::pod::container::{Container, Handler};
use crate::pod::spec::Pod;
use crate::text::Joined;

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

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &HostProbes, findings: &mut Findings<'p>) {
    for container in pod.containers() {
        let spec = container.spec;
        let hooks = spec.lifecycle.as_ref();
        let handlers: [(&[&str], _); 5] = [
            (&["livenessProbe"], spec.liveness_probe.as_ref()),
            (&["readinessProbe"], spec.readiness_probe.as_ref()),
            (&["startupProbe"], spec.startup_probe.as_ref()),
            (
                &["lifecycle", "postStart"],
                hooks.and_then(|hooks| hooks.post_start.as_ref()),
            ),
            (
                &["lifecycle", "preStop"],
                hooks.and_then(|hooks| hooks.pre_stop.as_ref()),
            ),
        ];
        for (keys, handler) in handlers {
            if let Some(handler) = handler {
                judge_handler(&container, keys, handler, settings, findings);
            }
        }
    }
}

fn judge_handler<'p>(
    container: &Container<'p>,
    keys: &[&'static str],
    handler: &'p Handler<'p>,
    settings: &HostProbes,
    findings: &mut Findings<'p>,
) {
    for (key, connection) in [
        ("httpGet", &handler.http_get),
        ("tcpSocket", &handler.tcp_socket),
    ] {
        let host = connection.as_ref().and_then(|to| to.host.as_ref());
        let host = host.map(Text::as_str).unwrap_or_default();
        if host.is_empty() || settings.allowed.iter().any(|allowed| allowed == host) {
            continue;
        }
        let place = container.place().field(keys).field(&[key, "host"]);
        let found = Finding::new(place, Found::Text(host), Remedy::Remove);
        let reason = "and the kubelet would connect to it from the node";
        findings.report(if settings.allowed.is_empty() {
            found.because(reason)
        } else {
            let allowed = Joined(&settings.allowed);
            found.because(format!("{reason}; allowed are: {allowed}"))
        });
    }
}
