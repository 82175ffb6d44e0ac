//! Host calls answered from a session that `kwctl run` has recorded.
//!
//! The format is that of kwctl's `--record-host-capabilities-interactions`: a YAML list of
//! exchanges, each a request (YAML with a tag, as text) and the response to it:
//!
//! ```yaml
//! - type: Exchange
//!   request: |
//!     !OciManifestDigest
//!     image: ghcr.io/org/app:1
//!   response:
//!     type: Success
//!     payload: '{"digest":"sha256:..."}'
//! - type: Exchange
//!   request: |
//!     !OciManifest
//!     image: ghcr.io/org/app:1
//!   response:
//!     type: Error
//!     message: connection refused
//! ```
//!
//! As in kwctl, the requests of a guest must be those of the session, in their order: any other
//! one uses up its exchange and fails. The texts of the errors are kwctl's, too. Unlike kwctl,
//! which stops in the middle of an evaluation, a session is read as a whole before anything is
//! evaluated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use container_security_text::document;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::host_capabilities::{Denied, HostCapabilities};

/// Answers from a session; what no session can hold is denied.
///
/// The session goes on from one evaluation to the next.
#[derive(Debug)]
pub struct Replay(Mutex<VecDeque<Exchange>>);

impl Replay {
    /// Reads a session, of which `source` is the name.
    ///
    /// # Errors
    ///
    /// What is wrong, beginning with `source` and the number of the exchange, counted from 1.
    pub fn from_yaml(source: &str, bytes: &[u8]) -> Result<Self, String> {
        let mut documents = document::parse(source, bytes)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
            return Err(format!("{source}: a session is one document"));
        };
        let Value::Array(exchanges) = document.value else {
            return Err(format!("{source}: a session is a list of exchanges"));
        };
        exchanges
            .into_iter()
            .enumerate()
            .map(|(index, exchange)| {
                Exchange::read(exchange).map_err(|problem| {
                    format!("{source}, exchange {}: {problem}", index.saturating_add(1))
                })
            })
            .collect::<Result<_, _>>()
            .map(|exchanges| Self(Mutex::new(exchanges)))
    }

    /// The requests that were not made, as kwctl writes them.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        self.exchanges()
            .iter()
            .map(|exchange| format!("{:?}", exchange.request))
            .collect()
    }

    fn answer(&self, request: &Request) -> Result<Vec<u8>, String> {
        let exchange = self
            .exchanges()
            .pop_front()
            .ok_or("the list of recorded responses is empty")?;
        if exchange.request != *request {
            return Err(format!(
                "Replay error: unexpected request. Was expecting {:?}, got {request:?} instead",
                exchange.request
            ));
        }
        match exchange.response {
            Response::Success { payload } => Ok(payload.into_bytes()),
            Response::Error { message } => Err(message),
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostCapabilities for Replay {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        let request = match (binding, namespace, operation) {
            ("kubewarden", "oci", "v1/verify") => serde_json::from_slice(payload),
            ("kubewarden", "oci", "v2/verify") => untagged(payload),
            ("kubewarden", "oci", "v1/manifest_digest") => of_image("OciManifestDigest", payload),
            ("kubewarden", "oci", "v1/oci_manifest") => of_image("OciManifest", payload),
            ("kubewarden", "oci", "v1/oci_manifest_config") => {
                of_image("OciManifestAndConfig", payload)
            }
            ("kubewarden", "kubernetes", "get_resource") => {
                tagged("KubernetesGetResource", payload)
            }
            ("kubewarden", "kubernetes", "list_resources_by_namespace") => {
                tagged("KubernetesListResourceNamespace", payload)
            }
            ("kubewarden", "kubernetes", "list_resources_all") => {
                tagged("KubernetesListResourceAll", payload)
            }
            _ => return Denied.call(binding, namespace, operation, payload),
        }
        .map_err(|error| error.to_string())?;
        self.answer(&request)
            .map_err(|problem| format!("Callback evaluation failure: {problem}"))
    }
}

/// The request whose fields are the payload.
fn tagged(tag: &str, payload: &[u8]) -> serde_json::Result<Request> {
    let fields: Value = serde_json::from_slice(payload)?;
    serde_json::from_value(json!({ tag: fields }))
}

/// The request whose one field, `image`, is the payload.
fn of_image(tag: &str, payload: &[u8]) -> serde_json::Result<Request> {
    let image: String = serde_json::from_slice(payload)?;
    serde_json::from_value(json!({ tag: { "image": image } }))
}

/// The request that the payload names in its field `type`.
fn untagged(payload: &[u8]) -> serde_json::Result<Request> {
    #[derive(Deserialize)]
    struct Payload {
        r#type: String,
        #[serde(flatten)]
        fields: Map<String, Value>,
    }

    let Payload { r#type, fields } = serde_json::from_slice(payload)?;
    serde_json::from_value(json!({ r#type: fields }))
}

/// One request and its response.
#[derive(Debug)]
struct Exchange {
    request: Request,
    response: Response,
}

impl Exchange {
    fn read(exchange: Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Written {
            request: String,
            response: Response,
        }

        let Written { request, response } =
            serde_json::from_value(exchange).map_err(|error| error.to_string())?;
        let request =
            yaml_serde::from_str(&request).map_err(|error| format!("request: {error}"))?;
        Ok(Self { request, response })
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Response {
    Success { payload: String },
    Error { message: String },
}

/// What a guest asks. Names, fields and their order are those of kwctl's `CallbackRequestType`:
/// they are in the session, and in the text about an unexpected request.
#[derive(Debug, PartialEq, Eq, Deserialize)]
enum Request {
    OciManifestDigest {
        image: String,
    },
    OciManifest {
        image: String,
    },
    OciManifestAndConfig {
        image: String,
    },
    SigstorePubKeyVerify {
        image: String,
        pub_keys: Vec<String>,
        annotations: Option<BTreeMap<String, String>>,
    },
    SigstoreKeylessVerify {
        image: String,
        keyless: Vec<KeylessInfo>,
        annotations: Option<BTreeMap<String, String>>,
    },
    SigstoreKeylessPrefixVerify {
        image: String,
        keyless_prefix: Vec<KeylessPrefixInfo>,
        annotations: Option<BTreeMap<String, String>>,
    },
    SigstoreGithubActionsVerify {
        image: String,
        owner: String,
        repo: Option<String>,
        annotations: Option<BTreeMap<String, String>>,
    },
    SigstoreCertificateVerify {
        image: String,
        certificate: Vec<u8>,
        certificate_chain: Option<Vec<Vec<u8>>>,
        require_rekor_bundle: bool,
        annotations: Option<BTreeMap<String, String>>,
    },
    KubernetesListResourceNamespace {
        api_version: String,
        kind: String,
        namespace: String,
        label_selector: Option<String>,
        field_selector: Option<String>,
        field_masks: Option<BTreeSet<String>>,
    },
    KubernetesListResourceAll {
        api_version: String,
        kind: String,
        label_selector: Option<String>,
        field_selector: Option<String>,
        field_masks: Option<BTreeSet<String>>,
    },
    KubernetesGetResource {
        api_version: String,
        kind: String,
        name: String,
        namespace: Option<String>,
        disable_cache: bool,
        field_masks: Option<BTreeSet<String>>,
    },
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KeylessInfo {
    issuer: String,
    subject: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KeylessPrefixInfo {
    issuer: String,
    url_prefix: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"
- type: Exchange
  request: |
    !OciManifestDigest
    image: ghcr.io/org/app:1
  response:
    type: Success
    payload: '{"digest":"sha256:0"}'
- type: Exchange
  request: |
    !SigstorePubKeyVerify
    image: ghcr.io/org/app:1
    pub_keys:
    - |
      -----BEGIN PUBLIC KEY-----
      AAAA
      -----END PUBLIC KEY-----
    annotations: null
  response:
    type: Error
    message: 'no signatures found for image: ghcr.io/org/app:1 '
"#;

    fn replay(session: &str) -> Replay {
        Replay::from_yaml("session.yaml", session.as_bytes()).unwrap()
    }

    fn call(replay: &Replay, capability: &str, payload: &Value) -> Result<String, String> {
        let (namespace, operation) = capability.split_once('/').unwrap();
        replay
            .call(
                "kubewarden",
                namespace,
                operation,
                payload.to_string().as_bytes(),
            )
            .map(|answer| String::from_utf8(answer).unwrap())
    }

    fn verify() -> Value {
        json!({
            "type": "SigstorePubKeyVerify",
            "image": "ghcr.io/org/app:1",
            "pub_keys": ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
            "annotations": null,
        })
    }

    #[test]
    fn the_recorded_requests_get_the_recorded_responses() {
        let replay = replay(SESSION);
        assert_eq!(
            call(
                &replay,
                "oci/v1/manifest_digest",
                &json!("ghcr.io/org/app:1")
            ),
            Ok(r#"{"digest":"sha256:0"}"#.to_owned())
        );
        assert_eq!(
            call(&replay, "oci/v2/verify", &verify()),
            Err(
                "Callback evaluation failure: no signatures found for image: ghcr.io/org/app:1 "
                    .to_owned()
            )
        );
        assert_eq!(replay.leftovers(), Vec::<String>::new());
        assert_eq!(
            call(&replay, "oci/v2/verify", &verify()),
            Err("Callback evaluation failure: the list of recorded responses is empty".to_owned())
        );
    }

    #[test]
    fn an_unexpected_request_uses_up_its_exchange() {
        let replay = replay(SESSION);
        assert_eq!(
            call(&replay, "oci/v1/oci_manifest", &json!("ghcr.io/org/app:1")),
            Err(
                "Callback evaluation failure: Replay error: unexpected request. Was expecting \
                 OciManifestDigest { image: \"ghcr.io/org/app:1\" }, got \
                 OciManifest { image: \"ghcr.io/org/app:1\" } instead"
                    .to_owned()
            )
        );
        assert_eq!(
            replay.leftovers(),
            [
                "SigstorePubKeyVerify { image: \"ghcr.io/org/app:1\", pub_keys: \
                 [\"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n\"], \
                 annotations: None }"
            ]
        );
    }

    #[test]
    fn every_call_is_the_request_that_kwctl_makes_of_it() {
        let list = json!({"api_version": "v1", "kind": "Secret", "namespace": "shop",
            "field_masks": ["b", "a"]});
        for (capability, payload, request) in [
            (
                "oci/v1/manifest_digest",
                json!("a"),
                "!OciManifestDigest\nimage: a",
            ),
            ("oci/v1/oci_manifest", json!("a"), "!OciManifest\nimage: a"),
            (
                "oci/v1/oci_manifest_config",
                json!("a"),
                "!OciManifestAndConfig\nimage: a",
            ),
            (
                "oci/v1/verify",
                json!({"SigstorePubKeyVerify": {"image": "a", "pub_keys": ["k"]}}),
                "!SigstorePubKeyVerify {image: a, pub_keys: [k], annotations: null}",
            ),
            (
                "oci/v1/verify",
                json!({"SigstoreKeylessVerify":
                    {"image": "a", "keyless": [{"issuer": "i", "subject": "s"}]}}),
                "!SigstoreKeylessVerify {image: a, keyless: [{issuer: i, subject: s}]}",
            ),
            (
                "oci/v2/verify",
                json!({"type": "SigstoreKeylessVerify", "image": "a",
                    "keyless": [{"issuer": "i", "subject": "s"}], "annotations": {"b": "c"}}),
                "!SigstoreKeylessVerify {image: a, keyless: [{issuer: i, subject: s}], annotations: {b: c}}",
            ),
            (
                "oci/v2/verify",
                json!({"type": "SigstoreKeylessPrefixVerify", "image": "a",
                    "keyless_prefix": [{"issuer": "i", "url_prefix": "u"}]}),
                "!SigstoreKeylessPrefixVerify {image: a, keyless_prefix: [{issuer: i, url_prefix: u}]}",
            ),
            (
                "oci/v2/verify",
                json!({"type": "SigstoreGithubActionsVerify", "image": "a", "owner": "o",
                    "repo": null}),
                "!SigstoreGithubActionsVerify {image: a, owner: o, repo: null}",
            ),
            (
                "oci/v2/verify",
                json!({"type": "SigstoreCertificateVerify", "image": "a", "certificate": [1],
                    "certificate_chain": [[2]], "require_rekor_bundle": true}),
                "!SigstoreCertificateVerify {image: a, certificate: [1], certificate_chain: [[2]], require_rekor_bundle: true}",
            ),
            (
                "kubernetes/get_resource",
                json!({"api_version": "v1", "kind": "Secret", "name": "a", "disable_cache": true}),
                "!KubernetesGetResource {api_version: v1, kind: Secret, name: a, disable_cache: true}",
            ),
            (
                "kubernetes/list_resources_by_namespace",
                list,
                "!KubernetesListResourceNamespace {api_version: v1, kind: Secret, namespace: shop, field_masks: [a, b]}",
            ),
            (
                "kubernetes/list_resources_all",
                json!({"api_version": "v1", "kind": "Secret", "label_selector": "a=b"}),
                "!KubernetesListResourceAll {api_version: v1, kind: Secret, label_selector: a=b}",
            ),
        ] {
            let session = json!([{"type": "Exchange", "request": request,
                "response": {"type": "Success", "payload": "here"}}]);
            assert_eq!(
                call(&replay(&session.to_string()), capability, &payload),
                Ok("here".to_owned()),
                "{request}"
            );
        }
    }

    #[test]
    fn logging_takes_nothing_from_the_session_and_everything_else_is_denied() {
        let replay = replay(SESSION);
        assert_eq!(call(&replay, "tracing/log", &json!({})), Ok(String::new()));
        assert_eq!(
            call(&replay, "net/v1/dns_lookup_host", &json!("localhost")),
            Err("Policy has not been granted access to the 'net/v1/dns_lookup_host' host capability. The violation has been reported.".to_owned())
        );
        assert_eq!(
            replay.call("wasmcloud", "oci", "v2/verify", b"{}"),
            Err("unknown binding: wasmcloud".to_owned())
        );
        assert_eq!(
            call(&replay, "oci/v2/verify", &json!({})),
            Err("missing field `type` at line 1 column 2".to_owned())
        );
        assert_eq!(replay.leftovers().len(), 2);
    }

    #[test]
    fn what_is_no_session_is_refused_with_its_exchange() {
        let exchange = |request: &str, response: &str| {
            format!(
                "- {{type: Exchange, request: '!OciManifest {{image: a}}', response: {{type: Success, payload: ''}}}}\n- {{type: Exchange, request: {request}, response: {response}}}\n"
            )
        };
        for (session, error) in [
            (String::new(), "session.yaml: a session is one document"),
            (
                "a: b".to_owned(),
                "session.yaml: a session is a list of exchanges",
            ),
            (
                "[]\n---\n[]".to_owned(),
                "session.yaml: a session is one document",
            ),
            (
                "- a".to_owned(),
                "session.yaml, exchange 1: invalid type: string \"a\", expected struct Written",
            ),
            (
                exchange("'!OciManifest {}'", "{type: Success, payload: ''}"),
                "session.yaml, exchange 2: request: missing field `image`",
            ),
            (
                exchange("'!Pull {image: a}'", "{type: Success, payload: ''}"),
                "session.yaml, exchange 2: request: unknown variant `Pull`, expected one of ",
            ),
            (
                exchange("'!OciManifest {image: a}'", "{type: Maybe}"),
                "session.yaml, exchange 2: unknown variant `Maybe`, expected `Success` or `Error`",
            ),
            (
                exchange("'!OciManifest {image: a}'", "{type: Success}"),
                "session.yaml, exchange 2: missing field `payload`",
            ),
        ] {
            let found = Replay::from_yaml("session.yaml", session.as_bytes()).unwrap_err();
            assert!(found.starts_with(error), "{found}\nis not\n{error}");
        }
    }
}
