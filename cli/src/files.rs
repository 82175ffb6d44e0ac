//! Files that the arguments name.

use std::fmt::Display;
use std::fs;
use std::path::Path;

pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    in_file(path, fs::read_to_string(path))
}

/// The result of something that was done with a file; an error names it.
pub(crate) fn in_file<T, E: Display>(path: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}
