//! Containers must not be privileged: such a container is root on its node.
//!
//! - **Reads** `securityContext.privileged` of each container, and
//!   `securityContext.windowsOptions.hostProcess` of the pod and of each container
//! - **Unset** means `false`
//! - **Allowed** anything but `true`
//! - **Not applicable** never; Windows has host process containers in place of privileged ones
//! - **Differs from the Pod Security Standard** in nothing
//! - **Source** `check_privileged.go` and `check_windowsHostProcess.go` of pod-security-admission;
//!   that a privileged container runs without the profiles it asks for is containerd's
//!   `GenerateSeccompSpecOpts` and `GenerateApparmorSpecOpts`

use super::{Control, Findings};
use crate::container::Container;
use crate::security_context::SecurityContext;
use crate::settings::{Check, Mode, section};
use crate::violation::{FieldPath, Found, Remedy, Subject, Violation};
use crate::workload::Workload;

section! {
    /// The section `privileged`.
    pub(crate) struct Privileged {
        "mode" mode: Mode = Mode::Enforce,
    }
}

impl Check for Privileged {}

pub(super) fn judge<'w>(workload: &'w Workload<'w>, _: &Privileged, findings: &mut Findings<'w>) {
    let of_pod = workload.security_context();
    if of_pod.is_some_and(SecurityContext::is_host_process) {
        let path = workload.field(&["securityContext"]).field(&HOST_PROCESS);
        let own = Remedy::Must(
            "be false, and Kubernetes takes no such container into a pod of host processes: debug \
             it from its node"
                .into(),
        );
        findings
            .report(violation(Subject::Workload, path).taken_by_unless(takes_host_process, own));
    }
    for container in workload.containers() {
        let Some(own) = container.security_context() else {
            continue;
        };
        if own.is_host_process() {
            findings.report(violation(
                container.subject(),
                container.security_field(&HOST_PROCESS),
            ));
        }
        if own.privileged == Some(true) {
            let found = violation(
                container.subject(),
                container.security_field(&["privileged"]),
            );
            findings.report(if asks_for_profile(workload, own) {
                found.because(
                    "and the runtime does not apply the seccomp and AppArmor RuntimeDefault \
                     profiles to a privileged container",
                )
            } else {
                found
            });
        }
    }
}

fn violation<'w>(subject: Subject<'w>, path: FieldPath<'w>) -> Violation<'w> {
    Violation::new(
        Control::Privileged,
        subject,
        path,
        Found::Flag(true),
        Remedy::Set(false.into()),
    )
}

fn takes_host_process(_: &Workload<'_>, container: &Container<'_>) -> bool {
    let own = container.security_context();
    own.and_then(|own| own.windows_options.as_ref())
        .is_none_or(|windows| windows.host_process.is_none())
}

/// Whether the container asks for a profile that, privileged, it will not get: any seccomp
/// profile, or AppArmor's RuntimeDefault. (A Localhost AppArmor profile is applied.)
fn asks_for_profile(workload: &Workload<'_>, own: &SecurityContext<'_>) -> bool {
    let of_pod = workload.security_context();
    let seccomp = own
        .seccomp_profile
        .as_ref()
        .or(of_pod.and_then(|pod| pod.seccomp_profile.as_ref()));
    let app_armor = own
        .app_armor_profile
        .as_ref()
        .or(of_pod.and_then(|pod| pod.app_armor_profile.as_ref()));
    seccomp.is_some_and(|profile| profile.type_() != "Unconfined")
        || app_armor.is_some_and(|profile| profile.type_() == "RuntimeDefault")
}

const HOST_PROCESS: [&str; 2] = ["windowsOptions", "hostProcess"];
