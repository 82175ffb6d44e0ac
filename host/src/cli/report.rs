//! The outcomes of an evaluation, as text or as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use container_security_host::Verdict;
use container_security_host::request::{AdmissionRequest, GroupVersionKind};
use json_patch::Patch;
use serde::Serialize;
use serde_json::Value;

use super::evaluate::Outcome;
use super::{Status, printable};

/// Whom the report is for.
#[derive(Clone, Copy, ValueEnum)]
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
    let mut objects_of = BTreeMap::<&str, usize>::new();
    for outcome in outcomes {
        let objects = objects_of.entry(&outcome.source).or_default();
        *objects = objects.saturating_add(1);
    }

    let mut report = Vec::new();
    for outcome in outcomes {
        if let (Some(request), Ok(verdict)) = (&outcome.request, &outcome.verdict) {
            let is_alone = objects_of.get(outcome.source.as_str()) == Some(&1);
            write_block(&mut report, outcome, request, verdict, is_alone)?;
        }
    }
    if outcomes.len() > 1 {
        write_summary(&mut report, outcomes)?;
    }
    Ok(report)
}

fn write_block(
    report: &mut impl Write,
    outcome: &Outcome,
    request: &AdmissionRequest,
    verdict: &Verdict,
    is_alone: bool,
) -> io::Result<()> {
    let (style, word) = if verdict.accepted {
        (GREEN, "ACCEPTED")
    } else {
        (RED, "REJECTED")
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
    writeln!(
        report,
        "{style}{word}{style:#}  {object}  ({source}{document}{item})"
    )?;
    for line in verdict.message.iter().flat_map(|message| message.lines()) {
        writeln!(report, "  {}", printable(line))?;
    }
    for warning in verdict.warnings.iter().flatten() {
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
    let (accepted, rejected) = (count(Status::Accepted), count(Status::Rejected));
    write!(
        report,
        "{} objects: {accepted} accepted, {rejected} rejected",
        outcomes.len()
    )?;
    match count(Status::NotJudged) {
        0 => writeln!(report),
        not_judged => writeln!(report, ", {not_judged} not judged"),
    }
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
    response: Option<Response<'a>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Element<'a> {
    fn of(outcome: &'a Outcome) -> Self {
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
            response: outcome.verdict.as_ref().ok().map(|verdict| Response {
                accepted: verdict.accepted,
                message: verdict.message.as_deref(),
                code: verdict.code,
                warnings: verdict.warnings.as_deref(),
                audit_annotations: verdict.audit_annotations.as_ref(),
            }),
            error: outcome.verdict.as_ref().err().map(String::as_str),
            suggested_patch: outcome.suggested_patch.as_ref(),
        }
    }
}

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
