//! What the controls have found, each with the control that did.

use std::fmt::{self, Display, Formatter};
use std::mem;

use crate::controls::Control;
use crate::finding::{Finding, Findings};

/// What is found, and by which control.
#[derive(Debug)]
pub(crate) struct Violation<'p> {
    pub(crate) control: Control,
    pub(crate) finding: Finding<'p>,
}

impl Violation<'_> {
    fn sort_key(&self) -> impl Ord {
        (self.control, self.finding.sort_key())
    }
}

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
        self.violations
            .sort_unstable_by(|left, right| left.sort_key().cmp(&right.sort_key()));
        self.violations
            .dedup_by(|left, right| left.sort_key() == right.sort_key());
    }
}
