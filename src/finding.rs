//! What a control hands back: findings, as data, and the sentence that each becomes.
//!
//! A control reports a [`Finding`]: whose field, what was found there and what mends it. Which control
//! it was is stamped on it by whoever runs the controls. Sorting, exemptions, the update rule and the
//! machine-readable form all work on that data.

pub(crate) mod profile;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter, Write as _};
use std::mem;

use serde::Serialize;

use crate::pod::container::Container;
use crate::pod::place::{Place, Subject};
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
    // Most requests never get here.
    #[cold]
    pub(crate) fn report(&mut self, finding: Finding<'p>) {
        if !self.is_full() {
            self.found.push(finding);
        }
    }

    /// Whether nothing more is kept, so that nothing more need be looked for.
    pub(crate) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.found.len() >= limit)
    }

    pub(crate) fn notice(&mut self, notice: String) {
        insert_notice(&mut self.notices, notice);
    }
}

#[cold]
#[inline(never)]
pub(crate) fn insert_notice(notices: &mut Vec<String>, notice: String) {
    if let Err(place) = notices.binary_search(&notice) {
        notices.insert(place, notice);
    }
}

/// One field of the pod that a control does not accept.
#[derive(Debug, Clone)]
pub(crate) struct Finding<'p> {
    pub(crate) place: Place<'p>,
    pub(crate) found: Found<'p>,
    /// Why `found` is not accepted, where the control and the field do not say it by themselves.
    pub(crate) because: Option<Cow<'static, str>>,
    pub(crate) remedy: Remedy,
    /// Whether a `localhostProfile` is written below the place, which must go when the remedy's value
    /// comes.
    names_profile: bool,
    /// What keeps the harm small, and nobody reads: with less of it this is another finding.
    bounds: Box<[&'p str]>,
    /// For a value that is written for several containers: who takes it.
    pub(crate) inherited: Option<Inherited>,
    /// For a field that a container lacks: how it would take the pod's field of the same name.
    pub(crate) from_pod: Option<Takes>,
    /// Whether the pod's field of the same name is the better place for the remedy: it mends all
    /// who say the same, and changes nobody else.
    pub(crate) is_mended_in_pod: bool,
    /// What the host must be asked before it is known whether this is a finding.
    // Boxed, because hardly a finding has one.
    pub(crate) question: Option<Box<Question<'p>>>,
}

/// What only the host can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question<'p> {
    /// As which user the container runs that has this image.
    UserOf(&'p str),
    /// Whether a profile is on the nodes, by the resource that installs it.
    Profile { name: &'p str, kind: &'static str },
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

// What makes a finding is out of line: an accepted pod has none, and there are many places that make one.
impl<'p> Finding<'p> {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(place: Place<'p>, found: Found<'p>, remedy: Remedy) -> Self {
        Self {
            place,
            found,
            because: None,
            remedy,
            names_profile: false,
            bounds: Box::default(),
            inherited: None,
            from_pod: None,
            is_mended_in_pod: false,
            question: None,
        }
    }

    /// Says that it is one only if the host's answer speaks against it.
    pub(crate) fn if_host_says(mut self, question: Question<'p>) -> Self {
        self.question = Some(Box::new(question));
        self
    }

    pub(crate) fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.set_reason(reason.into());
        self
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn set_reason(&mut self, reason: Cow<'static, str>) {
        self.because = Some(reason);
    }

    /// Says whether a `localhostProfile` is written.
    pub(crate) fn with_name(mut self, is_written: bool) -> Self {
        self.names_profile = is_written;
        self
    }

    /// Says how the container would take the field from its pod.
    pub(crate) fn or_from_pod(mut self, takes: Takes) -> Self {
        self.from_pod = Some(takes);
        self
    }

    /// Tells apart what is written alike and does not do the same: each of these keeps the harm
    /// small.
    pub(crate) fn bounded_by(mut self, bounds: Vec<&'p str>) -> Self {
        self.bounds = bounds.into_boxed_slice();
        self
    }

    /// Says which containers take the value.
    pub(crate) fn taken_by(self, taken_by: Takes) -> Self {
        self.inherited_by(taken_by, None)
    }

    /// The same, where a container mends it in another way.
    pub(crate) fn taken_by_unless(self, taken_by: Takes, own: Remedy) -> Self {
        self.inherited_by(taken_by, Some(own))
    }

    #[cold]
    #[inline(never)]
    fn inherited_by(mut self, taken_by: Takes, own: Option<Remedy>) -> Self {
        self.inherited = Some(Inherited { taken_by, own });
        self
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
        let mut finding = Self::new(
            self.place.of_other(container.subject()),
            Found::Unset,
            own.unwrap_or_else(|| self.remedy.clone()),
        )
        .because(format!("and the pod's {}", self.found));
        finding.question.clone_from(&self.question);
        finding
    }

    /// What findings of one control are sorted by: the place in the manifest, and what was found there.
    // Not in each place where sorting compares.
    #[inline(never)]
    pub(crate) fn compare_place(&self, other: &Finding<'_>) -> Ordering {
        let places = self.place.cmp(&other.place);
        places.then_with(|| self.found.cmp(&other.found))
    }

    /// The same, and the reason.
    pub(crate) fn compare(&self, other: &Finding<'_>) -> Ordering {
        self.compare_place(other)
            .then_with(|| self.because.cmp(&other.because))
    }

    /// Whether both say the same of two containers, or of two volumes.
    pub(crate) fn says_the_same_as(&self, other: &Finding<'_>) -> bool {
        // In the order of what it costs.
        self.place.ends_like(&other.place)
            && self.found == other.found
            && self.place.is_same_below_subject(&other.place)
            && self.because == other.because
            && self.remedy.is_alike(&other.remedy)
            && self.is_mended_in_pod == other.is_mended_in_pod
            && self.names_profile == other.names_profile
    }
}

/// Mounts that cannot be read, so that nobody knows what the container sees.
pub(crate) fn unreadable_mounts<'p>(container: &Container<'p>) -> Finding<'p> {
    let remedy = Remedy::Must("be a list of mounts, each with a mountPath".into());
    let place = container.place().field(&["volumeMounts"]);
    Finding::new(place, Found::Phrase("cannot be read".into()), remedy)
}

/// What several findings of one control say, which is the same, in at most `limit` bytes behind `start`:
/// what is wrong, and what to do. Where that is longer, what is wrong is cut first: what to do names
/// the field as well.
#[cold]
#[inline(never)]
pub(crate) fn sentence(
    start: &str,
    findings: &[&Finding<'_>],
    notes: &[String],
    limit: usize,
) -> String {
    let Some(first) = findings.first() else {
        return String::new();
    };
    let mut advice = first.advice(findings.len() > 1);
    for note in notes {
        advice.push_str("; ");
        advice.push_str(note);
    }
    let mut text = start.to_owned();
    push_subjects(&mut text, findings);
    // Writing to a String cannot fail.
    let _ = write!(text, "{} {}", first.place.within_subject(), first.found);
    if let Some(reason) = &first.because {
        text.push_str(", ");
        text.push_str(reason);
    }
    let room = limit.saturating_sub(advice.len()).saturating_sub(2);
    if text.len() > room {
        text = cut(text, room.max(limit / 3));
        advice = cut(advice, limit.saturating_sub(2).saturating_sub(text.len()));
    }
    text.push_str("; ");
    text.push_str(&advice);
    text
}

/// Whose findings they are, sorted, in one phrase: `init container "a", containers "b", "c": `.
fn push_subjects(text: &mut String, findings: &[&Finding<'_>]) {
    let noun = |index: usize| findings.get(index).map(|finding| finding.subject().noun());
    for (index, finding) in findings.iter().enumerate() {
        let Some(name) = finding.subject().name() else {
            return;
        };
        if index == MAX_SUBJECTS {
            let more = findings.len().saturating_sub(index);
            let _ = write!(text, " and {more} more");
            break;
        }
        let (own, next) = (noun(index), noun(index.saturating_add(1)));
        if index > 0 {
            text.push_str(", ");
        }
        if index == 0 || noun(index.saturating_sub(1)) != own {
            text.push_str(own.unwrap_or_default());
            text.push_str(if next == own { "s " } else { " " });
        }
        let _ = write!(text, "{}", Quoted(name));
    }
    text.push_str(": ");
}

impl Finding<'_> {
    /// What to do; for several that say the same, in each of them or for all.
    fn advice(&self, are_several: bool) -> String {
        let in_pod = self.is_mended_in_pod && are_several;
        let (field, below, in_each) = if are_several && !in_pod {
            // The field has just been named.
            ("it".to_owned(), "s ", " in each")
        } else if in_pod {
            (self.place.of_other(Subject::Pod).to_string(), ".", "")
        } else {
            (self.place.to_string(), ".", "")
        };
        let set = |value: &Value| {
            let (below, of_profile, value) = match value {
                Value::Profile(ProfileField {
                    localhost_profile: None,
                    type_,
                }) => (below, "type", Cow::Borrowed(*type_)),
                value => ("", "", value.to_string().into()),
            };
            match (self.names_profile, &self.found) {
                // All but the name is as it should be.
                (true, Found::Text(found)) if value == *found => {
                    ["remove ", &field, below, NAME, in_each].concat()
                }
                (names, _) => {
                    let (and, name) = if names {
                        (" and remove its ", NAME)
                    } else {
                        ("", "")
                    };
                    let to = " to ";
                    [
                        "set ", &field, below, of_profile, to, &value, and, name, in_each,
                    ]
                    .concat()
                }
            }
        };
        match &self.remedy {
            Remedy::Set(value) => set(value),
            Remedy::Remove => ["remove ", &field, in_each].concat(),
            Remedy::Append(name) => ["add ", name, " to ", &field, in_each].concat(),
            Remedy::OneOf {
                allowed,
                suggestion,
            } => {
                let allowed = Joined(allowed).to_string();
                match suggestion.as_ref().filter(|value| value.is_short()) {
                    Some(value) => [&set(value), " (allowed: ", &allowed, ")"].concat(),
                    None => [&field, " must be one of: ", &allowed].concat(),
                }
            }
            Remedy::Must(predicate) => [&field, " must ", predicate].concat(),
            Remedy::Never(reason) => ["no value can mend it: ", reason].concat(),
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
    /// No value would do, for this reason.
    Never(Cow<'static, str>),
    /// Nothing in the manifest: what could not be told may be told another time.
    Ask,
}

impl Remedy {
    /// Whether both are the same for findings of one control that say the same: what may be written is
    /// the same for all then.
    fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Never(reason), Self::Never(other)) => reason == other,
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
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

const NAME: &str = "localhostProfile";
/// Who has more containers with one fault reads the manifest, not the names.
const MAX_SUBJECTS: usize = 10;
/// There are some forty capabilities.
const MAX_BOUNDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::place::ContainerKind;

    #[test]
    fn several_subjects_are_one_phrase() {
        let of = |kind, index, name| {
            let subject = Subject::Container { kind, index, name };
            Finding::new(Place::of_subject(&[], subject), Found::Unset, Remedy::Ask)
        };
        let phrase = |findings: &[Finding<'_>]| {
            let mut text = String::new();
            push_subjects(&mut text, &findings.iter().collect::<Vec<_>>());
            text
        };
        let (init, app) = (
            of(ContainerKind::Init, 0, "a"),
            of(ContainerKind::Regular, 0, "b"),
        );
        let other = of(ContainerKind::Regular, 1, "c");
        assert_eq!(phrase(std::slice::from_ref(&app)), r#"container "b": "#);
        assert_eq!(
            phrase(&[init, app, other]),
            r#"init container "a", containers "b", "c": "#
        );
        let many: Vec<_> = (0..12)
            .map(|index| of(ContainerKind::Regular, index, "x"))
            .collect();
        assert!(phrase(&many).ends_with(r#""x", "x" and 2 more: "#));
        assert_eq!(phrase(&[]), ": ");
    }

    #[test]
    fn of_a_long_sentence_what_is_wrong_is_cut_before_what_to_do() {
        let place = Place::of_subject(&[], Subject::Pod).field(&["field"]);
        let finding =
            Finding::new(place, Found::Unset, Remedy::Set(true.into())).because("x".repeat(100));
        let whole = format!(
            "a: field is not set, {}; set spec.field to true",
            "x".repeat(100)
        );
        let text = |limit| sentence("a: ", &[&finding], &[], limit);
        assert_eq!(text(whole.len()), whole);
        assert_eq!(
            text(60),
            "a: field is not set, xxxxxxxxxxxx...; set spec.field to true"
        );
        // Where there is no room for both, each has its part.
        assert_eq!(text(30), "a: fiel...; set spec.field ...");
    }
}
