//! Exemptions: which workloads and images a control does not judge.
//!
//! They come from the settings only. A label, an annotation or a container's name is written by
//! whoever is to be judged.

use crate::controls::Control;
use crate::decode::{Decode, Node, Problems, Written, describe, section};
use crate::image::pattern::AllowedImage;
use crate::pod::image::Images;
use crate::pod::place::Subject;

section! {
    /// One entry of `exemptions`.
    pub(crate) struct Exemption {
        /// The controls that do not judge.
        "controls" controls: Option<Given<Control>> = None,
        /// Image patterns; only containers and volumes with such an image are exempt.
        "images" images: Option<Given<AllowedImage>> = None,
        /// Exact names; only workloads in these namespaces are exempt.
        "namespaces" namespaces: Option<Given<String>> = None,
    }
    check: Exemption::check,
    schema: Exemption::check_in_schema
}

/// A list that says something. An empty one does not limit an exemption, which is not what
/// whoever has commented out its last entry means.
#[derive(Debug, Clone)]
pub(crate) struct Given<T>(Vec<T>);

describe!(<T> Given<T>: crate::schema::choices::<T>(), |list| {
    crate::schema::entries_written(&list.0)
});

impl<T: Decode> Decode for Given<T> {
    const NULL_IS_UNSET: bool = false;

    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        if problems.is_empty_list(node, "is empty; leave it out where it does not matter") {
            return Some(Self(Vec::new()));
        }
        Some(Self(Vec::decode(node, problems).unwrap_or_default()))
    }
}

impl Exemption {
    /// Whether this is about `control` in `namespace`.
    pub(crate) fn is_about(&self, control: Control, namespace: Option<&str>) -> bool {
        let controls = self.controls.as_ref();
        let names_namespace = || {
            self.namespaces.as_ref().is_none_or(|namespaces| {
                namespace.is_some_and(|own| namespaces.0.iter().any(|name| name == own))
            })
        };
        controls.is_some_and(|controls| controls.0.contains(&control)) && names_namespace()
    }

    /// Whether this exempts what a control finds of `subject`: with images, only what runs an image
    /// that matches, and nothing of a control that judges the pod as a whole; without, the whole
    /// workload.
    pub(crate) fn covers(
        &self,
        control: Control,
        subject: Subject<'_>,
        images: &Images<'_>,
    ) -> bool {
        self.images.as_ref().is_none_or(|patterns| {
            !control.is_pod_wide() && runs_one_of(&patterns.0, subject, images)
        })
    }
}

/// Whether the image of `subject` matches one of the patterns.
fn runs_one_of(patterns: &[AllowedImage], subject: Subject<'_>, images: &Images<'_>) -> bool {
    images
        .all()
        .iter()
        .find(|image| image.subject == subject)
        .is_some_and(|image| {
            image
                .reference
                .as_ref()
                .is_ok_and(|reference| patterns.iter().any(|pattern| pattern.matches(reference)))
        })
}

impl Exemption {
    fn check(&self, _: &Written<'_>, problems: &mut Problems) {
        let controls = self.controls.as_ref().map(|controls| controls.0.as_slice());
        if controls.is_none() {
            problems.report("names no control; list them in controls");
        }
        if self.images.is_none() && self.namespaces.is_none() {
            problems.report("exempts everything; give images, namespaces or both");
        }
        let are_pod_wide = controls.is_some_and(|controls| {
            !controls.is_empty() && controls.iter().all(|control| control.is_pod_wide())
        });
        if self.images.is_some() && are_pod_wide {
            problems.report(
                "has images, but its controls judge the pod as a whole and would never be exempted",
            );
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{json, need};

        need(schema, &["controls"]);
        let exempted = json!([{"required": ["images"]}, {"required": ["namespaces"]}]);
        schema.insert("anyOf".to_owned(), exempted);
        let all = Control::ALL.iter().copied();
        let pod_wide: Vec<&str> = all
            .filter(|control| control.is_pod_wide())
            .map(Control::name)
            .collect();
        let never_exempted = json!({
            "type": "object",
            "required": ["images"],
            "properties": {"controls": {"items": {"enum": pod_wide}}},
        });
        schema.insert("not".to_owned(), never_exempted);
    }
}
