//! The update rule: what an object has been allowed to keep does not block changes to it.
//!
//! Removing a finalizer, changing a label, scaling, or adding a harmless debug container must work
//! on workloads that are older than the policy. Running another image in them is judged in full, and
//! so is what comes under a bad value of the pod that it did not run under before.

use crate::container::Container;
use crate::json::Text;
use crate::violation::{ContainerKind, Inherited, Subject, Violation};
use crate::workload::Workload;

/// An UPDATE, as the rule looks at it.
pub(super) struct Update<'u, 'w> {
    pub(super) workload: &'w Workload<'w>,
    pub(super) stored: &'u Workload<'u>,
    /// What the stored object violates.
    pub(super) legacy: &'u [Violation<'u>],
}

impl<'w> Update<'_, 'w> {
    /// What is left of a violation: nothing where the stored object had it already and nobody comes
    /// under it now; else the violation, or what it is to the containers that do.
    pub(super) fn count(&self, violation: Violation<'w>) -> Vec<Violation<'w>> {
        if !self.legacy.iter().any(|old| violation.is_same_as(old)) {
            return vec![violation];
        }
        let newcomers: Vec<Container<'w>> = match &violation.inherited {
            Some(value) => self
                .concerned(violation.subject)
                .filter(|container| self.newly_takes(value, container))
                .collect(),
            // What no container can overrule is not held against an ephemeral container that is
            // added: it changes nothing about the others, and could mend nothing.
            None => self
                .concerned(violation.subject)
                .filter(|container| !self.is_added_for_debugging(container))
                .filter(|container| self.runs_another_image(container))
                .collect(),
        };
        let is_for_debugging = |container| self.is_added_for_debugging(container);
        if violation.subject == Subject::Workload && newcomers.iter().all(is_for_debugging) {
            return newcomers
                .iter()
                .map(|container| violation.of_container(container))
                .collect();
        }
        if newcomers.is_empty() {
            return Vec::new();
        }
        vec![violation]
    }

    /// The containers that a violation of this subject is about. (A volume's image is part of the
    /// violation itself.)
    fn concerned(&self, subject: Subject<'w>) -> impl Iterator<Item = Container<'w>> {
        self.workload
            .containers()
            .filter(move |container| subject == Subject::Workload || container.subject() == subject)
    }

    /// Whether the container takes a value that, with this image, it did not take before.
    fn newly_takes(&self, value: &Inherited, container: &Container<'w>) -> bool {
        (value.is_taken_by)(self.workload, container)
            && !self.stored_as(container).is_some_and(|old| {
                image(&old) == image(container) && (value.is_taken_by)(self.stored, &old)
            })
    }

    /// Whether the stored object has this container with another image, or does not have it.
    fn runs_another_image(&self, container: &Container<'w>) -> bool {
        !self
            .stored_as(container)
            .is_some_and(|old| image(&old) == image(container))
    }

    fn is_added_for_debugging(&self, container: &Container<'w>) -> bool {
        container.kind == ContainerKind::Ephemeral && self.stored_as(container).is_none()
    }

    fn stored_as(&self, container: &Container<'w>) -> Option<Container<'_>> {
        self.stored
            .containers()
            .find(|old| old.subject().is_same_as(&container.subject()))
    }
}

fn image<'w>(container: &Container<'w>) -> Option<&'w str> {
    container.spec.image.as_ref().map(Text::as_str)
}
