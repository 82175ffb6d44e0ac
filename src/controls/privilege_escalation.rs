//! Processes must not gain more privileges than the process that started them.
//!
//! - **Reads** `securityContext.allowPrivilegeEscalation` of each container
//! - **Unset** means `true`
//! - **Allowed** `false`, written down
//! - **Not applicable** on Windows, where the field may not be set
//! - **Differs from the Pod Security Standard** in nothing
//! - **Source** `check_allowPrivilegeEscalation.go` of pod-security-admission; the AKS article,
//!   "avoid the use of root / privileged escalation"

use super::{Control, Findings};
use crate::settings::{Check, Mode, section};
use crate::violation::{Found, Remedy, Violation};
use crate::workload::Workload;

section! {
    /// The section `privilegeEscalation`.
    pub(crate) struct PrivilegeEscalation {
        "mode" mode: Mode = Mode::Enforce,
    }
}

impl Check for PrivilegeEscalation {}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    _: &PrivilegeEscalation,
    findings: &mut Findings<'w>,
) {
    if workload.is_windows() {
        return;
    }
    for container in workload.containers() {
        let allowed = container
            .security_context()
            .and_then(|own| own.allow_privilege_escalation);
        if allowed != Some(false) {
            findings.report(Violation::new(
                Control::PrivilegeEscalation,
                container.subject(),
                container.security_field(&["allowPrivilegeEscalation"]),
                allowed.map_or(Found::Unset, Found::Flag),
                Remedy::Set(false.into()),
            ));
        }
    }
}
