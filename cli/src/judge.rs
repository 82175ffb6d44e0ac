//! For everybody: the policy pulled, manifests judged with it, and the settings of other policies said
//! in its own.

pub(crate) mod evaluate;
mod host;
mod judges;
pub(crate) mod migrate;
mod outcome;
#[cfg(feature = "registry")]
pub(crate) mod pin;
#[cfg(feature = "registry")]
pub(crate) mod pull;
#[cfg(feature = "registry")]
mod registry;
mod report;
mod reports;

pub(crate) use outcome::Status;

#[cfg(not(feature = "registry"))]
use crate::no_registry::registry;
#[cfg(not(feature = "registry"))]
pub(crate) use crate::no_registry::{transfer as pin, transfer as pull};
