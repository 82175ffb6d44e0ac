//! The host calls: questions and answers as they cross the boundary to a guest.

use container_security_host::{HostCapabilities as _, Registry};
use serde_json::{Value, json};

use container_security_test_kit::certificate::certificate;
use container_security_test_kit::shelf::{CONFIG, Key, Shelf};

#[test]
fn an_image_has_a_digest_a_manifest_and_a_configuration() {
    let shelf = Shelf::new();
    let (image, digest) = shelf.push("app", Some(("docker.io/library/debian:13", "sha256:0")));
    let registry = Registry::new(shelf.access());
    assert_eq!(
        call(&registry, "v1/manifest_digest", &json!(image)),
        Ok(json!({"digest": digest}))
    );
    let manifest = call(&registry, "v1/oci_manifest", &json!(image)).unwrap();
    assert_eq!(
        manifest["annotations"],
        json!({
            "org.opencontainers.image.base.name": "docker.io/library/debian:13",
            "org.opencontainers.image.base.digest": "sha256:0",
        })
    );
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    assert_eq!(
        call(&registry, "v1/oci_manifest_config", &json!(image)),
        Ok(json!({"manifest": manifest, "digest": digest, "config": config}))
    );
}

#[test]
fn an_index_has_its_own_digest_and_the_configuration_of_this_platform() {
    let shelf = Shelf::new();
    let (image, here) = shelf.push("app", None);
    let elsewhere = shelf.push_layer(&format!("{}/app:other", shelf.address()), "other");
    let index = format!("{}/app:index", shelf.address());
    let index_digest = shelf.push_index(&index, &[("s390x", &elsewhere), (architecture(), &here)]);
    let registry = Registry::new(shelf.access());
    let answer = call(&registry, "v1/oci_manifest", &json!(index)).unwrap();
    assert_eq!(answer["manifests"][1]["digest"], json!(here));
    assert_eq!(
        call(&registry, "v1/oci_manifest_config", &json!(index)),
        Ok(json!({
            "manifest": call(&registry, "v1/oci_manifest", &json!(image)).unwrap(),
            "digest": index_digest,
            "config": serde_json::from_str::<Value>(CONFIG).unwrap(),
        }))
    );

    let foreign = format!("{}/app:foreign", shelf.address());
    shelf.push_index(&foreign, &[("s390x", &here)]);
    assert_eq!(
        call(&registry, "v1/oci_manifest_config", &json!(foreign)),
        failure(
            "Fail to interact with OCI registry: Image manifest not found: no entry found in image \
             index manifest matching client's default platform"
        )
    );
}

#[test]
fn what_is_no_reference_is_not_looked_up() {
    let registry = Registry::new(Shelf::new().access());
    for operation in [
        "v1/manifest_digest",
        "v1/oci_manifest",
        "v1/oci_manifest_config",
    ] {
        assert_eq!(
            call(&registry, operation, &json!("http://a/b")),
            failure("invalid reference format")
        );
        assert_eq!(
            call(&registry, operation, &json!({})),
            Err("invalid type: map, expected a string at line 1 column 0".to_owned())
        );
    }
}

#[test]
fn an_answer_is_kept_and_a_failure_is_asked_again() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    let registry = Registry::new(shelf.access());
    let question = verify(&image, &[&key], &json!(null));
    assert_eq!(
        call(&registry, "v2/verify", &question),
        failure(&format!("no signatures found for image: {image} "))
    );
    shelf.sign(&image, &digest, &[(&key, &[])]);
    assert_eq!(call(&registry, "v2/verify", &question), trusted(&digest));

    drop(shelf);
    assert_eq!(call(&registry, "v2/verify", &question), trusted(&digest));
    let other = verify(&image, &[&Key::new()], &json!(null));
    assert!(
        call(&registry, "v2/verify", &other)
            .unwrap_err()
            .contains("Connection refused")
    );
}

#[test]
fn every_key_must_have_signed_and_say_every_annotation_itself() {
    let shelf = Shelf::new();
    let (alice, bob, eve) = (Key::new(), Key::new(), Key::new());
    let (image, digest) = shelf.push("app", None);
    shelf.sign(
        &image,
        &digest,
        &[
            (&alice, &[("env", "prod"), ("team", "a")]),
            (&bob, &[("env", "test")]),
        ],
    );
    let registry = Registry::new(shelf.access());
    let missing = || failure("Image verification failed: missing signatures");
    for (keys, annotations, expected) in [
        (vec![&alice], json!(null), trusted(&digest)),
        (vec![&alice, &bob], json!({}), trusted(&digest)),
        (vec![&alice, &eve], json!(null), missing()),
        (vec![&eve], json!(null), missing()),
        (vec![&alice], json!({"env": "prod"}), trusted(&digest)),
        (vec![&alice], json!({"env": "test"}), missing()),
        (vec![&alice], json!({"env": "prod", "team": "b"}), missing()),
        // Bob has signed, and the annotation is there: in what Alice has signed.
        (vec![&bob], json!({"team": "a"}), missing()),
        (vec![&alice, &bob], json!({"env": "prod"}), missing()),
    ] {
        let question = verify(&image, &keys, &annotations);
        assert_eq!(
            call(&registry, "v2/verify", &question),
            expected,
            "{question}"
        );
    }
}

#[test]
fn an_index_is_signed_as_an_index() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (_, entry) = shelf.push("app", None);
    let index = format!("{}/app:index", shelf.address());
    let digest = shelf.push_index(&index, &[(architecture(), &entry)]);
    shelf.sign(&index, &digest, &[(&key, &[])]);
    let registry = Registry::new(shelf.access());
    assert_eq!(
        call(
            &registry,
            "v2/verify",
            &verify(&index, &[&key], &json!(null))
        ),
        trusted(&digest)
    );
}

#[test]
fn what_is_no_key_has_signed_nothing() {
    let shelf = Shelf::new();
    let (image, _) = shelf.push("app", None);
    let registry = Registry::new(shelf.access());
    let ask = |keys: Value| {
        let question = json!({"type": "SigstorePubKeyVerify", "image": image, "pub_keys": keys});
        call(&registry, "v2/verify", &question)
    };
    assert_eq!(ask(json!([])), failure("Must provide at least one pub key"));
    assert_eq!(
        ask(json!([
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
        ])),
        failure("Image verification failed: missing signatures")
    );
}

#[test]
fn a_certificate_stands_for_its_key_and_a_chain_for_who_issued_it() {
    let shelf = Shelf::new();
    let (signer, authority, other) = (Key::new(), Key::new(), Key::new());
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&signer, &[("env", "prod")])]);
    let root = certificate(("root", &authority), ("root", &authority), LATER);
    let leaf = certificate(("signer", &signer), ("root", &authority), LATER);
    let expired = certificate(("signer", &signer), ("root", &authority), "201231");
    let forged = certificate(("signer", &signer), ("root", &other), LATER);
    let others = certificate(("other", &other), ("root", &authority), LATER);

    let registry = Registry::new(shelf.access());
    let ask = |certificate: &str, chain: Option<&str>, annotations: Value| {
        let question = json!({
            "type": "SigstoreCertificateVerify",
            "image": image,
            "certificate": certificate.as_bytes(),
            "certificate_chain": chain.map(|chain| [chain.as_bytes()]),
            "require_rekor_bundle": false,
            "annotations": annotations,
        });
        call(&registry, "v2/verify", &question)
    };
    let failed = || failure("verification failed: Several Signature Layers failed verification");
    assert_eq!(ask(&leaf, None, json!(null)), trusted(&digest));
    assert_eq!(
        ask(&leaf, Some(&root), json!({"env": "prod"})),
        trusted(&digest)
    );
    assert_eq!(ask(&leaf, Some(&root), json!({"env": "test"})), failed());
    assert_eq!(ask(&others, Some(&root), json!(null)), failed());
    for (certificate, problem) in [
        (&forged, "InvalidSignatureForPublicKey"),
        (&expired, "CertExpired"),
    ] {
        let error = ask(certificate, Some(&root), json!(null)).unwrap_err();
        assert!(
            error.starts_with(&format!("Callback evaluation failure: {problem}")),
            "{error}"
        );
    }
    assert_eq!(
        ask(&leaf, Some(&others), json!(null)),
        failure("UnknownIssuer")
    );
}

#[test]
fn what_needs_the_trust_root_of_sigstore_says_so() {
    let registry = Registry::new(Shelf::new().access());
    let image = "registry.example/app:1";
    for (question, what) in [
        (
            json!({"type": "SigstoreKeylessVerify", "image": image,
                "keyless": [{"issuer": "https://i.example", "subject": "s"}]}),
            "a keyless signature",
        ),
        (
            json!({"type": "SigstoreKeylessPrefixVerify", "image": image,
                "keyless_prefix": [{"issuer": "https://i.example", "url_prefix": "https://s/"}]}),
            "a keyless signature",
        ),
        (
            json!({"type": "SigstoreGithubActionsVerify", "image": image, "owner": "o"}),
            "a signature of GitHub Actions",
        ),
        (
            json!({"type": "SigstoreCertificateVerify", "image": image, "certificate": [],
                "require_rekor_bundle": true}),
            "a Rekor bundle",
        ),
    ] {
        assert_eq!(
            call(&registry, "v2/verify", &question),
            failure(&format!(
                "{what} needs the trust root of Sigstore, which this host was not given; \
                 policy-server has one"
            ))
        );
    }
}

#[test]
fn everything_else_is_denied() {
    let registry = Registry::new(Shelf::new().access());
    assert_eq!(
        registry.call("kubewarden", "kubernetes", "get_resource", b"{}"),
        Err("Policy has not been granted access to the 'kubernetes/get_resource' host capability. The violation has been reported.".to_owned())
    );
    assert_eq!(
        registry.call("kubewarden", "oci", "v1/verify", b"{}"),
        Err("Policy has not been granted access to the 'oci/v1/verify' host capability. The violation has been reported.".to_owned())
    );
    assert_eq!(
        registry.call("wasmcloud", "oci", "v2/verify", b"{}"),
        Err("unknown binding: wasmcloud".to_owned())
    );
    assert_eq!(
        registry.call("kubewarden", "tracing", "log", b"{}"),
        Ok(Vec::new())
    );
    assert_eq!(
        call(&registry, "v2/verify", &json!({})),
        Err("missing field `type` at line 1 column 2".to_owned())
    );
}

/// Makes a call of the namespace `oci`.
pub(crate) fn call(registry: &Registry, operation: &str, payload: &Value) -> Result<Value, String> {
    registry
        .call(
            "kubewarden",
            "oci",
            operation,
            payload.to_string().as_bytes(),
        )
        .map(|answer| serde_json::from_slice(&answer).unwrap())
}

/// Asks whether all of these keys have signed.
pub(crate) fn verify(image: &str, keys: &[&Key], annotations: &Value) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    json!({
        "type": "SigstorePubKeyVerify",
        "image": image,
        "pub_keys": keys,
        "annotations": annotations,
    })
}

pub(crate) fn failure(text: &str) -> Result<Value, String> {
    Err(format!("Callback evaluation failure: {text}"))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is compared with what a call returns"
)]
pub(crate) fn trusted(digest: &str) -> Result<Value, String> {
    Ok(json!({"is_trusted": true, "digest": digest}))
}

/// This machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

const LATER: &str = "491231";
