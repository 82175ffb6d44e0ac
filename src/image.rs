//! Images: what a container or an image volume runs, parsed as the container runtime parses it.

pub(crate) mod pattern;
pub(crate) mod reference;

use self::reference::{Reference, ReferenceError};
use crate::violation::{FieldPath, Subject};

/// One use of an image in a workload.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) path: FieldPath<'a>,
    /// The reference as it is written; `None` where none is.
    pub(crate) text: Option<&'a str>,
    pub(crate) reference: Result<Reference<'a>, ReferenceError>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(subject: Subject<'a>, path: FieldPath<'a>, text: Option<&'a str>) -> Self {
        // Kubernetes writes "no image yet" as an empty string as often as by leaving the key out.
        let text = text.filter(|text| !text.is_empty());
        Self {
            subject,
            path,
            text,
            reference: text.map_or(Err(ReferenceError::Empty), Reference::of_container),
        }
    }
}
