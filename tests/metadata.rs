//! Holds what `policy-metadata.yaml` asks of a cluster against what the policy uses: nothing that
//! it needs is missing, and nothing is granted that it never uses.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use container_security::{Host, validate};
use container_security_test_kit::sessions;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    context_aware_resources: BTreeSet<Resource>,
    host_capabilities: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource {
    api_version: String,
    kind: String,
}

/// Gives the responses of a session, one after the other, and remembers what was asked.
struct Recorder {
    responses: RefCell<VecDeque<Result<Vec<u8>, String>>>,
    calls: RefCell<Vec<(String, Value)>>,
}

impl Host for Recorder {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let payload = serde_json::from_slice(payload).unwrap();
        self.calls
            .borrow_mut()
            .push((format!("{namespace}/{operation}"), payload));
        let response = self.responses.borrow_mut().pop_front();
        response.unwrap_or_else(|| Err("there is no more in the session".to_owned()))
    }

    fn now(&self) -> i64 {
        1_769_817_600
    }
}

#[test]
fn the_metadata_asks_for_what_the_policy_uses_and_for_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("policy-metadata.yaml")).unwrap();
    let metadata: Metadata = yaml_serde::from_str(&text).unwrap();
    let calls: Vec<(String, Value)> = sessions::cases(&root.join("tests"))
        .iter()
        .flat_map(calls)
        .collect();

    let capabilities = calls.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(metadata.host_capabilities, capabilities);
    let resources = calls
        .into_iter()
        .filter(|(name, _)| name.starts_with("kubernetes/"))
        .map(|(_, payload)| Resource {
            api_version: payload["api_version"].as_str().unwrap().to_owned(),
            kind: payload["kind"].as_str().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(metadata.context_aware_resources, resources);
}

/// The host calls of a case.
fn calls(case: &sessions::Case) -> Vec<(String, Value)> {
    let exchanges: Vec<Value> = yaml_serde::from_slice(&case.session).unwrap();
    let response = |exchange: &Value| {
        let response = &exchange["response"];
        match response["payload"].as_str() {
            Some(payload) => Ok(payload.as_bytes().to_vec()),
            None => Err(response["message"].as_str().unwrap().to_owned()),
        }
    };
    let recorder = Recorder {
        responses: RefCell::new(exchanges.iter().map(response).collect()),
        calls: RefCell::default(),
    };
    let answer = validate(&case.payload(), &recorder);
    case.check(&answer, recorder.now());
    assert_eq!(recorder.responses.borrow().len(), 0, "{}", case.name);
    recorder.calls.into_inner()
}
