//! The documents that say what the settings are, brought up to date with the doc comments and the
//! defaults of the policy.
//!
//! In Markdown what is written here stands between marks, and all around them is somebody's own text.
//! In `questions-ui.yml` labels, descriptions and conditions are, once a question is there.

mod form;
mod parts;
mod reference;
mod tables;

use container_security_text::settings::Setting;

/// A file of the repository that shows the settings.
pub struct Document {
    /// Its path, from the root of the repository.
    pub path: &'static str,
    update: fn(&[Setting], &str) -> Result<String, String>,
}

impl Document {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self {
            path: "settings.schema.json",
            update: |_, _| Ok(format!("{:#}\n", container_security::settings_schema())),
        },
        Self {
            path: "docs/settings.md",
            update: reference::update,
        },
        Self {
            path: "README.md",
            update: tables::update_readme,
        },
        Self {
            path: "USAGE.md",
            update: tables::update_usage,
        },
        Self {
            path: "questions-ui.yml",
            update: form::update,
        },
    ];

    /// The text that this document should have, given the one that it has.
    ///
    /// # Errors
    ///
    /// What is missing in the text, or must not be in it.
    pub fn update(&self, text: &str) -> Result<String, String> {
        (self.update)(&Setting::all(), text).map_err(|error| format!("{}: {error}", self.path))
    }
}
