//! What the supply-chain controls ask the host, and what they make of each answer.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong must fail, and say where"
)]

mod image_freshness;
mod image_user;
mod localhost_profiles;
mod signatures;
mod vulnerabilities;

use std::cell::RefCell;

use container_security::{Host, validate};
use container_security_test_kit::requests;
use serde_json::{Value, json};

const APP: &str = "ghcr.io/org/app:1";
const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// 2026-01-31T00:00:00Z.
const NOW: i64 = 1_769_817_600;

// What the host says, in its own words.
const MISSING: &str = "Callback evaluation failure: Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: pubKey";
const UNSIGNED: &str =
    "Callback evaluation failure: no signatures found for image: ghcr.io/org/app:1 ";
const UNKNOWN: &str = "Callback evaluation failure: Fail to interact with OCI registry: Registry error: url https://ghcr.io/v2/org/app/manifests/1, envelope: OCI API errors: [OCI API error: manifest unknown]\n\nCaused by:\n    0: Registry error";
const DOWN: &str = "Callback evaluation failure: error sending request for url (https://ghcr.io/)\n\nCaused by:\n    0: x";
const DENIED: &str = "Policy has not been granted access to the 'x' host capability. The violation has been reported.";

#[test]
fn of_a_hundred_containers_with_one_image_each_control_asks_once_and_in_order() {
    let host = willing();
    let found = judge(&[by_digest(A).as_str(); 100], &everything(), &host);
    assert_eq!((found.lines, found.warnings), (vec![], vec![]));
    let names: Vec<String> = host.calls().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "oci/v2/verify",
            "kubernetes/get_resource",
            "kubernetes/list_resources_by_namespace",
            CONFIG,
            DIGEST,
        ]
    );
}

#[test]
fn images_are_asked_about_in_the_order_of_the_pod() {
    let images = ["ghcr.io/org/b:1", "ghcr.io/org/a:1", "ghcr.io/org/b:1"];
    let host = willing();
    judge(&images, &signed(json!([{"publicKeys": [KEY]}])), &host);
    let asked: Vec<Value> = host
        .calls()
        .iter()
        .map(|(_, call)| call["image"].clone())
        .collect();
    assert_eq!(asked, images[..2]);
}

#[test]
fn an_image_that_registries_refuses_is_not_looked_up() {
    let mut settings = everything();
    settings["registries"] = json!({"allow": ["quay.io"]});
    let host = willing();
    assert_eq!(judge(&[APP], &settings, &host).lines.len(), 1);
    assert_eq!(host.calls(), []);
    settings["registries"]["mode"] = "warn".into();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls().len(), 5);
}

#[test]
fn what_is_exempt_is_not_looked_up() {
    let mut settings = everything();
    let controls = json!(["signatures", "vulnerabilities", "imageFreshness"]);
    settings["exemptions"] = json!([{"controls": controls, "images": ["ghcr.io/org/app"]}]);
    let host = willing();
    assert_eq!(judge(&[APP], &settings, &host).lines, Vec::<String>::new());
    assert_eq!(host.calls(), []);
    judge(&["ghcr.io/org/app2:1"], &settings, &host);
    assert_ne!(host.calls(), []);

    settings["exemptions"] = json!([{"controls": ["signatures"], "namespaces": ["shop"]}]);
    let host = willing();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls()[0].0, "kubernetes/get_resource");
}

#[test]
fn an_update_of_a_good_pod_asks_no_host_about_what_it_runs_already() {
    let mut request = requests::create_request("Pod", pod(&[APP]));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = request["object"].clone();
    for settings in [
        signed(json!([{"publicKeys": [KEY]}])),
        scanned(&json!({})),
        fresh(&json!({"maximumAge": "1d"})),
        current(),
    ] {
        let host = willing();
        answer(&request, &settings, &host);
        assert_eq!(host.calls(), [], "{settings}");
    }
}

#[test]
fn an_update_looks_up_what_the_stored_object_does_not_have() {
    let mut request = requests::create_request("Pod", pod(&[APP, "ghcr.io/org/new:1"]));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = pod(&[APP]);
    let mut settings = signed(json!([{"publicKeys": [KEY]}]));
    let asked = |request: &Value, settings: &Value| {
        let host = willing();
        answer(request, settings, &host);
        let asked: Vec<Value> = host
            .calls()
            .iter()
            .map(|(_, call)| call["image"].clone())
            .collect();
        asked
    };
    assert_eq!(asked(&request, &settings), ["ghcr.io/org/new:1"]);
    settings["legacy"]["onUpdate"] = "allViolations".into();
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
    // The same text in another place runs where it did not run before.
    settings["legacy"]["onUpdate"] = "newViolations".into();
    request["oldObject"] = pod(&["ghcr.io/org/new:1", APP]);
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
    request["oldObject"] = request["object"].clone();
    assert_eq!(asked(&request, &settings), Vec::<Value>::new());
    request["oldObject"] = Value::Null;
    assert_eq!(asked(&request, &settings), [APP, "ghcr.io/org/new:1"]);
}

#[test]
fn an_image_of_the_stored_object_is_looked_up_where_it_comes_to_run_elsewhere() {
    let unsigned = || FakeHost::new().fails("oci/v2/verify", json!({}), UNSIGNED);
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    let container = |name: &str, image: &str| {
        let mut container = requests::valid_container(name);
        container["image"] = image.into();
        container
    };
    let trusted = by_digest(A);
    let mut stored = pod(&[&trusted]);
    stored["spec"]["initContainers"] = json!([container("setup", APP)]);
    stored["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": APP}}]);
    for (change, calls) in [
        // The same places.
        (json!({}), 0),
        (json!({"containers": [container("c0", APP)]}), 1),
        (
            json!({"containers": [container("c0", &trusted), container("setup", APP)]}),
            1,
        ),
        (json!({"ephemeralContainers": [container("debug", APP)]}), 1),
        (
            json!({"volumes": [{"name": "other", "image": {"reference": APP}}]}),
            1,
        ),
        (json!({"initContainers": [container("other", APP)]}), 1),
    ] {
        let mut object = stored.clone();
        for (key, value) in change.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored.clone();
        let host = unsigned();
        let found = answer(&request, &settings, &host);
        assert_eq!(host.calls().len(), calls, "{change}");
        assert_eq!(found.lines.len(), calls, "{change}");
    }
}

#[test]
fn another_name_of_a_registry_does_not_lead_past_a_rule() {
    let rules = json!({"signatures": {"unmatched": "accept", "rules": [
        {"images": ["docker.io/library/nginx", "docker.io/alpine", "ghcr.io/org", "quay.io:443/org/app:1"],
            "anyOf": [{"publicKeys": [KEY]}]}]}});
    for (image, is_asked_about) in [
        ("nginx", true),
        ("nginx:1", true),
        ("index.docker.io/library/nginx", true),
        ("index.docker.io:443/library/nginx", true),
        ("registry-1.docker.io/library/nginx", true),
        ("Registry-1.Docker.io:0443/library/nginx", true),
        ("registry.hub.docker.com/library/nginx:1", true),
        ("docker.io:443/nginx", true),
        ("alpine", true),
        ("docker.io/alpine/app", true),
        ("registry-1.docker.io/alpine:3", true),
        ("ghcr.io/org/app", true),
        ("ghcr.io:443/org/app", true),
        ("ghcr.io:00443/org/app", true),
        ("GHCR.IO/org/app", true),
        ("ghcr.io:444/org/app", false),
        ("ghcr.io/org-evil/app", false),
        ("quay.io/org/app:1", true),
        // A digest behind the tag pins what the tag means today.
        (&format!("quay.io/org/app:1@{A}"), true),
        (&format!("quay.io/org/app@{A}"), false),
        ("quay.io/org/app:2", false),
        ("registry.docker.io.evil.com/library/nginx", false),
    ] {
        let host = FakeHost::new().fails("oci/v2/verify", json!({}), MISSING);
        let found = judge(&[image], &rules, &host);
        assert_eq!(host.calls().len(), usize::from(is_asked_about), "{image}");
        assert_eq!(found.lines.len(), usize::from(is_asked_about), "{image}");
    }
}

#[test]
fn another_name_of_a_registry_does_not_lead_past_a_report() {
    let finding = json!({"cve": "CVE-1", "severity": "CRITICAL"});
    let report = |registry: &str| {
        json!({"imageMetadata": {"registryURI": registry, "repository": "library/nginx", "tag": "1",
            "digest": A}, "report": {"results": [{"vulnerabilities": [finding]}]}})
    };
    let settings = scanned(&json!({"missingReport": "accept"}));
    for image in [
        "nginx:1",
        "docker.io/nginx:1",
        "index.docker.io/library/nginx:1",
        "registry-1.docker.io/library/nginx:1",
        "registry-1.docker.io/nginx:1",
        "registry.hub.docker.com:443/library/nginx:1",
        "Docker.io:0443/library/nginx:1",
    ] {
        for registry in [
            "docker.io",
            "https://index.docker.io/",
            "registry-1.docker.io:443",
        ] {
            let host = FakeHost::new().reports(&[report(registry)]);
            let found = judge(&[image], &settings, &host);
            assert_eq!(
                found.lines,
                [vulnerabilities(
                    image,
                    "which has vulnerabilities: 1 critical (0 allowed); CVE-1 (no fix)"
                )]
            );
            let (_, list) = &host.calls()[1];
            assert_eq!(
                list["field_selector"],
                "imageMetadata.repository=library/nginx"
            );
        }
    }
}

#[test]
fn a_template_container_without_an_image_waits_for_its_pods() {
    let mut template = pod(&[APP]);
    template["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("image");
    let host = willing();
    let request = requests::create_request(
        "Deployment",
        requests::workload("Deployment", template.clone()),
    );
    let found = answer(&request, &everything(), &host);
    assert_eq!(found.lines, Vec::<String>::new());
    assert_eq!(
        found.warnings,
        ["container \"c0\" has no image yet; it is judged when its Pods are created"]
    );
    assert_eq!(host.calls(), []);

    let request = requests::create_request("Pod", requests::workload("Pod", template));
    let lines = answer(&request, &everything(), &host).lines;
    assert_eq!(
        lines,
        ["signatures", "vulnerabilities", "imageFreshness"].map(|control| format!(
            "{control}: container \"c0\": image is not set, and no image can be judged; \
             spec.containers[0].image must be registry/repository:tag or \
             registry/repository@sha256:..."
        ))
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn an_image_volume_is_looked_up_too() {
    let mut object = pod(&[]);
    object["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": APP}}]);
    let host = FakeHost::new().fails("oci/v2/verify", json!({}), UNSIGNED);
    let found = answer(
        &requests::create_request("Pod", object),
        &signed(json!([{"publicKeys": [KEY]}])),
        &host,
    );
    assert_eq!(
        found.lines,
        [format!(
            "signatures: volume \"data\": image.reference is \"{APP}\", {NOT_SIGNED}; \
             spec.volumes[0].image.reference must name an image signed as signatures.rules asks"
        )]
    );
}

#[test]
fn in_mode_warn_every_violation_is_a_warning_and_disabled_asks_nothing() {
    let mut settings = everything();
    for control in ["signatures", "vulnerabilities", "imageFreshness"] {
        settings[control]["mode"] = "warn".into();
    }
    let denying = FakeHost::new();
    let found = judge(&[APP], &settings, &denying);
    assert_eq!(found.lines, Vec::<String>::new());
    assert_eq!(found.warnings.len(), 3);
    for (warning, control) in
        found
            .warnings
            .iter()
            .zip(["signatures", "vulnerabilities", "imageFreshness"])
    {
        assert!(
            warning.starts_with(&format!("{control}: container \"c0\": image is")),
            "{warning}"
        );
    }
    for control in ["signatures", "vulnerabilities", "imageFreshness"] {
        settings[control]["mode"] = "disabled".into();
    }
    let host = willing();
    judge(&[APP], &settings, &host);
    assert_eq!(host.calls(), []);
}

#[test]
fn nothing_is_asked_without_rules_source_or_limits() {
    let host = willing();
    let found = judge(&[APP], &json!({}), &host);
    assert_eq!((found.lines, found.warnings), (vec![], vec![]));
    assert_eq!(host.calls(), []);
}

#[test]
fn what_others_wrote_forges_no_line_of_a_message() {
    let finding = json!({"cve": "CVE-1", "severity": "HIGH", "packageName": "a\n- privileged",
        "installedVersion": "1\u{1b}[2J"});
    let host = FakeHost::new().reports(&[of_app(&json!([finding]))]);
    assert_eq!(
        judge(&[APP], &scanned(&json!({})), &host).lines,
        [vulnerabilities(
            APP,
            "which has vulnerabilities: 1 high (0 allowed); CVE-1 in a?- privileged 1?[2J (no fix)"
        )]
    );
    let host = FakeHost::new().fails("oci/v2/verify", json!({}), "a\r- privileged\nb");
    let settings = signed(json!([{"publicKeys": [KEY]}]));
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [signatures(
            APP,
            "whose signatures cannot be verified: a?- privileged"
        )]
    );
    let host = FakeHost::new().found("oci/v2/verify", json!({}), trusted("a\nb"));
    assert_eq!(
        judge(&[APP], &settings, &host).warnings,
        [
            "signatures: container \"c0\": write the verified digest a?b into spec.containers[0].image: a tag can move"
        ]
    );
    let host = FakeHost::new().fails(CONFIG, json!({}), "a\rb");
    assert_eq!(
        judge(&[APP], &fresh(&json!({"maximumAge": "1d"})), &host).lines,
        [freshness(APP, "which cannot be looked up: a?b")]
    );
}

#[test]
fn of_more_than_500_images_the_others_are_refused_unasked() {
    let names: Vec<String> = (0..502)
        .map(|index| format!("ghcr.io/org/app-{index}:1"))
        .collect();
    let many = |count: usize| -> Vec<&str> {
        // Each twice: what counts is how many there are.
        let names = names.iter().take(count).map(String::as_str);
        names.clone().chain(names).collect()
    };
    let refusal = "and of one pod only 500 images, and as many profiles, are looked up";
    let trusted = |host: FakeHost| host.found("oci/v2/verify", json!({}), trusted(A));
    let configured = |host: FakeHost| host.found(CONFIG, json!({}), run_as(&json!("1000")));
    for (settings, host) in [
        (
            signed(json!([{"publicKeys": [KEY]}])),
            trusted(FakeHost::new()),
        ),
        (judging_images(), configured(FakeHost::new())),
        (
            fresh(&json!({"maximumAge": "90d", "unknownAge": "accept"})),
            configured(FakeHost::new()),
        ),
    ] {
        assert_eq!(judge(&many(500), &settings, &host).lines, [""; 0]);
        let calls = host.calls();
        assert_eq!(calls.len(), 500, "{settings}");
        host.calls.borrow_mut().clear();
        let lines = judge(&many(502), &settings, &host).lines;
        assert!(lines.iter().all(|line| line.contains(refusal)), "{lines:?}");
        // One for each of the two images; what is said of a user is the same for both.
        let expected = if settings == judging_images() { 1 } else { 2 };
        assert_eq!(lines.len(), expected, "{lines:?}");
        assert_eq!(host.calls(), calls, "the same questions in the same order");
    }
}

const GET: &str = "kubernetes/get_resource";
const SECCOMP: &str = "seccompProfile";
const APP_ARMOR: &str = "appArmorProfile";
const CONFIG: &str = "oci/v1/oci_manifest_config";
const DIGEST: &str = "oci/v1/manifest_digest";
const MANIFEST: &str = "oci/v1/oci_manifest";

type HostAnswer = Result<Vec<u8>, String>;

/// Answers from a table, denies what is not in it, and remembers what it was asked.
struct FakeHost {
    /// Capability, question, answer.
    rows: Vec<(&'static str, Value, HostAnswer)>,
    calls: RefCell<Vec<(String, Value)>>,
}

impl FakeHost {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            calls: RefCell::default(),
        }
    }

    /// A row: the first that fits answers. A map fits a question that has all of it, and `{}` any.
    fn row(self, capability: &'static str, question: Value, answer: Result<Value, &str>) -> Self {
        match answer {
            Ok(answer) => self.found(capability, question, answer),
            Err(text) => self.fails(capability, question, text),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "tables read better")]
    fn found(mut self, capability: &'static str, question: Value, answer: Value) -> Self {
        let answer = serde_json::to_vec(&answer).unwrap();
        self.rows.push((capability, question, Ok(answer)));
        self
    }

    /// The texts are those of Kubewarden; the SDK writes `Host error: ` before them.
    fn fails(mut self, capability: &'static str, question: Value, text: &str) -> Self {
        let text = format!("Host error: {text}");
        self.rows.push((capability, question, Err(text)));
        self
    }

    fn raw(mut self, capability: &'static str, answer: &[u8]) -> Self {
        self.rows.push((capability, json!({}), Ok(answer.to_vec())));
        self
    }

    /// The rows of a cluster that has these vulnerability reports.
    fn reports(self, reports: &[Value]) -> Self {
        let absent = "Callback evaluation failure: Cannot find x/VulnerabilityReport named 'container-security-may-i-read' inside of namespace 'Some(\"shop\")'";
        self.fails("kubernetes/get_resource", json!({}), absent)
            .found(
                "kubernetes/list_resources_by_namespace",
                json!({}),
                json!({"items": reports}),
            )
    }

    fn calls(&self) -> Vec<(String, Value)> {
        self.calls.borrow().clone()
    }
}

impl Host for FakeHost {
    fn call(&self, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let called = format!("{namespace}/{operation}");
        let asked: Value = serde_json::from_slice(payload).unwrap();
        self.calls
            .borrow_mut()
            .push((called.clone(), asked.clone()));
        let fits = |question: &Value| match question {
            Value::Object(fields) => fields.iter().all(|(key, value)| asked[key] == *value),
            other => asked == *other,
        };
        self.rows
            .iter()
            .find(|(capability, question, _)| *capability == called && fits(question))
            .map_or_else(
                || Err(format!("Host error: {DENIED}")),
                |(_, _, answer)| answer.clone(),
            )
    }

    fn now(&self) -> i64 {
        NOW
    }
}

/// A host with a good answer to everything that [`everything`] asks.
fn willing() -> FakeHost {
    FakeHost::new()
        .found("oci/v2/verify", json!({}), trusted(A))
        .reports(&[
            json!({"imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app",
            "tag": "1", "digest": A}, "report": {"results": []}}),
        ])
        .found(CONFIG, json!({}), built_on("debian:13", A))
        .found(DIGEST, json!({}), json!({"digest": A}))
}

/// Settings with which every supply-chain control asks.
fn everything() -> Value {
    let mut settings = signed(json!([{"publicKeys": [KEY]}]));
    settings["vulnerabilities"] = json!({"source": "sbomscanner"});
    settings["imageFreshness"] = current()["imageFreshness"].clone();
    settings
}

/// Settings that ask for a current base image from Docker Hub.
fn current() -> Value {
    fresh(&json!({"baseImage": "current", "baseRegistries": ["docker.io/library"]}))
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better")]
fn signed(any_of: Value) -> Value {
    json!({"signatures": {"rules": [{"images": ["ghcr.io/org"], "anyOf": any_of}]}})
}

fn scanned(settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["source"] = "sbomscanner".into();
    json!({"vulnerabilities": settings})
}

fn fresh(settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["mode"] = "enforce".into();
    json!({"imageFreshness": settings})
}

/// SBOMscanner's report about [`APP`].
fn of_app(vulnerabilities: &Value) -> Value {
    json!({"imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app", "tag": "1"},
        "report": {"results": [{"vulnerabilities": vulnerabilities}]}})
}

fn built_on(name: &str, digest: &str) -> Value {
    json!({"digest": A, "config": {"created": "2026-01-30T00:00:00Z"},
        "manifest": {"annotations": {"org.opencontainers.image.base.name": name,
            "org.opencontainers.image.base.digest": digest}}})
}

/// What the operator says of a profile that all nodes have.
fn installed() -> Value {
    json!({"spec": {"state": "Enabled"}, "status": {"status": "Installed"}})
}

/// What it is asked about a profile.
fn question(kind: &str, name: &str) -> Value {
    json!({"api_version": "security-profiles-operator.x-k8s.io/v1", "kind": kind, "name": name,
        "namespace": null, "disable_cache": false,
        "field_masks": ["spec.mode", "spec.state", "status.status"]})
}

/// Settings with which the operator is asked.
fn asking() -> Value {
    json!({"localhostProfiles": {"source": "security-profiles-operator"}})
}

/// A request for a Pod that names a profile of the nodes in one of its security contexts.
fn naming(context: &str, field: &str, profile: &str) -> Value {
    let mut object = pod(&[APP]);
    object.pointer_mut(context).unwrap()[field] =
        json!({"type": "Localhost", "localhostProfile": profile});
    requests::create_request("Pod", object)
}

/// What is told of an image with this user.
fn run_as(user: &Value) -> Value {
    json!({"digest": A, "config": {"config": {"User": user}}, "manifest": {}})
}

/// A host on which every image is root's.
fn rooted() -> FakeHost {
    FakeHost::new().found(CONFIG, json!({}), run_as(&json!(null)))
}

/// Settings with which the user of an image counts.
fn judging_images() -> Value {
    json!({"rootUser": {"imageUser": "judge"}})
}

fn trusted(digest: &str) -> Value {
    json!({"is_trusted": true, "digest": digest})
}

fn by_digest(digest: &str) -> String {
    format!("ghcr.io/org/app@{digest}")
}

/// What a person reads.
struct Answer {
    /// The lines of the message below its title.
    lines: Vec<String>,
    warnings: Vec<String>,
}

/// Judges a Pod with containers `c0`, `c1`, ... of these images.
fn judge(images: &[&str], settings: &Value, host: &FakeHost) -> Answer {
    answer(
        &requests::create_request("Pod", pod(images)),
        settings,
        host,
    )
}

fn answer(request: &Value, settings: &Value, host: &FakeHost) -> Answer {
    let answer = validate(&requests::payload(request, settings), host);
    let answer: requests::Expected = serde_json::from_slice(&answer).unwrap();
    let message = answer.message.unwrap_or_default();
    Answer {
        lines: message
            .split("\n- ")
            .skip(1)
            .map(ToOwned::to_owned)
            .collect(),
        warnings: answer.warnings,
    }
}

fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(index, image)| {
            let mut container = requests::valid_container(&format!("c{index}"));
            container["image"] = (*image).into();
            container
        })
        .collect();
    let mut pod = requests::valid_pod();
    pod["spec"]["containers"] = containers.into();
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"].as_object_mut().unwrap().remove(list);
    }
    requests::workload("Pod", pod)
}

const NOT_SIGNED: &str = "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it with cosign sign --new-bundle-format=false --use-signing-config=false, too";
const DATED: &str =
    "name an image that says when it was built (others are up to imageFreshness.unknownAge)";
const WITH_BASE: &str = "name an image that records name and digest of its base (others are up to imageFreshness.unknownBase)";
const WITH_ALLOWED_BASE: &str =
    "name an image with an allowed base (others are up to imageFreshness.unknownBase)";
const SIGNED: &str = "name an image signed as signatures.rules asks";
const CLEAN: &str = "name an image whose report has no such findings";
const REBUILT: &str = "name an image that was rebuilt since";

fn signatures(image: &str, reason: &str) -> String {
    line("signatures", 0, image, reason, SIGNED)
}

fn vulnerabilities(image: &str, reason: &str) -> String {
    let must = [
        (
            "which no vulnerability report covers",
            "name an image that has been scanned",
        ),
        (
            "whose reports cannot be found",
            "name an image that has been scanned",
        ),
        (
            "whose vulnerability report is ",
            "name an image that has been scanned lately",
        ),
        (
            "whose vulnerability report has a CVSS score that cannot be read",
            "name an image whose report can be read",
        ),
    ];
    let must = must
        .iter()
        .find(|(beginning, _)| reason.starts_with(beginning));
    line(
        "vulnerabilities",
        0,
        image,
        reason,
        must.map_or(CLEAN, |(_, must)| must),
    )
}

fn freshness(image: &str, reason: &str) -> String {
    let must = if reason.contains("whose age is unknown") {
        DATED
    } else if reason.contains("is not looked up") {
        WITH_ALLOWED_BASE
    } else if reason.contains("base image is unknown") {
        WITH_BASE
    } else if reason.contains("registry does not have") {
        "name one that exists"
    } else {
        REBUILT
    };
    line("imageFreshness", 0, image, reason, must)
}

const INSTALLED: &str = "name a profile that the nodes have";

/// The violation of the first container.
fn of_profile(field: &str, profile: &str, reason: &str) -> String {
    let remedy = if reason.contains("cannot be looked up") {
        "try again, or ask whoever runs the policy server".to_owned()
    } else {
        format!("spec.containers[0].securityContext.{field} must {INSTALLED}")
    };
    let profile = format!("Localhost/{profile}");
    format!(
        "localhostProfiles: container \"c0\": securityContext.{field} is {profile:?}, {reason}; {remedy}"
    )
}

/// The violation of container `index`, whose image decides as whom it runs.
fn of_user(index: usize, reason: &str) -> String {
    let place = format!("spec.containers[{index}].securityContext.runAsUser");
    let remedy = if reason.contains("cannot be looked up") {
        "try again, or ask whoever runs the policy server".to_owned()
    } else {
        format!("{place} must be a number other than 0, here or in the image")
    };
    format!(
        "rootUser: container \"c{index}\": securityContext.runAsUser is not set, {reason}; {remedy}"
    )
}

/// The violation of container `index`. What could not be told is not mended in the manifest.
fn line(control: &str, index: usize, image: &str, reason: &str, must: &str) -> String {
    let is_told = ["verified", "read", "looked up"]
        .iter()
        .all(|what| !reason.contains(&format!("cannot be {what}")))
        || ["manifest unknown", "CVSS score"]
            .iter()
            .any(|what| reason.contains(what));
    let remedy = if is_told {
        format!("spec.containers[{index}].image must {must}")
    } else {
        "try again, or ask whoever runs the policy server".to_owned()
    };
    format!("{control}: container \"c{index}\": image is \"{image}\", {reason}; {remedy}")
}
