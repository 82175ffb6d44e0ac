//! The one door to what lies outside the request: host capabilities and the clock.
//!
//! Every answer is [`Answer::Found`], [`Answer::Absent`] or [`Answer::Failed`], and the three never
//! merge: "there is no report" and "the reports may not be read" are different facts, and only the
//! first may be configured to be harmless.
//!
//! What is asked, and what comes back, is Kubewarden's host capability protocol. The SDK's request
//! types are used where it has them apart from their callers; its callers are not, because they
//! drag OCI types (and their regular expressions) into the module. Answers are read down to the
//! fields that are used.

use kubewarden_policy_sdk::host_capabilities::SigstoreVerificationInputV2;
use serde::Serialize;

use crate::image::reference::Reference;
use crate::json::{self, Document, Node};

/// Whoever runs the policy: Kubewarden, or a test in its place.
pub trait Host {
    /// Makes one host call: `namespace` and `operation` as in `oci`, `v2/verify`.
    ///
    /// # Errors
    ///
    /// The host's own text.
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;

    /// Seconds since 1970-01-01T00:00:00Z; negative where the clock is set before that.
    fn now(&self) -> i64;
}

/// A host that grants nothing, in the words of policy-server, and has no clock to speak of: for what
/// is judged from the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn call(&self, namespace: &str, operation: &str, _: &[u8]) -> Result<Vec<u8>, String> {
        Err(format!(
            "Policy {DENIED} to the '{namespace}/{operation}' host capability. The violation has been \
             reported."
        ))
    }

    fn now(&self) -> i64 {
        0
    }
}

/// What a host call tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer<T> {
    Found(T),
    Absent,
    Failed(Failure),
}

/// Why a host call told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The policy server does not let this policy make the call.
    Denied(String),
    /// Anything else: an unreachable registry, a forbidden list, an answer that is not one.
    Error(String),
}

impl Failure {
    /// The failure as words after "which".
    pub(crate) fn describe(&self, what: &str) -> String {
        match self {
            Self::Denied(text) => {
                format!("{what} because the policy server does not allow it: {text}")
            }
            Self::Error(text) if REFUSED.iter().any(|marker| text.contains(marker)) => {
                format!("{what}: {text} ({CREDENTIALS})")
            }
            Self::Error(text) => format!("{what}: {text}"),
        }
    }

    /// Whether it is the reference that names nothing: a mistyped tag, say.
    pub(crate) fn is_of_the_image(&self) -> bool {
        matches!(self, Self::Error(text) if text.contains(MANIFEST_UNKNOWN))
    }

    /// Whether another signer of the same image could not be verified either.
    pub(crate) fn is_of_every_authority(&self) -> bool {
        match self {
            Self::Denied(_) => true,
            Self::Error(text) => text.contains(NO_MANIFEST),
        }
    }
}

/// The outcome of a signature verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Signed as asked for; the digest is what was verified.
    Trusted { digest: String },
    /// There are signatures, and not the ones asked for.
    Untrusted,
}

/// What is read of an image's manifest and configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImageConfig {
    /// When the image was built (RFC 3339), by its configuration and by its annotation or label, as
    /// far as it says so.
    pub(crate) created: Vec<String>,
    /// Name and digest of the image it was built from, if it says so.
    pub(crate) base: Option<BaseImage>,
    /// As whom it runs, with or without a group; nothing where it does not say.
    pub(crate) user: String,
}

/// The base image that an image records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseImage {
    pub(crate) name: String,
    pub(crate) digest: String,
}

/// Verifies the signatures of an image: [`Answer::Absent`] where it has none.
#[inline(never)]
pub(crate) fn verify(
    host: &dyn Host,
    request: &SigstoreVerificationInputV2,
) -> Answer<Verification> {
    let answer = ask(
        host,
        "oci",
        "v2/verify",
        serde_json::to_vec(request),
        |answer| {
            let digest = answer.text("digest")?.to_owned();
            match answer.get("is_trusted")? {
                Node::Bool(true) => Some(Verification::Trusted { digest }),
                Node::Bool(false) => Some(Verification::Untrusted),
                _ => None,
            }
        },
    );
    match answer {
        Ok(verification) => Answer::Found(verification),
        Err(Failure::Error(text)) if text.contains(NOT_SIGNED) => Answer::Absent,
        Err(Failure::Error(text)) if UNTRUSTED.iter().any(|marker| text.contains(marker)) => {
            Answer::Found(Verification::Untrusted)
        }
        Err(failure) => Answer::Failed(failure),
    }
}

/// The digest that a name resolves to now.
#[inline(never)]
pub(crate) fn manifest_digest(host: &dyn Host, image: &str) -> Answer<String> {
    or_absent(ask(
        host,
        "oci",
        "v1/manifest_digest",
        serde_json::to_vec(image),
        |answer| answer.text("digest").map(ToOwned::to_owned),
    ))
}

/// The digests that an image index lists for its platforms; none for an image that is no index.
pub(crate) fn platform_digests(host: &dyn Host, image: &str) -> Answer<Vec<String>> {
    or_absent(index_entries(host, image))
}

/// When an image was built, from what and to run as whom: one answer for an image, and where the name means
/// an index without the host's own platform (images of Windows or of another processor only), one for each
/// image in it.
#[inline(never)]
pub(crate) fn image_configs(
    host: &dyn Host,
    image: &str,
    reference: &Reference<'_>,
) -> Answer<Vec<ImageConfig>> {
    let failure = match image_config(host, image) {
        Ok(config) => return Answer::Found(vec![config]),
        Err(failure) => failure,
    };
    match &failure {
        Failure::Error(text) if text.contains(NO_PLATFORM) => {}
        _ => return or_absent(Err(failure)),
    }
    let digests = match index_entries(host, image) {
        Ok(digests) => digests,
        Err(failure) => return or_absent(Err(failure)),
    };
    if digests.is_empty() || digests.len() > MAX_PLATFORMS || reference.registry().is_empty() {
        return Answer::Failed(failure);
    }
    let name = format!("{}/{}", reference.registry(), reference.repository());
    let mut configs = Vec::new();
    for digest in &digests {
        match image_config(host, &[&name, "@", digest].concat()) {
            Ok(config) => configs.push(config),
            Err(failure) => return or_absent(Err(failure)),
        }
    }
    Answer::Found(configs)
}

#[inline(never)]
fn image_config(host: &dyn Host, image: &str) -> Result<ImageConfig, Failure> {
    ask(
        host,
        "oci",
        "v1/oci_manifest_config",
        serde_json::to_vec(image),
        |answer| {
            let config = answer.get("config");
            // Builders write annotations of the manifest; Dockerfiles can write labels only.
            let annotations = answer.get("manifest")?.get("annotations");
            let run = config.and_then(|config| config.get("config"));
            let labels = run.and_then(|run| run.get("Labels"));
            let sources = || [annotations, labels].into_iter().flatten();
            // What is empty says nothing: podman writes so for an image from scratch.
            let text = |found: Node<'_>, key| {
                let text = found.text(key).filter(|text| !text.is_empty());
                text.map(ToOwned::to_owned)
            };
            Some(ImageConfig {
                created: config
                    .and_then(|config| text(config, "created"))
                    .into_iter()
                    .chain(sources().find_map(|found| text(found, CREATED)))
                    .collect(),
                base: sources().find_map(|found| {
                    Some(BaseImage {
                        name: text(found, "org.opencontainers.image.base.name")?,
                        digest: text(found, "org.opencontainers.image.base.digest")?,
                    })
                }),
                user: run.and_then(|run| text(run, "User")).unwrap_or_default(),
            })
        },
    )
}

/// The digests of the images in an index; its attestations are none.
#[inline(never)]
fn index_entries(host: &dyn Host, image: &str) -> Result<Vec<String>, Failure> {
    ask(
        host,
        "oci",
        "v1/oci_manifest",
        serde_json::to_vec(image),
        |answer| {
            let is_image = |entry: &Node<'_>| {
                let platform = entry.get("platform");
                let part = |key| platform.and_then(|platform| platform.text(key));
                [part("os"), part("architecture")] != [Some("unknown"); 2]
            };
            let entries = answer.items("manifests")?.iter().filter(is_image);
            entries
                .map(|entry| entry.text("digest").map(ToOwned::to_owned))
                .collect()
        },
    )
}

/// Lists resources of one kind in a namespace, reading each with `read`. One that cannot be read is
/// a failure of the whole: what it would have said is not known.
///
/// A list that the policy server may not make never returns and holds one of its workers for good.
/// A get of the same kind is answered at once, so it is asked first, for a name that nobody uses.
pub(crate) fn list<T>(
    host: &dyn Host,
    query: &ListQuery<'_>,
    read: fn(Node<'_>) -> Option<T>,
) -> Answer<Vec<T>> {
    let probe = GetQuery {
        api_version: query.api_version,
        kind: query.kind,
        name: "container-security-may-i-read",
        namespace: Some(query.namespace),
        disable_cache: false,
        field_masks: vec!["metadata.name".to_owned()],
    };
    if let Answer::Failed(failure) = get(host, &probe) {
        return Answer::Failed(failure);
    }
    let query = serde_json::to_vec(query);
    let answer = ask(
        host,
        "kubernetes",
        "list_resources_by_namespace",
        query,
        |answer| {
            // Without items it is no list.
            answer.get("items")?;
            answer.items("items")?.iter().map(read).collect()
        },
    );
    match answer {
        Ok(items) => Answer::Found(items),
        Err(failure) => Answer::Failed(failure),
    }
}

/// Reads one resource: the bytes of its JSON.
#[inline(never)]
pub(crate) fn get(host: &dyn Host, query: &GetQuery<'_>) -> Answer<Vec<u8>> {
    match call(
        host,
        "kubernetes",
        "get_resource",
        serde_json::to_vec(query),
    ) {
        Ok(answer) => Answer::Found(answer),
        Err(Failure::Error(text)) if text.contains(NO_SUCH_RESOURCE) => Answer::Absent,
        Err(failure) => Answer::Failed(failure),
    }
}

/// Which resource to read, and which of its fields to send.
#[derive(Debug, Serialize)]
pub(crate) struct GetQuery<'q> {
    pub(crate) api_version: &'q str,
    pub(crate) kind: &'q str,
    pub(crate) name: &'q str,
    /// None for what is in no namespace.
    pub(crate) namespace: Option<&'q str>,
    /// Whether the answer must be of now, and not of some seconds ago.
    pub(crate) disable_cache: bool,
    pub(crate) field_masks: Vec<String>,
}

/// Which resources to list, and which of their fields to send.
#[derive(Debug, Serialize)]
pub(crate) struct ListQuery<'q> {
    pub(crate) api_version: &'q str,
    pub(crate) kind: &'q str,
    pub(crate) namespace: &'q str,
    pub(crate) label_selector: Option<&'q str>,
    pub(crate) field_selector: Option<&'q str>,
    pub(crate) field_masks: &'q [&'q str],
}

fn or_absent<T>(outcome: Result<T, Failure>) -> Answer<T> {
    match outcome {
        Ok(found) => Answer::Found(found),
        Err(Failure::Error(text)) if text.contains(MANIFEST_UNKNOWN) => Answer::Absent,
        Err(failure) => Answer::Failed(failure),
    }
}

/// Makes a call and reads its answer. `read` says `None` where the answer lacks what it must have.
fn ask<A>(
    host: &dyn Host,
    namespace: &str,
    operation: &str,
    question: Result<Vec<u8>, serde_json::Error>,
    read: impl FnOnce(Node<'_>) -> Option<A>,
) -> Result<A, Failure> {
    let answer = call(host, namespace, operation, question)?;
    parse(&answer)
        .and_then(|answer| {
            read(answer.root()).ok_or_else(|| "it lacks what is asked for".to_owned())
        })
        .map_err(|problem| {
            Failure::Error(format!(
                "the answer of {namespace}/{operation} cannot be read: {problem}"
            ))
        })
}

// Out of line, so that they are in the module once and not once for each kind of answer.

#[inline(never)]
fn call(
    host: &dyn Host,
    namespace: &str,
    operation: &str,
    question: Result<Vec<u8>, serde_json::Error>,
) -> Result<Vec<u8>, Failure> {
    // Texts can always be written. Were it otherwise, no host would answer an empty question.
    host.call(namespace, operation, &question.unwrap_or_default())
        .map_err(|text| failure(&text))
}

#[inline(never)]
pub(crate) fn parse(answer: &[u8]) -> Result<Document<'_>, String> {
    Document::from_slice(answer).map_err(|error| json::describe_error(error, answer))
}

/// The host's text up to its first line end, without what every text begins with: behind that may
/// stand a stack trace.
fn failure(text: &str) -> Failure {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("Host error: ").unwrap_or(line);
    let line = line
        .strip_prefix("Callback evaluation failure: ")
        .unwrap_or(line);
    let line = line.trim_end().to_owned();
    if line.contains(DENIED) {
        Failure::Denied(line)
    } else {
        Failure::Error(line)
    }
}

// The few phrases that tell the host's errors apart. It has no codes.
const DENIED: &str = "has not been granted access";
const NOT_SIGNED: &str = "no signatures found";
const UNTRUSTED: [&str; 3] = [
    "missing signatures",
    "No Signature Layer passed verification",
    "failed verification",
];
const REFUSED: [&str; 2] = ["Not authorized: ", "Authentication failure: "];
const CREDENTIALS: &str = "a policy server has the imagePullSecret of its PolicyServer, not the Pod's, and \
    uses no token of az acr login";
const NO_MANIFEST: &str = "Cannot fetch manifest of";
const NO_PLATFORM: &str = "matching client's default platform";
const MANIFEST_UNKNOWN: &str = "manifest unknown";
const NO_SUCH_RESOURCE: &str = "Cannot find ";

const CREATED: &str = "org.opencontainers.image.created";
/// How many images of an index are looked at: more would be more calls than a request may take.
const MAX_PLATFORMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one answer to every call.
    struct Always(Result<&'static str, &'static str>);

    impl Host for Always {
        fn call(&self, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
            self.0
                .map(|text| text.as_bytes().to_vec())
                .map_err(ToOwned::to_owned)
        }

        fn now(&self) -> i64 {
            0
        }
    }

    fn request() -> SigstoreVerificationInputV2 {
        SigstoreVerificationInputV2::SigstorePubKeyVerify {
            image: "a".to_owned(),
            pub_keys: Vec::new(),
            annotations: None,
        }
    }

    #[test]
    fn unsigned_untrusted_denied_and_unreachable_are_told_apart() {
        let outcome = |error| verify(&Always(Err(error)), &request());
        assert_eq!(
            outcome("Host error: Callback evaluation failure: no signatures found for image: a "),
            Answer::Absent
        );
        assert_eq!(
            outcome(
                "Host error: Callback evaluation failure: Image verification failed: missing signatures\nThe following"
            ),
            Answer::Found(Verification::Untrusted)
        );
        assert_eq!(
            outcome("Host error: Policy has not been granted access to the 'oci/v2/verify' host capability. The violation has been reported."),
            Answer::Failed(Failure::Denied("Policy has not been granted access to the 'oci/v2/verify' host capability. The violation has been reported.".to_owned()))
        );
        assert_eq!(
            outcome(
                "Host error: Callback evaluation failure: failed to get image trusted layers: Cannot fetch manifest of a: down\n\nStack backtrace:\n 0: main"
            ),
            Answer::Failed(Failure::Error(
                "failed to get image trusted layers: Cannot fetch manifest of a: down".to_owned()
            ))
        );
    }

    #[test]
    fn an_answer_that_is_none_is_a_failure_and_never_trust() {
        for answer in [
            "",
            "null",
            "{}",
            r#"{"is_trusted":true}"#,
            r#"{"is_trusted":"yes","digest":""}"#,
        ] {
            assert!(
                matches!(verify(&Always(Ok(answer)), &request()), Answer::Failed(_)),
                "{answer}"
            );
        }
        let untrusted = r#"{"is_trusted":false,"digest":"sha256:0"}"#;
        assert_eq!(
            verify(&Always(Ok(untrusted)), &request()),
            Answer::Found(Verification::Untrusted)
        );
    }

    #[test]
    fn a_missing_manifest_is_absent_and_an_unreachable_registry_is_not() {
        let missing = "Host error: Callback evaluation failure: Fail to interact with OCI registry: Registry error: url http://r/v2/a/manifests/1, envelope: OCI API errors: [OCI API error: manifest unknown]";
        assert_eq!(
            manifest_digest(&Always(Err(missing)), "r/a:1"),
            Answer::Absent
        );
        let down = "Host error: Callback evaluation failure: Fail to interact with OCI registry: error sending request";
        assert!(matches!(
            manifest_digest(&Always(Err(down)), "r/a:1"),
            Answer::Failed(_)
        ));
    }
}
