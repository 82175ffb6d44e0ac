//! JSON as Kubernetes writes it: text borrowed from the payload, and `null` where a list is empty.

pub(crate) mod reader;

use std::borrow::Cow;
use std::collections::BinaryHeap;
use std::iter;

use self::reader::{Error, Reader};
use crate::text::{Step, Steps, pointer};

/// Text that borrows from the payload wherever the payload has no escapes in it.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(Cow<'a, str>);

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

/// A list in its order.
// By a heap, whose code is a tenth of that of a sort.
#[inline(never)]
pub(crate) fn sorted<T: Ord>(list: Vec<T>) -> Vec<T> {
    BinaryHeap::from(list).into_sorted_vec()
}

/// Whether a text is in a list in its order.
pub(crate) fn has(sorted: &[Text<'_>], text: &str) -> bool {
    sorted
        .binary_search_by(|one| one.as_str().cmp(text))
        .is_ok()
}

/// A JSON value that is kept whole, because who reads it wants to name every problem with it.
///
/// All of it is in one list, in the order of writing: a settings file has a hundred values, and one
/// allocation for each would cost more than everything that is done with them.
#[derive(Debug)]
pub(crate) struct Document<'a>(Vec<Token<'a>>);

/// One value without what is in it, which comes next. An entry of a map is two: its key and its
/// value.
#[derive(Debug)]
enum Token<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Number(&'a str),
    Text(Text<'a>),
    /// With the number of tokens that are in it, at any depth.
    List(usize),
    Map(usize),
}

/// A value in a [`Document`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'n> {
    Null,
    Bool(bool),
    Integer(i64),
    /// Any other number, as it is written.
    Number(&'n str),
    Text(&'n str),
    List(Items<'n>),
    Map(Entries<'n>),
}

impl From<bool> for Node<'_> {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

/// The elements of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Items<'n>(&'n [Token<'n>]);

/// The entries of a map, in the order of writing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entries<'n>(&'n [Token<'n>]);

impl<'a> Document<'a> {
    /// Reads a JSON text, which the document borrows from.
    pub(crate) fn from_slice(json: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(json);
        let document = Self::read(&mut reader)?;
        reader.end()?;
        Ok(document)
    }

    /// Reads the next value.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut tokens = Vec::with_capacity(USUAL_TOKENS);
        append(reader, &mut tokens)?;
        Ok(Self(tokens))
    }

    pub(crate) fn root(&self) -> Node<'_> {
        split_first(&self.0).map_or(Node::Null, |(node, _)| node)
    }
}

/// The first value, and the tokens behind it.
fn split_first<'n>(tokens: &'n [Token<'n>]) -> Option<(Node<'n>, &'n [Token<'n>])> {
    let (first, rest) = tokens.split_first()?;
    Some(match first {
        Token::Null => (Node::Null, rest),
        Token::Bool(flag) => (Node::Bool(*flag), rest),
        Token::Integer(number) => (Node::Integer(*number), rest),
        Token::Number(number) => (Node::Number(number), rest),
        Token::Text(text) => (Node::Text(text.as_str()), rest),
        Token::List(size) => {
            let (items, rest) = rest.split_at_checked(*size)?;
            (Node::List(Items(items)), rest)
        }
        Token::Map(size) => {
            let (entries, rest) = rest.split_at_checked(*size)?;
            (Node::Map(Entries(entries)), rest)
        }
    })
}

impl<'n> Items<'n> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Node<'n>> {
        let mut tokens = self.0;
        iter::from_fn(move || {
            let (node, rest) = split_first(tokens)?;
            tokens = rest;
            Some(node)
        })
    }
}

impl<'n> Entries<'n> {
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'n str, Node<'n>)> {
        let mut tokens = self.0;
        iter::from_fn(move || {
            let (Token::Text(key), rest) = tokens.split_first()? else {
                return None;
            };
            let (node, rest) = split_first(rest)?;
            tokens = rest;
            Some((key.as_str(), node))
        })
    }

    /// The entries that say something.
    fn given(self) -> impl Iterator<Item = (&'n str, Node<'n>)> {
        self.iter().filter(|(_, node)| !matches!(node, Node::Null))
    }

    /// Whether both say the same under the keys that are compared, as [`Node::is_same_as`] has it.
    pub(crate) fn are_same_as(
        self,
        other: Entries<'_>,
        is_compared: &dyn Fn(&str) -> bool,
    ) -> bool {
        let mut left = self.given().filter(|(key, _)| is_compared(key));
        let mut right = other.given().filter(|(key, _)| is_compared(key));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(left), Some(right)) if left.0 == right.0 && left.1.is_same_as(right.1) => {}
                _ => return false,
            }
        }
    }
}

impl<'n> Node<'n> {
    /// The value of a key; `None` where this is no map, has no such key, or has `null` there.
    pub(crate) fn get(self, key: &str) -> Option<Node<'n>> {
        let Self::Map(entries) = self else {
            return None;
        };
        let found = entries.iter().filter(|(name, _)| *name == key).last();
        found
            .map(|(_, node)| node)
            .filter(|node| !matches!(node, Self::Null))
    }

    /// The text of a key.
    pub(crate) fn text(self, key: &str) -> Option<&'n str> {
        match self.get(key)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of the list of a key; none where there is no such key, and `None` where it
    /// holds something other than a list.
    pub(crate) fn items(self, key: &str) -> Option<Items<'n>> {
        match self.get(key) {
            None => Some(Items::default()),
            Some(Self::List(items)) => Some(items),
            Some(_) => None,
        }
    }

    /// Whether both are the same JSON value. As to the API server, `null` is a key that is left out.
    /// Keys are compared in the order of writing, which is one order: the host sorts them. In another
    /// order they are taken for others.
    pub(crate) fn is_same_as(self, other: Node<'_>) -> bool {
        match (self, other) {
            (Self::Null, Node::Null) => true,
            (Self::Bool(left), Node::Bool(right)) => left == right,
            (Self::Integer(left), Node::Integer(right)) => left == right,
            (Self::Number(left), Node::Number(right)) | (Self::Text(left), Node::Text(right)) => {
                left == right
            }
            (Self::List(left), Node::List(right)) => {
                let (mut left, mut right) = (left.iter(), right.iter());
                loop {
                    match (left.next(), right.next()) {
                        (None, None) => return true,
                        (Some(left), Some(right)) if left.is_same_as(right) => {}
                        _ => return false,
                    }
                }
            }
            (Self::Map(left), Node::Map(right)) => left.are_same_as(right, &|_| true),
            _ => false,
        }
    }

    /// What the node is, for a message. The value itself may be a secret put in a wrong place.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Appends the next value, and what is in it.
fn append<'a>(reader: &mut Reader<'a>, tokens: &mut Vec<Token<'a>>) -> Result<(), Error> {
    let head = tokens.len();
    let token = match reader.peek() {
        b'"' => {
            tokens.push(Token::Text(reader.text()?.into()));
            return Ok(());
        }
        b'[' => {
            tokens.push(Token::Null);
            reader.list(&mut |reader| append(reader, tokens))?;
            Token::List
        }
        b'{' => {
            tokens.push(Token::Null);
            reader.map("", &mut |reader, key| {
                tokens.push(Token::Text(key.into()));
                append(reader, tokens)
            })?;
            Token::Map
        }
        _ => {
            tokens.push(match reader.scalar()? {
                "null" => Token::Null,
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                number => number.parse().map_or(Token::Number(number), Token::Integer),
            });
            return Ok(());
        }
    };
    let inside = tokens.len().saturating_sub(head).saturating_sub(1);
    if let Some(head) = tokens.get_mut(head) {
        *head = token(inside);
    }
    Ok(())
}

/// Settings and answers of the host seldom have more.
const USUAL_TOKENS: usize = 128;

/// What is wrong with a JSON text.
#[derive(Debug)]
pub(crate) struct Fault {
    /// With the place, and without any value of the text.
    pub(crate) text: String,
    /// The place as a JSON pointer, where it is one.
    pub(crate) pointer: Option<String>,
}

/// Says what is wrong with a JSON text, and where.
pub(crate) fn describe_error(error: Error, json: &[u8]) -> String {
    Fault::new(error, json).text
}

impl Fault {
    /// Nothing of the text's values is repeated: a payload may hold secrets.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(error: Error, json: &[u8]) -> Self {
        let (start, expected) = match error {
            Error::Syntax(0) => return "it is not valid JSON".to_owned().into(),
            Error::Syntax(end) => return format!("it is not valid JSON at byte {end}").into(),
            Error::Missing(field) => return [field, " is missing"].concat().into(),
            Error::Type(start, expected) => (start, expected),
        };
        let Offending { steps, found } = Offending::find(json, start);
        let found = match (expected, found) {
            ("a whole number", "a number") => "one with a fraction or out of range",
            (_, found) => found,
        };
        let problem = ["expected ", expected, ", found ", found].concat();
        if steps.is_empty() {
            return problem.into();
        }
        let steps = steps.iter().copied();
        let path = Steps(steps.clone()).to_string();
        Self {
            text: [&path, ": ", &problem].concat(),
            pointer: Some(pointer(steps)),
        }
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self {
            text,
            pointer: None,
        }
    }
}

/// The value that an error is about.
struct Offending<'j> {
    /// The way to it.
    steps: Vec<Step<'j>>,
    found: &'static str,
}

impl<'j> Offending<'j> {
    /// Finds out what begins at a byte, and the way there.
    fn find(json: &'j [u8], value: usize) -> Self {
        let mut steps: Vec<Step<'j>> = Vec::new();
        // The last text may be a key, which only the colon behind it tells.
        let mut text: &[u8] = b"";
        let mut start = 0;
        while let Some(rest @ [byte, ..]) = json.get(start..value) {
            let length = token_length(rest);
            match byte {
                b'"' => text = rest.get(1..length.saturating_sub(1)).unwrap_or_default(),
                b'{' => steps.push(Step::Key("")),
                b'[' => steps.push(Step::Index(0)),
                b'}' | b']' => drop(steps.pop()),
                b':' | b',' => match steps.last_mut() {
                    Some(Step::Index(index)) => *index = index.saturating_add(1),
                    Some(Step::Key(key)) => *key = str::from_utf8(text).unwrap_or_default(),
                    None => {}
                },
                _ => {}
            }
            start = start.saturating_add(length);
        }
        let found = match json.get(value) {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        Self { steps, found }
    }
}

/// The bytes of the text, the number, the word or the sign at the beginning.
fn token_length(json: &[u8]) -> usize {
    let is_text = json.first() == Some(&b'"');
    let mut is_escaped = true;
    let is_behind = |byte: &u8| {
        let is_end = match byte {
            b'"' if is_text => !is_escaped,
            _ => !is_text && !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte),
        };
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    };
    match json.iter().position(is_behind) {
        Some(end) if is_text => end.saturating_add(1),
        Some(end) => end.max(1),
        None => json.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Sequence, decoded, object};

    #[test]
    fn text_is_borrowed_where_it_has_no_escapes() {
        let mut plain = Reader::new(br#""plain""#);
        let text = Text::from(plain.text().unwrap());
        assert!(matches!(text, Text(Cow::Borrowed("plain"))));
        let mut escaped = Reader::new(br#""a\nb""#);
        assert_eq!(escaped.text().unwrap(), "a\nb");
    }

    #[test]
    fn values_are_the_same_as_json_has_it() {
        let different = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "0.5",
            "1.5",
            r#""""#,
            r#""a""#,
            "[]",
            "[1]",
            "[1,2]",
            "[2]",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":1}"#,
        ];
        for (position, left) in different.iter().enumerate() {
            for (other, right) in different.iter().enumerate() {
                assert_eq!(are_same(left, right), position == other, "{left} {right}");
            }
        }
        // To the API server a key that is null is left out.
        assert!(are_same(r#"{"a":1,"b":null}"#, r#"{"a":1}"#));
        assert!(are_same(r#"{"b":null}"#, "{}"));
    }

    fn are_same(left: &str, right: &str) -> bool {
        let (left, right) = (
            Document::from_slice(left.as_bytes()).unwrap(),
            Document::from_slice(right.as_bytes()).unwrap(),
        );
        left.root().is_same_as(right.root())
    }

    #[test]
    fn an_error_names_the_field_what_was_expected_and_what_was_found() {
        object! {
            struct Outer<'a> {
                "list" list: Sequence<Inner<'a>>,
            }
        }
        object! {
            struct Inner<'a> {
                "text" text: Option<Text<'a>>,
                "number" number: Option<i32>,
                "flag" flag: Option<bool>,
                "below" below: Option<Flag>,
            }
        }
        object! {
            struct Flag {
                "flag" flag: Option<bool>,
            }
        }
        for (json, expected) in [
            ("7", "expected an object, found a number"),
            ("[]", "expected an object, found a list"),
            (r#"{"list":{}}"#, "list: expected a list, found an object"),
            (
                r#"{"list":[null]}"#,
                "list[0]: expected an object, found null",
            ),
            (
                r#"{"list":[{}, [1]]}"#,
                "list[1]: expected an object, found a list",
            ),
            (
                r#"{"skipped":{"a\"b":[1,{"c":"}"}]},"list":[{},{"number":1,"text":"\\"},{"flag":"x"}]}"#,
                "list[2].flag: expected a boolean, found a string",
            ),
            (
                r#"{"skipped":[1,[2],3],"list":[{"number":7},{"flag":"x"}]}"#,
                "list[1].flag: expected a boolean, found a string",
            ),
            (
                r#"{"list":[{"number":"1000"}]}"#,
                "list[0].number: expected a whole number, found a string",
            ),
            (
                r#"{"list":[{"number":1.5}]}"#,
                "list[0].number: expected a whole number, found one with a fraction or out of range",
            ),
            (
                r#"{"list":[{"number":4294967296}]}"#,
                "list[0].number: expected a whole number, found one with a fraction or out of range",
            ),
            (
                r#"{"list":[{"text":true}]}"#,
                "list[0].text: expected a string, found a boolean",
            ),
            (
                r#"{"list":[{"text": {"x": 1}}]}"#,
                "list[0].text: expected a string, found an object",
            ),
            (
                r#"{"list":[{"text":[]}]}"#,
                "list[0].text: expected a string, found a list",
            ),
            (
                r#"{"list":[{"below":"x"}]}"#,
                "list[0].below: expected an object, found a string",
            ),
            (
                "{\n  \"list\": [\n    {\"below\": {\"flag\": 1}}\n  ]\n}",
                "list[0].below.flag: expected a boolean, found a number",
            ),
            (
                r#"{"list":[{"flag":tru}]}"#,
                "it is not valid JSON at byte 21",
            ),
        ] {
            let error = decoded::<Outer<'_>>(json).unwrap_err();
            assert_eq!(describe_error(error, json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn an_error_never_repeats_the_input() {
        for input in [
            r#""s3cret, expected s3cret""#,
            "{\"s3cret\":1}",
            "\"s3cret",
            "[s3cret]",
        ] {
            let error = Reader::new(input.as_bytes()).flag().unwrap_err();
            let description = describe_error(error, input.as_bytes());
            assert!(!description.contains("s3cret"), "{description}");
        }
    }
}
