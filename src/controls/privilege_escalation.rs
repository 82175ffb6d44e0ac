//! Processes must not gain more privileges than the process that started them.
//!
//! - **Reads** `securityContext.allowPrivilegeEscalation` of each container
//! - **Unset** means `true`
//! - **Allowed** `false`, written down
//! - **Not applicable** on Windows, where the field may not be set
//! - **Differs from the Pod Security Standard** in nothing
//! - **Source** `check_allowPrivilegeEscalation.go` of pod-security-admission; the AKS article,
//!   "avoid the use of root / privileged escalation"

use crate::decode::{Level, Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::pod::spec::Pod;

section! {
    /// No process gains more rights than its parent has.
    ///
    /// Each container must write `allowPrivilegeEscalation: false`, because the default is `true`.
    pub(crate) struct PrivilegeEscalation in standard {
        "mode" mode: Mode = standard.mode_from(Level::Restricted),
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &PrivilegeEscalation, findings: &mut Findings<'p>) {
    if pod.is_windows() {
        return;
    }
    for container in pod.containers() {
        let allowed = container
            .security_context()
            .and_then(|own| own.allow_privilege_escalation);
        if allowed != Some(false) && !findings.is_full() {
            findings.report(Finding::new(
                container.security_field(&["allowPrivilegeEscalation"]),
                allowed.map_or(Found::Unset, Found::Flag),
                Remedy::Set(false.into()),
            ));
        }
    }
}
