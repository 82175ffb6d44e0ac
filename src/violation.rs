//! What the controls find, as data, and the only place where it becomes text.
//!
//! A control reports a [`Violation`]: which control, whose field, what was found there and what
//! mends it. Sorting, exemptions, the update rule and the machine-readable form all work on that
//! data. The sentence a person reads is made here and nowhere else:
//!
//! ```text
//! seccomp: container "app": securityContext.seccompProfile is not set; set
//! spec.containers[0].securityContext.seccompProfile.type to RuntimeDefault
//! ```

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::container::Container;
use crate::controls::Control;
use crate::workload::Workload;

/// One field of the workload that a control does not accept.
#[derive(Debug, Clone)]
pub(crate) struct Violation<'a> {
    pub(crate) control: Control,
    pub(crate) subject: Subject<'a>,
    pub(crate) path: FieldPath<'a>,
    pub(crate) found: Found<'a>,
    /// Why `found` is not accepted, where the control and the field do not say it by themselves.
    pub(crate) because: Option<Cow<'static, str>>,
    pub(crate) remedy: Remedy,
    /// What else tells this violation from one that the stored object has, and nobody reads.
    identity: Cow<'static, str>,
    /// For a value that is written for several containers: who takes it.
    pub(crate) inherited: Option<Inherited>,
}

/// A value that containers take which have none of their own.
#[derive(Debug, Clone)]
pub(crate) struct Inherited {
    /// Whether this container of the workload does.
    pub(crate) is_taken_by: Takes,
    /// What mends it in the container alone, where that is not what mends it for all.
    pub(crate) own: Option<Remedy>,
}

/// Whether a container takes a value that is not its own.
pub(crate) type Takes = fn(&Workload<'_>, &Container<'_>) -> bool;

impl<'a> Violation<'a> {
    pub(crate) fn new(
        control: Control,
        subject: Subject<'a>,
        path: FieldPath<'a>,
        found: Found<'a>,
        remedy: Remedy,
    ) -> Self {
        Self {
            control,
            subject,
            path,
            found,
            because: None,
            remedy,
            identity: Cow::Borrowed(""),
            inherited: None,
        }
    }

    pub(crate) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            because: Some(reason.into()),
            ..self
        }
    }

    /// Tells apart what is written alike and does not do the same.
    pub(crate) fn told_apart_by(self, identity: impl Into<Cow<'static, str>>) -> Self {
        Self {
            identity: identity.into(),
            ..self
        }
    }

    /// Says which containers take the value.
    pub(crate) fn taken_by(self, is_taken_by: Takes) -> Self {
        Self {
            inherited: Some(Inherited {
                is_taken_by,
                own: None,
            }),
            ..self
        }
    }

    /// The same, where a container mends it in another way.
    pub(crate) fn taken_by_unless(self, is_taken_by: Takes, own: Remedy) -> Self {
        Self {
            inherited: Some(Inherited {
                is_taken_by,
                own: Some(own),
            }),
            ..self
        }
    }

    /// Whether `other`, found in the stored object, is this same violation.
    ///
    /// Positions are not compared, of containers (their kind and name are) as little as of list
    /// elements: inserting one before a legacy one moves its index and changes nothing else.
    pub(crate) fn is_same_as(&self, other: &Violation<'_>) -> bool {
        self.control == other.control
            && self.subject.is_same_as(&other.subject)
            && self
                .path
                .keys_within_subject()
                .eq(other.path.keys_within_subject())
            && self.found == other.found
            && self.identity == other.identity
    }

    /// What this violation is to a container that takes the value: that it has none of its own.
    pub(crate) fn of_container(&self, container: &Container<'a>) -> Self {
        let keys: Vec<&'a str> = self.path.keys_within_subject().collect();
        let own = self.inherited.as_ref().and_then(|value| value.own.clone());
        Violation::new(
            self.control,
            container.subject(),
            container.path().field(&keys),
            Found::Unset,
            own.unwrap_or_else(|| self.remedy.clone()),
        )
        .because(format!("and the pod's {}", self.found))
    }

    /// What the violations are sorted by: the control, then the place in the manifest.
    pub(crate) fn sort_key(&self) -> impl Ord {
        (
            self.control,
            self.subject,
            &self.path,
            &self.found,
            &self.because,
            &self.identity,
        )
    }
}

impl Display for Violation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.control)?;
        if self.subject != Subject::Workload {
            write!(f, "{}: ", self.subject)?;
        }
        Segments(self.path.within_subject()).fmt(f)?;
        write!(f, " {}", self.found)?;
        if let Some(reason) = &self.because {
            write!(f, ", {reason}")?;
        }
        f.write_str("; ")?;
        match &self.remedy {
            Remedy::Set(value) => match Suggestion::of(value) {
                Some(suggestion) => write!(f, "set {}{suggestion}", self.path),
                None => write!(f, "set {} to {value}", self.path),
            },
            Remedy::Remove => write!(f, "remove {}", self.path),
            Remedy::Append(value) => write!(f, "add {} to {}", Word(value), self.path),
            Remedy::OneOf {
                allowed,
                suggestion,
            } => match suggestion.as_ref().and_then(Suggestion::of) {
                Some(suggestion) => write!(
                    f,
                    "set {}{suggestion} (allowed: {})",
                    self.path,
                    List(allowed)
                ),
                None => write!(f, "{} must be one of: {}", self.path, List(allowed)),
            },
            Remedy::Must(predicate) => write!(f, "{} must {predicate}", self.path),
            Remedy::Ask => f.write_str("try again, or ask whoever runs the policy server"),
        }
    }
}

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject<'a> {
    /// The workload as a whole: a field of the pod, not of one container.
    Workload,
    Container {
        kind: ContainerKind,
        index: usize,
        name: &'a str,
    },
    /// A volume whose content is an image.
    Volume { index: usize, name: &'a str },
}

/// The three lists of containers a pod has, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ContainerKind {
    Init,
    Regular,
    Ephemeral,
}

impl ContainerKind {
    /// The PodSpec field that holds containers of this kind.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Regular => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl Subject<'_> {
    pub(crate) fn is_same_as(&self, other: &Subject<'_>) -> bool {
        match (self, other) {
            (Self::Workload, Subject::Workload) => true,
            (
                Self::Container { kind, name, .. },
                Subject::Container {
                    kind: other_kind,
                    name: other_name,
                    ..
                },
            ) => kind == other_kind && name == other_name,
            (
                Self::Volume { name, .. },
                Subject::Volume {
                    name: other_name, ..
                },
            ) => name == other_name,
            _ => false,
        }
    }
}

impl Display for Subject<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Workload => return f.write_str("workload"),
            Self::Container {
                kind: ContainerKind::Init,
                name,
                ..
            } => ("init container", name),
            Self::Container {
                kind: ContainerKind::Regular,
                name,
                ..
            } => ("container", name),
            Self::Container {
                kind: ContainerKind::Ephemeral,
                name,
                ..
            } => ("ephemeral container", name),
            Self::Volume { name, .. } => ("volume", name),
        };
        write!(f, "{what} {}", Quoted(name))
    }
}

/// Where a field stands in the admitted object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldPath<'a> {
    segments: Vec<Segment<'a>>,
    /// How many leading segments lead to the subject: the pod's spec, a container, a volume.
    subject: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> FieldPath<'a> {
    /// The path of a subject itself, to which [`FieldPath::field`] adds the fields below it.
    pub(crate) fn of_subject(segments: Vec<Segment<'a>>) -> Self {
        Self {
            subject: segments.len(),
            segments,
        }
    }

    pub(crate) fn field(mut self, keys: &[&'a str]) -> Self {
        self.segments
            .extend(keys.iter().map(|key| Segment::Key(key)));
        self
    }

    pub(crate) fn index(mut self, index: usize) -> Self {
        self.segments.push(Segment::Index(index));
        self
    }

    fn within_subject(&self) -> &[Segment<'a>] {
        self.segments.get(self.subject..).unwrap_or_default()
    }

    fn keys_within_subject(&self) -> impl Iterator<Item = &'a str> {
        self.within_subject()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Key(key) => Some(*key),
                Segment::Index(_) => None,
            })
    }

    /// The path as a JSON pointer (RFC 6901) into the admitted object.
    pub(crate) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in &self.segments {
            pointer.push('/');
            match segment {
                Segment::Index(index) => pointer.push_str(&index.to_string()),
                Segment::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            }
        }
        pointer
    }
}

impl Display for FieldPath<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Segments(&self.segments).fmt(f)
    }
}

/// Segments as `kubectl` writes them: `spec.containers[0].image`, `annotations["a.b/c"]`.
struct Segments<'s, 'a>(&'s [Segment<'a>]);

impl Display for Segments<'_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    if position > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(key)?;
                }
                Segment::Key(key) => write!(f, "[{}]", Quoted(key))?,
            }
        }
        Ok(())
    }
}

/// What stands in the field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found<'a> {
    Unset,
    Flag(bool),
    Number(i64),
    Text(&'a str),
    /// Anything that needs words of its own, after the name of the field: `has no name`.
    Phrase(Cow<'static, str>),
}

impl Display for Found<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("is not set"),
            Self::Flag(flag) => write!(f, "is {flag}"),
            Self::Number(number) => write!(f, "is {number}"),
            Self::Text(text) => write!(f, "is {}", Quoted(text)),
            Self::Phrase(phrase) => f.write_str(phrase),
        }
    }
}

/// What mends a violation.
#[derive(Debug, Clone)]
pub(crate) enum Remedy {
    /// Write this value.
    Set(Value),
    /// Delete the field.
    Remove,
    /// Add this value to the list.
    Append(Value),
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

/// A violation in the form that machines read, in the audit annotation `violations`.
#[derive(Debug, Serialize)]
pub(crate) struct MachineViolation<'v> {
    control: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'v str>,
    /// JSON pointer of the field.
    path: String,
    /// The same place as people write it.
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix<'v>>,
}

/// What to write at the path so that the violation is gone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Fix<'v> {
    Set(&'v Value),
    Append(&'v Value),
    Remove(bool),
}

impl<'v> MachineViolation<'v> {
    pub(crate) fn new(violation: &'v Violation<'_>, mode: &'static str) -> Self {
        Self {
            control: violation.control.name(),
            mode,
            container: match violation.subject {
                Subject::Container { name, .. } => Some(name),
                Subject::Workload | Subject::Volume { .. } => None,
            },
            path: violation.path.pointer(),
            field: violation.path.to_string(),
            fix: match &violation.remedy {
                Remedy::Set(value)
                | Remedy::OneOf {
                    suggestion: Some(value),
                    ..
                } => Some(Fix::Set(value)),
                Remedy::Append(value) => Some(Fix::Append(value)),
                Remedy::Remove => Some(Fix::Remove(true)),
                Remedy::OneOf {
                    suggestion: None, ..
                }
                | Remedy::Must(_)
                | Remedy::Ask => None,
            },
        }
    }
}

/// Input of the user between quotes, escaped, and cut where it is long: a message quotes the
/// manifest, it does not repeat it.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_QUOTED_CHARS) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}...", self.0.get(..cut).unwrap_or_default()),
        }
    }
}

/// Values joined by commas, or the word for none.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (position, item) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A value that can be named in a few words: a plain one, or an object with a single key.
struct Suggestion<'a> {
    key: Option<&'a str>,
    value: &'a Value,
}

impl<'a> Suggestion<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let Value::Object(object) = value else {
            return Some(Self { key: None, value });
        };
        let mut entries = object.iter();
        match (entries.next(), entries.next()) {
            (Some((key, value)), None) => Some(Self {
                key: Some(key),
                value,
            }),
            _ => None,
        }
    }
}

impl Display for Suggestion<'_> {
    /// What stands behind the path: `.type to RuntimeDefault`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, ".{key}")?;
        }
        write!(f, " to {}", Word(self.value))
    }
}

/// A value as a person writes it in YAML: words without quotes.
struct Word<'a>(&'a Value);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => f.write_str(text),
            other => other.fmt(f),
        }
    }
}

/// Long enough for any name that Kubernetes accepts (253) with some to spare.
const MAX_QUOTED_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_kubectl_writes_it_and_as_a_json_pointer() {
        let path = FieldPath::of_subject(vec![Segment::Key("metadata")]).field(&[
            "annotations",
            "container.apparmor.security.beta.kubernetes.io/a~b",
        ]);
        assert_eq!(
            path.to_string(),
            r#"metadata.annotations["container.apparmor.security.beta.kubernetes.io/a~b"]"#
        );
        assert_eq!(
            path.pointer(),
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1a~0b"
        );
    }

    #[test]
    fn quoted_input_is_escaped_and_cut() {
        assert_eq!(Quoted("a\n\"b\"").to_string(), r#""a\n\"b\"""#);
        let long = "é".repeat(MAX_QUOTED_CHARS + 1);
        assert_eq!(
            Quoted(&long).to_string().chars().count(),
            MAX_QUOTED_CHARS + 5
        );
    }
}
