//! What the controls have found, each with the control that did.

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};
use std::mem;

use crate::controls::Control;
use crate::decode::Mode;
use crate::finding::Finding;

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

    /// Says a thing once.
    #[cold]
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The order in which they are listed.
    #[inline(never)]
    fn compare(&self, other: &Violation<'_>) -> Ordering {
        let controls = self.control.cmp(&other.control);
        controls.then_with(|| self.finding.compare(&other.finding))
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
    /// Why nothing is excused that somebody may think is, as words behind the title of the message.
    pub(crate) aside: Option<String>,
    /// The controls whose violations were there before, and do not count.
    pub(crate) excused: Vec<Control>,
    /// Whose template excuses them, where it is not the stored object that does.
    pub(crate) excused_by: Option<String>,
}

impl Display for Violation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.control, self.finding)?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
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
            if is_excused {
                excused.push(violation.control);
            }
            !is_excused
        });
        self.excused = excused;
    }

    /// Takes over what others have found.
    pub(crate) fn take(&mut self, mut other: Self) {
        self.violations.append(&mut other.violations);
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

    pub(crate) fn sort(&mut self) {
        self.violations
            .sort_unstable_by(|left, right| left.compare(right));
        self.violations
            .dedup_by(|left, right| left.compare(right).is_eq());
    }
}
