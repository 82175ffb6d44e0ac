//! YAML and JSON text to JSON values.
//!
//! A file that begins with `{` is read as JSON, in which objects may follow each other; everything
//! else as YAML, and as kubectl reads YAML: `yes` is a boolean, `1.00062e+09` the integer 1000620000,
//! and a merge key (`<<`) wins over the keys before it. See [`yaml`] for how, and
//! `tests/kubectl-yaml/` for the table that holds this to it.
//!
//! What kubectl reads is refused where that is safer for a check:
//!
//! - a key that a mapping has twice: tools differ in which of the two they keep, so what is judged
//!   might not be what is applied
//! - text that kubectl leaves out without a word, behind the end of a document
//! - bytes that are no Unicode, and a byte-order mark inside of the text
//! - the tags `!!binary` and `!!timestamp`, more than 127 levels, and megabytes of text by aliases
//!
//! Integers of 64 bits are exact, and empty documents are skipped.

mod json;
mod places;
mod yaml;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

pub use places::{Place, Places};

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it stands.
    pub position: Position,
    /// What it says; never `null`.
    pub value: Value,
    /// Where its values stand.
    pub places: Places,
}

/// The place of a document, or of an item of a `List` in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file as it was named, `-` for standard input.
    pub source: String,
    /// Counted from 1, empty documents included.
    pub document: usize,
    /// Counted from 1 over all items; `None` for what is no item of a `List`.
    pub item: Option<usize>,
}

impl Position {
    /// The position of an item in the document at this position.
    #[must_use]
    pub fn of_item(&self, item: usize) -> Self {
        Self {
            item: Some(item),
            ..self.clone()
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, document {}", self.source, self.document)?;
        self.item
            .map_or(Ok(()), |item| write!(formatter, ", item {item}"))
    }
}

/// A document that cannot be read. The text says the line where the parser knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct DocumentError {
    /// Where it stands.
    pub position: Position,
    /// What is wrong.
    pub message: String,
}

/// Reads the documents of a file, of which `source` is the name.
///
/// A document with an error does not keep those after it from being read, unless it cannot be
/// parsed: then the error says so.
#[must_use]
pub fn parse(source: &str, bytes: &[u8]) -> Vec<Result<Document, DocumentError>> {
    parse_with(source, bytes, read)
}

/// The same for a file that is YAML also where it begins with `{`: JSON is, nearly, and then its values
/// have places.
#[must_use]
pub fn parse_yaml(source: &str, bytes: &[u8]) -> Vec<Result<Document, DocumentError>> {
    parse_with(source, bytes, |text| of_yaml(yaml::read(text, 1), 0))
}

fn parse_with(
    source: &str,
    bytes: &[u8],
    read: fn(&str) -> Vec<Reading>,
) -> Vec<Result<Document, DocumentError>> {
    let readings = match decode(bytes) {
        Ok(text) => read(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text)),
        Err(message) => vec![Reading {
            number: 1,
            result: Err(message),
        }],
    };
    let positioned = |Reading { number, result }| {
        let position = Position {
            source: source.to_owned(),
            document: number,
            item: None,
        };
        match result {
            Ok((Value::Null, _)) => None,
            Ok((value, places)) => Some(Ok(Document {
                position,
                value,
                places,
            })),
            Err(message) => Some(Err(DocumentError { position, message })),
        }
    };
    readings.into_iter().filter_map(positioned).collect()
}

/// What became of one document.
struct Reading {
    number: usize,
    result: Result<(Value, Places), String>,
}

/// The text of a file: UTF-8, or UTF-16 after a byte-order mark, as PowerShell writes it.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let from_bytes: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            return std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|error| {
                    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    not_unicode("UTF-8", &String::from_utf8_lossy(before))
                });
        }
    };
    let (units, rest) = bytes.as_chunks();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units.iter().copied().map(from_bytes)) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(not_unicode("UTF-16", &text)),
        }
    }
    if rest.is_empty() {
        Ok(Cow::Owned(text))
    } else {
        Err(not_unicode("UTF-16", &text))
    }
}

fn not_unicode(encoding: &str, before: &str) -> String {
    let line = line_at(before, before.len());
    format!("line {line}: the file is not {encoding}, and nothing of it is read")
}

fn read(text: &str) -> Vec<Reading> {
    if !text.trim_start().starts_with('{') {
        return of_yaml(yaml::read(text, 1), 0);
    }
    let json::Values { values, problem } = json::read(text);
    let count = values.len();
    let of_value = |(value, number)| Reading {
        number,
        result: Ok((value, Places::default())),
    };
    let mut readings: Vec<_> = values.into_iter().zip(1..).map(of_value).collect();
    let Some(problem) = problem else {
        return readings;
    };
    let (_, rest) = text.split_at_checked(problem.after).unwrap_or_default();
    // `{a: b}` is YAML, and behind one object, but not behind two, kubectl goes over to YAML: where
    // at least four bytes are left.
    let rest_of_line =
        rest.trim_start_matches(|space: char| space.is_whitespace() && space != '\n');
    if (count == 0 || count == 1 && !begins_json_value(rest))
        && rest_of_line.len() >= 4
        && !problem.is_duplicate_key
    {
        let rest = rest_of_line.strip_prefix('\n').unwrap_or(rest_of_line);
        let line = line_at(text, text.len().saturating_sub(rest.len()));
        let yaml = yaml::read(rest, line);
        // When it is neither, its beginning says that JSON was meant.
        let is_json = rest
            .trim_start()
            .strip_prefix('{')
            .is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
        if !is_json || !yaml.first().is_some_and(yaml::Reading::is_unparsable) {
            readings.extend(of_yaml(yaml, count));
            return readings;
        }
    }
    let begin = line_at(text, text.len().saturating_sub(rest.trim_start().len()));
    readings.push(Reading {
        number: count.saturating_add(1),
        result: Err(format!(
            "{}; the document begins at line {begin}, and nothing after it is read",
            problem.message
        )),
    });
    readings
}

fn of_yaml(yaml: Vec<yaml::Reading>, documents_before: usize) -> Vec<Reading> {
    let of_yaml = |reading: yaml::Reading| Reading {
        number: reading.number.saturating_add(documents_before),
        result: reading
            .result
            .map_err(|problem| format!("{}: {}", problem.place, problem.message)),
    };
    yaml.into_iter().map(of_yaml).collect()
}

/// Whether Go reads a value where a text begins that is no object.
fn begins_json_value(text: &str) -> bool {
    let text = text.trim_start();
    let number = text.strip_prefix('-').unwrap_or(text);
    number.starts_with(|digit: char| digit.is_ascii_digit())
        || ["true", "false", "null"]
            .iter()
            .any(|word| text.starts_with(word))
}

fn line_at(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count().saturating_add(1)
}

const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(text: &str) -> Vec<Value> {
        parse("f", text.as_bytes())
            .into_iter()
            .map(|result| result.unwrap().value)
            .collect()
    }

    fn errors(text: &str) -> Vec<String> {
        parse("f", text.as_bytes())
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect()
    }

    #[test]
    fn documents_are_counted_with_the_empty_ones_and_those_are_skipped() {
        let numbers = |text: &str| -> Vec<_> {
            let documents = parse("f", text.as_bytes()).into_iter().flatten();
            documents
                .map(|document| (document.position.document, document.value))
                .collect()
        };
        let expected = [(1, json!({"a": 1})), (3, json!({"b": 2}))];
        for text in [
            "# nothing\n---\na: 1\n---\n---\nb: 2\n",
            "a: 1\n---\n---\nb: 2\n",
            "---\na: 1\n---\n# nothing\n---\nb: 2",
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
        assert_eq!(numbers("{\"a\": 1}\n---\n---\nb: 2\n"), expected);
        assert_eq!(values(""), Vec::<Value>::new());
        assert_eq!(values("# nothing\n"), Vec::<Value>::new());
    }

    #[test]
    fn a_position_names_file_document_and_item() {
        let document = parse("f", b"---\n---\na: 1\n").remove(0).unwrap();
        assert_eq!(document.position.to_string(), "f, document 2");
        assert_eq!(
            document.position.of_item(2).to_string(),
            "f, document 2, item 2"
        );
    }

    #[test]
    fn json_documents_may_follow_each_other() {
        assert_eq!(
            values("\u{feff}{\"a\":1}\n\t{\"b\":[null,-1,1.5]}"),
            [json!({"a": 1}), json!({"b": [null, -1, 1.5]})]
        );
    }

    #[test]
    fn json_keeps_what_yaml_changes() {
        assert_eq!(values("{\"a\": 1.0}")[0].to_string(), "{\"a\":1.0}");
        assert_eq!(values("a: 1.0")[0].to_string(), "{\"a\":1}");
    }

    #[test]
    fn a_flow_mapping_is_yaml() {
        assert_eq!(values("{a: b}"), [json!({"a": "b"})]);
        // Go looks at four bytes before it goes over to YAML.
        assert_eq!(
            errors("{b}"),
            [
                "f, document 1: key must be a string at line 1 column 2; the document begins at line 1, and nothing after it is read"
            ]
        );
    }

    #[test]
    fn yaml_may_follow_one_json_document_and_no_value_of_another_sort() {
        assert_eq!(
            values("{\"a\": 1}\n---\nb: yes\n"),
            [json!({"a": 1}), json!({"b": true})]
        );
        for text in ["{}\n{}\n---\na: 1\n", "{}\n1b: 2\n", "{}\nnull: 2\n"] {
            assert_eq!(errors(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_an_error_with_its_line() {
        assert_eq!(
            errors("{\"a\":1,\n\"a\":1}"),
            [
                "f, document 1: duplicate entry with key \"a\" at line 2 column 3; the document begins at line 1, and nothing after it is read"
            ]
        );
        assert_eq!(
            errors("a: 1\n---\nb:\n  a: 1\n  a: 2\n"),
            [
                "f, document 2: line 5, column 3: the key \"a\" is set a second time; the first is at line 4, column 3"
            ]
        );
    }

    #[test]
    fn keys_that_are_one_key_only_in_json_are_an_error() {
        for (text, second) in [
            ("1: a\n\"1\": b\n", "line 2, column 1"),
            ("1000: a\n1e3: b\n", "line 2, column 1"),
            (".nan: a\n.nan: b\n", "line 2, column 1"),
        ] {
            let errors = errors(text);
            assert!(
                errors[0].starts_with(&format!("f, document 1: {second}: the key ")),
                "{errors:?}"
            );
        }
        assert_eq!(
            errors("a: &a {1e3: x}\nb:\n  <<: *a\n  1000: x\n"),
            [
                "f, document 1: line 4, column 3: the key \"1000\" and the merged one are two keys to kubectl and one in JSON; quote both or neither"
            ]
        );
        assert_eq!(
            values("a: &a {1000: x}\nb:\n  <<: *a\n  1000: z\n")[0]["b"],
            json!({"1000": "z"})
        );
    }

    #[test]
    fn a_document_with_an_error_does_not_hide_the_next() {
        let results = parse("f", b"a: 1\na: 2\n---\nb: 1\n");
        assert!(results[0].is_err());
        assert_eq!(results[1].as_ref().unwrap().value, json!({"b": 1}));
    }

    #[test]
    fn a_document_that_does_not_parse_says_where_it_begins_and_what_is_not_read() {
        for (text, expected) in [
            (
                "a: 1\n---\n# b\n\nb: [1\n",
                "f, document 2: line 6, column 1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 5, column 4; the document begins at line 5",
            ),
            (
                "a: 1\n---\nb: [1\n---\n---\nc: 1\n",
                "f, document 2: line 4, column 1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 3, column 4; the document begins at line 3, and the one after it is not read",
            ),
            (
                "---\na:\n\t- b\n---\nb: 1\n---\nc: 1\n",
                "f, document 1: line 3, column 1: found a tab character where spaces are expected; the document begins at line 2, and the 2 after it are not read",
            ),
            (
                "a: 1\n--- b: 2\n---\nc: 3\n",
                "f, document 1: line 2, column 4: nothing but a comment may stand behind ---; the document begins at line 1, and the one after it is not read",
            ),
            (
                "--- {a: 1}\n",
                "f, document 1: line 1, column 4: nothing but a comment may stand behind ---; the document begins at line 1",
            ),
            (
                "a: *b\nc: d\n",
                "f, document 1: line 1, column 4: there is no anchor &b before its alias; the document begins at line 1",
            ),
            (
                "{\"a\": 1}\n\n{\"b\": ",
                "f, document 2: EOF while parsing a value at line 3 column 6; the document begins at line 3, and nothing after it is read",
            ),
        ] {
            assert_eq!(errors(text), [expected]);
        }
    }

    #[test]
    fn what_is_no_unicode_is_an_error_with_its_line() {
        for (bytes, expected) in [
            (&b"a: 1\nb: \xff\n"[..], "line 2: the file is not UTF-8"),
            (
                b"\xff\xfea\0\n\0\n\0\0\xd8",
                "line 3: the file is not UTF-16",
            ),
            (b"\xfe\xff\0a\0\n\0", "line 2: the file is not UTF-16"),
        ] {
            let error = parse("f", bytes).remove(0).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("f, document 1: {expected}, and nothing of it is read")
            );
        }
    }

    #[test]
    fn values_have_places_also_by_merges_and_aliases() {
        let text = "---\na: &a\n  b: [1,\n    {c: 2}]\nd:\n  <<: *a\n  e: *a\n";
        let document = parse("f", text.as_bytes()).remove(0).unwrap();
        let place = |places: Option<&Places>| {
            let Place { line, column } = places.unwrap().place().unwrap();
            (line, column)
        };
        let (root, entry) = (&document.places, |key: &str| document.places.entry(key));
        assert_eq!(place(Some(root)), (2, 1));
        assert_eq!(place(entry("d")), (5, 1));
        let b = entry("a").unwrap().entry("b").unwrap();
        assert_eq!(place(Some(b)), (3, 3));
        assert_eq!(place(b.item(1)), (4, 5));
        assert_eq!(place(b.item(1).unwrap().entry("c")), (4, 6));
        let d = entry("d").unwrap();
        assert_eq!(place(d.entry("b")), (3, 3));
        assert_eq!(place(d.entry("e")), (7, 3));
        assert_eq!(place(d.entry("e").unwrap().entry("b")), (3, 3));
        assert_eq!(d.entry("c"), None);
        assert_eq!(d.item(0), None);
        assert_eq!(
            parse("f", b"{\"a\": 1}").remove(0).unwrap().places.place(),
            None
        );
    }

    #[test]
    fn aliases_make_no_more_than_some_megabytes_of_text() {
        let text = format!(
            "a: &a {}\nb: [*a{}]\n",
            "x".repeat(100_000),
            ", *a".repeat(1000)
        );
        assert_eq!(
            errors(&text),
            ["f, document 1: line 1, column 4: aliases make too much text of this document"]
        );
        let text = format!("a: &a {}\nb: [*a, *a]\n", "x".repeat(100_000));
        assert_eq!(values(&text)[0]["b"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_long_chain_of_merges_ends_like_deep_nesting() {
        let links = (1..100_000).map(|link| format!("a{link}: &a{link} {{<<: *a{}}}\n", link - 1));
        let text = format!("a0: &a0 {{x: 1}}\n{}", links.collect::<String>());
        let errors = errors(&text);
        assert!(
            errors[0].ends_with("more than 127 levels deep, which is not read"),
            "{errors:?}"
        );
    }

    #[test]
    fn what_looks_like_a_tag_is_found_in_time_that_grows_with_the_text() {
        for unit in ["!", "!<", "!a,", "[!a ,", "!<>,", "x!,"] {
            let text = format!("a: '{}'\n", unit.repeat(200_000));
            assert_eq!(values(&text).len(), 1, "{unit}");
        }
    }
}
