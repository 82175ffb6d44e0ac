//! The update rule: what an object has been allowed to keep does not block changes to it.
//!
//! Removing a finalizer, changing a label, scaling, or adding a harmless debug container must work
//! on workloads that are older than the policy. Running another image in them is judged in full, and
//! so is what comes under a bad value of the pod that it did not run under before.

use std::cell::{Cell, OnceCell};

use crate::finding::{Inherited, Taken};
use crate::pod::container::Container;
use crate::pod::place::{ContainerKind, Subject};
use crate::pod::spec::Pod;
use crate::violation::Violation;

/// An UPDATE, as the rule looks at it.
pub(crate) struct Update<'u, 'p> {
    pod: &'p Pod<'p>,
    stored: &'u Pod<'u>,
    /// What the stored object violates.
    legacy: &'u [Violation<'u>],
    in_legacy: Search,
    in_stored: Search,
    any_runs_another_image: OnceCell<bool>,
}

impl<'u, 'p> Update<'u, 'p> {
    pub(crate) fn new(pod: &'p Pod<'p>, stored: &'u Pod<'u>, legacy: &'u [Violation<'u>]) -> Self {
        Self {
            pod,
            stored,
            legacy,
            in_legacy: Search::new(),
            in_stored: Search::new(),
            any_runs_another_image: OnceCell::new(),
        }
    }

    /// What is left of a violation: nothing where the stored object had it already and nobody comes
    /// under it now; else the violation, or what it is to the containers that do.
    pub(crate) fn count(&self, violation: Violation<'p>) -> Vec<Violation<'p>> {
        if !self.is_legacy(&violation) {
            return vec![violation];
        }
        let Violation { control, finding } = &violation;
        let Some(value) = &finding.inherited else {
            return if self.runs_another_image(finding.subject()) {
                vec![violation]
            } else {
                Vec::new()
            };
        };
        let newcomers: Vec<Container<'p>> = self
            .concerned(finding.subject())
            .filter(|container| self.newly_takes(value, container))
            .collect();
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

    fn is_legacy(&self, violation: &Violation<'p>) -> bool {
        let Violation { control, finding } = violation;
        // What nobody had before needs no search.
        let is_of_nobody = |subject| match subject {
            Subject::Container { .. } => self
                .concerned(subject)
                .all(|container| self.stored_as(&container).is_none()),
            Subject::Pod | Subject::Volume { .. } => false,
        };
        !is_of_nobody(finding.subject())
            && self
                .in_legacy
                .find(self.legacy, |old| {
                    old.control == *control && finding.is_no_worse_than(&old.finding)
                })
                .is_some()
    }

    /// The containers that a violation of this subject is about. (A volume's image is part of the
    /// violation itself.)
    fn concerned(&self, subject: Subject<'p>) -> impl Iterator<Item = Container<'p>> {
        let (one, all) = match subject {
            Subject::Pod => (None, Some(self.pod.containers())),
            Subject::Container { kind, index, .. } => (self.pod.container_at(kind, index), None),
            Subject::Volume { .. } => (None, None),
        };
        one.into_iter().chain(all.into_iter().flatten())
    }

    /// Whether the container takes a value more fully than it did before, with this image.
    fn newly_takes(&self, value: &Inherited, container: &Container<'p>) -> bool {
        let before = self
            .stored_as(container)
            .filter(|old| old.image() == container.image())
            .map_or(Taken::Not, |old| (value.taken_by)(self.stored, &old));
        (value.taken_by)(self.pod, container) > before
    }

    /// Whether one that the subject concerns has another image than in the stored object, or was not
    /// there.
    ///
    /// What no container can overrule is not held against an ephemeral container that is added: it
    /// changes nothing about the others, and could mend nothing.
    fn runs_another_image(&self, subject: Subject<'p>) -> bool {
        let find = || {
            self.concerned(subject)
                .any(|container| match self.stored_as(&container) {
                    Some(old) => old.image() != container.image(),
                    None => container.kind != ContainerKind::Ephemeral,
                })
        };
        match subject {
            // There may be many violations of the pod, and for all the answer is the same.
            Subject::Pod => *self.any_runs_another_image.get_or_init(find),
            Subject::Container { .. } | Subject::Volume { .. } => find(),
        }
    }

    fn is_added_for_debugging(&self, container: &Container<'p>) -> bool {
        container.kind == ContainerKind::Ephemeral && self.stored_as(container).is_none()
    }

    fn stored_as(&self, container: &Container<'p>) -> Option<Container<'_>> {
        let list = self.stored.list(container.kind);
        let is_it = |name: &str| name == container.name();
        let index = self.in_stored.find(list, |old| is_it(old.name.as_str()))?;
        self.stored.container_at(container.kind, index)
    }
}

/// Looks things up in a list in which they stand, more or less, in the order in which they are looked
/// for.
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

    /// The position of the first that is the one, seen from where the last one was.
    pub(crate) fn find<T>(&self, list: &[T], is_it: impl Fn(&T) -> bool) -> Option<usize> {
        let (before, behind) = list.split_at(self.next.get().min(list.len()));
        let start = before.len();
        let indices = (start..).zip(behind).chain((0..).zip(before));
        let mut steps_left = self.steps_left.get();
        let found = indices
            .take_while(|_| {
                steps_left = steps_left.saturating_sub(1);
                steps_left > 0
            })
            .find(|(_, item)| is_it(item));
        self.steps_left.set(steps_left);
        let (index, _) = found?;
        self.next.set(index);
        Some(index)
    }
}

/// A tenth of a second, at some ten instructions each.
const MAX_STEPS: usize = 20_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_in_the_order_of_a_list_takes_a_step_or_two() {
        let list: Vec<usize> = (0..1000).collect();
        let search = Search::new();
        for _ in 0..3 {
            for number in &list {
                assert_eq!(search.find(&list, |item| item == number), Some(*number));
            }
        }
        assert!(search.steps_left.get() > MAX_STEPS - 7000);
    }

    #[test]
    fn in_another_list_the_search_goes_on_where_it_can() {
        let search = Search::new();
        assert_eq!(search.find(&[1, 2, 3], |item| *item == 3), Some(2));
        assert_eq!(search.find(&[3], |item| *item == 3), Some(0));
        assert_eq!(search.find(&[], |item: &u8| *item == 3), None);
        assert_eq!(search.find(&[1, 2, 3], |item| *item == 2), Some(1));
        // The one behind comes first.
        assert_eq!(search.find(&[2, 1, 2], |item| *item == 2), Some(2));
    }

    #[test]
    fn after_its_last_step_nothing_is_found() {
        let search = Search::new();
        search.steps_left.set(3);
        assert_eq!(search.find(&[1, 2, 3], |item| *item == 2), Some(1));
        assert_eq!(search.find(&[1, 2, 3], |item| *item == 2), None);
        assert_eq!(search.steps_left.get(), 0);
    }
}
