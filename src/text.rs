//! Words for people: how a message quotes what somebody wrote, and names a place in a document.

use std::fmt::{self, Display, Formatter, Write as _};

/// Input of the user between quotes, escaped, and cut where it is long: a message quotes the
/// manifest, it does not repeat it.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_QUOTED_CHARS) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}...", self.0.get(..cut).unwrap_or_default()),
        }
    }
}

/// Values joined by commas, or the word for none.
pub(crate) struct Joined<'a, T>(pub(crate) &'a [T]);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (position, item) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// One step on the way down into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Steps as `kubectl` writes them: `spec.containers[0].image`, `annotations["a.b/c"]`.
pub(crate) struct Steps<I>(pub(crate) I);

impl<'a, I: Iterator<Item = Step<'a>> + Clone> Display for Steps<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.clone().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    if position > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(key)?;
                }
                Step::Key(key) => write!(f, "[{}]", Quoted(key))?,
            }
        }
        Ok(())
    }
}

/// Steps as a JSON pointer (RFC 6901).
pub(crate) fn pointer<'a>(steps: impl Iterator<Item = Step<'a>>) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        match step {
            Step::Index(index) => pointer.push_str(&index.to_string()),
            Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
        }
    }
    pointer
}

/// What others have said, fit for a message. Registries and scanners pass on what the author of an
/// image wrote; a line end in it could forge a line of the message.
#[inline(never)]
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// Cuts a text to at most `limit` bytes, at the border of a character.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = limit.saturating_sub(ELLIPSIS.len());
        let end = (0..=end)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or_default();
        text.truncate(end);
        text.push_str(ELLIPSIS);
    }
    text
}

const ELLIPSIS: &str = "...";
/// Long enough for any name that Kubernetes accepts (253) with some to spare.
const MAX_QUOTED_CHARS: usize = 300;

/// The names on the way that a path leads from the root; `None` where it does not begin there.
pub(crate) fn names_of_path(path: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for name in path.strip_prefix('/')?.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_input_is_escaped_and_cut() {
        assert_eq!(Quoted("a\n\"b\"").to_string(), r#""a\n\"b\"""#);
        let long = "é".repeat(MAX_QUOTED_CHARS + 1);
        assert_eq!(
            Quoted(&long).to_string().chars().count(),
            MAX_QUOTED_CHARS + 5
        );
    }

    #[test]
    fn a_text_is_cut_above_its_limit_at_the_border_of_a_character() {
        for (text, expected) in [
            ("abcdef", "abcdef"),
            ("abcdefg", "abc..."),
            ("ab\u{e9}defg", "ab..."),
            ("\u{1f600}\u{1f600}", "..."),
        ] {
            assert_eq!(cut(text.to_owned(), 6), expected, "{text}");
        }
    }
}
