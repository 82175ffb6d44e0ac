//! What a scalar means: the `resolve` of `go.yaml.in/yaml/v2`, which `sigs.k8s.io/yaml` reads with.
//!
//! It is YAML 1.1 with changes: `yes`, `on` and `y` are `true`, `01000` is octal, but `190:20:30` is
//! text. What looks like an integer is read by the rules of Go's `strconv`, once the underscores are
//! taken out.

use serde_json::{Number, Value};

/// A scalar that is resolved.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer above those of [`Scalar::Integer`].
    Large(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// Reads the text of a scalar. `is_plain` says that it is not quoted and no block.
    pub(super) fn resolve(tag: Option<&str>, text: &str, is_plain: bool) -> Result<Self, String> {
        match tag.unwrap_or_default() {
            "" if is_plain => Ok(Self::guess(text)),
            "" | STR => Ok(Self::Text(text.to_owned())),
            BINARY => Err(
                "the tag !!binary is not read here; write the base64 text without it".to_owned(),
            ),
            TIMESTAMP => {
                Err("the tag !!timestamp is not read here; write the date without it".to_owned())
            }
            tag @ (NULL | BOOL | INT | FLOAT) => {
                let found = Self::guess(text);
                match (tag, found) {
                    (NULL, found @ Self::Null)
                    | (BOOL, found @ Self::Bool(_))
                    | (INT, found @ (Self::Integer(_) | Self::Large(_)))
                    | (FLOAT, found @ Self::Float(_)) => Ok(found),
                    (FLOAT, Self::Integer(number)) => Ok(Self::Float(to_float(number))),
                    (tag, _) => Err(format!("{text:?} is no !!{}", tag.replace(TAG, ""))),
                }
            }
            // A tag of one's own says nothing to kubectl, and leaves text.
            _ => Ok(Self::Text(text.to_owned())),
        }
    }

    fn guess(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                return Self::Bool(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                return Self::Float(f64::INFINITY);
            }
            "-.inf" | "-.Inf" | "-.INF" => return Self::Float(f64::NEG_INFINITY),
            _ => {}
        }
        let number = match text.as_bytes().first() {
            Some(b'.') => float_of_go(text),
            Some(b'+' | b'-' | b'0'..=b'9') => number(&text.replace('_', "")),
            _ => None,
        };
        number.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// The scalar as `encoding/json` writes it: a float that is whole, as an integer.
    pub(super) fn into_json(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => flag.into(),
            Self::Integer(number) => number.into(),
            Self::Large(number) => number.into(),
            Self::Float(number) => Value::Number(json_number(number)?),
            Self::Text(text) => text.into(),
        })
    }

    /// The scalar as the key of an object.
    pub(super) fn as_key(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Bool(flag) => Ok(flag.to_string()),
            Self::Integer(number) => Ok(number.to_string()),
            // To Go it is the key 0, by the name of whichever comes first.
            Self::Float(number) if *number == 0.0 && number.is_sign_negative() => {
                Err("a key cannot be minus zero".to_owned())
            }
            Self::Float(number) => Ok(float_key(*number)),
            Self::Null => Err("a key cannot be null; quote it where text is meant".to_owned()),
            Self::Large(number) => Err(format!(
                "the key {number} is too large for a number; quote it where text is meant"
            )),
        }
    }
}

/// The number of a text that begins with a digit or a sign and has no underscores.
fn number(text: &str) -> Option<Scalar> {
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?),
        Some(b'+') => (false, text.get(1..)?),
        _ => (false, text),
    };
    let has_sign = digits.len() < text.len();
    if let Some(magnitude) = magnitude_of_go(digits) {
        let integer = if is_negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        if let Some(integer) = integer {
            return Some(Scalar::Integer(integer));
        }
        if !has_sign {
            return Some(Scalar::Large(magnitude));
        }
    }
    if is_decimal(digits) {
        // What is too large for a float stays text.
        let float: f64 = text.parse().ok()?;
        return float.is_finite().then_some(Scalar::Float(float));
    }
    // A second reading of binary numbers takes a sign behind the prefix.
    let binary = text.strip_prefix("0b")?;
    i64::from_str_radix(binary, 2).ok().map(Scalar::Integer)
}

/// `strconv.ParseUint` with base 0: the prefix says the base, and a leading zero means octal.
fn magnitude_of_go(digits: &str) -> Option<u64> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, digits.get(2..)?),
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // Rust takes a sign here, Go does not.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_is_right = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    exponent_is_right && has_digits && are_digits(whole) && are_digits(fraction)
}

/// `strconv.ParseFloat` of a text that begins with a point: underscores stand between digits only.
fn float_of_go(text: &str) -> Option<Scalar> {
    let is_between_digits = |(at, _): (usize, &str)| {
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| text.as_bytes().get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1))
    };
    if !text.match_indices('_').all(is_between_digits) {
        return None;
    }
    let text = text.replace('_', "");
    if !is_decimal(&text) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    float.is_finite().then_some(Scalar::Float(float))
}

#[expect(clippy::cast_precision_loss, reason = "as Go does it")]
fn to_float(number: i64) -> f64 {
    number as f64
}

/// `encoding/json` writes a float below 1e21 without exponent: a whole one is an integer, of the
/// digits that tell it from other floats and zeros.
fn json_number(number: f64) -> Result<Number, String> {
    let digits = number.to_string();
    if let Ok(integer) = digits.parse::<i64>() {
        return Ok(integer.into());
    }
    if let Ok(integer) = digits.parse::<u64>() {
        return Ok(integer.into());
    }
    Number::from_f64(number).ok_or_else(|| "JSON has no infinity and no NaN".to_owned())
}

/// `strconv.FormatFloat(number, 'g', -1, 32)`, and the names of what is no number.
#[expect(clippy::cast_possible_truncation, reason = "keys have this precision")]
fn float_key(number: f64) -> String {
    let number = number as f32;
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let shortest = format!("{number:e}");
    let exponent = shortest
        .split_once('e')
        .and_then(|(mantissa, exponent)| Some((mantissa, exponent.parse::<i32>().ok()?)));
    match exponent {
        Some((mantissa, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => number.to_string(),
    }
}

const TAG: &str = "tag:yaml.org,2002:";
const STR: &str = "tag:yaml.org,2002:str";
const NULL: &str = "tag:yaml.org,2002:null";
const BOOL: &str = "tag:yaml.org,2002:bool";
const INT: &str = "tag:yaml.org,2002:int";
const FLOAT: &str = "tag:yaml.org,2002:float";
const BINARY: &str = "tag:yaml.org,2002:binary";
const TIMESTAMP: &str = "tag:yaml.org,2002:timestamp";
