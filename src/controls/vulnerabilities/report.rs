//! `VulnerabilityReport` resources, of either scanner, as one type.
//!
//! | | SBOMscanner | Trivy Operator |
//! |---|---|---|
//! | API version | `storage.sbomscanner.kubewarden.io/v1alpha1` | `aquasecurity.github.io/v1alpha1` |
//! | registry | `imageMetadata.registryURI` | `report.registry.server` |
//! | image | `imageMetadata.{repository,tag,digest,indexDigest}` | `report.artifact.{repository,tag,digest}` |
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

use super::Source;
use crate::host_calls::{self, Answer, Host, ListQuery};
use crate::image::reference::Reference;
use crate::json::{Entries, Items, Node};
use crate::timestamp;

/// One scan of one image.
#[derive(Debug, Clone, PartialEq)]
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
}

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vulnerability {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) package: String,
    pub(super) installed_version: String,
    pub(super) fixed_versions: Vec<String>,
    /// The highest CVSS score that anyone gives it.
    pub(super) score: Option<f64>,
    /// Whether a VEX document says that it does not apply.
    pub(super) suppressed: bool,
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
    pub(super) fn of(&mut self, reference: &Reference<'_>) -> Answer<Vec<Report>> {
        let selector = match self.source {
            Source::Sbomscanner => Some(format!(
                "imageMetadata.repository={}",
                reference.repository()
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
                let matching: Vec<Report> = reports
                    .iter()
                    .filter(|report| report.image.is(reference))
                    .cloned()
                    .collect();
                if matching.is_empty() {
                    Answer::Absent
                } else {
                    Answer::Found(matching)
                }
            }
        }
    }
}

impl ScannedImage {
    /// Whether this is the image of the reference: by its digest where it has one, else by
    /// registry, repository and tag together.
    fn is(&self, reference: &Reference<'_>) -> bool {
        match (reference.digest(), reference.pulled_tag()) {
            (Some(digest), _) => self.digests.iter().any(|own| own == digest),
            (None, Some(tag)) => {
                canonical_registry(&self.registry) == canonical_registry(reference.registry())
                    && self.repository == reference.repository()
                    && self.tag == tag
            }
            (None, None) => false,
        }
    }
}

/// The registry as scanners and references both can mean it: Docker Hub has three names.
fn canonical_registry(registry: &str) -> String {
    let registry = registry
        .split_once("://")
        .map_or(registry, |(_, rest)| rest);
    let registry = registry.trim_end_matches('/').to_ascii_lowercase();
    match registry.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => registry,
    }
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
                .map(ToOwned::to_owned)
                .collect(),
        },
        time: created.and_then(timestamp::parse),
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
    let mut score: Option<f64> = None;
    for (_, vendor) in vendors.iter() {
        let written = match vendor.get("v3score") {
            None | Some(Node::Null) => continue,
            Some(Node::Text(written)) => written,
            Some(_) => return None,
        };
        if written.is_empty() {
            continue;
        }
        // What is no number is no low score.
        let own = written.parse().ok().filter(|own: &f64| own.is_finite())?;
        score = Some(score.map_or(own, |highest| highest.max(own)));
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
                .map(ToOwned::to_owned)
                .into_iter()
                .collect(),
        },
        time: report.text("updateTimestamp").and_then(timestamp::parse),
        vulnerabilities: report
            .items("vulnerabilities")?
            .iter()
            .map(read_trivy_vulnerability)
            .collect::<Option<_>>()?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a score is at most 10")]
fn read_trivy_vulnerability(found: Node<'_>) -> Option<Vulnerability> {
    let fixed_version = Some(text(found, "fixedVersion")).filter(|version| !version.is_empty());
    Some(Vulnerability {
        id: found.text("vulnerabilityID")?.to_owned(),
        severity: Severity::parse(found.text("severity")?),
        package: text(found, "resource"),
        installed_version: text(found, "installedVersion"),
        fixed_versions: fixed_version.into_iter().collect(),
        score: match found.get("score") {
            Some(Node::Number(score)) => Some(score),
            Some(Node::Integer(score)) => Some(score as f64),
            None | Some(Node::Null) => None,
            Some(_) => return None,
        },
        suppressed: false,
    })
}

fn text(node: Node<'_>, key: &str) -> String {
    node.text(key).unwrap_or_default().to_owned()
}

const SBOMSCANNER: &str = "storage.sbomscanner.kubewarden.io/v1alpha1";
const SBOMSCANNER_FIELDS: [&str; 12] = [
    "imageMetadata.digest",
    "imageMetadata.indexDigest",
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
const TRIVY_FIELDS: [&str; 11] = [
    "report.artifact.digest",
    "report.artifact.repository",
    "report.artifact.tag",
    "report.registry.server",
    "report.updateTimestamp",
    "report.vulnerabilities.fixedVersion",
    "report.vulnerabilities.installedVersion",
    "report.vulnerabilities.resource",
    "report.vulnerabilities.score",
    "report.vulnerabilities.severity",
    "report.vulnerabilities.vulnerabilityID",
];
