//! Reads a JSON text (RFC 8259) from front to back, one value after the other.
//!
//! Not by `serde_json`: each of its decoders is made anew for each type, and all of them can print any number,
//! in an error that nobody is shown. They were 65 KB, a seventh of the module. Here each shape of a value is
//! read by one function. It accepts what `serde_json` accepts, which the tests below show, numbers apart:
//! they keep their text, so none is too large and none is rounded.

use std::borrow::Cow;
use std::str::FromStr;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    /// It is no JSON, as this many of its bytes show.
    Syntax(usize),
    /// The value that begins at this byte is not what is expected there.
    Type(usize, &'static str),
    /// A field is not there.
    Missing(&'static str),
}

/// Lists and maps may be nested this deep, as in `serde_json`, so that no payload exhausts the stack.
/// What is skipped may be nested deeper.
const DEEPEST: u8 = 127;

/// What is done with an entry of a map.
type Entry<'e, 'a> = dyn FnMut(&mut Reader<'a>, Cow<'a, str>) -> Result<(), Error> + 'e;

/// A text, read up to some byte.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    /// How many lists and maps are open.
    depth: u8,
}

// The module is built to inline little. Written into its callers, what runs for each string that is
// skipped saves an eighth of all instructions.
#[expect(clippy::inline_always, reason = "measured")]
impl<'a> Reader<'a> {
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self {
            json,
            at: 0,
            depth: 0,
        }
    }

    /// Fails where anything but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.peek();
        if self.at < self.json.len() {
            return Err(self.syntax());
        }
        Ok(())
    }

    /// The first byte of the next value, or of whatever else comes next; 0, which begins nothing, at
    /// the end.
    pub(crate) fn peek(&mut self) -> u8 {
        match self.byte() {
            byte @ 0x21.. => byte,
            _ => self.peek_behind_space(),
        }
    }

    // Hosts write none.
    #[cold]
    #[inline(never)]
    fn peek_behind_space(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\n' | b'\r' | b'\t') {
            self.step();
        }
        self.byte()
    }

    /// Reads a `null`, if one comes next.
    pub(crate) fn null(&mut self) -> Result<bool, Error> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.scalar().map(|_| true)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        match self.peek() {
            b't' => self.scalar().map(|_| true),
            b'f' => self.scalar().map(|_| false),
            _ => Err(self.unexpected("a boolean")),
        }
    }

    /// A number that is written without fraction and exponent.
    pub(crate) fn integer<T: FromStr>(&mut self) -> Result<T, Error> {
        const WHOLE: &str = "a whole number";
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return Err(self.unexpected(WHOLE));
        }
        let start = self.at;
        let number = self.scalar()?;
        number.parse().map_err(|_| Error::Type(start, WHOLE))
    }

    /// A string, borrowed where it has no escapes in it.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        if self.peek() != b'"' {
            return Err(self.unexpected("a string"));
        }
        self.step();
        let start = self.at;
        self.skip_plain();
        if self.byte() != b'"' {
            return self.escaped(start).map(Cow::Owned);
        }
        let text = self.since(start)?;
        self.step();
        Ok(Cow::Borrowed(text))
    }

    /// Reads a map: `entry` gets each key and must read its value.
    pub(crate) fn map(
        &mut self,
        expected: &'static str,
        entry: &mut Entry<'_, 'a>,
    ) -> Result<(), Error> {
        if self.peek() != b'{' {
            return Err(self.unexpected(expected));
        }
        let mut is_open = self.open(b'}')?;
        while is_open {
            let key = self.key()?;
            entry(self, key)?;
            is_open = self.is_followed(b'}')?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Reads a list: `element` must read each value.
    pub(crate) fn list(
        &mut self,
        element: &mut dyn FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.peek() != b'[' {
            return Err(self.unexpected("a list"));
        }
        let mut is_open = self.open(b']')?;
        while is_open {
            element(self)?;
            is_open = self.is_followed(b']')?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// The text of a number, `true`, `false` or `null`.
    pub(crate) fn scalar(&mut self) -> Result<&'a str, Error> {
        let first = self.peek();
        let start = self.at;
        match first {
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.syntax()),
        }
        self.since(start)
    }

    /// The text of a value.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Error> {
        self.peek();
        let start = self.at;
        self.skip()?;
        self.since(start)
    }

    /// Reads a value that nobody wants.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        // What closes each list and map in it.
        let mut open: Vec<u8> = Vec::new();
        loop {
            let close = match self.peek() {
                b'"' => {
                    self.skip_text()?;
                    0
                }
                b'{' => b'}',
                b'[' => b']',
                _ => {
                    self.scalar()?;
                    0
                }
            };
            if close != 0 {
                self.step();
                if self.peek() == close {
                    self.step();
                } else {
                    open.push(close);
                    self.skip_key(close)?;
                    continue;
                }
            }
            loop {
                let Some(close) = open.last().copied() else {
                    return Ok(());
                };
                if self.is_followed(close)? {
                    self.skip_key(close)?;
                    break;
                }
                open.pop();
            }
        }
    }

    /// The next byte, or 0 at the end: no text has one outside its strings, and none inside.
    fn byte(&self) -> u8 {
        self.json.get(self.at).copied().unwrap_or_default()
    }

    /// Only behind a byte that was there, so that it cannot overflow.
    fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// The text from a byte up to here.
    fn since(&self, start: usize) -> Result<&'a str, Error> {
        let bytes = self.json.get(start..self.at).unwrap_or_default();
        str::from_utf8(bytes).map_err(|_| self.syntax())
    }

    /// Reads the beginning of a list or a map, and says whether there is something in it.
    fn open(&mut self, close: u8) -> Result<bool, Error> {
        if self.depth == DEEPEST {
            return Err(self.syntax());
        }
        self.depth = self.depth.saturating_add(1);
        self.step();
        if self.peek() != close {
            return Ok(true);
        }
        self.step();
        Ok(false)
    }

    /// Reads what is behind a value in a list or a map, and says whether there is another one.
    #[inline(always)]
    fn is_followed(&mut self, close: u8) -> Result<bool, Error> {
        let byte = self.peek();
        if byte != b',' && byte != close {
            return Err(self.syntax());
        }
        self.step();
        Ok(byte == b',')
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Cow<'a, str>, Error> {
        if self.peek() != b'"' {
            return Err(self.syntax());
        }
        let key = self.text()?;
        self.colon()?;
        Ok(key)
    }

    /// Reads the key of an entry, where it is a map that `close` closes.
    #[inline(always)]
    fn skip_key(&mut self, close: u8) -> Result<(), Error> {
        if close != b'}' {
            return Ok(());
        }
        if self.peek() != b'"' {
            return Err(self.syntax());
        }
        self.skip_text()?;
        self.colon()
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Error> {
        if self.peek() != b':' {
            return Err(self.syntax());
        }
        self.step();
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Error> {
        for expected in word {
            if self.byte() != *expected {
                return Err(self.syntax());
            }
            self.step();
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        if self.byte() == b'-' {
            self.step();
        }
        if self.byte() == b'0' {
            self.step();
            if self.byte().is_ascii_digit() {
                return Err(self.syntax());
            }
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.step();
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.step();
            if matches!(self.byte(), b'+' | b'-') {
                self.step();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        if !self.byte().is_ascii_digit() {
            return Err(self.syntax());
        }
        while self.byte().is_ascii_digit() {
            self.step();
        }
        Ok(())
    }

    /// Steps over all bytes of a string that stand for themselves. Most of a payload is strings: eight
    /// bytes are looked at together.
    #[inline(always)]
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
        // Which bytes are below another; only of the lowest that is found can one be sure.
        let below = |bytes: u64, limit: u8| {
            bytes.wrapping_sub(ONES.wrapping_mul(limit.into())) & !bytes & HIGH
        };
        let is = |bytes: u64, byte: u8| below(bytes ^ ONES.wrapping_mul(byte.into()), 1);
        while let Some(bytes) = self.json.get(self.at..).and_then(<[u8]>::first_chunk) {
            let bytes = u64::from_le_bytes(*bytes);
            let found = below(bytes, 0x20) | is(bytes, b'"') | is(bytes, b'\\');
            if found != 0 {
                self.at = self.at.wrapping_add((found.trailing_zeros() >> 3) as usize);
                return;
            }
            self.at = self.at.wrapping_add(8);
        }
        while !matches!(self.byte(), 0..0x20 | b'"' | b'\\') {
            self.step();
        }
    }

    /// Reads a string that nobody wants.
    #[inline(always)]
    fn skip_text(&mut self) -> Result<(), Error> {
        self.step();
        loop {
            self.skip_plain();
            match self.byte() {
                b'"' => {
                    self.step();
                    return Ok(());
                }
                b'\\' => {
                    self.step();
                    match self.byte() {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.step(),
                        b'u' => {
                            self.step();
                            self.unit()?;
                        }
                        _ => return Err(self.syntax()),
                    }
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    /// The rest of a string with escapes, which has begun at `start`.
    #[cold]
    #[inline(never)]
    fn escaped(&mut self, start: usize) -> Result<String, Error> {
        let mut text = self.since(start)?.to_owned();
        loop {
            match self.byte() {
                b'"' => {
                    self.step();
                    return Ok(text);
                }
                b'\\' => {
                    self.step();
                    text.push(self.escape()?);
                }
                _ => return Err(self.syntax()),
            }
            let start = self.at;
            self.skip_plain();
            text.push_str(self.since(start)?);
        }
    }

    /// What an escape stands for, behind its backslash.
    fn escape(&mut self) -> Result<char, Error> {
        let character = match self.byte() {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.step();
                let first = self.unit()?;
                let units = if (0xd800..0xdc00).contains(&first) {
                    self.word(b"\\u")?;
                    [first, self.unit()?]
                } else {
                    [first, 0]
                };
                let character = char::decode_utf16(units).next();
                return character.and_then(Result::ok).ok_or_else(|| self.syntax());
            }
            _ => return Err(self.syntax()),
        };
        self.step();
        Ok(character)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Error> {
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = char::from(self.byte()).to_digit(16);
            let digit = digit.and_then(|digit| u16::try_from(digit).ok());
            let Some(digit) = digit else {
                return Err(self.syntax());
            };
            unit = (unit << 4) | digit;
            self.step();
        }
        Ok(unit)
    }

    /// That no text goes on with the next byte.
    #[cold]
    fn syntax(&self) -> Error {
        Error::Syntax(self.at.saturating_add(1).min(self.json.len()))
    }

    /// That the next value is not what is expected, if there is one.
    #[cold]
    #[inline(never)]
    fn unexpected(&mut self, expected: &'static str) -> Error {
        let first = self.peek();
        let start = self.at;
        match first {
            b'"' | b'[' | b'{' => Error::Type(start, expected),
            _ => match self.scalar() {
                Ok(_) => Error::Type(start, expected),
                Err(error) => error,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    /// Reads all of a text as `serde_json` would.
    fn value(json: &[u8]) -> Result<Value, Error> {
        let mut reader = Reader::new(json);
        let value = next(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    fn next(reader: &mut Reader<'_>) -> Result<Value, Error> {
        Ok(match reader.peek() {
            b'"' => Value::String(reader.text()?.into_owned()),
            b'[' => {
                let mut list = Vec::new();
                reader.list(&mut |reader| {
                    list.push(next(reader)?);
                    Ok(())
                })?;
                Value::Array(list)
            }
            b'{' => {
                let mut map = serde_json::Map::new();
                reader.map("", &mut |reader, key| {
                    map.insert(key.into_owned(), next(reader)?);
                    Ok(())
                })?;
                Value::Object(map)
            }
            // One that is too large for it is none to serde_json.
            _ => serde_json::from_str(reader.scalar()?).map_err(|_| reader.syntax())?,
        })
    }

    /// Holds that a text is read, kept and skipped as `serde_json` does it.
    fn assert_read_as_by_serde_json(json: &[u8]) {
        let shown = String::from_utf8_lossy(json);
        let expected = serde_json::from_slice::<Value>(json).ok();
        assert_eq!(value(json).ok(), expected, "{shown}");
        let mut reader = Reader::new(json);
        let skipped = reader.skip().and_then(|()| reader.end());
        let expected = serde_json::from_slice::<serde::de::IgnoredAny>(json);
        assert_eq!(skipped.is_ok(), expected.is_ok(), "skipped: {shown}");
        let mut reader = Reader::new(json);
        let kept = reader.raw().and_then(|text| reader.end().map(|()| text));
        let expected = serde_json::from_slice::<&serde_json::value::RawValue>(json);
        let expected = expected.ok().map(serde_json::value::RawValue::get);
        assert_eq!(kept.ok(), expected, "kept: {shown}");
    }

    const TEXTS: &[&str] = &[
        "",
        " ",
        "\u{feff}1",
        "null",
        "nul",
        "nulll",
        " \t\r\ntrue\n",
        "\u{b}true",
        "false",
        "0",
        "-0.0",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+05",
        "1e-5",
        "1e",
        "1e+",
        "1 2",
        "0x1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        r#""""#,
        r#"""#,
        r#""a"#,
        r#""a\"#,
        r#""a" "b""#,
        r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""\ude00""#,
        r#""\u00""#,
        r#""\u00g0""#,
        r#""\x41""#,
        r#""seven77\"fifteen seven77""#,
        "\"a\tb\"",
        "\"a\u{0}b\"",
        "\"\u{7f}\u{80}\u{20ac}\u{1f600}\"",
        "[]",
        "[ ]",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "[1,[2,{\"a\":[]}],3]",
        "{}",
        "{ }",
        "{",
        "}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" : 1 , "b" : {} }"#,
        r#"{"a":1]"#,
        r"{a:1}",
        r"{1:1}",
        r#"{"a":1,"a":2}"#,
        r#"{"\u0061\"":"x"}"#,
        r#"{"a":1}x"#,
        r#"{"a":{"b":[{"c":null},[[],[{}]]]},"d":"e"}"#,
    ];

    #[test]
    fn texts_are_read_as_by_serde_json() {
        for text in TEXTS {
            assert_read_as_by_serde_json(text.as_bytes());
        }
        for bytes in [&b"\"\xff\""[..], b"\"a\xc3\"", b"\xff", b"{\"\xff\":1}"] {
            assert_eq!(value(bytes).ok(), None);
            assert_eq!(serde_json::from_slice::<Value>(bytes).ok(), None);
        }
    }

    #[test]
    fn texts_are_nested_as_deep_as_in_serde_json_and_skipped_at_any_depth() {
        for depth in [1, 126, 127, 128, 129] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let inside = if open == "[" { "" } else { "1" };
                let text = [&open.repeat(depth), inside, &close.repeat(depth)].concat();
                assert_read_as_by_serde_json(text.as_bytes());
            }
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(Reader::new(deep.as_bytes()).skip(), Ok(()));
        // Depth is that of what is open, not of what has been.
        assert_read_as_by_serde_json(["[", &"[[]],".repeat(200), "1]"].concat().as_bytes());
    }

    #[test]
    fn a_text_is_read_as_by_serde_json_with_any_byte_changed() {
        let texts = TEXTS.iter().map(|text| text.as_bytes());
        for text in texts.filter(|text| value(text).is_ok()) {
            for position in 0..text.len() {
                for byte in b" \"\\{}[]:,0-1.eEntu/a\x1f\x7f" {
                    let mut changed = text.to_vec();
                    changed[position] = *byte;
                    assert_read_as_by_serde_json(&changed);
                    changed.insert(position, *byte);
                    assert_read_as_by_serde_json(&changed);
                }
                assert_read_as_by_serde_json(&text[..position]);
            }
        }
    }

    #[test]
    fn a_number_that_is_no_integer_of_its_type_is_none() {
        assert_eq!(Reader::new(b" -2147483648").integer::<i32>(), Ok(i32::MIN));
        for (json, start) in [("2147483648", 0), (" 1.0", 1), ("1e2", 0), ("true", 0)] {
            let error = Reader::new(json.as_bytes()).integer::<i32>();
            assert_eq!(error, Err(Error::Type(start, "a whole number")), "{json}");
        }
        for json in ["-", "x", ""] {
            let error = Reader::new(json.as_bytes()).integer::<i32>().unwrap_err();
            assert!(matches!(error, Error::Syntax(_)), "{json}");
        }
    }
}
