//! Why a policy gave no verdict.
//!
//! Where policy-server has a text for the outcome, it is used word for word:
//! what is read here is what the API server's client would have read.

/// A failure to load a policy or to get an answer from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no WebAssembly module, or no waPC guest.
    #[error("cannot load the policy: {0}")]
    Load(String),
    /// The request or the settings could not be written.
    #[error(transparent)]
    Text(#[from] container_security_text::Error),
    /// The guest was still running when its time was up.
    #[error("Policy execution interrupted because it exceeded the allowed execution time")]
    TimedOut,
    /// The guest trapped, could not be started, or answered with an error.
    #[error("internal server error: {0}")]
    Guest(String),
    /// `validate` answered with something else than a verdict.
    #[error("internal server error: invalid response from policy: {0}")]
    InvalidResponse(#[source] serde_json::Error),
    /// `validate_settings` trapped or answered with an error, as Rust debug text.
    #[error("Error invoking settings validation callback: {0}")]
    SettingsCall(String),
    /// `validate_settings` answered with something else than a settings verdict.
    #[error("error: InvalidResponseWithError({0:?})")]
    InvalidSettingsResponse(#[source] serde_json::Error),
    /// `protocol_version` trapped or answered with an error.
    #[error("cannot invoke 'protocol_version' waPC function : {0}")]
    ProtocolVersionCall(String),
    /// `protocol_version` answered with something else than a JSON string.
    #[error("cannot create ProtocolVersion object from the policy's answer: {0}")]
    InvalidProtocolVersion(#[source] serde_json::Error),
}
