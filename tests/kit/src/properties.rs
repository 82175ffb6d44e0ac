//! What holds for every pod, every list and every payload, as functions that panic where it does
//! not.
//!
//! The property tests call them with what proptest makes, the fuzz targets with what libFuzzer
//! makes.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a property that does not hold must fail, and say where"
)]

mod advice;
pub mod generated;
mod kubernetes;
mod reference_grammar;
pub mod targets;

use std::collections::{BTreeMap, BTreeSet};

use container_security::{
    Host, ImagePattern, NoHost, Reference, ReferenceError, validate, validate_settings,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::advice::Edits;
use self::generated::Wider;
use crate::requests;

/// An answer of the policy, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The verdict.
    pub accepted: bool,
    /// What whoever is rejected reads.
    pub message: Option<String>,
    /// As HTTP has it.
    pub code: Option<u16>,
    /// Admission warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// For the audit log, and for machines.
    #[serde(default)]
    pub audit_annotations: BTreeMap<String, String>,
}

impl Answer {
    /// The violations, each as its line of the message.
    pub fn lines(&self) -> Vec<String> {
        let message = self.message.as_deref().unwrap_or_default();
        let lines = message.split("\n- ").skip(1);
        lines.map(ToOwned::to_owned).collect()
    }

    /// The violations as machines read them.
    pub fn violations(&self) -> Vec<Map<String, Value>> {
        let violations = self.audit_annotations.get("violations");
        violations.map_or_else(Vec::new, |list| serde_json::from_str(list).unwrap())
    }

    /// The answer to a payload however its keys are ordered: problems of settings are listed in
    /// the order of writing.
    fn without_order(self) -> Self {
        let mut answer = self.without_column();
        if answer.code == Some(INTERNAL_ERROR) {
            let mut problems = answer.lines();
            problems.sort();
            answer.message = Some(problems.join("\n"));
        }
        answer
    }

    /// The answer without the byte at which a request stops being JSON.
    fn without_column(mut self) -> Self {
        if self.code == Some(BAD_REQUEST) {
            let message = self.message.as_deref().unwrap_or_default();
            let message = message.split(" at byte ").next().unwrap_or_default();
            self.message = Some(message.to_owned());
        }
        self
    }
}

/// The answer to a payload, after a look at what holds for every answer: it can be decoded, says
/// why it rejects, and is small enough for the API server to pass on.
pub fn answer(payload: &[u8]) -> Answer {
    answer_with(payload, &NoHost)
}

/// What the policy answers with this host.
pub fn answer_with(payload: &[u8], host: &dyn Host) -> Answer {
    let bytes = validate(payload, host);
    let answer: Answer = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer.accepted, answer.message.is_none(), "{answer:#?}");
    assert_eq!(answer.accepted, answer.code.is_none(), "{answer:#?}");
    // The API server takes 4 KiB of warnings in all, and cuts one of more than 256 bytes.
    assert!(
        answer.warnings.iter().all(|warning| warning.len() < 256),
        "{:#?}",
        answer.warnings
    );
    assert!(answer.warnings.iter().map(String::len).sum::<usize>() <= 4096);
    let message = answer.message.as_deref().unwrap_or_default();
    let limit = match answer.code {
        Some(INTERNAL_ERROR) => 66_000,
        _ => 16_000,
    };
    assert!(message.len() < limit, "a message of {}", message.len());
    let annotations: usize = answer.audit_annotations.values().map(String::len).sum();
    assert!(annotations < 48 * 1024, "{annotations} of annotations");
    answer
}

/// The answer to a request that creates a workload of this kind from the pod.
pub fn judge(kind: &str, pod: &Value, settings: &Value) -> Answer {
    judge_with(kind, pod, settings, &NoHost)
}

fn judge_with(kind: &str, pod: &Value, settings: &Value, host: &dyn Host) -> Answer {
    let request = requests::create_request(kind, requests::workload(kind, pod.clone()));
    answer_with(&requests::payload(&request, settings), host)
}

/// Any bytes have an answer, and JSON has the same one however it is written.
pub fn a_payload_has_one_answer(payload: &[u8]) {
    let found = answer(payload);
    let Some(value) = plain_json(payload) else {
        return;
    };
    let rewritten = serde_json::to_vec(&value).unwrap();
    assert_eq!(
        answer(&rewritten).without_order(),
        found.without_order(),
        "{}",
        String::from_utf8_lossy(&rewritten)
    );
}

/// The value of a JSON text whose value does not depend on who reads it: none where a key is
/// written twice in one object.
fn plain_json(text: &[u8]) -> Option<Value> {
    fn keys(value: &Value) -> usize {
        match value {
            Value::Object(map) => map.len() + map.values().map(keys).sum::<usize>(),
            Value::Array(list) => list.iter().map(keys).sum(),
            _ => 0,
        }
    }

    let value = serde_json::from_slice(text).ok()?;
    let (mut written, mut in_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b':' if !in_string => written += 1,
            _ => {}
        }
    }
    (written == keys(&value)).then_some(value)
}

/// A container more never makes a rejected pod acceptable.
pub fn a_container_more_excuses_nothing(pod: &Value, settings: &Value, list: &str, added: Value) {
    let before = judge("Pod", pod, settings);
    let mut more = pod.clone();
    requests::set(&mut more, &format!("/spec/{list}/-"), added);
    let after = judge("Pod", &more, settings);
    assert!(
        before.accepted || !after.accepted,
        "{before:#?}\n{after:#?}"
    );
}

/// A value more in a list of what is allowed never makes an acceptable pod rejected. A list that is
/// not written may allow everything already, so it is written first. Says whether the list has more, and the
/// settings are none that are refused.
pub fn a_wider_list_rejects_no_more(pod: &Value, settings: &Value, wider: Wider) -> bool {
    let Wider { list, least, more } = wider;
    let mut settings = settings.clone();
    if !settings.pointer(list).is_some_and(Value::is_array) {
        requests::set(&mut settings, list, least);
    }
    let before = judge("Pod", pod, &settings);
    let has_more = !more.is_empty();
    let mut wider = settings;
    for value in more {
        requests::set(&mut wider, &format!("{list}/-"), value);
    }
    let after = judge("Pod", pod, &wider);
    // What is allowed now may be what another list rejects, which is a mistake in the settings.
    let is_mistake = after.code == Some(INTERNAL_ERROR);
    assert!(
        is_mistake || after.accepted || !before.accepted,
        "{before:#?}\n{after:#?}"
    );
    !is_mistake && has_more
}

/// The pod without ephemeral containers has the same violations as the template of a Deployment, of a
/// `CronJob` and of a kind that the settings name, provided that every container and image volume names its image: a template
/// may wait for it.
pub fn a_template_is_judged_as_its_pod(pod: &Value, settings: &Value) {
    let mut template = pod.clone();
    template["spec"]["ephemeralContainers"] = json!([]);
    let waits = |image: &Value| image.is_null() || image == "";
    let spec = &template["spec"];
    let containers = ["initContainers", "containers"].map(|list| spec[list].as_array().unwrap());
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let images = containers
        .into_iter()
        .flatten()
        .map(|container| &container["image"]);
    if images
        .chain(volumes.map(|volume| &volume["image"]["reference"]))
        .any(waits)
    {
        return;
    }
    let mut settings = settings.clone();
    requests::set(
        &mut settings,
        "/customWorkloads",
        json!([{"group": "batch.volcano.sh", "kind": "Job", "podTemplates": ["spec.tasks[*].template"]}]),
    );
    let [in_pod, in_deployment, in_cron_job, in_task] = [
        ("Pod", "", ""),
        ("Deployment", "/spec/template", "spec.template."),
        (
            "CronJob",
            "/spec/jobTemplate/spec/template",
            "spec.jobTemplate.spec.template.",
        ),
        (
            "batch.volcano.sh/Job",
            "/spec/tasks/0/template",
            "spec.tasks[0].template.",
        ),
    ]
    .map(|(kind, path, field)| {
        let found = judge(kind, &template, &settings);
        let mut violations = found.violations();
        for violation in &mut violations {
            for (key, base) in [("path", path), ("field", field)] {
                let below = violation[key].as_str().unwrap().strip_prefix(base);
                violation[key] = below.unwrap().into();
            }
        }
        // Paths are longer in a template, so a list that is cut is cut sooner.
        let is_cut = found.audit_annotations.contains_key("violations-left-out");
        (found.accepted, found.code, (!is_cut).then_some(violations))
    });
    if in_pod.2.is_some() && in_cron_job.2.is_some() {
        assert_eq!(in_pod, in_deployment);
        assert_eq!(in_pod, in_cron_job);
        assert_eq!(in_pod, in_task);
    } else {
        assert_eq!((in_pod.0, in_pod.1), (in_deployment.0, in_deployment.1));
        assert_eq!((in_pod.0, in_pod.1), (in_cron_job.0, in_cron_job.1));
        assert_eq!((in_pod.0, in_pod.1), (in_task.0, in_task.1));
    }
}

/// A field, label or annotation that no control reads changes nothing, where none names what is unknown.
pub fn what_nobody_reads_changes_nothing(
    pod: &Value,
    settings: &Value,
    pointer: &str,
    value: Value,
) {
    let mut more = pod.clone();
    requests::set(&mut more, pointer, value);
    let mut settings = settings.clone();
    requests::set(&mut settings, "/unknownFields", json!({"mode": "disabled"}));
    assert_eq!(
        judge("Pod", pod, &settings).without_column(),
        judge("Pod", &more, &settings).without_column()
    );
}

/// An UPDATE is accepted where a creation is; one that changes nothing is accepted; and with
/// `allViolations` every other UPDATE is a creation.
pub fn an_update_is_judged_at_most_as_a_creation(stored: &Value, pod: &Value, settings: &Value) {
    let created = judge("Pod", pod, settings);
    let mut request = requests::create_request("Pod", requests::workload("Pod", pod.clone()));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = requests::workload("Pod", stored.clone());
    let mut settings = settings.clone();
    settings["legacy"]["onUpdate"] = "newViolations".into();
    let updated = answer(&requests::payload(&request, &settings));
    assert!(
        updated.accepted || !created.accepted,
        "{created:#?}\n{updated:#?}"
    );
    let is_cut = |found: &Answer| found.audit_annotations.contains_key("violations-left-out");
    if !is_cut(&created) && !is_cut(&updated) {
        let place = |violation: &Map<String, Value>| {
            let of = |key: &str| violation[key].as_str().unwrap_or_default().to_owned();
            (of("control"), of("path"))
        };
        let found: BTreeSet<_> = created.violations().iter().map(place).collect();
        // An ephemeral container that comes under a value of the pod has a violation of its own for it.
        let is_found = |place: (String, String)| {
            found.contains(&place) || place.1.starts_with("/spec/ephemeralContainers/")
        };
        assert!(
            updated.violations().iter().map(place).all(is_found),
            "{created:#?}\n{updated:#?}"
        );
    }
    // Nothing changed: nothing is new. What cannot be read is not excused.
    request["oldObject"] = request["object"].clone();
    let same = answer(&requests::payload(&request, &settings));
    assert!(same.accepted || same.code != Some(FORBIDDEN), "{same:#?}");
    settings["legacy"]["onUpdate"] = "allViolations".into();
    let all = answer(&requests::payload(&request, &settings));
    if created.accepted || created.code == Some(FORBIDDEN) {
        assert!(all.accepted, "{all:#?}");
    } else {
        assert_eq!(all.without_column(), created.clone().without_column());
    }
    // Without a stored object nothing is known to be left alone.
    request["oldObject"] = Value::Null;
    let all = answer(&requests::payload(&request, &settings));
    assert_eq!(all.without_column(), created.without_column());
}

/// Settings are judged alike when they are loaded and when they are used, and a key that nobody
/// knows makes good ones bad.
pub fn settings_are_judged_alike(json: &[u8]) {
    let as_written = loaded(json);
    let Some(settings) = plain_json(json) else {
        return;
    };
    // Problems are listed in the order of writing, so both must be of the same text.
    let loaded = loaded(settings.to_string().as_bytes());
    let used = judge("Pod", &requests::valid_pod(), &settings);
    assert_eq!(as_written.valid, loaded.valid, "{as_written:?}\n{loaded:?}");
    assert_eq!(
        loaded.valid,
        used.code != Some(INTERNAL_ERROR),
        "{loaded:?}\n{used:#?}"
    );
    if !loaded.valid {
        assert_eq!(loaded.message, used.message);
    } else if let Value::Object(mut settings) = settings {
        settings.insert("unknown key".to_owned(), Value::Null);
        let more = Value::Object(settings).to_string();
        assert!(!self::loaded(more.as_bytes()).valid, "{more}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Loaded {
    valid: bool,
    message: Option<String>,
}

/// The answer to settings, which always is one.
fn loaded(json: &[u8]) -> Loaded {
    let loaded: Loaded = serde_json::from_slice(&validate_settings(json)).unwrap();
    assert_eq!(loaded.valid, loaded.message.is_none(), "{loaded:?}");
    loaded
}

/// A text is the reference that the published grammar says it is, and survives printing.
pub fn a_reference_is_what_the_grammar_says(text: &str) {
    let parsed = Reference::parse(text);
    let expected = reference_grammar::parse(text);
    let found = parsed.map(|found| reference_grammar::Parts {
        registry: found.registry().to_owned(),
        repository: found.repository().into_owned(),
        tag: found.tag().unwrap_or_default().to_owned(),
        digest: found.digest().unwrap_or_default().to_owned(),
    });
    assert_eq!(found.ok(), expected, "{text:?}: {parsed:?}");
    let of_container = Reference::of_container(text);
    assert!(
        of_container == parsed || of_container == Err(ReferenceError::NodeLocalId),
        "{text:?}: {of_container:?}"
    );
    let Ok(reference) = parsed else {
        return;
    };
    assert!(reference.segments().collect::<Vec<_>>().join("/") == reference.repository());
    let printed = reference.to_string();
    let again = Reference::parse(&printed);
    assert_eq!(again, parsed, "{text:?}, printed {printed:?}");
    assert_eq!(again.map(|again| again.to_string()), Ok(printed));
}

/// A pattern survives printing, and matches what [`means`] says. Returns whether it matches.
pub fn a_pattern_means_what_is_written(pattern_text: &str, image: &str) -> bool {
    let Ok(pattern) = ImagePattern::parse(pattern_text) else {
        return false;
    };
    let printed = pattern.to_string();
    assert_eq!(
        ImagePattern::parse(&printed).as_ref(),
        Ok(&pattern),
        "{printed:?}"
    );
    let Ok(reference) = Reference::parse(image) else {
        return false;
    };
    let matches = pattern.matches(&reference);
    assert_eq!(
        matches,
        means(&printed, &reference_grammar::parse(image).unwrap()),
        "{pattern_text:?} and {image:?}"
    );
    matches
}

/// Whether a pattern that is one means an image, told from the two texts, by the rules in
/// `docs/settings.md` and without the policy's parsers.
fn means(pattern: &str, image: &reference_grammar::Parts) -> bool {
    let (host, rest) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (path, digest) = rest.split_once('@').unwrap_or((rest, ""));
    let (path, tag) = path.split_once(':').unwrap_or((path, ""));
    let expected: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let segments: Vec<&str> = image.repository.split('/').collect();

    let (host, port) = split_port(host);
    let (host_of_image, port_of_image) = split_port(&image.registry);
    let same_host = match host.strip_prefix('*') {
        Some(domain) => host_of_image
            .strip_suffix(domain)
            .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        None if host == "docker.io" && port.is_none() => {
            ["docker.io", "index.docker.io"].contains(&host_of_image.as_str())
        }
        None => host == host_of_image,
    };
    let is_exact = !tag.is_empty() || !digest.is_empty();
    let same_path = expected.len() <= segments.len()
        && expected
            .iter()
            .zip(&segments)
            .all(|(expected, segment)| *expected == "*" || expected == segment)
        && (!is_exact || expected.len() == segments.len());
    let pulled_tag = match (image.tag.as_str(), image.digest.as_str()) {
        (_, digest) if !digest.is_empty() => "",
        ("", _) => "latest",
        (tag, _) => tag,
    };
    same_host
        && port == port_of_image
        && same_path
        && (tag.is_empty() || tag == pulled_tag)
        && (digest.is_empty() || digest == image.digest)
}

/// Host and port of a registry as they are dialled: in lower case, and a number.
fn split_port(registry: &str) -> (String, Option<String>) {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let number = |port: &str| match port.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    };
    (host.to_lowercase(), port.map(number))
}

/// What the host said to one request, by operation, and the clock.
#[derive(Debug, Clone)]
pub struct HostAnswers {
    /// What is answered, by the operation that is asked for.
    pub answers: BTreeMap<String, Result<Vec<u8>, String>>,
    /// Seconds since 1970.
    pub now: i64,
}

impl Host for HostAnswers {
    fn call(&self, _: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        assert!(
            serde_json::from_slice::<Value>(payload).is_ok(),
            "{operation} is asked what is no JSON"
        );
        self.answers
            .get(operation)
            .cloned()
            .unwrap_or_else(|| Err("Host error: unknown operation".to_owned()))
    }

    fn now(&self) -> i64 {
        self.now
    }
}

/// Whatever the host answers, only an answer that says so is trust, a report, or an age; nothing
/// in it adds a line to the message; and in mode `warn` nothing is rejected.
pub fn only_good_answers_are_good(control: &str, settings: &Value, host: &HostAnswers) {
    let image = &format!("ghcr.io/org/app@{DIGEST}");
    let mut pod = requests::valid_pod();
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"].as_object_mut().unwrap().remove(list);
    }
    pod["spec"]["containers"][0]["image"] = image.as_str().into();
    if control == "localhostProfiles" {
        pod["spec"]["securityContext"]["seccompProfile"] =
            json!({"type": "Localhost", "localhostProfile": "operator/x.json"});
    }
    let mut settings = json!({ control: settings });
    settings[control]["mode"] = "enforce".into();
    let found = judge_with("Pod", &pod, &settings, host);
    assert_ne!(found.code, Some(INTERNAL_ERROR), "{found:#?}");
    assert_ne!(found.code, Some(BAD_REQUEST), "{found:#?}");
    if found.accepted {
        assert!(
            permits(control, &settings[control], host),
            "{settings}\n{host:?}"
        );
    } else {
        let violations = found.violations();
        let message = found.message.as_deref().unwrap_or_default();
        assert_eq!(message.lines().count(), violations.len() + 1, "{message}");
        assert!(
            message
                .chars()
                .all(|char| char == '\n' || !char.is_control()),
            "{message:?}"
        );
    }
    assert_eq!(judge_with("Pod", &pod, &settings, host), found);
    settings[control]["mode"] = "warn".into();
    let warned = judge_with("Pod", &pod, &settings, host);
    assert!(warned.accepted, "{warned:#?}");
    assert_eq!(
        warned.warnings.is_empty(),
        found.accepted && found.warnings.is_empty(),
        "{warned:#?}"
    );
}

/// Whether the answers hold the least without which an image must not be accepted.
fn permits(control: &str, settings: &Value, host: &HostAnswers) -> bool {
    let json = |operation: &str| -> Option<Value> {
        let answer = host.answers.get(operation)?.as_ref().ok()?;
        serde_json::from_slice(answer).ok()
    };
    match control {
        "signatures" => json("v2/verify")
            .is_some_and(|answer| answer["is_trusted"] == true && answer["digest"] == DIGEST),
        "vulnerabilities" => json("list_resources_by_namespace").is_some_and(|answer| {
            answer["items"].as_array().is_some_and(|items| {
                settings["missingReport"] != "reject" || items.iter().any(is_about_the_image)
            })
        }),
        "rootUser" => {
            let is_user = |answer: &Value| {
                let user = answer["config"]["config"]["User"]
                    .as_str()
                    .unwrap_or_default();
                let user = user.split(':').next().unwrap_or_default();
                user.parse::<i32>().is_ok_and(|user| user > 0)
            };
            json("v1/oci_manifest_config").is_some_and(|answer| is_user(&answer))
        }
        "localhostProfiles" => json("get_resource").is_some_and(|answer| {
            answer["status"]["status"] == "Installed"
                && [("mode", "Enforce"), ("state", "Enabled")]
                    .iter()
                    .all(|(key, good)| {
                        let found = &answer["spec"][key];
                        found.is_null() || found == good
                    })
        }),
        "imageFreshness" => json("v1/oci_manifest_config").is_some_and(|answer| {
            let says_when = answer["config"]["created"].is_string()
                || sources(&answer)
                    .iter()
                    .any(|found| found[CREATED].is_string());
            let says_base = settings["baseImage"] != "current"
                || settings["unknownBase"] == "accept"
                || base_digest(&answer).is_some_and(|base| {
                    let index = json("v1/oci_manifest").unwrap_or_default();
                    json("v1/manifest_digest").is_some_and(|now| now["digest"] == *base)
                        || index["manifests"]
                            .as_array()
                            .is_some_and(|list| list.iter().any(|entry| entry["digest"] == *base))
                });
            (says_when || settings["unknownAge"] == "accept" || settings["maximumAge"].is_null())
                && says_base
        }),
        _ => false,
    }
}

/// The digest of the base that an image records, in its annotations or in its labels.
fn base_digest(answer: &Value) -> Option<&Value> {
    let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    sources(answer)
        .into_iter()
        .map(|found| (&found[BASE_NAME], &found[BASE_DIGEST]))
        .find(|(name, digest)| says(name) && says(digest))
        .map(|(_, digest)| digest)
}

/// Where an image can say something of itself, what counts first first.
fn sources(answer: &Value) -> [&Value; 2] {
    [
        &answer["manifest"]["annotations"],
        &answer["config"]["config"]["Labels"],
    ]
}

fn is_about_the_image(report: &Value) -> bool {
    [
        &report["imageMetadata"]["digest"],
        &report["imageMetadata"]["indexDigest"],
        &report["report"]["artifact"]["digest"],
    ]
    .iter()
    .any(|digest| **digest == DIGEST)
}

/// The digest of the image that the host is asked about.
pub const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The annotation with the name of the base image.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation with the digest of the base image.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const CREATED: &str = "org.opencontainers.image.created";

const BAD_REQUEST: u16 = 400;
const FORBIDDEN: u16 = 403;
const INTERNAL_ERROR: u16 = 500;

/// All suggestions, followed at once, leave an object that Kubernetes takes as far as it took the one
/// before, and in which the policy finds nothing but what no value was named for; whether the text is
/// followed or the audit annotation. Says how many there were.
pub fn suggestions_can_be_followed(
    kind: &str,
    pod: &Value,
    stored: Option<&Value>,
    settings: &Value,
) -> usize {
    let (.., root) = requests::shape(kind);
    let object = requests::workload(kind, pod.clone());
    let judge = |object: &Value| {
        let mut request = requests::create_request(kind, object.clone());
        if let Some(stored) = stored {
            request["operation"] = "UPDATE".into();
            request["oldObject"] = requests::workload(kind, stored.clone());
        }
        answer(&requests::payload(&request, settings))
    };
    let found = judge(&object);
    assert!(matches!(found.code, None | Some(FORBIDDEN)), "{found:#?}");
    let place =
        |violation: &Map<String, Value>| (violation["control"].clone(), violation["path"].clone());
    let violations = found.violations();
    let without_value: BTreeSet<String> = violations
        .iter()
        .filter(|violation| !violation.contains_key("fix"))
        .map(|violation| format!("{:?}", place(violation)))
        .collect();
    let is_pod = kind == "Pod";
    let refused = kubernetes::refusals(is_pod, object.pointer(root).unwrap());
    let is_cut = |warning: &String| warning.contains("...") || warning.starts_with("and ");
    let is_whole = !found.warnings.iter().any(is_cut)
        && !found.lines().iter().any(|line| line.starts_with("and "));
    let mut ways = vec![("machine", Edits::of_machine(&found))];
    if is_whole {
        ways.push(("text", Edits::of_text(&found, &object, root)));
    }
    for (way, edits) in ways {
        let mended = edits.apply(&object);
        let refusals = kubernetes::refusals(is_pod, mended.pointer(root).unwrap());
        let new: Vec<_> = refusals.difference(&refused).collect();
        assert!(
            new.is_empty(),
            "{way}: Kubernetes refuses {new:?}\n{object}\n{mended}\n{settings}\n{found:#?}"
        );
        let left = judge(&mended);
        let left: Vec<_> = left
            .violations()
            .iter()
            .map(|violation| format!("{:?}", place(violation)))
            .filter(|place| !without_value.contains(place))
            .collect();
        assert!(
            left.is_empty(),
            "{way}: left are {left:?}\n{object}\n{mended}\n{settings}\n{found:#?}"
        );
    }
    violations.len() - without_value.len()
}
