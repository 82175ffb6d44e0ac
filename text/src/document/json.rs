//! JSON, strictly: a key that an object has twice is an error.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The values of a text that follow each other, up to the first that cannot be read.
pub(super) struct Values {
    pub(super) values: Vec<Value>,
    pub(super) problem: Option<Problem>,
}

/// Why a value cannot be read.
pub(super) struct Problem {
    /// What is wrong, with the line.
    pub(super) message: String,
    pub(super) is_duplicate_key: bool,
    /// Where the values end that can be read, in bytes.
    pub(super) after: usize,
}

/// Reads all values of a text.
pub(super) fn read(text: &str) -> Values {
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Strict>();
    let mut after = 0;
    while let Some(result) = stream.next() {
        match result {
            Ok(Strict(value)) => values.push(value),
            Err(error) => {
                let message = error.to_string();
                let problem = Problem {
                    is_duplicate_key: message.starts_with(DUPLICATE_KEY),
                    message,
                    after,
                };
                return Values {
                    values,
                    problem: Some(problem),
                };
            }
        }
        after = stream.byte_offset();
    }
    Values {
        values,
        problem: None,
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
