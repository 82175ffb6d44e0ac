//! What names an image, read as the container runtime reads it.

pub(crate) mod pattern;
pub(crate) mod reference;
