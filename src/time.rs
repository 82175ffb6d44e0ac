//! Moments as registries and scanners write them (RFC 3339), and lengths and ends of time as the
//! settings do.
//!
//! ```text
//! duration  = digits ( "d" | "h" | "m" )
//! end       = date | timestamp
//! timestamp = date "T" hh ":" mm ":" ss [ "." digits ] ( "Z" | ( "+" | "-" ) hh ":" mm )
//! date      = YYYY "-" MM "-" DD
//! ```
//!
//! The time library that k8s-openapi re-exports parses this too, and a hundred other things: it
//! makes the module 110 KB larger.

use std::fmt::{self, Display, Formatter};

use crate::decode::{Decode, Node, Problems, describe};
use crate::text::Quoted;

/// A length of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(i64);

describe!(
    // Not 0, and no more digits than can be counted.
    Duration: {"type": "string", "pattern": "^0*[1-9][0-9]{0,13}[dhm]$"},
    |duration| duration.to_string().into(),
);

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
                "{} is not a duration (7d, 12h, 30m)",
                Quoted(text)
            ));
        }
        duration
    }
}

/// When something is over: at the end of a day (UTC), or at a moment. It is shown as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Until {
    text: String,
    end: i64,
}

describe!(
    Until: {
        "type": "string",
        // Years that have no 29th of February are the policy's to know.
        "pattern": concat!(
            "^[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
            "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))",
            r"(?:[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?",
            "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))?$",
        ),
    },
    |until| until.text.as_str().into(),
);

impl Until {
    fn parse(text: &str) -> Option<Self> {
        let end = match parse_date(text) {
            Some(days) => days.saturating_add(1).saturating_mul(DAY),
            None => parse(text)?,
        };
        Some(Self {
            text: text.to_owned(),
            end,
        })
    }

    /// Whether it is over at `now`. A clock at or before 1970 tells no time, and what should have
    /// ended must not go on because of it.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        now <= 0 || now >= self.end
    }
}

impl Display for Until {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Decode for Until {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?;
        let until = Self::parse(text);
        if until.is_none() {
            problems.report(format_args!(
                "{} is neither a date (2027-03-31) nor a moment (2027-03-31T12:00:00Z)",
                Quoted(text)
            ));
        }
        until
    }
}

/// Seconds since 1970-01-01T00:00:00Z, fractions dropped; `None` where the text is no timestamp.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let days = parse_date(date)?;
    let (clock, offset) = split_offset(time)?;
    let clock = clock
        .split_once('.')
        .map_or(Some(clock), |(clock, fraction)| {
            (!fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()))
                .then_some(clock)
        })?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_valid = hour < 24 && minute < 60 && second <= 60;
    // Four-digit years cannot overflow any of this.
    is_valid.then(|| {
        days.saturating_mul(24)
            .saturating_add(hour)
            .saturating_mul(60)
            .saturating_add(minute)
            .saturating_mul(60)
            .saturating_add(second)
            .saturating_sub(offset)
    })
}

/// Days since 1970-01-01.
fn parse_date(date: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let is_valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    is_valid.then(|| days_since_epoch(year, month, day))
}

/// How long ago a moment was, in seconds; `None` where it is in the future. Clocks differ: a few
/// minutes ahead is now.
pub(crate) fn age(moment: i64, now: i64) -> Option<i64> {
    let age = now.checked_sub(moment)?;
    (age >= -CLOCK_SKEW_SECONDS).then(|| age.max(0))
}

/// Takes off the offset from UTC, in seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (clock, offset) = time.split_at_checked(time.len().checked_sub("+00:00".len())?)?;
    let (sign, offset) = match offset.strip_prefix('-') {
        Some(offset) => (-1, offset),
        None => (1, offset.strip_prefix('+')?),
    };
    let [hours, minutes] = numbers(offset, ':', [2, 2])?;
    let is_valid = hours < 24 && minutes < 60;
    let seconds = hours
        .saturating_mul(60)
        .saturating_add(minutes)
        .saturating_mul(60);
    is_valid.then_some((clock, seconds.saturating_mul(sign)))
}

/// Numbers of exactly these many digits, with `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    let is_multiple_of = |divisor| year.checked_rem(divisor) == Some(0);
    is_multiple_of(4) && (!is_multiple_of(100) || is_multiple_of(400))
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before_year = |year: i64| {
        let years = year.saturating_sub(1);
        let leap_days = |every: i64| years.checked_div(every).unwrap_or_default();
        years
            .saturating_mul(365)
            .saturating_add(leap_days(4))
            .saturating_sub(leap_days(100))
            .saturating_add(leap_days(400))
    };
    let before_month: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before_year(year)
        .saturating_sub(before_year(1970))
        .saturating_add(before_month)
        .saturating_add(day)
        .saturating_sub(1)
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const CLOCK_SKEW_SECONDS: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_to_the_second() {
        // Each as `date --utc --date TEXT +%s` prints it.
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2024-01-02T03:04:05.678901234Z", 1_704_164_645),
            ("2024-02-29T12:00:00Z", 1_709_208_000),
            ("2024-03-01T00:00:00+02:00", 1_709_244_000),
            ("2023-12-31T23:59:59-05:30", 1_704_086_999),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        for text in [
            "",
            "now",
            "2024",
            "2024-01-02",
            "2024-01-02 03:04:05Z",
            "2024-01-02T03:04:05",
            "2024-13-02T03:04:05Z",
            "2024-02-30T03:04:05Z",
            "2023-02-29T03:04:05Z",
            "2024-01-02T24:00:00Z",
            "2024-01-02T03:60:00Z",
            "2024-01-02T03:04:05.Z",
            "2024-1-02T03:04:05Z",
            "+024-01-02T03:04:05Z",
            "2024-01-02T03:04:05+2:00",
            "2024-01-02T03:04:05+24:00",
            "2024-01-02T03:04:05+02:60",
            "2024-01-02T03:04:05-25:30",
            "2024-01-02T03:04:05é+02:00",
            "2024-00-02T03:04:05Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_over_with_its_last_second_and_a_moment_when_it_comes() {
        // 2027-03-31T23:59:59Z and 2027-03-31T12:00:00Z, by `date --utc --date TEXT +%s`.
        for (text, last) in [
            ("2027-03-31", 1_806_537_599),
            ("2027-03-31T12:00:00Z", 1_806_494_399),
            ("2027-03-31t14:00:00+02:00", 1_806_494_399),
        ] {
            let until = Until::parse(text).unwrap();
            assert!(!until.is_over(last), "{text}");
            assert!(until.is_over(last + 1), "{text}");
            assert_eq!(until.to_string(), text);
        }
    }

    #[test]
    fn without_a_clock_everything_is_over() {
        let until = Until::parse("2027-03-31").unwrap();
        for (now, is_over) in [(i64::MIN, true), (-1, true), (0, true), (1, false)] {
            assert_eq!(until.is_over(now), is_over, "{now}");
        }
    }

    #[test]
    fn what_is_neither_a_date_nor_a_moment_ends_nothing() {
        for text in [
            "",
            "soon",
            "2027",
            "2027-3-31",
            "2027-02-29",
            "2027-03-31 12:00:00Z",
        ] {
            assert_eq!(Until::parse(text), None, "{text}");
        }
    }

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
