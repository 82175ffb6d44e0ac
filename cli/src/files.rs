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

/// The file itself, or what may be YAML or JSON in the folder, by name.
pub(crate) fn files_at(path: &str) -> Result<Vec<String>, String> {
    if !Path::new(path).is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let problem = |error| format!("{path}: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(problem)? {
        let file = entry.map_err(problem)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("json" | "yaml" | "yml")) {
            files.push(file.display().to_string());
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!(
            "{path}: no file in it ends in .json, .yaml or .yml"
        ));
    }
    Ok(files)
}

pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    in_file(path, fs::read_to_string(path))
}

/// The result of something that was done with a file; an error names it.
pub(crate) fn in_file<T, E: Display>(path: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}
