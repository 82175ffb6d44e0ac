//! `docs/settings.md`: the defaults at its head, and the section of each control.

use std::fmt::Write as _;

use serde_json::Value;

use super::parts::{begin, marked, replace, wrap, yaml};
use container_security_text::settings::Setting;

/// Brings the document up to date. A control that it does not have yet goes before the next one.
pub(super) fn update(settings: &[Setting], text: &str) -> Result<String, String> {
    let mut text = replace(text, "defaults", &defaults(settings))?;
    for (position, control) in settings.iter().enumerate() {
        if !control.is_control() {
            continue;
        }
        let section = section(control);
        text = if text.contains(&begin(control.name)) {
            replace(&text, control.name, &section)?
        } else {
            let later = settings.iter().skip(position).map(|later| later.name);
            let place = later
                .flat_map(|name| [begin(name), format!("## {name}\n")])
                .find_map(|mark| text.split_once(&mark).map(|halves| (halves, mark)));
            let ((before, after), mark) =
                place.ok_or_else(|| format!("has no place for {}", control.name))?;
            format!(
                "{before}{}\n\n{mark}{after}",
                marked(control.name, &section)
            )
        };
    }
    Ok(text)
}

/// All settings with their defaults, and what to know of those that say nothing by themselves.
fn defaults(settings: &[Setting]) -> String {
    let width = settings.iter().map(|setting| setting.name.len()).max();
    let width = width.unwrap_or_default().saturating_add(COLON_AND_GAP);
    let mut block = String::from("```yaml\n");
    for setting in settings {
        let line = format!("{:width$}", format!("{}:", setting.name));
        block.push_str(&line_of_defaults(line, setting));
        block.push('\n');
    }
    block.push_str("```\n");
    let idle: Vec<&Setting> = settings
        .iter()
        .filter(|setting| setting.is_control() && setting.is_idle())
        .collect();
    if !idle.is_empty() {
        block.push('\n');
        block.push_str(&wrap(&about_idle(&idle), WIDTH));
        block.push('\n');
    }
    block
}

/// One line, or several where it would be long.
fn line_of_defaults(mut line: String, setting: &Setting) -> String {
    if setting.keys.is_empty() {
        line.push_str(&setting.default.as_ref().map(yaml).unwrap_or_default());
        return line;
    }
    let indent = " ".repeat(line.len().saturating_add(1));
    // With a mode alone a control that can find nothing is an error.
    let keys = setting
        .keys
        .iter()
        .filter(|key| key.name != "mode" || !setting.is_idle());
    let (written, unset): (Vec<&Setting>, Vec<&Setting>) =
        keys.partition(|key| key.default.is_some());
    let mut words: Vec<String> = written
        .iter()
        .map(|key| {
            let default = key.default.as_ref().map(yaml).unwrap_or_default();
            format!("{}: {default},", key.name)
        })
        .collect();
    if let Some(last) = words.last_mut() {
        last.pop();
        last.push('}');
    }
    if !unset.is_empty() {
        let names: Vec<&str> = unset.iter().map(|key| key.name).collect();
        words.push(format!(" # not set: {}", names.join(", ")));
    }
    line.push('{');
    let mut lines = vec![line];
    let mut is_first = true;
    for word in words {
        match lines.last_mut() {
            Some(line) if is_first => line.push_str(&word),
            Some(line) if line.len().saturating_add(word.len()) < WIDTH_OF_DEFAULTS => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(format!("{indent}{}", word.trim_start())),
        }
        is_first = false;
    }
    lines.join("\n")
}

fn about_idle(idle: &[&Setting]) -> String {
    let names: Vec<String> = idle
        .iter()
        .map(|control| format!("`{}`", control.name))
        .collect();
    let others: Vec<String> = idle
        .iter()
        .filter(|control| control.mode() != "enforce")
        .map(|control| format!(", and `{}` for `{}`", control.mode(), control.name))
        .collect();
    format!(
        "{} find nothing until you say what to look for, so their `mode` is not among these \
         defaults, and Rancher's form leaves it empty. Once they have something to find it is \
         `enforce`{}.",
        listed(&names),
        others.concat()
    )
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What a control is about, and its keys.
fn section(control: &Setting) -> String {
    let mut section = format!("## {}\n", control.name);
    for paragraph in control.paragraphs() {
        // Writing to a String cannot fail.
        let _ = write!(section, "\n{paragraph}\n");
    }
    let keys: Vec<&Setting> = control
        .keys
        .iter()
        .filter(|key| key.name != "mode")
        .collect();
    let about_mode = match (keys.as_slice(), control.mode()) {
        ([], "enforce") => Some("Its only key is `mode`.".to_owned()),
        ([], mode) => Some(format!("Its only key is `mode`, `{mode}` by default.")),
        (_, "enforce") => None,
        (_, mode) => Some(format!("Its `mode` is `{mode}` by default.")),
    };
    if let Some(about_mode) = about_mode {
        let _ = write!(section, "\n{about_mode}\n");
    }
    if let Some(at_baseline) = control.key("mode").and_then(|mode| mode.baseline.as_ref())
        && control.is_levelled()
        && at_baseline != control.mode()
    {
        section.push_str("\nThe levels baseline and privileged do not have it.\n");
    } else if control.is_levelled() {
        section.push_str("\nThe level privileged does not have it.\n");
    }
    if !keys.is_empty() {
        section.push_str("\n| Key | Default | |\n|---|---|---|\n");
    }
    for key in keys {
        let default = key.default.as_ref();
        let written = |value: Option<&Value>| {
            value.map_or("not set".to_owned(), |value| format!("`{}`", yaml(value)))
        };
        let is_judged = control.key("mode").and_then(|mode| mode.baseline.as_ref());
        let is_judged = is_judged.is_none_or(|mode| mode != "disabled");
        let mut default = written(default);
        if is_judged && key.baseline != key.default {
            default = format!(
                "{default}, at level baseline {}",
                written(key.baseline.as_ref())
            );
        }
        let text: Vec<&str> = key.paragraphs().flat_map(str::split_whitespace).collect();
        let text = linked(&text.join(" ")).replace('|', r"\|");
        let _ = writeln!(section, "| `{}` | {default} | {text} |", key.name);
    }
    section
}

/// The text with its image patterns linked to what they are.
fn linked(text: &str) -> String {
    let words = ["image patterns", "Image patterns"];
    let word = words.into_iter().find(|word| text.contains(word));
    word.map_or(text.to_owned(), |word| {
        text.replacen(word, &format!("[{word}](#image-patterns)"), 1)
    })
}

const COLON_AND_GAP: usize = 3;
const WIDTH: usize = 100;
const WIDTH_OF_DEFAULTS: usize = 120;
