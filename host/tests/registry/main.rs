//! Images of a real registry and the answers of hostile ones: the host calls below `evaluate --registry`.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

mod calls;
mod hostile;
mod keyless;
