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

use super::{Control, Findings};
use crate::settings::{Check, Mode, section, words};
use crate::violation::{Found, Remedy, Subject, Violation};
use crate::workload::Workload;

section! {
    /// The section `hostNamespaces`.
    pub(crate) struct HostNamespaces {
        "mode" mode: Mode = Mode::Enforce,
        /// The namespaces that pods must not share; `user` asks for `hostUsers: false`.
        "forbidden" forbidden: Vec<Namespace>
            = vec![Namespace::Ipc, Namespace::Pid, Namespace::Network],
    }
}

impl Check for HostNamespaces {}

words! {
    /// A namespace of the node.
    pub(crate) enum Namespace {
        Ipc = "ipc",
        Pid = "pid",
        Network = "network",
        User = "user",
    }
}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    settings: &HostNamespaces,
    findings: &mut Findings<'w>,
) {
    let pod = &workload.pod;
    for namespace in &settings.forbidden {
        let (field, shared) = match namespace {
            Namespace::Ipc => ("hostIPC", pod.host_ipc),
            Namespace::Pid => ("hostPID", pod.host_pid),
            Namespace::Network => ("hostNetwork", pod.host_network),
            Namespace::User => {
                if !workload.is_windows() && pod.host_users != Some(false) {
                    let found = pod.host_users.map_or(Found::Unset, Found::Flag);
                    findings.report(forbidden(workload, "hostUsers", found));
                }
                continue;
            }
        };
        if shared == Some(true) {
            findings.report(forbidden(workload, field, Found::Flag(true)));
        }
    }
}

fn forbidden<'w>(
    workload: &'w Workload<'w>,
    field: &'static str,
    found: Found<'w>,
) -> Violation<'w> {
    let path = workload.field(&[field]);
    Violation::new(
        Control::HostNamespaces,
        Subject::Workload,
        path,
        found,
        Remedy::Set(false.into()),
    )
}
