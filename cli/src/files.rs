//! Files that the arguments name.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

/// The bytes of a file; `-` is standard input.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, String> {
    let read = if path == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    in_file(Path::new(path), read)
}

pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    in_file(path, fs::read_to_string(path))
}

/// The result of something that was done with a file; an error names it.
pub(crate) fn in_file<T, E: Display>(path: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}
