//! Containers must run under an AppArmor profile that the cluster allows.
//!
//! - **Reads** `securityContext.appArmorProfile` of the pod and of each container, and the
//!   annotations `container.apparmor.security.beta.kubernetes.io/<container>`
//! - **Unset** means the runtime's default profile on a node that has AppArmor, and none elsewhere
//! - **Allowed** the profiles in `appArmor.allowed`; every value that is written must be one of
//!   them, also an overridden one and an annotation for a container that does not exist. With
//!   `appArmor.required` each container needs an effective profile: its own field, else its
//!   annotation, else the pod's field. Kubernetes copies the annotation into the field of a container
//!   when a Pod is created, so one that is allowed is enough, with a warning that names the field;
//!   with `annotations: honor` any that can be read is
//! - **Not applicable** `required` on Windows, where the fields may not be set
//! - **Differs from the Pod Security Standard** in nothing at its default, but that a `Localhost`
//!   field without a name, which the API server refuses anyway, is a violation too
//! - **Source** `check_appArmorProfile.go` of pod-security-admission; the precedence is the
//!   kubelet's `GetProfile` (`pkg/security/apparmor`); the copy is made by `applyAppArmorVersionSkew`
//!   of the API server (`pkg/registry/core/pod/strategy.go`)

use crate::decode::{AnnotationUse, Choices, Level, Mode, loosens, section};
use crate::finding::Findings;
use crate::finding::profile::{
    ProfileKind, ProfileRules, takes_app_armor_annotation, takes_app_armor_field,
};
use crate::pod::place::Subject;
use crate::pod::profile::{AllowedProfile, Target};
use crate::pod::spec::Pod;
use crate::text::Quoted;

section! {
    /// Containers run under AppArmor: a profile that is written must be `RuntimeDefault` or `Localhost`,
    /// and `required` asks for one.
    pub(crate) struct AppArmor in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// `true`: each container must have an effective profile: its own field, else an annotation that
        /// asks for an allowed one (Kubernetes copies it into the field of each Pod, and a warning names
        /// the field), else the pod's.
        "required" required: bool = false,
        /// Not empty: any of `RuntimeDefault`, `Unconfined`, `Localhost/<name>` (the whole name),
        /// `Localhost/*`.
        "allowed" allowed: Choices<AllowedProfile>
            = Choices(vec![AllowedProfile::RuntimeDefault, AllowedProfile::AnyLocalhost]),
        /// `honor`: the annotation of Kubernetes before 1.30 satisfies `required` without a warning, and
        /// what mends one that is not allowed is another annotation.
        "annotations" annotations: AnnotationUse = AnnotationUse::Ignore,
    }
}

loosens! {
    AppArmor {
        "required" required: bool = false,
        "allowed" allowed: Choices<AllowedProfile>,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &AppArmor, findings: &mut Findings<'p>) {
    let rules = ProfileRules {
        required: settings.required && !pod.is_windows(),
        allowed: &settings.allowed,
        annotations: settings.annotations,
    };
    APP_ARMOR.judge_fields(pod, &rules, findings);
    let subjects = pod.subjects_of_annotations(Target::AppArmorOfContainer);
    for (annotation, subject) in pod.annotations.iter().zip(subjects) {
        if let Some(Target::AppArmorOfContainer(_)) = annotation.target() {
            let profile = annotation.app_armor();
            // One is about to be written.
            if profile == Ok(None) && !findings.found.is_empty() {
                findings.notice(format!(
                    "appArmor: remove the annotation {}: it asks for no profile, and Kubernetes \
                     refuses one in the field beside it",
                    Quoted(annotation.key())
                ));
            }
            if let Some(found) = rules.of_annotation(pod, subject, annotation, profile) {
                findings.report(match subject {
                    // Nobody takes it.
                    Subject::Pod => found,
                    _ => found.taken_by(takes_app_armor_annotation),
                });
            }
        }
    }
}

const APP_ARMOR: ProfileKind = ProfileKind {
    control: "appArmor",
    field: "appArmorProfile",
    of: |context| context.app_armor_profile.as_ref(),
    takes_field: takes_app_armor_field,
    is_annotated: |pod, container| pod.annotations.app_armor_of(container.name()).is_some(),
    copied: |pod, container| {
        let target = Target::AppArmorOfContainer(container.name());
        let annotation = pod.annotations.get(target)?;
        Some((annotation.key(), annotation.app_armor().ok()??))
    },
    without_any: None,
    without_field: "and the annotation asks for no profile that is allowed",
};
