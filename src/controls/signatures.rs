//! Images must be signed by an authority that the cluster trusts.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume, and asks the host
//!   to verify the signatures (host capability `oci/v2/verify`)
//! - **Unset** in a template, an image is judged when its Pods are created; in a Pod it is a
//!   violation
//! - **Allowed** an image for which every rule whose `images` match it has one authority in
//!   `anyOf` that verifies; inside an authority everything must. What no rule matches is judged by
//!   `unmatched`. The digest that was verified must be the digest of the reference, if it has one;
//!   if it has none, a warning names the verified digest, because the tag can move
//! - **Not applicable** without rules, and to an image that `registries` has refused
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Use a trusted registry"; `verify` of Kubewarden's host
//!   capabilities

use std::collections::BTreeMap;

use kubewarden_policy_sdk::host_capabilities::SigstoreVerificationInputV2;
use kubewarden_policy_sdk::host_capabilities::verification::{KeylessInfo, KeylessPrefixInfo};

use crate::decode::{Decode, Mode, Node, Problems, Written, describe, loosens, section, words};
use crate::finding::Findings;
use crate::host_calls::{self, Answer, Failure, Host, Verification};
use crate::image::pattern::ImagePattern;
use crate::image::reference::Reference;
use crate::lookups::{Lookups, Refusal};
use crate::text::{Quoted, printable};

section! {
    /// Images are signed by those whom you name.
    ///
    /// Asks the policy server to verify signatures made by cosign (host capability `oci/v2/verify`). It
    /// looks for them in the `.sig` tag beside the image. Cosign 3 stores bundles instead, which policy
    /// servers do not read, or not all of them: sign with
    /// `--new-bundle-format=false --use-signing-config=false`, too.
    pub(crate) struct Signatures {
        "mode" mode: Mode = Mode::Enforce,
        /// What becomes of an image that no rule matches; `accept`: it is accepted.
        "unmatched" unmatched: Unmatched = Unmatched::Reject,
        /// Who must have signed which images; without rules the control does nothing.
        "rules" rules: Vec<Rule> = Vec::new(),
    }
    check: Signatures::check,
    schema: Signatures::check_in_schema
}

impl Signatures {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if !self.is_configured() {
            let is_tuned = self.unmatched != Unmatched::Reject;
            written.refuse_idle(self.mode, is_tuned, "rules", problems);
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{entries, given, json, refuse_idle};

        let harmless = json!({"unmatched": {"enum": [null, "reject"]}});
        refuse_idle(schema, &[given("rules", &entries())], &harmless);
    }
}

words! {
    /// What becomes of an image that no rule matches.
    pub(crate) enum Unmatched {
        Reject = "reject",
        Accept = "accept",
    }
}

loosens! {
    Signatures {
        "unmatched" unmatched: Unmatched = Unmatched::Accept,
    }
}

section! {
    /// Who must have signed which images.
    pub(crate) struct Rule {
        /// Image patterns. An image must satisfy every rule that matches it.
        "images" images: Vec<ImagePattern> = Vec::new(),
        /// One of these must verify.
        "anyOf" any_of: Vec<Authority> = Vec::new(),
        /// Annotations that the signature must carry.
        "annotations" annotations: BTreeMap<String, String> = BTreeMap::new(),
    }
    check: Rule::check,
    schema: Rule::check_in_schema
}

impl Rule {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if self.images.is_empty() && !written.has_items("images") {
            problems.report("names no image; list patterns in images");
        }
        if self.any_of.is_empty() && !written.has_items("anyOf") {
            problems.report("names no authority; list them in anyOf");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        crate::schema::need(schema, &["images", "anyOf"]);
    }
}

section! {
    /// Who must have signed: everything that is given here.
    pub(crate) struct Authority {
        /// In PEM; each must verify.
        "publicKeys" public_keys: Vec<PublicKeyPem> = Vec::new(),
        /// A certificate that Fulcio has issued to this identity.
        "keyless" keyless: Option<Keyless> = None,
        /// A workflow of GitHub Actions.
        "githubActions" github_actions: Option<GithubActions> = None,
        /// The owner of a certificate.
        "certificate" certificate: Option<Certificate> = None,
    }
    check: Authority::check,
    schema: Authority::check_in_schema
}

impl Authority {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        let is_empty = written.is_sound
            && self.public_keys.is_empty()
            && self.keyless.is_none()
            && self.github_actions.is_none()
            && self.certificate.is_none();
        if is_empty {
            problems.report("needs publicKeys, keyless, githubActions or certificate");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{entries, given, json};

        let map = json!({"type": "object"});
        let any = json!([
            given("publicKeys", &entries()),
            given("keyless", &map),
            given("githubActions", &map),
            given("certificate", &map),
        ]);
        schema.insert("anyOf".to_owned(), any);
    }
}

section! {
    /// A certificate that Fulcio has issued to this identity.
    pub(crate) struct Keyless {
        /// The URL of who vouches for the identity.
        "issuer" issuer: Url = Url::default(),
        /// The identity itself.
        "subject" subject: Option<String> = None,
        /// Or what its URL begins with; it ends in `/`, so that no other name can begin with it.
        "subjectPrefix" subject_prefix: Option<Url> = None,
    }
    check: Keyless::check,
    schema: Keyless::check_in_schema
}

impl Keyless {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if !written.has("issuer") {
            problems.report("needs an issuer");
        }
        match (&self.subject, &self.subject_prefix) {
            (None, None) if !written.has("subject") && !written.has("subjectPrefix") => {
                problems.report("needs a subject or a subjectPrefix");
            }
            (Some(_), Some(_)) => problems.report("takes a subject or a subjectPrefix, not both"),
            (None, Some(prefix)) => problems.within("subjectPrefix", |problems| {
                if !prefix.0.ends_with('/') {
                    problems.report(format_args!(
                        "{} would also match what only begins like it; end it with a /",
                        Quoted(&prefix.0)
                    ));
                } else if prefix.has_dots() {
                    problems.report(format_args!(
                        "{} has a . or .. in its path, which the policy server resolves; write the \
                         path that it leads to",
                        Quoted(&prefix.0)
                    ));
                } else if prefix.is_of_everyone() {
                    problems.report(format_args!(
                        "{} is the beginning of everyone's identities there; name the owner, too",
                        Quoted(&prefix.0)
                    ));
                }
            }),
            _ => {}
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::image::reference::grammar::PORT;
        use crate::schema::{any_case, given, json, need};

        need(schema, &["issuer"]);
        let subjects = json!([
            given("subject", &json!({"type": "string"})),
            given("subjectPrefix", &json!({"type": "string", "pattern": "/$"})),
        ]);
        let both = json!({"allOf": &subjects});
        let hosts = SHARED_HOSTS.map(any_case).join("|");
        let of_everyone = json!({
            "type": "string",
            "pattern": format!("^https?://(?:{hosts})(?:{PORT})?/(?:/|$)"),
        });
        let dots = json!({"type": "string", "pattern": r"[/\\](?:\.|%2[Ee]){1,2}[/\\]"});
        let either = json!([
            both,
            given("subjectPrefix", &of_everyone),
            given("subjectPrefix", &dots),
        ]);
        let not = json!({"type": "object", "anyOf": either});
        schema.insert("anyOf".to_owned(), subjects);
        schema.insert("not".to_owned(), not);
    }
}

section! {
    /// A workflow of GitHub Actions.
    pub(crate) struct GithubActions {
        /// The user or organization.
        "owner" owner: String = String::new(),
        /// The repository; any of the owner, where it is left out.
        "repo" repo: Option<String> = None,
    }
    check: GithubActions::check,
    schema: GithubActions::check_in_schema
}

impl GithubActions {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if self.owner.is_empty() && !written.has("owner") {
            problems.report("needs an owner");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        crate::schema::need(schema, &["owner"]);
    }
}

section! {
    /// The owner of a certificate.
    pub(crate) struct Certificate {
        /// The certificate.
        "pem" pem: Option<CertificatePem> = None,
        /// The certificates that lead to the root; none means that this one is trusted as it is.
        "chain" chain: Option<Vec<CertificatePem>> = None,
        /// Whether the signature must be recorded in Rekor, which shows that it was made while the
        /// certificate was valid.
        "requireRekorBundle" require_rekor_bundle: bool = true,
    }
    check: Certificate::check,
    schema: Certificate::check_in_schema
}

impl Certificate {
    fn check(_: &Self, written: &Written<'_>, problems: &mut Problems) {
        if !written.has("pem") {
            problems.report("needs a pem");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        crate::schema::need(schema, &["pem"]);
    }
}

/// A public key: a PEM text with one block.
#[derive(Debug, Clone)]
pub(crate) struct PublicKeyPem(String);

describe!(
    PublicKeyPem: {
        "description": "A public key: a PEM text with one block.",
        "type": "string",
        "pattern": pem_in_schema(PUBLIC_KEY),
    },
    |key| key.0.as_str().into(),
);

impl Decode for PublicKeyPem {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        decode_pem(node, PUBLIC_KEY, problems).map(Self)
    }
}

/// A certificate: a PEM text with one block.
#[derive(Debug, Clone)]
pub(crate) struct CertificatePem(String);

describe!(
    CertificatePem: {
        "description": "A certificate: a PEM text with one block.",
        "type": "string",
        "pattern": pem_in_schema(CERTIFICATE),
    },
    |certificate| certificate.0.as_str().into(),
);

impl Decode for CertificatePem {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        decode_pem(node, CERTIFICATE, problems).map(Self)
    }
}

/// A PEM text with one block of this label. What is wrong with it is said without any of the text:
/// it may be somebody's private key.
fn decode_pem(node: Node<'_>, expected: &str, problems: &mut Problems) -> Option<String> {
    let text = problems.text(node)?;
    if pem_label(text) == Some(expected) {
        return Some(text.to_owned());
    }
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| label(line.trim(), "-----BEGIN "))
        .collect();
    match labels.as_slice() {
        labels if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) => {
            problems.report("is a private key, which nobody but its owner may have");
        }
        [CERTIFICATE] if pem_label(text).is_some() => {
            problems.report("is a certificate, not a public key");
        }
        [PUBLIC_KEY] if pem_label(text).is_some() => {
            problems.report("is a public key, not a certificate");
        }
        [_, _, ..] => problems.report(format_args!(
            "has more than one block; write each {expected} as an entry of its own"
        )),
        _ => problems.report(format_args!(
            "is not a PEM text (-----BEGIN {expected}-----, base64, -----END {expected}-----)"
        )),
    }
    None
}

/// The label of a text that is one PEM block.
fn pem_label(text: &str) -> Option<&str> {
    let mut lines = text.trim().lines().map(str::trim);
    let begin = label(lines.next()?, "-----BEGIN ")?;
    let end = label(lines.next_back()?, "-----END ")?;
    (begin == end && is_base64(lines)).then_some(begin)
}

fn label<'t>(line: &'t str, mark: &str) -> Option<&'t str> {
    line.strip_prefix(mark)?.strip_suffix("-----")
}

fn is_base64<'t>(lines: impl Iterator<Item = &'t str>) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for line in lines {
        let unpadded = line.trim_end_matches('=');
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if !unpadded.bytes().all(is_digit) || (padding > 0 && !unpadded.is_empty()) {
            return false;
        }
        digits = digits.saturating_add(unpadded.len());
        padding = padding
            .saturating_add(line.len())
            .saturating_sub(unpadded.len());
    }
    digits > 0 && padding <= 2 && digits.saturating_add(padding).is_multiple_of(4)
}

/// What `decode_pem` accepts, as a pattern: a first line with this label, base64, and a last line.
#[cfg(feature = "schema")]
fn pem_in_schema(label: &str) -> String {
    let next_line = r"(?:[^\S\n]*\n\s*)";
    let digit = format!("[A-Za-z0-9+/]{next_line}?");
    let last = format!("(?:(?:{digit}){{3}}[A-Za-z0-9+/=]|(?:{digit}){{2}}={next_line}?=)");
    format!(
        r"^\s*-----BEGIN {label}-----{next_line}(?:(?:{digit}){{4}})*{last}{next_line}-----END {label}-----\s*$"
    )
}

/// A URL with a host. The host's verifier panics on one that does not parse.
#[derive(Debug, Clone, Default)]
pub(crate) struct Url(String);

describe!(
    Url: {"type": "string", "pattern": url_in_schema()},
    |url| url.0.as_str().into(),
);

impl Decode for Url {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?;
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .and_then(|rest| rest.split('/').next());
        let is_url = host.is_some_and(crate::image::reference::is_registry)
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_url {
            problems.report(format_args!("{} is not a URL (https://...)", Quoted(text)));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

#[cfg(feature = "schema")]
fn url_in_schema() -> String {
    use crate::image::reference::grammar::{IPV6, LABEL, PORT};

    format!(r"^https?://(?:{LABEL}(?:\.{LABEL})*|{IPV6})(?:{PORT})?(?:/[!-~]*)?$")
}

impl Url {
    /// Whether a part of the path is a dot or two, however written. Whoever parses the URL takes it
    /// out, and of two dots the part before as well: what is left begins more than what is written.
    fn has_dots(&self) -> bool {
        self.0.split(['/', '\\']).any(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            matches!(part.as_str(), "." | "..")
        })
    }

    /// Whether this is all of a host where anybody can have an account.
    fn is_of_everyone(&self) -> bool {
        let Some((_, rest)) = self.0.split_once("://") else {
            return false;
        };
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, _) = crate::image::reference::split_port(registry);
        let owner = path.split('/').next().unwrap_or_default();
        owner.is_empty()
            && SHARED_HOSTS
                .iter()
                .any(|shared| host.eq_ignore_ascii_case(shared))
    }
}

pub(crate) fn judge<'p>(
    lookups: &Lookups<'_, 'p>,
    settings: &Signatures,
    findings: &mut Findings<'p>,
) {
    if !settings.is_configured() {
        return;
    }
    let matters = |reference: &Reference<'_>| {
        settings.unmatched == Unmatched::Reject
            || settings.rules.iter().any(|rule| rule.is_about(reference))
    };
    for uses in lookups.distinct(&matters, findings) {
        let outcome = settings.verify(lookups.inquiry.host, uses.text(), uses.reference);
        for image in uses.images() {
            match &outcome {
                Outcome::Accepted => {}
                Outcome::Tag(digest) => findings.notice(format!(
                    "signatures: {}: write the verified digest {} into {}: a tag can move",
                    image.subject,
                    printable(digest),
                    image.place()
                )),
                Outcome::Refused(refusal) => {
                    findings.refuse(image, refusal, MUST);
                }
            }
        }
    }
}

/// What is to be said of an image.
enum Outcome {
    Accepted,
    /// Accepted by a tag that now means this digest.
    Tag(String),
    Refused(Refusal),
}

impl Signatures {
    /// Whether there is anything to ask.
    fn is_configured(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Asks about an image that a rule matches, or that must not be without one.
    fn verify(&self, host: &dyn Host, image: &str, reference: &Reference<'_>) -> Outcome {
        let mut verified: Option<String> = None;
        for rule in self.rules.iter().filter(|rule| rule.is_about(reference)) {
            let digest = match rule.verify(host, image) {
                Ok(digest) => digest,
                Err(refusal) => return Outcome::Refused(refusal),
            };
            if let Some(expected) = reference.digest().or(verified.as_deref())
                && expected != digest
            {
                return Outcome::Refused(Refusal::Told(format!(
                    "whose signature is for another digest: {}",
                    Quoted(&digest)
                )));
            }
            verified = Some(digest);
        }
        match verified {
            None => Outcome::Refused(Refusal::Told(
                "which no rule of signatures.rules matches".to_owned(),
            )),
            Some(digest) if reference.digest().is_none() => Outcome::Tag(digest),
            Some(_) => Outcome::Accepted,
        }
    }
}

impl Rule {
    fn is_about(&self, reference: &Reference<'_>) -> bool {
        self.images
            .iter()
            .any(|pattern| pattern.restricts(reference))
    }

    /// The digest that one of the authorities has signed, or why none has.
    fn verify(&self, host: &dyn Host, image: &str) -> Result<String, Refusal> {
        let untold =
            |failure: &Failure| Refusal::failed("whose signatures cannot be verified", failure);
        let mut failed: Option<Failure> = None;
        for authority in &self.any_of {
            match authority.verify(host, image, &self.annotations) {
                Answer::Found(Some(digest)) => return Ok(digest),
                Answer::Found(None) => {}
                // The other authorities would get the same answer.
                Answer::Absent => return Err(Refusal::Told(UNSIGNED.to_owned())),
                Answer::Failed(failure) if failure.is_of_every_authority() => {
                    return Err(untold(&failure));
                }
                // An expired certificate, say: the next authority may be the one to replace it.
                Answer::Failed(failure) => failed = failed.or(Some(failure)),
            }
        }
        if let Some(failure) = failed {
            return Err(untold(&failure));
        }
        Err(Refusal::Told(
            "which no trusted authority has signed".to_owned(),
        ))
    }
}

impl Authority {
    /// Asks for everything that the authority consists of, one call each. `None` is a signature
    /// that is not this authority's.
    fn verify(
        &self,
        host: &dyn Host,
        image: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Answer<Option<String>> {
        let mut verified: Option<String> = None;
        for request in self.requests(image, annotations) {
            let digest = match host_calls::verify(host, &request) {
                Answer::Found(Verification::Trusted { digest }) => digest,
                Answer::Found(Verification::Untrusted) => return Answer::Found(None),
                Answer::Absent => return Answer::Absent,
                Answer::Failed(failure) => return Answer::Failed(failure),
            };
            if verified.as_ref().is_some_and(|earlier| *earlier != digest) {
                return Answer::Failed(Failure::Error(
                    "the image changes while it is verified".to_owned(),
                ));
            }
            verified = Some(digest);
        }
        Answer::Found(verified)
    }

    fn requests(
        &self,
        image: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Vec<SigstoreVerificationInputV2> {
        let image = || image.to_owned();
        let annotations = || (!annotations.is_empty()).then(|| annotations.clone());
        let mut requests = Vec::new();
        if !self.public_keys.is_empty() {
            requests.push(SigstoreVerificationInputV2::SigstorePubKeyVerify {
                image: image(),
                pub_keys: self.public_keys.iter().map(|key| key.0.clone()).collect(),
                annotations: annotations(),
            });
        }
        if let Some(Keyless {
            issuer,
            subject,
            subject_prefix,
        }) = &self.keyless
        {
            let issuer = issuer.0.clone();
            requests.extend(subject.clone().map(|subject| {
                SigstoreVerificationInputV2::SigstoreKeylessVerify {
                    image: image(),
                    keyless: vec![KeylessInfo {
                        issuer: issuer.clone(),
                        subject,
                    }],
                    annotations: annotations(),
                }
            }));
            requests.extend(subject_prefix.clone().map(|Url(url_prefix)| {
                SigstoreVerificationInputV2::SigstoreKeylessPrefixVerify {
                    image: image(),
                    keyless_prefix: vec![KeylessPrefixInfo {
                        issuer: issuer.clone(),
                        url_prefix,
                    }],
                    annotations: annotations(),
                }
            }));
        }
        if let Some(GithubActions { owner, repo }) = &self.github_actions {
            requests.push(SigstoreVerificationInputV2::SigstoreGithubActionsVerify {
                image: image(),
                owner: owner.clone(),
                repo: repo.clone(),
                annotations: annotations(),
            });
        }
        if let Some(Certificate {
            pem: Some(pem),
            chain,
            require_rekor_bundle,
        }) = &self.certificate
        {
            requests.push(SigstoreVerificationInputV2::SigstoreCertificateVerify {
                image: image(),
                certificate: pem.0.clone().into_bytes(),
                certificate_chain: chain
                    .as_ref()
                    .map(|chain| chain.iter().map(|pem| pem.0.clone().into_bytes()).collect()),
                require_rekor_bundle: *require_rekor_bundle,
                annotations: annotations(),
            });
        }
        requests
    }
}

/// The host does not tell an image without a signature from one that is signed in another way (Notation, or
/// a bundle that it does not read), so the message says what was looked for. Cosign 3 refuses the first of
/// the two flags without the second.
const UNSIGNED: &str = "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it \
     with cosign sign --new-bundle-format=false --use-signing-config=false, too";
const PUBLIC_KEY: &str = "PUBLIC KEY";
const CERTIFICATE: &str = "CERTIFICATE";
/// Hosts whose URLs name an owner first.
const SHARED_HOSTS: [&str; 3] = ["github.com", "gitlab.com", "bitbucket.org"];
const MUST: &str = "name an image signed as signatures.rules asks";
