//! The images of a pod: what its containers run, and what its volumes hold.

use std::cell::OnceCell;

use super::place::{Place, Subject};
use super::spec::Pod;
use crate::host_calls::{Answer, ImageConfig};
use crate::image::reference::{Reference, ReferenceError};
use crate::json::Text;
use crate::text::Step;

/// One use of an image in a pod.
pub(crate) struct Image<'p> {
    root: &'p [Step<'p>],
    pub(crate) subject: Subject<'p>,
    /// The reference as it is written; `None` where none is.
    pub(crate) text: Option<&'p str>,
    pub(crate) reference: Result<Reference<'p>, ReferenceError>,
    /// What its configurations say, if somebody has asked.
    pub(crate) configs: OnceCell<Answer<Vec<ImageConfig>>>,
}

impl<'p> Image<'p> {
    fn new(root: &'p [Step<'p>], subject: Subject<'p>, text: Option<&'p Text<'p>>) -> Self {
        // "No image yet" is an empty string as often as a key that is left out, and a blank in
        // templates, which Kubernetes takes no empty image in (`validateContainerCommon`).
        let is_template = !root.is_empty();
        let names_none = |text: &str| text.is_empty() || (is_template && text.trim().is_empty());
        let text = text.map(Text::as_str).filter(|text| !names_none(text));
        Self {
            root,
            subject,
            text,
            reference: text.map_or(Err(ReferenceError::Empty), Reference::of_container),
            configs: OnceCell::new(),
        }
    }

    /// The field that holds the reference.
    pub(crate) fn place(&self) -> Place<'p> {
        let keys: &[&str] = match self.subject {
            Subject::Volume { .. } => &["image", "reference"],
            Subject::Pod | Subject::Container { .. } => &["image"],
        };
        Place::of_subject(self.root, self.subject).field(keys)
    }

    /// Whether `other`, of another state of the object, is the same text in the same container or
    /// volume.
    pub(crate) fn is_same_as(&self, other: &Image<'_>) -> bool {
        self.text.is_some() && self.text == other.text && self.subject.is_same_as(&other.subject)
    }
}

impl Pod<'_> {
    /// Every image that the pod runs or mounts, parsed.
    pub(crate) fn images(&self) -> Vec<Image<'_>> {
        let root = self.root.as_slice();
        let of_containers = self
            .containers()
            .map(|container| Image::new(root, container.subject(), container.spec.image.as_ref()));
        let volumes = self.spec.volumes.iter().enumerate();
        let of_volumes = volumes.filter_map(move |(index, volume)| {
            let image = volume.image.as_ref()?;
            let name = volume.name.as_str();
            let subject = Subject::Volume { index, name };
            Some(Image::new(root, subject, image.reference.as_ref()))
        });
        of_containers.chain(of_volumes).collect()
    }
}

/// The images of a pod, for the controls that judge them.
///
/// They are parsed when the first control asks for them: by default none does.
pub(crate) struct Images<'p> {
    pod: &'p Pod<'p>,
    parsed: OnceCell<Vec<Image<'p>>>,
}

impl<'p> Images<'p> {
    pub(crate) fn new(pod: &'p Pod<'p>) -> Self {
        Self {
            pod,
            parsed: OnceCell::new(),
        }
    }

    pub(crate) fn all(&self) -> &[Image<'p>] {
        self.parsed.get_or_init(|| self.pod.images())
    }

    /// The image of a container or a volume.
    pub(crate) fn of(&self, subject: Subject<'_>) -> Option<&Image<'p>> {
        let place = self.place_of(subject)?;
        self.all().get(place)
    }

    /// The position of the image. (They are in the order of their subjects.)
    #[inline(never)]
    pub(crate) fn place_of(&self, subject: Subject<'_>) -> Option<usize> {
        let all = self.all();
        let found = all.binary_search_by(|image| image.subject.cmp(&subject));
        found.ok()
    }

    /// Whether the images may still be missing.
    pub(crate) fn are_of_template(&self) -> bool {
        self.pod.is_template()
    }
}
