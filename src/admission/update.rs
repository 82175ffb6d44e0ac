//! The update rule: what an object has been allowed to keep does not block changes to it.
//!
//! Removing a finalizer, changing a label, scaling, or adding a harmless debug container must work
//! on workloads that are older than the policy. Running another image in them is judged in full.

use crate::container::Container;
use crate::controls::Control;
use crate::json::Text;
use crate::violation::{ContainerKind, Subject, Violation};
use crate::workload::Workload;

/// Whether a violation counts against an UPDATE from `stored` to `workload`.
pub(super) fn counts(
    violation: &Violation<'_>,
    workload: &Workload<'_>,
    stored: &Workload<'_>,
    legacy: &[Violation<'_>],
) -> bool {
    let is_legacy = legacy.iter().any(|old| violation.is_same_as(old));
    !is_legacy
        || match violation.subject {
            // A volume's image is part of the violation itself.
            Subject::Volume { .. } => false,
            Subject::Workload => workload
                .containers()
                .filter(|container| {
                    container.kind != ContainerKind::Ephemeral || is_in(container, stored)
                })
                .any(|container| {
                    runs_another_image(&container, stored)
                        || has_dropped_its_profile(violation.control, &container, stored)
                }),
            Subject::Container { .. } => workload
                .containers()
                .filter(|container| container.subject() == violation.subject)
                .any(|container| runs_another_image(&container, stored)),
        }
}

/// Whether the stored object has this container with another image, or does not have it. An
/// ephemeral container that is new is not asked: it changes nothing about the others.
fn runs_another_image(container: &Container<'_>, stored: &Workload<'_>) -> bool {
    !stored
        .containers()
        .any(|old| is_same(container, &old) && image(&old) == image(container))
}

/// Whether the stored object has this container with a profile of its own, in whose place now comes
/// the pod's.
fn has_dropped_its_profile(
    control: Control,
    container: &Container<'_>,
    stored: &Workload<'_>,
) -> bool {
    let has_own = |container: &Container<'_>| {
        container
            .security_context()
            .is_some_and(|context| match control {
                Control::AppArmor => context.app_armor_profile.is_some(),
                Control::Seccomp => context.seccomp_profile.is_some(),
                _ => false,
            })
    };
    !has_own(container)
        && stored
            .containers()
            .any(|old| is_same(container, &old) && has_own(&old))
}

fn is_in(container: &Container<'_>, stored: &Workload<'_>) -> bool {
    stored.containers().any(|old| is_same(container, &old))
}

fn is_same(left: &Container<'_>, right: &Container<'_>) -> bool {
    left.subject().is_same_as(&right.subject())
}

fn image<'w>(container: &Container<'w>) -> Option<&'w str> {
    container.spec.image.as_ref().map(Text::as_str)
}
