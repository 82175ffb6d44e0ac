//! The fuzz targets, compiled once for all of them. What they do is in
//! `tests/support/properties/`, because the tests do it, too.

#[path = "../../tests/support/properties/mod.rs"]
mod properties;

use properties::targets;

/// The payload of `validate`, as bytes.
pub fn payload(bytes: &[u8]) {
    targets::payload(bytes);
}

/// Pods and settings, and what may not matter about them.
pub fn pods(bytes: &[u8]) {
    targets::pods(bytes);
}

/// The settings, as bytes.
pub fn settings(bytes: &[u8]) {
    targets::settings(bytes);
}

/// Image references and patterns.
pub fn references(bytes: &[u8]) {
    targets::references(bytes);
}

/// What the host answers to the controls that ask it.
pub fn host_answers(bytes: &[u8]) {
    targets::host_answers(bytes);
}
