//! Images of a real registry and the answers of hostile ones: `evaluate --registry`, the host calls
//! below it, and the policy above.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

mod calls;
mod certificate;
mod hostile;
mod shelf;
mod verdicts;
