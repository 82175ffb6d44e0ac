//! What the supply-chain controls ask the host, and what they make of each answer.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong must fail, and say where"
)]

use std::cell::RefCell;

use container_security::{Host, validate};
use container_security_test_kit::requests;
use serde_json::{Value, json};

const APP: &str = "ghcr.io/org/app:1";
const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// 2026-01-31T00:00:00Z.
const NOW: i64 = 1_769_817_600;

// What the host says, in its own words.
const MISSING: &str = "Callback evaluation failure: Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: pubKey";
const UNSIGNED: &str =
    "Callback evaluation failure: no signatures found for image: ghcr.io/org/app:1 ";
const UNKNOWN: &str = "Callback evaluation failure: Fail to interact with OCI registry: Registry error: url https://ghcr.io/v2/org/app/manifests/1, envelope: OCI API errors: [OCI API error: manifest unknown]\n\nCaused by:\n    0: Registry error";
const DOWN: &str = "Callback evaluation failure: error sending request for url (https://ghcr.io/)\n\nCaused by:\n    0: x";
const DENIED: &str = "Policy has not been granted access to the 'x' host capability. The violation has been reported.";

// ---- signatures

#[test]
fn each_outcome_of_a_verification_has_a_message_of_its_own() {
    let app = by_digest(A);
    let cannot = |text: &str| format!("whose signatures cannot be verified: {text}");
    let untrusted = "which no trusted authority has signed".to_owned();
    let mut said = Vec::new();
    for (image, answer, reason) in [
        (
            app.as_str(),
            Ok(json!({"is_trusted": true, "digest": B})),
            format!("whose signature is for another digest: \"{B}\""),
        ),
        (
            app.as_str(),
            Ok(json!({"is_trusted": false, "digest": A})),
            untrusted.clone(),
        ),
        (APP, Err(MISSING), untrusted.clone()),
        (
            APP,
            Err(
                "Callback evaluation failure: failed to get image trusted layers: No Signature Layer passed verification",
            ),
            untrusted,
        ),
        (APP, Err(UNSIGNED), NOT_SIGNED.to_owned()),
        (
            APP,
            Err(DOWN),
            cannot("error sending request for url (https://ghcr.io/)"),
        ),
        (
            APP,
            Err(
                "Callback evaluation failure: failed to get image trusted layers: Cannot fetch manifest of ghcr.io/org/app:1: [OCI API error: manifest unknown]",
            ),
            cannot(
                "failed to get image trusted layers: Cannot fetch manifest of ghcr.io/org/app:1: [OCI API error: manifest unknown]",
            ),
        ),
        (
            APP,
            Err("Error obtaining response over callback channel"),
            cannot("Error obtaining response over callback channel"),
        ),
        (
            APP,
            Err(DENIED),
            cannot(DENIED).replace(
                "verified:",
                "verified because the policy server does not allow it:",
            ),
        ),
        (
            APP,
            Ok(json!({"is_trusted": true})),
            cannot("the answer of oci/v2/verify cannot be read: it lacks what is asked for"),
        ),
        (
            APP,
            Ok(json!({"is_trusted": "true", "digest": A})),
            cannot("the answer of oci/v2/verify cannot be read: it lacks what is asked for"),
        ),
    ] {
        let host = FakeHost::new().row("oci/v2/verify", json!({}), answer);
        let found = judge(&[image], &signed(json!([{"publicKeys": [KEY]}])), &host);
        assert_eq!(found.lines, [signatures(image, &reason)]);
        assert_eq!(found.warnings, Vec::<String>::new());
        said.push(reason);
    }
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 8);
}

#[test]
fn an_answer_that_is_no_json_is_not_trust() {
    let host = FakeHost::new().raw("oci/v2/verify", b"\xff{\"is_trusted\":true}");
    let found = judge(&[APP], &signed(json!([{"publicKeys": [KEY]}])), &host);
    assert_eq!(
        found.lines,
        [signatures(
            APP,
            "whose signatures cannot be verified: the answer of oci/v2/verify cannot be read: it is not valid JSON at byte 1"
        )]
    );
}

#[test]
fn a_digest_is_verified_silently_and_a_tag_with_a_warning_that_names_its_digest() {
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    let host = FakeHost::new().found("oci/v2/verify", json!({}), trusted(A));
    for image in [by_digest(A), format!("{APP}@{A}")] {
        let found = judge(&[&image], &settings, &host);
        assert_eq!((found.lines, found.warnings), (vec![], vec![]), "{image}");
    }
    let found = judge(&[APP, APP], &settings, &host);
    assert_eq!(found.lines, Vec::<String>::new());
    assert_eq!(
        found.warnings,
        [0, 1].map(|index| format!(
            "signatures: container \"c{index}\": write the verified digest {A} into \
             spec.containers[{index}].image: a tag can move"
        ))
    );
}

#[test]
fn what_is_asked_of_each_authority_is_the_hosts_own_form() {
    let issuer = "https://token.actions.githubusercontent.com";
    let bytes = |text: &str| text.bytes().map(Value::from).collect::<Vec<_>>();
    for (authority, request) in [
        (
            json!({"publicKeys": [KEY, KEY]}),
            json!({"type": "SigstorePubKeyVerify", "pub_keys": [KEY, KEY]}),
        ),
        (
            json!({"keyless": {"issuer": issuer, "subject": "me@org.example"}}),
            json!({"type": "SigstoreKeylessVerify",
                "keyless": [{"issuer": issuer, "subject": "me@org.example"}]}),
        ),
        (
            json!({"keyless": {"issuer": issuer, "subjectPrefix": "https://github.com/org/"}}),
            json!({"type": "SigstoreKeylessPrefixVerify",
                "keyless_prefix": [{"issuer": issuer, "url_prefix": "https://github.com/org/"}]}),
        ),
        (
            json!({"githubActions": {"owner": "org"}}),
            json!({"type": "SigstoreGithubActionsVerify", "owner": "org", "repo": null}),
        ),
        (
            json!({"githubActions": {"owner": "org", "repo": "app"}}),
            json!({"type": "SigstoreGithubActionsVerify", "owner": "org", "repo": "app"}),
        ),
        (
            json!({"certificate": {"pem": PEM}}),
            json!({"type": "SigstoreCertificateVerify", "certificate": bytes(PEM),
                "certificate_chain": null, "require_rekor_bundle": true}),
        ),
        (
            json!({"certificate": {"pem": PEM, "chain": [PEM], "requireRekorBundle": false}}),
            json!({"type": "SigstoreCertificateVerify", "certificate": bytes(PEM),
                "certificate_chain": [bytes(PEM)], "require_rekor_bundle": false}),
        ),
    ] {
        for annotations in [json!(null), json!({"env": "prod", "a": "b"})] {
            let mut settings = signed(json!([authority]));
            settings["signatures"]["rules"][0]["annotations"] = annotations.clone();
            let host = FakeHost::new().found("oci/v2/verify", json!({}), trusted(A));
            assert_eq!(judge(&[APP], &settings, &host).lines, Vec::<String>::new());
            let mut request = request.clone();
            request["image"] = APP.into();
            request["annotations"] = annotations;
            assert_eq!(host.calls(), [("oci/v2/verify".to_owned(), request)]);
        }
    }
}

#[test]
fn authorities_are_asked_in_their_order_until_one_has_signed() {
    let owners = |names: &[&str]| {
        let any_of: Vec<Value> = names
            .iter()
            .map(|name| json!({"githubActions": {"owner": name}}))
            .collect();
        signed(any_of.into())
    };
    let settings = owners(&["a", "b", "c"]);
    let expired = "Callback evaluation failure: certificate has expired";
    let unreachable = "Callback evaluation failure: failed to get image trusted layers: Cannot fetch manifest of ghcr.io/org/app:1: down";
    for (first, asked, reason) in [
        (Ok(trusted(A)), 1, None),
        (Err(MISSING), 2, None),
        // What is wrong with one authority need not be wrong with the next.
        (Err(expired), 2, None),
        // What is wrong with the image is wrong with all.
        (Err(UNSIGNED), 1, Some(NOT_SIGNED.to_owned())),
        (
            Err(unreachable),
            1,
            Some("whose signatures cannot be verified: failed to get image trusted layers: Cannot fetch manifest of ghcr.io/org/app:1: down".to_owned()),
        ),
        (
            Err(DENIED),
            1,
            Some(format!(
                "whose signatures cannot be verified because the policy server does not allow it: {DENIED}"
            )),
        ),
    ] {
        let host = FakeHost::new()
            .row("oci/v2/verify", json!({"owner": "a"}), first)
            .found("oci/v2/verify", json!({"owner": "b"}), trusted(A));
        let found = judge(&[APP], &settings, &host);
        let expected: Vec<String> = reason.iter().map(|why| signatures(APP, why)).collect();
        assert_eq!(found.lines, expected);
        let owners: Vec<Value> = host.calls().iter().map(|(_, call)| call["owner"].clone()).collect();
        assert_eq!(owners, ["a", "b"][..asked]);
    }
    // Where none has signed, the first failure says more than that.
    let host = FakeHost::new()
        .fails("oci/v2/verify", json!({"owner": "b"}), expired)
        .fails("oci/v2/verify", json!({}), MISSING);
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [signatures(
            APP,
            "whose signatures cannot be verified: certificate has expired"
        )]
    );
    assert_eq!(host.calls().len(), 3);
}

#[test]
fn inside_an_authority_everything_must_verify_and_be_of_one_digest() {
    let settings = signed(json!([{"publicKeys": [KEY], "githubActions": {"owner": "org"}}]));
    let with = |second: Result<Value, &'static str>| {
        let host = FakeHost::new()
            .found(
                "oci/v2/verify",
                json!({"type": "SigstorePubKeyVerify"}),
                trusted(A),
            )
            .row(
                "oci/v2/verify",
                json!({"type": "SigstoreGithubActionsVerify"}),
                second,
            );
        let found = judge(&[&by_digest(A)], &settings, &host);
        assert_eq!(host.calls().len(), 2);
        found.lines
    };
    assert_eq!(with(Ok(trusted(A))), Vec::<String>::new());
    assert_eq!(
        with(Err(MISSING)),
        [signatures(
            &by_digest(A),
            "which no trusted authority has signed"
        )]
    );
    assert_eq!(
        with(Ok(trusted(B))),
        [signatures(
            &by_digest(A),
            "whose signatures cannot be verified: the image changes while it is verified"
        )]
    );
}

#[test]
fn an_image_must_satisfy_every_rule_that_matches_it() {
    let rule = |images: &str, owner: &str| json!({"images": [images], "anyOf": [{"githubActions": {"owner": owner}}]});
    let mut settings = json!({"signatures": {"rules": [
        rule("ghcr.io/org", "a"), rule("quay.io", "b"), rule("ghcr.io/org/app", "c"),
    ]}});
    let with = |answer| {
        FakeHost::new()
            .found("oci/v2/verify", json!({"owner": "a"}), trusted(A))
            .row("oci/v2/verify", json!({"owner": "c"}), answer)
    };
    let host = with(Ok(trusted(A)));
    assert_eq!(
        judge(&[&by_digest(A)], &settings, &host).lines,
        Vec::<String>::new()
    );
    assert_eq!(host.calls().len(), 2);
    let host = with(Err(UNSIGNED));
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [signatures(APP, NOT_SIGNED)]
    );
    let host = with(Ok(trusted(B)));
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [signatures(
            APP,
            &format!("whose signature is for another digest: \"{B}\"")
        )]
    );

    let other = "ghcr.io/org-evil/app:1";
    let host = FakeHost::new();
    assert_eq!(
        judge(&[other], &settings, &host).lines,
        [signatures(
            other,
            "which no rule of signatures.rules matches"
        )]
    );
    settings["signatures"]["unmatched"] = "accept".into();
    let found = judge(&[other], &settings, &host);
    assert_eq!((found.lines, found.warnings), (vec![], vec![]));
    assert_eq!(host.calls(), []);
}

// ---- vulnerabilities

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

// ---- imageFreshness

#[test]
fn an_age_is_judged_where_it_is_known() {
    let unknown = Some("whose age is unknown: it does not say when it was built".to_owned());
    let future = Some(
        "whose age is unknown: by the policy server's clock it was built in the future".to_owned(),
    );
    let old = |days: u32| {
        Some(format!(
            "which was built over {days}d ago, and 30d is allowed"
        ))
    };
    for (created, reason) in [
        (json!("2026-01-01T00:00:00Z"), None),
        (json!("2025-12-31T23:00:00Z"), old(30)),
        (json!("2024-01-31T00:00:00.123456789Z"), old(731)),
        // Clocks differ by some minutes.
        (json!("2026-01-31T00:04:59Z"), None),
        (json!("2026-01-31T00:05:01Z"), future.clone()),
        (json!("2099-01-01T00:00:00Z"), future.clone()),
        (json!("1970-01-01T00:00:00Z"), unknown.clone()),
        (json!("0001-01-01T00:00:00Z"), unknown.clone()),
        (json!("yesterday"), unknown.clone()),
        (json!(7), unknown.clone()),
        (json!(null), unknown.clone()),
    ] {
        let answer = json!({"manifest": {}, "config": {"created": created}, "digest": A});
        let host = FakeHost::new().found(CONFIG, json!(APP), answer);
        let mut settings = fresh(&json!({"maximumAge": "30d"}));
        let expected: Vec<String> = reason.iter().map(|why| freshness(APP, why)).collect();
        assert_eq!(judge(&[APP], &settings, &host).lines, expected, "{created}");
        settings["imageFreshness"]["unknownAge"] = "accept".into();
        let is_unknown = reason == unknown || reason == future;
        let expected = if is_unknown { vec![] } else { expected };
        assert_eq!(judge(&[APP], &settings, &host).lines, expected, "{created}");
    }
}

#[test]
fn an_image_that_cannot_be_looked_up_is_refused_for_that() {
    for (answer, reason) in [
        (Err(UNKNOWN), "which its registry does not have".to_owned()),
        (
            Err(DOWN),
            "which cannot be looked up: error sending request for url (https://ghcr.io/)".to_owned(),
        ),
        (
            Err(DENIED),
            format!("which cannot be looked up because the policy server does not allow it: {DENIED}"),
        ),
        (
            Ok(json!({"config": {"created": "2026-01-01T00:00:00Z"}})),
            "which cannot be looked up: the answer of oci/v1/oci_manifest_config cannot be read: it lacks what is asked for".to_owned(),
        ),
    ] {
        let host = FakeHost::new().row(CONFIG, json!(APP), answer);
        let settings = fresh(&json!({"maximumAge": "30d", "unknownAge": "accept"}));
        assert_eq!(judge(&[APP], &settings, &host).lines, [freshness(APP, &reason)]);
    }
}

#[test]
fn a_base_image_is_current_while_its_name_means_the_recorded_digest() {
    let index = |digests: &[&str]| -> Value {
        let list: Vec<Value> = digests
            .iter()
            .map(|digest| json!({"digest": digest}))
            .collect();
        json!({"manifests": list})
    };
    let moved = "has moved on, from \"sha256:aaaaaaaaaaaa\" to \"sha256:bbbbbbbbbbbb\"".to_owned();
    let digest = |digest: &str| Ok(json!({"digest": digest}));
    for (now, platforms, reason) in [
        (digest(A), None, None),
        (digest(B), Some(Ok(index(&[B, A]))), None),
        (digest(B), Some(Ok(index(&[B]))), Some(moved.clone())),
        (
            digest(B),
            Some(Ok(json!({"layers": []}))),
            Some(moved.clone()),
        ),
        (digest(B), Some(Err(UNKNOWN)), Some(moved)),
        (
            digest(B),
            Some(Err(DOWN)),
            Some(
                "cannot be looked up: error sending request for url (https://ghcr.io/)".to_owned(),
            ),
        ),
        (
            Err(UNKNOWN),
            None,
            Some("is gone from its registry".to_owned()),
        ),
        (
            Err(DOWN),
            None,
            Some(
                "cannot be looked up: error sending request for url (https://ghcr.io/)".to_owned(),
            ),
        ),
    ] {
        let calls = if platforms.is_some() { 4 } else { 3 };
        let host = FakeHost::new()
            .found(CONFIG, json!({}), built_on("debian:13", A))
            .row(DIGEST, json!("debian:13"), now)
            .row(MANIFEST, json!("debian:13"), platforms.unwrap_or(Err(DOWN)));
        let other = "ghcr.io/org/other:1";
        let found = judge(&[APP, other], &current(), &host);
        let mut expected = vec![];
        for (index, image) in [APP, other].iter().enumerate() {
            expected.extend(reason.iter().map(|why| {
                let why = format!("whose base image \"debian:13\" {why}");
                line("imageFreshness", index, image, &why, REBUILT)
            }));
        }
        assert_eq!(found.lines, expected);
        // Two images, and their one base once.
        assert_eq!(host.calls().len(), calls);
    }
}

#[test]
fn a_base_image_is_recorded_in_annotations_or_in_labels() {
    let of = |annotations: Value, labels: Value| {
        json!({"manifest": {"annotations": annotations},
            "config": {"config": {"Labels": labels}}, "digest": A})
    };
    let base = |name: &str| {
        json!({"org.opencontainers.image.base.name": name,
            "org.opencontainers.image.base.digest": A})
    };
    let half = |key: &str, value: &str| json!({key: value});
    let digest_alone = half("org.opencontainers.image.base.digest", A);
    let mut empty_digest = base("a:1");
    empty_digest["org.opencontainers.image.base.digest"] = "".into();
    for (answer, asked) in [
        (of(base("a:1"), json!(null)), Some("a:1")),
        (of(json!(null), base("b:1")), Some("b:1")),
        (of(base("a:1"), base("b:1")), Some("a:1")),
        // Name and digest come from one source.
        (of(digest_alone.clone(), base("b:1")), Some("b:1")),
        (
            of(
                digest_alone,
                half("org.opencontainers.image.base.name", "b:1"),
            ),
            None,
        ),
        // What is empty is not there.
        (of(base(""), base("b:1")), Some("b:1")),
        (of(empty_digest.clone(), base("b:1")), Some("b:1")),
        (of(base(""), json!(null)), None),
        (of(empty_digest, json!(null)), None),
        (of(json!({}), json!({})), None),
        (
            of(
                half("org.opencontainers.image.base.name", "a:1"),
                json!(null),
            ),
            None,
        ),
    ] {
        let host = FakeHost::new().found(CONFIG, json!(APP), answer).found(
            DIGEST,
            json!({}),
            json!({"digest": A}),
        );
        let lines = judge(&[APP], &current(), &host).lines;
        match asked {
            Some(name) => {
                assert_eq!(lines, Vec::<String>::new());
                assert_eq!(host.calls()[1], (DIGEST.to_owned(), json!(name)));
            }
            None => assert_eq!(
                lines,
                [freshness(
                    APP,
                    "whose base image is unknown: it has no annotations org.opencontainers.image.base.name and .base.digest"
                )]
            ),
        }
    }
}

#[test]
fn a_date_that_build_tools_write_for_none_gives_way_to_the_label() {
    let unknown = "whose age is unknown: it does not say when it was built";
    let old = "which was built over 395d ago, and 30d is allowed";
    let label = |date: &str| json!({"org.opencontainers.image.created": date});
    let answer = |created: &str, annotations: Value, labels: Value| {
        json!({"manifest": {"annotations": annotations}, "digest": A,
            "config": {"created": created, "config": {"Labels": labels}}})
    };
    let (recent, past) = ("2026-01-30T00:00:00Z", "2025-01-01T00:00:00Z");
    let none = || json!(null);
    for (answer, reason) in [
        (
            answer("1980-01-01T00:00:01Z", none(), none()),
            Some(unknown),
        ),
        (
            answer("1970-01-01T00:00:01Z", none(), none()),
            Some(unknown),
        ),
        (
            answer("1989-12-31T23:59:59Z", none(), none()),
            Some(unknown),
        ),
        (
            answer("1990-01-01T00:00:00Z", none(), none()),
            Some("which was built over 13179d ago, and 30d is allowed"),
        ),
        (answer("1980-01-01T00:00:01Z", none(), label(recent)), None),
        (
            answer("1980-01-01T00:00:01Z", none(), label(past)),
            Some(old),
        ),
        (
            answer("1980-01-01T00:00:01Z", label(recent), label(past)),
            None,
        ),
        (
            answer("1980-01-01T00:00:01Z", label(""), label(past)),
            Some(old),
        ),
        (answer("", none(), label(past)), Some(old)),
        (
            answer(
                "1980-01-01T00:00:01Z",
                none(),
                label("1980-01-01T00:00:01Z"),
            ),
            Some(unknown),
        ),
        // A true date of the configuration is not overruled.
        (answer(past, none(), label(recent)), Some(old)),
    ] {
        let host = FakeHost::new().found(CONFIG, json!(APP), answer.clone());
        let found = judge(&[APP], &fresh(&json!({"maximumAge": "30d"})), &host);
        let expected: Vec<String> = reason.iter().map(|why| freshness(APP, why)).collect();
        assert_eq!(found.lines, expected, "{answer}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_base_image_is_looked_up_by_its_tag_and_only_where_the_settings_allow() {
    let without_tag = |name: &str| {
        Some(format!(
            "whose base image is unknown: \"{name}\" has no tag that could be looked up"
        ))
    };
    let not_allowed = |name: &str, who: &str| {
        Some(format!(
            "whose base image is unknown: \"{name}\" is not looked up, because {who} it"
        ))
    };
    let of_bases = "imageFreshness.baseRegistries does not allow";
    let of_registries = "without imageFreshness.baseRegistries, registries.allow must allow";
    let at = |digest: &str| format!("myacr.azurecr.io/base/os:1@{digest}");
    let only_bases = json!({"baseImage": "current", "baseRegistries": ["myacr.azurecr.io/base"]});
    for (name, settings, registries, asked, reason) in [
        (
            "myacr.azurecr.io/base/os:1".to_owned(),
            only_bases.clone(),
            json!(null),
            Some("myacr.azurecr.io/base/os:1"),
            None,
        ),
        // The recorded digest would always be current.
        (
            at(A),
            only_bases.clone(),
            json!(null),
            Some("myacr.azurecr.io/base/os:1"),
            None,
        ),
        (
            at(B),
            only_bases.clone(),
            json!(null),
            Some("myacr.azurecr.io/base/os:1"),
            None,
        ),
        (
            format!("myacr.azurecr.io/base/os@{A}"),
            only_bases.clone(),
            json!(null),
            None,
            without_tag(&format!("myacr.azurecr.io/base/os@{A}")),
        ),
        (
            "myacr.azurecr.io/base/os".to_owned(),
            only_bases.clone(),
            json!(null),
            None,
            without_tag("myacr.azurecr.io/base/os"),
        ),
        (
            "no reference:1".to_owned(),
            only_bases.clone(),
            json!(null),
            None,
            without_tag("no reference:1"),
        ),
        (
            "10.0.0.1:6443/api:1".to_owned(),
            only_bases.clone(),
            json!(null),
            None,
            not_allowed("10.0.0.1:6443/api:1", of_bases),
        ),
        (
            "myacr.azurecr.io/other/os:1".to_owned(),
            only_bases,
            json!({"allow": ["myacr.azurecr.io", "ghcr.io"]}),
            None,
            not_allowed("myacr.azurecr.io/other/os:1", of_bases),
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!(null),
            None,
            not_allowed("debian:13", of_registries),
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!({"reject": ["quay.io"]}),
            None,
            not_allowed("debian:13", of_registries),
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!({"allow": ["ghcr.io"]}),
            None,
            not_allowed("debian:13", of_registries),
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!({"allow": ["ghcr.io", "docker.io/library"]}),
            Some("debian:13"),
            None,
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!({"mode": "disabled", "allow": ["ghcr.io", "docker.io/library"]}),
            Some("debian:13"),
            None,
        ),
        (
            "debian:13".to_owned(),
            json!({"baseImage": "current"}),
            json!({"allow": ["ghcr.io", "docker.io/library"], "reject": ["docker.io/library/debian"]}),
            None,
            not_allowed("debian:13", of_registries),
        ),
    ] {
        let host = FakeHost::new()
            .found(CONFIG, json!({}), built_on(&name, A))
            .found(DIGEST, json!({}), json!({"digest": A}));
        let mut settings = fresh(&settings);
        settings["registries"] = registries;
        let expected: Vec<String> = reason.iter().map(|why| freshness(APP, why)).collect();
        assert_eq!(judge(&[APP], &settings, &host).lines, expected, "{name}");
        let lookups: Vec<Value> = host.calls()[1..]
            .iter()
            .map(|(_, call)| call.clone())
            .collect();
        let expected: Vec<Value> = asked.iter().map(|name| json!(name)).collect();
        assert_eq!(lookups, expected, "{name}");
        // Bases alone, which may be looked up nowhere and be unknown, are no valid settings.
        settings["imageFreshness"]["maximumAge"] = "90d".into();
        settings["imageFreshness"]["unknownBase"] = "accept".into();
        assert_eq!(judge(&[APP], &settings, &host).lines, [""; 0], "{name}");
    }
    // The tag has moved on, whatever the name says of a digest.
    let host = FakeHost::new()
        .found(CONFIG, json!({}), built_on(&format!("debian:13@{A}"), A))
        .found(DIGEST, json!("debian:13"), json!({"digest": B}))
        .found(MANIFEST, json!("debian:13"), json!({"layers": []}));
    let why = format!(
        "whose base image \"debian:13@{A}\" has moved on, from \"sha256:aaaaaaaaaaaa\" to \"sha256:bbbbbbbbbbbb\""
    );
    assert_eq!(
        judge(&[APP], &current(), &host).lines,
        [freshness(APP, &why)]
    );
}

#[test]
fn an_image_without_base_annotations_is_up_to_the_settings() {
    let host = FakeHost::new().found(CONFIG, json!({}), json!({"manifest": {}, "digest": A}));
    let mut settings = current();
    assert_eq!(judge(&[APP], &settings, &host).lines.len(), 1);
    settings["imageFreshness"]["unknownBase"] = "accept".into();
    assert_eq!(judge(&[APP], &settings, &host).lines, [""; 0]);
}

#[test]
fn of_an_index_without_the_hosts_platform_every_image_is_judged() {
    const NO_PLATFORM: &str = "Callback evaluation failure: Fail to interact with OCI registry: Image manifest not found: no entry found in image index manifest matching client's default platform";
    let entry = |digest: &str, os: &str| json!({"digest": digest, "platform": {"os": os, "architecture": if os == "unknown" { "unknown" } else { "amd64" }}});
    let built =
        |created: &str| json!({"manifest": {}, "config": {"created": created}, "digest": A});
    let (recent, past) = ("2026-01-30T00:00:00Z", "2025-01-01T00:00:00Z");
    let old = "which was built over 395d ago, and 30d is allowed";
    let cannot = "which cannot be looked up: Fail to interact with OCI registry: Image manifest not found: no entry found in image index manifest matching client's default platform";
    let host = |entries: Vec<Value>, of_a: Result<Value, &str>, of_b: Result<Value, &str>| {
        FakeHost::new()
            .fails(CONFIG, json!(APP), NO_PLATFORM)
            .found(MANIFEST, json!(APP), json!({"manifests": entries}))
            .row(CONFIG, json!(by_digest(A)), of_a)
            .row(CONFIG, json!(by_digest(B)), of_b)
    };
    let settings = fresh(&json!({"maximumAge": "30d"}));
    let both = || vec![entry(A, "windows"), entry(B, "windows")];
    for (host, calls, reason) in [
        (host(both(), Ok(built(recent)), Ok(built(recent))), 4, None),
        (
            host(both(), Ok(built(recent)), Ok(built(past))),
            4,
            Some(old),
        ),
        (
            host(both(), Ok(built(past)), Ok(built(recent))),
            4,
            Some(old),
        ),
        (
            host(both(), Ok(built(recent)), Err(DOWN)),
            4,
            Some("which cannot be looked up: error sending request for url (https://ghcr.io/)"),
        ),
        (
            host(both(), Ok(built(recent)), Err(NO_PLATFORM)),
            4,
            Some(cannot),
        ),
        (
            host(both(), Ok(built(recent)), Err(UNKNOWN)),
            4,
            Some("which its registry does not have"),
        ),
        // Attestations are no images.
        (
            host(
                vec![entry(A, "windows"), entry(B, "unknown")],
                Ok(built(recent)),
                Err(DOWN),
            ),
            3,
            None,
        ),
        (
            host(vec![entry(B, "unknown")], Ok(built(recent)), Err(DOWN)),
            2,
            Some(cannot),
        ),
        (host(vec![], Err(DOWN), Err(DOWN)), 2, Some(cannot)),
        (
            host(vec![entry(A, "windows"); 8], Ok(built(recent)), Err(DOWN)),
            10,
            None,
        ),
        (
            host(vec![entry(A, "windows"); 9], Ok(built(recent)), Err(DOWN)),
            2,
            Some(cannot),
        ),
        (
            host(vec![json!({"platform": {}})], Err(DOWN), Err(DOWN)),
            2,
            Some(
                "which cannot be looked up: the answer of oci/v1/oci_manifest cannot be read: it lacks what is asked for",
            ),
        ),
    ] {
        let expected: Vec<String> = reason.iter().map(|why| freshness(APP, why)).collect();
        assert_eq!(judge(&[APP], &settings, &host).lines, expected);
        assert_eq!(host.calls().len(), calls, "{reason:?}");
    }
    // Every other failure is what it is.
    let host = FakeHost::new().fails(CONFIG, json!(APP), DOWN);
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls().len(), 1);
    // A short name is looked up by its whole one.
    let host = FakeHost::new()
        .fails(CONFIG, json!("nginx:1"), NO_PLATFORM)
        .found(
            MANIFEST,
            json!("nginx:1"),
            json!({"manifests": [entry(A, "windows")]}),
        )
        .found(
            CONFIG,
            json!(format!("docker.io/library/nginx@{A}")),
            built(recent),
        );
    assert_eq!(judge(&["nginx:1"], &settings, &host).lines, [""; 0]);
}

// ---- rootUser.imageUser

#[test]
fn the_user_of_an_image_is_a_number_other_than_root_or_refused() {
    let root = |user: &str| Some(format!("and the image's is {user:?}, which is root"));
    let name = |user: &str| {
        Some(format!(
            "and the image's is {user:?}, which no node can tell from root"
        ))
    };
    let absent = || root("");
    for (user, reason) in [
        (json!("1000"), None),
        (json!("1"), None),
        (json!("65532:65532"), None),
        (json!("1000:root"), None),
        (json!("2147483647"), None),
        (json!("00012"), None),
        (json!("0"), root("0")),
        (json!("00"), root("00")),
        (json!("0:1000"), root("0:1000")),
        (json!("root"), root("root")),
        (json!("root:root"), root("root:root")),
        (json!("nginx"), name("nginx")),
        (json!("nginx:1000"), name("nginx:1000")),
        (json!("ROOT"), name("ROOT")),
        (json!("1000 "), name("1000 ")),
        (json!("+1000"), name("+1000")),
        (json!("-1"), name("-1")),
        (json!("1000x"), name("1000x")),
        // What is no user id: containerd has taken the first for root.
        (json!("4294967296"), name("4294967296")),
        (json!("2147483648"), name("2147483648")),
        (json!("99999999999999999999"), name("99999999999999999999")),
        (json!(":1000"), name(":1000")),
        (json!(":"), name(":")),
        (json!(""), absent()),
        (json!(null), absent()),
        (json!(1000), absent()),
    ] {
        for require in ["runAsNonRoot", "nonRootUser"] {
            let host = FakeHost::new().found(CONFIG, json!(APP), run_as(&user));
            let mut settings = judging_images();
            settings["rootUser"]["require"] = require.into();
            let found = judge(&[APP], &settings, &host);
            let expected: Vec<String> = reason.iter().map(|why| of_user(0, why)).collect();
            assert_eq!(found.lines, expected, "{user}, {require}");
            assert_eq!(host.calls(), [(CONFIG.to_owned(), json!(APP))]);
        }
    }
    // Without a `config` of its own, or without any configuration.
    for answer in [
        json!({"manifest": {}, "config": {}}),
        json!({"manifest": {}}),
    ] {
        let host = FakeHost::new().found(CONFIG, json!(APP), answer);
        let expected = [of_user(0, &absent().unwrap())];
        assert_eq!(judge(&[APP], &judging_images(), &host).lines, expected);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn only_a_container_that_would_pass_without_a_user_is_asked_about() {
    let set = "set spec.containers[0].securityContext.runAsNonRoot to true";
    let unset = || {
        vec![format!(
            "rootUser: container \"c0\": securityContext.runAsNonRoot is not set, neither here nor for \
             the pod; {set}"
        )]
    };
    let root = |subject: &str, place: &str| {
        vec![format!(
            "rootUser: {subject}securityContext.runAsUser is 0, which is root; remove {place}.runAsUser"
        )]
    };
    let of_pod = || root("", "spec.securityContext");
    let of_container = || root("container \"c0\": ", "spec.containers[0].securityContext");
    let none = Vec::new;
    for (require, of_pod_written, written, is_asked, lines) in [
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({}),
            true,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({}),
            json!({"runAsNonRoot": true}),
            true,
            none(),
        ),
        ("runAsNonRoot", json!({}), json!({}), false, unset()),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true, "runAsUser": 7}),
            json!({}),
            false,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsUser": 7}),
            false,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true, "runAsUser": 0}),
            json!({}),
            false,
            of_pod(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsUser": 0}),
            false,
            of_container(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsNonRoot": false}),
            false,
            vec![format!(
                "rootUser: container \"c0\": securityContext.runAsNonRoot is false; {set}"
            )],
        ),
        // There the image's user is as good as a written one.
        ("nonRootUser", json!({}), json!({}), true, none()),
        (
            "nonRootUser",
            json!({"runAsNonRoot": true}),
            json!({}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsNonRoot": false}),
            json!({}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({}),
            json!({"runAsNonRoot": false}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsUser": 7}),
            json!({}),
            false,
            none(),
        ),
        (
            "nonRootUser",
            json!({}),
            json!({"runAsUser": 7}),
            false,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsNonRoot": true, "runAsUser": 0}),
            json!({}),
            false,
            of_pod(),
        ),
    ] {
        let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
        let mut object = pod(&[APP]);
        let spec = &mut object["spec"];
        spec["securityContext"]["runAsNonRoot"] = Value::Null;
        for (key, value) in of_pod_written.as_object().unwrap() {
            spec["securityContext"][key] = value.clone();
        }
        for (key, value) in written.as_object().unwrap() {
            spec["containers"][0]["securityContext"][key] = value.clone();
        }
        let mut settings = judging_images();
        settings["rootUser"]["require"] = require.into();
        let request = requests::create_request("Pod", object);
        let found = answer(&request, &settings, &host);
        let case = format!("{require}: {of_pod_written} {written}");
        assert_eq!(found.lines, lines, "{case}");
        assert_eq!(host.calls().len(), usize::from(is_asked), "{case}");
        // By default nobody asks.
        settings["rootUser"]["imageUser"] = "ignore".into();
        let host = willing();
        answer(&request, &settings, &host);
        assert_eq!(host.calls(), [], "{case}");
    }
}

#[test]
fn each_image_is_asked_about_once_whoever_wants_to_know_of_it() {
    let short = ["nginx:1", "docker.io/library/nginx:1", APP, "nginx:1"];
    let host = FakeHost::new().found(
        CONFIG,
        json!({}),
        json!({"digest": A, "config": {"created": "2026-01-30T00:00:00Z", "config": {"User": "1000"}},
            "manifest": {}}),
    );
    let mut settings = judging_images();
    settings["imageFreshness"] = fresh(&json!({"maximumAge": "30d"}))["imageFreshness"].clone();
    assert_eq!(judge(&short, &settings, &host).lines, [""; 0]);
    assert_eq!(
        host.calls(),
        ["nginx:1", APP].map(|image| (CONFIG.to_owned(), json!(image)))
    );
    // Of an image that is old and runs as root, both are said, and it is asked for once.
    let host = FakeHost::new().found(
        CONFIG,
        json!({}),
        json!({"digest": A, "config": {"created": "2025-01-01T00:00:00Z"}, "manifest": {}}),
    );
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [
            of_user(0, "and the image's is \"\", which is root"),
            freshness(APP, "which was built over 395d ago, and 30d is allowed"),
        ]
    );
    assert_eq!(host.calls().len(), 1);
    // So is one that cannot be looked up.
    let host = FakeHost::new().fails(CONFIG, json!({}), DOWN);
    assert_eq!(judge(&[APP], &settings, &host).lines.len(), 2);
    assert_eq!(host.calls().len(), 1);
}

#[test]
fn an_image_whose_user_cannot_be_looked_up_is_refused_for_that() {
    let cannot = "and the user of the image cannot be looked up";
    for (answer, reason) in [
        (
            Err(UNKNOWN),
            "and its registry does not have the image".to_owned(),
        ),
        (
            Err(DOWN),
            format!("{cannot}: error sending request for url (https://ghcr.io/)"),
        ),
        (
            Err(DENIED),
            format!("{cannot} because the policy server does not allow it: {DENIED}"),
        ),
        (
            Ok(json!({"config": {"config": {"User": "1000"}}})),
            format!(
                "{cannot}: the answer of oci/v1/oci_manifest_config cannot be read: it lacks what is \
                 asked for"
            ),
        ),
    ] {
        let host = FakeHost::new().row(CONFIG, json!(APP), answer);
        assert_eq!(
            judge(&[APP], &judging_images(), &host).lines,
            [of_user(0, &reason)]
        );
    }
}

#[test]
fn of_an_index_without_the_hosts_platform_every_user_counts() {
    const NO_PLATFORM: &str = "Callback evaluation failure: Image manifest not found: no entry found in image index manifest matching client's default platform";
    for (of_b, reason) in [
        ("1000", None),
        ("0", Some("and the image's is \"0\", which is root")),
    ] {
        let entry = |digest| json!({"digest": digest, "platform": {"os": "linux", "architecture": "arm64"}});
        let host = FakeHost::new()
            .fails(CONFIG, json!(APP), NO_PLATFORM)
            .found(
                MANIFEST,
                json!(APP),
                json!({"manifests": [entry(A), entry(B)]}),
            )
            .found(CONFIG, json!(by_digest(A)), run_as(&json!("1000")))
            .found(CONFIG, json!(by_digest(B)), run_as(&json!(of_b)));
        let expected: Vec<String> = reason.iter().map(|why| of_user(0, why)).collect();
        assert_eq!(judge(&[APP], &judging_images(), &host).lines, expected);
    }
}

#[test]
fn the_user_of_an_image_that_is_refused_exempt_or_of_windows_is_not_looked_up() {
    let unasked = |request: &Value, settings: &Value, lines: usize| {
        let host = rooted();
        assert_eq!(
            answer(request, settings, &host).lines.len(),
            lines,
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    };
    let request = requests::create_request("Pod", pod(&[APP]));
    let mut settings = judging_images();
    settings["registries"] = json!({"allow": ["quay.io"]});
    unasked(&request, &settings, 1);
    // One that is only warned of is pulled.
    settings["registries"]["mode"] = "warn".into();
    let host = rooted();
    assert_eq!(answer(&request, &settings, &host).lines.len(), 1);
    assert_eq!(host.calls().len(), 1);

    for exemption in [
        json!({"controls": ["rootUser"], "namespaces": ["shop"]}),
        json!({"controls": ["rootUser"], "images": ["ghcr.io/org/app"]}),
        json!({"allow": {"rootUser": {"imageUser": "ignore"}}, "images": ["ghcr.io/org/app"]}),
    ] {
        let mut settings = judging_images();
        settings["exemptions"] = json!([exemption]);
        unasked(&request, &settings, 0);
        settings["exemptions"][0]["until"] = "2026-01-30".into();
        let host = rooted();
        let expected = format!(
            "{}; the exemption for it ended on 2026-01-30",
            of_user(0, "and the image's is \"\", which is root")
        );
        assert_eq!(answer(&request, &settings, &host).lines, [expected]);
    }
    let mut settings = judging_images();
    settings["rootUser"]["mode"] = "disabled".into();
    unasked(&request, &settings, 0);

    let mut windows = pod(&[APP]);
    windows["spec"]["os"] = json!({"name": "windows"});
    let mut settings = judging_images();
    settings["appArmor"] = json!({"mode": "disabled"});
    settings["seccomp"] = json!({"mode": "disabled"});
    unasked(
        &requests::create_request("Pod", windows.clone()),
        &settings,
        0,
    );
    // There nothing stands in for what must be written.
    windows["spec"]["securityContext"]["runAsNonRoot"] = Value::Null;
    settings["rootUser"]["require"] = "nonRootUser".into();
    unasked(&requests::create_request("Pod", windows), &settings, 1);

    let mut own_users = pod(&[APP]);
    own_users["spec"]["hostUsers"] = false.into();
    unasked(
        &requests::create_request("Pod", own_users),
        &judging_images(),
        0,
    );
}

#[test]
fn an_exemption_for_one_image_leaves_the_user_of_the_others_judged() {
    let mut settings = judging_images();
    settings["exemptions"] = json!([
        {"allow": {"rootUser": {"imageUser": "ignore"}}, "images": ["ghcr.io/org/app"]},
    ]);
    let other = "ghcr.io/org/other:1";
    let host = rooted();
    assert_eq!(
        judge(&[APP, other], &settings, &host).lines,
        [of_user(1, "and the image's is \"\", which is root")]
    );
    assert_eq!(host.calls(), [(CONFIG.to_owned(), json!(other))]);
    // What is exempt to be warned of is asked about.
    settings["exemptions"] = json!([
        {"controls": ["rootUser"], "mode": "warn", "images": ["ghcr.io/org/app"]},
    ]);
    let host = rooted();
    let found = judge(&[APP], &settings, &host);
    assert_eq!(found.lines, [""; 0]);
    assert_eq!(
        found.warnings,
        [of_user(0, "and the image's is \"\", which is root")]
    );
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    assert_eq!(judge(&[APP], &settings, &host).warnings, [""; 0]);
}

#[test]
fn an_update_asks_for_the_user_of_an_image_that_comes_to_decide() {
    let update = |object: Value, stored: Value, settings: &Value| {
        let host = rooted();
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored;
        let found = answer(&request, settings, &host);
        (found.lines, found.warnings, host.calls().len())
    };
    let settings = judging_images();
    let root = |index| of_user(index, "and the image's is \"\", which is root");
    let nothing = || (Vec::new(), Vec::new(), 0);
    // What runs already is left alone, and nobody calls it excused, for nobody knows.
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &settings), nothing());
    let mut dated = settings.clone();
    dated["legacy"]["until"] = "2027-01-01".into();
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &dated), nothing());
    // Another image, or none before.
    for stored in [pod(&["ghcr.io/org/app:0"]), Value::Null] {
        let (lines, warnings, calls) = update(pod(&[APP]), stored, &settings);
        assert_eq!((lines, warnings, calls), (vec![root(0)], vec![], 1));
    }
    // The same image, which did not decide while a user was written.
    for field in [
        "/spec/securityContext",
        "/spec/containers/0/securityContext",
    ] {
        let mut stored = pod(&[APP]);
        stored.pointer_mut(field).unwrap()["runAsUser"] = 1000.into();
        let (lines, _, calls) = update(pod(&[APP]), stored, &settings);
        assert_eq!((lines, calls), (vec![root(0)], 1), "{field}");
    }
    let mut stored = pod(&[APP]);
    stored["spec"]["containers"][0]["securityContext"]["runAsUser"] = 0.into();
    let (lines, _, calls) = update(pod(&[APP]), stored, &settings);
    assert_eq!((lines, calls), (vec![root(0)], 1));
    // A container beside it.
    let mut object = pod(&[APP]);
    let mut debug = requests::valid_container("debug");
    debug["image"] = "ghcr.io/org/tools:1".into();
    object["spec"]["ephemeralContainers"] = json!([debug]);
    let (lines, _, calls) = update(object, pod(&[APP]), &settings);
    assert_eq!(
        lines,
        [root(0)
            .replace("container \"c0\"", "ephemeral container \"debug\"")
            .replace("spec.containers", "spec.ephemeralContainers")]
    );
    assert_eq!(calls, 1);
    // In full.
    let mut full = settings.clone();
    full["legacy"]["onUpdate"] = "allViolations".into();
    let mut object = pod(&[APP]);
    object["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    let (lines, _, calls) = update(object, pod(&[APP]), &full);
    assert_eq!((lines, calls), (vec![root(0)], 1));
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &full), nothing());
}

#[test]
fn a_template_that_changes_is_refused_for_the_user_of_its_image_and_one_that_stays_is_not() {
    let update = |object: Value, user: &str| {
        let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!(user)));
        let mut request = requests::create_request("Deployment", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = requests::workload("Deployment", pod(&[APP]));
        let payload = requests::payload(&request, &judging_images());
        let answer: Value = serde_json::from_slice(&validate(&payload, &host)).unwrap();
        (answer, host.calls().len())
    };
    let mut object = requests::workload("Deployment", pod(&[APP]));
    object["spec"]["replicas"] = 3.into();
    let (answer, calls) = update(object.clone(), "root");
    assert_eq!((&answer["accepted"], calls), (&json!(true), 0));
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/restartedAt": "now"});
    let (answer, calls) = update(object.clone(), "root");
    assert_eq!(calls, 1);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(
            "(its pod template changes, so new Pods are made, and they would be rejected)"
        ),
        "{message}"
    );
    let (answer, calls) = update(object.clone(), "1000");
    assert_eq!((&answer["accepted"], calls), (&json!(true), 1));
    // Another fault that is new is not said to be an old one, for an image that is none.
    object["spec"]["template"]["spec"]["hostPID"] = true.into();
    let (answer, _) = update(object, "1000");
    let message = answer["message"].as_str().unwrap();
    assert!(!message.contains("(its pod template"), "{message}");
}

#[test]
fn the_template_of_an_owner_excuses_the_user_of_its_image_and_a_good_one_asks_for_no_owner() {
    let owner = |pod: &Value| {
        let mut owner = requests::workload("ReplicaSet", pod.clone());
        owner["metadata"]["uid"] = "u1".into();
        owner
    };
    let create = |template: &Value, user: &str, registries: Value| {
        let host = FakeHost::new()
            .found(CONFIG, json!({}), run_as(&json!(user)))
            .found("kubernetes/get_resource", json!({}), owner(template));
        let mut object = pod(&[APP]);
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": "web-1", "uid": "u1", "controller": true}]);
        let mut request = requests::create_request("Pod", object);
        request["userInfo"] =
            json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
        let mut settings = judging_images();
        settings["legacy"] = json!({"onCreate": "newViolations"});
        settings["registries"] = registries;
        let found = answer(&request, &settings, &host);
        let calls: Vec<String> = host.calls().into_iter().map(|(name, _)| name).collect();
        (found.lines, found.warnings, calls)
    };
    let none = json!(null);
    let root = || vec![of_user(0, "and the image's is \"\", which is root")];
    let both = || vec![CONFIG.to_owned(), "kubernetes/get_resource".to_owned()];
    assert_eq!(
        create(&pod(&[APP]), "1000", none.clone()),
        (vec![], vec![], vec![CONFIG.to_owned()])
    );
    assert_eq!(
        create(&pod(&[APP]), "", none.clone()),
        (
            vec![],
            vec!["legacy: ReplicaSet \"web-1\" excuses: rootUser".to_owned()],
            both()
        )
    );
    // A webhook has taken out the user that the template writes, or has put in another image.
    let mut written = pod(&[APP]);
    written["spec"]["containers"][0]["securityContext"]["runAsUser"] = 1000.into();
    assert_eq!(create(&written, "", none.clone()), (root(), vec![], both()));
    assert_eq!(
        create(&pod(&["ghcr.io/org/app:0"]), "", none),
        (root(), vec![], both())
    );
    // An image that its registry speaks against, and the template excuses, is asked about in the end.
    let refused = json!({"allow": ["quay.io"]});
    let excused = "legacy: ReplicaSet \"web-1\" excuses: registries".to_owned();
    assert_eq!(
        create(&pod(&[APP]), "", refused.clone()),
        (
            vec![],
            vec![excused.clone()],
            vec!["kubernetes/get_resource".to_owned()]
        )
    );
    let mut asked = both();
    asked.reverse();
    assert_eq!(
        create(&written, "", refused),
        (root(), vec![excused], asked)
    );
}

#[test]
fn a_container_without_an_image_that_can_be_read_has_no_user() {
    let mut settings = judging_images();
    settings["registries"] = json!({"mode": "disabled"});
    let host = rooted();
    assert_eq!(
        judge(&["ghcr.io/org/App:1"], &settings, &host).lines,
        [of_user(
            0,
            "and its image cannot be read: its repository is not in lower case"
        )]
    );
    let mut template = pod(&[APP]);
    for image in [json!(null), json!(""), json!("  ")] {
        template["spec"]["containers"][0]["image"] = image;
        let deployment = requests::workload("Deployment", template.clone());
        let found = answer(
            &requests::create_request("Deployment", deployment),
            &settings,
            &host,
        );
        assert_eq!(found.lines, [""; 0]);
        assert_eq!(
            found.warnings,
            ["container \"c0\" has no image yet; it is judged when its Pods are created"]
        );
    }
    template["spec"]["containers"][0]["image"] = Value::Null;
    let request = requests::create_request("Pod", requests::workload("Pod", template));
    assert_eq!(
        answer(&request, &settings, &host).lines,
        [of_user(0, "and its image cannot be read: it is empty")]
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn more_containers_than_are_counted_are_refused_unasked() {
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    let many = vec![APP; 8191];
    assert_eq!(judge(&many, &judging_images(), &host).lines, [""; 0]);
    assert_eq!(host.calls().len(), 1);
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    let many = vec![APP; 8193];
    let lines = judge(&many, &judging_images(), &host).lines;
    assert!(
        lines[0].starts_with("rootUser: containers \"c0\", \"c1\","),
        "{lines:?}"
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn what_an_image_says_of_its_user_forges_no_line_of_a_message() {
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("a\n- privileged")));
    assert_eq!(
        judge(&[APP], &judging_images(), &host).lines,
        [of_user(
            0,
            "and the image's is \"a\\n- privileged\", which no node can tell from root"
        )]
    );
}

// ---- localhostProfiles

#[test]
fn a_profile_is_asked_for_by_the_resource_that_installs_it() {
    for (field, profile, kind, name) in [
        (
            SECCOMP,
            "operator/prevent-chmod.json",
            "SeccompProfile",
            "prevent-chmod",
        ),
        (SECCOMP, "operator/a.b-1.json", "SeccompProfile", "a.b-1"),
        (APP_ARMOR, "deny-write", "AppArmorProfile", "deny-write"),
        (APP_ARMOR, "7.x", "AppArmorProfile", "7.x"),
    ] {
        for place in [
            "/spec/securityContext",
            "/spec/containers/0/securityContext",
        ] {
            let host = FakeHost::new().found(GET, json!({}), installed());
            let found = answer(&naming(place, field, profile), &asking(), &host);
            assert_eq!((found.lines, found.warnings), (vec![], vec![]), "{profile}");
            assert_eq!(
                host.calls(),
                [(GET.to_owned(), question(kind, name))],
                "{profile}"
            );
        }
    }
}

#[test]
fn what_no_resource_of_the_operator_can_install_is_refused_unasked() {
    let in_folder = "which is none of the operator's, operator/<name>.json";
    let called = "which no AppArmorProfile can be called";
    for (field, profile, reason) in [
        (SECCOMP, "prevent-chmod.json", in_folder),
        (SECCOMP, "operator/.json", in_folder),
        (SECCOMP, "operator/prevent-chmod", in_folder),
        (SECCOMP, "operator//x.json", in_folder),
        (SECCOMP, "./operator/x.json", in_folder),
        (SECCOMP, "Operator/x.json", in_folder),
        (SECCOMP, "operator/X.json", in_folder),
        (SECCOMP, "operator/shop/x.json", in_folder),
        (SECCOMP, "operator/..json", in_folder),
        // The operator writes the profile x.json into operator/x.json.
        (SECCOMP, "operator/x.json.json", in_folder),
        (SECCOMP, "operator/x%2f.json", in_folder),
        (SECCOMP, "operator/../../secrets/x.json", in_folder),
        (APP_ARMOR, "Deny", called),
        (APP_ARMOR, "..", called),
        (APP_ARMOR, "a/b", called),
        (APP_ARMOR, "../secrets", called),
        (APP_ARMOR, "a b", called),
        (APP_ARMOR, "\u{e4}", called),
    ] {
        let host = FakeHost::new().found(GET, json!({}), installed());
        let request = naming("/spec/containers/0/securityContext", field, profile);
        assert_eq!(
            answer(&request, &asking(), &host).lines,
            [of_profile(field, profile, reason)]
        );
        assert_eq!(host.calls(), [], "{profile}");
        // Unless the nodes have it from elsewhere.
        let mut settings = asking();
        settings["localhostProfiles"]["alsoInstalled"] = json!(["other", profile]);
        assert_eq!(answer(&request, &settings, &host).lines, [""; 0]);
    }
}

#[test]
fn a_profile_that_is_not_in_effect_on_all_nodes_is_refused_with_what_its_resource_says() {
    let status = |text: &str| format!("and {{}} has the status {text:?}, not \"Installed\"");
    let mode = |text: &str| format!("and {{}} has the mode {text:?}, not \"Enforce\"");
    let state = |text: &str| format!("and {{}} has the state {text:?}, not \"Enabled\"");
    let with = |spec: Value| json!({"spec": spec, "status": {"status": "Installed"}});
    let mut table: Vec<(Value, Option<String>)> = [
        "Error",
        "Terminating",
        "Partial",
        "Disabled",
        "Pending",
        "InProgress",
        "installed",
        "",
    ]
    .into_iter()
    .map(|word| (json!({"status": {"status": word}}), Some(status(word))))
    .collect();
    table.extend([
        (json!({}), Some(status(""))),
        (json!({"status": {}}), Some(status(""))),
        (json!({"status": {"status": null}}), Some(status(""))),
        (json!({"status": {"status": true}}), Some(status(""))),
        (json!({"status": "Installed"}), Some(status(""))),
        (json!(null), Some(status(""))),
        (with(json!({"mode": "Complain"})), Some(mode("Complain"))),
        (with(json!({"mode": "Later"})), Some(mode("Later"))),
        (with(json!({"mode": 1})), Some(mode(""))),
        (with(json!({"state": "Disabled"})), Some(state("Disabled"))),
        (with(json!({"state": true})), Some(state(""))),
        (
            with(json!({"state": "Disabled", "mode": "Complain"})),
            Some(state("Disabled")),
        ),
        (with(json!({"mode": "Enforce", "state": "Enabled"})), None),
        (with(json!({"mode": null, "state": null})), None),
        (with(json!({})), None),
        (with(json!(null)), None),
    ]);
    for (resource, reason) in table {
        for (field, profile, subject) in [
            (SECCOMP, "operator/x.json", "SeccompProfile \"x\""),
            (APP_ARMOR, "x", "AppArmorProfile \"x\""),
        ] {
            let host = FakeHost::new().found(GET, json!({}), resource.clone());
            let request = naming("/spec/containers/0/securityContext", field, profile);
            let expected: Vec<String> = reason
                .iter()
                .map(|reason| of_profile(field, profile, &reason.replace("{}", subject)))
                .collect();
            assert_eq!(
                answer(&request, &asking(), &host).lines,
                expected,
                "{resource}"
            );
        }
    }
}

#[test]
fn a_profile_that_cannot_be_looked_up_is_refused_for_that() {
    let subject = "and SeccompProfile \"x\"";
    let forbidden = "Callback evaluation failure: ApiError: seccompprofiles.security-profiles-operator.x-k8s.io is forbidden: 403";
    let absent = "Callback evaluation failure: Cannot find security-profiles-operator.x-k8s.io/v1/SeccompProfile named 'x' inside of namespace 'None'";
    for (text, reason) in [
        (absent, format!("{subject} is not there")),
        (
            forbidden,
            format!(
                "{subject} cannot be looked up: ApiError: \
                 seccompprofiles.security-profiles-operator.x-k8s.io is forbidden: 403"
            ),
        ),
        (
            DENIED,
            format!(
                "{subject} cannot be looked up because the policy server does not allow it: {DENIED}"
            ),
        ),
        ("a\rb", format!("{subject} cannot be looked up: a?b")),
    ] {
        let host = FakeHost::new().fails(GET, json!({}), text);
        let request = naming(
            "/spec/containers/0/securityContext",
            SECCOMP,
            "operator/x.json",
        );
        assert_eq!(
            answer(&request, &asking(), &host).lines,
            [of_profile(SECCOMP, "operator/x.json", &reason)]
        );
    }
    let host = FakeHost::new().raw(GET, b"{");
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    let reason = format!("{subject} cannot be looked up: it is not valid JSON at byte 1");
    assert_eq!(
        answer(&request, &asking(), &host).lines,
        [of_profile(SECCOMP, "operator/x.json", &reason)]
    );
}

#[test]
fn each_profile_is_asked_for_once_and_none_where_none_is_named() {
    let mut object = pod(&[APP; 4]);
    for (index, field, name) in [
        (0, SECCOMP, "operator/b.json"),
        (1, SECCOMP, "operator/a.json"),
        (2, SECCOMP, "operator/b.json"),
        (2, APP_ARMOR, "b"),
        (3, APP_ARMOR, "b"),
    ] {
        object["spec"]["containers"][index]["securityContext"][field] =
            json!({"type": "Localhost", "localhostProfile": name});
    }
    let absent = "Callback evaluation failure: Cannot find x/SeccompProfile named 'b'";
    let host = FakeHost::new()
        .fails(GET, json!({"name": "b"}), absent)
        .found(GET, json!({}), installed());
    let lines = answer(&requests::create_request("Pod", object), &asking(), &host).lines;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("localhostProfiles: containers \"c0\", \"c2\": "));
    assert!(lines[1].starts_with("localhostProfiles: containers \"c2\", \"c3\": "));
    assert_eq!(
        host.calls(),
        [
            ("SeccompProfile", "b"),
            ("SeccompProfile", "a"),
            ("AppArmorProfile", "b")
        ]
        .map(|(kind, name)| (GET.to_owned(), question(kind, name)))
    );

    let asks_nothing = |request: &Value, settings: &Value| {
        let host = FakeHost::new();
        assert_eq!(
            answer(request, settings, &host).lines,
            [""; 0],
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    };
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    for settings in [
        json!({}),
        json!({"localhostProfiles": {"source": "none"}}),
        json!({"localhostProfiles": {"source": "security-profiles-operator", "mode": "disabled"}}),
        json!({"localhostProfiles": {"source": "security-profiles-operator",
            "alsoInstalled": ["operator/x.json"]}}),
    ] {
        asks_nothing(&request, &settings);
    }
    asks_nothing(&requests::create_request("Pod", pod(&[APP])), &asking());
    // Profiles of other types, also with a name that they may not have.
    let mut off = asking();
    off["seccomp"] = json!({"mode": "disabled"});
    for profile in [
        json!({"type": "Unconfined"}),
        json!({"type": "RuntimeDefault", "localhostProfile": "operator/x.json"}),
        json!({"type": "Localhost"}),
        json!({"type": "Localhost", "localhostProfile": " "}),
    ] {
        let mut object = pod(&[APP]);
        object["spec"]["containers"][0]["securityContext"][SECCOMP] = profile;
        asks_nothing(&requests::create_request("Pod", object), &off);
    }
}

#[test]
fn every_profile_that_is_written_counts_and_an_annotation_where_it_becomes_the_field() {
    let host =
        || FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
    let mut object = pod(&[APP]);
    object["spec"]["securityContext"][SECCOMP] =
        json!({"type": "Localhost", "localhostProfile": "operator/x.json"});
    object["spec"]["containers"][0]["securityContext"][SECCOMP] = json!({"type": "RuntimeDefault"});
    let lines = answer(&requests::create_request("Pod", object), &asking(), &host()).lines;
    assert_eq!(
        lines,
        [format!(
            "localhostProfiles: securityContext.seccompProfile is \"Localhost/operator/x.json\", and \
             SeccompProfile \"x\" is not there; spec.securityContext.seccompProfile must {INSTALLED}"
        )]
    );

    let key = "container.apparmor.security.beta.kubernetes.io";
    let of_annotation =
        format!("localhostProfiles: container \"c0\": metadata.annotations[\"{key}/c0\"]");
    for (annotation, value, field, line) in [
        (
            "c0",
            "localhost/x",
            json!(null),
            Some(format!(
                "{of_annotation} is \"localhost/x\", and AppArmorProfile \"x\" is not there; \
                 metadata.annotations[\"{key}/c0\"] must {INSTALLED}"
            )),
        ),
        // The field is what counts, there is no such container, or it names nothing.
        ("c0", "localhost/x", json!({"type": "RuntimeDefault"}), None),
        ("c1", "localhost/x", json!(null), None),
        ("c0", "localhost/", json!(null), None),
        ("c0", "runtime/default", json!(null), None),
    ] {
        let mut object = pod(&[APP]);
        object["metadata"]["annotations"] = json!({format!("{key}/{annotation}"): value});
        object["spec"]["securityContext"][APP_ARMOR] = Value::Null;
        object["spec"]["containers"][0]["securityContext"][APP_ARMOR] = field;
        let lines = answer(&requests::create_request("Pod", object), &asking(), &host()).lines;
        let lines: Vec<String> = lines
            .into_iter()
            .map(|line| line.replace(": annotations[", ": metadata.annotations["))
            .collect();
        let expected: Vec<String> = line.into_iter().collect();
        assert_eq!(lines, expected, "{annotation} {value}");
    }
    // No cluster with the operator acts on these.
    let mut object = pod(&[APP]);
    object["metadata"]["annotations"] =
        json!({"seccomp.security.alpha.kubernetes.io/pod": "localhost/operator/x.json"});
    let host = host();
    let found = answer(&requests::create_request("Pod", object), &asking(), &host);
    assert_eq!((found.lines.len(), host.calls().len()), (0, 0));
}

#[test]
fn a_profile_that_is_exempt_is_not_asked_for_and_that_of_the_pod_is_no_images() {
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    let host =
        || FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
    for exemption in [
        json!({"controls": ["localhostProfiles"], "namespaces": ["shop"]}),
        json!({"controls": ["localhostProfiles"], "images": ["ghcr.io/org/app"]}),
    ] {
        let mut settings = asking();
        settings["exemptions"] = json!([exemption]);
        let host = host();
        assert_eq!(
            answer(&request, &settings, &host).lines,
            [""; 0],
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    }
    // What is written for the pod is no image's.
    let of_pod = naming("/spec/securityContext", SECCOMP, "operator/x.json");
    let mut settings = asking();
    settings["exemptions"] =
        json!([{"controls": ["localhostProfiles"], "images": ["ghcr.io/org/app"]}]);
    let host = host();
    let lines = answer(&of_pod, &settings, &host).lines;
    assert_eq!(
        lines,
        [format!(
            "localhostProfiles: securityContext.seccompProfile is \"Localhost/operator/x.json\", and \
             SeccompProfile \"x\" is not there; spec.securityContext.seccompProfile must {INSTALLED}; an \
             exemption by image does not cover what is written for the pod"
        )]
    );
    // In mode warn it is a warning, of the exemption or of the control.
    let warned = of_profile(
        SECCOMP,
        "operator/x.json",
        "and SeccompProfile \"x\" is not there",
    );
    settings["exemptions"][0]["mode"] = "warn".into();
    let mut warning = asking();
    warning["localhostProfiles"]["mode"] = "warn".into();
    for settings in [settings, warning] {
        let found = answer(&request, &settings, &host);
        assert_eq!(
            (found.lines, found.warnings),
            (vec![], vec![warned.clone()])
        );
    }
}

#[test]
fn an_update_asks_for_a_profile_that_comes_to_count() {
    let named = |place: &str, name: &str| {
        let mut object = pod(&[APP]);
        object.pointer_mut(place).unwrap()[SECCOMP] =
            json!({"type": "Localhost", "localhostProfile": name});
        object
    };
    let update = |object: Value, stored: Value| {
        let host =
            FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored;
        let found = answer(&request, &asking(), &host);
        (found.lines, host.calls().len())
    };
    let (of_pod, of_container) = (
        "/spec/securityContext",
        "/spec/containers/0/securityContext",
    );
    let absent = "and SeccompProfile \"x\" is not there";
    for place in [of_pod, of_container] {
        let object = || named(place, "operator/x.json");
        assert_eq!(update(object(), object()), (vec![], 0), "{place}");
        let (lines, calls) = update(object(), named(place, "operator/y.json"));
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
        let (lines, calls) = update(object(), pod(&[APP]));
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
        // The image that runs under it changes.
        let mut stored = object();
        stored["spec"]["containers"][0]["image"] = "ghcr.io/org/app:0".into();
        let (lines, calls) = update(object(), stored);
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
    }
    // A container beside the others that has nothing of its own.
    let mut object = named(of_pod, "operator/x.json");
    object["spec"]["ephemeralContainers"] = json!([requests::valid_container("debug")]);
    let (lines, calls) = update(object.clone(), named(of_pod, "operator/x.json"));
    assert_eq!(
        (lines, calls),
        (
            vec![format!(
                "localhostProfiles: ephemeral container \"debug\": securityContext.seccompProfile is not \
                 set, and the pod's is \"Localhost/operator/x.json\", {absent}; \
                 spec.ephemeralContainers[0].securityContext.seccompProfile must {INSTALLED}"
            )],
            1
        )
    );
    object["spec"]["ephemeralContainers"][0]["securityContext"][SECCOMP] =
        json!({"type": "RuntimeDefault"});
    assert_eq!(
        update(object, named(of_pod, "operator/x.json")),
        (vec![], 0)
    );
    // A container gives up its annotation for the pod's profile.
    let key = "container.apparmor.security.beta.kubernetes.io/c0";
    let mut object = pod(&[APP]);
    object["spec"]["securityContext"][APP_ARMOR] =
        json!({"type": "Localhost", "localhostProfile": "x"});
    let mut stored = object.clone();
    stored["metadata"]["annotations"] = json!({key: "runtime/default"});
    let (lines, calls) = update(object.clone(), stored.clone());
    assert_eq!((lines.len(), calls), (1, 1));
    assert_eq!(update(stored.clone(), stored), (vec![], 0));
    assert_eq!(update(object.clone(), object), (vec![], 0));
}

#[test]
fn the_template_of_an_owner_excuses_a_profile_that_is_missing() {
    let named = |name: &str| {
        let mut object = pod(&[APP]);
        object["spec"]["securityContext"][SECCOMP] =
            json!({"type": "Localhost", "localhostProfile": name});
        object
    };
    let create = |template: &str, resource: Value| {
        let mut owner = requests::workload("ReplicaSet", named(template));
        owner["metadata"]["uid"] = "u1".into();
        let host = FakeHost::new()
            .found(GET, json!({"kind": "ReplicaSet"}), owner)
            .found(GET, json!({}), resource);
        let mut object = named("operator/x.json");
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": "web-1", "uid": "u1", "controller": true}]);
        let mut request = requests::create_request("Pod", object);
        request["userInfo"] =
            json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
        let mut settings = asking();
        settings["legacy"] = json!({"onCreate": "newViolations"});
        let found = answer(&request, &settings, &host);
        (found.lines.len(), found.warnings, host.calls().len())
    };
    let missing = || json!({"status": {"status": "Error"}});
    assert_eq!(create("operator/x.json", installed()), (0, vec![], 1));
    assert_eq!(
        create("operator/x.json", missing()),
        (
            0,
            vec!["legacy: ReplicaSet \"web-1\" excuses: localhostProfiles".to_owned()],
            2
        )
    );
    assert_eq!(create("operator/y.json", missing()), (1, vec![], 2));
}

// ---- for all of them

#[test]
fn of_a_hundred_containers_with_one_image_each_control_asks_once_and_in_order() {
    let host = willing();
    let found = judge(&[by_digest(A).as_str(); 100], &everything(), &host);
    assert_eq!((found.lines, found.warnings), (vec![], vec![]));
    let names: Vec<String> = host.calls().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "oci/v2/verify",
            "kubernetes/get_resource",
            "kubernetes/list_resources_by_namespace",
            CONFIG,
            DIGEST,
        ]
    );
}

#[test]
fn images_are_asked_about_in_the_order_of_the_pod() {
    let images = ["ghcr.io/org/b:1", "ghcr.io/org/a:1", "ghcr.io/org/b:1"];
    let host = willing();
    judge(&images, &signed(json!([{"publicKeys": [KEY]}])), &host);
    let asked: Vec<Value> = host
        .calls()
        .iter()
        .map(|(_, call)| call["image"].clone())
        .collect();
    assert_eq!(asked, images[..2]);
}

#[test]
fn an_image_that_registries_refuses_is_not_looked_up() {
    let mut settings = everything();
    settings["registries"] = json!({"allow": ["quay.io"]});
    let host = willing();
    assert_eq!(judge(&[APP], &settings, &host).lines.len(), 1);
    assert_eq!(host.calls(), []);
    settings["registries"]["mode"] = "warn".into();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls().len(), 5);
}

#[test]
fn what_is_exempt_is_not_looked_up() {
    let mut settings = everything();
    let controls = json!(["signatures", "vulnerabilities", "imageFreshness"]);
    settings["exemptions"] = json!([{"controls": controls, "images": ["ghcr.io/org/app"]}]);
    let host = willing();
    assert_eq!(judge(&[APP], &settings, &host).lines, Vec::<String>::new());
    assert_eq!(host.calls(), []);
    judge(&["ghcr.io/org/app2:1"], &settings, &host);
    assert_ne!(host.calls(), []);

    settings["exemptions"] = json!([{"controls": ["signatures"], "namespaces": ["shop"]}]);
    let host = willing();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls()[0].0, "kubernetes/get_resource");
}

#[test]
fn an_update_of_a_good_pod_asks_no_host_about_what_it_runs_already() {
    let mut request = requests::create_request("Pod", pod(&[APP]));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = request["object"].clone();
    for settings in [
        signed(json!([{"publicKeys": [KEY]}])),
        scanned(&json!({})),
        fresh(&json!({"maximumAge": "1d"})),
        current(),
    ] {
        let host = willing();
        answer(&request, &settings, &host);
        assert_eq!(host.calls(), [], "{settings}");
    }
}

#[test]
fn an_update_looks_up_what_the_stored_object_does_not_have() {
    let mut request = requests::create_request("Pod", pod(&[APP, "ghcr.io/org/new:1"]));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = pod(&[APP]);
    let mut settings = signed(json!([{"publicKeys": [KEY]}]));
    let asked = |request: &Value, settings: &Value| {
        let host = willing();
        answer(request, settings, &host);
        let asked: Vec<Value> = host
            .calls()
            .iter()
            .map(|(_, call)| call["image"].clone())
            .collect();
        asked
    };
    assert_eq!(asked(&request, &settings), ["ghcr.io/org/new:1"]);
    settings["legacy"]["onUpdate"] = "allViolations".into();
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
    // The same text in another place runs where it did not run before.
    settings["legacy"]["onUpdate"] = "newViolations".into();
    request["oldObject"] = pod(&["ghcr.io/org/new:1", APP]);
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
    request["oldObject"] = request["object"].clone();
    assert_eq!(asked(&request, &settings), Vec::<Value>::new());
    request["oldObject"] = Value::Null;
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
}

#[test]
fn an_image_of_the_stored_object_is_looked_up_where_it_comes_to_run_elsewhere() {
    let unsigned = || FakeHost::new().fails("oci/v2/verify", json!({}), UNSIGNED);
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    let container = |name: &str, image: &str| {
        let mut container = requests::valid_container(name);
        container["image"] = image.into();
        container
    };
    let trusted = by_digest(A);
    let mut stored = pod(&[&trusted]);
    stored["spec"]["initContainers"] = json!([container("setup", APP)]);
    stored["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": APP}}]);
    for (change, calls) in [
        // The same places.
        (json!({}), 0),
        (json!({"containers": [container("c0", APP)]}), 1),
        (
            json!({"containers": [container("c0", &trusted), container("setup", APP)]}),
            1,
        ),
        (json!({"ephemeralContainers": [container("debug", APP)]}), 1),
        (
            json!({"volumes": [{"name": "other", "image": {"reference": APP}}]}),
            1,
        ),
        (json!({"initContainers": [container("other", APP)]}), 1),
    ] {
        let mut object = stored.clone();
        for (key, value) in change.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored.clone();
        let host = unsigned();
        let found = answer(&request, &settings, &host);
        assert_eq!(host.calls().len(), calls, "{change}");
        assert_eq!(found.lines.len(), calls, "{change}");
    }
}

#[test]
fn another_name_of_a_registry_does_not_lead_past_a_rule() {
    let rules = json!({"signatures": {"unmatched": "accept", "rules": [
        {"images": ["docker.io/library/nginx", "docker.io/alpine", "ghcr.io/org", "quay.io:443/org/app:1"],
            "anyOf": [{"publicKeys": [KEY]}]}]}});
    for (image, is_asked_about) in [
        ("nginx", true),
        ("nginx:1", true),
        ("index.docker.io/library/nginx", true),
        ("index.docker.io:443/library/nginx", true),
        ("registry-1.docker.io/library/nginx", true),
        ("Registry-1.Docker.io:0443/library/nginx", true),
        ("registry.hub.docker.com/library/nginx:1", true),
        ("docker.io:443/nginx", true),
        ("alpine", true),
        ("docker.io/alpine/app", true),
        ("registry-1.docker.io/alpine:3", true),
        ("ghcr.io/org/app", true),
        ("ghcr.io:443/org/app", true),
        ("ghcr.io:00443/org/app", true),
        ("GHCR.IO/org/app", true),
        ("ghcr.io:444/org/app", false),
        ("ghcr.io/org-evil/app", false),
        ("quay.io/org/app:1", true),
        // A digest behind the tag pins what the tag means today.
        (&format!("quay.io/org/app:1@{A}"), true),
        (&format!("quay.io/org/app@{A}"), false),
        ("quay.io/org/app:2", false),
        ("registry.docker.io.evil.com/library/nginx", false),
    ] {
        let host = FakeHost::new().fails("oci/v2/verify", json!({}), MISSING);
        let found = judge(&[image], &rules, &host);
        assert_eq!(host.calls().len(), usize::from(is_asked_about), "{image}");
        assert_eq!(found.lines.len(), usize::from(is_asked_about), "{image}");
    }
}

#[test]
fn another_name_of_a_registry_does_not_lead_past_a_report() {
    let finding = json!({"cve": "CVE-1", "severity": "CRITICAL"});
    let report = |registry: &str| {
        json!({"imageMetadata": {"registryURI": registry, "repository": "library/nginx", "tag": "1",
            "digest": A}, "report": {"results": [{"vulnerabilities": [finding]}]}})
    };
    let settings = scanned(&json!({"missingReport": "accept"}));
    for image in [
        "nginx:1",
        "docker.io/nginx:1",
        "index.docker.io/library/nginx:1",
        "registry-1.docker.io/library/nginx:1",
        "registry-1.docker.io/nginx:1",
        "registry.hub.docker.com:443/library/nginx:1",
        "Docker.io:0443/library/nginx:1",
    ] {
        for registry in [
            "docker.io",
            "https://index.docker.io/",
            "registry-1.docker.io:443",
        ] {
            let host = FakeHost::new().reports(&[report(registry)]);
            let found = judge(&[image], &settings, &host);
            assert_eq!(
                found.lines,
                [vulnerabilities(
                    image,
                    "which has vulnerabilities: 1 critical (0 allowed); CVE-1 (no fix)"
                )]
            );
            let (_, list) = &host.calls()[1];
            assert_eq!(
                list["field_selector"],
                "imageMetadata.repository=library/nginx"
            );
        }
    }
}

#[test]
fn a_template_container_without_an_image_waits_for_its_pods() {
    let mut template = pod(&[APP]);
    template["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("image");
    let host = willing();
    let request = requests::create_request(
        "Deployment",
        requests::workload("Deployment", template.clone()),
    );
    let found = answer(&request, &everything(), &host);
    assert_eq!(found.lines, Vec::<String>::new());
    assert_eq!(
        found.warnings,
        ["container \"c0\" has no image yet; it is judged when its Pods are created"]
    );
    assert_eq!(host.calls(), []);

    let request = requests::create_request("Pod", requests::workload("Pod", template));
    let lines = answer(&request, &everything(), &host).lines;
    assert_eq!(
        lines,
        ["signatures", "vulnerabilities", "imageFreshness"].map(|control| format!(
            "{control}: container \"c0\": image is not set, and no image can be judged; \
             spec.containers[0].image must be registry/repository:tag or \
             registry/repository@sha256:..."
        ))
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn an_image_volume_is_looked_up_too() {
    let mut object = pod(&[]);
    object["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": APP}}]);
    let host = FakeHost::new().fails("oci/v2/verify", json!({}), UNSIGNED);
    let found = answer(
        &requests::create_request("Pod", object),
        &signed(json!([{"publicKeys": [KEY]}])),
        &host,
    );
    assert_eq!(
        found.lines,
        [format!(
            "signatures: volume \"data\": image.reference is \"{APP}\", {NOT_SIGNED}; \
             spec.volumes[0].image.reference must name an image signed as signatures.rules asks"
        )]
    );
}

#[test]
fn in_mode_warn_every_violation_is_a_warning_and_disabled_asks_nothing() {
    let mut settings = everything();
    for control in ["signatures", "vulnerabilities", "imageFreshness"] {
        settings[control]["mode"] = "warn".into();
    }
    let denying = FakeHost::new();
    let found = judge(&[APP], &settings, &denying);
    assert_eq!(found.lines, Vec::<String>::new());
    assert_eq!(found.warnings.len(), 3);
    for (warning, control) in
        found
            .warnings
            .iter()
            .zip(["signatures", "vulnerabilities", "imageFreshness"])
    {
        assert!(
            warning.starts_with(&format!("{control}: container \"c0\": image is")),
            "{warning}"
        );
    }
    for control in ["signatures", "vulnerabilities", "imageFreshness"] {
        settings[control]["mode"] = "disabled".into();
    }
    let host = willing();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls(), []);
}

#[test]
fn nothing_is_asked_without_rules_source_or_limits() {
    let host = willing();
    let found = judge(&[APP], &json!({}), &host);
    assert_eq!((found.lines, found.warnings), (vec![], vec![]));
    assert_eq!(host.calls(), []);
}

#[test]
fn what_others_wrote_forges_no_line_of_a_message() {
    let finding = json!({"cve": "CVE-1", "severity": "HIGH", "packageName": "a\n- privileged",
        "installedVersion": "1\u{1b}[2J"});
    let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
    assert_eq!(
        judge(&[APP], &scanned(&json!({})), &host).lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 1 high (0 allowed); CVE-1 in a?- privileged 1?[2J (no fix)"
        )]
    );
    let host = FakeHost::new().fails("oci/v2/verify", json!({}), "a\r- privileged\nb");
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [signatures(
            APP,
            "whose signatures cannot be verified: a?- privileged"
        )]
    );
    let host = FakeHost::new().found("oci/v2/verify", json!({}), trusted("a\nb"));
    assert_eq!(
        judge(&[APP], &settings, &host).warnings,
        [
            "signatures: container \"c0\": write the verified digest a?b into spec.containers[0].image: a tag can move"
        ]
    );
    let host = FakeHost::new().fails(CONFIG, json!({}), "a\rb");
    assert_eq!(
        judge(&[APP], &fresh(&json!({"maximumAge": "1d"})), &host).lines,
        [freshness(APP, "which cannot be looked up: a?b")]
    );
}

// ---- the host, and what it is asked about

const GET: &str = "kubernetes/get_resource";
const SECCOMP: &str = "seccompProfile";
const APP_ARMOR: &str = "appArmorProfile";
const CONFIG: &str = "oci/v1/oci_manifest_config";
const DIGEST: &str = "oci/v1/manifest_digest";
const MANIFEST: &str = "oci/v1/oci_manifest";

type HostAnswer = Result<Vec<u8>, String>;

/// Answers from a table, denies what is not in it, and remembers what it was asked.
struct FakeHost {
    /// Capability, question, answer.
    rows: Vec<(&'static str, Value, HostAnswer)>,
    calls: RefCell<Vec<(String, Value)>>,
}

impl FakeHost {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            calls: RefCell::default(),
        }
    }

    /// A row: the first that fits answers. A map fits a question that has all of it, and `{}` any.
    fn row(self, capability: &'static str, question: Value, answer: Result<Value, &str>) -> Self {
        match answer {
            Ok(answer) => self.found(capability, question, answer),
            Err(text) => self.fails(capability, question, text),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "tables read better")]
    fn found(mut self, capability: &'static str, question: Value, answer: Value) -> Self {
        let answer = serde_json::to_vec(&answer).unwrap();
        self.rows.push((capability, question, Ok(answer)));
        self
    }

    /// The texts are those of Kubewarden; the SDK writes `Host error: ` before them.
    fn fails(mut self, capability: &'static str, question: Value, text: &str) -> Self {
        let text = format!("Host error: {text}");
        self.rows.push((capability, question, Err(text)));
        self
    }

    fn raw(mut self, capability: &'static str, answer: &[u8]) -> Self {
        self.rows.push((capability, json!({}), Ok(answer.to_vec())));
        self
    }

    /// The rows of a cluster that has these vulnerability reports.
    fn reports(self, reports: &[Value]) -> Self {
        let absent = "Callback evaluation failure: Cannot find x/VulnerabilityReport named 'container-security-may-i-read' inside of namespace 'Some(\"shop\")'";
        self.fails("kubernetes/get_resource", json!({}), absent)
            .found(
                "kubernetes/list_resources_by_namespace",
                json!({}),
                json!({"items": reports}),
            )
    }

    fn calls(&self) -> Vec<(String, Value)> {
        self.calls.borrow().clone()
    }
}

impl Host for FakeHost {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let called = format!("{namespace}/{operation}");
        let asked: Value = serde_json::from_slice(payload).unwrap();
        self.calls
            .borrow_mut()
            .push((called.clone(), asked.clone()));
        let fits = |question: &Value| match question {
            Value::Object(fields) => fields.iter().all(|(key, value)| asked[key] == *value),
            other => asked == *other,
        };
        self.rows
            .iter()
            .find(|(capability, question, _)| *capability == called && fits(question))
            .map_or_else(
                || Err(format!("Host error: {DENIED}")),
                |(_, _, answer)| answer.clone(),
            )
    }

    fn now(&self) -> i64 {
        NOW
    }
}

/// A host with a good answer to everything that [`everything`] asks.
fn willing() -> FakeHost {
    FakeHost::new()
        .found("oci/v2/verify", json!({}), trusted(A))
        .reports(&[
            json!({"imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app",
            "tag": "1", "digest": A}, "report": {"results": []}}),
        ])
        .found(CONFIG, json!({}), built_on("debian:13", A))
        .found(DIGEST, json!({}), json!({"digest": A}))
}

/// Settings with which every supply-chain control asks.
fn everything() -> Value {
    let mut settings = signed(json!([{"publicKeys": [KEY]}]));
    settings["vulnerabilities"] = json!({"source": "sbomscanner"});
    settings["imageFreshness"] = current()["imageFreshness"].clone();
    settings
}

/// Settings that ask for a current base image from Docker Hub.
fn current() -> Value {
    fresh(&json!({"baseImage": "current", "baseRegistries": ["docker.io/library"]}))
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better")]
fn signed(any_of: Value) -> Value {
    json!({"signatures": {"rules": [{"images": ["ghcr.io/org"], "anyOf": any_of}]}})
}

fn scanned(settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["source"] = "sbomscanner".into();
    json!({"vulnerabilities": settings})
}

fn fresh(settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["mode"] = "enforce".into();
    json!({"imageFreshness": settings})
}

/// SBOMscanner's report about [`APP`].
fn of_app(vulnerabilities: &Value) -> Value {
    json!({"imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app", "tag": "1"},
        "report": {"results": [{"vulnerabilities": vulnerabilities}]}})
}

fn built_on(name: &str, digest: &str) -> Value {
    json!({"digest": A, "config": {"created": "2026-01-30T00:00:00Z"},
        "manifest": {"annotations": {"org.opencontainers.image.base.name": name,
            "org.opencontainers.image.base.digest": digest}}})
}

/// What the operator says of a profile that all nodes have.
fn installed() -> Value {
    json!({"spec": {"state": "Enabled"}, "status": {"status": "Installed"}})
}

/// What it is asked about a profile.
fn question(kind: &str, name: &str) -> Value {
    json!({"api_version": "security-profiles-operator.x-k8s.io/v1", "kind": kind, "name": name,
        "namespace": null, "disable_cache": false,
        "field_masks": ["spec.mode", "spec.state", "status.status"]})
}

/// Settings with which the operator is asked.
fn asking() -> Value {
    json!({"localhostProfiles": {"source": "security-profiles-operator"}})
}

/// A request for a Pod that names a profile of the nodes in one of its security contexts.
fn naming(context: &str, field: &str, profile: &str) -> Value {
    let mut object = pod(&[APP]);
    object.pointer_mut(context).unwrap()[field] =
        json!({"type": "Localhost", "localhostProfile": profile});
    requests::create_request("Pod", object)
}

/// What is told of an image with this user.
fn run_as(user: &Value) -> Value {
    json!({"digest": A, "config": {"config": {"User": user}}, "manifest": {}})
}

/// A host on which every image is root's.
fn rooted() -> FakeHost {
    FakeHost::new().found(CONFIG, json!({}), run_as(&json!(null)))
}

/// Settings with which the user of an image counts.
fn judging_images() -> Value {
    json!({"rootUser": {"imageUser": "judge"}})
}

fn trusted(digest: &str) -> Value {
    json!({"is_trusted": true, "digest": digest})
}

fn by_digest(digest: &str) -> String {
    format!("ghcr.io/org/app@{digest}")
}

/// What a person reads.
struct Answer {
    /// The lines of the message below its title.
    lines: Vec<String>,
    warnings: Vec<String>,
}

/// Judges a Pod with containers `c0`, `c1`, ... of these images.
fn judge(images: &[&str], settings: &Value, host: &FakeHost) -> Answer {
    answer(
        &requests::create_request("Pod", pod(images)),
        settings,
        host,
    )
}

fn answer(request: &Value, settings: &Value, host: &FakeHost) -> Answer {
    let answer = validate(&requests::payload(request, settings), host);
    let answer: requests::Expected = serde_json::from_slice(&answer).unwrap();
    let message = answer.message.unwrap_or_default();
    Answer {
        lines: message
            .split("\n- ")
            .skip(1)
            .map(ToOwned::to_owned)
            .collect(),
        warnings: answer.warnings,
    }
}

fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(index, image)| {
            let mut container = requests::valid_container(&format!("c{index}"));
            container["image"] = (*image).into();
            container
        })
        .collect();
    let mut pod = requests::valid_pod();
    pod["spec"]["containers"] = containers.into();
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"].as_object_mut().unwrap().remove(list);
    }
    requests::workload("Pod", pod)
}

const NOT_SIGNED: &str = "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it with cosign sign --new-bundle-format=false --use-signing-config=false, too";
const DATED: &str =
    "name an image that says when it was built (others are up to imageFreshness.unknownAge)";
const WITH_BASE: &str = "name an image that records name and digest of its base (others are up to imageFreshness.unknownBase)";
const WITH_ALLOWED_BASE: &str =
    "name an image with an allowed base (others are up to imageFreshness.unknownBase)";
const SIGNED: &str = "name an image signed as signatures.rules asks";
const CLEAN: &str = "name an image whose report has no such findings";
const REBUILT: &str = "name an image that was rebuilt since";

fn signatures(image: &str, reason: &str) -> String {
    line("signatures", 0, image, reason, SIGNED)
}

fn vulnerabilities(image: &str, reason: &str) -> String {
    let must = [
        (
            "which no vulnerability report covers",
            "name an image that has been scanned",
        ),
        (
            "whose reports cannot be found",
            "name an image that has been scanned",
        ),
        (
            "whose vulnerability report is ",
            "name an image that has been scanned lately",
        ),
        (
            "whose vulnerability report has a CVSS score that cannot be read",
            "name an image whose report can be read",
        ),
    ];
    let must = must
        .iter()
        .find(|(beginning, _)| reason.starts_with(beginning));
    line(
        "vulnerabilities",
        0,
        image,
        reason,
        must.map_or(CLEAN, |(_, must)| must),
    )
}

fn freshness(image: &str, reason: &str) -> String {
    let must = if reason.contains("whose age is unknown") {
        DATED
    } else if reason.contains("is not looked up") {
        WITH_ALLOWED_BASE
    } else if reason.contains("base image is unknown") {
        WITH_BASE
    } else if reason.contains("registry does not have") {
        "name one that exists"
    } else {
        REBUILT
    };
    line("imageFreshness", 0, image, reason, must)
}

const INSTALLED: &str = "name a profile that the nodes have";

/// The violation of the first container.
fn of_profile(field: &str, profile: &str, reason: &str) -> String {
    let remedy = if reason.contains("cannot be looked up") {
        "try again, or ask whoever runs the policy server".to_owned()
    } else {
        format!("spec.containers[0].securityContext.{field} must {INSTALLED}")
    };
    let profile = format!("Localhost/{profile}");
    format!(
        "localhostProfiles: container \"c0\": securityContext.{field} is {profile:?}, {reason}; {remedy}"
    )
}

/// The violation of container `index`, whose image decides as whom it runs.
fn of_user(index: usize, reason: &str) -> String {
    let place = format!("spec.containers[{index}].securityContext.runAsUser");
    let remedy = if reason.contains("cannot be looked up") {
        "try again, or ask whoever runs the policy server".to_owned()
    } else {
        format!("{place} must be a number other than 0, here or in the image")
    };
    format!(
        "rootUser: container \"c{index}\": securityContext.runAsUser is not set, {reason}; {remedy}"
    )
}

/// The violation of container `index`. What could not be told is not mended in the manifest.
fn line(control: &str, index: usize, image: &str, reason: &str, must: &str) -> String {
    let is_told = ["verified", "read", "looked up"]
        .iter()
        .all(|what| !reason.contains(&format!("cannot be {what}")))
        || ["manifest unknown", "CVSS score"]
            .iter()
            .any(|what| reason.contains(what));
    let remedy = if is_told {
        format!("spec.containers[{index}].image must {must}")
    } else {
        "try again, or ask whoever runs the policy server".to_owned()
    };
    format!("{control}: container \"c{index}\": image is \"{image}\", {reason}; {remedy}")
}
