//! Keyless signatures of a made-up Fulcio and Rekor, and what is left of each when one part of it is
//! another.

use std::sync::LazyLock;

use container_security_host::{Registry, TrustRoot};
use container_security_test_kit::certificate::{Certificate, Name};
use container_security_test_kit::fulcio_and_rekor::{
    Entry, Fulcio, Identity, KeylessSignature, Rekor, WHEN, bundle, payload, sign, store_bundle,
    trust_config,
};
use container_security_test_kit::shelf::{Key, Shelf};
use serde_json::{Value, json};

use crate::calls::{call, failure, trusted, verify};

#[test]
fn a_signer_is_who_the_certificate_names() {
    let shop = Shop::open();
    let image = shop.sign(&WORKFLOW);
    let person = shop.sign(&PERSON);
    for (image, question, is_signed) in [
        (&image, keyless(GITHUB, WORKFLOW_URL), true),
        (&image, keyless(ACCOUNTS, WORKFLOW_URL), false),
        (
            &image,
            keyless(GITHUB, "https://github.com/octo-org/app"),
            false,
        ),
        (&image, prefix(GITHUB, "https://github.com/octo-org/"), true),
        (&image, prefix(GITHUB, "https://github.com/octo-org"), true),
        (
            &image,
            prefix(GITHUB, "https://github.com/octo-org/app/"),
            true,
        ),
        (&image, prefix(GITHUB, "https://github.com/octo"), false),
        (
            &image,
            prefix(GITHUB, "https://github.com/octo-org/ap/"),
            false,
        ),
        (
            &image,
            prefix(ACCOUNTS, "https://github.com/octo-org/"),
            false,
        ),
        (&image, github("octo-org", None), true),
        (&image, github("octo-org", Some("app")), true),
        (&image, github("octo-org", Some("ap")), false),
        (&image, github("octo", None), false),
        (&person, keyless(ACCOUNTS, "alice@example.com"), true),
        (&person, keyless(ACCOUNTS, "bob@example.com"), false),
        (&person, github("octo-org", None), false),
    ] {
        let (image, digest) = image;
        let expected = if is_signed {
            trusted(digest)
        } else {
            missing()
        };
        let answer = call(&shop.registry(), "v2/verify", &about(&question, image));
        assert_eq!(answer, expected, "{question}");
    }
}

#[test]
fn several_signers_must_all_have_signed_and_say_every_annotation() {
    let shop = Shop::open();
    let (image, digest) = shop.shelf.push("app", None);
    let new =
        |identity| KeylessSignature::new(&shop.fulcio, &shop.rekor, &image, &digest, identity);
    let layers = [new(&WORKFLOW).layer(), new(&PERSON).layer()];
    shop.shelf.store_signatures(&image, &digest, &layers);
    let infos = |subject: &str| {
        json!([
            {"issuer": GITHUB, "subject": WORKFLOW_URL},
            {"issuer": ACCOUNTS, "subject": subject},
        ])
    };
    let ask = |keyless: Value, annotations: Value| {
        let question = json!({"type": "SigstoreKeylessVerify", "image": image, "keyless": keyless,
            "annotations": annotations});
        call(&shop.registry(), "v2/verify", &question)
    };
    assert_eq!(
        ask(infos("alice@example.com"), json!(null)),
        trusted(&digest)
    );
    assert_eq!(ask(infos("bob@example.com"), json!(null)), missing());
    assert_eq!(
        ask(infos("alice@example.com"), json!({"env": "prod"})),
        missing()
    );
    assert_eq!(
        ask(json!([]), json!(null)),
        failure("Must provide keyless info")
    );
    let nobody = call(
        &shop.registry(),
        "v2/verify",
        &about(&github("", None), &image),
    );
    assert_eq!(nobody, failure("Must provide owner info"));
    let no_url = about(&prefix(GITHUB, "github.com/octo-org"), &image);
    assert_eq!(
        call(&shop.registry(), "v2/verify", &no_url),
        failure("the URL prefix \"github.com/octo-org\" is not a URL")
    );
}

/// What is different from a signature in order, how, and what is said of it.
type Tampering = (
    &'static str,
    fn(&Case<'_>) -> KeylessSignature,
    &'static str,
);

/// A signature in order, and what it takes to make another.
struct Case<'c> {
    shop: &'c Shop,
    image: &'c str,
    digest: &'c str,
    good: KeylessSignature,
}

impl Case<'_> {
    /// A signature by a certificate that Fulcio issues, recorded at a time.
    fn signed_with(&self, certificate: &Certificate, time: i64) -> KeylessSignature {
        let key = Key::new();
        let certificate = self.shop.fulcio.issue(certificate, &key);
        self.signed_by(&key, &certificate, time)
    }

    fn signed_by(&self, key: &Key, certificate: &str, time: i64) -> KeylessSignature {
        let payload = payload(self.image, self.digest);
        let signature = sign(key, &payload);
        let entry = Entry {
            time,
            ..KeylessSignature::entry(&payload, &signature, certificate)
        };
        KeylessSignature {
            payload,
            signature,
            certificate: Some(certificate.to_owned()),
            bundle: Some(self.shop.rekor.record(&entry)),
        }
    }

    /// The signature in order with another entry.
    fn recorded(&self, change: impl FnOnce(&mut Entry)) -> KeylessSignature {
        let certificate = self.good.certificate.as_deref().unwrap();
        let mut entry =
            KeylessSignature::entry(&self.good.payload, &self.good.signature, certificate);
        change(&mut entry);
        KeylessSignature {
            bundle: Some(self.shop.rekor.record(&entry)),
            ..self.good.clone()
        }
    }

    /// A signature in order of the same identity on another image.
    fn elsewhere(&self) -> KeylessSignature {
        let digest = format!("sha256:{}", "0".repeat(64));
        let Shop { fulcio, rekor, .. } = self.shop;
        KeylessSignature::new(fulcio, rekor, self.image, &digest, &WORKFLOW)
    }
}

#[test]
fn nothing_is_a_signature_whose_parts_are_not_about_each_other() {
    let shop = Shop::open();
    for (name, tamper, reason) in TAMPERINGS {
        let (image, digest) = shop.shelf.push(&name.replace(' ', "-"), None);
        let Shop { fulcio, rekor, .. } = &shop;
        let good = KeylessSignature::new(fulcio, rekor, &image, &digest, &WORKFLOW);
        let case = Case {
            shop: &shop,
            image: &image,
            digest: &digest,
            good,
        };
        let registry = shop.registry();
        let questions = [
            keyless(GITHUB, WORKFLOW_URL),
            prefix(GITHUB, "https://github.com/octo-org/"),
            github("octo-org", None),
        ]
        .map(|question| about(&question, &image));
        shop.shelf
            .store_signatures(&image, &digest, &[tamper(&case).layer()]);
        for question in &questions {
            let error = call(&registry, "v2/verify", question).unwrap_err();
            assert!(
                [
                    "missing signatures",
                    "No Signature Layer passed verification"
                ]
                .iter()
                .any(|refusal| error.ends_with(refusal)),
                "{name}: {error}"
            );
        }
        let said = registry.take_advice();
        assert_eq!(said.is_empty(), reason.is_empty(), "{name}: {said:?}");
        assert!(
            said.iter().all(|said| said.contains(reason)),
            "{name}: {said:?}"
        );

        // Nor does it keep a signature beside it that is in order from counting.
        let layers = [tamper(&case).layer(), case.good.layer()];
        shop.shelf.store_signatures(&image, &digest, &layers);
        for question in &questions {
            let answer = call(&registry, "v2/verify", question);
            assert_eq!(answer, trusted(&digest), "{name}");
        }
    }
}

const TAMPERINGS: [Tampering; 27] = [
    (
        "the signature of another image",
        |case| case.elsewhere(),
        // Its payload says which.
        "",
    ),
    (
        "another payload",
        |case| KeylessSignature {
            payload: case.good.payload.clone(),
            ..case.elsewhere()
        },
        "has the log entry of another payload",
    ),
    (
        "another payload in the log too",
        |case| {
            let elsewhere = case.elsewhere();
            let certificate = elsewhere.certificate.as_deref().unwrap();
            let entry =
                KeylessSignature::entry(&case.good.payload, &elsewhere.signature, certificate);
            KeylessSignature {
                payload: case.good.payload.clone(),
                bundle: Some(case.shop.rekor.record(&entry)),
                ..elsewhere
            }
        },
        "was not made with the key of its certificate",
    ),
    (
        "the certificate of another signer",
        |case| {
            let certificate = case.good.certificate.clone().unwrap();
            case.signed_by(&Key::new(), &certificate, WHEN)
        },
        "was not made with the key of its certificate",
    ),
    (
        "certificate and entry of another signer",
        |case| KeylessSignature {
            signature: sign(&Key::new(), &case.good.payload),
            ..case.good.clone()
        },
        "has the log entry of another signature",
    ),
    (
        "no signature at all",
        |case| KeylessSignature {
            signature: String::new(),
            ..case.good.clone()
        },
        "has the log entry of another signature",
    ),
    (
        "no certificate",
        |case| KeylessSignature {
            certificate: None,
            ..case.good.clone()
        },
        "without a certificate is not a keyless one",
    ),
    (
        "no log entry",
        |case| KeylessSignature {
            bundle: None,
            ..case.good.clone()
        },
        "is in no log",
    ),
    (
        "the entry of another image",
        |case| KeylessSignature {
            bundle: case.elsewhere().bundle,
            ..case.good.clone()
        },
        "has the log entry of another payload",
    ),
    (
        "the entry of another signature",
        |case| case.recorded(|entry| entry.signature = sign(&Key::new(), &entry.payload)),
        "has the log entry of another signature",
    ),
    (
        "the entry of another certificate",
        |case| {
            let other = case.elsewhere().certificate.unwrap();
            case.recorded(|entry| entry.signer = other)
        },
        "has a log entry that names another certificate or key",
    ),
    (
        "the entry of a key",
        |case| case.recorded(|entry| entry.signer = Key::new().public()),
        "has a log entry that names another certificate or key",
    ),
    (
        "an entry of another kind",
        |case| case.recorded(|entry| entry.kind = ("rekord", "0.0.1")),
        "has a log entry of another kind than hashedrekord 0.0.1",
    ),
    (
        "an entry of another version",
        |case| case.recorded(|entry| entry.kind = ("hashedrekord", "0.0.2")),
        "has a log entry of another kind than hashedrekord 0.0.1",
    ),
    (
        "an entry by another hash",
        |case| case.recorded(|entry| entry.hash_algorithm = "sha512"),
        "has the log entry of another payload",
    ),
    (
        "an entry of a log that nobody trusts",
        |case| {
            let certificate = case.good.certificate.as_deref().unwrap();
            let entry =
                KeylessSignature::entry(&case.good.payload, &case.good.signature, certificate);
            KeylessSignature {
                bundle: Some(Rekor::new().record(&entry)),
                ..case.good.clone()
            }
        },
        "which is none of the trust config's tlogs",
    ),
    (
        "a log under the name of another",
        |case| {
            let certificate = case.good.certificate.as_deref().unwrap();
            let entry =
                KeylessSignature::entry(&case.good.payload, &case.good.signature, certificate);
            let foreign = Rekor::new();
            let bundle = foreign.record(&entry);
            KeylessSignature {
                bundle: Some(bundle.replace(&foreign.id(), &case.shop.rekor.id())),
                ..case.good.clone()
            }
        },
        "has a log entry that the log has not signed",
    ),
    (
        "another time than the log has signed",
        |case| {
            let bundle = case.good.bundle.clone().unwrap();
            KeylessSignature {
                bundle: Some(bundle.replace(&WHEN.to_string(), &(WHEN + 1).to_string())),
                ..case.good.clone()
            }
        },
        "has a log entry that the log has not signed",
    ),
    (
        "after the end of the certificate",
        |case| case.signed_with(&WORKFLOW.certificate(), WHEN + 3600),
        "was recorded when its certificate was not valid",
    ),
    (
        "before the start of the certificate",
        |case| case.signed_with(&WORKFLOW.certificate(), WHEN - 3600),
        "was recorded when its certificate was not valid",
    ),
    (
        "a certificate of another authority",
        |case| {
            let key = Key::new();
            let certificate = Fulcio::new().issue(&WORKFLOW.certificate(), &key);
            case.signed_by(&key, &certificate, WHEN)
        },
        "none of the trust config's certificateAuthorities has issued for signing",
    ),
    (
        "a certificate for something else than code",
        |case| {
            let mut certificate = WORKFLOW.certificate();
            // Code signing becomes what e-mail is protected with.
            certificate.replace(&[0x2b, 6, 1, 5, 5, 7, 3, 3], &[0x2b, 6, 1, 5, 5, 7, 3, 4]);
            case.signed_with(&certificate, WHEN)
        },
        "none of the trust config's certificateAuthorities has issued for signing",
    ),
    (
        "a certificate that may not sign",
        |case| {
            let mut certificate = WORKFLOW.certificate();
            // The first bit of the usage becomes the third, encipherment.
            certificate.replace(&[3, 2, 7, 0x80], &[3, 2, 5, 0x20]);
            case.signed_with(&certificate, WHEN)
        },
        "has a certificate for something else than signatures",
    ),
    (
        "a certificate with two names",
        |case| {
            let names = [WORKFLOW.subject, Name::Email("eve@example.com")];
            let mut certificate = WORKFLOW.certificate();
            let other = Certificate::for_signing(&names);
            certificate.extensions[2].clone_from(&other.extensions[2]);
            case.signed_with(&certificate, WHEN)
        },
        "does not name one address or URL alone",
    ),
    (
        "another issuer of the identity",
        |case| {
            let identity = Identity {
                issuer: "https://token.actions.githubusercontent.com.example",
                ..WORKFLOW
            };
            case.signed_with(&identity.certificate(), WHEN)
        },
        "is of \"https://github.com/octo-org/app/",
    ),
    (
        "a subject that begins alike",
        |case| {
            let identity = Identity {
                subject: Name::Url(
                    "https://github.com/octo-org-evil/app/.github/workflows/ci.yml@refs/heads/main",
                ),
                github_repository: Some("octo-org-evil/app"),
                ..WORKFLOW
            };
            case.signed_with(&identity.certificate(), WHEN)
        },
        "is of \"https://github.com/octo-org-evil/app/",
    ),
    (
        "a subject that leads elsewhere",
        |case| {
            let identity = Identity {
                subject: Name::Url(
                    "https://github.com/octo-org/%2e%2E/evil/app/ci.yml@refs/heads/main",
                ),
                github_repository: Some("evil/app"),
                ..WORKFLOW
            };
            case.signed_with(&identity.certificate(), WHEN)
        },
        "in \"evil/app\"",
    ),
];

#[test]
fn an_address_is_not_the_url_that_it_looks_like() {
    let shop = Shop::open();
    let (image, _) = shop.sign(&Identity {
        subject: Name::Email("https://github.com/octo-org/app"),
        issuer: GITHUB,
        github_repository: Some("octo-org/app"),
    });
    for question in [
        prefix(GITHUB, "https://github.com/octo-org/"),
        github("octo-org", None),
    ] {
        let answer = call(&shop.registry(), "v2/verify", &about(&question, &image));
        assert_eq!(answer, missing());
    }
}

#[test]
fn a_repository_is_an_owner_and_a_name() {
    let shop = Shop::open();
    for repository in [
        None,
        Some("octo-org"),
        Some("octo-org/../evil/app"),
        Some("evil/octo-org/app"),
    ] {
        let (image, _) = shop.sign(&Identity {
            github_repository: repository,
            ..WORKFLOW
        });
        let question = about(&github("octo-org", None), &image);
        assert_eq!(
            call(&shop.registry(), "v2/verify", &question),
            missing(),
            "{repository:?}"
        );
    }
    for subject in [
        "https://github.example/octo-org/app",
        "https://github.com/octo-org",
        "octo-org",
    ] {
        let (image, _) = shop.sign(&Identity {
            subject: Name::Url(subject),
            ..WORKFLOW
        });
        let question = about(&github("octo-org", None), &image);
        assert_eq!(
            call(&shop.registry(), "v2/verify", &question),
            missing(),
            "{subject}"
        );
    }
}

#[test]
fn authorities_and_logs_count_while_they_are_in_use() {
    let shop = Shop::open();
    let (image, digest) = shop.sign(&WORKFLOW);
    let question = about(&github("octo-org", None), &image);
    let ask = |period: Value| {
        let config = trust_config(&shop.fulcio, &shop.rekor, &period);
        let registry = Registry::new(shop.shelf.access()).with_trust_root(read(&config).unwrap());
        let answer = call(&registry, "v2/verify", &question);
        (answer, registry.take_advice())
    };
    for period in [
        json!(null),
        json!({}),
        json!({"start": "2026-01-02T03:04:05Z"}),
        json!({"start": "2020-01-01T00:00:00Z", "end": "2999-01-01T00:00:00Z"}),
    ] {
        assert_eq!(ask(period.clone()).0, trusted(&digest), "{period}");
    }
    for period in [
        json!({"start": "2026-01-02T03:04:06Z"}),
        json!({"end": "2026-01-01T00:00:00Z"}),
        // As policy-server has it, what a log has recorded counts no longer than the log.
        json!({"start": "2020-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}),
    ] {
        let (answer, advice) = ask(period.clone());
        assert_eq!(answer, missing(), "{period}");
        assert_eq!(
            advice,
            [format!(
                "{image}: a signature is in a log that is not, or was not then, to be trusted (validFor)"
            )],
            "{period}"
        );
    }
    let mut config = trust_config(&shop.fulcio, &shop.rekor, &json!({}));
    config["trustedRoot"]["certificateAuthorities"][0]["validFor"] =
        json!({"end": "2026-01-01T00:00:00Z"});
    let registry = Registry::new(shop.shelf.access()).with_trust_root(read(&config).unwrap());
    assert_eq!(call(&registry, "v2/verify", &question), missing());
    assert_eq!(
        registry.take_advice(),
        [format!(
            "{image}: a signature has a certificate that none of the trust config's certificateAuthorities has issued for signing: none of them was trusted then"
        )]
    );
}

#[test]
fn an_entry_speaks_for_a_certificate_of_the_settings() {
    let shop = Shop::open();
    let (owner, authority) = (Key::new(), Key::new());
    let identity = Certificate::for_signing(&[Name::Email("signer@example.com")]);
    let of_authority = Certificate::of_authority();
    let root = container_security_test_kit::certificate::pem(
        &of_authority.issue(("root", &authority), ("root", &authority)),
    );
    let issue = |certificate: &Certificate| {
        container_security_test_kit::certificate::pem(
            &certificate.issue(("signer", &owner), ("root", &authority)),
        )
    };
    let certificate = issue(&identity);
    let later = issue(&Certificate {
        start: "260103000000Z".to_owned(),
        ..identity.clone()
    });
    let stored = |change: &dyn Fn(&mut Entry)| {
        let (image, digest) = shop.shelf.push("app", None);
        let payload = payload(&image, &digest);
        let signature = sign(&owner, &payload);
        let mut entry = KeylessSignature::entry(&payload, &signature, &certificate);
        change(&mut entry);
        let signature = KeylessSignature {
            payload,
            signature,
            certificate: None,
            bundle: Some(shop.rekor.record(&entry)),
        };
        shop.shelf
            .store_signatures(&image, &digest, &[signature.layer()]);
        (image, digest)
    };
    let ask = |image: &str, certificate: &str, needs_bundle: bool| {
        let question = json!({
            "type": "SigstoreCertificateVerify", "image": image,
            "certificate": certificate.as_bytes(), "certificate_chain": [root.as_bytes()],
            "require_rekor_bundle": needs_bundle,
        });
        call(&shop.registry(), "v2/verify", &question)
    };
    let failed = || failure("verification failed: Several Signature Layers failed verification");

    let (image, digest) = stored(&|_| {});
    assert_eq!(ask(&image, &certificate, true), trusted(&digest));
    assert_eq!(ask(&image, &later, true), failed());
    assert_eq!(ask(&image, &later, false), failed());
    // cosign tells Rekor the key where it was given no certificate.
    let (image, digest) = stored(&|entry| entry.signer = owner.public());
    assert_eq!(ask(&image, &certificate, true), trusted(&digest));
    let wrong: [&dyn Fn(&mut Entry); 4] = [
        &|entry| entry.signer = Key::new().public(),
        &|entry| entry.payload.push(b' '),
        &|entry| entry.signature = sign(&owner, b"another"),
        &|entry| entry.time = 1_500_000_000,
    ];
    for change in wrong {
        let (image, _) = stored(change);
        assert_eq!(ask(&image, &certificate, true), failed());
        assert_eq!(ask(&image, &certificate, false), failed());
    }
    let (image, digest) = shop.shelf.push("app", None);
    shop.shelf.sign(&image, &digest, &[(&owner, &[])]);
    assert_eq!(ask(&image, &certificate, true), failed());
    assert_eq!(ask(&image, &certificate, false), trusted(&digest));
}

/// policy-server does not count a signature whose entry is not in order for a public key either.
#[test]
fn a_public_key_does_not_mend_a_foreign_entry() {
    let shop = Shop::open();
    let key = Key::new();
    let (image, digest) = shop.shelf.push("app", None);
    let payload = payload(&image, &digest);
    let signature = sign(&key, &payload);
    let entry = KeylessSignature::entry(&payload, &signature, &key.public());
    let question = verify(&image, &[&key], &json!(null));
    for (bundle, is_signed) in [
        (None, true),
        (Some(shop.rekor.record(&entry)), true),
        (Some(Rekor::new().record(&entry)), false),
        (Some("{}".to_owned()), false),
    ] {
        let stored = KeylessSignature {
            payload: payload.clone(),
            signature: signature.clone(),
            certificate: None,
            bundle,
        };
        shop.shelf
            .store_signatures(&image, &digest, &[stored.layer()]);
        let expected = if is_signed {
            trusted(&digest)
        } else {
            missing()
        };
        assert_eq!(call(&shop.registry(), "v2/verify", &question), expected);
        // Who trusts no log is not told by one.
        let without = Registry::new(shop.shelf.access());
        assert_eq!(call(&without, "v2/verify", &question), trusted(&digest));
    }
}

/// policy-server 1.36.0-beta.1 reads no bundle, and later ones not of every signer; so none counts here.
#[test]
fn a_bundle_is_no_signature_here_and_a_note_says_that_it_is_there() {
    let shop = Shop::open();
    let key = Key::new();
    let certificate = shop.fulcio.issue(&WORKFLOW.certificate(), &key);
    let of_settings = json!({"type": "SigstoreCertificateVerify",
        "certificate": certificate.as_bytes(), "require_rekor_bundle": true});
    for (certificate, question) in [
        (None, verify("", &[&key], &json!(null))),
        (Some(&certificate), of_settings),
        (Some(&certificate), keyless(GITHUB, WORKFLOW_URL)),
        (Some(&certificate), github("octo-org", None)),
    ] {
        let (image, digest) = shop.shelf.push("bundled", None);
        let certificate = certificate.map(String::as_str);
        let bundle = bundle(&shop.rekor, &key, certificate, &digest);
        store_bundle(&shop.shelf, &image, &digest, &bundle);
        let registry = shop.registry();
        assert_eq!(
            call(&registry, "v2/verify", &about(&question, &image)),
            failure(&format!("no signatures found for image: {image} "))
        );
        assert_eq!(
            registry.take_advice(),
            [format!(
                "{image}: bundles of cosign 3 refer to it, which are not read here, and not by policy-server 1.36.0-beta.1 either"
            )]
        );
    }
    let (image, _) = shop.shelf.push("unsigned", None);
    let registry = shop.registry();
    let question = verify(&image, &[&key], &json!(null));
    call(&registry, "v2/verify", &question).unwrap_err();
    assert_eq!(registry.take_advice(), [""; 0]);
}

#[test]
fn a_trust_config_that_is_none_says_what_is_wrong() {
    let shop = &SHOP_OF_CONFIGS;
    let with = |pointer: &str, value: Value| {
        let mut config = trust_config(&shop.0, &shop.1, &json!({}));
        *config.pointer_mut(pointer).unwrap() = value;
        config
    };
    for (config, expected) in [
        (json!({}), "trustedRoot is missing"),
        (
            with("/trustedRoot/certificateAuthorities", json!([])),
            "trustedRoot.certificateAuthorities names nobody",
        ),
        (
            with("/trustedRoot/certificateAuthorities/0/certChain", json!({})),
            "trustedRoot.certificateAuthorities[0]: certChain.certificates is empty",
        ),
        (
            with(
                "/trustedRoot/certificateAuthorities/0/certChain/certificates/1/rawBytes",
                json!("AAAA"),
            ),
            "trustedRoot.certificateAuthorities[0]: certChain.certificates[1]: TrailingData(SignedData)",
        ),
        (
            with("/trustedRoot/tlogs/0/logId", json!(null)),
            "trustedRoot.tlogs[0]: logId is missing",
        ),
        (
            with("/trustedRoot/tlogs/0/publicKey", json!(null)),
            "trustedRoot.tlogs[0]: publicKey is missing",
        ),
        (
            with("/trustedRoot/tlogs/0/publicKey", json!({})),
            "trustedRoot.tlogs[0]: publicKey.rawBytes is missing",
        ),
        (
            trust_config(&shop.0, &shop.1, &json!({}))["trustedRoot"].clone(),
            "this is a trusted root alone; kwctl and policy-server read it as the trustedRoot of a ClientTrustConfig: {\"trustedRoot\": ...}",
        ),
    ] {
        assert_eq!(
            read(&config).unwrap_err(),
            format!("trust.json: {expected}")
        );
    }
    for text in ["", "[]", "{\"unknown\": 1}"] {
        let error = TrustRoot::from_client_trust_config("trust.json", text.as_bytes()).unwrap_err();
        assert!(
            error.starts_with("trust.json: not a ClientTrustConfig: "),
            "{error}"
        );
    }
}

static SHOP_OF_CONFIGS: LazyLock<(Fulcio, Rekor)> = LazyLock::new(|| (Fulcio::new(), Rekor::new()));

/// Images, and a Sigstore.
struct Shop {
    shelf: Shelf,
    fulcio: Fulcio,
    rekor: Rekor,
}

impl Shop {
    fn open() -> Self {
        Self {
            shelf: Shelf::new(),
            fulcio: Fulcio::new(),
            rekor: Rekor::new(),
        }
    }

    fn registry(&self) -> Registry {
        let config = trust_config(
            &self.fulcio,
            &self.rekor,
            &json!({"start": "2020-01-01T00:00:00Z"}),
        );
        Registry::new(self.shelf.access()).with_trust_root(read(&config).unwrap())
    }

    /// An image that this identity has signed, and its digest.
    fn sign(&self, identity: &Identity<'_>) -> (String, String) {
        let name = format!("app-{}", std::ptr::from_ref(identity).addr());
        let (image, digest) = self.shelf.push(&name, None);
        let signature = KeylessSignature::new(&self.fulcio, &self.rekor, &image, &digest, identity);
        self.shelf
            .store_signatures(&image, &digest, &[signature.layer()]);
        (image, digest)
    }
}

fn read(config: &Value) -> Result<TrustRoot, String> {
    TrustRoot::from_client_trust_config("trust.json", config.to_string().as_bytes())
}

fn missing() -> Result<Value, String> {
    failure("Image verification failed: missing signatures")
}

fn about(question: &Value, image: &str) -> Value {
    let mut question = question.clone();
    question["image"] = json!(image);
    question
}

fn keyless(issuer: &str, subject: &str) -> Value {
    json!({"type": "SigstoreKeylessVerify", "keyless": [{"issuer": issuer, "subject": subject}]})
}

fn prefix(issuer: &str, prefix: &str) -> Value {
    json!({"type": "SigstoreKeylessPrefixVerify",
        "keyless_prefix": [{"issuer": issuer, "url_prefix": prefix}]})
}

fn github(owner: &str, repo: Option<&str>) -> Value {
    json!({"type": "SigstoreGithubActionsVerify", "owner": owner, "repo": repo})
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const ACCOUNTS: &str = "https://accounts.example";
const WORKFLOW_URL: &str =
    "https://github.com/octo-org/app/.github/workflows/release.yml@refs/heads/main";
const WORKFLOW: Identity<'_> = Identity {
    subject: Name::Url(WORKFLOW_URL),
    issuer: GITHUB,
    github_repository: Some("octo-org/app"),
};
const PERSON: Identity<'_> = Identity {
    subject: Name::Email("alice@example.com"),
    issuer: ACCOUNTS,
    github_repository: None,
};
