//! Scan results to the `VulnerabilityReport`s that a cluster would have of them.
//!
//! | What is read | Written by |
//! |---|---|
//! | Trivy's report of an image | `trivy image --format json` |
//! | Grype's report of an image | `grype IMAGE -o json` |
//! | `VulnerabilityReport` of `aquasecurity.github.io/v1alpha1` | Trivy Operator; `kubectl get -o yaml` |
//! | `VulnerabilityReport` of `storage.sbomscanner.kubewarden.io/v1alpha1` | SBOMscanner; the same |
//!
//! A policy asks for the resources of one scanner, whatever has scanned: what was written by that one is
//! handed on as it is, the others in its shape. An image is known by its digests, and by the names that
//! have a tag, because one that is scanned before it is pushed has no digest.
//!
//! What one scanner has and the other has not is said so that it counts no less: Grype's `Negligible` is
//! low, a finding that Grype knows by a GitHub advisory has the CVE that it names, as Trivy has it, and
//! a CVSS score of version 4 alone is left out where SBOMscanner's shape has no place for it, so that the
//! severity decides.
//!
//! Sources: `pkg/types/report.go` of aquasecurity/trivy; `grype/presenter/models` of anchore/grype;
//! `pkg/apis/aquasecurity/v1alpha1` of aquasecurity/trivy-operator; `api/storage/v1alpha1` of
//! kubewarden/sbomscanner.

mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use crate::document::{Document, DocumentError};
use crate::request::unroll;

/// Whose resources a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the scanners")]
pub enum Shape {
    Sbomscanner,
    TrivyOperator,
}

impl Shape {
    /// The shape of the `VulnerabilityReport`s of an API version.
    #[must_use]
    pub fn of_api_version(api_version: &str) -> Option<Self> {
        [Self::Sbomscanner, Self::TrivyOperator]
            .into_iter()
            .find(|shape| shape.api_version() == api_version)
    }

    /// Group and version of its resources.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Sbomscanner => "storage.sbomscanner.kubewarden.io/v1alpha1",
            Self::TrivyOperator => "aquasecurity.github.io/v1alpha1",
        }
    }
}

/// The scan of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanReport {
    image: Image,
    /// RFC 3339, as it is written.
    time: Option<String>,
    findings: Vec<Finding>,
    /// The resource that this was read from.
    resource: Option<(Shape, Value)>,
}

/// What a report is about.
#[derive(Debug, Clone, Default, PartialEq)]
struct Image {
    /// At least one.
    names: BTreeSet<Name>,
    digests: BTreeSet<String>,
    /// `linux/amd64`
    platform: Option<String>,
}

/// A name, with a tag where it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    registry: String,
    repository: String,
    tag: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Finding {
    id: String,
    /// In upper case.
    severity: String,
    package: String,
    installed_version: String,
    fixed_versions: Vec<String>,
    /// By who gives it.
    scores: BTreeMap<String, Score>,
    suppressed: bool,
}

/// CVSS scores, by version.
#[derive(Debug, Clone, Default, PartialEq)]
struct Score {
    v3: Option<Number>,
    v4: Option<Number>,
}

/// What became of an object of a file of reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A scan of an image.
    Report(ScanReport),
    /// Trivy's report of an image in which it has looked at no packages: that is no scan for
    /// vulnerabilities. The words follow the name of the file.
    NoScan(&'static str),
}

/// Reads the reports in a document: one, or those of a list.
#[must_use]
pub fn read(document: Document) -> Vec<Result<Reading, DocumentError>> {
    unroll(document)
        .into_iter()
        .map(|document| {
            let Document {
                position, value, ..
            } = document?;
            read::report(value).map_err(|message| DocumentError { position, message })
        })
        .collect()
}

impl ScanReport {
    /// The resources that the scanner of this shape would have of the scan: one for each name of the
    /// image.
    #[must_use]
    pub fn resources(&self, shape: Shape) -> Vec<Value> {
        match &self.resource {
            Some((own, resource)) if *own == shape => vec![resource.clone()],
            _ => write::resources(self, shape),
        }
    }
}
