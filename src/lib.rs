//! # container-security
//!
//! A Kubewarden policy: one WebAssembly module that judges Pods and everything that carries a pod
//! template, by the advice of Microsoft's *Best practices for container security in AKS*.
//!
//! ## The way of a request
//!
//! | Floor | Module | What happens there |
//! |--:|---|---|
//! | 5 | `guest` | waPC calls come in, bytes go out (in the WebAssembly build only) |
//! | 5 | [`admission`](admission::validate) | payload to request, outcome to response; operations and sub-resources |
//! | 4 | `review` | the controls are run; exemptions, the update rule, whom to ask about which image |
//! | 4 | `settings` | what can be configured, put together from the sections of the controls |
//! | 4 | `violation` | what is found, with the control that found it |
//! | 3 | `controls` | the controls, one file each, and the one list of them |
//! | 2 | `lookups` | what a control that judges images is handed |
//! | 2 | `finding` | what a control hands back, and its text |
//! | 2 | `pod` | a pod as controls see it: containers, security contexts, profiles, images, and where each field stands |
//! | 1 | [`host_calls`](Host) | the one door to host capabilities and the clock |
//! | 1 | [`image`](Reference) | image references and the patterns of the settings |
//! | 1 | `time`, `decode`, `schema`, `text`, `object`, `json` | what would be the same in another policy |
//!
//! A module uses its own floor and lower ones, never a higher one, and no two use each other:
//! `tests/layers.rs` holds the order.
//!
//! The crate's public face is what the host crate, the fuzz targets and the tests need; the
//! policy's interface is its waPC functions and its settings.

mod admission;
mod controls;
mod decode;
mod finding;
#[cfg(target_family = "wasm")]
mod guest;
mod host_calls;
mod image;
mod json;
mod lookups;
mod object;
mod pod;
mod review;
#[cfg(feature = "schema")]
mod schema;
mod settings;
mod text;
mod time;
mod violation;

pub use admission::{validate, validate_settings};
#[cfg(feature = "schema")]
pub use controls::sysctls::safe_sysctls;
pub use host_calls::{Host, NoHost};
pub use image::pattern::{ImagePattern, PatternError};
pub use image::reference::{Reference, ReferenceError};
#[cfg(feature = "schema")]
pub use schema::Key;
#[cfg(feature = "schema")]
pub use settings::{settings_defaults, settings_keys, settings_schema};
