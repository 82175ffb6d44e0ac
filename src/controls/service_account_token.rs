//! Containers must not get the token of their pod's ServiceAccount.
//!
//! - **Reads** `automountServiceAccountToken` of the pod, and `volumeMounts[].mountPath` of each container
//! - **Unset** means what the ServiceAccount says. The API server has asked it before a Pod comes here,
//!   and has given a mount to each container that gets the token; a template only gets a warning
//! - **Allowed** a Pod without that mount, and a template with `automountServiceAccountToken: false`
//! - **Not applicable** to tokens that are mounted elsewhere, by whoever has written the pod: as a rule they
//!   have an audience of their own
//! - **Differs from the Pod Security Standard**, which never looks at the token; the control is disabled by
//!   default
//! - **Source** `plugin/pkg/admission/serviceaccount/admission.go` of Kubernetes;
//!   <https://kubernetes.io/docs/concepts/security/security-checklist/>

use crate::decode::{Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy, unreadable_mounts};
use crate::pod::spec::Pod;
use crate::text::names_of_path;

section! {
    /// No container gets the token of the pod's ServiceAccount.
    ///
    /// In a Pod the mount at `/var/run/secrets/kubernetes.io/serviceaccount` decides, which the API
    /// server adds; without one, and in a template, `automountServiceAccountToken: true` is a violation.
    /// In a template that does not say it, the ServiceAccount decides, and a warning says so.
    pub(crate) struct ServiceAccountToken {
        "mode" mode: Mode = Mode::Disabled,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &ServiceAccountToken, findings: &mut Findings<'p>) {
    let automount = pod.spec.automount_service_account_token;
    let field = || pod.field(&["automountServiceAccountToken"]);
    let mut is_mounted = false;
    for container in pod.containers() {
        let Some(mounts) = container.mounts() else {
            findings.report(unreadable_mounts(&container));
            continue;
        };
        let mut mounts = mounts.iter();
        let Some(index) = mounts.position(|mount| is_of_token(mount.path.as_str())) else {
            continue;
        };
        is_mounted = true;
        let remedy = match automount {
            // Then it is no mount that the API server has added, and no other field takes it away.
            Some(false) => Remedy::Remove,
            _ if pod.is_template() => Remedy::Remove,
            _ => Remedy::Must(format!("not be there: set {} to false", field()).into()),
        };
        findings.report(Finding::new(
            container.place().field(&["volumeMounts"]).index(index),
            Found::Phrase("holds the token of the ServiceAccount".into()),
            remedy,
        ));
    }
    match automount {
        Some(true) if pod.is_template() || !is_mounted => {
            findings.report(Finding::new(
                field(),
                Found::Flag(true),
                Remedy::Set(false.into()),
            ));
        }
        None if pod.is_template() => findings.notice(format!(
            "{} is not set, so its ServiceAccount decides whether containers get its token",
            field()
        )),
        _ => {}
    }
}

/// Whether what is mounted here is what clients in the container take for the token.
fn is_of_token(path: &str) -> bool {
    // A kubelet takes a path without a beginning for one from the root.
    let path = ["/", path].concat();
    let names = names_of_path(&path).unwrap_or_default();
    // In most images /var/run is /run.
    let names = names.strip_prefix(&["var"]).unwrap_or(&names);
    names == ["run", "secrets", "kubernetes.io", "serviceaccount"]
}
