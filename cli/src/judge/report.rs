//! The outcomes of an evaluation, as text or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use container_security_host::policy_resource::{Cause, Judgement};
use container_security_text::Verdict;
use container_security_text::request::{AdmissionRequest, GroupVersionKind};
use json_patch::Patch;
use serde::Serialize;
use serde_json::Value;

use super::judges::Ruling;
use super::outcome::{Outcome, Status};
use crate::terminal::printable;

/// Whom the report is for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Whether the report is coloured.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl From<ColorChoice> for anstream::ColorChoice {
    fn from(choice: ColorChoice) -> Self {
        match choice {
            ColorChoice::Auto => Self::Auto,
            ColorChoice::Always => Self::Always,
            ColorChoice::Never => Self::Never,
        }
    }
}

/// Writes the report to stdout. A reader that has closed the pipe has read
/// what it wanted.
pub(super) fn print(outcomes: &[Outcome], format: Format, color: ColorChoice) -> io::Result<()> {
    let report = match format {
        Format::Text => text(outcomes)?,
        Format::Json => json(outcomes)?,
    };
    let mut stdout = AutoStream::new(io::stdout().lock(), color.into());
    match stdout.write_all(&report).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The object of a request, as people name it: `Pod default/web`, fit to print.
pub(super) fn object(request: &AdmissionRequest) -> String {
    let namespace = request
        .namespace
        .as_ref()
        .filter(|namespace| !namespace.is_empty());
    let namespace = namespace
        .map(|namespace| format!("{namespace}/"))
        .unwrap_or_default();
    let name = request
        .name
        .clone()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| {
            let object = request.object.as_ref().or(request.old_object.as_ref());
            let generate_name = object.and_then(|object| object.pointer("/metadata/generateName"));
            let prefix = generate_name.and_then(Value::as_str);
            prefix.map_or_else(|| "(no name)".to_owned(), |prefix| format!("{prefix}*"))
        });
    printable(&format!("{} {namespace}{name}", request.kind.kind))
}

fn text(outcomes: &[Outcome]) -> io::Result<Vec<u8>> {
    let mut objects_of = BTreeMap::<&str, BTreeSet<_>>::new();
    for outcome in outcomes {
        let objects = objects_of.entry(&outcome.source).or_default();
        objects.insert((outcome.document, outcome.item));
    }

    let mut report = Vec::new();
    for outcome in outcomes {
        if let (Some(request), Ok(ruling), false) = (
            &outcome.request,
            &outcome.ruling,
            outcome.has_nothing_to_judge,
        ) {
            let is_alone = objects_of
                .get(outcome.source.as_str())
                .is_some_and(|all| all.len() == 1);
            write_block(&mut report, outcome, request, ruling, is_alone)?;
        }
    }
    if outcomes.len() > 1 || outcomes.iter().any(|outcome| outcome.has_nothing_to_judge) {
        write_summary(&mut report, outcomes)?;
    }
    Ok(report)
}

fn write_block(
    report: &mut impl Write,
    outcome: &Outcome,
    request: &AdmissionRequest,
    ruling: &Ruling,
    is_alone: bool,
) -> io::Result<()> {
    let (style, word) = match &ruling.judgement {
        None => (YELLOW, "NOT ASKED"),
        Some(judgement) if judgement.verdict.accepted => (GREEN, "ACCEPTED"),
        Some(_) => (RED, "REJECTED"),
    };
    let document = outcome.document.filter(|_| !is_alone);
    let document = document
        .map(|number| format!(", document {number}"))
        .unwrap_or_default();
    let item = outcome
        .item
        .map(|number| format!(", item {number}"))
        .unwrap_or_default();
    let (object, source) = (object(request), printable(&outcome.source));
    let by = outcome.policy.as_deref().map(printable);
    let by = by
        .map(|policy| format!("  by {policy}"))
        .unwrap_or_default();
    writeln!(
        report,
        "{style}{word}{style:#}  {object}  ({source}{document}{item}){by}"
    )?;
    if let Some(judgement) = &ruling.judgement {
        write_judgement(report, judgement)?;
    }
    for note in &ruling.notes {
        writeln!(report, "  note: {}", printable(note))?;
    }
    Ok(())
}

fn write_judgement(report: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    if judgement.monitored.is_some() {
        writeln!(
            report,
            "  mode monitor accepts what mode protect would reject:"
        )?;
    }
    let decision = judgement.decision();
    for line in decision.message.iter().flat_map(|message| message.lines()) {
        writeln!(report, "  {}", printable(line))?;
    }
    for cause in &judgement.causes {
        let field = cause.field.iter().map(|field| format!("{field}: "));
        let text: String = field.chain([cause.message.clone()]).collect();
        let lines: Vec<_> = text.lines().map(printable).collect();
        writeln!(report, "  cause: {}", lines.join("\n    "))?;
    }
    for warning in decision.warnings.iter().flatten() {
        let lines: Vec<_> = warning.lines().map(printable).collect();
        writeln!(report, "  warning: {}", lines.join("\n    "))?;
    }
    Ok(())
}

fn write_summary(report: &mut impl Write, outcomes: &[Outcome]) -> io::Result<()> {
    let count = |status| {
        outcomes
            .iter()
            .filter(|outcome| outcome.status() == status)
            .count()
    };
    let not_asked = outcomes.iter().filter(|outcome| outcome.is_not_asked());
    let not_asked = not_asked.count();
    let with_nothing = outcomes
        .iter()
        .filter(|outcome| outcome.has_nothing_to_judge);
    let with_nothing = with_nothing.count();
    let accepted = count(Status::Accepted)
        .saturating_sub(not_asked)
        .saturating_sub(with_nothing);
    // Of what has nothing to judge there are no verdicts.
    let (total, one, many, nothing) = if outcomes.iter().any(|outcome| outcome.policy.is_some()) {
        let verdicts = outcomes.len().saturating_sub(with_nothing);
        let nothing = if with_nothing == 1 {
            "object with nothing to judge"
        } else {
            "objects with nothing to judge"
        };
        (verdicts, "verdict", "verdicts", nothing)
    } else {
        (outcomes.len(), "object", "objects", "with nothing to judge")
    };
    write!(
        report,
        "{total} {}: {accepted} accepted, {} rejected",
        if total == 1 { one } else { many },
        count(Status::Rejected)
    )?;
    for (count, word) in [
        (not_asked, "not asked"),
        (count(Status::NotJudged), "not judged"),
        (with_nothing, nothing),
    ] {
        if count > 0 {
            write!(report, ", {count} {word}")?;
        }
    }
    writeln!(report)
}

fn json(outcomes: &[Outcome]) -> io::Result<Vec<u8>> {
    let elements: Vec<_> = outcomes.iter().map(Element::of).collect();
    let mut report = serde_json::to_vec_pretty(&elements)?;
    report.push(b'\n');
    Ok(report)
}

/// One element of the JSON report; what does not apply is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response<'a>>,
    /// The rejection that mode `monitor` keeps from the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    monitored: Option<Response<'a>>,
    /// Why the policy is not asked, when there is no response; else what is not known of that, what
    /// was not told on this machine, or what is special about the request.
    #[serde(skip_serializing_if = "is_empty")]
    notes: &'a [String],
    /// Why there is no response.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested_patch: Option<&'a Patch>,
}

#[derive(Serialize)]
struct Request<'a> {
    kind: &'a GroupVersionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    operation: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "is_empty")]
    causes: &'a [Cause],
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Element<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let ruling = outcome.ruling.as_ref().ok();
        let judgement = ruling.and_then(|ruling| ruling.judgement.as_ref());
        let of_answer = judgement
            .filter(|judgement| judgement.monitored.is_none())
            .map_or(&[][..], |judgement| &judgement.causes);
        Self {
            source: &outcome.source,
            document: outcome.document,
            item: outcome.item,
            request: outcome.request.as_ref().map(|request| Request {
                kind: &request.kind,
                name: request.name.as_deref(),
                namespace: request.namespace.as_deref(),
                operation: &request.operation,
            }),
            policy: outcome.policy.as_deref(),
            response: judgement.map(|judgement| Response::of(&judgement.verdict, of_answer)),
            monitored: judgement.and_then(|judgement| {
                let monitored = judgement.monitored.as_ref();
                monitored.map(|verdict| Response::of(verdict, &judgement.causes))
            }),
            notes: ruling.map_or(&[], |ruling| &ruling.notes),
            error: outcome.ruling.as_ref().err().map(String::as_str),
            suggested_patch: outcome.suggested_patch.as_ref(),
        }
    }
}

impl<'a> Response<'a> {
    fn of(verdict: &'a Verdict, causes: &'a [Cause]) -> Self {
        Self {
            accepted: verdict.accepted,
            message: verdict.message.as_deref(),
            code: verdict.code,
            causes,
            warnings: verdict.warnings.as_deref(),
            audit_annotations: verdict.audit_annotations.as_ref(),
        }
    }
}

fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
