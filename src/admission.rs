//! From the payload of a call to the bytes of its answer.
//!
//! ```text
//! payload -> request + settings            neither can hide what is wrong with the other
//!   out of scope (DELETE, CONNECT, status) -> accept
//!   a kind that carries no pod             -> accept, with a warning
//!   workload -> controls -> findings
//!   UPDATE, CREATE by a controller: minus what was there before
//!   images left -> host calls -> findings
//! -> verdict -> response
//! ```
//!
//! Nothing here fails: what cannot be decoded is rejected, with a message that names the reason
//! and repeats nothing of the payload.

mod custom;
mod request;
mod response;

use std::cell::LazyCell;

use self::request::{Object, Operation, Payload, Request, given};
use self::response::{Response, Title};
use crate::host_calls::Host;
use crate::json::Fault;
use crate::review::legacy::{Before, Carrier, Change};
use crate::review::{Terms, review};
use crate::settings::Settings;
use crate::text::Quoted;

/// Judges one request. The answer is always a response that Kubewarden can decode.
#[must_use]
pub fn validate(payload: &[u8], host: &dyn Host) -> Vec<u8> {
    respond(payload, host).to_json()
}

/// Checks settings. The answer is a `SettingsValidationResponse` of the SDK.
#[must_use]
pub fn validate_settings(payload: &[u8]) -> Vec<u8> {
    response::of_settings(Settings::from_json(payload).map(|_| ()))
}

fn respond(payload: &[u8], host: &dyn Host) -> Response {
    // The common way decodes the object where it stands. Only when that fails is the payload read
    // again with the object left aside, to learn which of its parts is at fault.
    let decoded = match Payload::decode(payload).or_else(|_| Payload::decode_envelope(payload)) {
        Ok(decoded) => decoded,
        Err(error) => {
            let fault = Fault::new(error, payload);
            // The place is one in the payload, not in an object.
            return Response::undecodable("the admission request", fault.text.into());
        }
    };
    let settings = match &decoded.settings {
        None => Ok(Settings::default()),
        Some(Ok(document)) => Settings::from_node(document.root()),
        Some(Err(problem)) => Err(vec![format!("settings: {problem}")]),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(problems) => return Response::invalid_settings(&problems),
    };
    let terms = Terms {
        settings: &settings,
        settings_again: &|| match &decoded.settings {
            Some(Ok(document)) => Settings::from_node(document.root()).ok(),
            _ => None,
        },
        host,
    };
    judge(decoded.request, &terms, payload)
}

fn judge(request: Request<'_>, terms: &Terms<'_>, payload: &[u8]) -> Response {
    if request.is_out_of_scope() {
        return Response::accept();
    }
    let Some(kind) = request.kind.recognise() else {
        let (group, name) = (request.kind.group.as_str(), request.kind.kind.as_str());
        if let Some(custom) = terms.settings.custom_workload(group, name) {
            return custom::judge(&request, custom, terms);
        }
        let what_then = if request.kind.is_of_kubernetes() {
            "; it judges nothing in it"
        } else {
            "; if Pods are made from it, they are judged when they are created; customWorkloads would judge \
             its pod templates"
        };
        return Response::accept_with_warning(format!(
            "container-security does not know the kind {}{what_then}",
            Quoted(&request.kind.to_string())
        ));
    };
    let workload = match request.object.into_workload(kind) {
        Ok(workload) => workload,
        Err(fault) => return Response::undecodable(&format!("the {}", kind.name()), fault),
    };
    let namespace = given(request.namespace.as_ref()).or(workload.metadata.namespace());
    // A stored object that cannot be read excuses nothing.
    let stored = LazyCell::new(|| {
        request
            .old_object
            .and_then(|raw| Object::Raw(raw).into_workload(kind).ok())
    });
    let stored_pod = || stored.as_ref().map(|stored| &stored.pod);
    let is_untouched = || request::leaves_pod_alone(payload, kind, &workload.pod);
    let maker = || request::maker(payload);
    let before = Before {
        carrier: Carrier::Kind(kind),
        namespace,
        change: match request.operation {
            Operation::Update => Change::Update {
                stored: &stored_pod,
                is_untouched: &is_untouched,
            },
            _ => Change::Create { maker: &maker },
        },
    };
    let outcome = review(&workload.pod, &before, terms);
    let name = given(request.name.as_ref());
    let title = Title {
        kind: kind.name(),
        name: name.or(workload.metadata.name()),
        namespace,
    };
    Response::of_outcome(&title, &outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_calls::NoHost;

    #[test]
    fn what_is_no_request_is_rejected_with_its_problem() {
        for (payload, problem) in [
            ("", "it is not valid JSON"),
            ("{\"request\":", "it is not valid JSON at byte 11"),
            ("null", "expected a request and settings, found null"),
            ("[]", "expected a request and settings, found a list"),
            ("{}", "request is missing"),
            (
                "{\"request\":7}",
                "request: expected an AdmissionRequest, found a number",
            ),
            ("{\"request\":{}}", "request.kind is missing"),
            (
                "{\"request\":{\"kind\":7}}",
                "request.kind: expected an object, found a number",
            ),
            (
                "{\"request\":{\"kind\":{\"kind\":\"\"}}}",
                "request.kind is missing",
            ),
            (
                "{\"request\":{\"kind\":{\"kind\":\"Pod\"},\"name\":7}}",
                "request.name: expected a string, found a number",
            ),
        ] {
            let answer: serde_json::Value =
                serde_json::from_slice(&validate(payload.as_bytes(), &NoHost)).unwrap();
            let message = format!("the admission request cannot be decoded: {problem}");
            let expected = serde_json::json!({"accepted": false, "code": 400, "message": message});
            assert_eq!(answer, expected, "{payload}");
        }
    }
}
