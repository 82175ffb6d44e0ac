//! `VulnerabilityReport` resources, of either scanner, as one type.
//!
//! | | SBOMscanner | Trivy Operator |
//! |---|---|---|
//! | API version | `storage.sbomscanner.kubewarden.io/v1alpha1` | `aquasecurity.github.io/v1alpha1` |
//! | registry | `imageMetadata.registryURI` | `report.registry.server` |
//! | image | `imageMetadata.{repository,tag,digest,indexDigest,platform}` | `report.artifact.{repository,tag,digest}` |
//! | time | `metadata.creationTimestamp` | `report.updateTimestamp` |
//! | findings | `report.results[].vulnerabilities[]` | `report.vulnerabilities[]` |
//!
//! SBOMscanner's reports are asked for by repository: the host keeps a watch for each distinct
//! query as long as it lives, and there are fewer repositories than images. Trivy Operator's have
//! no field selectors, so its namespace is listed once.
//!
//! Sources: `api/storage/v1alpha1` of kubewarden/sbomscanner;
//! `pkg/apis/aquasecurity/v1alpha1/vulnerability_types.go` of aquasecurity/trivy-operator.

use std::fmt::{self, Display, Formatter};

use super::cvss::Cvss;
use crate::decode::words;
use crate::host_calls::{self, Answer, Host, ListQuery};
use crate::image::reference::{Reference, split_port, usual_host};
use crate::json::{Entries, Items, Node};
use crate::time;

words! {
    /// Whose reports are read.
    pub(crate) enum Source {
        None = "none",
        Sbomscanner = "sbomscanner",
        TrivyOperator = "trivy-operator",
    }
}

/// One scan of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    image: ScannedImage,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(super) time: Option<i64>,
    pub(super) vulnerabilities: Vec<Vulnerability>,
}

/// What a report says it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ScannedImage {
    registry: String,
    repository: String,
    tag: String,
    /// The digest of the image, and of the index that holds it.
    digests: Vec<String>,
    platform: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vulnerability {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) package: String,
    pub(super) installed_version: String,
    pub(super) fixed_versions: Vec<String>,
    pub(super) score: Score,
    /// Whether a VEX document says that it does not apply.
    pub(super) suppressed: bool,
}

/// The highest CVSS score that anyone gives a finding: by version 3, else by version 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Score {
    /// Nobody has scored it. Scanners write 0 for that, too.
    None,
    Known(Cvss),
    /// Something other than a number stands there.
    Unreadable,
}

impl Score {
    /// The higher one; what cannot be read stays so.
    fn max(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unreadable, _) | (_, Self::Unreadable) => Self::Unreadable,
            (Self::Known(left), Self::Known(right)) => Self::Known(left.max(right)),
            (Self::None, score) | (score, Self::None) => score,
        }
    }

    /// The score, or the other one where this is none.
    fn or(self, other: Self) -> Self {
        match self {
            Self::None => other,
            score => score,
        }
    }

    fn of(score: Option<Cvss>) -> Self {
        match score {
            None => Self::Unreadable,
            Some(Cvss::ZERO) => Self::None,
            Some(score) => Self::Known(score),
        }
    }

    fn of_text(text: &str) -> Self {
        match text {
            "" => Self::None,
            text => Self::of(Cvss::of_text(text)),
        }
    }

    fn read(node: Option<Node<'_>>) -> Self {
        node.map_or(Self::None, |node| Self::of(Cvss::of_node(node)))
    }
}

impl Vulnerability {
    /// The score, or where there is none the highest that its severity can have.
    pub(super) fn score(&self) -> Cvss {
        match self.score {
            Score::Known(score) => score,
            Score::None | Score::Unreadable => match self.severity {
                Severity::Low => Cvss::of_tenths(39),
                Severity::Medium => Cvss::of_tenths(69),
                Severity::High => Cvss::of_tenths(89),
                Severity::Critical | Severity::Unknown => Cvss::of_tenths(100),
            },
        }
    }
}

/// How bad a finding is, worst first. What is none of the known words is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Critical,
    High,
    Medium,
    Low,
    Unknown,
}

impl Severity {
    pub(super) const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Unknown,
    ];

    fn parse(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "CRITICAL" => Self::Critical,
            "HIGH" => Self::High,
            "MEDIUM" => Self::Medium,
            "LOW" => Self::Low,
            _ => Self::Unknown,
        }
    }
}

impl Display for Severity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "of unknown severity",
        })
    }
}

/// The reports of one namespace, each query made once.
pub(super) struct Reports<'l> {
    source: Source,
    namespace: &'l str,
    host: &'l dyn Host,
    /// Each with its field selector; a workload has few.
    answers: Vec<(Option<String>, Answer<Vec<Report>>)>,
}

impl<'l> Reports<'l> {
    pub(super) fn new(source: Source, namespace: &'l str, host: &'l dyn Host) -> Self {
        Self {
            source,
            namespace,
            host,
            answers: Vec::new(),
        }
    }

    /// The reports about this image.
    pub(super) fn of(&mut self, reference: &Reference<'_>) -> Answer<Vec<&Report>> {
        let selector = match self.source {
            Source::Sbomscanner => Some(format!(
                "imageMetadata.repository={}",
                reference.by_usual_name().repository()
            )),
            Source::TrivyOperator | Source::None => None,
        };
        if self.answers.iter().all(|(asked, _)| *asked != selector) {
            let answer = list(self.source, self.namespace, selector.as_deref(), self.host);
            self.answers.push((selector.clone(), answer));
        }
        let asked = self.answers.iter().find(|(asked, _)| *asked == selector);
        match asked.map(|(_, answer)| answer) {
            Some(Answer::Failed(failure)) => Answer::Failed(failure.clone()),
            Some(Answer::Absent) | None => Answer::Absent,
            Some(Answer::Found(reports)) => {
                let mut matching: Vec<&Report> = reports.iter().collect();
                matching.retain(|report| report.image.is(reference));
                if matching.is_empty() {
                    Answer::Absent
                } else {
                    Answer::Found(matching)
                }
            }
        }
    }
}

impl Report {
    /// Whether both are scans of the same image for the same platform.
    pub(super) fn is_of_same_image(&self, other: &Self) -> bool {
        self.image.digests.first() == other.image.digests.first()
            && self.image.platform == other.image.platform
            && !self.image.digests.is_empty()
    }
}

impl ScannedImage {
    /// Whether this is the image of the reference: by its digest where it has one, else by
    /// registry, repository and tag together.
    fn is(&self, reference: &Reference<'_>) -> bool {
        match (reference.digest(), reference.pulled_tag()) {
            (Some(digest), _) => self.digests.iter().any(|own| own == digest),
            (None, Some(tag)) => {
                let usual = reference.by_usual_name();
                let registry = usual.registry();
                // A report that names no registry is about no image whose registry nobody can tell.
                !registry.is_empty()
                    && is_same_registry(&self.registry, registry)
                    && self.repository == usual.repository()
                    && self.tag == tag
            }
            (None, None) => false,
        }
    }
}

/// Whether a scanner means the registry of a reference, each with whatever name it has.
fn is_same_registry(scanned: &str, registry: &str) -> bool {
    let usual = |registry: &str| {
        let registry = registry
            .split_once("://")
            .map_or(registry, |(_, rest)| rest)
            .trim_end_matches('/')
            .to_ascii_lowercase();
        let (host, port) = split_port(&registry);
        let (host, port) = usual_host(host, port);
        (host.to_owned(), port.map(ToOwned::to_owned))
    };
    usual(scanned) == usual(registry)
}

fn list(
    source: Source,
    namespace: &str,
    field_selector: Option<&str>,
    host: &dyn Host,
) -> Answer<Vec<Report>> {
    let (api_version, field_masks): (_, &[&str]) = match source {
        Source::None => return Answer::Absent,
        Source::Sbomscanner => (SBOMSCANNER, &SBOMSCANNER_FIELDS),
        Source::TrivyOperator => (TRIVY, &TRIVY_FIELDS),
    };
    let query = ListQuery {
        api_version,
        kind: "VulnerabilityReport",
        namespace,
        label_selector: None,
        field_selector,
        field_masks,
    };
    host_calls::list(
        host,
        &query,
        match source {
            Source::None | Source::Sbomscanner => read_sbomscanner,
            Source::TrivyOperator => read_trivy,
        },
    )
}

fn read_sbomscanner(resource: Node<'_>) -> Option<Report> {
    let image = resource.get("imageMetadata")?;
    let report = resource.get("report")?;
    // What is no list is no empty list.
    let results = report.items("results")?.iter();
    let found: Vec<Items<'_>> = results
        .map(|result| result.items("vulnerabilities"))
        .collect::<Option<_>>()?;
    let created = resource
        .get("metadata")
        .and_then(|metadata| metadata.text("creationTimestamp"));
    Some(Report {
        image: ScannedImage {
            registry: image.text("registryURI")?.to_owned(),
            repository: image.text("repository")?.to_owned(),
            tag: text(image, "tag"),
            digests: [image.text("digest"), image.text("indexDigest")]
                .into_iter()
                .flatten()
                .filter(|digest| !digest.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
            platform: text(image, "platform"),
        },
        time: created.and_then(time::parse),
        vulnerabilities: found
            .into_iter()
            .flat_map(Items::iter)
            .map(read_sbomscanner_vulnerability)
            .collect::<Option<_>>()?,
    })
}

fn read_sbomscanner_vulnerability(found: Node<'_>) -> Option<Vulnerability> {
    // One score for each vendor, as a number in a string.
    let vendors = match found.get("cvss") {
        None | Some(Node::Null) => Entries::default(),
        Some(Node::Map(vendors)) => vendors,
        Some(_) => return None,
    };
    let mut score = Score::None;
    for (_, vendor) in vendors.iter() {
        score = score.max(match vendor.get("v3score") {
            None => Score::None,
            Some(Node::Text(written)) => Score::of_text(written),
            Some(_) => Score::Unreadable,
        });
    }
    let fixed_versions = found
        .items("fixedVersions")?
        .iter()
        .map(|version| match version {
            Node::Text(version) => Some(version.to_owned()),
            _ => None,
        });
    Some(Vulnerability {
        id: found.text("cve")?.to_owned(),
        severity: Severity::parse(found.text("severity")?),
        package: text(found, "packageName"),
        installed_version: text(found, "installedVersion"),
        fixed_versions: fixed_versions.collect::<Option<_>>()?,
        score,
        suppressed: matches!(found.get("suppressed"), Some(Node::Bool(true))),
    })
}

fn read_trivy(resource: Node<'_>) -> Option<Report> {
    let report = resource.get("report")?;
    let image = report.get("artifact")?;
    let registry = report
        .get("registry")
        .map(|registry| text(registry, "server"));
    Some(Report {
        image: ScannedImage {
            registry: registry.unwrap_or_default(),
            repository: text(image, "repository"),
            tag: text(image, "tag"),
            digests: image
                .text("digest")
                .filter(|digest| !digest.is_empty())
                .map(ToOwned::to_owned)
                .into_iter()
                .collect(),
            platform: String::new(),
        },
        time: report.text("updateTimestamp").and_then(time::parse),
        vulnerabilities: report
            .items("vulnerabilities")?
            .iter()
            .map(read_trivy_vulnerability)
            .collect::<Option<_>>()?,
    })
}

fn read_trivy_vulnerability(found: Node<'_>) -> Option<Vulnerability> {
    let fixed_version = Some(text(found, "fixedVersion")).filter(|version| !version.is_empty());
    Some(Vulnerability {
        id: found.text("vulnerabilityID")?.to_owned(),
        severity: Severity::parse(found.text("severity")?),
        package: text(found, "resource"),
        installed_version: text(found, "installedVersion"),
        fixed_versions: fixed_version.into_iter().collect(),
        score: Score::read(found.get("score"))
            .or(by_vendors(found, "V3Score")?)
            .or(by_vendors(found, "V40Score")?),
        suppressed: false,
    })
}

/// The highest score of a version among those of the vendors, which Trivy Operator keeps where it is
/// told to (`additionalVulnerabilityReportFields: CVSS`).
fn by_vendors(found: Node<'_>, key: &str) -> Option<Score> {
    let vendors = match found.get("cvss") {
        None => return Some(Score::None),
        Some(Node::Map(vendors)) => vendors,
        Some(_) => return None,
    };
    let scores = vendors
        .iter()
        .map(|(_, vendor)| Score::read(vendor.get(key)));
    Some(scores.fold(Score::None, Score::max))
}

fn text(node: Node<'_>, key: &str) -> String {
    node.text(key).unwrap_or_default().to_owned()
}

const SBOMSCANNER: &str = "storage.sbomscanner.kubewarden.io/v1alpha1";
const SBOMSCANNER_FIELDS: [&str; 13] = [
    "imageMetadata.digest",
    "imageMetadata.indexDigest",
    "imageMetadata.platform",
    "imageMetadata.registryURI",
    "imageMetadata.repository",
    "imageMetadata.tag",
    "report.results.vulnerabilities.cve",
    "report.results.vulnerabilities.cvss",
    "report.results.vulnerabilities.fixedVersions",
    "report.results.vulnerabilities.installedVersion",
    "report.results.vulnerabilities.packageName",
    "report.results.vulnerabilities.severity",
    "report.results.vulnerabilities.suppressed",
];
const TRIVY: &str = "aquasecurity.github.io/v1alpha1";
const TRIVY_FIELDS: [&str; 12] = [
    "report.artifact.digest",
    "report.artifact.repository",
    "report.artifact.tag",
    "report.registry.server",
    "report.updateTimestamp",
    "report.vulnerabilities.cvss",
    "report.vulnerabilities.fixedVersion",
    "report.vulnerabilities.installedVersion",
    "report.vulnerabilities.resource",
    "report.vulnerabilities.score",
    "report.vulnerabilities.severity",
    "report.vulnerabilities.vulnerabilityID",
];
