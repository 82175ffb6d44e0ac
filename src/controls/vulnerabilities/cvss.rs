//! CVSS scores, in hundredths: they are written with one decimal place, and the code that prints and
//! parses floating point numbers is 27 KB of the module.

use std::fmt::{self, Display, Formatter};

use crate::json::Node;

/// A score from 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cvss(i64);

impl Cvss {
    pub(super) const ZERO: Self = Self(0);

    /// Of so many tenths.
    pub(super) const fn of_tenths(tenths: u8) -> Self {
        Self((tenths as i64).saturating_mul(10))
    }

    /// The score of a number; `None` where it is none, or is beyond the scale.
    pub(super) fn of_node(node: Node<'_>) -> Option<Self> {
        match node {
            Node::Integer(number) => number.checked_mul(100).and_then(Self::of_hundredths),
            Node::Number(text) => Self::of_decimal(text),
            _ => None,
        }
    }

    /// The score of a text, as SBOMscanner writes it.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        (decimals <= 2).then(|| Self::of_decimal(text)).flatten()
    }

    /// Of a number without exponent, rounded.
    fn of_decimal(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() > 2 || !is_number(whole) || !is_number(decimals) {
            return None;
        }
        let mut digits = whole.bytes().chain(decimals.bytes().chain([b'0'; 3]));
        let mut thousandths: i64 = 0;
        for digit in digits.by_ref().take(whole.len().saturating_add(3)) {
            let digit = i64::from(digit.saturating_sub(b'0'));
            thousandths = thousandths.saturating_mul(10).saturating_add(digit);
        }
        // What is above the scale is not rounded down to it.
        if whole == "10" && decimals.bytes().any(|digit| digit != b'0') {
            return None;
        }
        Self::of_hundredths(thousandths.saturating_add(5).checked_div(10)?)
    }

    fn of_hundredths(hundredths: i64) -> Option<Self> {
        (0..=1000).contains(&hundredths).then_some(Self(hundredths))
    }
}

impl Display for Cvss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let part = |divisor: i64| self.0.checked_div(divisor).unwrap_or_default();
        let digit = |divisor| part(divisor).checked_rem(10).unwrap_or_default();
        write!(f, "{}", part(100))?;
        match (digit(10), digit(1)) {
            (0, 0) => Ok(()),
            (tenths, 0) => write!(f, ".{tenths}"),
            (tenths, hundredths) => write!(f, ".{tenths}{hundredths}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_score_with_one_or_two_decimal_places() {
        for (text, printed) in [
            ("0", Some("0")),
            ("0.0", Some("0")),
            ("9.8", Some("9.8")),
            ("9.80", Some("9.8")),
            ("09.8", Some("9.8")),
            ("0.05", Some("0.05")),
            ("10", Some("10")),
            ("10.0", Some("10")),
            ("10.01", None),
            ("10.1", None),
            ("99", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("5.123", None),
            ("100", None),
            ("-1", None),
            ("+1", None),
            ("1e1", None),
            ("NaN", None),
            ("inf", None),
            ("high", None),
            ("1.\u{661}", None),
        ] {
            let score = Cvss::of_text(text).map(|score| score.to_string());
            assert_eq!(score.as_deref(), printed, "{text}");
        }
    }

    #[test]
    fn a_number_is_a_score_to_the_nearest_hundredth() {
        for (number, printed) in [
            ("0.0", Some("0")),
            ("0.1", Some("0.1")),
            ("1.1", Some("1.1")),
            ("8.95", Some("8.95")),
            ("9.8", Some("9.8")),
            ("9.994", Some("9.99")),
            ("9.999", Some("10")),
            ("10.0", Some("10")),
            ("10.004", None),
            ("-0.1", None),
            ("1e0", None),
            ("9223372036854775808", None),
        ] {
            let score = Cvss::of_node(Node::Number(number)).map(|score| score.to_string());
            assert_eq!(score.as_deref(), printed, "{number}");
        }
        for (number, printed) in [
            (0, Some("0")),
            (7, Some("7")),
            (10, Some("10")),
            (11, None),
            (-1, None),
            (i64::MAX, None),
        ] {
            let score = Cvss::of_node(Node::Integer(number)).map(|score| score.to_string());
            assert_eq!(score.as_deref(), printed, "{number}");
        }
    }
}
