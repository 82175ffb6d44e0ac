//! Containers must run under an AppArmor profile that the cluster allows.
//!
//! - **Reads** `securityContext.appArmorProfile` of the pod and of each container, and the
//!   annotations `container.apparmor.security.beta.kubernetes.io/<container>`
//! - **Unset** means the runtime's default profile on a node that has AppArmor, and none elsewhere
//! - **Allowed** the profiles in `appArmor.allowed`; every value that is written must be one of
//!   them, also an overridden one and an annotation for a container that does not exist. With
//!   `appArmor.required` each container needs an effective profile: its own field, else its
//!   annotation (with `annotations: honor` only), else the pod's field
//! - **Not applicable** `required` on Windows, where the fields may not be set
//! - **Differs from the Pod Security Standard** in nothing at its default, but that a `Localhost`
//!   field without a name, which the API server refuses anyway, is a violation too
//! - **Source** `check_appArmorProfile.go` of pod-security-admission; the precedence is the
//!   kubelet's `GetProfile` (`pkg/security/apparmor`)

use super::{Control, Findings};
use crate::container::Container;
use crate::profile::{AllowedProfile, Profile, ProfileAnnotation, Target, WrittenProfile};
use crate::settings::{Annotations, Check, Choices, Mode, section};
use crate::violation::{FieldPath, Found, List, Remedy, Subject, Takes, Violation};
use crate::workload::Workload;

section! {
    /// The section `appArmor`.
    pub(crate) struct AppArmor {
        "mode" mode: Mode = Mode::Enforce,
        /// Whether each container must have an effective profile written down.
        "required" required: bool = false,
        /// Profiles that may be written: `RuntimeDefault`, `Unconfined`, `Localhost/<name>` or `Localhost/*`.
        "allowed" allowed: Choices<AllowedProfile>
            = Choices(vec![AllowedProfile::RuntimeDefault, AllowedProfile::AnyLocalhost]),
        /// Whether the annotation can satisfy `required`.
        "annotations" annotations: Annotations = Annotations::Ignore,
    }
}

impl Check for AppArmor {}

pub(super) fn judge<'w>(
    workload: &'w Workload<'w>,
    settings: &AppArmor,
    findings: &mut Findings<'w>,
) {
    let of_pod = workload
        .security_context()
        .and_then(|context| context.app_armor_profile.as_ref());
    if let Some(profile) = of_pod {
        let path = || workload.field(&["securityContext", FIELD]);
        findings.report_profile_of_pod(CONTROL, path, profile, &settings.allowed, takes_field);
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
        if !settings.required || workload.is_windows() || own.or(of_pod).is_some() {
            continue;
        }
        let annotation = workload
            .annotations
            .get(Target::AppArmorOfContainer(container.name()));
        let annotated = annotation.is_some_and(|found| found.app_armor() != Ok(None));
        if annotated && settings.annotations == Annotations::Honor {
            continue;
        }
        let path = container.security_field(&[FIELD]);
        let mut violation = Violation::new(
            CONTROL,
            container.subject(),
            path,
            Found::Unset,
            set_profile(&settings.allowed),
        );
        if annotated {
            violation = violation.because(
                "and the annotation does not stand in for it, because clusters since 1.30 read \
                 the field",
            );
        }
        findings.report(violation);
    }
    for annotation in workload.annotations.iter() {
        if let Some(Target::AppArmorOfContainer(_)) = annotation.target() {
            let counts = settings.annotations;
            let found = annotation_violation(workload, annotation, &settings.allowed, counts);
            if let Some(violation) = found {
                findings.report(violation.taken_by(takes_annotation));
            }
        }
    }
}

fn own_field<'w>(container: &Container<'w>) -> Option<&'w WrittenProfile<'w>> {
    let own = container.security_context()?;
    own.app_armor_profile.as_ref()
}

/// Whether the container runs under the pod's profile, as far as its spec can tell.
fn takes_field(workload: &Workload<'_>, container: &Container<'_>) -> bool {
    let annotation = workload
        .annotations
        .get(Target::AppArmorOfContainer(container.name()));
    own_field(container).is_none()
        && annotation.is_none_or(|annotation| annotation.app_armor() == Ok(None))
}

/// Whether the container runs under what an annotation of its name says.
fn takes_annotation(_: &Workload<'_>, container: &Container<'_>) -> bool {
    own_field(container).is_none()
}

const CONTROL: Control = Control::AppArmor;
const FIELD: &str = "appArmorProfile";

// What AppArmor and seccomp say of a profile is the same.

/// The remedy where a profile is missing or not allowed: the first allowed one that has a name.
pub(super) fn set_profile(allowed: &[AllowedProfile]) -> Remedy {
    let suggestion = allowed.iter().find_map(AllowedProfile::as_field);
    match (allowed, &suggestion) {
        // There is nothing to choose from.
        ([AllowedProfile::RuntimeDefault], Some(field)) => Remedy::Set(field.clone()),
        _ => Remedy::OneOf {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            suggestion,
        },
    }
}

impl<'w> Findings<'w> {
    /// Reports a profile field of a container that is not allowed.
    pub(super) fn report_profile(
        &mut self,
        control: Control,
        subject: Subject<'w>,
        path: impl FnOnce() -> FieldPath<'w>,
        written: &'w WrittenProfile<'w>,
        allowed: &[AllowedProfile],
    ) {
        if let Some(violation) = field_violation(control, subject, path, written, allowed) {
            self.report(violation);
        }
    }

    /// Reports a profile field of the pod that is not allowed, and who takes it.
    pub(super) fn report_profile_of_pod(
        &mut self,
        control: Control,
        path: impl FnOnce() -> FieldPath<'w>,
        written: &'w WrittenProfile<'w>,
        allowed: &[AllowedProfile],
        is_taken_by: Takes,
    ) {
        let subject = Subject::Workload;
        if let Some(violation) = field_violation(control, subject, path, written, allowed) {
            self.report(violation.taken_by(is_taken_by));
        }
    }
}

fn field_violation<'w>(
    control: Control,
    subject: Subject<'w>,
    path: impl FnOnce() -> FieldPath<'w>,
    written: &'w WrittenProfile<'w>,
    allowed: &[AllowedProfile],
) -> Option<Violation<'w>> {
    let (found, reason) = match written.parse() {
        Ok(profile) if allowed.iter().any(|entry| entry.allows(profile)) => return None,
        // Escaped, as all input is, but not cut: what is found tells an old violation from a new
        // one.
        Ok(Profile::Localhost(name)) => {
            let profile = format!("Localhost/{name}");
            (Found::Phrase(format!("is {profile:?}").into()), None)
        }
        Ok(_) => (Found::Text(written.type_()), None),
        Err(malformed) => (Found::Text(written.type_()), Some(malformed.reason())),
    };
    let violation = Violation::new(control, subject, path(), found, set_profile(allowed));
    Some(match reason {
        Some(reason) => violation.because(reason),
        None => violation,
    })
}

/// A profile annotation that is not allowed. `counts` says whether the cluster acts on it: then it
/// may be all that its container has.
pub(super) fn annotation_violation<'w>(
    workload: &'w Workload<'w>,
    annotation: &'w ProfileAnnotation<'w>,
    allowed: &[AllowedProfile],
    counts: Annotations,
) -> Option<Violation<'w>> {
    let (control, subject, profile) = match annotation.target()? {
        Target::AppArmorOfContainer(name) => (
            Control::AppArmor,
            workload.subject_named(name),
            annotation.app_armor(),
        ),
        Target::SeccompOfContainer(name) => (
            Control::Seccomp,
            workload.subject_named(name),
            annotation.seccomp().map(Some),
        ),
        Target::SeccompOfPod => (
            Control::Seccomp,
            Subject::Workload,
            annotation.seccomp().map(Some),
        ),
    };
    let reason = match profile {
        Ok(None) => return None,
        Ok(Some(profile)) if allowed.iter().any(|entry| entry.allows(profile)) => return None,
        Ok(Some(_)) => format!("and the allowed profiles are: {}", List(allowed)),
        Err(_) => "which is no profile (runtime/default, localhost/<name>, unconfined)".to_owned(),
    };
    let path = workload.annotation(annotation.key());
    let found = Found::Text(annotation.value());
    let another = allowed.iter().find_map(AllowedProfile::as_annotation);
    let remedy = match (counts, another) {
        (Annotations::Honor, Some(another)) => Remedy::Set(another.into()),
        (Annotations::Honor, None) => Remedy::Must("name an allowed profile".into()),
        (Annotations::Ignore, _) => Remedy::Remove,
    };
    Some(Violation::new(control, subject, path, found, remedy).because(reason))
}
