//! The files of `evaluate --reports`.

use container_security_text::document;
use container_security_text::scan_report::{self, Reading, ScanReport};

use crate::files;
use crate::terminal::print_warning;

/// The scans in these files, and in the files of these folders.
pub(super) fn read(paths: &[String]) -> Result<Vec<ScanReport>, String> {
    let mut reports = Vec::new();
    for path in paths {
        for file in &files::files_at(path)? {
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
