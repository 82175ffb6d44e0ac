//! The parts of a document that are not written by hand, and how values and words are written there.

use serde_json::Value;

/// The text with this part in place of the one of that name.
pub(super) fn replace(text: &str, name: &str, part: &str) -> Result<String, String> {
    let begin = begin(name);
    let missing = || format!("has no line {begin}");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| format!("has no line {END} after {begin}"))?;
    Ok(format!("{before}{}{after}", marked(name, part)))
}

/// The part between its marks, without the end of the last line.
pub(super) fn marked(name: &str, part: &str) -> String {
    format!("{}\n\n{}\n\n{END}", begin(name), part.trim())
}

/// The line before a part.
pub(super) fn begin(name: &str) -> String {
    format!("<!-- generated: {name} -->")
}

/// Words in lines of at most this width.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(word.len()) < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// A value as YAML has it within a line.
pub(super) fn yaml(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", yaml(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(list) => {
            let entries: Vec<String> = list.iter().map(yaml).collect();
            format!("[{}]", entries.join(", "))
        }
        Value::String(word) if is_plain(word) => word.clone(),
        other => other.to_string(),
    }
}

/// Whether a text means itself without quotes.
fn is_plain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(is_word)
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

/// The line after every part.
const END: &str = "<!-- generated: end -->";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_replaced_and_nothing_around_it() {
        let text = "a\n\n<!-- generated: b -->\nold\n\nold\n<!-- generated: end -->\n\nc\n";
        let expected = "a\n\n<!-- generated: b -->\n\nnew\n\n<!-- generated: end -->\n\nc\n";
        assert_eq!(replace(text, "b", "new\n").as_deref(), Ok(expected));
        assert_eq!(
            replace("a", "b", "new"),
            Err("has no line <!-- generated: b -->".to_owned())
        );
    }

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        assert_eq!(wrap("a bc  def\ng", 6), "a bc\ndef g");
        assert_eq!(wrap("abcdefgh i", 6), "abcdefgh\ni");
    }

    #[test]
    fn values_are_written_as_yaml_reads_them() {
        for (value, text) in [
            (json!({"critical": 0, "high": 0}), "{critical: 0, high: 0}"),
            (
                json!(["RuntimeDefault", "Localhost/*"]),
                "[RuntimeDefault, \"Localhost/*\"]",
            ),
            (json!(["NO", "1a", ""]), "[\"NO\", \"1a\", \"\"]"),
            (json!([]), "[]"),
            (json!(false), "false"),
            (json!("trivy-operator"), "trivy-operator"),
        ] {
            assert_eq!(yaml(&value), text);
        }
    }
}
