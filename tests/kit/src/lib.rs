//! What the tests of the policy, its host and its bench share.
//!
//! - [`cases`] and [`sessions`] read the verdicts that are data, in `tests/cases/`, `tests/settings/` and
//!   `tests/sessions/`
//! - [`recorded`] are reviews of a real API server, with policy-server's answers
//! - [`requests`] makes valid workloads and requests about them
//! - [`controls`] has the names of the controls, and [`json`] says when two values are the same
//! - [`pods`] makes pods for a standard to be asked about, and [`oracle`] says what is made of them
//! - [`properties`] is what holds for every input, with generators and fuzz targets
//! - `policy_module`, `guest` and `docker_registry` are what a host is tried with, with the feature `host`
//! - `shelf` has images and signatures, `certificate` and `fulcio_and_rekor` who vouches for them, with the
//!   feature `registry`

#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "tests call it, and it panics where one is wrong"
)]

pub mod cases;
#[cfg(feature = "registry")]
pub mod certificate;
pub mod controls;
#[cfg(feature = "host")]
pub mod docker_registry;
#[cfg(feature = "registry")]
pub mod fulcio_and_rekor;
#[cfg(feature = "host")]
pub mod guest;
pub mod json;
pub mod oracle;
pub mod pods;
#[cfg(feature = "host")]
pub mod policy_module;
pub mod properties;
pub mod recorded;
pub mod requests;
pub mod sessions;
#[cfg(feature = "registry")]
pub mod shelf;

#[cfg(feature = "registry")]
pub use {oci_client, sigstore};
