//! What AppArmor and seccomp find of profiles, which is the same but for a few words.

use super::{Finding, Findings, Found, Remedy, Taken, Takes, Value};
use crate::decode::AnnotationUse;
use crate::pod::container::Container;
use crate::pod::place::{Place, Subject};
use crate::pod::profile::{AllowedProfile, Malformed, Profile, ProfileAnnotation, WrittenProfile};
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

/// What tells one kind of profile from another.
pub(crate) struct ProfileKind {
    /// The name of the control.
    pub(crate) control: &'static str,
    /// The field of a security context.
    pub(crate) field: &'static str,
    pub(crate) of: for<'c> fn(&'c SecurityContext<'c>) -> Option<&'c WrittenProfile<'c>>,
    /// Whether a container takes the pod's field.
    pub(crate) takes_field: Takes,
    /// Whether an annotation asks for a profile of the container.
    pub(crate) is_annotated: fn(&Pod<'_>, &Container<'_>) -> bool,
    /// The annotation whose profile Kubernetes copies into the container's field, where it has none.
    pub(crate) copied: for<'c> fn(&'c Pod<'c>, &Container<'c>) -> Option<Copied<'c>>,
    /// Why no profile is set, where nothing is written anywhere, if there is more to say.
    pub(crate) without_any: Option<&'static str>,
    /// Why the annotation does not stand in for the field.
    pub(crate) without_field: &'static str,
}

/// The key of an annotation, and the profile that it asks for.
pub(crate) type Copied<'c> = (&'c str, Profile<'c>);

/// What the settings ask of profiles of one kind.
pub(crate) struct ProfileRules<'s> {
    pub(crate) required: bool,
    pub(crate) allowed: &'s [AllowedProfile],
    pub(crate) annotations: AnnotationUse,
}

impl ProfileKind {
    /// Judges the fields of the pod and of each container.
    pub(crate) fn judge_fields<'p>(
        &self,
        pod: &'p Pod<'p>,
        rules: &ProfileRules<'_>,
        findings: &mut Findings<'p>,
    ) {
        let of_pod = pod.security_context().and_then(self.of);
        if let Some(profile) = of_pod {
            let place = || pod.field(&["securityContext", self.field]);
            if let Some(found) = of_field(place, profile, rules.allowed) {
                findings.report(found.taken_by(self.takes_field));
            }
        }
        for container in pod.containers() {
            let own = container.security_context().and_then(self.of);
            if let Some(profile) = own {
                let place = || container.security_field(&[self.field]);
                if let Some(found) = of_field(place, profile, rules.allowed) {
                    findings.report(found);
                }
            }
            if !rules.required || own.or(of_pod).is_some() {
                continue;
            }
            let is_annotated = (self.is_annotated)(pod, &container);
            if is_annotated && rules.annotations == AnnotationUse::Honor {
                continue;
            }
            let place = container.security_field(&[self.field]);
            let copied = (self.copied)(pod, &container);
            if let Some((key, _)) = copied.filter(|(_, profile)| allows(rules.allowed, *profile)) {
                findings.notice(format!(
                    "{}: set {place} instead of the annotation {}, which Kubernetes copies into it \
                     when the Pod is created",
                    self.control,
                    Quoted(key)
                ));
                continue;
            }
            if findings.is_full() {
                continue;
            }
            let found = Finding::new(place, Found::Unset, set_profile(rules.allowed))
                .or_from_pod(self.takes_field);
            findings.report(match self.without_any {
                _ if is_annotated => found.because(self.without_field),
                Some(reason) => found.because(reason),
                None => found,
            });
        }
    }
}

impl ProfileRules<'_> {
    /// What is wrong with an annotation that asks for `profile` and is about `subject`.
    pub(crate) fn of_annotation<'p>(
        &self,
        pod: &'p Pod<'p>,
        subject: Subject<'p>,
        annotation: &'p ProfileAnnotation<'p>,
        profile: Result<Option<Profile<'p>>, Malformed<'p>>,
    ) -> Option<Finding<'p>> {
        let reason = match profile {
            Ok(None) => return None,
            Ok(Some(profile)) if allows(self.allowed, profile) => return None,
            Ok(Some(_)) => format!("and the allowed profiles are: {}", Joined(self.allowed)),
            Err(_) => {
                "which is not a profile (runtime/default, localhost/<name>, unconfined)".to_owned()
            }
        };
        let another = confining(self.allowed).find_map(AllowedProfile::as_annotation);
        // Where the cluster acts on it, it may be all that its container has.
        let remedy = match (self.annotations, another) {
            (AnnotationUse::Honor, Some(another)) => Remedy::Set(another.into()),
            (AnnotationUse::Honor, None) => Remedy::Must("name an allowed profile".into()),
            (AnnotationUse::Ignore, _) => Remedy::Remove,
        };
        let place = pod.annotation(subject, annotation.key());
        let found = Found::Text(annotation.value());
        Some(Finding::new(place, found, remedy).because(reason))
    }
}

/// Whether a container runs under what an annotation of its name says, if there is one: where it has no
/// AppArmor field of its own.
pub(crate) fn takes_app_armor_annotation(_: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    own.is_none_or(|own| own.app_armor_profile.is_none()).into()
}

/// Whether a container runs under the pod's AppArmor field: where neither a field nor an annotation of its
/// own comes before it.
pub(crate) fn takes_app_armor_field(pod: &Pod<'_>, container: &Container<'_>) -> Taken {
    if pod.annotations.app_armor_of(container.name()).is_some() {
        Taken::Not
    } else {
        takes_app_armor_annotation(pod, container)
    }
}

/// Whether a container runs under the pod's seccomp field, as long as annotations do not count: where it has
/// no field of its own.
pub(crate) fn takes_seccomp_field(_: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    own.is_none_or(|own| own.seccomp_profile.is_none()).into()
}

/// What is wrong with a profile field.
fn of_field<'p>(
    place: impl FnOnce() -> Place<'p>,
    written: &'p WrittenProfile<'p>,
    allowed: &[AllowedProfile],
) -> Option<Finding<'p>> {
    let (found, malformed) = match written.parse() {
        Ok(profile) if allows(allowed, profile) => return None,
        Ok(Profile::Localhost(name)) => (localhost(name), None),
        Ok(_) => (Found::Text(written.type_()), None),
        Err(malformed) => (Found::Text(written.type_()), Some(malformed)),
    };
    // Without its name it may be a profile that is allowed.
    let nameless = match malformed {
        Some(Malformed::NameWithoutLocalhost(profile)) => {
            allowed.iter().find(|entry| entry.allows(profile))
        }
        _ => None,
    };
    let remedy = match nameless.and_then(AllowedProfile::as_field) {
        Some(nameless) => Remedy::Set(nameless.into()),
        None => set_profile(allowed),
    };
    let has_name = written.localhost_profile().is_some();
    let finding = Finding::new(place(), found, remedy).with_name(has_name);
    Some(match malformed {
        Some(malformed) => finding.because(malformed.reason()),
        None => finding,
    })
}

/// A profile of the node by its name: escaped, as all input is, but not cut, because what is found tells
/// an old finding from a new one.
pub(crate) fn localhost<'p>(name: &str) -> Found<'p> {
    let profile = format!("Localhost/{name}");
    Found::Phrase(format!("is {profile:?}").into())
}

/// What may be suggested: a container without a profile may have the node's.
fn confining(allowed: &[AllowedProfile]) -> impl Iterator<Item = &AllowedProfile> {
    let is_confining = |entry: &&AllowedProfile| **entry != AllowedProfile::Unconfined;
    allowed.iter().filter(is_confining)
}

fn allows(allowed: &[AllowedProfile], profile: Profile<'_>) -> bool {
    allowed.iter().any(|entry| entry.allows(profile))
}

/// The remedy where a profile is missing or not allowed: the first allowed one that has a name.
fn set_profile(allowed: &[AllowedProfile]) -> Remedy {
    let suggestion = confining(allowed)
        .find_map(AllowedProfile::as_field)
        .map(Value::from);
    match (allowed, suggestion) {
        // There is nothing to choose from.
        ([AllowedProfile::RuntimeDefault], Some(field)) => Remedy::Set(field),
        (_, suggestion) => Remedy::OneOf {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            suggestion,
        },
    }
}
