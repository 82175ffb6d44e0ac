//! Host calls answered by the registries themselves.
//!
//! | Call | Answer |
//! |---|---|
//! | `oci` `v1/manifest_digest` | what a reference resolves to |
//! | `oci` `v1/oci_manifest` | the manifest, or the index of several |
//! | `oci` `v1/oci_manifest_config` | manifest and configuration of this machine's platform |
//! | `oci` `v2/verify` | who has signed the image with cosign: public keys, a certificate, and with a trust root of Sigstore's keyless signers and workflows of GitHub Actions |
//!
//! Everything else is denied. Answers are those of policy-server, and so is how its errors begin:
//! a guest tells "not there" from "not reachable" by their words. Where policy-server writes the
//! cause into the lines below, it stands in the same line here.
//!
//! Two things differ. Without a trust root of Sigstore, which [`crate::trust_root`] reads, keyless
//! signatures, GitHub Actions and Rekor bundles are errors that say so. And only "there is no such
//! manifest" means that an image is not signed; policy-server says that, too, when its registry does
//! not answer.
//!
//! A guest that gets no answer says so to whoever uses a cluster, and sends them to whoever runs its
//! policy server. What that means on this machine says [`Registry::take_advice`].
//!
//! The digest that is reported is computed from the bytes that the registry has sent, and so is
//! that of everything else that a digest names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use oci_client::client::{current_platform_resolver, linux_amd64_resolver};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, ParseError};
use serde::Deserialize;
use serde_json::{Value, json};
use sigstore::cosign::SignatureLayer;
use sigstore::cosign::payload::SimpleSigning;
use sigstore::errors::SigstoreError;

use crate::host_capabilities::{Denied, HostCapabilities};
use crate::oci::{self, Access, Reference};
use crate::signers::{KeylessInfo, KeylessPrefixInfo, Signer, Signers, StoredSignature};
use crate::trust_root::TrustRoot;

/// Answers from the registries that the references name.
///
/// A question that has been answered is not asked again: an image is the same for all requests that
/// one `Registry` serves.
pub struct Registry {
    access: Access,
    trust_root: Option<TrustRoot>,
    answers: Mutex<BTreeMap<Question, Vec<u8>>>,
    advice: Mutex<BTreeSet<String>>,
}

/// Operation and payload.
type Question = (String, Vec<u8>);

impl Registry {
    /// Answers by way of `access`.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            trust_root: None,
            answers: Mutex::default(),
            advice: Mutex::default(),
        }
    }

    /// Verifies keyless signatures, too, and what logs have recorded.
    #[must_use]
    pub fn with_trust_root(self, trust_root: TrustRoot) -> Self {
        Self {
            trust_root: Some(trust_root),
            ..self
        }
    }

    /// What to look at on this machine, a sentence for each cause, after the calls since the last
    /// time that got no answer. That there is no image or no signature is an answer.
    #[must_use]
    pub fn take_advice(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.advice))
            .into_iter()
            .collect()
    }

    fn answer(&self, operation: &str, payload: &[u8]) -> Result<Value, Failure> {
        match operation {
            "v2/verify" => {
                let request: Verify = serde_json::from_slice(payload)?;
                let (image, signers, missing) = request.signers(self.trust_root.as_ref())?;
                let (digest, signatures) = self.signatures(&image)?;
                signers.check(&signatures).map_err(missing)?;
                Ok(json!({"is_trusted": true, "digest": digest}))
            }
            "v1/manifest_digest" => Ok(json!({"digest": self.manifest(payload)?.1})),
            "v1/oci_manifest" => Ok(serde_json::to_value(self.manifest(payload)?.0)?),
            _ => self.manifest_and_config(payload),
        }
    }

    /// What to look at on this machine when there is no answer, or what an answer leaves out.
    fn advice(&self, payload: &[u8], failure: &Failure) -> Vec<String> {
        let Some(image) = image(payload) else {
            return Vec::new();
        };
        if let Failure::MissingSignatures(reasons) = failure {
            let of_image = |reason| format!("{}: a signature {reason}", image.whole());
            return reasons.iter().map(of_image).collect();
        }
        self.advice_on_silence(&image, failure)
            .into_iter()
            .collect()
    }

    /// What to look at on this machine when there is no answer; `None` when that is one.
    fn advice_on_silence(&self, image: &Reference, failure: &Failure) -> Option<String> {
        let asked = format!(
            "{} was asked from this machine, not by a policy server",
            image.registry()
        );
        match failure {
            Failure::Registry(error)
            | Failure::Image { error, .. }
            | Failure::Signatures { error, .. } => {
                let advice = self.access.advice(image, error)?;
                Some(format!("{asked}: {advice}"))
            }
            Failure::NoTrustRoot(_) => Some(NO_TRUST_ROOT.to_owned()),
            Failure::NotSigned {
                has_bundles: true, ..
            } => Some(format!("{}: {BUNDLES}", image.whole())),
            Failure::NotSigned { .. }
            | Failure::NoUsableSignature
            | Failure::MissingSignatures(_)
            | Failure::FailedVerification
            | Failure::NoKeys
            | Failure::NoKeyless
            | Failure::NoOwner
            | Failure::NoPrefix(_)
            | Failure::Json(_)
            | Failure::Reference(_) => None,
            _ => Some(asked),
        }
    }

    fn manifest(&self, payload: &[u8]) -> Result<(OciManifest, String), Failure> {
        let image: Reference = serde_json::from_slice::<String>(payload)?.parse()?;
        self.access.run(&image, async |client, auth| {
            Ok(pull_manifest(client, auth, &image).await?)
        })
    }

    fn manifest_and_config(&self, payload: &[u8]) -> Result<Value, Failure> {
        let image: Reference = serde_json::from_slice::<String>(payload)?.parse()?;
        self.access.run(&image, async |client, auth| {
            let (manifest, digest) = pull_manifest(client, auth, &image).await?;
            let manifest = match manifest {
                OciManifest::Image(manifest) => manifest,
                OciManifest::ImageIndex(index) => {
                    let platform = platform(&index.manifests).ok_or(Failure::NoPlatform)?;
                    let image = image.clone_with_digest(platform);
                    match pull_manifest(client, auth, &image).await? {
                        (OciManifest::Image(manifest), _) => manifest,
                        (OciManifest::ImageIndex(_), _) => return Err(Failure::NoPlatform),
                    }
                }
            };
            let config = pull_blob(client, &image, &manifest.config, CONFIG_LIMIT).await?;
            let config: Value = serde_json::from_slice(&config).map_err(Failure::Config)?;
            Ok(json!({"manifest": manifest, "digest": digest, "config": config}))
        })
    }

    /// The digest of an image, and the signatures on it.
    fn signatures(&self, image: &str) -> Result<(String, Vec<StoredSignature>), Failure> {
        let reference: Reference = image.parse()?;
        self.access
            .run(&reference, async |client, auth| {
                let (_, digest) = pull_manifest(client, auth, &reference).await?;
                match pull_signatures(client, auth, &reference, &digest).await {
                    Ok(layers) => Ok((digest, layers)),
                    Err(Failure::Registry(error)) => Err(Failure::Signatures {
                        image: reference.whole(),
                        error,
                    }),
                    Err(Failure::NotSigned { image, .. }) => Err(Failure::NotSigned {
                        has_bundles: has_bundles(client, &reference, &digest).await,
                        image,
                    }),
                    Err(other) => Err(other),
                }
            })
            .map_err(|failure| match failure {
                Failure::Registry(error) => Failure::Image {
                    image: reference.whole(),
                    error,
                },
                other => other,
            })
    }
}

impl HostCapabilities for Registry {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        let is_of_registries = matches!(
            (binding, namespace, operation),
            (
                "kubewarden",
                "oci",
                "v1/manifest_digest" | "v1/oci_manifest" | "v1/oci_manifest_config" | "v2/verify",
            )
        );
        if !is_of_registries {
            let answer = Denied.call(binding, namespace, operation, payload);
            if answer.is_err() {
                lock(&self.advice).insert(NOT_OF_REGISTRIES.to_owned());
            }
            return answer;
        }
        let question = (operation.to_owned(), payload.to_owned());
        if let Some(answer) = lock(&self.answers).get(&question) {
            return Ok(answer.clone());
        }
        let answer = self
            .answer(operation, payload)
            .and_then(|answer| Ok(serde_json::to_vec(&answer)?))
            .map_err(|failure| {
                lock(&self.advice).extend(self.advice(payload, &failure));
                match failure {
                    Failure::Json(error) => error.to_string(),
                    failure => format!("Callback evaluation failure: {failure}"),
                }
            })?;
        lock(&self.answers).insert(question, answer.clone());
        Ok(answer)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The image that a question is about.
fn image(payload: &[u8]) -> Option<Reference> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Question {
        Image(String),
        Verify { image: String },
    }
    let (Question::Image(image) | Question::Verify { image }) =
        serde_json::from_slice(payload).ok()?;
    image.parse().ok()
}

/// The payload of `v2/verify`.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Verify {
    #[serde(rename = "SigstorePubKeyVerify")]
    PublicKeys {
        image: String,
        pub_keys: Vec<String>,
        annotations: Option<BTreeMap<String, String>>,
    },
    #[serde(rename = "SigstoreCertificateVerify")]
    Certificate {
        image: String,
        certificate: Vec<u8>,
        certificate_chain: Option<Vec<Vec<u8>>>,
        require_rekor_bundle: bool,
        annotations: Option<BTreeMap<String, String>>,
    },
    #[serde(rename = "SigstoreKeylessVerify")]
    Keyless {
        image: String,
        keyless: Vec<KeylessInfo>,
        annotations: Option<BTreeMap<String, String>>,
    },
    #[serde(rename = "SigstoreKeylessPrefixVerify")]
    KeylessPrefix {
        image: String,
        keyless_prefix: Vec<KeylessPrefixInfo>,
        annotations: Option<BTreeMap<String, String>>,
    },
    #[serde(rename = "SigstoreGithubActionsVerify")]
    GithubActions {
        image: String,
        owner: String,
        repo: Option<String>,
        annotations: Option<BTreeMap<String, String>>,
    },
}

/// Made of what there is to say of the signatures of others.
type Missing = fn(BTreeSet<String>) -> Failure;

impl Verify {
    /// The image, who must have signed it, and what it is called when one has not.
    fn signers(
        self,
        trust_root: Option<&TrustRoot>,
    ) -> Result<(String, Signers<'_>, Missing), Failure> {
        let needs_trust_root = match self {
            Self::PublicKeys { .. }
            | Self::Certificate {
                require_rekor_bundle: false,
                ..
            } => None,
            Self::Certificate { .. } => Some("a Rekor bundle"),
            Self::Keyless { .. } | Self::KeylessPrefix { .. } => Some("a keyless signature"),
            Self::GithubActions { .. } => Some("a signature of GitHub Actions"),
        };
        if let (Some(what), None) = (needs_trust_root, trust_root) {
            return Err(Failure::NoTrustRoot(what));
        }
        let (image, all_of, annotations, missing): (_, _, _, Missing) = match self {
            Self::PublicKeys {
                image,
                pub_keys,
                annotations,
            } => {
                if pub_keys.is_empty() {
                    return Err(Failure::NoKeys);
                }
                let signers = pub_keys.iter().map(|key| {
                    // As policy-server has it, nothing is signed with what is no key.
                    Signer::public_key(key).map_err(|_| Failure::MissingSignatures(BTreeSet::new()))
                });
                let signers: Vec<_> = signers.collect::<Result<_, _>>()?;
                (image, signers, annotations, Failure::MissingSignatures)
            }
            Self::Certificate {
                image,
                certificate,
                certificate_chain,
                require_rekor_bundle,
                annotations,
            } => {
                let signer =
                    Signer::certificate(&certificate, certificate_chain, require_rekor_bundle)
                        .map_err(|error| Failure::Certificate(Box::new(error)))?;
                let missing = |_| Failure::FailedVerification;
                (image, vec![signer], annotations, missing)
            }
            Self::Keyless {
                image,
                keyless,
                annotations,
            } => {
                if keyless.is_empty() {
                    return Err(Failure::NoKeyless);
                }
                let signers = keyless.into_iter().map(Signer::keyless).collect();
                (image, signers, annotations, Failure::MissingSignatures)
            }
            Self::KeylessPrefix {
                image,
                keyless_prefix,
                annotations,
            } => {
                if keyless_prefix.is_empty() {
                    return Err(Failure::NoKeyless);
                }
                let signers = keyless_prefix.into_iter().map(|info| {
                    let prefix = info.url_prefix.clone();
                    Signer::keyless_prefix(info).ok_or(Failure::NoPrefix(prefix))
                });
                let signers: Vec<_> = signers.collect::<Result<_, _>>()?;
                (image, signers, annotations, Failure::MissingSignatures)
            }
            Self::GithubActions {
                image,
                owner,
                repo,
                annotations,
            } => {
                if owner.is_empty() {
                    return Err(Failure::NoOwner);
                }
                let signers = vec![Signer::GithubActions { owner, repo }];
                (image, signers, annotations, Failure::MissingSignatures)
            }
        };
        let signers = Signers {
            all_of,
            annotations: annotations.unwrap_or_default(),
            trust_root,
        };
        Ok((image, signers, missing))
    }
}

/// The manifest that a reference names, and its digest.
async fn pull_manifest(
    client: &Client,
    auth: &RegistryAuth,
    image: &Reference,
) -> Result<(OciManifest, String), OciDistributionError> {
    let (manifest, digest) = client.pull_manifest(image, auth).await?;
    // A registry may name the same bytes by another algorithm than the reference does. The client
    // checks both; the answer is the one that was asked for.
    let digest = image.digest().map_or(digest, ToOwned::to_owned);
    Ok((manifest, digest))
}

/// The entry of an index for this machine; elsewhere than on Linux, where no Pod runs, for the most
/// common node.
fn platform(entries: &[ImageIndexEntry]) -> Option<String> {
    if cfg!(target_os = "linux") {
        current_platform_resolver(entries)
    } else {
        linux_amd64_resolver(entries)
    }
}

/// The bytes that a descriptor names, checked against its digest; at most `limit` of them. Its
/// `urls` are not followed.
async fn pull_blob(
    client: &Client,
    image: &Reference,
    descriptor: &OciDescriptor,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let size = usize::try_from(descriptor.size)
        .ok()
        .filter(|size| *size <= limit)
        .ok_or(Failure::TooLarge {
            size: descriptor.size,
            limit,
        })?;
    // Boxed, because a cursor over a vector would let it grow.
    let mut blob = Cursor::new(vec![0; size].into_boxed_slice());
    client
        .pull_blob(image, descriptor.digest.as_str(), &mut blob)
        .await
        .map_err(|error| match error {
            OciDistributionError::IoError(error) if error.kind() == ErrorKind::WriteZero => {
                Failure::LargerThanSaid
            }
            other => other.into(),
        })?;
    // What is shorter leaves zeros that nobody has hashed.
    let length = usize::try_from(blob.position()).unwrap_or(size);
    let mut bytes = blob.into_inner().into_vec();
    bytes.truncate(length);
    Ok(bytes)
}

/// The signatures that cosign has stored beside an image and that are about this digest; nothing is
/// known yet about who made them.
async fn pull_signatures(
    client: &Client,
    auth: &RegistryAuth,
    image: &Reference,
    digest: &str,
) -> Result<Vec<StoredSignature>, Failure> {
    let signatures = Reference::with_tag(
        image.registry().to_owned(),
        image.repository().to_owned(),
        format!("{}.sig", digest.replace(':', "-")),
    );
    let manifest = match pull_manifest(client, auth, &signatures).await {
        Ok((OciManifest::Image(manifest), _)) => manifest,
        Ok((OciManifest::ImageIndex(_), _)) => return Err(Failure::NoUsableSignature),
        Err(error) => {
            let error = oci::Error::from(error);
            return Err(if error.is_missing() {
                Failure::NotSigned {
                    image: image.whole(),
                    has_bundles: false,
                }
            } else {
                Failure::Registry(error)
            });
        }
    };
    if manifest.layers.len() > SIGNATURES_LIMIT {
        return Err(Failure::TooManySignatures(manifest.layers.len()));
    }
    // Signatures of several keys share their payload.
    let mut payloads = BTreeMap::new();
    let mut layers = Vec::new();
    for descriptor in manifest.layers {
        let annotation = |key| descriptor.annotations.as_ref()?.get(key).cloned();
        let signature = annotation(SIGNATURE_ANNOTATION);
        let Some(signature) = signature.filter(|_| descriptor.media_type == SIMPLE_SIGNING) else {
            continue;
        };
        if !payloads.contains_key(&descriptor.digest) {
            let payload = pull_blob(client, &signatures, &descriptor, PAYLOAD_LIMIT).await?;
            payloads.insert(descriptor.digest.clone(), payload);
        }
        let payload = payloads.get(&descriptor.digest);
        layers.extend(payload.and_then(|payload| {
            let simple_signing: SimpleSigning = serde_json::from_slice(payload).ok()?;
            let is_about_image = simple_signing.satisfies_manifest_digest(digest);
            is_about_image.then(|| StoredSignature {
                certificate: annotation(CERTIFICATE_ANNOTATION),
                bundle: annotation(BUNDLE_ANNOTATION),
                layer: SignatureLayer {
                    simple_signing,
                    oci_digest: descriptor.digest.clone(),
                    certificate_signature: None,
                    bundle: None,
                    signature: Some(signature),
                    raw_data: payload.clone(),
                },
            })
        }));
    }
    if layers.is_empty() {
        return Err(Failure::NoUsableSignature);
    }
    Ok(layers)
}

/// Whether what cosign 3 signs with is there, in the list of what refers to the image.
async fn has_bundles(client: &Client, image: &Reference, digest: &str) -> bool {
    let image = image.clone_with_digest(digest.to_owned());
    let referrers = client.pull_referrers(&image, None).await;
    // Whoever cannot tell says nothing.
    let entries = referrers.map(|index| index.manifests).unwrap_or_default();
    entries.iter().any(|entry| {
        let kind = entry.artifact_type.as_deref().unwrap_or_default();
        let annotations = entry.annotations.iter().flatten();
        kind.starts_with(BUNDLE)
            || annotations
                .into_iter()
                .any(|(key, _)| key.starts_with(BUNDLE_KEY))
    })
}

/// Why there is no answer. A guest reads some of these texts; they are policy-server's.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The question is none; the text goes to the guest as it is.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Reference(#[from] ParseError),
    #[error("Fail to interact with OCI registry: {0}")]
    Registry(#[from] oci::Error),
    #[error(
        "Fail to interact with OCI registry: Image manifest not found: no entry found in image \
         index manifest matching client's default platform"
    )]
    NoPlatform,
    #[error("Fail to interact with OCI registry: the image configuration cannot be read: {0}")]
    Config(#[source] serde_json::Error),
    #[error(
        "Fail to interact with OCI registry: a blob of {size} bytes is larger than the {limit} \
         that are read"
    )]
    TooLarge { size: i64, limit: usize },
    #[error("Fail to interact with OCI registry: a blob is larger than its manifest says")]
    LargerThanSaid,
    #[error("failed to get image trusted layers: Cannot fetch manifest of {image}: {error}")]
    Image { image: String, error: oci::Error },
    #[error("no signatures found for image: {image} ")]
    NotSigned { image: String, has_bundles: bool },
    #[error("failed to get image trusted layers: Cannot pull the signatures of {image}: {error}")]
    Signatures { image: String, error: oci::Error },
    #[error(
        "failed to get image trusted layers: {0} signatures are more than the {SIGNATURES_LIMIT} \
         that are read"
    )]
    TooManySignatures(usize),
    #[error("failed to get image trusted layers: No Signature Layer passed verification")]
    NoUsableSignature,
    #[error("Must provide at least one pub key")]
    NoKeys,
    #[error("Must provide keyless info")]
    NoKeyless,
    #[error("Must provide owner info")]
    NoOwner,
    #[error("the URL prefix {0:?} is not a URL")]
    NoPrefix(String),
    /// With what there is to say of those that are there.
    #[error("Image verification failed: missing signatures")]
    MissingSignatures(BTreeSet<String>),
    #[error("verification failed: Several Signature Layers failed verification")]
    FailedVerification,
    #[error("{0}")]
    Certificate(Box<SigstoreError>),
    #[error(
        "{0} needs the trust root of Sigstore, which this host was not given; policy-server has one"
    )]
    NoTrustRoot(&'static str),
}

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Self {
        Self::Registry(error.into())
    }
}

/// The largest image configuration that is read, in bytes.
const CONFIG_LIMIT: usize = 4 * 1024 * 1024;
/// The largest payload of a signature that is read, in bytes; without annotations it has 300.
const PAYLOAD_LIMIT: usize = 64 * 1024;
/// The most signatures of an image; cosign reads no more either.
const SIGNATURES_LIMIT: usize = 1000;

/// Media type of the payload that cosign signs.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where cosign writes the signature of such a payload.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// And the certificate of a keyless one.
const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
/// And what Rekor has promised.
const BUNDLE_ANNOTATION: &str = "dev.sigstore.cosign/bundle";

/// How the media type of a bundle begins, whatever its version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// And what cosign writes beside it.
const BUNDLE_KEY: &str = "dev.sigstore.bundle.";

const BUNDLES: &str = "bundles of cosign 3 refer to it, which are not read here, and not by policy-server \
    1.36.0-beta.1 either";
const NOT_OF_REGISTRIES: &str = "no policy server was asked here: take what registries do not know from --reports or a recorded \
    session";
const NO_TRUST_ROOT: &str = "no policy server was asked here: name whom Sigstore trusts with --sigstore-trust-config, or take \
    what it vouches for from a recorded session";
