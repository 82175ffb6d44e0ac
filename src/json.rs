//! JSON as Kubernetes writes it: text borrowed from the payload, and `null` where a list is empty.

use std::borrow::Cow;
use std::ops::Deref;

use serde::{Deserialize, Deserializer};

/// Text that borrows from the payload wherever the payload has no escapes in it.
///
/// `Option<Cow<str>>` would not: serde borrows a `Cow` only where it stands alone in a field.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A list in which `null` means empty, as it does to the API server.
#[derive(Debug)]
pub(crate) struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Option::<Vec<T>>::deserialize(deserializer)?;
        Ok(Self(list.unwrap_or_default()))
    }
}

/// Says what is wrong with a JSON text without repeating any of it.
///
/// serde's own message quotes the offending value, and a payload may hold secrets. What stands
/// after the last `expected` comes from the program, never from the input.
pub(crate) fn describe_error(error: &serde_json::Error) -> String {
    let column = error.column();
    if !error.is_data() {
        return format!("it is not valid JSON (at column {column})");
    }
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected} at column {column}"),
        None if text.starts_with("missing field") => format!("{text} at column {column}"),
        None => format!("a value of an unexpected type at column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_borrows_even_inside_an_option() {
        let text: Option<Text<'_>> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(text, Some(Text(Cow::Borrowed("plain")))));
        let text: Option<Text<'_>> = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(text.unwrap().as_str(), "a\nb");
    }

    #[test]
    fn a_null_list_is_empty() {
        assert!(serde_json::from_str::<List<u8>>("null").unwrap().is_empty());
        assert_eq!(&*serde_json::from_str::<List<u8>>("[1,2]").unwrap(), [1, 2]);
    }

    #[test]
    fn an_error_never_repeats_the_input() {
        for input in [
            r#""s3cret, expected s3cret""#,
            "{\"s3cret\":1}",
            "\"s3cret",
            "[s3cret]",
        ] {
            let error = serde_json::from_str::<bool>(input).unwrap_err();
            let description = describe_error(&error);
            assert!(!description.contains("s3cret"), "{description}");
        }
    }
}
