//! Why something is not what it should be when it is written for a guest, or read from its answer.

/// A failure to write a request, or to read a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request or the settings could not be written as JSON.
    #[error("cannot write the payload: {0}")]
    Payload(#[source] serde_json::Error),
    /// The audit annotation `violations` of a verdict is not what the policy documents.
    #[error("audit annotation `violations` does not parse: {0}")]
    InvalidViolations(#[source] serde_json::Error),
}
