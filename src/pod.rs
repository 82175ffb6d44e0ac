//! A pod as controls see it: the fields that they read, borrowed from the payload, and where each stands.

mod completion;
pub(crate) mod container;
pub(crate) mod image;
pub(crate) mod kind;
pub(crate) mod place;
pub(crate) mod profile;
pub(crate) mod security_context;
pub(crate) mod spec;
pub(crate) mod template;
pub(crate) mod volume;
