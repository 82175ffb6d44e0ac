//! Whom keyless signatures lead back to, and whether one does.
//!
//! cosign stores a keyless signature with the certificate that Fulcio has issued to its signer for some
//! minutes, and with Rekor's word for when it was recorded. Each of the four proves something about
//! another one, and nothing by itself:
//!
//! ```text
//! payload <-- signature <-- certificate <-- authority of the trust root
//!    ^            ^             ^
//!    +--------- log entry ------+      <-- log of the trust root
//!               its time, in which the certificate was valid
//! ```
//!
//! Whoever reads images can copy certificates and entries of others, so every arrow is checked here. The
//! SCT in a certificate, by which Fulcio shows that it has published it, is not: the entry of the
//! signature has the certificate in it.
//!
//! Sources: `ClientTrustConfig` of sigstore/protobuf-specs; `hashedrekord` 0.0.1 of sigstore/rekor;
//! `docs/certificate-specification.md` of sigstore/fulcio.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use olpc_cjson::CanonicalFormatter;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sigstore::crypto::{CosignVerificationKey, Signature};
use sigstore_protobuf_specs::dev::sigstore::common::v1::TimeRange;
use sigstore_protobuf_specs::dev::sigstore::trustroot::v1::{
    CertificateAuthority, ClientTrustConfig, TransparencyLogInstance,
};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{self, SubjectAltName};
use x509_cert::time::Time;

/// The authorities that issue certificates for signing (Fulcio), and the logs that record signatures
/// (Rekor).
#[derive(Debug)]
pub struct TrustRoot {
    authorities: Vec<Authority>,
    /// By the id that their entries name, in hexadecimal.
    logs: BTreeMap<String, Log>,
}

#[derive(Debug)]
struct Authority {
    /// The one that issues, and those that lead to the root: each is named by who trusts it.
    certificates: Vec<TrustAnchor<'static>>,
    period: Period,
}

#[derive(Debug)]
struct Log {
    key: CosignVerificationKey,
    period: Period,
}

/// When something is trusted: seconds since 1970, both included.
#[derive(Debug)]
struct Period {
    start: Option<i64>,
    end: Option<i64>,
}

impl TrustRoot {
    /// Reads a `ClientTrustConfig`, the file that kwctl and policy-server take with
    /// `--sigstore-trust-config`. `source` is its name.
    ///
    /// # Errors
    ///
    /// What is wrong, beginning with `source`.
    pub fn from_client_trust_config(source: &str, bytes: &[u8]) -> Result<Self, String> {
        let config: ClientTrustConfig = serde_json::from_slice(bytes).map_err(|error| {
            let is_bare = serde_json::from_slice(bytes).is_ok_and(|file: serde_json::Value| {
                file.get("trustedRoot").is_none() && file.get("certificateAuthorities").is_some()
            });
            if is_bare {
                format!(
                    "{source}: this is a trusted root alone; kwctl and policy-server read it as the \
                     trustedRoot of a ClientTrustConfig: {{\"trustedRoot\": ...}}"
                )
            } else {
                format!("{source}: not a ClientTrustConfig: {error}")
            }
        })?;
        let root = config
            .trusted_root
            .ok_or_else(|| format!("{source}: trustedRoot is missing"))?;
        let authorities = root.certificate_authorities.into_iter().enumerate();
        let authorities: Vec<_> = authorities
            .map(|(index, authority)| {
                Authority::read(authority).map_err(|problem| {
                    format!("{source}: trustedRoot.certificateAuthorities[{index}]: {problem}")
                })
            })
            .collect::<Result<_, _>>()?;
        if authorities.is_empty() {
            return Err(format!(
                "{source}: trustedRoot.certificateAuthorities names nobody"
            ));
        }
        let logs = root.tlogs.into_iter().enumerate();
        let logs = logs
            .map(|(index, log)| {
                Log::read(log)
                    .map_err(|problem| format!("{source}: trustedRoot.tlogs[{index}]: {problem}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { authorities, logs })
    }

    /// Whether it knows any log. Without one, policy-server does not look at entries either.
    pub(crate) fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// The entry of a log about this signature.
    pub(crate) fn entry(&self, signed: &Signed<'_>) -> Result<Entry, Distrust> {
        let bundle: Bundle = serde_json::from_str(signed.bundle.ok_or(Distrust::NoEntry)?)
            .map_err(|_| Distrust::UnreadableEntry)?;
        let Payload {
            body,
            integrated_time: time,
            log_id,
            ..
        } = &bundle.payload;
        let log = self
            .logs
            .get(log_id)
            .ok_or_else(|| Distrust::UnknownLog(log_id.clone()))?;
        let promise = Signature::Base64Encoded(bundle.signed_entry_timestamp.as_bytes());
        let promised = bundle
            .payload
            .canonical()
            .ok_or(Distrust::UnreadableEntry)?;
        log.key
            .verify_signature(promise, &promised)
            .map_err(|_| Distrust::ForgedEntry)?;
        // policy-server takes no log whose time is over, whenever it has recorded something.
        if !log.period.has(*time) || !log.period.has(now()) {
            return Err(Distrust::LogNotInUse);
        }
        let body: Body = BASE64
            .decode(body)
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok())
            .ok_or(Distrust::OtherKind)?;
        if (body.kind.as_str(), body.api_version.as_str()) != ("hashedrekord", "0.0.1") {
            return Err(Distrust::OtherKind);
        }
        let Spec { data, signature } =
            serde_json::from_value(body.spec).map_err(|_| Distrust::OtherKind)?;
        if data.hash.algorithm != "sha256" || data.hash.value != sha256(signed.payload) {
            return Err(Distrust::EntryOfOtherPayload);
        }
        let recorded = BASE64.decode(&signature.content).ok();
        if recorded.is_none() || recorded != BASE64.decode(signed.signature).ok() {
            return Err(Distrust::EntryOfOtherSignature);
        }
        let pem = BASE64.decode(&signature.public_key.content).ok();
        Ok(Entry {
            time: *time,
            signer: pem
                .and_then(|pem| decode_pem(&pem))
                .ok_or(Distrust::EntryOfOtherSigner)?,
        })
    }

    /// Who has made a keyless signature.
    pub(crate) fn identity(&self, signed: &Signed<'_>) -> Result<Identity, Distrust> {
        let pem = signed.certificate.ok_or(Distrust::NoCertificate)?;
        let (label, der) = decode_pem(pem.as_bytes()).ok_or(Distrust::UnreadableCertificate)?;
        if label != CERTIFICATE {
            return Err(Distrust::UnreadableCertificate);
        }
        let entry = self.entry(signed)?;
        if entry.signer != (label, der.clone()) {
            return Err(Distrust::EntryOfOtherSigner);
        }
        let certificate =
            Certificate::from_der(&der).map_err(|_| Distrust::UnreadableCertificate)?;
        // policy-server does not take certificates of a time to come, whatever a log says.
        if !is_valid_at(&certificate, entry.time) || starts_after(&certificate, now()) {
            return Err(Distrust::CertificateNotValid);
        }
        self.check_issuer(&der, entry.time)?;
        let tbs = certificate.tbs_certificate();
        match tbs.get_extension::<pkix::KeyUsage>() {
            Ok(Some((_, usage))) if usage.digital_signature() => {}
            _ => return Err(Distrust::CertificateOfOtherUse),
        }
        CosignVerificationKey::try_from(tbs.subject_public_key_info())
            .and_then(|key| {
                let signature = Signature::Base64Encoded(signed.signature.as_bytes());
                key.verify_signature(signature, signed.payload)
            })
            .map_err(|_| Distrust::NotSignedByCertificate)?;
        Identity::of(&certificate)
    }

    /// Whether an authority has issued this certificate, for signing code, and was trusted then.
    fn check_issuer(&self, der: &[u8], time: i64) -> Result<(), Distrust> {
        let der = CertificateDer::from(der);
        let certificate =
            EndEntityCert::try_from(&der).map_err(|_| Distrust::UnreadableCertificate)?;
        let seconds = u64::try_from(time).map_err(|_| Distrust::CertificateNotValid)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let mut refusal = Distrust::NotIssued("none of them was trusted then".to_owned());
        let in_use = |authority: &&Authority| authority.period.has(time);
        for authority in self.authorities.iter().filter(in_use) {
            let path = certificate.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &authority.certificates,
                &[],
                at,
                KeyUsage::required(CODE_SIGNING),
                None,
                None,
            );
            match path {
                Ok(_) => return Ok(()),
                Err(error) => refusal = Distrust::NotIssued(error.to_string()),
            }
        }
        Err(refusal)
    }
}

impl Authority {
    fn read(authority: CertificateAuthority) -> Result<Self, String> {
        let chain = authority.cert_chain.unwrap_or_default().certificates;
        let certificates = chain.into_iter().enumerate().map(|(index, certificate)| {
            let der = CertificateDer::from(certificate.raw_bytes);
            webpki::anchor_from_trusted_cert(&der)
                .map(|anchor| anchor.to_owned())
                .map_err(|error| format!("certChain.certificates[{index}]: {error}"))
        });
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err("certChain.certificates is empty".to_owned());
        }
        Ok(Self {
            certificates,
            period: Period::read(authority.valid_for.as_ref()),
        })
    }
}

impl Log {
    fn read(log: TransparencyLogInstance) -> Result<(String, Self), String> {
        let id = log.log_id.ok_or("logId is missing")?.key_id;
        let key = log.public_key.ok_or("publicKey is missing")?;
        let der = key.raw_bytes.ok_or("publicKey.rawBytes is missing")?;
        let log = Self {
            key: CosignVerificationKey::try_from_der(&der)
                .map_err(|error| format!("publicKey.rawBytes: {error}"))?,
            period: Period::read(key.valid_for.as_ref()),
        };
        Ok((hex::encode(id), log))
    }
}

impl Period {
    fn read(range: Option<&TimeRange>) -> Self {
        Self {
            start: range.and_then(|range| Some(range.start?.seconds)),
            end: range.and_then(|range| Some(range.end?.seconds)),
        }
    }

    fn has(&self, time: i64) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// A signature as cosign stores it; nothing is known yet about who made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'s> {
    pub(crate) payload: &'s [u8],
    /// In Base64.
    pub(crate) signature: &'s str,
    /// In PEM.
    pub(crate) certificate: Option<&'s str>,
    /// What Rekor has promised, in JSON.
    pub(crate) bundle: Option<&'s str>,
}

/// What a log has recorded of a signature.
#[derive(Debug)]
pub(crate) struct Entry {
    /// When: seconds since 1970.
    pub(crate) time: i64,
    /// Label and content of a PEM text: the certificate, or the public key, that it was given.
    signer: (String, Vec<u8>),
}

impl Entry {
    /// Whether the signature was recorded with the key of this certificate, while that was valid.
    pub(crate) fn is_of(&self, certificate: &Certificate) -> bool {
        let key_of = |certificate: &Certificate| {
            let tbs = certificate.tbs_certificate();
            tbs.subject_public_key_info().to_der().ok()
        };
        let (label, der) = &self.signer;
        let recorded = match label.as_str() {
            CERTIFICATE => Certificate::from_der(der).ok().as_ref().and_then(key_of),
            PUBLIC_KEY => Some(der.clone()),
            _ => None,
        };
        recorded.is_some() && recorded == key_of(certificate) && is_valid_at(certificate, self.time)
    }
}

/// Whom Fulcio has issued a certificate to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) subject: Subject,
    /// Who has vouched for the subject.
    pub(crate) issuer: Option<String>,
    /// `owner/repository` of a workflow of GitHub Actions.
    pub(crate) github_repository: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Email(String),
    Url(String),
}

impl Subject {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Url(text) => text,
        }
    }
}

impl Identity {
    fn of(certificate: &Certificate) -> Result<Self, Distrust> {
        let tbs = certificate.tbs_certificate();
        let names = tbs.get_extension::<SubjectAltName>();
        let subject = match names.ok().flatten() {
            Some((_, SubjectAltName(names))) => match names.as_slice() {
                [GeneralName::Rfc822Name(email)] => Some(Subject::Email(email.to_string())),
                [GeneralName::UniformResourceIdentifier(url)] => {
                    Some(Subject::Url(url.to_string()))
                }
                _ => None,
            },
            None => None,
        };
        // Text as it is, and not in DER as in later extensions.
        let text = |id: ObjectIdentifier| {
            let mut extensions = tbs.extensions().into_iter().flatten();
            let extension = extensions.find(|extension| extension.extn_id == id)?;
            String::from_utf8(extension.extn_value.as_bytes().to_vec()).ok()
        };
        Ok(Self {
            subject: subject.ok_or(Distrust::NotOneName)?,
            issuer: text(ISSUER),
            github_repository: text(GITHUB_REPOSITORY),
        })
    }
}

/// Why a signature counts for nothing; the words follow "a signature".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Distrust {
    #[error("without a certificate is not a keyless one")]
    NoCertificate,
    #[error("has a certificate that cannot be read")]
    UnreadableCertificate,
    #[error("is in no log: nothing shows that its certificate was valid when it was made")]
    NoEntry,
    #[error("has a log entry that cannot be read")]
    UnreadableEntry,
    #[error("is in the log {0}, which is none of the trust config's tlogs")]
    UnknownLog(String),
    #[error("has a log entry that the log has not signed")]
    ForgedEntry,
    #[error("is in a log that is not, or was not then, to be trusted (validFor)")]
    LogNotInUse,
    #[error("has a log entry of another kind than hashedrekord 0.0.1")]
    OtherKind,
    #[error("has the log entry of another payload")]
    EntryOfOtherPayload,
    #[error("has the log entry of another signature")]
    EntryOfOtherSignature,
    #[error("has a log entry that names another certificate or key")]
    EntryOfOtherSigner,
    #[error("was recorded when its certificate was not valid")]
    CertificateNotValid,
    #[error(
        "has a certificate that none of the trust config's certificateAuthorities has issued for signing: {0}"
    )]
    NotIssued(String),
    #[error("has a certificate for something else than signatures")]
    CertificateOfOtherUse,
    #[error("was not made with the key of its certificate")]
    NotSignedByCertificate,
    #[error("has a certificate that does not name one address or URL alone")]
    NotOneName,
}

/// What cosign keeps of the answer of Rekor.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Bundle {
    signed_entry_timestamp: String,
    payload: Payload,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

impl Payload {
    /// What Rekor signs: the same fields in canonical JSON.
    fn canonical(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut bytes, CanonicalFormatter::new());
        self.serialize(&mut serializer).ok()?;
        Some(bytes)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: serde_json::Value,
}

#[derive(Deserialize)]
struct Spec {
    data: Data,
    signature: RecordedSignature,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedSignature {
    content: String,
    public_key: RecordedKey,
}

#[derive(Deserialize)]
struct RecordedKey {
    content: String,
}

fn is_valid_at(certificate: &Certificate, time: i64) -> bool {
    let end = seconds(certificate.tbs_certificate().validity().not_after);
    !starts_after(certificate, time) && time <= end
}

fn starts_after(certificate: &Certificate, time: i64) -> bool {
    time < seconds(certificate.tbs_certificate().validity().not_before)
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// Label and content of a text that is one block of PEM.
fn decode_pem(pem: &[u8]) -> Option<(String, Vec<u8>)> {
    let (label, content) = x509_cert::der::pem::decode_vec(pem).ok()?;
    Some((label.to_owned(), content))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a log is still in use is asked of the clock of this machine"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

const CERTIFICATE: &str = "CERTIFICATE";
const PUBLIC_KEY: &str = "PUBLIC KEY";
/// `id-kp-codeSigning`, as webpki takes it.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const GITHUB_REPOSITORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.5");
