//! # container-security
//!
//! A Kubewarden policy: one WebAssembly module that judges Pods and everything that carries a pod
//! template, by the advice of Microsoft's *Best practices for container security in AKS*.
//!
//! ## The way of a request
//!
//! | Module | What happens there |
//! |---|---|
//! | `guest` | waPC calls come in, bytes go out (in the WebAssembly build only) |
//! | [`admission`](admission::validate) | payload, verdict, response; operations and the update rule |
//! | `workload` | the admitted object: its kind, and the pod wherever it stands |
//! | `container` | the one traversal over containers and image volumes |
//! | `security_context` | the security context of a pod or a container |
//! | `profile` | AppArmor and seccomp profiles |
//! | [`image`] | image references and the patterns of allow lists |
//! | `settings` | what can be configured |
//! | [`host_calls`](Host) | the one door to host capabilities and the clock |
//! | `controls` | the controls, one file each, and the table that runs them |
//! | `violation` | what a control finds, and its text |
//!
//! The crate's public face is what the host crate, the fuzz targets and the tests need; the
//! policy's interface is its waPC functions and its settings.

mod admission;
mod container;
mod controls;
#[cfg(target_family = "wasm")]
mod guest;
mod host_calls;
mod image;
mod json;
mod profile;
mod security_context;
mod settings;
mod timestamp;
mod violation;
mod workload;

pub use admission::{validate, validate_settings};
pub use host_calls::{Host, NoHost};
pub use image::pattern::{ImagePattern, PatternError};
pub use image::reference::{Reference, ReferenceError};
#[cfg(feature = "schema")]
pub use settings::schema::settings_schema;
