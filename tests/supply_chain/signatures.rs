//! `signatures`.

use super::*;

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

#[test]
fn of_more_containers_than_are_told_apart_the_others_are_refused() {
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    for (count, lines) in [(4096, 0), (4097, 1)] {
        let host = FakeHost::new().found("oci/v2/verify", json!({}), trusted(A));
        let found = judge(&vec![APP; count], &settings, &host);
        assert_eq!(found.lines.len(), lines, "{:?}", found.lines);
        assert_eq!(host.calls().len(), 1);
    }
}

#[test]
fn of_more_unsigned_containers_than_are_counted_no_exemption_covers_any() {
    let mut settings = signed(json!([{"publicKeys": [KEY]}]));
    settings["exemptions"] =
        json!([{"controls": ["signatures"], "images": ["ghcr.io/org"], "mode": "warn"}]);
    for (count, lines) in [(2047, 0), (2048, 1)] {
        let host = FakeHost::new().fails("oci/v2/verify", json!({}), UNSIGNED);
        let found = judge(&vec![APP; count], &settings, &host);
        assert_eq!(found.lines.len(), lines, "{:?}", found.lines);
        assert_eq!(found.warnings.len(), 1 - lines);
        assert_eq!(host.calls().len(), 1);
    }
}
