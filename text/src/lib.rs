//! What goes into the container-security policy and what comes out of it, as text: no engine, no file
//! and no network, so it runs in a browser too.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`document`] | YAML and JSON text to JSON values, each with its place in the input |
//! | [`request`] | those values to `AdmissionRequest`s, and a request to the guest's payload |
//! | [`verdict`] | what the guest answers |
//! | [`suggested_patch`] | the fixes of a verdict as one RFC 6902 patch |
//! | [`pin`] | the images of a file, and the digests behind their tags |
//! | [`settings`] | what can be configured, as the policy itself says |
//! | [`scan_report`] | what scanners write to what a cluster would have of it |
//! | [`migrate`] | the settings of other policies, said in the settings of this one |
//! | [`error`] | why a text is none of these |
//!
//! ```
//! use container_security_text::document;
//! use container_security_text::request::{self, Wrapping};
//!
//! let pod = b"{apiVersion: v1, kind: Pod, metadata: {name: web}}";
//! let document = document::parse("pod.yaml", pod).remove(0)?;
//! let input = request::requests(document, &Wrapping::default()).remove(0)?;
//! assert_eq!(input.request.resource.resource, "pods");
//! # Ok::<(), document::DocumentError>(())
//! ```

mod defaults;
pub mod document;
pub mod error;
mod kinds;
pub mod migrate;
pub mod pin;
pub mod request;
pub mod scan_report;
pub mod settings;
pub mod suggested_patch;
pub mod verdict;

pub use error::Error;
pub use request::{AdmissionRequest, Operation};
pub use verdict::{SettingsVerdict, Verdict};
