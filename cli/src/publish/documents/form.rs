//! `questions-ui.yml`: a question for each key, in the order of the settings.
//!
//! What the settings know of a question is written here: its type, its default, its options, and which
//! words may stand in a list, for which Rancher has no options (`Any of ...`). Labels, descriptions,
//! conditions, and what is asked of the entries of a list are kept otherwise, and where a question is
//! new, they are a proposal.

use std::fmt::{self, Display, Formatter, Write as _};
use std::mem;

use super::parts::{wrap, yaml};
use container_security_text::settings::Setting;

/// Brings the form up to date.
pub(super) fn update(settings: &[Setting], text: &str) -> Result<String, String> {
    let (head, questions) = text
        .split_once(HEAD)
        .ok_or_else(|| format!("has no line {}", HEAD.trim_end()))?;
    let mut written = read(questions)?;
    let mut form = format!("{head}{HEAD}");
    for setting in settings {
        let group = written
            .iter()
            .find(|question| question.is_about(setting))
            .and_then(|question| question.field("group"))
            .map(ToOwned::to_owned);
        form.push('\n');
        for key in keys(setting) {
            let position = written
                .iter()
                .position(|question| question.variable == key.variable);
            let question = match position {
                Some(position) => written.remove(position),
                None => key.proposal(group.clone()),
            };
            // Writing to a String cannot fail.
            let _ = write!(form, "{}", question.with_what_is_known(&key));
        }
    }
    match written.first() {
        None => Ok(form),
        Some(question) => Err(format!("{} is no key of the settings", question.variable)),
    }
}

/// A key that is asked for.
struct Key<'s> {
    /// With the keys above it: `vulnerabilities.maximum.high`.
    variable: String,
    /// The section, or the setting itself, that it belongs to.
    of: &'s Setting,
    setting: &'s Setting,
}

/// The keys of a setting: of a section itself, which is a heading, and of everything below it.
fn keys(of: &Setting) -> Vec<Key<'_>> {
    fn collect<'s>(of: &'s Setting, setting: &'s Setting, above: &str, keys: &mut Vec<Key<'s>>) {
        let variable = format!("{above}{}", setting.name);
        let below = format!("{variable}.");
        if above.is_empty() || setting.keys.is_empty() {
            keys.push(Key {
                variable,
                of,
                setting,
            });
        }
        for key in &setting.keys {
            collect(of, key, &below, keys);
        }
    }
    let mut found = Vec::new();
    collect(of, of, "", &mut found);
    found
}

impl Key<'_> {
    fn is_heading(&self) -> bool {
        !self.setting.keys.is_empty()
    }

    fn is_mode(&self) -> bool {
        self.of.is_control() && self.setting.name == "mode"
    }

    /// As Rancher's extension names it.
    fn kind(&self) -> &'static str {
        let has_words = !self.setting.words().is_empty();
        match (self.setting.kind(), self.setting.kind_of_entries()) {
            _ if has_words => "enum",
            ("boolean", _) => "boolean",
            ("integer", _) => "int",
            ("number", _) => "float",
            ("object", _) => "map[",
            ("array", "object") => "sequence[",
            ("array", _) => "array[",
            _ => "string",
        }
    }

    /// Rancher writes the default of each question that it shows into the settings. There a mode of
    /// what can find nothing would be an error, a list looks empty while its default is in force, and
    /// what is the default of one level would be saved with another.
    fn default(&self) -> Option<String> {
        if self.is_heading() {
            return self.lacks_place_for_sequence().then(|| "{}".to_owned());
        }
        let default = self.setting.default.as_ref()?;
        let is_list_with_entries = default.as_array().is_some_and(|list| !list.is_empty());
        let is_idle_mode = self.is_mode() && self.of.is_idle();
        // Without a list, nothing can be added to a sequence; an empty one is not saved.
        let is_levelled = self.of.is_levelled() && self.kind() != "sequence[";
        let is_said = !is_levelled && !is_list_with_entries && !is_idle_mode;
        is_said.then(|| yaml(default))
    }

    /// Whether a section has a sequence, to which Rancher adds nothing as long as the section is not in
    /// the settings, and has no other key whose default puts it there.
    fn lacks_place_for_sequence(&self) -> bool {
        let mut keys = keys(self.setting);
        keys.retain(|key| !key.is_heading());
        let is_sequence = |key: &Key<'_>| key.kind() == "sequence[";
        let mut others = keys.iter().filter(|key| !is_sequence(key));
        keys.iter().any(is_sequence) && others.all(|key| key.default().is_none())
    }

    /// What a person would ask: to be worked over.
    fn proposal(&self, group: Option<String>) -> Question {
        let label = words_of(self.setting.name);
        let group = group.unwrap_or_else(|| {
            if self.of.is_control() {
                words_of(self.of.name)
            } else {
                FOR_ALL.to_owned()
            }
        });
        let mut fields = vec![
            ("group".to_owned(), group),
            ("label".to_owned(), label),
            ("description".to_owned(), folded(&self.description())),
        ];
        if self.is_heading() {
            fields.push(("hide_input".to_owned(), "true".to_owned()));
            fields.push(("subquestions".to_owned(), "[]".to_owned()));
        }
        Question {
            variable: self.variable.clone(),
            fields,
        }
    }

    fn description(&self) -> String {
        let text = if self.is_mode() {
            MODES.to_owned()
        } else {
            let summary = self.setting.paragraphs().next().unwrap_or_default();
            summary.replace('`', "")
        };
        let words = self.setting.words_of_entries();
        let has_words = words.is_empty() || text.contains("Any of ");
        let mut sentences = vec![text];
        if !has_words {
            sentences.push(any_of(&words));
        }
        if let (Some(default), None) = (&self.setting.default, self.default())
            && !self.is_heading()
        {
            let list = default.as_array().into_iter().flatten();
            let mut entries: Vec<&str> = list.filter_map(|entry| entry.as_str()).collect();
            entries.extend(default.as_str());
            if self.is_mode() && self.of.is_levelled() {
                sentences.push("Left empty: as the level has it.".to_owned());
            } else if !entries.is_empty() {
                sentences.push(format!("Left empty: {}.", entries.join(", ")));
            }
        }
        sentences.join(" ")
    }
}

/// A question as it is written: its fields in their order, each with the text behind its name.
struct Question {
    variable: String,
    fields: Vec<(String, String)>,
}

/// Reads questions, which begin with `- variable:` and have a field a line; a line that is indented
/// further belongs to the field above it.
fn read(text: &str) -> Result<Vec<Question>, String> {
    let mut questions: Vec<Question> = Vec::new();
    let mut blank_lines = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            blank_lines.push('\n');
            continue;
        }
        let blank_lines = mem::take(&mut blank_lines);
        if let Some(variable) = line.strip_prefix("- variable: ") {
            questions.push(Question {
                variable: variable.to_owned(),
                fields: Vec::new(),
            });
            continue;
        }
        let unexpected = || format!("cannot be read at: {line}");
        let fields = &mut questions.last_mut().ok_or_else(unexpected)?.fields;
        let field = line.strip_prefix("  ").ok_or_else(unexpected)?;
        if field.starts_with(' ') {
            let (_, value) = fields.last_mut().ok_or_else(unexpected)?;
            value.extend([&blank_lines, "\n", line]);
        } else {
            let (name, value) = field.split_once(':').ok_or_else(unexpected)?;
            fields.push((name.to_owned(), value.trim_start().to_owned()));
        }
    }
    Ok(questions)
}

impl Question {
    fn is_about(&self, setting: &Setting) -> bool {
        let section = self.variable.split('.').next();
        section == Some(setting.name)
    }

    fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The question with the type, the default, the options and the words that the key has.
    fn with_what_is_known(mut self, key: &Key<'_>) -> Self {
        let words = [key.setting.words_of_entries()].into_iter();
        for words in words.chain(key.setting.words_below_entries()) {
            for (_, value) in &mut self.fields {
                *value = with_words(value, &words);
            }
        }
        self.fields
            .retain(|(name, _)| !["type", "default", "options"].contains(&name.as_str()));
        self.fields
            .insert(0, ("type".to_owned(), key.kind().to_owned()));
        let default = key.default().map(|default| ("default".to_owned(), default));
        let words = key.setting.words();
        let options =
            (!words.is_empty()).then(|| ("options".to_owned(), format!("[{}]", words.join(", "))));
        let behind_texts = self
            .fields
            .iter()
            .position(|(name, _)| {
                !["type", "group", "label", "description"].contains(&name.as_str())
            })
            .unwrap_or(self.fields.len());
        self.fields.splice(
            behind_texts..behind_texts,
            default.into_iter().chain(options),
        );
        self
    }
}

impl Display for Question {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "- variable: {}", self.variable)?;
        for (name, value) in &self.fields {
            // What is asked of entries begins on the next line.
            let gap = if value.starts_with('\n') { "" } else { " " };
            writeln!(f, "  {name}:{gap}{value}")?;
        }
        Ok(())
    }
}

/// The text with these words in its sentence `Any of ...`, where that has some of them.
fn with_words(text: &str, words: &[&str]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.split('\n').peekable();
    while let Some(line) = rest.next() {
        lines.push(line.to_owned());
        if !line.ends_with(">-") {
            continue;
        }
        let indent = rest.peek().map_or(0, |first| indent_of(first));
        let mut folded = Vec::new();
        while let Some(line) = rest.next_if(|line| indent_of(line) == indent) {
            folded.push(line);
        }
        let words_before: Vec<&str> = folded.iter().map(|line| line.trim()).collect();
        let before = words_before.join(" ");
        match with_words_in_sentence(&before, words) {
            Some(after) if after != before => {
                let width = WIDTH_OF_FILE.saturating_sub(indent);
                let after = wrap(&after, width);
                lines.extend(after.lines().map(|line| format!("{:indent$}{line}", "")));
            }
            _ => lines.extend(folded.into_iter().map(ToOwned::to_owned)),
        }
    }
    lines.join("\n")
}

fn with_words_in_sentence(text: &str, words: &[&str]) -> Option<String> {
    let (before, rest) = text.split_once("Any of ")?;
    let (listed, after) = rest.split_once('.')?;
    let is_about_them = listed.split(", ").any(|word| words.contains(&word));
    is_about_them.then(|| format!("{before}{}{after}", any_of(words)))
}

fn indent_of(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}

fn any_of(words: &[&str]) -> String {
    format!("Any of {}.", words.join(", "))
}

/// A text of any length and with any signs, as a field.
fn folded(text: &str) -> String {
    let lines = wrap(text, WIDTH_OF_FILE.saturating_sub(4)).replace('\n', "\n    ");
    format!(">-\n    {lines}")
}

/// `hostPorts` as people write it: `Host ports`.
fn words_of(name: &str) -> String {
    let mut words = String::new();
    for (position, letter) in name.char_indices() {
        if position == 0 {
            words.push(letter.to_ascii_uppercase());
        } else if letter.is_ascii_uppercase() {
            words.push(' ');
            words.push(letter.to_ascii_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

const HEAD: &str = "questions:\n";
const FOR_ALL: &str = "For all rules";
const MODES: &str =
    "enforce: reject the workload. warn: accept it with a warning. disabled: do not look.";
const WIDTH_OF_FILE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_is_missing_is_proposed_and_one_too_many_refused() {
        let settings = Setting::all();
        let of = |names: &[&str]| {
            let all = settings.iter();
            let some: Vec<Setting> = all
                .filter(|setting| names.contains(&setting.name))
                .cloned()
                .collect();
            some
        };
        let forbidden = update(&of(&["hostNamespaces"]), "questions:\n").unwrap();
        let description = "\
    Any of ipc, pid, network, user. user asks that hostUsers is written as false. Left empty: ipc,
    pid, network.
";
        assert!(forbidden.ends_with(description), "{forbidden}");
        let form = update(&of(&["hostPorts", "imagePinning"]), "# head\nquestions:\n").unwrap();
        assert_eq!(
            form,
            "\
# head
questions:

- variable: hostPorts
  type: map[
  group: Host ports
  label: Host ports
  description: >-
    Pods do not open ports on their node.
  default: {}
  hide_input: true
  subquestions: []
- variable: hostPorts.mode
  type: enum
  group: Host ports
  label: Mode
  description: >-
    enforce: reject the workload. warn: accept it with a warning. disabled: do not look. Left empty:
    as the level has it.
  options: [enforce, warn, disabled]
- variable: hostPorts.allowed
  type: sequence[
  group: Host ports
  label: Allowed
  description: >-
    Ranges of ports that pods may open, such as {min: 8000, max: 9000}; [] is no port at all.
  default: []

- variable: imagePinning
  type: map[
  group: Image pinning
  label: Image pinning
  description: >-
    Images are named by a digest, or by no tag that you reject, such as latest.
  hide_input: true
  subquestions: []
- variable: imagePinning.mode
  type: enum
  group: Image pinning
  label: Mode
  description: >-
    enforce: reject the workload. warn: accept it with a warning. disabled: do not look. Left empty:
    enforce.
  options: [enforce, warn, disabled]
- variable: imagePinning.requireDigest
  type: boolean
  group: Image pinning
  label: Require digest
  description: >-
    true: each reference must have a digest (@sha256:...).
  default: false
- variable: imagePinning.rejectTags
  type: array[
  group: Image pinning
  label: Reject tags
  description: >-
    Tags that must not be used, such as [latest]; a reference with neither tag nor digest has the
    tag latest.
  default: []
"
        );
        assert_eq!(
            update(&of(&["hostPorts"]), &form),
            Err("imagePinning is no key of the settings".to_owned())
        );
    }

    #[test]
    fn what_somebody_wrote_is_kept_and_what_is_known_is_corrected() {
        let settings = Setting::all();
        let legacy = settings
            .into_iter()
            .find(|setting| setting.name == "legacy");
        let mut keys = legacy.unwrap().keys;
        keys.retain(|key| key.name == "onUpdate");
        let form = "questions:

- variable: onUpdate
  type: string
  group: My own
  label: 'Updates: which'
  description: |
    newViolations: none.

    allViolations: all.
  default: allViolations
  show_if: a=b
";
        assert_eq!(
            update(&keys, form).as_deref(),
            Ok("questions:

- variable: onUpdate
  type: enum
  group: My own
  label: 'Updates: which'
  description: |
    newViolations: none.

    allViolations: all.
  default: newViolations
  options: [newViolations, allViolations]
  show_if: a=b
")
        );
    }

    #[test]
    fn the_words_of_a_list_follow_the_settings() {
        let text = "\n    - variable: a\n      description: >-\n        One. Any of b, c. Left\n        \
                    empty: b.\n    - variable: d\n      description: >-\n        Any of e.";
        let expected = "\n    - variable: a\n      description: >-\n        One. Any of c, f. Left \
                        empty: b.\n    - variable: d\n      description: >-\n        Any of e.";
        assert_eq!(with_words(text, &["c", "f"]), expected);
        assert_eq!(with_words(text, &["b", "c"]), text);
        assert_eq!(with_words(text, &["g"]), text);
        let settings = Setting::all();
        let exemptions = settings.iter().find(|key| key.name == "exemptions");
        let lists: Vec<Vec<&str>> = exemptions.unwrap().words_below_entries().collect();
        let controls: Vec<&str> = settings
            .iter()
            .filter(|setting| setting.is_control())
            .map(|control| control.name)
            .collect();
        assert!(lists.contains(&controls), "{lists:?}");
    }
}
