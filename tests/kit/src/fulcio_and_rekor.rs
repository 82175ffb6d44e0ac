//! A made-up Sigstore: a Fulcio that issues certificates to whoever is named, and a Rekor that records
//! what it is given. What they vouch for is bound together as that of the real ones.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]
#![expect(clippy::new_without_default, reason = "no two authorities are equal")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use oci_client::client::ImageLayer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::SignatureLayer;

use crate::certificate::{Certificate, Name, pem, text_extension};
use crate::shelf::{Key, SCHEME, Shelf};

/// Who issues certificates for signing.
pub struct Fulcio {
    root_key: Key,
    /// The authority's own certificate, in DER.
    pub root: Vec<u8>,
    intermediate_key: Key,
    /// The certificate of the key that issues, in DER.
    pub intermediate: Vec<u8>,
}

impl Fulcio {
    /// A new one.
    pub fn new() -> Self {
        let (root_key, intermediate_key) = (Key::new(), Key::new());
        let of_authority = Certificate::of_authority();
        Self {
            root: of_authority.issue((ROOT, &root_key), (ROOT, &root_key)),
            intermediate: of_authority.issue((ISSUING, &intermediate_key), (ROOT, &root_key)),
            root_key,
            intermediate_key,
        }
    }

    /// Issues a certificate, in PEM.
    pub fn issue(&self, certificate: &Certificate, key: &Key) -> String {
        pem(&certificate.issue(("", key), (ISSUING, &self.intermediate_key)))
    }

    /// Issues one as the root itself does for nobody but the intermediate.
    pub fn issue_as_root(&self, certificate: &Certificate, key: &Key) -> String {
        pem(&certificate.issue(("", key), (ROOT, &self.root_key)))
    }
}

/// Who records signatures.
pub struct Rekor(Key);

impl Rekor {
    /// A new one.
    pub fn new() -> Self {
        Self(Key::new())
    }

    /// The id that entries name, in hexadecimal.
    pub fn id(&self) -> String {
        hex::encode(self.id_bytes())
    }

    fn id_bytes(&self) -> Vec<u8> {
        Sha256::digest(self.0.0.public_key_to_der().unwrap()).to_vec()
    }

    /// What cosign stores of the answer: the entry, and a signature of this log on it.
    pub fn record(&self, entry: &Entry) -> String {
        let payload = json!({
            "body": BASE64.encode(entry.body().to_string()),
            "integratedTime": entry.time,
            "logIndex": 7,
            "logID": self.id(),
        });
        // The keys are sorted, and nothing needs an escape.
        let promise = sign(&self.0, payload.to_string().as_bytes());
        json!({"SignedEntryTimestamp": promise, "Payload": payload}).to_string()
    }
}

/// What Rekor is told of a signature.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is signed.
    pub payload: Vec<u8>,
    /// In Base64.
    pub signature: String,
    /// Certificate or public key, in PEM.
    pub signer: String,
    /// When: seconds since 1970.
    pub time: i64,
    /// The sort of entry, and its version.
    pub kind: (&'static str, &'static str),
    /// Of the payload.
    pub hash_algorithm: &'static str,
}

impl Entry {
    fn body(&self) -> Value {
        let (kind, version) = self.kind;
        let hash = hex::encode(Sha256::digest(&self.payload));
        json!({
            "apiVersion": version,
            "kind": kind,
            "spec": {
                "data": {"hash": {"algorithm": self.hash_algorithm, "value": hash}},
                "signature": {
                    "content": self.signature,
                    "publicKey": {"content": BASE64.encode(&self.signer)},
                },
            },
        })
    }
}

/// A `ClientTrustConfig`, as kwctl and policy-server read it. `period` is a `validFor`.
pub fn trust_config(fulcio: &Fulcio, rekor: &Rekor, period: &Value) -> Value {
    let certificate = |der: &[u8]| json!({"rawBytes": BASE64.encode(der)});
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": "https://rekor.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": BASE64.encode(rekor.0.0.public_key_to_der().unwrap()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": period,
                },
                "logId": {"keyId": BASE64.encode(rekor.id_bytes())},
            }],
            "certificateAuthorities": [{
                "subject": {"organization": "example", "commonName": "fulcio"},
                "uri": "https://fulcio.example",
                "certChain": {"certificates": [
                    certificate(&fulcio.intermediate),
                    certificate(&fulcio.root),
                ]},
                "validFor": period,
            }],
            "ctlogs": [],
            "timestampAuthorities": [],
        },
        "signingConfig": {},
    })
}

/// A keyless signature of an image, each part of which can be another.
#[derive(Debug, Clone)]
pub struct KeylessSignature {
    /// What is signed.
    pub payload: Vec<u8>,
    /// In Base64.
    pub signature: String,
    /// In PEM.
    pub certificate: Option<String>,
    /// What [`Rekor::record`] has answered.
    pub bundle: Option<String>,
}

impl KeylessSignature {
    /// Signs an image as `cosign sign` does with a token of the named identity.
    pub fn new(
        fulcio: &Fulcio,
        rekor: &Rekor,
        image: &str,
        digest: &str,
        identity: &Identity<'_>,
    ) -> Self {
        let key = Key::new();
        let certificate = fulcio.issue(&identity.certificate(), &key);
        let payload = payload(image, digest);
        let signature = sign(&key, &payload);
        let bundle = rekor.record(&Self::entry(&payload, &signature, &certificate));
        Self {
            payload,
            signature,
            certificate: Some(certificate),
            bundle: Some(bundle),
        }
    }

    /// What Rekor is told of a signature, in the minutes in which its certificate is valid.
    pub fn entry(payload: &[u8], signature: &str, certificate: &str) -> Entry {
        Entry {
            payload: payload.to_vec(),
            signature: signature.to_owned(),
            signer: certificate.to_owned(),
            time: WHEN,
            kind: ("hashedrekord", "0.0.1"),
            hash_algorithm: "sha256",
        }
    }

    /// The layer in which cosign stores it.
    pub fn layer(&self) -> ImageLayer {
        let mut annotations = BTreeMap::from([(
            "dev.cosignproject.cosign/signature".to_owned(),
            self.signature.clone(),
        )]);
        let others = [
            ("dev.sigstore.cosign/certificate", &self.certificate),
            ("dev.sigstore.cosign/bundle", &self.bundle),
        ];
        for (key, value) in others {
            annotations.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
        ImageLayer::new(
            self.payload.clone(),
            "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            Some(annotations),
        )
    }
}

/// A signature in the format of cosign 3: a Sigstore bundle, with a proof that the log includes it.
pub fn bundle(rekor: &Rekor, key: &Key, certificate: Option<&str>, digest: &str) -> Value {
    let (_, hex_digest) = digest.split_once(':').unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": hex_digest}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
    .to_string();
    let payload_type = "application/vnd.in-toto+json";
    let pae = format!(
        "DSSEv1 {} {payload_type} {} {statement}",
        payload_type.len(),
        statement.len()
    );
    let signature = sign(key, pae.as_bytes());
    let envelope = json!({
        "payload": BASE64.encode(&statement),
        "payloadType": payload_type,
        "signatures": [{"sig": signature}],
    });
    let hash =
        |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex::encode(Sha256::digest(bytes))});
    let signer = certificate.map_or_else(|| key.public(), ToOwned::to_owned);
    let body = json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": hash(envelope.to_string().as_bytes()),
            "payloadHash": hash(statement.as_bytes()),
            "signatures": [{"signature": signature, "verifier": BASE64.encode(signer)}],
        },
    })
    .to_string();
    let promised = json!({
        "body": BASE64.encode(&body),
        "integratedTime": WHEN,
        "logIndex": 7,
        "logID": rekor.id(),
    });
    // The only leaf of its tree.
    let root = BASE64.encode(Sha256::digest([&[0], body.as_bytes()].concat()));
    let note = format!("rekor.example\n1\n{root}\n");
    let note_signature = BASE64.decode(sign(&rekor.0, note.as_bytes())).unwrap();
    let hint = rekor.id_bytes().into_iter().take(4);
    let note_signature = BASE64.encode(hint.chain(note_signature).collect::<Vec<u8>>());
    let material = match certificate {
        Some(pem) => {
            let der = pem::parse(pem).unwrap();
            json!({"certificate": {"rawBytes": BASE64.encode(der.contents())}})
        }
        None => json!({"publicKey": {"hint": "key"}}),
    };
    let mut bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "tlogEntries": [{
                "logIndex": "7",
                "logId": {"keyId": BASE64.encode(rekor.id_bytes())},
                "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                "integratedTime": WHEN.to_string(),
                "inclusionPromise": {"signedEntryTimestamp": sign(&rekor.0, promised.to_string().as_bytes())},
                "inclusionProof": {
                    "logIndex": "0",
                    "rootHash": root,
                    "treeSize": "1",
                    "hashes": [],
                    "checkpoint": {"envelope": format!("{note}\n\u{2014} rekor.example {note_signature}\n")},
                },
                "canonicalizedBody": BASE64.encode(&body),
            }],
        },
        "dsseEnvelope": envelope,
    });
    let own = bundle
        .get_mut("verificationMaterial")
        .and_then(Value::as_object_mut)
        .unwrap();
    own.extend(material.as_object().unwrap().clone());
    bundle
}

/// Stores a bundle as cosign 3 does where a registry has no list of referrers: under a digest, and in a
/// list under the tag that stands for the image.
pub fn store_bundle(shelf: &Shelf, image: &str, digest: &str, bundle: &Value) {
    let (name, _) = image.rsplit_once(':').unwrap();
    let layer = ImageLayer::new(bundle.to_string().into_bytes(), BUNDLE.to_owned(), None);
    let subject = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": 1,
    });
    let more = json!({"artifactType": BUNDLE, "subject": subject});
    let bundle_digest = shelf.push_artifact(&format!("{name}:bundle"), &[layer], &more);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": bundle_digest,
            "size": 1,
            "artifactType": BUNDLE,
            "annotations": {"dev.sigstore.bundle.content": "dsse-envelope"},
        }],
    });
    shelf.push_manifest(
        &format!("{name}:{}", digest.replace(':', "-")),
        &index,
        "application/vnd.oci.image.index.v1+json",
    );
}

/// Whom a certificate of Fulcio names.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'i> {
    /// The signer.
    pub subject: Name<'i>,
    /// The URL of who vouches for the signer.
    pub issuer: &'i str,
    /// `owner/repository` of a workflow of GitHub Actions.
    pub github_repository: Option<&'i str>,
}

impl Identity<'_> {
    /// What Fulcio certifies for the minutes around [`WHEN`].
    pub fn certificate(&self) -> Certificate {
        let mut certificate = Certificate {
            start: "260102030000Z".to_owned(),
            end: "260102031000Z".to_owned(),
            ..Certificate::for_signing(&[self.subject])
        };
        certificate
            .extensions
            .push(text_extension(ISSUER, self.issuer));
        if let Some(repository) = self.github_repository {
            certificate
                .extensions
                .push(text_extension(GITHUB_REPOSITORY, repository));
        }
        certificate
    }
}

/// What cosign signs of an image.
pub fn payload(image: &str, digest: &str) -> Vec<u8> {
    SignatureLayer::new_unsigned(&image.parse().unwrap(), digest)
        .unwrap()
        .raw_data
}

/// A signature in Base64.
pub fn sign(key: &Key, payload: &[u8]) -> String {
    let signer = key.0.to_sigstore_signer(&SCHEME).unwrap();
    BASE64.encode(signer.sign(payload).unwrap())
}

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ROOT: &str = "fulcio";
const ISSUING: &str = "fulcio-intermediate";
/// 1.3.6.1.4.1.57264.1.1
const ISSUER: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 1];
/// 1.3.6.1.4.1.57264.1.5
const GITHUB_REPOSITORY: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 5];
/// 2026-01-02T03:04:05Z, when everything here is signed.
pub const WHEN: i64 = 1_767_323_045;
