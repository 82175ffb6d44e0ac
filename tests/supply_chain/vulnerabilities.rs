//! `vulnerabilities`.

use super::*;

const SBOMSCANNER: &str = "storage.sbomscanner.kubewarden.io/v1alpha1";
const TRIVY: &str = "aquasecurity.github.io/v1alpha1";

#[test]
fn reports_are_asked_for_with_these_requests() {
    for (source, api_version, selector, masks) in [
        (
            "sbomscanner",
            SBOMSCANNER,
            json!("imageMetadata.repository=org/app"),
            json!([
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
            ]),
        ),
        (
            "trivy-operator",
            TRIVY,
            json!(null),
            json!([
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
            ]),
        ),
    ] {
        for (namespace, asked) in [(json!(null), "shop"), (json!("scans"), "scans")] {
            let host = FakeHost::new().reports(&[]);
            let settings = json!({"vulnerabilities": {"source": source, "namespace": namespace}});
            judge(&[APP], &settings, &host);
            assert_eq!(
                host.calls(),
                [
                    (
                        "kubernetes/get_resource".to_owned(),
                        json!({"api_version": api_version, "kind": "VulnerabilityReport",
                            "name": "container-security-may-i-read", "namespace": asked,
                            "disable_cache": false, "field_masks": ["metadata.name"]})
                    ),
                    (
                        "kubernetes/list_resources_by_namespace".to_owned(),
                        json!({"api_version": api_version, "kind": "VulnerabilityReport",
                            "namespace": asked, "label_selector": null,
                            "field_selector": selector, "field_masks": masks})
                    ),
                ]
            );
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_report_is_about_an_image_by_digest_or_by_registry_repository_and_tag() {
    let sbom = |registry: &str, repository: &str, tag: &str, digest: &str, index: &str| {
        json!({"imageMetadata": {"registryURI": registry, "repository": repository, "tag": tag,
            "digest": digest, "indexDigest": index}, "report": {"results": []}})
    };
    let trivy = |server: &str, repository: &str, tag: &str, digest: &str| {
        json!({"report": {"registry": {"server": server}, "vulnerabilities": [],
            "artifact": {"repository": repository, "tag": tag, "digest": digest}}})
    };
    let nginx = format!("nginx@{A}");
    for (source, report, image, is_about) in [
        (
            "sbomscanner",
            sbom("ghcr.io", "org/app", "1", A, ""),
            APP,
            true,
        ),
        // Whose registry that is cannot be told, and the report does not say.
        (
            "trivy-operator",
            trivy("", "foo_bar.io/app", "1", ""),
            "foo_bar.io/app:1",
            false,
        ),
        (
            "sbomscanner",
            sbom("https://GHCR.io/", "org/app", "1", A, ""),
            APP,
            true,
        ),
        (
            "sbomscanner",
            sbom("ghcr.io", "org/app", "2", A, ""),
            APP,
            false,
        ),
        (
            "sbomscanner",
            sbom("ghcr.io", "org/app2", "1", A, ""),
            APP,
            false,
        ),
        (
            "sbomscanner",
            sbom("docker.io", "library/nginx", "latest", B, A),
            &nginx,
            true,
        ),
        (
            "sbomscanner",
            sbom("docker.io", "library/nginx", "latest", A, ""),
            &nginx,
            true,
        ),
        (
            "sbomscanner",
            sbom("docker.io", "library/nginx", "latest", B, ""),
            &nginx,
            false,
        ),
        (
            "sbomscanner",
            sbom("docker.io", "library/nginx", "latest", A, ""),
            "nginx",
            true,
        ),
        (
            "sbomscanner",
            sbom("docker.io", "library/nginx", "1", A, ""),
            "evil.io/library/nginx:1",
            false,
        ),
        (
            "trivy-operator",
            trivy("index.docker.io", "library/nginx", "1", ""),
            "nginx:1",
            true,
        ),
        (
            "trivy-operator",
            trivy("index.docker.io", "library/nginx", "1", ""),
            "docker.io/library/nginx:1",
            true,
        ),
        (
            "trivy-operator",
            trivy("index.docker.io", "library/nginx", "1", A),
            &nginx,
            true,
        ),
        (
            "trivy-operator",
            trivy("index.docker.io", "library/nginx", "1", ""),
            "evil.io/library/nginx:1",
            false,
        ),
        (
            "trivy-operator",
            trivy("ghcr.io", "org/app", "", B),
            &by_digest(B),
            true,
        ),
        (
            "trivy-operator",
            trivy("ghcr.io", "org/app", "1", B),
            &by_digest(A),
            false,
        ),
    ] {
        let host = FakeHost::new().reports(std::slice::from_ref(&report));
        let found = judge(
            &[image],
            &json!({"vulnerabilities": {"source": source}}),
            &host,
        );
        let expected = if is_about {
            vec![]
        } else {
            vec![vulnerabilities(
                image,
                "which no vulnerability report covers",
            )]
        };
        assert_eq!(found.lines, expected, "{image}: {report}");
    }
}

#[test]
fn findings_count_by_severity_score_fix_and_the_lists_of_the_settings() {
    let critical = json!({"cve": "CVE-1", "severity": "CRITICAL", "packageName": "ssl",
        "installedVersion": "1", "fixedVersions": ["2", "3"], "cvss": {"nvd": {"v3score": "9.8"},
        "suse": {"v3score": "7.0"}}});
    let high = json!({"cve": "CVE-2", "severity": "high", "packageName": "zlib",
        "installedVersion": "1", "fixedVersions": []});
    let odd = json!({"cve": "CVE-3", "severity": "negligible", "packageName": "tar",
        "installedVersion": "1", "fixedVersions": []});
    let suppressed = json!({"cve": "CVE-1", "severity": "CRITICAL", "packageName": "ssl",
        "installedVersion": "1", "suppressed": true});
    let all = json!([critical, high, odd]);
    let has = |what: &str| Some(format!("which has vulnerabilities: {what}"));
    let in_ssl = "CVE-1 in ssl 1 (fixed in 2, 3)";
    let in_zlib = "CVE-2 in zlib 1 (no fix)";
    for (settings, found, reason) in [
        (json!({}), json!([]), None),
        (
            json!({}),
            all.clone(),
            has(&format!(
                "1 critical (0 allowed), 1 high (0 allowed); {in_ssl}, {in_zlib}"
            )),
        ),
        (
            json!({"maximum": {"critical": 1, "high": 1}}),
            all.clone(),
            None,
        ),
        (json!({"maximum": {}}), all.clone(), None),
        (
            json!({"maximum": {"unknown": 0}}),
            all.clone(),
            has("1 of unknown severity (0 allowed); CVE-3 in tar 1 (no fix)"),
        ),
        (
            json!({"maximum": {"high": 0}, "maximumCvss": 9.7}),
            all.clone(),
            has(&format!(
                "1 high (0 allowed), 2 with a CVSS score above 9.7 (1 without a score, taken for the \
                 highest of its severity); {in_ssl}, {in_zlib}, CVE-3 in tar 1 (no fix)"
            )),
        ),
        (
            json!({"maximum": {}, "maximumCvss": 9.8, "ignore": ["CVE-3"]}),
            all.clone(),
            None,
        ),
        (
            json!({"onlyFixable": true}),
            all.clone(),
            has(&format!("1 critical (0 allowed); {in_ssl}")),
        ),
        (
            json!({"ignore": ["CVE-1"]}),
            all.clone(),
            has(&format!("1 high (0 allowed); {in_zlib}")),
        ),
        (json!({"ignore": ["CVE-1", "CVE-2"]}), all, None),
        (json!({}), json!([suppressed]), None),
        (
            json!({"reject": ["CVE-3"]}),
            json!([odd]),
            has("1 that vulnerabilities.reject lists; CVE-3 in tar 1 (no fix)"),
        ),
        (
            json!({"reject": ["CVE-1"]}),
            json!([suppressed]),
            has("1 that vulnerabilities.reject lists; CVE-1 in ssl 1 (no fix)"),
        ),
    ] {
        let host = FakeHost::new().reports(&[of_app(&found)]);
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(
            judge(&[APP], &scanned(&settings), &host).lines,
            expected,
            "{settings}"
        );
    }
}

#[test]
fn findings_that_an_exemption_ignores_leave_the_others_and_several_exemptions_add_up() {
    let finding = |cve: &str| {
        json!({"cve": cve, "severity": "HIGH", "packageName": "ssl", "installedVersion": "1",
            "fixedVersions": ["2"]})
    };
    let ignoring = |cve: &str| json!({"allow": {"vulnerabilities": {"ignore": [cve]}}, "images": ["ghcr.io/org"]});
    let one = Some("which has vulnerabilities: 1 high (0 allowed); CVE-2 in ssl 1 (fixed in 2)");
    for (exemptions, reason) in [
        (json!([ignoring("CVE-1")]), one),
        (json!([ignoring("CVE-1"), ignoring("CVE-3")]), one),
        (json!([ignoring("CVE-1"), ignoring("CVE-2")]), None),
    ] {
        let host = FakeHost::new().reports(&[of_app(&json!([finding("CVE-1"), finding("CVE-2")]))]);
        let mut settings = scanned(&json!({}));
        settings["exemptions"] = exemptions;
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(
            judge(&[APP], &settings, &host).lines,
            expected,
            "{settings}"
        );
    }
}

#[test]
fn a_score_that_is_no_number_is_no_low_score() {
    let unreadable =
        Some("whose vulnerability report has a CVSS score that cannot be read, that of CVE-1");
    let high =
        Some("which has vulnerabilities: 1 with a CVSS score above 7; CVE-1 in ssl 1 (fixed in 2)");
    for (score, reason) in [
        (json!("9.8"), high),
        (json!("1.0"), None),
        // Not scored.
        (json!(""), None),
        (json!("0"), None),
        (json!("0.0"), None),
        (json!(null), None),
        (json!("NaN"), unreadable),
        (json!("inf"), unreadable),
        (json!("-1"), unreadable),
        (json!("10.1"), unreadable),
        (json!("high"), unreadable),
        (json!(9.8), unreadable),
    ] {
        let finding = json!({"cve": "CVE-1", "severity": "LOW", "packageName": "ssl",
            "installedVersion": "1", "fixedVersions": ["2"],
            "cvss": {"nvd": {"v3score": score}, "suse": {}}});
        let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
        let found = judge(&[APP], &scanned(&json!({"maximumCvss": 7})), &host);
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(found.lines, expected, "SBOMscanner: {score}");
    }
    for (score, reason) in [
        (json!(9.8), high),
        (json!(8), high),
        (json!(1), None),
        (json!(null), None),
        (json!(0), None),
        (json!("9.8"), unreadable),
        (json!(11), unreadable),
    ] {
        let report = json!({"report": {"registry": {"server": "ghcr.io"},
            "artifact": {"repository": "org/app", "tag": "1"},
            "vulnerabilities": [{"vulnerabilityID": "CVE-1", "severity": "LOW", "resource": "ssl",
                "installedVersion": "1", "fixedVersion": "2", "score": score}]}});
        let host = FakeHost::new().reports(&[report]);
        let settings = json!({"vulnerabilities": {"source": "trivy-operator", "maximumCvss": 7}});
        let found = judge(&[APP], &settings, &host);
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(found.lines, expected, "Trivy Operator: {score}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_finding_without_a_usable_score_counts_by_version_4_or_as_the_worst_of_its_severity() {
    let trivy = |fields: Value| {
        let mut found = json!({"vulnerabilityID": "CVE-1", "severity": "LOW"});
        for (key, value) in fields.as_object().unwrap() {
            found[key] = value.clone();
        }
        json!({"report": {"registry": {"server": "ghcr.io"},
            "artifact": {"repository": "org/app", "tag": "1"}, "vulnerabilities": [found]}})
    };
    let sbom = |severity: &str, cvss: Value| {
        of_app(&json!([{"cve": "CVE-1", "severity": severity, "cvss": cvss}]))
    };
    let none = " (1 without a score, taken for the highest of its severity)";
    for (source, report, maximum, reason) in [
        ("trivy-operator", trivy(json!({})), 3.8, Some(none)),
        ("trivy-operator", trivy(json!({})), 3.9, None),
        (
            "trivy-operator",
            trivy(json!({"severity": "MEDIUM"})),
            6.8,
            Some(none),
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "MEDIUM"})),
            6.9,
            None,
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "HIGH"})),
            8.8,
            Some(none),
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "HIGH"})),
            8.9,
            None,
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "CRITICAL"})),
            9.9,
            Some(none),
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "CRITICAL"})),
            10.0,
            None,
        ),
        (
            "trivy-operator",
            trivy(json!({"severity": "UNKNOWN"})),
            9.9,
            Some(none),
        ),
        ("trivy-operator", trivy(json!({"score": 5})), 4.9, Some("")),
        ("trivy-operator", trivy(json!({"score": 5})), 5.0, None),
        (
            "trivy-operator",
            trivy(json!({"score": 0, "cvss": {"nvd": {"V40Score": 7.5}}})),
            7.0,
            Some(""),
        ),
        (
            "trivy-operator",
            trivy(json!({"cvss": {"nvd": {"V40Score": 7.5}, "ghsa": {"V40Score": 2}}})),
            7.5,
            None,
        ),
        (
            "trivy-operator",
            trivy(json!({"cvss": {"nvd": {"V3Score": 1.5, "V40Score": 9.5}}})),
            2.0,
            None,
        ),
        (
            "trivy-operator",
            trivy(json!({"cvss": {"nvd": {"V2Score": 9.5}}})),
            4.0,
            None,
        ),
        (
            "sbomscanner",
            sbom("HIGH", json!({"nvd": {"v3score": "0"}})),
            8.0,
            Some(none),
        ),
        (
            "sbomscanner",
            sbom(
                "HIGH",
                json!({"nvd": {"v3score": "0"}, "suse": {"v3score": "1.5"}}),
            ),
            8.0,
            None,
        ),
        ("sbomscanner", sbom("HIGH", json!({})), 8.0, Some(none)),
        ("sbomscanner", sbom("LOW", json!(null)), 8.0, None),
    ] {
        let settings = json!({"vulnerabilities": {"source": source, "maximum": {},
            "maximumCvss": maximum}});
        let host = FakeHost::new().reports(std::slice::from_ref(&report));
        let expected: Vec<String> = reason
            .iter()
            .map(|unscored| {
                vulnerabilities(
                    APP,
                    &format!(
                        "which has vulnerabilities: 1 with a CVSS score above {maximum}{unscored}; \
                     CVE-1 (no fix)"
                    ),
                )
            })
            .collect();
        assert_eq!(judge(&[APP], &settings, &host).lines, expected, "{report}");
    }
    let odd = trivy(json!({"cvss": "9.8"}));
    let host = FakeHost::new().reports(&[odd]);
    let settings = json!({"vulnerabilities": {"source": "trivy-operator"}});
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [vulnerabilities(
            APP,
            "whose vulnerability reports cannot be read: the answer of kubernetes/list_resources_by_namespace cannot be read: it lacks what is asked for"
        )]
    );
}

#[test]
fn ids_are_compared_in_whatever_case_they_are_written() {
    let finding = json!({"cve": "CVE-2024-3094", "severity": "LOW"});
    let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
    let settings = scanned(&json!({"reject": [" cve-2024-3094 "]}));
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 1 that vulnerabilities.reject lists; CVE-2024-3094 (no fix)"
        )]
    );
    let finding = json!({"cve": "GHSA-AAAA-bbbb-cccc", "severity": "CRITICAL"});
    let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
    let settings = scanned(&json!({"ignore": ["ghsa-aaaa-bbbb-cccc"]}));
    assert_eq!(judge(&[APP], &settings, &host).lines, [""; 0]);
}

#[test]
fn a_stale_report_does_not_count_beside_a_newer_one_of_the_same_image() {
    let finding = json!({"cve": "CVE-1", "severity": "CRITICAL"});
    let report = |digest: &str, platform: &str, time: &str, findings: Value| {
        json!({"metadata": {"creationTimestamp": time},
            "imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app", "tag": "1",
                "digest": digest, "platform": platform},
            "report": {"results": [{"vulnerabilities": findings}]}})
    };
    let (fresh, stale) = ("2026-01-30T00:00:00Z", "2026-01-01T00:00:00Z");
    let linux = "linux/amd64";
    let clean = || json!([]);
    let old = "whose vulnerability report is over 30d old, and 7d is allowed";
    let bad = "which has vulnerabilities: 1 critical (0 allowed); CVE-1 (no fix)";
    for (reports, reason) in [
        (
            [
                report(A, linux, stale, clean()),
                report(A, linux, fresh, clean()),
            ],
            None,
        ),
        (
            [
                report(A, linux, fresh, clean()),
                report(A, linux, stale, json!([finding])),
            ],
            None,
        ),
        (
            [
                report(A, linux, "", json!([finding])),
                report(A, linux, fresh, clean()),
            ],
            None,
        ),
        // Of those that are not stale, the worst counts.
        (
            [
                report(A, linux, fresh, clean()),
                report(A, linux, "2026-01-29T00:00:00Z", json!([finding])),
            ],
            Some(bad),
        ),
        // Another image, or another platform, has its own.
        (
            [
                report(A, linux, fresh, clean()),
                report(B, linux, stale, clean()),
            ],
            Some(old),
        ),
        (
            [
                report(A, linux, fresh, clean()),
                report(A, "linux/arm64", stale, clean()),
            ],
            Some(old),
        ),
        (
            [
                report("", linux, fresh, clean()),
                report("", linux, stale, clean()),
            ],
            Some(old),
        ),
        (
            [
                report(A, linux, stale, clean()),
                report(A, linux, stale, clean()),
            ],
            Some(old),
        ),
    ] {
        let host = FakeHost::new().reports(&reports);
        let found = judge(&[APP], &scanned(&json!({"maximumReportAge": "7d"})), &host);
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(found.lines, expected, "{reports:?}");
    }
    // Without a limit of age the worst counts, however old.
    let host = FakeHost::new().reports(&[
        report(A, linux, fresh, clean()),
        report(A, linux, stale, json!([finding])),
    ]);
    assert_eq!(
        judge(&[APP], &scanned(&json!({})), &host).lines,
        [vulnerabilities(APP, bad)]
    );
}

#[test]
fn a_finding_without_package_or_version_is_named_by_its_id() {
    let finding = json!({"cve": "CVE-1", "severity": "HIGH"});
    let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
    assert_eq!(
        judge(&[APP], &scanned(&json!({})), &host).lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 1 high (0 allowed); CVE-1 (no fix)"
        )]
    );
}

#[test]
fn a_report_of_unknown_or_great_age_is_refused_for_that() {
    let scanned_at = |time: Value| {
        let mut report = of_app(&json!([]));
        report["metadata"] = json!({"creationTimestamp": time});
        report
    };
    let unknown = Some("whose vulnerability report is of unknown age");
    for (time, reason) in [
        (json!("2026-01-24T00:00:00Z"), None),
        (
            json!("2026-01-23T23:00:00Z"),
            Some("whose vulnerability report is over 7d old, and 7d is allowed"),
        ),
        (
            json!("2025-12-31T00:00:00Z"),
            Some("whose vulnerability report is over 31d old, and 7d is allowed"),
        ),
        (json!(null), unknown),
        (json!("yesterday"), unknown),
        (json!("2027-01-01T00:00:00Z"), unknown),
        // Clocks differ by some minutes.
        (json!("2026-01-31T00:05:00Z"), None),
        (json!("2026-01-31T00:05:01Z"), unknown),
    ] {
        let host = FakeHost::new().reports(&[scanned_at(time.clone())]);
        let found = judge(&[APP], &scanned(&json!({"maximumReportAge": "7d"})), &host);
        let expected: Vec<String> = reason.iter().map(|why| vulnerabilities(APP, why)).collect();
        assert_eq!(found.lines, expected, "{time}");
    }
}

#[test]
fn each_severity_has_a_maximum_of_its_own_whoever_has_scanned() {
    for (word, key, named) in [
        ("CRITICAL", "critical", "critical"),
        ("HIGH", "high", "high"),
        ("MEDIUM", "medium", "medium"),
        ("LOW", "low", "low"),
        ("UNKNOWN", "unknown", "of unknown severity"),
    ] {
        let by_sbomscanner = of_app(&json!([{"cve": "CVE-1", "severity": word,
            "packageName": "ssl", "installedVersion": "1", "fixedVersions": ["2"]}]));
        let by_trivy = json!({"report": {"registry": {"server": "ghcr.io"},
            "artifact": {"repository": "org/app", "tag": "1"},
            "vulnerabilities": [{"vulnerabilityID": "CVE-1", "severity": word,
                "resource": "ssl", "installedVersion": "1", "fixedVersion": "2"}]}});
        for (source, report) in [
            ("sbomscanner", by_sbomscanner),
            ("trivy-operator", by_trivy),
        ] {
            let host = FakeHost::new().reports(&[report]);
            let judged = |maximum: Value| {
                let settings = json!({"vulnerabilities": {"source": source, "maximum": maximum}});
                judge(&[APP], &settings, &host).lines
            };
            let why = format!(
                "which has vulnerabilities: 1 {named} (0 allowed); CVE-1 in ssl 1 (fixed in 2)"
            );
            assert_eq!(judged(json!({key: 0})), [vulnerabilities(APP, &why)]);
            assert_eq!(judged(json!({key: 1})), [""; 0], "{source}: {word}");
            let mut others = json!({"critical": 0, "high": 0, "medium": 0, "low": 0, "unknown": 0});
            others[key] = Value::Null;
            assert_eq!(judged(others), [""; 0], "{source}: {word}");
        }
    }
}

#[test]
fn three_findings_are_named_and_the_others_are_counted() {
    let finding = |index| json!({"cve": format!("CVE-{index}"), "severity": "HIGH"});
    let named = "CVE-1 (no fix), CVE-2 (no fix), CVE-3 (no fix)";
    for (count, more) in [(3, ""), (4, " and 1 more"), (5, " and 2 more")] {
        let findings: Vec<Value> = (1..=count).map(finding).collect();
        let host = FakeHost::new().reports(&[of_app(&json!(findings))]);
        let why = format!("which has vulnerabilities: {count} high (0 allowed); {named}{more}");
        assert_eq!(
            judge(&[APP], &scanned(&json!({})), &host).lines,
            [vulnerabilities(APP, &why)]
        );
    }
}

#[test]
fn a_finding_of_trivy_without_a_fix_has_none() {
    let report = json!({"report": {"registry": {"server": "ghcr.io"},
        "artifact": {"repository": "org/app", "tag": "1"},
        "vulnerabilities": [
            {"vulnerabilityID": "CVE-1", "severity": "HIGH", "fixedVersion": ""},
            {"vulnerabilityID": "CVE-2", "severity": "HIGH"}]}});
    let host = FakeHost::new().reports(&[report]);
    assert_eq!(
        judge(
            &[APP],
            &json!({"vulnerabilities": {"source": "trivy-operator"}}),
            &host
        )
        .lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 2 high (0 allowed); CVE-1 (no fix), CVE-2 (no fix)"
        )]
    );
}

#[test]
fn the_reports_of_each_repository_are_asked_for_once() {
    let host = FakeHost::new().reports(&[]);
    let images = ["ghcr.io/org/app:1", "ghcr.io/org/app:2", "ghcr.io/org/db:1"];
    judge(&images, &scanned(&json!({})), &host);
    let selectors: Vec<Value> = host
        .calls()
        .into_iter()
        .filter(|(capability, _)| capability == "kubernetes/list_resources_by_namespace")
        .map(|(_, question)| question["field_selector"].clone())
        .collect();
    assert_eq!(
        selectors,
        [
            "imageMetadata.repository=org/app",
            "imageMetadata.repository=org/db"
        ]
    );
}

#[test]
fn of_several_reports_about_an_image_the_worst_counts() {
    let finding = |id: &str| json!({"cve": id, "severity": "HIGH", "packageName": "p", "installedVersion": "1"});
    let reports = [
        of_app(&json!([])),
        of_app(&json!([finding("CVE-1"), finding("CVE-2")])),
        of_app(&json!([finding("CVE-1")])),
    ];
    let host = FakeHost::new().reports(&reports);
    assert_eq!(
        judge(&[APP], &scanned(&json!({})), &host).lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 2 high (0 allowed); CVE-1 in p 1 (no fix), CVE-2 in p 1 (no fix)"
        )]
    );
}

#[test]
fn a_missing_report_is_what_the_settings_say() {
    for (word, lines, warnings) in [
        (
            "reject",
            vec![vulnerabilities(APP, "which no vulnerability report covers")],
            vec![],
        ),
        (
            "warn",
            vec![],
            vec!["vulnerabilities: container \"c0\": no vulnerability report covers its image"],
        ),
        ("accept", vec![], vec![]),
    ] {
        let host = FakeHost::new().reports(&[]);
        let found = judge(&[APP], &scanned(&json!({"missingReport": word})), &host);
        assert_eq!(found.lines, lines, "{word}");
        assert_eq!(found.warnings, warnings, "{word}");
    }
}

#[test]
fn reports_that_cannot_be_read_are_not_missing() {
    const LIST: &str = "kubernetes/list_resources_by_namespace";
    let settings = scanned(&json!({"missingReport": "accept"}));
    let refused = |host: FakeHost, reason: &str, calls: usize| {
        let reason = format!("whose vulnerability reports cannot be read{reason}");
        assert_eq!(
            judge(&[APP], &settings, &host).lines,
            [vulnerabilities(APP, &reason)]
        );
        assert_eq!(host.calls().len(), calls);
    };
    // A list would never return: it is not asked for.
    let forbidden = "Callback evaluation failure: ApiError: vulnerabilityreports is forbidden: 403";
    let host = FakeHost::new()
        .fails(GET, json!({}), forbidden)
        .reports(&[]);
    refused(
        host,
        ": ApiError: vulnerabilityreports is forbidden: 403",
        1,
    );
    let denied = format!(" because the policy server does not allow it: {DENIED}");
    refused(FakeHost::new().fails(GET, json!({}), DENIED), &denied, 1);
    refused(
        FakeHost::new().fails(LIST, json!({}), DENIED).reports(&[]),
        &denied,
        2,
    );
    let host = FakeHost::new()
        .fails(LIST, json!({}), "Callback evaluation failure: no")
        .reports(&[]);
    refused(host, ": no", 2);
    let garbage = ": the answer of kubernetes/list_resources_by_namespace cannot be read: it lacks what is asked for";
    for answer in [
        json!({}),
        json!({"items": null}),
        json!({"items": {}}),
        json!({"items": [{}]}),
        json!({"items": [of_app(&json!({}))]}),
        json!({"items": [of_app(&json!([{"severity": "LOW"}]))]}),
    ] {
        refused(
            FakeHost::new().found(LIST, json!({}), answer).reports(&[]),
            garbage,
            2,
        );
    }
}
