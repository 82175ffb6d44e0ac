//! When two values are the same.

use serde_json::Value;

/// Whether two values are the same to whoever reads them as JSON: the same keys in the same order, and
/// numbers by their value, of which `is_same` says it for floats.
pub fn is_equal(one: &Value, other: &Value, is_same: fn(f64, f64) -> bool) -> bool {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|(one, other)| is_equal(one, other, is_same))
        }
        (Value::Object(ones), Value::Object(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|((key, one), (other_key, other))| {
                        key == other_key && is_equal(one, other, is_same)
                    })
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            match (one.as_f64(), other.as_f64()) {
                (Some(one), Some(other)) => is_same(one, other),
                _ => false,
            }
        }
        _ => one == other,
    }
}
