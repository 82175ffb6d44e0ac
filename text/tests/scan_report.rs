//! What each scanner writes, and what of it a policy is told.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use container_security_text::document;
use container_security_text::scan_report::{self, Reading, ScanReport, Shape};
use serde_json::{Value, json};

#[test]
fn a_report_of_trivy_is_about_each_name_and_digest_of_the_image() {
    let report = one(&trivy());
    let resources = report.resources(Shape::TrivyOperator);
    // One for the name of the digest, and one for that of the tag.
    assert_eq!(resources.len(), 2);
    assert_eq!(resources[0]["report"]["artifact"]["tag"], "");
    assert_eq!(
        resources[1],
        json!({
            "apiVersion": "aquasecurity.github.io/v1alpha1",
            "kind": "VulnerabilityReport",
            "metadata": {},
            "report": {
                "registry": {"server": "r.example"},
                "artifact": {"repository": "app", "tag": "1", "digest": format!("sha256:{DIGEST}")},
                "updateTimestamp": "2026-01-02T03:04:05Z",
                "vulnerabilities": [
                    {
                        "vulnerabilityID": "CVE-2026-1", "severity": "HIGH", "resource": "zlib",
                        "installedVersion": "1.2", "fixedVersion": "1.3, 2.0",
                        "cvss": {"nvd": {"V3Score": 7.5}, "ghsa": {"V40Score": 8.1}},
                    },
                    {
                        "vulnerabilityID": "CVE-2026-2", "severity": "UNKNOWN", "resource": "tar",
                        "installedVersion": "1", "fixedVersion": "", "cvss": {},
                    },
                ],
            },
        })
    );
    assert_eq!(
        report.resources(Shape::Sbomscanner)[1],
        json!({
            "apiVersion": "storage.sbomscanner.kubewarden.io/v1alpha1",
            "kind": "VulnerabilityReport",
            "metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"},
            "imageMetadata": {
                "registryURI": "r.example", "repository": "app", "tag": "1",
                "platform": "linux/amd64", "digest": format!("sha256:{DIGEST}"),
            },
            "report": {"results": [{"vulnerabilities": [
                {
                    "cve": "CVE-2026-1", "severity": "HIGH", "packageName": "zlib",
                    "installedVersion": "1.2", "fixedVersions": ["1.3", "2.0"],
                    // Of version 4 alone there is no place, so the severity decides.
                    "cvss": {"nvd": {"v3score": "7.5"}}, "suppressed": false,
                },
                {
                    "cve": "CVE-2026-2", "severity": "UNKNOWN", "packageName": "tar",
                    "installedVersion": "1", "fixedVersions": [], "cvss": {}, "suppressed": false,
                },
            ]}]},
        })
    );
}

#[test]
fn an_image_that_is_not_pushed_yet_has_its_tag() {
    let mut scan = trivy();
    scan["Metadata"] = json!({"RepoTags": ["r.example/app:ci", "nginx:1"]});
    scan["ArtifactName"] = json!("r.example/app:ci");
    assert_eq!(
        images(&one(&scan)),
        [
            ("docker.io", "library/nginx", "1", ""),
            ("r.example", "app", "ci", ""),
        ]
        .map(
            |(registry, repository, tag, digest)| [registry, repository, tag, digest]
                .map(str::to_owned)
        )
    );
}

#[test]
fn what_was_given_to_a_scanner_is_a_name_only_with_a_registry() {
    let mut scan = trivy();
    scan["Metadata"] = json!(null);
    for (given, expected) in [
        ("r.example/app:2", Some(["r.example", "app", "2", ""])),
        ("localhost/app", Some(["localhost", "app", "latest", ""])),
        // A file may be called so.
        ("nginx", None),
        ("app.tar", None),
        ("build/app:1", None),
        ("./images.d/app.tar", None),
        ("", None),
    ] {
        scan["ArtifactName"] = json!(given);
        match expected {
            Some(expected) => {
                assert_eq!(
                    images(&one(&scan)),
                    [expected.map(str::to_owned)],
                    "{given}"
                );
            }
            None => assert_eq!(
                error(&scan),
                "f.json, document 1: names no image; scan it by its whole name, with its registry",
                "{given}"
            ),
        }
    }
}

#[test]
fn grype_says_it_in_its_own_way() {
    let report = one(&grype());
    let vulnerabilities = |shape, pointer| {
        let resource = report.resources(shape).pop().unwrap();
        resource.pointer(pointer).unwrap().clone()
    };
    assert_eq!(
        vulnerabilities(Shape::TrivyOperator, "/report/vulnerabilities"),
        json!([
            {
                // The CVE that the advisory is about, and the highest score of each version.
                "vulnerabilityID": "CVE-2026-4", "severity": "CRITICAL", "resource": "left-pad",
                "installedVersion": "1.0", "fixedVersion": "1.1, 2.0",
                "cvss": {"github": {"V3Score": 9.1, "V40Score": 9.3}, "nvd": {"V3Score": 9.8}},
            },
            {
                "vulnerabilityID": "CVE-2005-2541", "severity": "LOW", "resource": "tar",
                "installedVersion": "1.35", "fixedVersion": "", "cvss": {},
            },
            {
                // Two CVEs are no name for one finding.
                "vulnerabilityID": "GHSA-2", "severity": "UNKNOWN", "resource": "x",
                "installedVersion": "", "fixedVersion": "", "cvss": {},
            },
        ])
    );
    assert_eq!(
        images(&report),
        [
            ["r.example", "app", "1", &format!("sha256:{DIGEST}")].map(str::to_owned),
            [
                "r.example",
                "app",
                "1",
                &format!("sha256:{}", "b".repeat(64))
            ]
            .map(str::to_owned),
        ]
    );
}

#[test]
fn a_resource_is_handed_on_as_it_is_and_read_for_the_other_shape() {
    let operator = json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": {"name": "a"},
        "report": {
            "registry": {"server": "r.example"},
            "artifact": {"repository": "app", "tag": "1", "digest": "sha256:0"},
            "updateTimestamp": "2026-01-02T03:04:05Z",
            "vulnerabilities": [{
                "vulnerabilityID": "CVE-2026-1", "severity": "HIGH", "score": 7.5, "resource": "zlib",
                "installedVersion": "1.2", "fixedVersion": "1.3", "links": [],
            }],
        },
    });
    let sbomscanner = json!({
        "apiVersion": "storage.sbomscanner.kubewarden.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"},
        "imageMetadata": {
            "registryURI": "r.example", "repository": "app", "tag": "1", "platform": "linux/arm64",
            "digest": "sha256:1", "indexDigest": "sha256:0",
        },
        "report": {"results": [{"vulnerabilities": [
            {
                "cve": "CVE-2026-1", "severity": "HIGH", "packageName": "zlib", "installedVersion": "1.2",
                "fixedVersions": ["1.3"], "cvss": {"nvd": {"v3score": "7.5"}, "b": {"v3score": ""}},
                "suppressed": false,
            },
            {"cve": "CVE-2026-2", "severity": "LOW", "suppressed": true},
        ]}]},
    });
    assert_eq!(
        one(&operator).resources(Shape::TrivyOperator),
        std::slice::from_ref(&operator)
    );
    assert_eq!(
        one(&sbomscanner).resources(Shape::Sbomscanner),
        std::slice::from_ref(&sbomscanner)
    );
    // Lists are those of `kubectl get -o yaml`.
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [operator, sbomscanner]});
    let reports = all(&list);
    let other = reports[0].resources(Shape::Sbomscanner);
    assert_eq!(
        other[0]
            .pointer("/report/results/0/vulnerabilities/0")
            .unwrap(),
        &json!({
            "cve": "CVE-2026-1", "severity": "HIGH", "packageName": "zlib", "installedVersion": "1.2",
            "fixedVersions": ["1.3"], "cvss": {"trivy": {"v3score": "7.5"}}, "suppressed": false,
        })
    );
    let other = reports[1].resources(Shape::TrivyOperator);
    let digests: Vec<_> = other
        .iter()
        .map(|resource| resource["report"]["artifact"]["digest"].as_str().unwrap())
        .collect();
    assert_eq!(digests, ["sha256:0", "sha256:1"]);
    // What a VEX document suppresses has no place there.
    assert_eq!(
        other[0]["report"]["vulnerabilities"],
        json!([{
            "vulnerabilityID": "CVE-2026-1", "severity": "HIGH", "resource": "zlib",
            "installedVersion": "1.2", "fixedVersion": "1.3",
            "cvss": {"nvd": {"V3Score": 7.5}, "b": {}},
        }])
    );
}

#[test]
fn what_is_no_scan_of_an_image_is_an_error_with_its_place() {
    let unknown = "none of the reports that are read: trivy image --format json, grype -o json, or a VulnerabilityReport of Trivy Operator or SBOMscanner";
    let change = |scan: Value, pointer: &str, value: Value| {
        let mut scan = scan;
        *scan.pointer_mut(pointer).unwrap() = value;
        scan
    };
    for (scan, expected) in [
        (json!({"bomFormat": "CycloneDX"}), unknown),
        (json!({"runs": [], "version": "2.1.0"}), unknown),
        (json!({"apiVersion": "v1", "kind": "Pod"}), unknown),
        (
            json!({"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "ConfigAuditReport", "report": {}}),
            unknown,
        ),
        (
            json!({"apiVersion": "aquasecurity.github.io/v2", "kind": "VulnerabilityReport"}),
            unknown,
        ),
        (
            json!({"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport"}),
            "not a VulnerabilityReport: missing field `report`",
        ),
        (
            change(trivy(), "/ArtifactType", json!("filesystem")),
            "a report of Trivy about \"filesystem\", and not about an image (container_image)",
        ),
        (
            change(trivy(), "/Results/0/Vulnerabilities/0/Severity", json!(1)),
            "not a report of Trivy: invalid type: integer `1`, expected a string",
        ),
        (
            change(
                trivy(),
                "/Results/0/Vulnerabilities/0/CVSS/nvd/V3Score",
                json!("high"),
            ),
            "not a report of Trivy: invalid type: string \"high\", expected a JSON number",
        ),
        (
            change(grype(), "/source/type", json!("directory")),
            "a report of Grype about \"directory\", and not about an image",
        ),
        (
            change(grype(), "/matches", json!({})),
            "not a report of Grype: invalid type: map, expected a sequence",
        ),
        (
            change(grype(), "/source/target", json!("app")),
            "not a report of Grype: source.target: invalid type: string \"app\", expected struct GrypeTarget",
        ),
        (
            json!({
                "apiVersion": "storage.sbomscanner.kubewarden.io/v1alpha1", "kind": "VulnerabilityReport",
                "imageMetadata": {"registryURI": "r.example", "repository": "app"},
                "report": {"results": [{"vulnerabilities": [
                    {"cve": "CVE-2026-1", "severity": "LOW", "cvss": {"nvd": {"v3score": "high"}}},
                ]}]},
            }),
            "CVE-2026-1: \"high\" is no CVSS score (v3score)",
        ),
    ] {
        assert_eq!(error(&scan), format!("f.json, document 1: {expected}"));
    }
}

#[test]
fn a_scan_for_something_else_than_vulnerabilities_is_none() {
    for results in [
        json!(null),
        json!([]),
        json!([{"Target": "app", "Class": "secret", "Secrets": []}]),
    ] {
        let mut scan = trivy();
        scan["Results"] = results;
        assert_eq!(
            read(&scan),
            [Ok(Reading::NoScan(
                "Trivy has looked at no packages here, so this is no scan for vulnerabilities"
            ))]
        );
    }
    let mut scan = trivy();
    scan["Results"] = json!([{"Target": "app", "Class": "os-pkgs", "Type": "alpine"}]);
    let resources = one(&scan).resources(Shape::TrivyOperator);
    assert_eq!(resources[0]["report"]["vulnerabilities"], json!([]));
}

fn trivy() -> Value {
    json!({
        "SchemaVersion": 2,
        "CreatedAt": "2026-01-02T03:04:05Z",
        "ArtifactName": "r.example/app:1",
        "ArtifactType": "container_image",
        "Metadata": {
            "RepoTags": ["r.example/app:1"],
            "RepoDigests": [format!("r.example/app@sha256:{DIGEST}")],
            "ImageConfig": {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z"},
        },
        "Results": [
            {"Target": "app (alpine 3.22)", "Class": "os-pkgs", "Type": "alpine", "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2026-1", "PkgName": "zlib", "InstalledVersion": "1.2",
                    "FixedVersion": "1.3, 2.0", "Severity": "HIGH",
                    "CVSS": {"nvd": {"V2Score": 5.0, "V3Score": 7.5}, "ghsa": {"V40Score": 8.1}},
                },
            ]},
            {"Target": "app", "Class": "lang-pkgs", "Type": "gobinary", "Vulnerabilities": [
                {"VulnerabilityID": "CVE-2026-2", "PkgName": "tar", "InstalledVersion": "1", "Severity": "UNKNOWN"},
            ]},
            {"Target": "key", "Class": "secret", "Secrets": []},
        ],
    })
}

fn grype() -> Value {
    let score = |source, version, score: f64| json!({"source": source, "version": version, "metrics": {"baseScore": score}, "vendorMetadata": {}});
    json!({
        "matches": [
            {
                "vulnerability": {
                    "id": "GHSA-1", "severity": "Critical", "fix": {"versions": ["1.1", "2.0"], "state": "fixed"},
                    "cvss": [score("github", "3.1", 9.1), score("github", "3.0", 8.0),
                        score("github", "4.0", 9.3), score("github", "2.0", 10.0)],
                },
                "relatedVulnerabilities": [{"id": "CVE-2026-4", "cvss": [score("nvd", "3.1", 9.8)]}],
                "artifact": {"name": "left-pad", "version": "1.0"},
            },
            {
                "vulnerability": {"id": "CVE-2005-2541", "severity": "Negligible", "fix": {"versions": []}},
                "artifact": {"name": "tar", "version": "1.35"},
            },
            {
                "vulnerability": {"id": "GHSA-2", "severity": ""},
                "relatedVulnerabilities": [{"id": "CVE-2026-5"}, {"id": "CVE-2026-6"}],
                "artifact": {"name": "x"},
            },
        ],
        "source": {"type": "image", "target": {
            "userInput": "r.example/app:1",
            "manifestDigest": format!("sha256:{}", "b".repeat(64)),
            "tags": [],
            "repoDigests": [format!("r.example/app:1@sha256:{DIGEST}")],
            "architecture": "amd64", "os": "linux",
        }},
        "distro": {},
        "descriptor": {"name": "grype", "version": "0.104.0", "timestamp": "2026-01-02T03:04:05Z"},
    })
}

/// Registry, repository, tag and digest of each resource.
fn images(report: &ScanReport) -> Vec<[String; 4]> {
    let resources = report.resources(Shape::TrivyOperator);
    let mut images: Vec<_> = resources
        .iter()
        .map(|resource| {
            let text = |pointer| {
                resource
                    .pointer(pointer)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            [
                text("/report/registry/server"),
                text("/report/artifact/repository"),
                text("/report/artifact/tag"),
                text("/report/artifact/digest"),
            ]
        })
        .filter(|[_, _, tag, _]| !tag.is_empty())
        .collect();
    images.sort();
    images
}

fn read(scan: &Value) -> Vec<Result<Reading, String>> {
    let document = document::parse("f.json", scan.to_string().as_bytes()).remove(0);
    scan_report::read(document.unwrap())
        .into_iter()
        .map(|reading| reading.map_err(|error| error.to_string()))
        .collect()
}

fn all(scan: &Value) -> Vec<ScanReport> {
    read(scan)
        .into_iter()
        .map(|reading| match reading.unwrap() {
            Reading::Report(report) => report,
            Reading::NoScan(reason) => panic!("{reason}"),
        })
        .collect()
}

fn one(scan: &Value) -> ScanReport {
    all(scan).remove(0)
}

fn error(scan: &Value) -> String {
    read(scan).remove(0).unwrap_err()
}

const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
