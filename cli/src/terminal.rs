//! What is said on stderr, and how text of others is made fit to print.

use std::io::{self, Write as _};

pub(crate) fn print_error(message: &str) {
    print("error", message);
}

pub(crate) fn print_warning(message: &str) {
    print("warning", message);
}

/// Writes to stderr. When nobody listens there, there is nobody to tell.
fn print(what: &str, message: &str) {
    let lines: Vec<_> = message.lines().map(printable).collect();
    drop(writeln!(io::stderr(), "{what}: {}", lines.join("\n")));
}

/// The text of one line without control characters but tabs: names and
/// messages come from files that others wrote, and must neither steer a
/// terminal nor look like a line of the report.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(
            printable("a\n\tb\u{1b}[31m\u{9b}c"),
            "a\\n\tb\\u{1b}[31m\\u{9b}c"
        );
    }
}
