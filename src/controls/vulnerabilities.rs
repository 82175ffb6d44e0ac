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
//!   no version fixes. Where several reports match (platforms, scans), the worst counts
//! - **Not applicable** with `source: none`, and to an image that `registries` has refused
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Secure the images and run time"

mod report;

use std::fmt;

use self::report::{Report, Severity, Vulnerability};
use super::{Control, Findings, Lookups, Refusal, Uses};
use crate::host_calls::Answer;
use crate::settings::{Check, Decode, Duration, Mode, Node, Problems, section, words};
use crate::timestamp;
use crate::violation::List;

section! {
    /// The section `vulnerabilities`.
    pub(crate) struct Vulnerabilities {
        "mode" mode: Mode = Mode::Enforce,
        /// Whose reports are read; `none` switches the control off.
        "source" source: Source = Source::None,
        /// Where the reports are; the workload's own namespace where it is left out.
        "namespace" namespace: Option<String> = None,
        /// How many findings of each severity are allowed; one that is left out is not limited.
        "maximum" maximum: Maximum
            = Maximum { critical: Some(Count(0)), high: Some(Count(0)), ..Maximum::default() },
        /// The highest CVSS score allowed.
        "maximumCvss" maximum_cvss: Option<Score> = None,
        /// Whether findings that no version fixes do not count.
        "onlyFixable" only_fixable: bool = false,
        /// CVE ids that never count.
        "ignore" ignore: Vec<String> = Vec::new(),
        /// CVE ids that always reject.
        "reject" reject: Vec<String> = Vec::new(),
        /// What becomes of an image without a report.
        "missingReport" missing_report: MissingReport = MissingReport::Reject,
        /// How old a report may be: `7d`, `12h`, `30m`.
        "maximumReportAge" maximum_report_age: Option<Duration> = None,
    }
}

impl Check for Vulnerabilities {
    fn check(&self, problems: &mut Problems) {
        for id in self.ignore.iter().filter(|id| self.reject.contains(id)) {
            problems.report(format_args!("{id} is both in ignore and in reject"));
        }
    }
}

words! {
    /// Whose reports are read.
    pub(crate) enum Source {
        None = "none",
        Sbomscanner = "sbomscanner",
        TrivyOperator = "trivy-operator",
    }
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
    pub(crate) struct Maximum {
        "critical" critical: Option<Count> = None,
        "high" high: Option<Count> = None,
        "medium" medium: Option<Count> = None,
        "low" low: Option<Count> = None,
        "unknown" unknown: Option<Count> = None,
    }
}

impl Check for Maximum {}

impl Maximum {
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
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(with = "u32", extend("maximum" = u32::MAX))
)]
pub(crate) struct Count(usize);

impl Decode for Count {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let number = i64::decode(node, problems)?;
        let count = usize::try_from(number).ok().map(Self);
        if count.is_none() {
            problems.report(format_args!("{number} is no number of findings"));
        }
        count
    }
}

/// A CVSS score, 0.0 to 10.0.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(extend("minimum" = 0, "maximum" = 10))
)]
pub(crate) struct Score(f64);

impl Decode for Score {
    #[expect(clippy::cast_precision_loss, reason = "a score is at most 10")]
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let number = match node {
            Node::Integer(number) => number as f64,
            Node::Number(number) => number,
            other => {
                problems.expected("a number", other);
                return None;
            }
        };
        if !(0.0..=10.0).contains(&number) {
            problems.report(format_args!("{number} is no CVSS score (0.0 to 10.0)"));
            return None;
        }
        Some(Self(number))
    }
}

pub(super) fn judge<'w>(
    lookups: &Lookups<'_, 'w>,
    settings: &Vulnerabilities,
    findings: &mut Findings<'w>,
) {
    if !settings.is_configured() {
        return;
    }
    let images = lookups.distinct(Control::Vulnerabilities, |_| true, findings);
    let Some(namespace) = settings.namespace.as_deref().or(lookups.namespace()) else {
        let refusal = Refusal::Image(
            "whose reports cannot be found: the workload has no namespace".to_owned(),
        );
        for uses in &images {
            refuse(uses, &refusal, findings);
        }
        return;
    };
    let mut reports = report::Reports::new(settings.source, namespace, lookups.host);
    for uses in images {
        match reports.of(uses.reference) {
            Answer::Failed(failure) => {
                let what = "whose vulnerability reports cannot be read";
                refuse(&uses, &Refusal::failed(what, &failure), findings);
            }
            Answer::Absent => settings.judge_missing(&uses, findings),
            Answer::Found(matching) => {
                let worst = matching
                    .iter()
                    .filter_map(|report| settings.objection(report, lookups.host.now()))
                    .max_by_key(|objection| objection.badness);
                if let Some(objection) = worst {
                    refuse(&uses, &Refusal::Image(objection.reason), findings);
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
}

impl Vulnerabilities {
    /// Whether there is anything to ask.
    pub(crate) fn is_configured(&self) -> bool {
        self.source != Source::None
    }

    fn judge_missing<'w>(&self, uses: &Uses<'_, 'w>, findings: &mut Findings<'w>) {
        match self.missing_report {
            MissingReport::Reject => {
                let reason = "for which there is no vulnerability report".to_owned();
                refuse(uses, &Refusal::Image(reason), findings);
            }
            MissingReport::Accept => {}
            MissingReport::Warn => {
                for image in uses.images() {
                    findings.notice(format!(
                        "vulnerabilities: {}: there is no vulnerability report for its image",
                        image.subject
                    ));
                }
            }
        }
    }

    /// Why this report speaks against its image; `None` where it does not.
    fn objection(&self, report: &Report, now: i64) -> Option<Objection> {
        if let Some(maximum) = self.maximum_report_age {
            // A report without a time, or from the future, is of no known age.
            let age = report.time.and_then(|time| timestamp::age(time, now));
            let reason = match age.map(Duration::from_seconds) {
                None => Some("whose vulnerability report is of unknown age".to_owned()),
                Some(age) if age > maximum => Some(format!(
                    "whose vulnerability report is over {age} old, and {maximum} is allowed"
                )),
                Some(_) => None,
            };
            if let Some(reason) = reason {
                return Some(Objection {
                    badness: usize::MAX,
                    reason,
                });
            }
        }
        let rejected: Vec<&Vulnerability> = report
            .vulnerabilities
            .iter()
            .filter(|found| self.reject.contains(&found.id))
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
        if let Some(Score(maximum)) = self.maximum_cvss {
            let above = || {
                counted
                    .iter()
                    .filter(|found| found.score.is_some_and(|score| score > maximum))
            };
            if above().next().is_some() {
                reasons.push(format!(
                    "{} with a CVSS score above {maximum}",
                    above().count()
                ));
                offending.extend(above());
            }
        }
        if reasons.is_empty() {
            return None;
        }
        let reason = format!(
            "which has vulnerabilities: {}; {}",
            List(&reasons),
            Worst(offending.clone())
        );
        Some(Objection {
            badness: offending.len(),
            reason,
        })
    }

    fn counts(&self, found: &Vulnerability) -> bool {
        !found.suppressed
            && !self.ignore.contains(&found.id)
            && (!self.only_fixable || !found.fixed_versions.is_empty())
    }
}

/// The worst findings, by name.
struct Worst<'r>(Vec<&'r Vulnerability>);

impl fmt::Display for Worst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut findings = self.0.clone();
        findings.sort_unstable_by(|left, right| {
            left.severity
                .cmp(&right.severity)
                .then(
                    right
                        .score
                        .unwrap_or_default()
                        .total_cmp(&left.score.unwrap_or_default()),
                )
                .then(left.id.cmp(&right.id))
                .then(left.package.cmp(&right.package))
        });
        findings.dedup();
        for (position, found) in findings.iter().take(SHOWN).enumerate() {
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
                write!(f, " (fixed in {})", List(&found.fixed_versions))?;
            }
        }
        match findings.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

#[inline(never)]
fn refuse<'w>(uses: &Uses<'_, 'w>, refusal: &Refusal, findings: &mut Findings<'w>) {
    for image in uses.images() {
        findings.refuse(Control::Vulnerabilities, image, refusal, MUST);
    }
}

/// How many findings a message names.
const SHOWN: usize = 3;
const MUST: &str = "name an image that was scanned without such findings";
