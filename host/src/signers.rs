//! Who must have signed an image, and whether they have.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sigstore::cosign::SignatureLayer;
use sigstore::cosign::verification_constraint::{
    AnnotationVerifier, CertificateVerifier, PublicKeyVerifier, VerificationConstraint as _,
};
use sigstore::errors::SigstoreError;
use sigstore::registry::{Certificate as EncodedCertificate, CertificateEncoding};
use url::Url;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::trust_root::{Distrust, Entry, Identity, Signed, Subject, TrustRoot};

/// A signature as cosign has stored it beside its image.
pub(crate) struct StoredSignature {
    pub(crate) layer: SignatureLayer,
    pub(crate) certificate: Option<String>,
    pub(crate) bundle: Option<String>,
}

impl StoredSignature {
    fn signed(&self) -> Signed<'_> {
        Signed {
            payload: &self.layer.raw_data,
            signature: self.layer.signature.as_deref().unwrap_or_default(),
            certificate: self.certificate.as_deref(),
            bundle: self.bundle.as_deref(),
        }
    }
}

/// An identity, as host calls name it.
#[derive(Deserialize)]
pub(crate) struct KeylessInfo {
    issuer: String,
    subject: String,
}

/// Identities whose URL begins alike, as host calls name them.
#[derive(Deserialize)]
pub(crate) struct KeylessPrefixInfo {
    issuer: String,
    pub(crate) url_prefix: String,
}

/// Who must have signed.
pub(crate) struct Signers<'t> {
    /// Each with a signature of its own.
    pub(crate) all_of: Vec<Signer>,
    /// What each of those signatures must say.
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) trust_root: Option<&'t TrustRoot>,
}

impl Signers<'_> {
    /// Whether each of them has signed; if not, what there is to say of the signatures of others.
    pub(crate) fn check(&self, signatures: &[StoredSignature]) -> Result<(), BTreeSet<String>> {
        let annotations = AnnotationVerifier {
            annotations: self.annotations.clone(),
        };
        let mut reasons = BTreeSet::new();
        let mut usable = Vec::new();
        for signature in signatures {
            match self.entry(signature) {
                Ok(entry) => usable.push((signature, entry)),
                Err(distrust) => drop(reasons.insert(distrust.to_string())),
            }
        }
        for signer in &self.all_of {
            let mut has_signed = false;
            for (signature, entry) in &usable {
                match signer.has_made(signature, entry.as_ref(), self.trust_root) {
                    Ok(()) => {
                        has_signed |= annotations.verify(&signature.layer).unwrap_or(false);
                    }
                    Err(Some(reason)) => drop(reasons.insert(reason)),
                    Err(None) => {}
                }
            }
            if !has_signed {
                return Err(reasons);
            }
        }
        Ok(())
    }

    /// What a log has recorded of a signature. One whose entry is not in order counts for nobody, as with
    /// policy-server, which looks at entries only where it knows a log.
    fn entry(&self, signature: &StoredSignature) -> Result<Option<Entry>, Distrust> {
        match self.trust_root {
            Some(root) if root.has_logs() && signature.bundle.is_some() => {
                root.entry(&signature.signed()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// One of them.
pub(crate) enum Signer {
    PublicKey(PublicKeyVerifier),
    Certificate {
        verifier: Box<CertificateVerifier>,
        certificate: Box<Certificate>,
        /// Whether a log must show that it was valid when the signature was made.
        needs_entry: bool,
    },
    Keyless {
        issuer: String,
        subject: String,
    },
    /// The prefix ends in a slash.
    KeylessPrefix {
        issuer: String,
        prefix: String,
    },
    GithubActions {
        owner: String,
        repo: Option<String>,
    },
}

impl Signer {
    pub(crate) fn public_key(pem: &str) -> Result<Self, SigstoreError> {
        PublicKeyVerifier::try_from(pem.as_bytes()).map(Self::PublicKey)
    }

    /// The owner of a certificate that the chain leads up from.
    pub(crate) fn certificate(
        pem: &[u8],
        chain: Option<Vec<Vec<u8>>>,
        needs_entry: bool,
    ) -> Result<Self, SigstoreError> {
        let chain: Option<Vec<_>> = chain.map(|chain| {
            let certificate = |data| EncodedCertificate {
                encoding: CertificateEncoding::Pem,
                data,
            };
            chain.into_iter().map(certificate).collect()
        });
        // The entries have been read where this is asked.
        let verifier = CertificateVerifier::from_pem(pem, false, chain.as_deref())?;
        let unreadable = |error: x509_cert::der::Error| SigstoreError::X509Error(error.to_string());
        let (_, der) = x509_cert::der::pem::decode_vec(pem).map_err(|e| unreadable(e.into()))?;
        Ok(Self::Certificate {
            verifier: Box::new(verifier),
            certificate: Box::new(Certificate::from_der(&der).map_err(unreadable)?),
            needs_entry,
        })
    }

    pub(crate) fn keyless(info: KeylessInfo) -> Self {
        Self::Keyless {
            issuer: info.issuer,
            subject: info.subject,
        }
    }

    /// `None` where the prefix is no URL.
    pub(crate) fn keyless_prefix(info: KeylessPrefixInfo) -> Option<Self> {
        let mut prefix = Url::parse(&info.url_prefix).ok()?.to_string();
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        Some(Self::KeylessPrefix {
            issuer: info.issuer,
            prefix,
        })
    }

    /// Whether a signature is of this signer; if not, what there is to say of it.
    fn has_made(
        &self,
        signature: &StoredSignature,
        entry: Option<&Entry>,
        trust_root: Option<&TrustRoot>,
    ) -> Result<(), Option<String>> {
        let holds = match self {
            // An error is a signature that cannot be read, which is none.
            Self::PublicKey(key) => key.verify(&signature.layer).unwrap_or(false),
            Self::Certificate {
                verifier,
                certificate,
                needs_entry,
            } => {
                let is_recorded = match entry {
                    Some(entry) => entry.is_of(certificate),
                    None => !needs_entry,
                };
                is_recorded && verifier.verify(&signature.layer).unwrap_or(false)
            }
            Self::Keyless { .. } | Self::KeylessPrefix { .. } | Self::GithubActions { .. } => {
                let trust_root = trust_root.ok_or(None)?;
                let identity = trust_root.identity(&signature.signed());
                let identity = identity.map_err(|distrust| Some(distrust.to_string()))?;
                return if self.is(&identity) {
                    Ok(())
                } else {
                    Err(Some(described(&identity)))
                };
            }
        };
        if holds { Ok(()) } else { Err(None) }
    }

    /// Whether this signer has that identity.
    fn is(&self, identity: &Identity) -> bool {
        let is_from = |issuer: &str| identity.issuer.as_deref() == Some(issuer);
        match self {
            Self::PublicKey(_) | Self::Certificate { .. } => false,
            Self::Keyless { issuer, subject } => {
                is_from(issuer) && identity.subject.text() == subject
            }
            Self::KeylessPrefix { issuer, prefix } => {
                let Subject::Url(url) = &identity.subject else {
                    return false;
                };
                // Dots in the path could lead out of what the text begins with.
                let resolved = Url::parse(url);
                let is_below = |url: &str| url.starts_with(prefix.as_str());
                is_from(issuer) && is_below(url) && resolved.is_ok_and(|url| is_below(url.as_str()))
            }
            Self::GithubActions { owner, repo } => {
                let repository = identity.github_repository.as_deref().unwrap_or_default();
                let is_repository = match (repository.split_once('/'), repo) {
                    (Some((own, name)), None) => own == owner && !name.contains('/'),
                    (Some((own, name)), Some(repo)) => own == owner && name == repo,
                    (None, _) => false,
                };
                is_from(GITHUB_ISSUER)
                    && is_repository
                    && matches!(&identity.subject, Subject::Url(url) if is_of_github(url))
            }
        }
    }
}

/// Whether a URL names an owner and a repository on GitHub.
fn is_of_github(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let parts = url.path_segments().map_or(0, Iterator::count);
    url.scheme() == "https" && url.host_str() == Some("github.com") && parts >= 2
}

/// What there is to say of a signature that is in order, and of somebody else.
fn described(identity: &Identity) -> String {
    let issuer = identity.issuer.as_deref().unwrap_or("nobody");
    let repository = identity.github_repository.as_deref();
    let repository = repository.map_or_else(String::new, |name| format!(" in {name:?}"));
    format!(
        "is of {:?}{repository}, says {issuer:?}",
        identity.subject.text()
    )
}

const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
