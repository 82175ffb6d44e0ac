//! What the controls have found, each with the control that did.

use std::mem;

use crate::controls::Control;
use crate::finding::{Finding, Findings, insert_notice, sentence};

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

/// Violations that say the same of several containers, or of several volumes.
pub(crate) struct Group<'v, 'p> {
    pub(crate) control: Control,
    findings: Vec<&'v Finding<'p>>,
}

impl<'v, 'p> Group<'v, 'p> {
    /// The violations, which are sorted, each in a group, in the order of the first of each.
    pub(crate) fn of(violations: &[&'v Violation<'p>]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        let mut first_of_control = 0;
        for Violation { control, finding } in violations {
            if groups.last().is_some_and(|last| last.control != *control) {
                first_of_control = groups.len();
            }
            // Of a control that says a hundred different things nobody reads the rest.
            let mut same = groups.iter_mut().skip(first_of_control).take(MAX_GROUPS);
            match same.find(|group| group.says(finding)) {
                Some(group) => group.findings.push(finding),
                None => groups.push(Self {
                    control: *control,
                    findings: vec![finding],
                }),
            }
        }
        groups
    }

    fn says(&self, finding: &Finding<'_>) -> bool {
        let first = self.findings.first();
        first.is_some_and(|first| first.says_the_same_as(finding))
    }

    /// What is wrong and what to do, in at most `limit` bytes.
    pub(crate) fn text(&self, limit: usize) -> String {
        let start = [self.control.name(), ": "].concat();
        sentence(&start, &self.findings, limit)
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
        for violation in mem::take(&mut self.violations) {
            self.violations.extend(count(violation));
        }
        self.sort();
    }

    pub(crate) fn notice(&mut self, notice: String) {
        insert_notice(&mut self.notices, notice);
    }

    pub(crate) fn sort(&mut self) {
        self.violations
            .sort_unstable_by(|left, right| left.sort_key().cmp(&right.sort_key()));
        self.violations
            .dedup_by(|left, right| left.sort_key() == right.sort_key());
    }
}

const MAX_GROUPS: usize = 64;
