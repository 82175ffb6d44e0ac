//! The containers of a pod must not see each other's processes.
//!
//! - **Reads** `shareProcessNamespace`
//! - **Unset** means `false`
//! - **Allowed** anything but `true`
//! - **Not applicable** never
//! - **Differs from the Pod Security Standard**, which never looks at the field; the control is
//!   disabled by default
//! - **Source** <https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/>

use super::{Control, Findings};
use crate::settings::{Check, Mode, section};
use crate::violation::{Found, Remedy, Subject, Violation};
use crate::workload::Workload;

section! {
    /// The section `shareProcessNamespace`.
    pub(crate) struct ShareProcessNamespace {
        "mode" mode: Mode = Mode::Disabled,
    }
}

impl Check for ShareProcessNamespace {}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    _: &ShareProcessNamespace,
    findings: &mut Findings<'w>,
) {
    if workload.pod.share_process_namespace == Some(true) {
        findings.report(Violation::new(
            Control::ShareProcessNamespace,
            Subject::Workload,
            workload.field(&["shareProcessNamespace"]),
            Found::Flag(true),
            Remedy::Set(false.into()),
        ));
    }
}
