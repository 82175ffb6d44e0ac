//! AppArmor and seccomp profiles: one type for both, however they are written.
//!
//! Both are written as a field (`{type, localhostProfile}`, on the pod or on a container) and, by
//! history, as an annotation (`runtime/default`, `localhost/<name>`, `unconfined`).
//!
//! Sources: `ValidateAppArmorProfileField`, `validateSeccompProfileField` and
//! `ValidateAppArmorProfileFormat` of the API server's `pkg/apis/core/validation`; the annotation
//! keys of `k8s.io/api/core/v1` (`annotation_key_constants.go`).

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::decode::{Decode, Node, Problems, describe};
use crate::json::Text;
use crate::object::{Object, Slot, object};

/// A profile as a pod asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile<'a> {
    RuntimeDefault,
    Localhost(&'a str),
    Unconfined,
}

/// A profile that Kubernetes would not run as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed<'a> {
    UnknownType,
    LocalhostWithoutName,
    /// What it would be without the name.
    NameWithoutLocalhost(Profile<'a>),
}

impl Malformed<'_> {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::UnknownType => {
                "which is not a profile type (RuntimeDefault, Localhost, Unconfined)"
            }
            Self::LocalhostWithoutName => "which needs a localhostProfile",
            Self::NameWithoutLocalhost(_) => "which takes no localhostProfile",
        }
    }
}

object! {
    /// A profile field of a pod or a container, AppArmor's or seccomp's.
    pub(crate) struct WrittenProfile<'a> {
        "type" type_: Option<Text<'a>>,
        "localhostProfile" localhost_profile: Option<Text<'a>>,
    }
    usual: []
    known: []
}

impl WrittenProfile<'_> {
    pub(crate) fn type_(&self) -> &str {
        self.type_.as_ref().map(Text::as_str).unwrap_or_default()
    }

    pub(crate) fn localhost_profile(&self) -> Option<&str> {
        self.localhost_profile.as_ref().map(Text::as_str)
    }

    /// The field that says the same as an annotation.
    pub(super) fn of(profile: Profile<'_>) -> Self {
        let (type_, name) = match profile {
            Profile::RuntimeDefault => ("RuntimeDefault", None),
            Profile::Localhost(name) => ("Localhost", Some(name.to_owned())),
            Profile::Unconfined => ("Unconfined", None),
        };
        Self {
            type_: Some(Text::from(Cow::Borrowed(type_))),
            localhost_profile: name.map(|name| Text::from(Cow::Owned(name))),
            ..Self::default()
        }
    }

    pub(crate) fn parse(&self) -> Result<Profile<'_>, Malformed<'_>> {
        let name = self.localhost_profile();
        let nameless = match self.type_() {
            "RuntimeDefault" => Profile::RuntimeDefault,
            "Unconfined" => Profile::Unconfined,
            "Localhost" => {
                let name = name.filter(|name| !name.trim().is_empty());
                return name
                    .map(Profile::Localhost)
                    .ok_or(Malformed::LocalhostWithoutName);
            }
            _ => return Err(Malformed::UnknownType),
        };
        match name {
            None => Ok(nameless),
            Some(_) => Err(Malformed::NameWithoutLocalhost(nameless)),
        }
    }
}

/// The profile annotations of a pod, in the order of their targets; all its other annotations are skipped.
#[derive(Debug, Default)]
pub(crate) struct ProfileAnnotations<'a>(Vec<ProfileAnnotation<'a>>);

/// One profile annotation.
#[derive(Debug, Default)]
pub(crate) struct ProfileAnnotation<'a> {
    key: Text<'a>,
    value: Text<'a>,
}

/// What a profile annotation is about, in the order of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target<'a> {
    AppArmorOfContainer(&'a str),
    SeccompOfContainer(&'a str),
    SeccompOfPod,
}

impl ProfileAnnotations<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ProfileAnnotation<'_>> {
        self.0.iter()
    }

    /// Whether the same annotations have the same values.
    pub(crate) fn are_same_as(&self, other: &ProfileAnnotations<'_>) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(one, other)| one.key() == other.key() && one.value() == other.value())
    }

    /// The one that asks for an AppArmor profile of the container.
    pub(crate) fn app_armor_of(&self, container: &str) -> Option<&ProfileAnnotation<'_>> {
        let annotation = self.get(Target::AppArmorOfContainer(container));
        annotation.filter(|found| found.app_armor() != Ok(None))
    }

    /// The value written for this target.
    pub(crate) fn get(&self, target: Target<'_>) -> Option<&ProfileAnnotation<'_>> {
        self.0.get(self.position(target).ok()?)
    }

    /// Where the one for this target is, or belongs: of ten thousand containers each looks for its own.
    #[inline(never)]
    pub(super) fn position(&self, target: Target<'_>) -> Result<usize, usize> {
        self.0
            .binary_search_by(|annotation| annotation.target().cmp(&Some(target)))
    }
}

impl ProfileAnnotation<'_> {
    pub(crate) fn key(&self) -> &str {
        self.key.as_str()
    }

    pub(crate) fn value(&self) -> &str {
        self.value.as_str()
    }

    pub(crate) fn target(&self) -> Option<Target<'_>> {
        Target::of_key(self.key.as_str())
    }

    /// The profile that an AppArmor annotation asks for. The kubelet takes an empty value, and
    /// `localhost/` without a name, for no annotation at all.
    pub(crate) fn app_armor(&self) -> Result<Option<Profile<'_>>, Malformed<'_>> {
        match self.value() {
            "" | "localhost/" => Ok(None),
            "runtime/default" => Ok(Some(Profile::RuntimeDefault)),
            value => localhost_or_unconfined(value).map(Some),
        }
    }

    /// The profile that a seccomp annotation asks for.
    pub(crate) fn seccomp(&self) -> Result<Profile<'_>, Malformed<'_>> {
        match self.value() {
            "runtime/default" | "docker/default" => Ok(Profile::RuntimeDefault),
            value => localhost_or_unconfined(value),
        }
    }
}

fn localhost_or_unconfined(value: &str) -> Result<Profile<'_>, Malformed<'_>> {
    match (value, value.strip_prefix("localhost/")) {
        ("unconfined", _) => Ok(Profile::Unconfined),
        (_, Some("")) => Err(Malformed::LocalhostWithoutName),
        (_, Some(name)) => Ok(Profile::Localhost(name)),
        (_, None) => Err(Malformed::UnknownType),
    }
}
impl<'a> Target<'a> {
    fn of_key(key: &'a str) -> Option<Self> {
        if let Some(container) = key.strip_prefix(APP_ARMOR_OF_CONTAINER) {
            Some(Self::AppArmorOfContainer(container))
        } else if key == SECCOMP_OF_POD {
            Some(Self::SeccompOfPod)
        } else {
            key.strip_prefix(SECCOMP_OF_CONTAINER)
                .map(Self::SeccompOfContainer)
        }
    }
}

impl<'de> Object<'de> for ProfileAnnotations<'de> {
    fn slot(&mut self, key: &str) -> Slot<'_, 'de> {
        let Some(target) = Target::of_key(key) else {
            return Slot::Nowhere;
        };
        // One that is written twice is written over. Hosts sort keys, so that this is the end.
        let place = self.position(target).unwrap_or_else(|place| {
            self.0.insert(place, ProfileAnnotation::default());
            place
        });
        let own = self.0.get_mut(place);
        own.map_or(Slot::Nowhere, |own| {
            Slot::Entry(&mut own.key, &mut own.value)
        })
    }

    fn noun(&self) -> &'static str {
        "a map of annotations"
    }
}

/// A profile field to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProfileField {
    #[serde(rename = "localhostProfile", skip_serializing_if = "Option::is_none")]
    pub(crate) localhost_profile: Option<String>,
    #[serde(rename = "type")]
    pub(crate) type_: &'static str,
}

/// An entry of `appArmor.allowed` or `seccomp.allowed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedProfile {
    RuntimeDefault,
    /// This one profile; the whole name is compared.
    Localhost(String),
    AnyLocalhost,
    Unconfined,
}

describe!(
    AllowedProfile: {"type": "string", "anyOf": [
        {"enum": ["RuntimeDefault", "Unconfined", "Localhost/*"]},
        {"pattern": r"^Localhost/[^*]*[^*\s][^*]*$"},
    ]},
    |profile| profile.to_string().into(),
);

impl AllowedProfile {
    pub(crate) fn allows(&self, profile: Profile<'_>) -> bool {
        match (self, profile) {
            (Self::RuntimeDefault, Profile::RuntimeDefault)
            | (Self::Unconfined, Profile::Unconfined)
            | (Self::AnyLocalhost, Profile::Localhost(_)) => true,
            (Self::Localhost(allowed), Profile::Localhost(name)) => allowed == name,
            _ => false,
        }
    }

    /// The field value that asks for this profile, where the entry names a single one.
    pub(crate) fn as_field(&self) -> Option<ProfileField> {
        let (type_, localhost_profile) = match self {
            Self::RuntimeDefault => ("RuntimeDefault", None),
            Self::Unconfined => ("Unconfined", None),
            Self::Localhost(name) => ("Localhost", Some(name.clone())),
            Self::AnyLocalhost => return None,
        };
        Some(ProfileField {
            localhost_profile,
            type_,
        })
    }

    /// The annotation value that asks for this profile, where the entry names a single one.
    pub(crate) fn as_annotation(&self) -> Option<String> {
        match self {
            Self::RuntimeDefault => Some("runtime/default".to_owned()),
            Self::Unconfined => Some("unconfined".to_owned()),
            Self::Localhost(name) => Some(format!("localhost/{name}")),
            Self::AnyLocalhost => None,
        }
    }
}

impl Display for AllowedProfile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuntimeDefault => f.write_str("RuntimeDefault"),
            Self::Unconfined => f.write_str("Unconfined"),
            Self::AnyLocalhost => f.write_str("Localhost/*"),
            Self::Localhost(name) => write!(f, "Localhost/{name}"),
        }
    }
}

impl Decode for AllowedProfile {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let word = problems.text(node)?;
        let profile = match (word, word.split_once('/')) {
            ("RuntimeDefault", _) => Some(Self::RuntimeDefault),
            ("Unconfined", _) => Some(Self::Unconfined),
            (_, Some(("Localhost", "*"))) => Some(Self::AnyLocalhost),
            (_, Some(("Localhost", name))) if !name.trim().is_empty() && !name.contains('*') => {
                Some(Self::Localhost(name.to_owned()))
            }
            _ => None,
        };
        if profile.is_none() {
            problems.unknown_word(
                word,
                &[
                    "RuntimeDefault",
                    "Localhost/<name>",
                    "Localhost/*",
                    "Unconfined",
                ],
            );
        }
        profile
    }
}

const APP_ARMOR_OF_CONTAINER: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
