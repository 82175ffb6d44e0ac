//! Containers must not be privileged: such a container is root on its node.
//!
//! - **Reads** `securityContext.privileged` of each container, and
//!   `securityContext.windowsOptions.hostProcess` of the pod and of each container; for the reason that a
//!   violation gives, also `seccompProfile` and `appArmorProfile`
//! - **Unset** means `false`
//! - **Allowed** anything but `true`
//! - **Not applicable** never; Windows has host process containers in place of privileged ones
//! - **Differs from the Pod Security Standard** in nothing
//! - **Source** `check_privileged.go` and `check_windowsHostProcess.go` of pod-security-admission;
//!   that a privileged container runs without the profiles it asks for is containerd's
//!   `GenerateSeccompSpecOpts` and `GenerateApparmorSpecOpts`

use crate::decode::{Level, Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy, Taken};
use crate::pod::container::Container;
use crate::pod::place::Place;
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;

section! {
    /// No container has all rights over its node.
    ///
    /// No container may be `privileged`, nor a Windows container a host process
    /// (`windowsOptions.hostProcess`).
    pub(crate) struct Privileged in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &Privileged, findings: &mut Findings<'p>) {
    let of_pod = pod.security_context();
    if of_pod.is_some_and(SecurityContext::is_host_process) {
        let place = pod.field(&["securityContext"]).field(&HOST_PROCESS);
        let own = Remedy::Must(
            "be false, and Kubernetes takes no such container into a pod of host processes: debug \
             it from its node"
                .into(),
        );
        findings.report(must_be_false(place).taken_by_unless(takes_host_process, own));
    }
    for container in pod.containers() {
        let Some(own) = container.security_context() else {
            continue;
        };
        if own.is_host_process() {
            findings.report(must_be_false(container.security_field(&HOST_PROCESS)));
        }
        if own.privileged == Some(true) {
            let found = must_be_false(container.security_field(&["privileged"]));
            findings.report(if asks_for_profile(pod, own) {
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

fn must_be_false(place: Place<'_>) -> Finding<'_> {
    Finding::new(place, Found::Flag(true), Remedy::Set(false.into()))
}

fn takes_host_process(_: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    own.and_then(|own| own.windows_options.as_ref())
        .is_none_or(|windows| windows.host_process.is_none())
        .into()
}

/// Whether the container asks for a profile that, privileged, it will not get: any seccomp
/// profile, or AppArmor's RuntimeDefault. (A Localhost AppArmor profile is applied.)
fn asks_for_profile(pod: &Pod<'_>, own: &SecurityContext<'_>) -> bool {
    let of_pod = pod.security_context();
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
