//! The containers of a pod must not see each other's processes.
//!
//! - **Reads** `shareProcessNamespace`
//! - **Unset** means `false`
//! - **Allowed** anything but `true`
//! - **Not applicable** never
//! - **Differs from the Pod Security Standard**, which never looks at the field; the control is
//!   disabled by default
//! - **Source** <https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/>

use crate::decode::{Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::pod::spec::Pod;

section! {
    /// The containers of a pod do not see each other's processes.
    ///
    /// `spec.shareProcessNamespace` must not be `true`.
    pub(crate) struct ShareProcessNamespace {
        "mode" mode: Mode = Mode::Disabled,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &ShareProcessNamespace, findings: &mut Findings<'p>) {
    if pod.spec.share_process_namespace == Some(true) {
        findings.report(Finding::new(
            pod.field(&["shareProcessNamespace"]),
            Found::Flag(true),
            Remedy::Set(false.into()),
        ));
    }
}
