//! Containers must not write to their own image.
//!
//! - **Reads** `securityContext.readOnlyRootFilesystem` of each container
//! - **Unset** means `false`
//! - **Allowed** `true`, written down
//! - **Not applicable** on Windows, where the field may not be set
//! - **Differs from the Pod Security Standard**, which never looks at the field; the control is
//!   disabled by default
//! - **Source** <https://kubernetes.io/docs/concepts/security/security-checklist/>

use crate::decode::{Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::pod::spec::Pod;

section! {
    /// No container writes to its image.
    ///
    /// Each container must write `readOnlyRootFilesystem: true`.
    pub(crate) struct ReadOnlyRootFilesystem {
        "mode" mode: Mode = Mode::Disabled,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &ReadOnlyRootFilesystem, findings: &mut Findings<'p>) {
    if pod.is_windows() {
        return;
    }
    for container in pod.containers() {
        let read_only = container
            .security_context()
            .and_then(|own| own.read_only_root_filesystem);
        if read_only != Some(true) && !findings.is_full() {
            findings.report(Finding::new(
                container.security_field(&["readOnlyRootFilesystem"]),
                read_only.map_or(Found::Unset, Found::Flag),
                Remedy::Set(true.into()),
            ));
        }
    }
}
