//! Where a field stands: in which object, whose it is, and the way down to it.

use std::fmt::{self, Display, Formatter};
use std::mem;

use crate::text::{self, Quoted, Step, Steps};

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject<'a> {
    /// The pod as a whole: a field that is not one container's.
    Pod,
    Container {
        kind: ContainerKind,
        index: usize,
        name: &'a str,
    },
    /// A volume that says of itself what is judged: an image, a path of the node.
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
    fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Regular => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl Subject<'_> {
    /// Whether `other`, of another state of the object, is this one. Its position may be another.
    pub(crate) fn is_same_as(&self, other: &Subject<'_>) -> bool {
        match (self, other) {
            (Self::Pod, Subject::Pod) => true,
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

    /// The way from the pod's spec to the subject.
    fn steps(&self) -> [Option<Step<'static>>; 2] {
        match self {
            Self::Pod => [None, None],
            Self::Container { kind, index, .. } => {
                [Some(Step::Key(kind.field())), Some(Step::Index(*index))]
            }
            Self::Volume { index, .. } => [Some(Step::Key("volumes")), Some(Step::Index(*index))],
        }
    }
}

impl<'a> Subject<'a> {
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Pod => "workload",
            Self::Container { kind, .. } => match kind {
                ContainerKind::Init => "init container",
                ContainerKind::Regular => "container",
                ContainerKind::Ephemeral => "ephemeral container",
            },
            Self::Volume { .. } => "volume",
        }
    }

    /// What it is called; the pod as a whole is not named in messages about it.
    pub(crate) fn name(&self) -> Option<&'a str> {
        match self {
            Self::Pod => None,
            Self::Container { name, .. } | Self::Volume { name, .. } => Some(name),
        }
    }
}

impl Display for Subject<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.noun(),
            Quoted(self.name().unwrap_or_default())
        )
    }
}

/// A field of a pod, wherever the pod stands in its object. Places are in the order of the templates, and in each
/// in that of the containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<'a> {
    /// The way to the pod template, which is nothing in a Pod.
    pub(crate) root: &'a [Step<'a>],
    pub(crate) subject: Subject<'a>,
    /// Metadata of the pod, or its spec.
    part: Part,
    /// The way down from the subject, in the spec, or from the pod's metadata.
    keys: Vec<Step<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Metadata,
    Spec,
}

impl<'a> Place<'a> {
    /// The subject itself, to which [`Place::field`] adds the fields below it.
    pub(crate) fn of_subject(root: &'a [Step<'a>], subject: Subject<'a>) -> Self {
        Self {
            root,
            part: Part::Spec,
            subject,
            keys: Vec::new(),
        }
    }

    /// An annotation of the pod that is about `subject`.
    pub(crate) fn of_annotation(root: &'a [Step<'a>], subject: Subject<'a>, key: &'a str) -> Self {
        Self {
            root,
            part: Part::Metadata,
            subject,
            keys: vec![Step::Key("annotations"), Step::Key(key)],
        }
    }

    // Out of line, as what makes a finding.
    #[cold]
    #[inline(never)]
    pub(crate) fn field(mut self, keys: &[&'a str]) -> Self {
        self.keys.extend(keys.iter().map(|key| Step::Key(key)));
        self
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.keys.push(Step::Index(index));
        self
    }

    /// The same field of another subject.
    pub(crate) fn of_other(&self, subject: Subject<'a>) -> Self {
        Self {
            subject,
            ..self.clone()
        }
    }

    /// The way down from the subject, for a message that has named it.
    pub(crate) fn within_subject(&self) -> impl Display {
        Steps(self.keys.iter().copied())
    }

    /// Whether `other`, of another state of the object, is this field, up to positions in lists:
    /// inserting an element moves the next one and changes nothing about it.
    pub(crate) fn is_same_as(&self, other: &Place<'_>) -> bool {
        self.part == other.part
            && self.subject.is_same_as(&other.subject)
            && self.names().eq(other.names())
    }

    /// Whether both are the same way down, from two containers or from two volumes.
    // Not in the loop that compares.
    #[inline(never)]
    pub(crate) fn is_same_below_subject(&self, other: &Place<'_>) -> bool {
        self.part == Part::Spec
            && other.part == Part::Spec
            && self.root == other.root
            && mem::discriminant(&self.subject) == mem::discriminant(&other.subject)
            && self.subject != Subject::Pod
            && self.keys == other.keys
    }

    /// Whether both ways end with the same step, as those to two entries of a list do not.
    pub(crate) fn ends_like(&self, other: &Place<'_>) -> bool {
        self.keys.last() == other.keys.last()
    }

    /// The way to the pod template.
    pub(crate) fn template(&self) -> String {
        Steps(self.root.iter().copied()).to_string()
    }

    /// The name of the field itself.
    pub(crate) fn last(&self) -> Option<&'a str> {
        self.names().last()
    }

    /// The position in the list at the end of the way.
    pub(crate) fn last_index(&self) -> Option<usize> {
        match self.keys.last() {
            Some(Step::Index(index)) => Some(*index),
            _ => None,
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.keys.iter().filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Index(_) => None,
        })
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let (part, subject) = match self.part {
            Part::Metadata => ("metadata", [None, None]),
            Part::Spec => ("spec", self.subject.steps()),
        };
        let mut steps = self.root.to_vec();
        steps.push(Step::Key(part));
        for step in subject {
            steps.extend(step);
        }
        steps.extend_from_slice(&self.keys);
        steps
    }

    /// The whole way as a JSON pointer (RFC 6901) into the admitted object.
    pub(crate) fn pointer(&self) -> String {
        text::pointer(self.steps().iter().copied())
    }
}

impl Display for Place<'_> {
    /// The whole way, as `kubectl` writes it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Steps(self.steps().iter().copied()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_kubectl_writes_it_and_as_a_json_pointer() {
        let key = "container.apparmor.security.beta.kubernetes.io/a~b";
        let place = Place::of_annotation(&[], Subject::Pod, key);
        assert_eq!(
            place.to_string(),
            r#"metadata.annotations["container.apparmor.security.beta.kubernetes.io/a~b"]"#
        );
        assert_eq!(
            place.pointer(),
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1a~0b"
        );
        let subject = Subject::Container {
            kind: ContainerKind::Init,
            index: 1,
            name: "setup",
        };
        let root = [Step::Key("spec"), Step::Key("template")];
        let place = Place::of_subject(&root, subject).field(&["ports"]).index(2);
        assert_eq!(
            place.to_string(),
            "spec.template.spec.initContainers[1].ports[2]"
        );
        assert_eq!(
            place.pointer(),
            "/spec/template/spec/initContainers/1/ports/2"
        );
    }
}
