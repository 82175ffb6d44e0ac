//! `imageFreshness`.

use super::*;

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
