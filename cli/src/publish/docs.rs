//! `docs`: writes what the documents of the repository say of the settings.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::documents::Document;
use crate::files::{in_file, read_text};

/// Bring the documents up to date that show the settings
///
/// For whoever changes the policy: everything comes from its doc comments and its defaults.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of the repository
    #[arg(default_value = ".")]
    repository: PathBuf,
}

/// Writes the documents, each as a whole.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    for document in Document::ALL {
        let path = arguments.repository.join(document.path);
        let text = document.update(&read_text(&path)?)?;
        in_file(&path, fs::write(&path, text))?;
    }
    Ok(())
}
