//! Pods must not share the namespaces of their node.
//!
//! - **Reads** `hostIPC`, `hostPID`, `hostNetwork`, `hostUsers`
//! - **Unset** means `false` (`hostUsers`: `true`)
//! - **Allowed** what `hostNamespaces.forbidden` does not name; `user` asks that `hostUsers` is
//!   written as `false`
//! - **Not applicable** `user` on Windows, where `hostUsers` may not be set
//! - **Differs from the Pod Security Standard** in nothing at its default; the standard never
//!   looks at `hostUsers`
//! - **Source** `check_hostNamespaces.go` of pod-security-admission; the AKS article, "Secure
//!   container access"

use crate::decode::{Level, Mode, section, words};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::pod::spec::Pod;

section! {
    /// Pods do not share the IPC, PID and network namespaces of their node.
    pub(crate) struct HostNamespaces in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// Any of `ipc`, `pid`, `network`, `user`. `user` asks that `hostUsers` is written as `false`.
        "forbidden" forbidden: Vec<Namespace>
            = vec![Namespace::Ipc, Namespace::Pid, Namespace::Network],
    }
}

words! {
    /// A namespace of the node.
    pub(crate) enum Namespace {
        Ipc = "ipc",
        Pid = "pid",
        Network = "network",
        User = "user",
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &HostNamespaces, findings: &mut Findings<'p>) {
    for namespace in &settings.forbidden {
        let (field, shared) = match namespace {
            Namespace::Ipc => ("hostIPC", pod.spec.host_ipc),
            Namespace::Pid => ("hostPID", pod.spec.host_pid),
            Namespace::Network => ("hostNetwork", pod.spec.host_network),
            Namespace::User => {
                if !pod.is_windows() && pod.spec.host_users != Some(false) {
                    let found = pod.spec.host_users.map_or(Found::Unset, Found::Flag);
                    findings.report(forbidden(pod, "hostUsers", found));
                }
                continue;
            }
        };
        if shared == Some(true) {
            findings.report(forbidden(pod, field, Found::Flag(true)));
        }
    }
}

fn forbidden<'p>(pod: &'p Pod<'p>, field: &'static str, found: Found<'p>) -> Finding<'p> {
    let place = pod.field(&[field]);
    Finding::new(place, found, Remedy::Set(false.into()))
}
