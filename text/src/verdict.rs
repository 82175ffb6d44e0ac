//! What a guest answers: the Kubewarden SDK's responses, and this policy's
//! violations inside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// The answer of `validate`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Verdict {
    /// Whether the request is admitted.
    pub accepted: bool,
    /// Why not, for the person who made the request.
    #[serde(default)]
    pub message: Option<String>,
    /// The HTTP status of a rejection.
    #[serde(default)]
    pub code: Option<u16>,
    /// The object as the policy would have it; only from a mutating policy.
    #[serde(default)]
    pub mutated_object: Option<Value>,
    /// What the API server adds to its audit event.
    #[serde(default)]
    pub audit_annotations: Option<BTreeMap<String, String>>,
    /// What the person who made the request is told besides.
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
}

impl Verdict {
    /// The violations behind the verdict, from the audit annotation
    /// `violations`; none when there is no such annotation.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidViolations`] when the annotation is no JSON array of
    /// [`Violation`]s.
    pub fn violations(&self) -> Result<Vec<Violation>, Error> {
        let annotation = self
            .audit_annotations
            .as_ref()
            .and_then(|all| all.get(VIOLATIONS));
        annotation.map_or_else(
            || Ok(Vec::new()),
            |text| serde_json::from_str(text).map_err(Error::InvalidViolations),
        )
    }

    /// The field of the object that could not be decoded, as an RFC 6901 pointer.
    #[must_use]
    pub fn undecodable(&self) -> Option<&str> {
        let annotations = self.audit_annotations.as_ref()?;
        annotations.get(UNDECODABLE).map(String::as_str)
    }
}

/// One thing that a control found wrong with an object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Violation {
    /// The control, by its settings key: `seccomp`.
    pub control: String,
    /// Whether it rejects.
    pub mode: Mode,
    /// The container that is at fault; `None` when it is the whole pod.
    #[serde(default)]
    pub container: Option<String>,
    /// The field to edit, as an RFC 6901 pointer into the object.
    pub path: String,
    /// The same field as people write it: `spec.containers[0].image`.
    pub field: String,
    /// The edit that would satisfy the control; `None` when only a person can tell.
    #[serde(default)]
    pub fix: Option<Fix>,
}

/// The mode of the control that reports a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The violation rejects the request.
    Enforce,
    /// The violation is only a warning.
    Warn,
}

/// An edit at the path of a violation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "FixFields")]
pub enum Fix {
    /// Give the field this value.
    Set(Value),
    /// Take the field, or the element of a list, away.
    Remove,
    /// Add this value to the list, unless it is in there.
    Append(Value),
}

/// The answer of `validate_settings`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct SettingsVerdict {
    /// Whether the policy understands the settings.
    pub valid: bool,
    /// What is wrong with them.
    #[serde(default)]
    pub message: Option<String>,
}

/// `{"set": <value>}`, `{"append": <value>}` or `{"remove": true}`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FixFields {
    Set(Value),
    Append(Value),
    Remove(bool),
}

impl TryFrom<FixFields> for Fix {
    type Error = &'static str;

    fn try_from(fields: FixFields) -> Result<Self, &'static str> {
        match fields {
            FixFields::Set(value) => Ok(Self::Set(value)),
            FixFields::Append(value) => Ok(Self::Append(value)),
            FixFields::Remove(true) => Ok(Self::Remove),
            FixFields::Remove(false) => Err("`remove` can only be true"),
        }
    }
}

const VIOLATIONS: &str = "violations";
const UNDECODABLE: &str = "undecodable";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict_with(violations: &Value) -> Verdict {
        serde_json::from_value(json!({
            "accepted": false,
            "audit_annotations": {"violations": violations.to_string()},
        }))
        .unwrap()
    }

    #[test]
    fn a_verdict_needs_nothing_but_accepted() {
        let verdict: Verdict = serde_json::from_str(r#"{"accepted":true}"#).unwrap();
        assert!(verdict.accepted);
        assert_eq!(verdict.message, None);
        assert_eq!(verdict.violations().unwrap(), []);
        serde_json::from_str::<Verdict>("{}").unwrap_err();
    }

    #[test]
    fn violations_are_read_from_their_audit_annotation() {
        let verdict = verdict_with(&json!([
            {
                "control": "seccomp",
                "mode": "enforce",
                "container": "app",
                "path": "/spec/containers/0/securityContext/seccompProfile/type",
                "field": "spec.containers[0].securityContext.seccompProfile.type",
                "fix": {"set": "RuntimeDefault"},
            },
            {"control": "registries", "mode": "warn", "path": "/a", "field": "a"},
        ]));
        let violations = verdict.violations().unwrap();
        assert_eq!(violations[0].container.as_deref(), Some("app"));
        assert_eq!(violations[0].fix, Some(Fix::Set(json!("RuntimeDefault"))));
        assert_eq!(violations[1].mode, Mode::Warn);
        assert_eq!(violations[1].fix, None);
    }

    #[test]
    fn each_form_of_a_fix_is_understood() {
        let fix = |value| serde_json::from_value::<Fix>(value);
        assert_eq!(fix(json!({"set": null})).unwrap(), Fix::Set(Value::Null));
        assert_eq!(
            fix(json!({"append": "ALL"})).unwrap(),
            Fix::Append(json!("ALL"))
        );
        assert_eq!(fix(json!({"remove": true})).unwrap(), Fix::Remove);
        fix(json!({"remove": false})).unwrap_err();
        fix(json!({"replace": 1})).unwrap_err();
    }

    #[test]
    fn violations_that_do_not_parse_are_an_error() {
        let verdict = verdict_with(&json!({"control": "seccomp"}));
        assert!(matches!(
            verdict.violations(),
            Err(Error::InvalidViolations(_))
        ));
    }
}
