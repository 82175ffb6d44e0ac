//! YAML as kubectl reads it.
//!
//! kubectl divides a file at its separators, line by line and before anything is parsed
//! (`YAMLReader` of `k8s.io/apimachinery/pkg/util/yaml`), and reads the first YAML document of each
//! part with `sigs.k8s.io/yaml`. That is YAML 1.1 with habits of its own; no crate has all of them,
//! so a parser that is made from the same libyaml gives the events, and what they mean is decided
//! here. `tests/kubectl-yaml/` compares the two.

mod scalar;
mod tree;
mod value;

use serde_json::Value;

use super::places::{Place, Places};
use tree::Tree;

/// What became of one document of a text.
#[derive(Debug)]
pub(super) struct Reading {
    /// Counted from 1 within the text, empty documents included.
    pub(super) number: usize,
    pub(super) result: Result<(Value, Places), Problem>,
}

impl Reading {
    /// Whether the text of the document cannot be parsed.
    pub(super) fn is_unparsable(&self) -> bool {
        self.result.as_ref().is_err_and(|problem| problem.is_fatal)
    }
}

/// Why a document is not read.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) message: String,
    /// The text cannot be parsed. kubectl stops here, and so does this.
    pub(super) is_fatal: bool,
}

impl Problem {
    fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            is_fatal: false,
        }
    }

    fn fatal(place: Place, message: impl Into<String>) -> Self {
        Self {
            is_fatal: true,
            ..Self::new(place, message)
        }
    }
}

/// Reads a text whose first line has the number `line` in its file.
pub(super) fn read(text: &str, line: usize) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut parts = divide(text, line).into_iter();
    while let Some(part) = parts.next() {
        let result = part.read().map_err(|mut problem| {
            if problem.is_fatal {
                let not_read = match parts.by_ref().filter(Part::has_content).count() {
                    0 => String::new(),
                    1 => ", and the one after it is not read".to_owned(),
                    after => format!(", and the {after} after it are not read"),
                };
                let begin = part.begin();
                problem.message = format!(
                    "{}; the document begins at line {begin}{not_read}",
                    problem.message
                );
            }
            problem
        });
        readings.push(Reading {
            number: part.number,
            result,
        });
    }
    readings
}

/// Divides a text at its separators, of which the first may begin it.
fn divide(text: &str, first_line: usize) -> Vec<Part> {
    let before_first_separator = text.lines().take_while(|line| !line.starts_with(SEPARATOR));
    let mut number = usize::from(before_first_separator.into_iter().any(has_content));
    let mut parts = Vec::new();
    let mut part = Part::default();
    for (line, at) in text.lines().zip(first_line..) {
        if let Some(behind) = line.strip_prefix(SEPARATOR) {
            number = number.saturating_add(1);
            let behind = behind.trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                part.broken_separator.get_or_insert(at);
            }
            if !part.text.is_empty() {
                parts.push(std::mem::take(&mut part));
                continue;
            }
        }
        if part.text.is_empty() {
            part.number = number.max(1);
            part.line = at;
        }
        part.text.push_str(line);
        part.text.push('\n');
    }
    if !part.text.is_empty() {
        parts.push(part);
    }
    parts
}

/// The text up to a separator, which begins with one where nothing stands between the two.
#[derive(Debug, Default)]
struct Part {
    number: usize,
    /// The line of the file at which it begins.
    line: usize,
    text: String,
    /// The line of a separator that has more than a comment behind it.
    broken_separator: Option<usize>,
}

impl Part {
    fn read(&self) -> Result<(Value, Places), Problem> {
        if let Some(line) = self.broken_separator {
            let column = SEPARATOR.len().saturating_add(1);
            let place = Place { line, column };
            return Err(Problem::fatal(
                place,
                "nothing but a comment may stand behind ---",
            ));
        }
        let text = self.text.strip_prefix(BYTE_ORDER_MARK);
        let text = text.unwrap_or(&self.text);
        self.check_characters(text)?;
        value::value(&Tree::parse(text, self.line)?)
    }

    fn check_characters(&self, text: &str) -> Result<(), Problem> {
        for (text, line) in text.lines().zip(self.line..) {
            for (character, column) in text.chars().zip(1..) {
                let place = Place { line, column };
                if character == BYTE_ORDER_MARK {
                    let message = "a byte-order mark stands inside of the text; remove it";
                    return Err(Problem::new(place, message));
                }
                if !is_allowed(character) {
                    let code = u32::from(character);
                    let message = format!("the character U+{code:04X} is not allowed");
                    return Err(Problem::fatal(place, message));
                }
            }
        }
        Ok(())
    }

    /// The line of the file at which something is said.
    fn begin(&self) -> usize {
        let mut lines = self.text.lines().zip(self.line..);
        let first = lines.find(|(text, _)| is_content(text));
        first.map_or(self.line, |(_, line)| line)
    }

    fn has_content(&self) -> bool {
        self.text.lines().any(is_content)
    }
}

/// Whether a line is more than a comment and no separator.
fn is_content(line: &str) -> bool {
    !line.starts_with(SEPARATOR) && has_content(line)
}

/// Whether a line is more than a comment.
fn has_content(line: &str) -> bool {
    let line = line.trim_start_matches(BYTE_ORDER_MARK).trim();
    !line.is_empty() && !line.starts_with('#')
}

/// `c-printable` of YAML 1.1, as libyaml has it.
fn is_allowed(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..
    )
}

fn deeper(depth: usize, place: Place) -> Result<usize, Problem> {
    if depth < MAX_DEPTH {
        Ok(depth.saturating_add(1))
    } else {
        Err(Problem::new(
            place,
            format!("more than {MAX_DEPTH} levels deep, which is not read"),
        ))
    }
}

const SEPARATOR: &str = "---";
const BYTE_ORDER_MARK: char = '\u{feff}';
/// As deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;
