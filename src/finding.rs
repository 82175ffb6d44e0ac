//! What a control hands back: findings, as data, and the sentence that each becomes.
//!
//! A control reports a [`Finding`]: whose field, what was found there and what mends it. Which control
//! it was is stamped on it by whoever runs the controls. Sorting, exemptions, the update rule and the
//! machine-readable form all work on that data.

pub(crate) mod profile;

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};

use serde::Serialize;

use crate::pod::container::Container;
use crate::pod::place::{Place, Subject, Subjects};
use crate::pod::profile::ProfileField;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted, cut};

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
    /// A field below the place that must go when the remedy's value is written.
    without: Option<&'static str>,
    /// What whoever follows the remedy has to know besides.
    note: Option<&'static str>,
    /// What keeps the harm small, and nobody reads: with less of it this is another finding.
    bounds: Vec<&'p str>,
    /// For a value that is written for several containers: who takes it.
    pub(crate) inherited: Option<Inherited>,
    /// For a field that a container lacks: how it would take the pod's field of the same name.
    pub(crate) from_pod: Option<Takes>,
    /// Whether the pod's field of the same name is the better place for the remedy: it mends all
    /// who say the same, and changes nobody else.
    pub(crate) is_mended_in_pod: bool,
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
    pub(crate) fn new(place: Place<'p>, found: Found<'p>, remedy: Remedy) -> Self {
        Self {
            place,
            found,
            because: None,
            remedy,
            without: None,
            note: None,
            bounds: Vec::new(),
            inherited: None,
            from_pod: None,
            is_mended_in_pod: false,
        }
    }

    pub(crate) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            because: Some(reason.into()),
            ..self
        }
    }

    /// Names the field below the place that the remedy's value does not go with.
    pub(crate) fn without(self, field: &'static str) -> Self {
        Self {
            without: Some(field),
            ..self
        }
    }

    /// Adds what has to be known besides.
    #[cold]
    pub(crate) fn note(&mut self, note: &'static str) {
        self.note = Some(note);
    }

    /// Says how the container would take the field from its pod.
    pub(crate) fn or_from_pod(self, takes: Takes) -> Self {
        Self {
            from_pod: Some(takes),
            ..self
        }
    }

    /// Tells apart what is written alike and does not do the same: each of these keeps the harm
    /// small.
    pub(crate) fn bounded_by(self, bounds: Vec<&'p str>) -> Self {
        Self { bounds, ..self }
    }

    /// Says which containers take the value.
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

    /// What findings of one control are sorted by: the place in the manifest.
    pub(crate) fn sort_key(&self) -> impl Ord {
        (self.subject(), &self.place, &self.found, &self.because)
    }

    /// Whether both say the same of two containers, or of two volumes.
    pub(crate) fn says_the_same_as(&self, other: &Finding<'_>) -> bool {
        self.found == other.found
            && self.place.is_same_below_subject(&other.place)
            && self.because == other.because
            && self.remedy == other.remedy
            && self.is_mended_in_pod == other.is_mended_in_pod
            && (self.without, self.note) == (other.without, other.note)
    }
}

/// Findings of one control that say the same, as one sentence: what is wrong, and what to do.
pub(crate) struct Sentence<'s, 'p> {
    findings: &'s [&'s Finding<'p>],
    first: &'s Finding<'p>,
}

impl<'s, 'p> Sentence<'s, 'p> {
    pub(crate) fn new(findings: &'s [&'s Finding<'p>]) -> Option<Self> {
        let first = findings.first()?;
        Some(Self { findings, first })
    }

    /// The sentence in at most `limit` bytes. Where it is longer, what is wrong is cut before what to
    /// do: the field is named in both.
    pub(crate) fn fit(&self, start: &str, limit: usize) -> String {
        let mut wrong = format!("{start}{}", self.wrong());
        let mut advice = self.advice();
        if let Some(note) = self.first.note {
            let _ = write!(advice, "; {note}");
        }
        let room = limit.saturating_sub(advice.len()).saturating_sub(2);
        if wrong.len() > room {
            let room = room.max(limit / 3);
            wrong = cut(wrong, room);
            advice = cut(advice, limit.saturating_sub(2).saturating_sub(wrong.len()));
        }
        wrong.push_str("; ");
        wrong.push_str(&advice);
        wrong
    }

    fn wrong(&self) -> String {
        let Finding {
            place,
            found,
            because,
            ..
        } = self.first;
        let mut text = String::new();
        if self.first.subject() != Subject::Pod {
            let subjects = self.findings.iter().map(|finding| finding.subject());
            let _ = write!(text, "{}: ", Subjects(subjects));
        }
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, "{} {found}", place.within_subject());
        if let Some(reason) = because {
            let _ = write!(text, ", {reason}");
        }
        text
    }

    fn advice(&self) -> String {
        let Finding {
            place,
            found,
            remedy,
            without,
            ..
        } = self.first;
        let are_several = self.findings.len() > 1;
        // For several, the field has just been named.
        let (field, of_field, in_each) = if self.first.is_mended_in_pod && are_several {
            let of_pod = place.of_other(Subject::Pod).to_string();
            (of_pod.clone(), format!("{of_pod}."), "")
        } else if are_several {
            ("it".to_owned(), "its ".to_owned(), " in each")
        } else {
            let own = place.to_string();
            (own.clone(), format!("{own}."), "")
        };
        let set = |value: &Value| {
            let mut text = match value {
                Value::Profile(ProfileField {
                    localhost_profile: None,
                    type_,
                }) => match without {
                    // All but that is as it should be.
                    Some(other) if *found == Found::Text(type_) => {
                        return format!("remove {of_field}{other}{in_each}");
                    }
                    _ => format!("set {of_field}type to {type_}"),
                },
                value => format!("set {field} to {value}"),
            };
            if let Some(other) = without {
                let _ = write!(text, " and remove its {other}");
            }
            text.push_str(in_each);
            text
        };
        match remedy {
            Remedy::Set(value) => set(value),
            Remedy::Remove => format!("remove {field}{in_each}"),
            Remedy::Append(name) => format!("add {name} to {field}{in_each}"),
            Remedy::OneOf {
                allowed,
                suggestion,
            } => match suggestion.as_ref().filter(|value| value.is_short()) {
                Some(value) => format!("{} (allowed: {})", set(value), Joined(allowed)),
                None => format!("{field} must be one of: {}", Joined(allowed)),
            },
            Remedy::Must(predicate) => format!("{field} must {predicate}"),
            Remedy::Never(reason) => format!("no value can mend it: {reason}"),
            Remedy::Ask => "try again, or ask whoever runs the policy server".to_owned(),
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// No value would do, for this reason.
    Never(Cow<'static, str>),
    /// Nothing in the manifest: what could not be told may be told another time.
    Ask,
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
            Self::Profile(profile) => {
                f.write_str(&serde_json::to_string(profile).map_err(|_| fmt::Error)?)
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
