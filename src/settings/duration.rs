//! Durations as the settings write them: `<n>d`, `<n>h` or `<n>m`.

use std::fmt::{self, Display, Formatter};

use super::{Decode, Node, Problems};
use crate::violation::Quoted;

/// A length of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = super::schema::DURATION))
)]
pub(crate) struct Duration(i64);

impl Duration {
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    fn parse(text: &str) -> Option<Self> {
        let (unit, seconds) = [('d', DAY), ('h', HOUR), ('m', MINUTE)]
            .into_iter()
            .find(|(unit, _)| text.ends_with(*unit))?;
        let number = text.strip_suffix(unit)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = is_number.then(|| number.parse().ok())??;
        number
            .checked_mul(seconds)
            .filter(|seconds| *seconds > 0)
            .map(Self)
    }
}

impl Display for Duration {
    /// In the largest unit that it fills, rounded down.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (unit, seconds) = match self.0 {
            DAY.. => ("d", DAY),
            HOUR.. => ("h", HOUR),
            _ => ("m", MINUTE),
        };
        write!(
            f,
            "{}{unit}",
            self.0.checked_div(seconds).unwrap_or_default()
        )
    }
}

impl Decode for Duration {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?;
        let duration = Self::parse(text);
        if duration.is_none() {
            problems.report(format_args!(
                "{} is no duration (7d, 12h, 30m)",
                Quoted(text)
            ));
        }
        duration
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("7d", Some(604_800)),
            ("12h", Some(43_200)),
            ("30m", Some(1_800)),
            ("0d", None),
            ("d", None),
            ("", None),
            ("7", None),
            ("-1d", None),
            ("+1d", None),
            ("1.5d", None),
            ("7 d", None),
            ("7D", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(
                Duration::parse(text),
                seconds.map(Duration::from_seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn a_duration_is_shown_in_the_largest_unit_it_fills() {
        for (seconds, text) in [(59, "0m"), (3_600, "1h"), (90_000, "1d"), (7_199, "1h")] {
            assert_eq!(Duration::from_seconds(seconds).to_string(), text);
        }
    }
}
