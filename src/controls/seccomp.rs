//! Containers must run under a seccomp profile that the cluster allows.
//!
//! - **Reads** `securityContext.seccompProfile` of the pod and of each container, and the annotations
//!   `seccomp.security.alpha.kubernetes.io/pod` and `container.seccomp.security.alpha.kubernetes.io/<container>`;
//!   with `annotations: ignore` these for a warning only, because Kubernetes 1.27 and later do not act on them
//! - **Unset** means no profile at all, unless the kubelet runs with `seccompDefault`
//! - **Allowed** the profiles in `seccomp.allowed`; every value that is written must be one of
//!   them, also an overridden one. With `seccomp.required` each container needs an effective
//!   profile: its own field, else the pod's; with `honor` the container's annotation stands
//!   between the two and the pod's annotation comes last
//! - **Not applicable** on Windows, where the fields may not be set; at the baseline level what is
//!   written there is judged all the same
//! - **Differs from the Pod Security Standard** in nothing at its default, but that a `Localhost`
//!   field without a name, which the API server refuses anyway, is a violation too
//! - **Source** `check_seccompProfile_restricted.go` and `check_seccompProfile_baseline.go` of
//!   pod-security-admission

use crate::decode::{AnnotationUse, Choices, Level, Mode, loosens, section};
use crate::finding::profile::{ProfileKind, ProfileRules, takes_seccomp_field};
use crate::finding::{Findings, Taken, Takes};
use crate::pod::container::Container;
use crate::pod::place::Subject;
use crate::pod::profile::{AllowedProfile, ProfileAnnotation, Target};
use crate::pod::spec::Pod;
use crate::text::Quoted;

section! {
    /// Each container runs behind a filter of system calls, `RuntimeDefault` or `Localhost`.
    pub(crate) struct Seccomp in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// `true`: each container must have an effective profile: its own field, else the pod's.
        "required" required: bool = !standard.is_baseline(),
        /// Not empty: any of `RuntimeDefault`, `Unconfined`, `Localhost/<name>` (its path below
        /// `/var/lib/kubelet/seccomp`), `Localhost/*`.
        "allowed" allowed: Choices<AllowedProfile>
            = Choices(vec![AllowedProfile::RuntimeDefault, AllowedProfile::AnyLocalhost]),
        /// `honor`: the annotations of Kubernetes before 1.27 count.
        "annotations" annotations: AnnotationUse = AnnotationUse::Ignore,
    }
    follows: {
        /// What is written for Windows is judged, as the standard does at its baseline level only.
        judges_windows: bool = standard.is_baseline(),
    }
}

loosens! {
    Seccomp {
        "required" required: bool = false,
        "allowed" allowed: Choices<AllowedProfile>,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &Seccomp, findings: &mut Findings<'p>) {
    let is_windows = pod.is_windows();
    if is_windows && !settings.judges_windows {
        return;
    }
    let honored = settings.annotations == AnnotationUse::Honor;
    let rules = ProfileRules {
        required: settings.required && !is_windows,
        allowed: &settings.allowed,
        annotations: settings.annotations,
    };
    let kind = if honored { &HONORED } else { &SECCOMP };
    kind.judge_fields(pod, &rules, findings);
    let subjects = pod.subjects_of_annotations(Target::SeccompOfContainer);
    for (annotation, subject) in pod.annotations.iter().zip(subjects) {
        let taken_by: Option<Takes> = match (annotation.target(), subject) {
            (Some(Target::SeccompOfPod), _) => Some(takes_annotation_of_pod),
            // Nobody takes it.
            (Some(Target::SeccompOfContainer(_)), Subject::Pod) => None,
            // It counts where the container has no field of its own.
            (Some(Target::SeccompOfContainer(_)), _) => Some(takes_seccomp_field),
            (Some(Target::AppArmorOfContainer(_)) | None, _) => continue,
        };
        if !honored {
            findings.notice(inert(annotation));
            continue;
        }
        let profile = annotation.seccomp().map(Some);
        if let Some(found) = rules.of_annotation(pod, subject, annotation, profile) {
            findings.report(match taken_by {
                Some(taken_by) => found.taken_by(taken_by),
                None => found,
            });
        }
    }
}

const SECCOMP: ProfileKind = ProfileKind {
    control: "seccomp",
    field: FIELD,
    of: |context| context.seccomp_profile.as_ref(),
    takes_field: takes_seccomp_field,
    is_annotated: |pod, container| {
        is_annotated(pod, container) || pod.annotations.get(Target::SeccompOfPod).is_some()
    },
    copied: |_, _| None,
    without_any: Some("neither here nor for the pod"),
    without_field: "and the annotation does not stand in for it, because it has no effect since \
                    Kubernetes 1.27",
};

/// As it was while the annotations counted.
const HONORED: ProfileKind = ProfileKind {
    takes_field: takes_field_unless_annotated,
    ..SECCOMP
};

// Who takes what is not the container's own: its field comes first, then, where annotations count,
// its annotation, then the pod's field, and the pod's annotation last.

fn takes_field_unless_annotated(pod: &Pod<'_>, container: &Container<'_>) -> Taken {
    if is_annotated(pod, container) {
        Taken::Not
    } else {
        takes_seccomp_field(pod, container)
    }
}

fn takes_annotation_of_pod(pod: &Pod<'_>, container: &Container<'_>) -> Taken {
    if pod.security_context().and_then(SECCOMP.of).is_some() {
        Taken::Not
    } else {
        takes_field_unless_annotated(pod, container)
    }
}

fn is_annotated(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    pod.annotations
        .get(Target::SeccompOfContainer(container.name()))
        .is_some()
}

fn inert(annotation: &ProfileAnnotation<'_>) -> String {
    format!(
        "seccomp: set securityContext.{FIELD} and remove the annotation {}: it has no effect since \
         Kubernetes 1.27, which refuses one that differs from the field",
        Quoted(annotation.key())
    )
}

const FIELD: &str = "seccompProfile";
