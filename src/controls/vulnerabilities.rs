//! Images must have been scanned, and the scan must have found nothing worse than allowed.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume, and the
//!   `VulnerabilityReport` resources of a scanner (host capabilities `kubernetes/get_resource` and
//!   `kubernetes/list_resources_by_namespace`)
//! - **Unset** in a template, an image is judged when its Pods are created; in a Pod it is a
//!   violation
//! - **Allowed** an image with a report, no report of which has more findings of a severity than
//!   `vulnerabilities.maximum`, one above `maximumCvss`, or one in `reject`. Findings that a VEX
//!   document suppresses or `ignore` lists do not count; with `onlyFixable` neither do those that
//!   no version fixes. Where several reports match (platforms, scans), the worst counts; one that is
//!   older than `maximumReportAge` does not where there is a newer one of the same image. A finding
//!   without a CVSS v3 score counts by its v4 score, else by the highest score of its severity
//! - **Not applicable** with `source: none`, and to an image that `registries` has refused
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Secure the images and run time"

mod cvss;
mod report;

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use self::cvss::Cvss;
use self::report::{Report, Score, Severity, Source, Vulnerability};
use crate::decode::{
    Decode, Mode, Namespace, Node, Problems, Written, describe, loosens, section, words,
};
use crate::finding::Findings;
use crate::host_calls::Answer;
use crate::json::sorted;
use crate::lookups::{Lookups, Refusal, Uses};
use crate::text::{Joined, Quoted};
use crate::time::{self, Duration};

section! {
    /// Images have been scanned (by SBOMscanner or Trivy Operator), and nothing worse was found than you
    /// allow.
    ///
    /// Reads the `VulnerabilityReport` resources of the scanner. The policy needs that kind in
    /// `spec.contextAwareResources`, and the policy server's service account the verbs get, list and
    /// watch.
    pub(crate) struct Vulnerabilities {
        "mode" mode: Mode = Mode::Enforce,
        /// Whose reports are read: `sbomscanner`, `trivy-operator`; `none` switches the control off.
        "source" source: Source = Source::None,
        /// Where the reports are; not set is the workload's namespace.
        "namespace" namespace: Option<Namespace> = None,
        /// How many findings of `critical`, `high`, `medium`, `low`, `unknown` are allowed; one that is
        /// left out is not limited.
        "maximum" maximum: Maximum = Maximum::usual(),
        /// Such as `8.9`: no finding may have a higher CVSS v3 score; one without counts by its v4 score,
        /// else by the highest of its severity (3.9, 6.9, 8.9, 10).
        "maximumCvss" maximum_cvss: Option<MaximumCvss> = None,
        /// `true`: findings that no version fixes do not count.
        "onlyFixable" only_fixable: bool = false,
        /// Ids of findings (CVE, GHSA, a vendor's) that never count, in whatever case.
        "ignore" ignore: Vec<FindingId> = Vec::new(),
        /// Ids that always reject.
        "reject" reject: Vec<FindingId> = Vec::new(),
        /// What becomes of an image without a report: `reject`, `warn`, `accept`.
        "missingReport" missing_report: MissingReport = MissingReport::Reject,
        /// How old a report may be, such as `7d`; an older one, or one of unknown age, rejects.
        "maximumReportAge" maximum_report_age: Option<Duration> = None,
    }
    check: Vulnerabilities::check,
    schema: Vulnerabilities::check_in_schema
}

impl Vulnerabilities {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        for id in &self.ignore {
            if lists(&self.reject, &id.0) {
                problems.report(format_args!("{} is both in ignore and in reject", id.0));
            }
        }
        let has_limits = || {
            self.maximum_cvss.is_some()
                || !self.reject.is_empty()
                || self.maximum_report_age.is_some()
                || self.maximum.is_some_limit()
        };
        if !self.is_configured() {
            let is_tuned = self.maximum != Maximum::usual()
                || self.maximum_cvss.is_some()
                || !self.reject.is_empty()
                || self.maximum_report_age.is_some()
                || self.namespace.is_some()
                || self.only_fixable
                || !self.ignore.is_empty()
                || self.missing_report != MissingReport::Reject;
            let lacks = "source: sbomscanner or trivy-operator";
            written.refuse_idle(self.mode, is_tuned, lacks, problems);
        } else if self.missing_report == MissingReport::Accept && !has_limits() {
            let lacks = "maximum, maximumCvss, reject, maximumReportAge or missingReport: reject";
            written.refuse_idle(self.mode, true, lacks, problems);
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{entries, given, json, no_entries, refuse_idle};

        let source = given("source", &json!({"not": {"enum": [null, "none"]}}));
        let number = json!({"type": "number"});
        let limited = |severity| given("maximum", &given(severity, &number));
        let limits = json!([
            // Left out, it limits the two worst severities.
            {"properties": {"maximum": {"type": "null"}}},
            limited("critical"), limited("high"), limited("medium"), limited("low"), limited("unknown"),
            given("maximumCvss", &number),
            given("reject", &entries()),
            given("maximumReportAge", &json!({"type": "string"})),
            {"properties": {"missingReport": {"enum": [null, "reject", "warn"]}}},
        ]);
        let finders = [json!({"allOf": [source, {"anyOf": limits}]})];
        let none = json!({"type": "null"});
        let unlimited = json!({"properties": {"medium": none, "low": none, "unknown": none}});
        let usual = json!({"allOf": [
            unlimited,
            given("critical", &json!({"const": 0})),
            given("high", &json!({"const": 0})),
        ]});
        let harmless = json!({
            "source": {"enum": [null, "none"]},
            "namespace": none,
            "maximum": {"anyOf": [none, usual]},
            "maximumCvss": none,
            "onlyFixable": {"enum": [null, false]},
            "ignore": no_entries(),
            "reject": no_entries(),
            "missingReport": {"enum": [null, "reject"]},
            "maximumReportAge": none,
        });
        refuse_idle(schema, &finders, &harmless);
    }
}

loosens! {
    Vulnerabilities {
        "onlyFixable" only_fixable: bool = true,
        "ignore" ignore: Vec<FindingId>,
        "missingReport" missing_report: MissingReport = MissingReport::Accept,
    }
}

/// The id of a finding: a CVE, or what a scanner has in place of one (GHSA, a vendor's own).
#[derive(Debug, Clone)]
pub(crate) struct FindingId(String);

describe!(
    FindingId: {
        "description":
            "The id of a finding: a CVE, or what a scanner has in place of one (GHSA, a vendor's own).",
        "type": "string",
        "pattern": r"^\s*[^\s,]+\s*$",
    },
    |id| id.0.as_str().into(),
);

impl Decode for FindingId {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?.trim();
        if text.is_empty() {
            problems.report("is empty");
            return None;
        }
        // Several in one text would be the id of nothing.
        if text.contains(|char: char| char == ',' || char.is_whitespace()) {
            problems.report(format_args!("{} has blanks or commas inside", Quoted(text)));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// Whether one of the ids is this one, in whatever case.
fn lists(ids: &[FindingId], id: &str) -> bool {
    ids.iter().any(|listed| listed.0.eq_ignore_ascii_case(id))
}

words! {
    /// What becomes of an image without a report.
    pub(crate) enum MissingReport {
        Reject = "reject",
        Warn = "warn",
        Accept = "accept",
    }
}

section! {
    /// How many findings of each severity are allowed; one that is left out is not limited.
    #[derive(PartialEq)]
    pub(crate) struct Maximum {
        "critical" critical: Option<Count> = None,
        "high" high: Option<Count> = None,
        "medium" medium: Option<Count> = None,
        "low" low: Option<Count> = None,
        "unknown" unknown: Option<Count> = None,
    }
}

impl Maximum {
    /// What holds where the whole map is left out.
    fn usual() -> Self {
        Self {
            critical: Some(Count(0)),
            high: Some(Count(0)),
            ..Self::default()
        }
    }

    fn is_some_limit(&self) -> bool {
        *self != Self::default()
    }

    fn of(&self, severity: Severity) -> Option<usize> {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Unknown => self.unknown,
        }
        .map(|count| count.0)
    }
}

/// A number of findings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count(usize);

describe!(
    Count: {
        "description": "A number of findings.",
        "type": "integer",
        "minimum": 0,
        // What the module, of 32 bits, can count.
        "maximum": u32::MAX,
    },
    |count| count.0.into(),
);

impl Decode for Count {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let number = i64::decode(node, problems)?;
        let count = usize::try_from(number).ok().map(Self);
        if count.is_none() {
            problems.report(format_args!("{number} is not a number of findings"));
        }
        count
    }
}

/// The CVSS score of the settings, 0.0 to 10.0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaximumCvss(Cvss);

describe!(
    MaximumCvss: {"type": "number", "minimum": 0, "maximum": 10},
    |maximum| maximum.0.to_string().parse().unwrap_or_default(),
);

impl Decode for MaximumCvss {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        if !matches!(node, Node::Integer(_) | Node::Number(_)) {
            problems.expected("a number", node);
            return None;
        }
        let score = Cvss::of_node(node);
        if score.is_none() {
            problems.report("is not a CVSS score (0.0 to 10.0)");
        }
        score.map(Self)
    }
}

pub(crate) fn judge<'p>(
    lookups: &Lookups<'_, 'p>,
    settings: &Vulnerabilities,
    findings: &mut Findings<'p>,
) {
    if !settings.is_configured() {
        return;
    }
    let images = lookups.distinct(&|_| true, findings);
    let Some(namespace) = settings
        .namespace
        .as_ref()
        .map(|name| name.0.as_str())
        .or(lookups.namespace)
    else {
        let refusal =
            Refusal::Told("whose reports cannot be found: the pod has no namespace".to_owned());
        for uses in &images {
            refuse(uses, &refusal, SCANNED, findings);
        }
        return;
    };
    let mut reports = report::Reports::new(settings.source, namespace, lookups.inquiry.host);
    for uses in images {
        match reports.of(uses.reference) {
            Answer::Failed(failure) => {
                let what = "whose vulnerability reports cannot be read";
                refuse(&uses, &Refusal::failed(what, &failure), CLEAN, findings);
            }
            Answer::Absent => settings.judge_missing(&uses, findings),
            Answer::Found(matching) => {
                let now = lookups.inquiry.host.now();
                let worst = matching
                    .iter()
                    .filter(|report| !settings.is_superseded(report, &matching, now))
                    .filter_map(|report| settings.objection(report, now))
                    .max_by_key(|objection| objection.badness);
                if let Some(objection) = worst {
                    let refusal = Refusal::Told(objection.reason);
                    refuse(&uses, &refusal, objection.must, findings);
                }
            }
        }
    }
}

/// Why a report speaks against its image.
struct Objection {
    /// The number of findings that count: what makes one report worse than another.
    badness: usize,
    reason: String,
    /// What mends it, behind the image's field and `must`.
    must: &'static str,
}

impl Vulnerabilities {
    /// Whether there is anything to ask.
    fn is_configured(&self) -> bool {
        self.source != Source::None
    }

    fn judge_missing<'p>(&self, uses: &Uses<'_, 'p>, findings: &mut Findings<'p>) {
        match self.missing_report {
            MissingReport::Reject => {
                let reason = "which no vulnerability report covers".to_owned();
                refuse(uses, &Refusal::Told(reason), SCANNED, findings);
            }
            MissingReport::Accept => {}
            MissingReport::Warn => {
                for image in uses.images() {
                    findings.notice(format!(
                        "vulnerabilities: {}: no vulnerability report covers its image",
                        image.subject
                    ));
                }
            }
        }
    }

    /// Why a report is too old to say anything, or may be.
    fn staleness(&self, report: &Report, now: i64) -> Option<String> {
        let maximum = self.maximum_report_age?;
        // A report without a time, or from the future, is of no known age.
        let age = report.time.and_then(|time| time::age(time, now));
        match age.map(Duration::from_seconds) {
            None => Some("whose vulnerability report is of unknown age".to_owned()),
            Some(age) if age > maximum => Some(format!(
                "whose vulnerability report is over {age} old, and {maximum} is allowed"
            )),
            Some(_) => None,
        }
    }

    /// Whether a report is too old, and another one of the same image is not. Without a limit of age
    /// all of them count.
    fn is_superseded(&self, report: &Report, all: &[&Report], now: i64) -> bool {
        self.staleness(report, now).is_some()
            && all
                .iter()
                .any(|other| other.is_of_same_image(report) && self.staleness(other, now).is_none())
    }

    /// Why this report speaks against its image; `None` where it does not.
    fn objection(&self, report: &Report, now: i64) -> Option<Objection> {
        let worst = |reason, must| {
            Some(Objection {
                badness: usize::MAX,
                reason,
                must,
            })
        };
        if let Some(reason) = self.staleness(report, now) {
            return worst(reason, SCANNED_LATELY);
        }
        let is_unreadable =
            |found: &&Vulnerability| found.score == Score::Unreadable && self.counts(found);
        if let Some(found) = report.vulnerabilities.iter().find(is_unreadable) {
            let reason = format!(
                "whose vulnerability report has a CVSS score that cannot be read, that of {}",
                found.id
            );
            return worst(reason, READABLE);
        }
        self.objection_to_found(report)
    }

    /// Why what a scanner has found speaks against the image.
    fn objection_to_found(&self, report: &Report) -> Option<Objection> {
        let rejected: Vec<&Vulnerability> = report
            .vulnerabilities
            .iter()
            .filter(|found| lists(&self.reject, &found.id))
            .collect();
        let counted: Vec<&Vulnerability> = report
            .vulnerabilities
            .iter()
            .filter(|found| self.counts(found))
            .collect();
        let mut offending: Vec<&Vulnerability> = rejected.clone();
        let mut reasons = Vec::new();
        if !rejected.is_empty() {
            reasons.push(format!(
                "{} that vulnerabilities.reject lists",
                rejected.len()
            ));
        }
        for severity in Severity::ALL {
            let of_severity = || counted.iter().filter(|found| found.severity == severity);
            let count = of_severity().count();
            if let Some(maximum) = self.maximum.of(severity)
                && count > maximum
            {
                reasons.push(format!("{count} {severity} ({maximum} allowed)"));
                offending.extend(of_severity());
            }
        }
        if let Some(MaximumCvss(maximum)) = self.maximum_cvss {
            let above = || counted.iter().filter(|found| found.score() > maximum);
            let unscored = || above().filter(|found| found.score == Score::None).count();
            if above().next().is_some() {
                let mut reason = format!("{} with a CVSS score above {maximum}", above().count());
                if unscored() > 0 {
                    // Writing to a String cannot fail.
                    let _ = write!(
                        reason,
                        " ({} without a score, taken for the highest of its severity)",
                        unscored()
                    );
                }
                reasons.push(reason);
                offending.extend(above());
            }
        }
        if reasons.is_empty() {
            return None;
        }
        let reason = format!(
            "which has vulnerabilities: {}; {}",
            Joined(&reasons),
            Worst(offending.clone())
        );
        Some(Objection {
            badness: offending.len(),
            reason,
            must: CLEAN,
        })
    }

    fn counts(&self, found: &Vulnerability) -> bool {
        !found.suppressed
            && !lists(&self.ignore, &found.id)
            && (!self.only_fixable || !found.fixed_versions.is_empty())
    }
}

/// The worst findings, by name.
struct Worst<'r>(Vec<&'r Vulnerability>);

impl fmt::Display for Worst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut findings = sorted(self.0.iter().copied().map(ByBadness).collect());
        findings.dedup_by(|one, other| one.0 == other.0);
        for (position, ByBadness(found)) in findings.iter().take(SHOWN).enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&found.id)?;
            if !found.package.is_empty() {
                write!(f, " in {}", found.package)?;
            }
            if !found.installed_version.is_empty() {
                write!(f, " {}", found.installed_version)?;
            }
            if found.fixed_versions.is_empty() {
                f.write_str(" (no fix)")?;
            } else {
                write!(f, " (fixed in {})", Joined(&found.fixed_versions))?;
            }
        }
        match findings.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

/// A finding in the order in which findings are named, the worst first.
struct ByBadness<'r>(&'r Vulnerability);

impl Ord for ByBadness<'_> {
    // Not in each place where sorting compares.
    #[inline(never)]
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.0, other.0);
        left.severity
            .cmp(&right.severity)
            .then(right.score().cmp(&left.score()))
            .then_with(|| left.id.cmp(&right.id))
            .then_with(|| left.package.cmp(&right.package))
    }
}

impl PartialOrd for ByBadness<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByBadness<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByBadness<'_> {}

#[inline(never)]
fn refuse<'p>(
    uses: &Uses<'_, 'p>,
    refusal: &Refusal,
    must: &'static str,
    findings: &mut Findings<'p>,
) {
    for image in uses.images() {
        findings.refuse(image, refusal, must);
    }
}

/// How many findings a message names.
const SHOWN: usize = 3;
const CLEAN: &str = "name an image whose report has no such findings";
const READABLE: &str = "name an image whose report can be read";
const SCANNED: &str = "name an image that has been scanned";
const SCANNED_LATELY: &str = "name an image that has been scanned lately";
