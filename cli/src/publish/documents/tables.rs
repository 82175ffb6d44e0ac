//! The tables of the controls in `README.md` and `USAGE.md`.

use super::parts::replace;
use container_security_text::settings::{Setting, advice};

/// Brings the README up to date: by the advice of the article.
pub(super) fn update_readme(settings: &[Setting], text: &str) -> Result<String, String> {
    let advice = advice();
    let mut table = String::from(
        "| The article says | Control | What it asks | By default |\n|---|---|---|---|\n",
    );
    let mut last = "";
    for control in settings.iter().filter(|setting| setting.is_control()) {
        let own = advice.iter().find(|(name, _)| name == control.name);
        let own = own.map_or("", |(_, advice)| advice.as_str());
        // Controls with the same advice follow each other.
        let shown = if own == last { "" } else { own };
        table.extend(["| ", shown, if shown.is_empty() { "" } else { " " }]);
        table.push_str(&row(control));
        last = own;
    }
    replace(text, "controls", &table)
}

/// Brings the usage up to date, which is part of the annotated module.
pub(super) fn update_usage(settings: &[Setting], text: &str) -> Result<String, String> {
    let mut table = String::from("| Control | What it asks | By default |\n|---|---|---|\n");
    for control in settings.iter().filter(|setting| setting.is_control()) {
        table.push_str(&row(control));
    }
    replace(text, "controls", &table)
}

fn row(control: &Setting) -> String {
    let summary = control.paragraphs().next().unwrap_or_default();
    let summary = summary.replace('\n', " ").replace('|', r"\|");
    let by_default = match (control.is_idle(), control.mode()) {
        (true, "enforce") => "off until configured".to_owned(),
        (true, mode) => format!("off until configured, then `{mode}`"),
        (false, "disabled") => "off".to_owned(),
        (false, "enforce") => "on".to_owned(),
        (false, mode) => format!("`{mode}`"),
    };
    format!("| `{}` | {summary} | {by_default} |\n", control.name)
}
