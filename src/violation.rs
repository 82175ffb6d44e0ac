//! What the controls have found, each with the control that did.

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};
use std::mem;

use crate::controls::Control;
use crate::finding::{Finding, Findings};
use crate::json::sorted;

/// What is found, and by which control.
#[derive(Debug)]
pub(crate) struct Violation<'p> {
    pub(crate) control: Control,
    pub(crate) finding: Finding<'p>,
}

impl Ord for Violation<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_control = self.control.cmp(&other.control);
        by_control.then_with(|| self.finding.sort_key().cmp(&other.finding.sort_key()))
    }
}

impl PartialOrd for Violation<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Violation<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Violation<'_> {}

/// What all controls have found.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'p> {
    /// By control and place in the manifest, each once.
    pub(crate) violations: Vec<Violation<'p>>,
    /// What the user should know and no violation says; sorted, each once.
    pub(crate) notices: Vec<String>,
    /// Whether a control that enforces has found more than is kept.
    pub(crate) is_cut: bool,
}

impl Display for Violation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.control, self.finding)
    }
}

impl<'p> Outcome<'p> {
    /// Takes over what a control has found.
    pub(crate) fn stamp(&mut self, control: Control, findings: &mut Findings<'p>) {
        let found = findings.found.drain(..);
        self.violations
            .extend(found.map(|finding| Violation { control, finding }));
    }

    /// Puts in the place of each violation what `count` leaves of it.
    pub(crate) fn replace(&mut self, count: impl Fn(Violation<'p>) -> Vec<Violation<'p>>) {
        let violations = mem::take(&mut self.violations);
        self.violations = violations.into_iter().flat_map(count).collect();
        self.sort();
    }

    pub(crate) fn sort(&mut self) {
        self.violations = sorted(mem::take(&mut self.violations));
        self.violations.dedup();
    }
}
