//! Containers must run under a seccomp profile that the cluster allows.
//!
//! - **Reads** `securityContext.seccompProfile` of the pod and of each container; with
//!   `annotations: honor` also `seccomp.security.alpha.kubernetes.io/pod` and
//!   `container.seccomp.security.alpha.kubernetes.io/<container>`
//! - **Unset** means no profile at all, unless the kubelet runs with `seccompDefault`
//! - **Allowed** the profiles in `seccomp.allowed`; every value that is written must be one of
//!   them, also an overridden one. With `seccomp.required` each container needs an effective
//!   profile: its own field, else the pod's; with `honor` the container's annotation stands
//!   between the two and the pod's annotation comes last
//! - **Not applicable** on Windows, where the fields may not be set
//! - **Differs from the Pod Security Standard** in nothing at its default, but that a `Localhost`
//!   field without a name, which the API server refuses anyway, is a violation too
//! - **Source** `check_seccompProfile_restricted.go` of pod-security-admission. Kubernetes 1.27
//!   and later do not act on the annotations: with `annotations: ignore` one is a warning

use super::app_armor::{annotation_violation, set_profile};
use super::{Control, Findings};
use crate::container::Container;
use crate::profile::{AllowedProfile, ProfileAnnotation, Target, WrittenProfile};
use crate::settings::{Annotations, Check, Choices, Mode, section};
use crate::violation::{Found, Quoted, Takes, Violation};
use crate::workload::Workload;

section! {
    /// The section `seccomp`.
    pub(crate) struct Seccomp {
        "mode" mode: Mode = Mode::Enforce,
        /// Whether each container must have an effective profile written down.
        "required" required: bool = true,
        /// Profiles that may be written: `RuntimeDefault`, `Unconfined`, `Localhost/<name>` or `Localhost/*`.
        "allowed" allowed: Choices<AllowedProfile>
            = Choices(vec![AllowedProfile::RuntimeDefault, AllowedProfile::AnyLocalhost]),
        /// Whether the annotations count.
        "annotations" annotations: Annotations = Annotations::Ignore,
    }
}

impl Check for Seccomp {}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    settings: &Seccomp,
    findings: &mut Findings<'w>,
) {
    if workload.is_windows() {
        return;
    }
    let honored = settings.annotations == Annotations::Honor;
    let of_pod = workload
        .security_context()
        .and_then(|context| context.seccomp_profile.as_ref());
    if let Some(profile) = of_pod {
        let path = || workload.field(&["securityContext", FIELD]);
        let is_taken_by: Takes = if honored {
            takes_field_unless_annotated
        } else {
            takes_next
        };
        findings.report_profile_of_pod(CONTROL, path, profile, &settings.allowed, is_taken_by);
    }
    for container in workload.containers() {
        let own = own_field(&container);
        if let Some(profile) = own {
            let path = || container.security_field(&[FIELD]);
            findings.report_profile(
                CONTROL,
                container.subject(),
                path,
                profile,
                &settings.allowed,
            );
        }
        if !settings.required || own.or(of_pod).is_some() {
            continue;
        }
        let annotated = workload
            .annotations
            .get(Target::SeccompOfContainer(container.name()))
            .is_some()
            || workload.annotations.get(Target::SeccompOfPod).is_some();
        if annotated && honored {
            continue;
        }
        let path = container.security_field(&[FIELD]);
        let remedy = set_profile(&settings.allowed);
        let violation = Violation::new(CONTROL, container.subject(), path, Found::Unset, remedy)
            .because(if annotated {
                "and the annotation does not stand in for it, because it has no effect since \
                 Kubernetes 1.27"
            } else {
                "neither here nor for the pod"
            });
        findings.report(violation);
    }
    for annotation in workload.annotations.iter() {
        match annotation.target() {
            Some(Target::SeccompOfPod | Target::SeccompOfContainer(_)) if honored => {
                let counts = settings.annotations;
                let found = annotation_violation(workload, annotation, &settings.allowed, counts);
                if let Some(violation) = found {
                    let is_taken_by: Takes = match annotation.target() {
                        Some(Target::SeccompOfPod) => takes_annotation_of_pod,
                        _ => takes_next,
                    };
                    findings.report(violation.taken_by(is_taken_by));
                }
            }
            Some(Target::SeccompOfPod | Target::SeccompOfContainer(_)) => {
                findings.notice(inert(annotation));
            }
            Some(Target::AppArmorOfContainer(_)) | None => {}
        }
    }
}

fn own_field<'w>(container: &Container<'w>) -> Option<&'w WrittenProfile<'w>> {
    let own = container.security_context()?;
    own.seccomp_profile.as_ref()
}

// Who takes what is not the container's own: its field comes first, then, where annotations count,
// its annotation, then the pod's field, and the pod's annotation last.

/// The pod's field where annotations do not count, and the container's annotation where they do.
fn takes_next(_: &Workload<'_>, container: &Container<'_>) -> bool {
    own_field(container).is_none()
}

fn takes_field_unless_annotated(workload: &Workload<'_>, container: &Container<'_>) -> bool {
    let annotation = Target::SeccompOfContainer(container.name());
    own_field(container).is_none() && workload.annotations.get(annotation).is_none()
}

fn takes_annotation_of_pod(workload: &Workload<'_>, container: &Container<'_>) -> bool {
    let of_pod = workload
        .security_context()
        .and_then(|context| context.seccomp_profile.as_ref());
    of_pod.is_none() && takes_field_unless_annotated(workload, container)
}

fn inert(annotation: &ProfileAnnotation<'_>) -> String {
    format!(
        "seccomp: the annotation {} has no effect since Kubernetes 1.27; set \
         securityContext.{FIELD} instead",
        Quoted(annotation.key())
    )
}

const CONTROL: Control = Control::Seccomp;
const FIELD: &str = "seccompProfile";
