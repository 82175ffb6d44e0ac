//! Images: what a container or an image volume runs, parsed as the container runtime parses it.

pub(crate) mod pattern;
pub(crate) mod reference;

use self::reference::{Reference, ReferenceError};
use crate::container::ImagePlace;
use crate::json::Text;
use crate::violation::{FieldPath, Subject};

/// One use of an image in a workload.
pub(crate) struct Image<'a> {
    pub(crate) subject: Subject<'a>,
    place: ImagePlace<'a>,
    /// The reference as it is written; `None` where none is.
    pub(crate) text: Option<&'a str>,
    pub(crate) reference: Result<Reference<'a>, ReferenceError>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(place: ImagePlace<'a>, text: Option<&'a Text<'a>>) -> Self {
        // Kubernetes writes "no image yet" as an empty string as often as by leaving the key out.
        let text = text.map(Text::as_str).filter(|text| !text.is_empty());
        Self {
            subject: place.subject(),
            place,
            text,
            reference: text.map_or(Err(ReferenceError::Empty), Reference::of_container),
        }
    }

    /// Whether `other`, of another object, is the same text in the same container or volume.
    pub(crate) fn is_same_as(&self, other: &Image<'_>) -> bool {
        self.text.is_some() && self.text == other.text && self.subject.is_same_as(&other.subject)
    }

    pub(crate) fn path(&self) -> FieldPath<'a> {
        self.place.path()
    }
}
