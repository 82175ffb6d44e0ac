//! What keeps the harm of a violation small and is no violation where it is missing: a privileged container
//! in a user namespace is nobody on the node. A violation that was there before is another one without it.

use crate::pod::container::{Container, VolumeMount};
use crate::pod::profile::Profile;
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;

/// Whether a pod has less around all of its containers than it had.
pub(crate) fn are_less_of_pod(old: &Pod<'_>, new: &Pod<'_>) -> bool {
    let class_of_old = old.spec.runtime_class_name.as_ref();
    (old.has_own_user_namespace() && !new.has_own_user_namespace())
        || (class_of_old.is_some() && class_of_old != new.spec.runtime_class_name.as_ref())
        || (new.spec.share_process_namespace == Some(true)
            && old.spec.share_process_namespace != Some(true))
}

/// Whether a container has less around it than it had.
pub(crate) fn are_less(
    (old_pod, old): (&Pod<'_>, &Container<'_>),
    (new_pod, new): (&Pod<'_>, &Container<'_>),
) -> bool {
    let user = |pod, container| effective(pod, container, |context| context.run_as_user);
    let is_user = |user: Option<i64>| user.is_some_and(|user| user != 0);
    let is_non_root =
        |pod, container| effective(pod, container, |own| own.run_as_non_root) == Some(true);
    let does_not_escalate = |container: &Container<'_>| {
        let own = container.security_context();
        own.and_then(|own| own.allow_privilege_escalation) == Some(false)
    };
    (is_user(user(old_pod, old)) && !is_user(user(new_pod, new)))
        || (is_non_root(old_pod, old) && !is_non_root(new_pod, new))
        || (does_not_escalate(old) && !does_not_escalate(new))
        || is_weaker(app_armor(old_pod, old), app_armor(new_pod, new))
        || is_weaker(seccomp(old_pod, old), seccomp(new_pod, new))
}

/// Whether a mount shows and allows no more of its volume than another one does.
pub(crate) fn is_no_more(mount: &VolumeMount<'_>, old: &VolumeMount<'_>) -> bool {
    let is_whole = old.sub_path.as_str().is_empty() && old.sub_path_expr.as_str().is_empty();
    let is_same = old.sub_path == mount.sub_path && old.sub_path_expr == mount.sub_path_expr;
    let was_read_only = old.read_only == Some(true);
    mount.name == old.name
        && (is_whole || is_same)
        && (!was_read_only || mount.read_only == Some(true))
}

/// A value of the container, else of its pod.
fn effective<T>(
    pod: &Pod<'_>,
    container: &Container<'_>,
    of: impl Fn(&SecurityContext<'_>) -> Option<T>,
) -> Option<T> {
    let own = container.security_context().and_then(&of);
    own.or_else(|| pod.security_context().and_then(&of))
}

/// Where none is written, a node has one for containers that are not privileged.
fn app_armor<'p>(pod: &'p Pod<'p>, container: &Container<'p>) -> Option<Profile<'p>> {
    let own = container.security_context();
    if let Some(written) = own.and_then(|own| own.app_armor_profile.as_ref()) {
        return written.parse().ok();
    }
    if let Some(annotation) = pod.annotations.app_armor_of(container.name()) {
        return annotation.app_armor().ok().flatten();
    }
    let of_pod = pod.security_context();
    if let Some(written) = of_pod.and_then(|of_pod| of_pod.app_armor_profile.as_ref()) {
        return written.parse().ok();
    }
    let is_privileged = own.and_then(|own| own.privileged) == Some(true);
    (!is_privileged).then_some(Profile::RuntimeDefault)
}

fn seccomp<'p>(pod: &'p Pod<'p>, container: &Container<'p>) -> Option<Profile<'p>> {
    let own = container.security_context();
    let own = own.and_then(|own| own.seccomp_profile.as_ref());
    let written = own.or_else(|| pod.security_context()?.seccomp_profile.as_ref());
    written?.parse().ok()
}

/// Nobody knows whether another profile of the node is as tight.
fn is_weaker(old: Option<Profile<'_>>, new: Option<Profile<'_>>) -> bool {
    match old {
        None | Some(Profile::Unconfined) => false,
        Some(Profile::RuntimeDefault) => matches!(new, None | Some(Profile::Unconfined)),
        Some(Profile::Localhost(_)) => new != old,
    }
}
