//! For whoever maintains the policy: the module with its metadata, the registry, and the documents
//! that say what the settings are.

pub(crate) mod annotate;
pub(crate) mod artifacthub;
pub(crate) mod docs;
pub mod documents;
pub mod package;
#[cfg(feature = "registry")]
pub(crate) mod push;
pub(crate) mod schema;

#[cfg(not(feature = "registry"))]
pub(crate) use crate::no_registry::transfer as push;
