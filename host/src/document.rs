//! YAML and JSON text to JSON values, strictly.
//!
//! A file that holds JSON objects, one or several after each other, is read
//! as JSON; everything else as YAML 1.2, of which one file may hold several
//! documents. In both:
//!
//! - A key that a mapping has twice is an error. Tools differ in which of the
//!   two they keep, so what is judged might not be what is applied.
//! - Numbers keep their value: integers of 64 bits are exact.
//!
//! In YAML, merge keys (`<<`) are resolved and dropped, keys that are numbers
//! or booleans become strings as they do in kubectl, and empty documents are
//! skipped. A tag of one's own (`!secret`) and a number that JSON does not
//! have (`.inf`, `.nan`) are errors.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use yaml_serde::Value as Yaml;

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it stands.
    pub position: Position,
    /// What it says; never `null`.
    pub value: Value,
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
/// A document with an error does not keep those after it from being read,
/// unless the text cannot be divided into documents from there on.
#[must_use]
pub fn parse(source: &str, bytes: &[u8]) -> Vec<Result<Document, DocumentError>> {
    let positioned = |(index, result): (usize, Result<Value, String>)| {
        let position = Position {
            source: source.to_owned(),
            document: index.saturating_add(1),
            item: None,
        };
        match result {
            Ok(Value::Null) => None,
            Ok(value) => Some(Ok(Document { position, value })),
            Err(message) => Some(Err(DocumentError { position, message })),
        }
    };
    let results = match std::str::from_utf8(bytes) {
        Ok(text) => parse_text(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => vec![Err(format!("not UTF-8: {error}"))],
    };
    results
        .into_iter()
        .enumerate()
        .filter_map(positioned)
        .collect()
}

fn parse_text(text: &str) -> Vec<Result<Value, String>> {
    if !text.trim_start().starts_with('{') {
        return parse_yaml(text);
    }
    let json = parse_json(text);
    if json.iter().all(Result::is_ok) {
        return json;
    }
    // `{a: b}` is YAML. When it is neither, a brace at the start says that
    // JSON was meant.
    let yaml = parse_yaml(text);
    if yaml.iter().all(Result::is_ok) && !json.iter().any(is_duplicate_key) {
        yaml
    } else {
        json
    }
}

fn parse_json(text: &str) -> Vec<Result<Value, String>> {
    serde_json::Deserializer::from_str(text)
        .into_iter::<Strict>()
        .map(|result| {
            result
                .map(|strict| strict.0)
                .map_err(|error| error.to_string())
        })
        .collect()
}

fn is_duplicate_key(result: &Result<Value, String>) -> bool {
    result
        .as_ref()
        .is_err_and(|message| message.starts_with(DUPLICATE_KEY))
}

fn parse_yaml(text: &str) -> Vec<Result<Value, String>> {
    let mut results = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        let yaml = Yaml::deserialize(document).map_err(|error| error.to_string());
        // After a syntax error the iterator hands out the same error for ever,
        // and after an unknown alias the rest of the document as another one.
        let is_last = yaml
            .as_ref()
            .is_err_and(|message| !message.contains(DUPLICATE_KEY));
        results.push(yaml.and_then(json_from_yaml));
        if is_last {
            break;
        }
    }
    results
}

fn json_from_yaml(yaml: Yaml) -> Result<Value, String> {
    match yaml {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(value) => Ok(Value::Bool(value)),
        Yaml::Number(number) => json_number(&number),
        Yaml::String(text) => Ok(Value::String(text)),
        Yaml::Sequence(items) => items.into_iter().map(json_from_yaml).collect(),
        Yaml::Mapping(mapping) => json_object(mapping).map(Value::Object),
        Yaml::Tagged(tagged) => Err(format!("unknown tag `{}`", tagged.tag)),
    }
}

fn json_number(number: &yaml_serde::Number) -> Result<Value, String> {
    let json = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(number), _, _) => Some(number.into()),
        (_, Some(number), _) => Some(number.into()),
        (_, _, Some(number)) => serde_json::Number::from_f64(number),
        _ => None,
    };
    json.map(Value::Number)
        .ok_or_else(|| format!("JSON has no number `{number}`"))
}

fn json_object(mapping: yaml_serde::Mapping) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    let mut merged = Vec::new();
    for (key, value) in mapping {
        let key = json_key(key)?;
        if key == MERGE {
            merged = mappings_to_merge(value)?;
        } else if object.contains_key(&key) {
            return Err(format!("{DUPLICATE_KEY} {key:?}"));
        } else {
            object.insert(key, json_from_yaml(value)?);
        }
    }
    // https://yaml.org/type/merge.html: a key of the mapping itself wins, then
    // the mapping that is named first.
    for mapping in merged {
        for (key, value) in json_object(mapping)? {
            object.entry(key).or_insert(value);
        }
    }
    Ok(object)
}

fn json_key(key: Yaml) -> Result<String, String> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
            Err("a key of a mapping must be a string".to_owned())
        }
    }
}

fn mappings_to_merge(value: Yaml) -> Result<Vec<yaml_serde::Mapping>, String> {
    let mapping = |value| match value {
        Yaml::Mapping(mapping) => Ok(mapping),
        _ => Err(format!(
            "the merge key `{MERGE}` takes a mapping or a list of mappings"
        )),
    };
    match value {
        Yaml::Sequence(values) => values.into_iter().map(mapping).collect(),
        value => Ok(vec![mapping(value)?]),
    }
}

/// A JSON value in which no object has a key twice; [`Value`] keeps the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{DUPLICATE_KEY} {key:?}")));
            }
            let Strict(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

const DUPLICATE_KEY: &str = "duplicate entry with key";
const MERGE: &str = "<<";

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
        let documents: Vec<_> = parse("f", b"# nothing\n---\na: 1\n---\n---\nb: 2\n")
            .into_iter()
            .flatten()
            .collect();
        let places: Vec<_> = documents
            .iter()
            .map(|d| (d.position.document, &d.value))
            .collect();
        assert_eq!(places, [(1, &json!({"a": 1})), (3, &json!({"b": 2}))]);
        assert_eq!(documents[1].position.to_string(), "f, document 3");
        assert_eq!(
            documents[1].position.of_item(2).to_string(),
            "f, document 3, item 2"
        );
        assert_eq!(values(""), Vec::<Value>::new());
        assert_eq!(values("# nothing\n"), Vec::<Value>::new());
    }

    #[test]
    fn json_documents_may_follow_each_other() {
        assert_eq!(
            values("\u{feff}{\"a\":1}\n\t{\"b\":[null,-1,1.5]}"),
            [json!({"a": 1}), json!({"b": [null, -1, 1.5]})]
        );
    }

    #[test]
    fn a_flow_mapping_is_yaml() {
        assert_eq!(values("{a: b}"), [json!({"a": "b"})]);
    }

    #[test]
    fn a_key_that_comes_twice_is_an_error_with_its_line() {
        assert_eq!(
            errors("{\"a\":1,\n\"a\":1}"),
            ["f, document 1: duplicate entry with key \"a\" at line 2 column 3"]
        );
        assert_eq!(
            errors("a: 1\n---\nb:\n  a: 1\n  a: 2\n"),
            ["f, document 2: b: duplicate entry with key \"a\" at line 4 column 3"]
        );
        assert_eq!(
            errors("1: a\n\"1\": b\n"),
            ["f, document 1: duplicate entry with key \"1\""]
        );
    }

    #[test]
    fn a_document_with_an_error_does_not_hide_the_next() {
        let results = parse("f", b"a: 1\na: 2\n---\nb: 1\n");
        assert!(results[0].is_err());
        assert_eq!(results[1].as_ref().unwrap().value, json!({"b": 1}));
    }

    #[test]
    fn text_that_does_not_parse_is_an_error_with_its_line() {
        assert_eq!(errors("a: 1\n---\nb: [1\n").len(), 1);
        assert!(errors("a: 1\n---\nb: [1\n")[0].contains("line 4"));
        assert_eq!(parse("f", b"a: *b\nc: d\n").len(), 1);
        assert_eq!(
            errors("{\"a\": "),
            ["f, document 1: EOF while parsing a value at line 1 column 6"]
        );
        assert_eq!(
            parse("f", b"a: \xff")[0]
                .as_ref()
                .unwrap_err()
                .position
                .document,
            1
        );
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: [*b, *a], z: *a}\n";
        assert_eq!(
            values(text),
            [json!({
                "a": {"x": 1, "y": 1},
                "b": {"x": 1, "y": 2},
                "c": {"x": 1, "y": 2, "z": {"x": 1, "y": 1}},
            })]
        );
        assert_eq!(
            errors("<<: 1"),
            ["f, document 1: the merge key `<<` takes a mapping or a list of mappings"]
        );
    }

    #[test]
    fn yaml_scalars_become_json_scalars() {
        assert_eq!(
            values("[1, -1, 18446744073709551615, 1.5, 1e2, yes, null, 'true', 0o17]"),
            [json!([
                1,
                -1,
                18_446_744_073_709_551_615_u64,
                1.5,
                100.0,
                "yes",
                null,
                "true",
                15
            ])]
        );
        assert_eq!(values("{1: a, true: b}"), [json!({"1": "a", "true": "b"})]);
    }

    #[test]
    fn what_json_does_not_have_is_an_error() {
        assert_eq!(
            errors("a: .inf"),
            ["f, document 1: JSON has no number `.inf`"]
        );
        assert_eq!(
            errors("a: !secret b"),
            ["f, document 1: unknown tag `!secret`"]
        );
        assert_eq!(
            errors("? [a]\n: b"),
            ["f, document 1: a key of a mapping must be a string"]
        );
    }
}
