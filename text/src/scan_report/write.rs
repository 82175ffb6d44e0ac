//! A scan in the shape of each scanner's resources.

use serde_json::{Map, Value, json};

use super::{Finding, Image, Name, ScanReport, Shape};

pub(super) fn resources(report: &ScanReport, shape: Shape) -> Vec<Value> {
    let resource = match shape {
        Shape::Sbomscanner => sbomscanner,
        Shape::TrivyOperator => trivy_operator,
    };
    let Image { names, digests, .. } = &report.image;
    // A resource has one name and, in one of the shapes, one digest.
    let mut resources = Vec::new();
    for name in names {
        let mut digests = digests.iter().map(String::as_str).peekable();
        if digests.peek().is_none() {
            resources.push(resource(report, name, ""));
        }
        resources.extend(digests.map(|digest| resource(report, name, digest)));
    }
    resources
}

fn trivy_operator(report: &ScanReport, name: &Name, digest: &str) -> Value {
    let findings = report.findings.iter().filter(|found| !found.suppressed);
    let findings = findings.map(|found| {
        json!({
            "vulnerabilityID": found.id,
            "severity": found.severity,
            "resource": found.package,
            "installedVersion": found.installed_version,
            "fixedVersion": found.fixed_versions.join(", "),
            "cvss": trivy_operator_scores(found),
        })
    });
    json!({
        "apiVersion": Shape::TrivyOperator.api_version(),
        "kind": KIND,
        "metadata": {},
        "report": {
            "registry": {"server": name.registry},
            "artifact": {"repository": name.repository, "tag": name.tag, "digest": digest},
            "updateTimestamp": report.time.as_deref().unwrap_or_default(),
            "vulnerabilities": findings.collect::<Vec<_>>(),
        },
    })
}

fn trivy_operator_scores(found: &Finding) -> Map<String, Value> {
    let scores = found.scores.iter().map(|(vendor, score)| {
        let versions = [("V3Score", &score.v3), ("V40Score", &score.v4)];
        let versions = versions
            .into_iter()
            .filter_map(|(key, score)| Some((key.to_owned(), Value::Number(score.clone()?))));
        (vendor.clone(), Value::Object(versions.collect()))
    });
    scores.collect()
}

fn sbomscanner(report: &ScanReport, name: &Name, digest: &str) -> Value {
    let findings = report.findings.iter().map(|found| {
        let scores = found.scores.iter().filter_map(|(vendor, score)| {
            let v3 = score.v3.as_ref()?.to_string();
            Some((vendor.clone(), json!({"v3score": v3})))
        });
        json!({
            "cve": found.id,
            "severity": found.severity,
            "packageName": found.package,
            "installedVersion": found.installed_version,
            "fixedVersions": found.fixed_versions,
            "cvss": scores.collect::<Map<_, _>>(),
            "suppressed": found.suppressed,
        })
    });
    json!({
        "apiVersion": Shape::Sbomscanner.api_version(),
        "kind": KIND,
        "metadata": {"creationTimestamp": report.time.as_deref().unwrap_or_default()},
        "imageMetadata": {
            "registryURI": name.registry,
            "repository": name.repository,
            "tag": name.tag,
            "platform": report.image.platform.as_deref().unwrap_or_default(),
            "digest": digest,
        },
        "report": {"results": [{"vulnerabilities": findings.collect::<Vec<_>>()}]},
    })
}

const KIND: &str = "VulnerabilityReport";
