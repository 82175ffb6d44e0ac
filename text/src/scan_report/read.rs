//! Each sort of document as a scan.

use std::collections::{BTreeMap, BTreeSet};

use container_security::Reference;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use super::{Finding, Image, Name, Reading, ScanReport, Score, Shape};

/// What an object is, by the keys that only that sort has.
pub(super) fn report(value: Value) -> Result<Reading, String> {
    let has = |key| value.get(key).is_some();
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("kind") == "VulnerabilityReport"
        && let Some(shape) = Shape::of_api_version(text("apiVersion"))
    {
        let report = match shape {
            Shape::Sbomscanner => typed(&value).map(sbomscanner),
            Shape::TrivyOperator => typed(&value).map(|resource| Ok(trivy_operator(resource))),
        };
        let report = report.map_err(|error| format!("not a VulnerabilityReport: {error}"))??;
        return Ok(Reading::Report(ScanReport {
            resource: Some((shape, value)),
            ..report
        }));
    }
    if has("SchemaVersion") && (has("ArtifactName") || has("ArtifactType")) {
        let report = typed(&value).map_err(|error| format!("not a report of Trivy: {error}"))?;
        return trivy(report);
    }
    if has("matches") && has("source") {
        let report = typed(&value).map_err(|error| format!("not a report of Grype: {error}"))?;
        return grype(report).map(Reading::Report);
    }
    Err(UNKNOWN.to_owned())
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trivy {
    #[serde(default)]
    artifact_name: String,
    #[serde(default)]
    artifact_type: String,
    created_at: Option<String>,
    metadata: Option<TrivyMetadata>,
    results: Option<Vec<TrivyResult>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyMetadata {
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    image_config: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: Option<String>,
    architecture: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyResult {
    #[serde(default)]
    class: String,
    vulnerabilities: Option<Vec<TrivyVulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyVulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(default)]
    pkg_name: String,
    #[serde(default)]
    installed_version: String,
    #[serde(default)]
    fixed_version: String,
    severity: String,
    #[serde(rename = "CVSS", default)]
    cvss: Option<BTreeMap<String, TrivyScore>>,
}

#[derive(Deserialize)]
struct TrivyScore {
    #[serde(rename = "V3Score")]
    v3: Option<Number>,
    #[serde(rename = "V40Score")]
    v4: Option<Number>,
}

fn trivy(report: Trivy) -> Result<Reading, String> {
    if report.artifact_type != "container_image" {
        return Err(format!(
            "a report of Trivy about {:?}, and not about an image (container_image)",
            report.artifact_type
        ));
    }
    let metadata = report.metadata.unwrap_or_default();
    let names = [metadata.repo_tags, metadata.repo_digests];
    let image = Image::named(
        names.into_iter().flatten().flatten(),
        None,
        &report.artifact_name,
        metadata.image_config,
    )?;
    let results = report.results.unwrap_or_default();
    let is_of_packages = |result: &TrivyResult| {
        matches!(result.class.as_str(), "os-pkgs" | "lang-pkgs") || result.vulnerabilities.is_some()
    };
    if !results.iter().any(is_of_packages) {
        return Ok(Reading::NoScan(
            "Trivy has looked at no packages here, so this is no scan for vulnerabilities",
        ));
    }
    let findings = results
        .into_iter()
        .filter_map(|result| result.vulnerabilities);
    let findings = findings.flatten().map(|found| Finding {
        id: found.id,
        severity: severity(&found.severity),
        package: found.pkg_name,
        installed_version: found.installed_version,
        fixed_versions: versions(&found.fixed_version),
        scores: scores(found.cvss),
        suppressed: false,
    });
    Ok(Reading::Report(ScanReport {
        image,
        time: report.created_at,
        findings: findings.collect(),
        resource: None,
    }))
}

#[derive(Deserialize)]
struct Grype {
    matches: Vec<GrypeMatch>,
    source: GrypeSource,
    descriptor: Option<GrypeDescriptor>,
}

#[derive(Deserialize)]
struct GrypeSource {
    #[serde(rename = "type")]
    kind: String,
    target: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrypeTarget {
    #[serde(default)]
    user_input: String,
    #[serde(default)]
    manifest_digest: String,
    tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    #[serde(flatten)]
    platform: Platform,
}

#[derive(Deserialize)]
struct GrypeDescriptor {
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrypeMatch {
    vulnerability: GrypeVulnerability,
    related_vulnerabilities: Option<Vec<GrypeRelated>>,
    artifact: GrypeArtifact,
}

#[derive(Deserialize)]
struct GrypeVulnerability {
    id: String,
    #[serde(default)]
    severity: String,
    cvss: Option<Vec<GrypeScore>>,
    fix: Option<GrypeFix>,
}

#[derive(Deserialize)]
struct GrypeRelated {
    id: String,
    cvss: Option<Vec<GrypeScore>>,
}

#[derive(Deserialize)]
struct GrypeFix {
    versions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct GrypeScore {
    #[serde(default)]
    source: String,
    version: String,
    metrics: GrypeMetrics,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrypeMetrics {
    base_score: Number,
}

#[derive(Deserialize)]
struct GrypeArtifact {
    name: String,
    #[serde(default)]
    version: String,
}

fn grype(report: Grype) -> Result<ScanReport, String> {
    if report.source.kind != "image" {
        return Err(format!(
            "a report of Grype about {:?}, and not about an image",
            report.source.kind
        ));
    }
    let target: GrypeTarget = serde_json::from_value(report.source.target)
        .map_err(|error| format!("not a report of Grype: source.target: {error}"))?;
    let names = [target.tags, target.repo_digests];
    let names = names.into_iter().flatten().flatten();
    let digest = Some(target.manifest_digest).filter(|digest| !digest.is_empty());
    let image = Image::named(names, digest, &target.user_input, Some(target.platform))?;
    Ok(ScanReport {
        image,
        time: report.descriptor.and_then(|grype| grype.timestamp),
        findings: report.matches.into_iter().map(grype_finding).collect(),
        resource: None,
    })
}

fn grype_finding(found: GrypeMatch) -> Finding {
    let GrypeVulnerability {
        id,
        severity: word,
        cvss,
        fix,
    } = found.vulnerability;
    let related = found.related_vulnerabilities.unwrap_or_default();
    let cves: BTreeSet<&str> = related
        .iter()
        .map(|related| related.id.as_str())
        .filter(|id| id.starts_with(CVE))
        .collect();
    let id = match (id.starts_with(CVE), cves.first()) {
        (false, Some(cve)) if cves.len() == 1 => (*cve).to_owned(),
        _ => id,
    };
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let all = cvss.into_iter().flatten();
    let all = all.chain(
        related
            .into_iter()
            .filter_map(|related| related.cvss)
            .flatten(),
    );
    for GrypeScore {
        source,
        version,
        metrics,
    } in all
    {
        let score = scores.entry(source).or_default();
        let score = match version.split('.').next() {
            Some("3") => &mut score.v3,
            Some("4") => &mut score.v4,
            _ => continue,
        };
        let is_higher = |known: &Number| known.as_f64() < metrics.base_score.as_f64();
        if score.as_ref().is_none_or(is_higher) {
            *score = Some(metrics.base_score);
        }
    }
    Finding {
        id,
        severity: severity(&word),
        package: found.artifact.name,
        installed_version: found.artifact.version,
        fixed_versions: fix.and_then(|fix| fix.versions).unwrap_or_default(),
        scores,
        suppressed: false,
    }
}

#[derive(Deserialize)]
struct TrivyOperator {
    report: TrivyOperatorReport,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrivyOperatorReport {
    artifact: Artifact,
    registry: Option<Registry>,
    update_timestamp: Option<String>,
    vulnerabilities: Option<Vec<TrivyOperatorVulnerability>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Artifact {
    repository: String,
    tag: String,
    digest: String,
}

#[derive(Deserialize)]
struct Registry {
    #[serde(default)]
    server: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrivyOperatorVulnerability {
    #[serde(rename = "vulnerabilityID")]
    id: String,
    severity: String,
    score: Option<Number>,
    cvss: Option<BTreeMap<String, TrivyScore>>,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    installed_version: String,
    #[serde(default)]
    fixed_version: String,
}

fn trivy_operator(resource: TrivyOperator) -> ScanReport {
    let report = resource.report;
    let Artifact {
        repository,
        tag,
        digest,
    } = report.artifact;
    let registry = report
        .registry
        .map_or_else(String::new, |registry| registry.server);
    let findings = report.vulnerabilities.into_iter().flatten().map(|found| {
        let mut scores = scores(found.cvss);
        if let Some(score) = found.score {
            scores.entry("trivy".to_owned()).or_default().v3 = Some(score);
        }
        Finding {
            id: found.id,
            severity: severity(&found.severity),
            package: found.resource,
            installed_version: found.installed_version,
            fixed_versions: versions(&found.fixed_version),
            scores,
            suppressed: false,
        }
    });
    ScanReport {
        image: Image::of_resource(registry, repository, tag, [digest], None),
        time: report.update_timestamp,
        findings: findings.collect(),
        resource: None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sbomscanner {
    metadata: Option<Metadata>,
    image_metadata: ImageMetadata,
    report: SbomscannerReport,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    creation_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageMetadata {
    #[serde(rename = "registryURI")]
    registry_uri: String,
    repository: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    index_digest: String,
}

#[derive(Deserialize)]
struct SbomscannerReport {
    results: Option<Vec<SbomscannerResult>>,
}

#[derive(Deserialize)]
struct SbomscannerResult {
    vulnerabilities: Option<Vec<SbomscannerVulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SbomscannerVulnerability {
    cve: String,
    severity: String,
    #[serde(default)]
    package_name: String,
    #[serde(default)]
    installed_version: String,
    fixed_versions: Option<Vec<String>>,
    cvss: Option<BTreeMap<String, SbomscannerScore>>,
    #[serde(default)]
    suppressed: bool,
}

#[derive(Deserialize)]
struct SbomscannerScore {
    #[serde(default)]
    v3score: String,
}

fn sbomscanner(resource: Sbomscanner) -> Result<ScanReport, String> {
    let image = resource.image_metadata;
    let results = resource.report.results.into_iter().flatten();
    let findings = results
        .filter_map(|result| result.vulnerabilities)
        .flatten();
    let findings = findings.map(|found| {
        let scores = found.cvss.into_iter().flatten().map(|(vendor, score)| {
            let v3 =
                match score.v3score.as_str() {
                    "" => None,
                    text => Some(text.parse().map_err(|_| {
                        format!("{}: {text:?} is no CVSS score (v3score)", found.cve)
                    })?),
                };
            Ok((vendor, Score { v3, v4: None }))
        });
        Ok(Finding {
            severity: severity(&found.severity),
            package: found.package_name,
            installed_version: found.installed_version,
            fixed_versions: found.fixed_versions.unwrap_or_default(),
            scores: scores.collect::<Result<_, String>>()?,
            suppressed: found.suppressed,
            id: found.cve,
        })
    });
    Ok(ScanReport {
        image: Image::of_resource(
            image.registry_uri,
            image.repository,
            image.tag,
            [image.digest, image.index_digest],
            Some(image.platform).filter(|platform| !platform.is_empty()),
        ),
        time: resource
            .metadata
            .and_then(|metadata| metadata.creation_timestamp),
        findings: findings.collect::<Result<_, String>>()?,
        resource: None,
    })
}

impl Image {
    /// The image of these names, of which some end in a digest. What the scanner was given counts
    /// only where it names a registry: else it may be a file, or a name on somebody's machine.
    fn named(
        names: impl Iterator<Item = String>,
        digest: Option<String>,
        given: &str,
        platform: Option<Platform>,
    ) -> Result<Self, String> {
        let mut image = Self {
            digests: digest.into_iter().collect(),
            platform: platform
                .and_then(|platform| Some(format!("{}/{}", platform.os?, platform.architecture?))),
            ..Self::default()
        };
        let given = Some(given).filter(|given| names_registry(given));
        for name in names.chain(given.map(ToOwned::to_owned)) {
            let Ok(reference) = Reference::parse(&name) else {
                continue;
            };
            image
                .digests
                .extend(reference.digest().map(ToOwned::to_owned));
            image.names.insert(Name {
                registry: reference.registry().to_owned(),
                repository: reference.repository().into_owned(),
                tag: reference.pulled_tag().unwrap_or_default().to_owned(),
            });
        }
        if image.names.is_empty() {
            return Err("names no image; scan it by its whole name, with its registry".to_owned());
        }
        Ok(image)
    }

    fn of_resource<const N: usize>(
        registry: String,
        repository: String,
        tag: String,
        digests: [String; N],
        platform: Option<String>,
    ) -> Self {
        let digests = digests.into_iter().filter(|digest| !digest.is_empty());
        Self {
            names: BTreeSet::from([Name {
                registry,
                repository,
                tag,
            }]),
            digests: digests.collect(),
            platform,
        }
    }
}

fn names_registry(text: &str) -> bool {
    let registry = text.split_once('/').map(|(registry, _)| registry);
    registry.is_some_and(|registry| registry == "localhost" || registry.contains(['.', ':']))
}

fn scores(cvss: Option<BTreeMap<String, TrivyScore>>) -> BTreeMap<String, Score> {
    let vendors = cvss.into_iter().flatten();
    vendors
        .map(|(vendor, TrivyScore { v3, v4 })| (vendor, Score { v3, v4 }))
        .collect()
}

/// `1.2.3, 1.3.0`
fn versions(text: &str) -> Vec<String> {
    let versions = text.split(',').map(str::trim);
    let versions = versions.filter(|version| !version.is_empty());
    versions.map(ToOwned::to_owned).collect()
}

fn severity(word: &str) -> String {
    match word.to_ascii_uppercase().as_str() {
        "NEGLIGIBLE" => "LOW".to_owned(),
        "" => "UNKNOWN".to_owned(),
        word => word.to_owned(),
    }
}

const CVE: &str = "CVE-";
const UNKNOWN: &str = "none of the reports that are read: trivy image --format json, grype -o json, \
                       or a VulnerabilityReport of Trivy Operator or SBOMscanner";
