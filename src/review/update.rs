//! The update rule: what an object has been allowed to keep does not block changes to it.
//!
//! Removing a finalizer, changing a label, scaling, or adding a harmless debug container must work
//! on workloads that are older than the policy. Running another image in them is judged in full, and
//! so is what comes under a bad value of the pod that it did not run under before.

use crate::finding::{Inherited, Taken};
use crate::pod::container::Container;
use crate::pod::place::{ContainerKind, Subject};
use crate::pod::spec::Pod;
use crate::violation::Violation;

/// An UPDATE, as the rule looks at it.
pub(crate) struct Update<'u, 'p> {
    pub(crate) pod: &'p Pod<'p>,
    pub(crate) stored: &'u Pod<'u>,
    /// What the stored object violates.
    pub(crate) legacy: &'u [Violation<'u>],
}

impl<'p> Update<'_, 'p> {
    /// What is left of a violation: nothing where the stored object had it already and nobody comes
    /// under it now; else the violation, or what it is to the containers that do.
    pub(crate) fn count(&self, violation: Violation<'p>) -> Vec<Violation<'p>> {
        let Violation { control, finding } = &violation;
        let is_legacy =
            |old: &Violation<'_>| old.control == *control && finding.is_no_worse_than(&old.finding);
        if !self.legacy.iter().any(is_legacy) {
            return vec![violation];
        }
        let newcomers: Vec<Container<'p>> = match &finding.inherited {
            Some(value) => self
                .concerned(finding.subject())
                .filter(|container| self.newly_takes(value, container))
                .collect(),
            // What no container can overrule is not held against an ephemeral container that is
            // added: it changes nothing about the others, and could mend nothing.
            None => self
                .concerned(finding.subject())
                .filter(|container| !self.is_added_for_debugging(container))
                .filter(|container| self.runs_another_image(container))
                .collect(),
        };
        let is_for_debugging = |container| self.is_added_for_debugging(container);
        if finding.subject() == Subject::Pod && newcomers.iter().all(is_for_debugging) {
            return newcomers
                .iter()
                .map(|container| Violation {
                    control: *control,
                    finding: finding.of_container(container),
                })
                .collect();
        }
        if newcomers.is_empty() {
            return Vec::new();
        }
        vec![violation]
    }

    /// The containers that a violation of this subject is about. (A volume's image is part of the
    /// violation itself.)
    fn concerned(&self, subject: Subject<'p>) -> impl Iterator<Item = Container<'p>> {
        self.pod
            .containers()
            .filter(move |container| subject == Subject::Pod || container.subject() == subject)
    }

    /// Whether the container takes a value more fully than it did before, with this image.
    fn newly_takes(&self, value: &Inherited, container: &Container<'p>) -> bool {
        let before = self
            .stored_as(container)
            .filter(|old| old.image() == container.image())
            .map_or(Taken::Not, |old| (value.taken_by)(self.stored, &old));
        (value.taken_by)(self.pod, container) > before
    }

    /// Whether the stored object has this container with another image, or does not have it.
    fn runs_another_image(&self, container: &Container<'p>) -> bool {
        self.stored_as(container)
            .is_none_or(|old| old.image() != container.image())
    }

    fn is_added_for_debugging(&self, container: &Container<'p>) -> bool {
        container.kind == ContainerKind::Ephemeral && self.stored_as(container).is_none()
    }

    fn stored_as(&self, container: &Container<'p>) -> Option<Container<'_>> {
        self.stored
            .containers()
            .find(|old| old.subject().is_same_as(&container.subject()))
    }
}
