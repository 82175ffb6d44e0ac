//! What was there before the policy: which of its violations count, and until when they do not.

use crate::decode::{section, words};
use crate::time::Until;

section! {
    /// What was there before the policy.
    pub(crate) struct Legacy {
        /// Which violations count against an UPDATE.
        "onUpdate" on_update: Counted = Counted::NewViolations,
        /// Which violations count against what a controller creates from a template. The policy asks for
        /// that template, which its policy server must be allowed to read.
        "onCreate" on_create: Counted = Counted::AllViolations,
        /// When all violations begin to count: a date (at the end of that day, UTC) or a moment (RFC 3339).
        "until" until: Option<Until> = None,
        /// User names that act as controllers beside those of kube-controller-manager.
        "controllers" controllers: Vec<String> = Vec::new(),
    }
}

words! {
    /// Which violations count.
    pub(crate) enum Counted {
        /// Those that were not there before.
        NewViolations = "newViolations",
        /// All.
        AllViolations = "allViolations",
    }
}
