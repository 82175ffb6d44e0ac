//! The embedded host of the container-security policy: runs the policy's
//! WebAssembly module as policy-server does, without a cluster. What goes into
//! it and comes out is of [`container_security_text`].
//!
//! | Module | What it holds |
//! |---|---|
//! | [`policy`] | the module and its waPC functions, a fresh instance for each call |
//! | `engine` | the interpreter, and what a guest may import from its host |
//! | [`policy_resource`] | Kubewarden's custom resources: who is asked, and what the answer becomes |
//! | [`host_capabilities`] | what a guest reaches through waPC host calls |
//! | `oci` | access to OCI registries, with the credentials of `docker login` |
//! | `registry` | host calls answered by the registries themselves |
//! | `signers` | who must have signed an image, and whether they have |
//! | `trust_root` | whom keyless signatures lead back to |
//! | `signing_keys` | keys in settings that no signature of cosign's verifies with |
//! | [`replay`] | host calls answered from a recorded session |
//! | [`reports`] | host calls answered from what scanners have written |
//! | [`metadata`] | what a policy says about itself, and the annotated module |
//! | `artifact` | the policy in an OCI registry |
//! | [`error`] | why a request could not be judged, in policy-server's words |
//!
//! `artifact`, `oci`, `registry`, `signers`, `signing_keys` and `trust_root` are of the feature `registry`, which is on
//! by default: whoever judges without registries does not wait until an HTTP client and its cryptography are compiled.
//!
//! ```no_run
//! use container_security_host::Policy;
//! use serde_json::json;
//!
//! let policy = Policy::load(&std::fs::read("policy.wasm")?)?;
//! let request = json!({"uid": "1", "operation": "CREATE", "object": {"kind": "Pod"}});
//! let verdict = policy.validate(&request, &json!({}))?;
//! assert!(verdict.accepted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "registry")]
pub mod artifact;
mod engine;
pub mod error;
pub mod host_capabilities;
pub mod metadata;
#[cfg(feature = "registry")]
pub mod oci;
pub mod policy;
pub mod policy_resource;
#[cfg(feature = "registry")]
pub mod registry;
pub mod replay;
pub mod reports;
#[cfg(feature = "registry")]
mod signers;
#[cfg(feature = "registry")]
pub mod signing_keys;
#[cfg(feature = "registry")]
pub mod trust_root;

pub use error::Error;
pub use host_capabilities::{Denied, HostCapabilities};
pub use metadata::{Metadata, MetadataError, annotate};
pub use policy::{Instance, Limits, Policy};
pub use policy_resource::PolicyResource;
#[cfg(feature = "registry")]
pub use registry::Registry;
pub use replay::Replay;
pub use reports::Reports;
#[cfg(feature = "registry")]
pub use trust_root::TrustRoot;
