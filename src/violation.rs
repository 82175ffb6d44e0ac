//! What the controls have found, each with the control that did.

use std::cmp::Ordering;
use std::mem;

use crate::controls::Control;
use crate::decode::Mode;
use crate::finding::{Finding, insert_notice, sentence};
use crate::json::sorted;

/// What is found, and by which control.
#[derive(Debug)]
pub(crate) struct Violation<'p> {
    pub(crate) control: Control,
    /// The mode of the control, or what an exemption makes of it.
    pub(crate) mode: Mode,
    pub(crate) finding: Finding<'p>,
    /// What else is to be said about it, as words behind the finding.
    pub(crate) notes: Vec<String>,
}

impl<'p> Violation<'p> {
    pub(crate) fn new(control: Control, mode: Mode, finding: Finding<'p>) -> Self {
        Self {
            control,
            mode,
            finding,
            notes: Vec::new(),
        }
    }

    /// Adds a note, unless it is there already.
    #[cold]
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The order in which they are listed. What is equal in it is listed once.
impl Ord for Violation<'_> {
    #[inline(never)]
    fn cmp(&self, other: &Self) -> Ordering {
        let controls = self.control.cmp(&other.control);
        controls.then_with(|| self.finding.compare(&other.finding))
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
    /// Why nothing is excused that somebody may think is, as words behind the title of the message.
    pub(crate) aside: Option<String>,
    /// The controls whose violations were there before, and do not count. (Of what only the host could
    /// have told, nobody knows whether it was one.)
    pub(crate) excused: Vec<Control>,
    /// Whose template excuses them, where it is not the stored object that does.
    pub(crate) excused_by: Option<String>,
    /// Whether they are of several pod templates, so that it must be said of which.
    pub(crate) names_templates: bool,
}

/// Violations that say the same of several containers, or of several volumes.
pub(crate) struct Group<'v, 'p> {
    pub(crate) control: Control,
    notes: &'v [String],
    findings: Vec<&'v Finding<'p>>,
}

impl<'v, 'p> Group<'v, 'p> {
    /// The violations, which are sorted, each in a group, in the order of the first of each.
    pub(crate) fn of(violations: &[&'v Violation<'p>]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        let mut first_of_control = 0;
        for violation in violations {
            let control = violation.control;
            if groups.last().is_some_and(|last| last.control != control) {
                first_of_control = groups.len();
            }
            // Of a control that says a hundred different things nobody reads the rest.
            let mut same = groups.iter_mut().skip(first_of_control).take(MAX_GROUPS);
            match same.find(|group| group.says(violation)) {
                Some(group) => group.findings.push(&violation.finding),
                None => groups.push(Self {
                    control,
                    notes: &violation.notes,
                    findings: vec![&violation.finding],
                }),
            }
        }
        groups
    }

    fn says(&self, violation: &Violation<'_>) -> bool {
        let first = self.findings.first();
        first.is_some_and(|first| first.says_the_same_as(&violation.finding))
            && self.notes == violation.notes
    }

    /// What is wrong and what to do, in at most `limit` bytes.
    pub(crate) fn text(&self, names_template: bool, limit: usize) -> String {
        let mut start = [self.control.name(), ": "].concat();
        if let Some(first) = self.findings.first().filter(|_| names_template) {
            start.push_str(&first.place.template());
            start.push_str(": ");
        }
        sentence(&start, &self.findings, self.notes, limit)
    }
}

impl<'p> Outcome<'p> {
    /// Keeps some of the violations, which may be changed.
    // Not generic, so that it is in the module once.
    #[inline(never)]
    pub(crate) fn keep(&mut self, is_kept: &mut dyn FnMut(&mut Violation<'p>) -> bool) {
        self.violations.retain_mut(is_kept);
    }

    /// Takes off the violations that are excused.
    pub(crate) fn excuse(&mut self, is_excused: &dyn Fn(&Violation<'p>) -> bool) {
        let mut excused = mem::take(&mut self.excused);
        self.keep(&mut |violation| {
            let is_excused = is_excused(violation);
            if is_excused && violation.finding.question.is_none() {
                excused.push(violation.control);
            }
            !is_excused
        });
        self.excused = excused;
    }

    /// Takes over what others have found.
    pub(crate) fn take(&mut self, mut other: Self) {
        self.violations.append(&mut other.violations);
        for notice in other.notices {
            self.notice(notice);
        }
        self.excused.append(&mut other.excused);
        self.aside = self.aside.take().or(other.aside);
    }

    /// Whether this was found, for whatever reason. The violations are sorted, and of one control.
    pub(crate) fn has(&self, finding: &Finding<'p>) -> bool {
        let is_at = |other: &Violation<'p>| other.finding.compare_place(finding);
        self.violations.binary_search_by(is_at).is_ok()
    }

    /// Whether something is left that rejects the request.
    pub(crate) fn rejects(&self) -> bool {
        self.violations
            .iter()
            .any(|violation| violation.mode == Mode::Enforce)
    }

    pub(crate) fn notice(&mut self, notice: String) {
        insert_notice(&mut self.notices, notice);
    }

    pub(crate) fn sort(&mut self) {
        // Mostly they are, which a heap takes no advantage of.
        if !self.violations.is_sorted() {
            self.violations = sorted(mem::take(&mut self.violations));
        }
        self.violations.dedup();
    }
}

const MAX_GROUPS: usize = 64;
