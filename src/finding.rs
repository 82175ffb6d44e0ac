//! What a control hands back: findings, as data, and the sentence that each becomes.
//!
//! A control reports a [`Finding`]: whose field, what was found there and what mends it. Which control
//! it was is stamped on it by whoever runs the controls. Sorting, exemptions, the update rule and the
//! machine-readable form all work on that data.

pub(crate) mod profile;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::pod::container::Container;
use crate::pod::place::{Place, Subject};
use crate::pod::profile::ProfileField;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

/// What the controls have found.
#[derive(Debug, Default)]
pub(crate) struct Findings<'p> {
    pub(crate) found: Vec<Finding<'p>>,
    /// How many are kept; all, where none is set.
    pub(crate) limit: Option<usize>,
    /// What the user should know and no finding says; sorted, each once.
    pub(crate) notices: Vec<String>,
}

impl<'p> Findings<'p> {
    // Most requests come this way never.
    #[cold]
    #[inline(never)]
    pub(crate) fn report(&mut self, finding: Finding<'p>) {
        if self.limit.is_none_or(|limit| self.found.len() < limit) {
            self.found.push(finding);
        }
    }

    #[cold]
    pub(crate) fn notice(&mut self, notice: impl Into<String>) {
        let notice = notice.into();
        if let Err(place) = self.notices.binary_search(&notice) {
            self.notices.insert(place, notice);
        }
    }
}

/// One field of the pod that a control does not accept.
#[derive(Debug, Clone)]
pub(crate) struct Finding<'p> {
    pub(crate) place: Place<'p>,
    pub(crate) found: Found<'p>,
    /// Why `found` is not accepted, where the control and the field do not say it by themselves.
    because: Option<Cow<'static, str>>,
    pub(crate) remedy: Remedy,
    /// What keeps the harm small, and nobody reads: with less of it this is another finding.
    bounds: Vec<&'p str>,
    /// For a value that is written for several containers: who takes it.
    pub(crate) inherited: Option<Inherited>,
}

/// A value that containers take which have none of their own.
#[derive(Debug, Clone)]
pub(crate) struct Inherited {
    /// How this container of the pod does.
    pub(crate) taken_by: Takes,
    /// What mends it in the container alone, where that is not what mends it for all.
    own: Option<Remedy>,
}

/// How a container takes a value that is not its own.
pub(crate) type Takes = fn(&Pod<'_>, &Container<'_>) -> Taken;

/// How a value is taken, the harmless first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    Not,
    /// With something of its own beside it that keeps the harm small.
    Bounded,
    Fully,
}

impl From<bool> for Taken {
    fn from(is_taken: bool) -> Self {
        if is_taken { Self::Fully } else { Self::Not }
    }
}

impl<'p> Finding<'p> {
    // Not inlined, here and below: most requests come this way never, and all controls do.
    #[inline(never)]
    pub(crate) fn new(place: Place<'p>, found: Found<'p>, remedy: Remedy) -> Self {
        Self {
            place,
            found,
            because: None,
            remedy,
            bounds: Vec::new(),
            inherited: None,
        }
    }

    #[inline(never)]
    fn because_of(self, reason: Cow<'static, str>) -> Self {
        Self {
            because: Some(reason),
            ..self
        }
    }

    pub(crate) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.because_of(reason.into())
    }

    /// Tells apart what is written alike and does not do the same: each of these keeps the harm
    /// small.
    #[inline(never)]
    pub(crate) fn bounded_by(self, bounds: Vec<&'p str>) -> Self {
        Self { bounds, ..self }
    }

    /// Says which containers take the value.
    #[inline(never)]
    pub(crate) fn taken_by(self, taken_by: Takes) -> Self {
        Self {
            inherited: Some(Inherited {
                taken_by,
                own: None,
            }),
            ..self
        }
    }

    /// The same, where a container mends it in another way.
    #[inline(never)]
    pub(crate) fn taken_by_unless(self, taken_by: Takes, own: Remedy) -> Self {
        Self {
            inherited: Some(Inherited {
                taken_by,
                own: Some(own),
            }),
            ..self
        }
    }

    pub(crate) fn subject(&self) -> Subject<'p> {
        self.place.subject
    }

    /// Whether `other`, found in an earlier state of the object, is the same finding, or one that
    /// is as bad in the same place.
    pub(crate) fn is_no_worse_than(&self, other: &Finding<'_>) -> bool {
        // In the order of what it costs: of two findings nearly all differ in what was found.
        self.found.is_no_worse_than(&other.found)
            && self.place.is_same_as(&other.place)
            && self.is_bounded_like(other)
    }

    /// Whether everything that keeps the harm of `other` small does so here. Of lists that no honest
    /// object has, only the same one does: looking each up in the other takes too long.
    fn is_bounded_like(&self, other: &Finding<'_>) -> bool {
        self.bounds == other.bounds
            || (other.bounds.len() <= MAX_BOUNDS
                && other.bounds.iter().all(|bound| self.bounds.contains(bound)))
    }

    /// What this finding is to a container that takes the value: that it has none of its own.
    pub(crate) fn of_container(&self, container: &Container<'p>) -> Self {
        let own = self.inherited.as_ref().and_then(|value| value.own.clone());
        Self::new(
            self.place.of_other(container.subject()),
            Found::Unset,
            own.unwrap_or_else(|| self.remedy.clone()),
        )
        .because(format!("and the pod's {}", self.found))
    }

    /// What findings of one control are sorted by: the place in the manifest, and what was found there.
    // Not in each place where sorting compares.
    #[inline(never)]
    pub(crate) fn compare_place(&self, other: &Finding<'_>) -> Ordering {
        let places = (self.subject(), &self.place).cmp(&(other.subject(), &other.place));
        places.then_with(|| self.found.cmp(&other.found))
    }

    /// The same, and the reason.
    pub(crate) fn compare(&self, other: &Finding<'_>) -> Ordering {
        self.compare_place(other)
            .then_with(|| self.because.cmp(&other.because))
    }
}

impl Display for Finding<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.subject() != Subject::Pod {
            write!(f, "{}: ", self.subject())?;
        }
        let place = &self.place;
        write!(f, "{} {}", place.within_subject(), self.found)?;
        if let Some(reason) = &self.because {
            write!(f, ", {reason}")?;
        }
        f.write_str("; ")?;
        match &self.remedy {
            Remedy::Set(value) => write!(f, "set {place}{value}"),
            Remedy::Remove => write!(f, "remove {place}"),
            Remedy::Append(name) => write!(f, "add {name} to {place}"),
            Remedy::OneOf {
                allowed,
                suggestion,
            } => match suggestion.as_ref().filter(|value| value.is_short()) {
                Some(value) => write!(f, "set {place}{value} (allowed: {})", Joined(allowed)),
                None => write!(f, "{place} must be one of: {}", Joined(allowed)),
            },
            Remedy::Must(predicate) => write!(f, "{place} must {predicate}"),
            Remedy::Ask => f.write_str("try again, or ask whoever runs the policy server"),
        }
    }
}

/// What stands in the field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found<'p> {
    Unset,
    Flag(bool),
    Number(i64),
    Text(&'p str),
    /// A list without this name in it.
    Lacks {
        name: Cow<'static, str>,
        is_empty: bool,
    },
    /// Anything that needs words of its own, after the name of the field: `has no name`.
    Phrase(Cow<'static, str>),
}

impl Found<'_> {
    fn is_no_worse_than(&self, other: &Found<'_>) -> bool {
        match (self, other) {
            // Where both may be found, the flag is what unset means; and without a profile a
            // container is unconfined, or better off by the node's default.
            (Self::Unset | Self::Flag(_), Found::Unset | Found::Flag(_))
            | (Self::Unset, Found::Text("Unconfined")) => true,
            (Self::Lacks { name, .. }, Found::Lacks { name: other, .. }) => name == other,
            _ => self == other,
        }
    }
}

impl Display for Found<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset | Self::Lacks { is_empty: true, .. } => f.write_str("is not set"),
            Self::Lacks { name, .. } => write!(f, "does not hold {name}"),
            Self::Flag(flag) => write!(f, "is {flag}"),
            Self::Number(number) => write!(f, "is {number}"),
            Self::Text(text) => write!(f, "is {}", Quoted(text)),
            Self::Phrase(phrase) => f.write_str(phrase),
        }
    }
}

/// What mends a finding.
#[derive(Debug, Clone)]
pub(crate) enum Remedy {
    /// Write this value.
    Set(Value),
    /// Delete the field.
    Remove,
    /// Add this name to the list.
    Append(Cow<'static, str>),
    /// Choose; `suggestion` is one choice that is always right, where there is one.
    OneOf {
        allowed: Vec<String>,
        suggestion: Option<Value>,
    },
    /// No value can be named: what the field must do, as words after "must".
    Must(Cow<'static, str>),
    /// Nothing in the manifest: what could not be told may be told another time.
    Ask,
}

/// A value to be written.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Flag(bool),
    Text(Cow<'static, str>),
    Profile(ProfileField),
}

impl Value {
    /// Whether it can be named in a few words.
    fn is_short(&self) -> bool {
        !matches!(self, Self::Profile(profile) if profile.localhost_profile.is_some())
    }
}

impl Display for Value {
    /// What stands behind the place: `.type to RuntimeDefault`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, " to {flag}"),
            Self::Text(text) => write!(f, " to {text}"),
            Self::Profile(ProfileField {
                localhost_profile: None,
                type_,
            }) => write!(f, ".type to {type_}"),
            Self::Profile(profile) => {
                let json = serde_json::to_string(profile).map_err(|_| fmt::Error)?;
                write!(f, " to {json}")
            }
        }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<ProfileField> for Value {
    fn from(profile: ProfileField) -> Self {
        Self::Profile(profile)
    }
}

/// There are some forty capabilities.
const MAX_BOUNDS: usize = 64;
