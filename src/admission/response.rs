//! The verdict, and its bytes.
//!
//! The shape is the SDK's `ValidationResponse`; only the annotations have an order here, so that one
//! request has one answer, byte for byte.

use std::fmt::{self, Display, Formatter, Write as _};

use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use serde::Serialize;

use crate::controls::Control;
use crate::decode::Mode;
use crate::finding::{Remedy, Value};
use crate::json::Fault;
use crate::pod::place::Subject;
use crate::text::{Joined, Quoted, cut};
use crate::violation::{Group, Outcome, Violation};

/// How a message names the workload.
pub(super) struct Title<'t> {
    pub(super) kind: &'t str,
    pub(super) name: Option<&'t str>,
    pub(super) namespace: Option<&'t str>,
}

impl Display for Title<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if let Some(name) = self.name {
            write!(f, " {}", Quoted(name))?;
        }
        if let Some(namespace) = self.namespace {
            write!(f, " in namespace {}", Quoted(namespace))?;
        }
        Ok(())
    }
}

/// The answer to `validate`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Response {
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "AuditAnnotations::is_empty")]
    audit_annotations: AuditAnnotations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What Kubernetes writes into the audit event, by key.
#[derive(Debug, Default, Serialize)]
struct AuditAnnotations {
    #[serde(rename = "rejected-by", skip_serializing_if = "Option::is_none")]
    rejected_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violations: Option<String>,
    #[serde(
        rename = "violations-left-out",
        skip_serializing_if = "Option::is_none"
    )]
    left_out: Option<String>,
    #[serde(rename = "warned-by", skip_serializing_if = "Option::is_none")]
    warned_by: Option<String>,
    #[serde(rename = "excused-by", skip_serializing_if = "Option::is_none")]
    excused_by: Option<String>,
    /// JSON pointer of the field that cannot be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecodable: Option<String>,
}

impl AuditAnnotations {
    fn is_empty(&self) -> bool {
        self.violations.is_none() && self.excused_by.is_none() && self.undecodable.is_none()
    }
}

/// A violation in the form that machines read, in the audit annotation `violations`.
#[derive(Debug, Serialize)]
struct MachineViolation<'v> {
    control: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'v str>,
    /// JSON pointer of the field.
    path: String,
    /// The same place as people write it.
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix<'v>>,
}

/// What to write at the path so that the violation is gone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Fix<'v> {
    Set(&'v Value),
    Append(&'v str),
    Remove(bool),
}

impl<'v> MachineViolation<'v> {
    fn new(violation: &'v Violation<'_>) -> Self {
        let finding = &violation.finding;
        Self {
            control: violation.control.name(),
            mode: violation.mode.name(),
            container: match finding.subject() {
                Subject::Container { name, .. } => Some(name),
                Subject::Pod | Subject::Volume { .. } => None,
            },
            path: finding.place.pointer(),
            field: finding.place.to_string(),
            fix: match &finding.remedy {
                Remedy::Set(value)
                | Remedy::OneOf {
                    suggestion: Some(value),
                    ..
                } => Some(Fix::Set(value)),
                Remedy::Append(name) => Some(Fix::Append(name)),
                Remedy::Remove => Some(Fix::Remove(true)),
                Remedy::OneOf {
                    suggestion: None, ..
                }
                | Remedy::Must(_)
                | Remedy::Never(_)
                | Remedy::Ask => None,
            },
        }
    }
}

impl Response {
    pub(super) fn accept() -> Self {
        Self {
            accepted: true,
            ..Self::default()
        }
    }

    pub(super) fn accept_with_warning(warning: String) -> Self {
        Self {
            accepted: true,
            warnings: vec![cut(warning, MAX_WARNING_BYTES)],
            ..Self::default()
        }
    }

    /// What cannot be read is not let in.
    pub(super) fn undecodable(what: &str, fault: Fault) -> Self {
        let message = format!("{what} cannot be decoded: {}", fault.text);
        let mut response = Self::reject(BAD_REQUEST, message);
        response.audit_annotations.undecodable = fault.pointer;
        response
    }

    /// Settings are validated when the policy is loaded, but that is no reason to trust them.
    pub(super) fn invalid_settings(problems: &[String]) -> Self {
        Self::reject(INTERNAL_ERROR, settings_message(problems))
    }

    pub(super) fn of_outcome(title: &Title<'_>, outcome: &Outcome<'_>) -> Self {
        let (enforced, warned): (Vec<_>, Vec<_>) = outcome
            .violations
            .iter()
            .partition(|violation| violation.mode == Mode::Enforce);
        let mut response = if enforced.is_empty() {
            Self::accept()
        } else {
            Self::reject(FORBIDDEN, rejection(title, outcome, &enforced))
        };
        let names_templates = outcome.names_templates;
        response.warnings = warnings(&warned, names_templates, outcome.notices.iter());
        if !outcome.violations.is_empty() {
            response.annotate(&enforced, &warned);
        }
        response.audit_annotations.excused_by = outcome
            .excused_by
            .as_ref()
            .map(|owner| format!("{owner}: {}", Joined(&outcome.excused)));
        response
    }

    fn reject(code: u16, message: String) -> Self {
        // Not accepted, which is what is said by default.
        Self {
            message: Some(message),
            code: Some(code),
            ..Self::default()
        }
    }

    /// Tells machines what people read in the message and the warnings.
    fn annotate(&mut self, enforced: &[&Violation<'_>], warned: &[&Violation<'_>]) {
        let all = enforced.iter().chain(warned);
        let entry = |violation: &&Violation<'_>| {
            // Serialising to a string fails for maps with odd keys only; there are none.
            serde_json::to_string(&MachineViolation::new(violation)).unwrap_or_default()
        };
        let (list, left_out) = json_list(all, entry, MAX_ANNOTATION_BYTES);
        let names = |violations: &[&Violation<'_>]| {
            let controls = controls_of(violations);
            (!controls.is_empty()).then(|| Joined(&controls).to_string())
        };
        self.audit_annotations = AuditAnnotations {
            rejected_by: names(enforced),
            violations: Some(list),
            left_out: (left_out > 0).then(|| left_out.to_string()),
            warned_by: names(warned),
            excused_by: None,
            undecodable: None,
        };
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        // As above: this cannot fail. Were it to, an empty answer is an error to the host, which
        // then rejects.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The first items as a JSON array of at most `limit` bytes, and the number of the others, which are
/// counted and not written.
fn json_list<T>(
    mut items: impl Iterator<Item = T>,
    entry: impl Fn(T) -> String,
    limit: usize,
) -> (String, usize) {
    let mut list = String::from("[");
    let mut left_out = 0_usize;
    for item in items.by_ref() {
        let entry = entry(item);
        if list.len().saturating_add(entry.len()) >= limit {
            left_out = 1;
            break;
        }
        list.push_str(&entry);
        list.push(',');
    }
    if list.ends_with(',') {
        list.pop();
    }
    list.push(']');
    (list, left_out.saturating_add(items.count()))
}

/// The answer to `validate_settings`.
pub(super) fn of_settings(outcome: Result<(), Vec<String>>) -> Vec<u8> {
    let response = match outcome {
        Ok(()) => SettingsValidationResponse {
            valid: true,
            message: None,
        },
        Err(problems) => SettingsValidationResponse {
            valid: false,
            message: Some(settings_message(&problems)),
        },
    };
    serde_json::to_vec(&response).unwrap_or_default()
}

/// The name of the policy stands in it because policy-server does not say whose settings it means.
fn settings_message(problems: &[String]) -> String {
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let title = format!("the settings of container-security have {count} {noun}:");
    lines(
        title,
        problems.iter().cloned(),
        "problem",
        MAX_SETTINGS_MESSAGE_BYTES,
    )
}

#[cold]
#[inline(never)]
fn rejection(title: &Title<'_>, outcome: &Outcome<'_>, violations: &[&Violation<'_>]) -> String {
    let count = controls_of(violations).len();
    let noun = if count == 1 { "rule" } else { "rules" };
    let aside = outcome.aside.clone();
    let aside = aside.map(|aside| format!(" ({})", cut(aside, MAX_LINE_BYTES)));
    let aside = aside.unwrap_or_default();
    let title = format!("{title} breaks {count} {noun} of container security{aside}:");
    let groups = Group::of(violations);
    lines(
        title,
        groups
            .iter()
            .map(|group| group.text(outcome.names_templates, MAX_LINE_BYTES)),
        "violation",
        MAX_MESSAGE_BYTES,
    )
}

/// A title and a list below it, cut at `limit` bytes; how many items were cut is its last line.
fn lines(
    title: String,
    items: impl ExactSizeIterator<Item = String>,
    noun: &str,
    limit: usize,
) -> String {
    let mut message = title;
    let mut left = items.len();
    for item in items {
        let item = cut(item, MAX_LINE_BYTES);
        if message.len().saturating_add(item.len()) > limit {
            break;
        }
        message.push_str("\n- ");
        message.push_str(&item);
        left = left.saturating_sub(1);
    }
    if left > 0 {
        let plural = if left == 1 { "" } else { "s" };
        // Writing to a String cannot fail.
        let _ = write!(message, "\n- and {left} more {noun}{plural}");
    }
    message
}

fn warnings<'n>(
    violations: &[&Violation<'_>],
    names_templates: bool,
    notices: impl ExactSizeIterator<Item = &'n String>,
) -> Vec<String> {
    let groups = Group::of(violations);
    let count = groups.len().saturating_add(notices.len());
    let notices = notices.map(|notice| cut(notice.clone(), MAX_WARNING_BYTES));
    let mut warnings: Vec<String> = groups
        .iter()
        .map(|group| group.text(names_templates, MAX_WARNING_BYTES))
        .chain(notices)
        .take(MAX_WARNINGS)
        .collect();
    if count > MAX_WARNINGS {
        warnings.push(format!(
            "and {} more warnings",
            count.saturating_sub(MAX_WARNINGS)
        ));
    }
    warnings
}

/// The controls that have found something; the violations are sorted by them.
fn controls_of(violations: &[&Violation<'_>]) -> Vec<Control> {
    let mut controls: Vec<Control> = violations
        .iter()
        .map(|violation| violation.control)
        .collect();
    controls.dedup();
    controls
}

/// What Pod Security Admission answers, too.
const FORBIDDEN: u16 = 403;
const BAD_REQUEST: u16 = 400;
const INTERNAL_ERROR: u16 = 500;

/// Some thirty violations; a person reads no more, and machines have the annotation.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// Settings are read by the one who wrote them, and every problem counts.
const MAX_SETTINGS_MESSAGE_BYTES: usize = 64 * 1024;
const MAX_LINE_BYTES: usize = 1024;
/// The API server cuts or drops a warning of more than 256 bytes.
const MAX_WARNING_BYTES: usize = 255;
/// The API server passes on 4 KiB of warnings in all.
const MAX_WARNINGS: usize = 15;
/// Audit events are stored: 32 KiB hold some hundred violations.
const MAX_ANNOTATION_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_above_its_limit_and_says_by_how_much() {
        for (limit, expected) in [
            (7, "T\n- ab\n- and 2 more violations"),
            (8, "T\n- ab\n- cd\n- and 1 more violation"),
            (12, "T\n- ab\n- cd\n- and 1 more violation"),
            (13, "T\n- ab\n- cd\n- ef"),
        ] {
            let items = ["ab", "cd", "ef"].map(str::to_owned).into_iter();
            assert_eq!(lines("T".to_owned(), items, "violation", limit), expected);
        }
    }

    #[test]
    fn two_thousand_problems_of_settings_are_told_in_64_kib() {
        let message = settings_message(&vec!["x".repeat(100); 2_000]);
        assert!(
            (65_000..=65_600).contains(&message.len()),
            "{}",
            message.len()
        );
    }

    #[test]
    fn machines_get_the_first_entries_that_fit_and_the_number_of_the_others() {
        for (limit, expected) in [
            (2, ("[]", 3)),
            (5, ("[1]", 2)),
            (6, ("[1,22]", 1)),
            (7, ("[1,22]", 1)),
            (8, ("[1,22,3]", 0)),
        ] {
            let (list, left_out) = json_list(["1", "22", "3"].into_iter(), str::to_owned, limit);
            assert_eq!((list.as_str(), left_out), expected, "{limit}");
        }
    }

    #[test]
    fn fifteen_warnings_are_given_and_the_others_are_counted() {
        for (count, given, last) in [
            (15, 15, "w"),
            (16, 16, "and 1 more warnings"),
            (20, 16, "and 5 more warnings"),
        ] {
            let notices = vec!["w".to_owned(); count];
            let warnings = warnings(&[], false, notices.iter());
            assert_eq!(warnings.len(), given);
            assert_eq!(warnings.last().unwrap(), last);
        }
    }

    #[test]
    fn machines_are_told_what_was_rejected_and_what_was_warned_of() {
        let payload = serde_json::json!({
            "request": {
                "kind": {"group": "", "kind": "Pod"},
                "object": {"spec": {"hostPID": true, "shareProcessNamespace": true, "containers": []}},
            },
            "settings": {"shareProcessNamespace": {"mode": "warn"}},
        });
        let answer = crate::validate(payload.to_string().as_bytes(), &crate::NoHost);
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let expected = serde_json::json!({
            "rejected-by": "hostNamespaces",
            "violations": "[{\"control\":\"hostNamespaces\",\"mode\":\"enforce\",\
                \"path\":\"/spec/hostPID\",\"field\":\"spec.hostPID\",\"fix\":{\"set\":false}},\
                {\"control\":\"shareProcessNamespace\",\"mode\":\"warn\",\
                \"path\":\"/spec/shareProcessNamespace\",\
                \"field\":\"spec.shareProcessNamespace\",\"fix\":{\"set\":false}}]",
            "warned-by": "shareProcessNamespace",
        });
        assert_eq!(answer["audit_annotations"], expected);
    }
}
