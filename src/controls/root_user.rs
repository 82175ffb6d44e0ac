//! Containers must not run as root.
//!
//! - **Reads** `securityContext.runAsNonRoot` and `.runAsUser` of the pod and of each container,
//!   and `hostUsers`
//! - **Unset** means the pod's value; unset there too, the user that the image names
//! - **Allowed** no `runAsUser: 0` anywhere, and with `require: runAsNonRoot` an effective
//!   `runAsNonRoot: true` for each container and `false` nowhere, also where it is overridden.
//!   With `require: nonRootUser` an effective `runAsUser` other than 0 is as good
//! - **Not applicable** with `relaxForUserNamespaces` to pods with `hostUsers: false`, whose root
//!   is nobody on the node. Windows pods are judged
//! - **Differs from the Pod Security Standard** in nothing at its default. The standard has it at its
//!   restricted level, and relaxes for user namespaces since 1.35
//! - **Source** `check_runAsNonRoot.go` and `check_runAsUser.go` of pod-security-admission

use crate::decode::{Level, Mode, loosens, section, words};
use crate::finding::{Finding, Findings, Found, Remedy, Taken};
use crate::pod::container::Container;
use crate::pod::place::Place;
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;

section! {
    /// No container runs as root.
    pub(crate) struct RootUser in standard {
        "mode" mode: Mode = standard.mode_from(Level::Restricted),
        /// `runAsNonRoot`: `runAsNonRoot: true` in effect for each container, and `false` nowhere;
        /// `nonRootUser`: an effective `runAsUser` other than 0 is as good.
        "require" require: Requirement = Requirement::RunAsNonRoot,
        /// `true`: pods with `hostUsers: false` are not judged. `false` where `version` is before v1.35.
        "relaxForUserNamespaces" relax_for_user_namespaces: bool = standard.is_since(35),
    }
}

words! {
    /// What shows that a container does not run as root.
    pub(crate) enum Requirement {
        /// `runAsNonRoot: true`, which the kubelet holds the image to.
        RunAsNonRoot = "runAsNonRoot",
        /// That, or a `runAsUser` other than 0.
        NonRootUser = "nonRootUser",
    }
}

loosens! {
    RootUser {
        "require" require: Requirement = Requirement::NonRootUser,
        "relaxForUserNamespaces" relax_for_user_namespaces: bool = true,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &RootUser, findings: &mut Findings<'p>) {
    if settings.relax_for_user_namespaces && pod.has_own_user_namespace() {
        return;
    }
    let strict = settings.require == Requirement::RunAsNonRoot;
    let of_pod = pod.security_context();
    let non_root_of_pod = of_pod.and_then(|pod| pod.run_as_non_root);
    let user_of_pod = of_pod.and_then(|pod| pod.run_as_user);
    let field_of_pod = |field| pod.field(&["securityContext", field]);
    if user_of_pod == Some(0) {
        let another = Remedy::Must("be a user other than 0".into());
        findings.report(root(field_of_pod(RUN_AS_USER)).taken_by_unless(takes_user, another));
    }
    if strict && non_root_of_pod == Some(false) {
        let found = Found::Flag(false);
        let found = not_non_root(field_of_pod(RUN_AS_NON_ROOT), found);
        findings.report(found.taken_by(takes_non_root));
    }
    for container in pod.containers() {
        let own = container.security_context();
        let own_non_root = own.and_then(|own| own.run_as_non_root);
        let own_user = own.and_then(|own| own.run_as_user);
        if own_user == Some(0) {
            findings.report(root(container.security_field(&[RUN_AS_USER])));
        }
        let is_non_root = own_non_root.or(non_root_of_pod) == Some(true);
        let has_other_user = has_other_user(pod, &container);
        if is_non_root || (!strict && has_other_user) {
            continue;
        }
        // The pod's own `false` is reported once, for the pod; here it would be no news.
        if strict && own_non_root.is_none() && non_root_of_pod == Some(false) {
            continue;
        }
        let found = own_non_root.map_or(Found::Unset, Found::Flag);
        let place = container.security_field(&[RUN_AS_NON_ROOT]);
        // The same field may be unset, and another user run all the same.
        let bounds = has_other_user.then_some("a user other than 0");
        let violation = not_non_root(place, found).bounded_by(bounds.into_iter().collect());
        findings.report(match (own_non_root, strict) {
            (None, true) => violation
                .because("neither here nor for the pod")
                .or_from_pod(takes_non_root),
            (None, false) => violation
                .because("and there is no runAsUser other than 0")
                .or_from_pod(takes_non_root),
            (Some(_), _) => violation,
        });
    }
}

/// Uid 0. Without it the user is the image's, which `runAsNonRoot` keeps from being root.
fn root(place: Place<'_>) -> Finding<'_> {
    Finding::new(place, Found::Number(0), Remedy::Remove).because("which is root")
}

fn not_non_root<'p>(place: Place<'p>, found: Found<'p>) -> Finding<'p> {
    Finding::new(place, found, Remedy::Set(true.into()))
}

/// Whether the container's user is written, and not root.
fn has_other_user(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    let of =
        |context: Option<&SecurityContext<'_>>| context.and_then(|context| context.run_as_user);
    of(container.security_context())
        .or(of(pod.security_context()))
        .is_some_and(|user| user != 0)
}

fn takes_user(_: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    own.is_none_or(|own| own.run_as_user.is_none()).into()
}

fn takes_non_root(pod: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    if own.is_some_and(|own| own.run_as_non_root.is_some()) {
        Taken::Not
    } else if has_other_user(pod, container) {
        Taken::Bounded
    } else {
        Taken::Fully
    }
}

const RUN_AS_NON_ROOT: &str = "runAsNonRoot";
const RUN_AS_USER: &str = "runAsUser";
