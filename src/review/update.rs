//! The update rule: what an object has been allowed to keep does not block changes to it.
//!
//! Removing a finalizer, changing a label, scaling, or adding a harmless debug container must work
//! on workloads that are older than the policy. Running another image in them is judged in full, and
//! so is what comes under a bad value of the pod that it did not run under before.
//!
//! What a controller creates is compared with the template that it is made from in the same way.

use std::cell::{Cell, OnceCell};
use std::mem;

use super::guards;
use crate::controls::Control;
use crate::finding::{Inherited, Taken};
use crate::json::{Text, has, sorted};
use crate::pod::container::Container;
use crate::pod::place::{ContainerKind, Subject};
use crate::pod::spec::Pod;
use crate::violation::Violation;

/// A change, as the rule looks at it.
pub(crate) struct Update<'u, 'p> {
    pod: &'p Pod<'p>,
    /// The pod of the stored object, or of the template that the object is made from.
    stored: &'u Pod<'u>,
    /// Whether it is that template.
    is_made_from: bool,
    /// What the stored object violates.
    stored_violations: &'u [Violation<'u>],
    in_stored_violations: Search,
    in_stored: Search,
    any_runs_another_image: OnceCell<bool>,
    newly_mounted: OnceCell<Option<Vec<Text<'p>>>>,
    is_pod_less_guarded: OnceCell<bool>,
    is_any_less_guarded: OnceCell<bool>,
}

impl<'u, 'p> Update<'u, 'p> {
    pub(crate) fn new(
        pod: &'p Pod<'p>,
        stored: &'u Pod<'u>,
        is_made_from: bool,
        stored_violations: &'u [Violation<'u>],
    ) -> Self {
        Self {
            pod,
            stored,
            is_made_from,
            stored_violations,
            in_stored_violations: Search::new(),
            in_stored: Search::new(),
            any_runs_another_image: OnceCell::new(),
            newly_mounted: OnceCell::new(),
            is_pod_less_guarded: OnceCell::new(),
            is_any_less_guarded: OnceCell::new(),
        }
    }

    /// Leaves of violations what counts: nothing of those that the stored object had already and nobody
    /// comes under now; of others the violation, or what it is to the containers that do. Says whose
    /// controls have nothing left of a violation.
    pub(crate) fn count(&self, violations: &mut Vec<Violation<'p>>) -> Vec<Control> {
        let mut excused = Vec::new();
        for mut violation in mem::take(violations) {
            match self.left(&violation) {
                Left::Nothing if violation.finding.question.is_some() => {}
                Left::Nothing => excused.push(violation.control),
                Left::All(note) => {
                    if let Some(note) = note {
                        violation.note(note);
                    }
                    violations.push(violation);
                }
                Left::To(containers) => {
                    for container in &containers {
                        let finding = violation.finding.of_container(container);
                        let Violation { control, mode, .. } = violation;
                        violations.push(Violation::new(control, mode, finding));
                    }
                }
            }
        }
        excused
    }

    /// Whether nothing is left of a violation.
    pub(crate) fn excuses(&self, violation: &Violation<'p>) -> bool {
        matches!(self.left(violation), Left::Nothing)
    }

    fn left(&self, violation: &Violation<'p>) -> Left<'p> {
        let finding = &violation.finding;
        let own = match finding.subject() {
            Subject::Container { kind, index, .. } => self.pod.container_at(kind, index),
            // A volume's image, or its path, is part of the violation itself.
            Subject::Pod | Subject::Volume { .. } => None,
        };
        let is_new = own.is_some_and(|container| self.stored_as(&container).is_none());
        if is_new || !self.was_violated_before(violation) {
            return Left::All(None);
        }
        let is_counted = match (&finding.inherited, finding.subject()) {
            (None, Subject::Pod) => *self.any_runs_another_image.get_or_init(|| {
                let mut all = self.pod.containers();
                all.any(|container| self.runs_another_image(&container))
            }),
            (_, Subject::Volume { name, .. }) => self.newly_mounts(name),
            (None, _) => own.is_some_and(|container| self.runs_another_image(&container)),
            (Some(value), Subject::Pod) => {
                let mut newcomers: Vec<Container<'p>> = self.pod.containers().collect();
                newcomers.retain(|container| self.newly_takes(value, container));
                let mut all = newcomers.iter();
                if !newcomers.is_empty() && all.all(|container| self.is_added_beside(container)) {
                    return Left::To(newcomers);
                }
                !newcomers.is_empty()
            }
            (Some(value), _) => own.is_some_and(|container| self.newly_takes(value, &container)),
        };
        let is_right = !violation.control.is_about_images();
        if !is_counted && is_right && self.is_less_guarded(own.as_ref()) {
            return Left::All(Some(
                "it was there before, and counts because a user namespace, a sandbox, a user or a profile that \
                 limited it has changed",
            ));
        }
        if !is_counted {
            return Left::Nothing;
        }
        Left::All(Some(
            if own.is_some_and(|container| self.runs_another_image(&container)) {
                "it was there before, and counts because the image changes"
            } else {
                "it was there before, and counts because another image or container comes under it"
            },
        ))
    }

    fn was_violated_before(&self, violation: &Violation<'p>) -> bool {
        // They are sorted by control.
        let all = self.stored_violations;
        let start = all.partition_point(|old| old.control < violation.control);
        let end = all.partition_point(|old| old.control <= violation.control);
        let of_control = all.get(start..end).unwrap_or_default();
        let is_it = |index: usize| {
            let old = of_control.get(index);
            old.is_some_and(|old| violation.finding.is_no_worse_than(&old.finding))
        };
        self.in_stored_violations
            .find(of_control.len(), &is_it)
            .is_some()
    }

    /// Whether what kept the harm of a violation small is gone: around the container that it is of, or
    /// around any.
    fn is_less_guarded(&self, own: Option<&Container<'p>>) -> bool {
        let of_pod = || guards::are_less_of_pod(self.stored, self.pod);
        let is_less = |container: &Container<'p>| {
            self.stored_as(container)
                .is_some_and(|old| guards::are_less((self.stored, &old), (self.pod, container)))
        };
        let of_any = || self.pod.containers().any(|container| is_less(&container));
        *self.is_pod_less_guarded.get_or_init(of_pod)
            || own.map_or_else(|| *self.is_any_less_guarded.get_or_init(of_any), is_less)
    }

    /// Whether the container takes a value more fully than it did before, with this image.
    fn newly_takes(&self, value: &Inherited, container: &Container<'p>) -> bool {
        let before = self
            .stored_as(container)
            .filter(|old| old.image() == container.image())
            .map_or(Taken::Not, |old| (value.taken_by)(self.stored, &old));
        (value.taken_by)(self.pod, container) > before
    }

    /// Whether a container mounts the volume, or more of it, that did not do so before, with this image.
    fn newly_mounts(&self, volume: &str) -> bool {
        let newly_mounted = self.newly_mounted.get_or_init(|| {
            let mut newly_mounted = Vec::new();
            let in_before = Search::new();
            for container in self.pod.containers() {
                let before = self.stored_as(&container);
                let before = before.filter(|old| old.image() == container.image());
                let before = before.and_then(|old| old.mounts()).unwrap_or_default();
                for mount in container.mounts()? {
                    let is_it = |index: usize| {
                        let old = before.get(index);
                        old.is_some_and(|old| guards::is_no_more(&mount, old))
                    };
                    if in_before.find(before.len(), &is_it).is_none() {
                        newly_mounted.push(mount.name);
                    }
                }
            }
            Some(sorted(newly_mounted))
        });
        // Of what cannot be read, nothing is known.
        newly_mounted
            .as_ref()
            .is_none_or(|names| has(names, volume))
    }

    /// Whether the stored object has this container with another image, or does not have it.
    ///
    /// What no container can overrule is not held against one that is added beside the others: it
    /// changes nothing about them, and could mend nothing.
    fn runs_another_image(&self, container: &Container<'p>) -> bool {
        match self.stored_as(container) {
            Some(old) => old.image() != container.image(),
            None => !self.is_by_others(container.kind),
        }
    }

    /// Whether somebody other than who wrote the template adds a container of this kind: to debug a Pod
    /// that runs, or into every Pod that is made.
    fn is_by_others(&self, kind: ContainerKind) -> bool {
        self.is_made_from || kind == ContainerKind::Ephemeral
    }

    fn is_added_beside(&self, container: &Container<'p>) -> bool {
        self.is_by_others(container.kind) && self.stored_as(container).is_none()
    }

    fn stored_as(&self, container: &Container<'p>) -> Option<Container<'_>> {
        let list = self.stored.list(container.kind);
        let index = self.in_stored.find(list.len(), &|index| {
            let old = list.get(index);
            old.is_some_and(|old| old.name.as_str() == container.name())
        })?;
        self.stored.container_at(container.kind, index)
    }
}

/// What is left of a violation.
enum Left<'p> {
    Nothing,
    /// All of it; and why, where it was there before.
    All(Option<&'static str>),
    /// What it is to these containers, which come under it now.
    To(Vec<Container<'p>>),
}

/// Looks things up in a list in which they stand, more or less, in the order in which they are looked
/// for, or in the opposite one.
///
/// Where they do not, no request shall take longer for it than it may: what is not found in so many
/// steps is not there, and then excuses nothing.
pub(crate) struct Search {
    next: Cell<usize>,
    steps_left: Cell<usize>,
}

impl Search {
    pub(crate) fn new() -> Self {
        Self {
            next: Cell::new(0),
            steps_left: Cell::new(MAX_STEPS),
        }
    }

    /// The nearest position to the last one that is the one in a list of this length.
    // Once in the module for all lists.
    #[inline(never)]
    pub(crate) fn find(&self, len: usize, is_it: &dyn Fn(usize) -> bool) -> Option<usize> {
        let start = self.next.get();
        let farthest = start.max(len);
        for distance in 0..=farthest {
            let behind = start.checked_sub(distance).filter(|_| distance > 0);
            for index in [start.checked_add(distance), behind].into_iter().flatten() {
                if index < len {
                    let steps_left = self.steps_left.get().checked_sub(1)?;
                    self.steps_left.set(steps_left);
                    if is_it(index) {
                        self.next.set(index);
                        return Some(index);
                    }
                }
            }
        }
        None
    }
}

/// A tenth of a second, at some hundred instructions each. 500 containers in any order, in which six controls
/// find something, take no more.
const MAX_STEPS: usize = 1_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_in_the_order_of_a_list_takes_a_step_or_two() {
        let search = Search::new();
        for _ in 0..3 {
            for number in 0..1000 {
                assert_eq!(search.find(1000, &|index| index == number), Some(number));
            }
        }
        assert!(search.steps_left.get() > MAX_STEPS - 9000);
    }

    #[test]
    fn in_another_list_the_search_goes_on_where_it_can() {
        let search = Search::new();
        assert_eq!(search.find(3, &|index| index == 2), Some(2));
        assert_eq!(search.find(1, &|index| index == 0), Some(0));
        assert_eq!(search.find(0, &|_| true), None);
        assert_eq!(search.find(3, &|index| index == 1), Some(1));
        // The one behind comes first.
        assert_eq!(search.find(3, &|index| index != 1), Some(2));
        assert_eq!(search.find(3, &|_| false), None);
    }

    #[test]
    fn after_its_last_step_nothing_is_found() {
        let search = Search::new();
        search.steps_left.set(3);
        assert_eq!(search.find(3, &|index| index == 1), Some(1));
        assert_eq!(search.find(3, &|index| index == 1), Some(1));
        assert_eq!(search.find(3, &|index| index == 1), None);
    }
}
