//! Containers must see `/proc` as the runtime masks it.
//!
//! - **Reads** `securityContext.procMount` of each container, and `hostUsers`
//! - **Unset** means `Default`
//! - **Allowed** the values in `procMount.allowed`, compared exactly
//! - **Not applicable** with `relaxForUserNamespaces` to pods with `hostUsers: false`
//! - **Differs from the Pod Security Standard** in nothing at its default. The standard's baseline
//!   level relaxes for user namespaces since 1.35, its restricted level does not
//! - **Source** `check_procMount_baseline.go` and `check_procMount_restricted.go` of
//!   pod-security-admission

use crate::decode::{Choices, Level, Mode, loosens, section, words};
use crate::finding::{Finding, Findings, Found, Remedy, Value};
use crate::json::Text;
use crate::pod::spec::Pod;

section! {
    /// Containers see `/proc` as the runtime masks it.
    pub(crate) struct ProcMount in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// Not empty: any of `Default`, `Unmasked`.
        "allowed" allowed: Choices<ProcMountType> = Choices(vec![ProcMountType::Default]),
        /// `true`: pods with `hostUsers: false` are not judged. `false` where `version` is before v1.35.
        "relaxForUserNamespaces" relax_for_user_namespaces: bool
            = standard.is_baseline() && standard.is_since(35),
    }
}

words! {
    /// How `/proc` is mounted.
    pub(crate) enum ProcMountType {
        /// With the paths masked and read-only that the runtime masks and protects.
        Default = "Default",
        /// As the kernel has it.
        Unmasked = "Unmasked",
    }
}

loosens! {
    ProcMount {
        "allowed" allowed: Choices<ProcMountType>,
        "relaxForUserNamespaces" relax_for_user_namespaces: bool = true,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &ProcMount, findings: &mut Findings<'p>) {
    if settings.relax_for_user_namespaces && pod.has_own_user_namespace() {
        return;
    }
    for container in pod.containers() {
        let written = container
            .security_context()
            .and_then(|own| own.proc_mount.as_ref());
        let Some(written) = written.map(Text::as_str) else {
            continue;
        };
        if settings
            .allowed
            .iter()
            .all(|allowed| allowed.name() != written)
        {
            findings.report(Finding::new(
                container.security_field(&["procMount"]),
                Found::Text(written),
                remedy(&settings.allowed),
            ));
        }
    }
}

/// `Default` where it may be written. Elsewhere the field has to go, which is `Default` in effect:
/// the suggestion is never to unmask.
fn remedy(allowed: &[ProcMountType]) -> Remedy {
    let default: Value = ProcMountType::Default.name().into();
    match allowed {
        [ProcMountType::Default] => Remedy::Set(default),
        _ if !allowed.contains(&ProcMountType::Default) => Remedy::Remove,
        _ => Remedy::OneOf {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            suggestion: Some(default),
        },
    }
}
