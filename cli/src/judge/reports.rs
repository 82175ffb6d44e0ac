//! The files of `evaluate --reports`.

use std::fs;
use std::path::Path;

use container_security_text::document;
use container_security_text::scan_report::{self, Reading, ScanReport};

use crate::files;
use crate::terminal::print_warning;

/// The scans in these files, and in the files of these folders.
pub(super) fn read(paths: &[String]) -> Result<Vec<ScanReport>, String> {
    let mut reports = Vec::new();
    for path in paths {
        for file in &files_at(path)? {
            of_file(file, &mut reports)?;
        }
    }
    Ok(reports)
}

fn of_file(file: &str, reports: &mut Vec<ScanReport>) -> Result<(), String> {
    let mut is_empty = true;
    for document in document::parse(file, &files::read(file)?) {
        let document = document.map_err(|error| error.to_string())?;
        let position = document.position.clone();
        for reading in scan_report::read(document) {
            is_empty = false;
            match reading.map_err(|error| error.to_string())? {
                Reading::Report(report) => reports.push(report),
                Reading::NoScan(reason) => print_warning(&format!("{position}: {reason}")),
            }
        }
    }
    if is_empty {
        return Err(format!("{file}: no report in it"));
    }
    Ok(())
}

/// The file itself, or what is in the folder, by name.
fn files_at(path: &str) -> Result<Vec<String>, String> {
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
