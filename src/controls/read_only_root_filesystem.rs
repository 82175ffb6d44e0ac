//! Containers must not write to their own image.
//!
//! - **Reads** `securityContext.readOnlyRootFilesystem` of each container
//! - **Unset** means `false`
//! - **Allowed** `true`, written down
//! - **Not applicable** on Windows, where the field may not be set
//! - **Differs from the Pod Security Standard**, which never looks at the field; the control is
//!   disabled by default
//! - **Source** <https://kubernetes.io/docs/concepts/security/security-checklist/>

use super::{Control, Findings};
use crate::settings::{Check, Mode, section};
use crate::violation::{Found, Remedy, Violation};
use crate::workload::Workload;

section! {
    /// The section `readOnlyRootFilesystem`.
    pub(crate) struct ReadOnlyRootFilesystem {
        "mode" mode: Mode = Mode::Disabled,
    }
}

impl Check for ReadOnlyRootFilesystem {}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    _: &ReadOnlyRootFilesystem,
    findings: &mut Findings<'w>,
) {
    if workload.is_windows() {
        return;
    }
    for container in workload.containers() {
        let read_only = container
            .security_context()
            .and_then(|own| own.read_only_root_filesystem);
        if read_only != Some(true) {
            findings.report(Violation::new(
                Control::ReadOnlyRootFilesystem,
                container.subject(),
                container.security_field(&["readOnlyRootFilesystem"]),
                read_only.map_or(Found::Unset, Found::Flag),
                Remedy::Set(true.into()),
            ));
        }
    }
}
