//! Workloads that were there before the policy, and what becomes of them: updates, scaling, restarts,
//! rollbacks, drained nodes, and the edits of somebody who wants more rights.
//!
//! A small cluster keeps what the policy accepts, and its controllers make of it what they make in
//! Kubernetes. Whether one container runs with less protection than before is judged here by a list of
//! its own, not by the policy's.
//!
//! The generator is seeded with a constant: the same histories in every run.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a generator that is wrong must fail, and say where"
)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use container_security::{Host, validate};
use container_security_test_kit::requests;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{collection, sample};
use serde_json::{Value, json};

#[test]
fn where_pods_are_excused_nothing_ever_runs_with_less_protection_than_before() {
    let excused = Cell::new(0);
    run(1, "newViolations", |cluster, admitted| {
        excused.set(excused.get() + usize::from(!risks(admitted).is_empty()));
        let before = risks(&cluster.initial);
        for (whose, risk) in risks(admitted) {
            assert!(
                before.contains(&(whose.clone(), risk.clone())),
                "{whose:?} runs with {risk} and did not before: {admitted:#}"
            );
        }
    });
    assert!(excused.get() > 1000, "{} prove nothing", excused.get());
}

#[test]
fn where_pods_are_not_excused_no_accepted_update_leads_to_a_rejected_pod() {
    let judged = Cell::new(0);
    run(2, "allViolations", |_, admitted| {
        judged.set(judged.get() + 1);
        let is_debugged = admitted["spec"].get("ephemeralContainers").is_some();
        assert!(is_debugged || risks(admitted).is_empty(), "{admitted:#}");
    });
    assert!(judged.get() > 1000, "{} prove nothing", judged.get());
}

fn run(seed: u8, on_create: &str, judge: impl Fn(&Cluster, &Value)) {
    let config = Config {
        cases: 1024,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let kind = sample::select(&["Deployment", "StatefulSet", "DaemonSet", "CronJob"]);
    let edits = collection::vec(edit(), 0..6);
    let steps = collection::vec(step(), 1..12);
    let history = (kind, edits, steps);
    let outcome = runner.run(&history, |(kind, edits, steps)| {
        let mut cluster = Cluster::new(kind, &edits, on_create);
        for step in &steps {
            for admitted in cluster.take(step) {
                judge(&cluster, &admitted);
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Changes the template.
    Update(Vec<Edit>),
    /// Changes what is beside it.
    Scale(u8),
    Restart(u8),
    Rollback,
    /// Every Pod goes, and its controller makes another.
    Drain,
    /// The same, while a webhook puts a container into every Pod.
    DrainWithSidecar(Vec<Edit>),
    /// Changes the template of what the controller has made.
    UpdateBelow(Vec<Edit>),
    /// Makes a Pod that says it is the controller's.
    Forge(Vec<Edit>),
    /// Adds an ephemeral container to a Pod that runs.
    Debug(Vec<Edit>),
}

fn step() -> impl Strategy<Value = Step> {
    let edits = || collection::vec(edit(), 1..3);
    prop_oneof![
        4 => edits().prop_map(Step::Update),
        1 => any::<u8>().prop_map(Step::Scale),
        1 => any::<u8>().prop_map(Step::Restart),
        1 => Just(Step::Rollback),
        2 => Just(Step::Drain),
        1 => edits().prop_map(Step::DrainWithSidecar),
        1 => edits().prop_map(Step::UpdateBelow),
        1 => edits().prop_map(Step::Forge),
        1 => edits().prop_map(Step::Debug),
    ]
}

/// A value of a pod or of one of its containers, or `null` for none.
#[derive(Debug, Clone)]
struct Edit {
    /// Which container, where it is not a field of the pod.
    container: usize,
    pointer: &'static str,
    value: Value,
}

fn edit() -> impl Strategy<Value = Edit> {
    let profile = || json!({"type": "Unconfined"});
    let good = || json!({"type": "RuntimeDefault"});
    let tight = || json!({"type": "Localhost", "localhostProfile": TIGHT});
    let whole = |read_only| json!({"name": "node", "mountPath": "/node", "readOnly": read_only});
    let logs = |read_only| json!({"name": "node", "mountPath": "/logs", "subPath": "var/log", "readOnly": read_only});
    let values = vec![
        ("pod:/hostPID", json!(true)),
        ("pod:/hostPID", json!(null)),
        ("pod:/hostNetwork", json!(true)),
        ("pod:/hostNetwork", json!(null)),
        ("pod:/securityContext/seccompProfile", profile()),
        ("pod:/securityContext/seccompProfile", good()),
        ("pod:/securityContext/seccompProfile", json!(null)),
        ("pod:/securityContext/runAsUser", json!(0)),
        ("pod:/securityContext/runAsUser", json!(null)),
        ("pod:/securityContext/runAsNonRoot", json!(false)),
        ("pod:/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/seccompProfile", profile()),
        ("/securityContext/seccompProfile", good()),
        ("/securityContext/seccompProfile", json!(null)),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/runAsUser", json!(7)),
        ("/securityContext/runAsUser", json!(null)),
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/runAsNonRoot", json!(null)),
        ("/securityContext/privileged", json!(true)),
        ("/securityContext/privileged", json!(null)),
        ("/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        ("/securityContext/capabilities/add", json!(null)),
        ("/ports", json!([{"containerPort": 80}])),
        ("/ports", json!([{"containerPort": 80, "hostPort": 80}])),
        ("/ports", json!(null)),
        ("/image", json!("myacr.azurecr.io/shop/new:1")),
        ("/image", json!("myacr.azurecr.io/shop/app:1.4.2")),
        ("/env", json!([{"name": "A", "value": "b"}])),
        ("pod:/hostUsers", json!(false)),
        ("pod:/hostUsers", json!(null)),
        ("pod:/runtimeClassName", json!("kata")),
        ("pod:/runtimeClassName", json!(null)),
        ("pod:/shareProcessNamespace", json!(true)),
        ("pod:/shareProcessNamespace", json!(null)),
        ("/securityContext/appArmorProfile", tight()),
        ("/securityContext/appArmorProfile", good()),
        ("/securityContext/appArmorProfile", json!(null)),
        (
            "pod:/volumes",
            json!([{"name": "node", "hostPath": {"path": "/"}}]),
        ),
        ("pod:/volumes", json!(null)),
        ("/volumeMounts", json!([whole(false)])),
        ("/volumeMounts", json!([whole(true)])),
        ("/volumeMounts", json!([logs(false)])),
        ("/volumeMounts", json!([logs(true)])),
        ("/volumeMounts", json!([logs(false), whole(true)])),
        ("/volumeMounts", json!(null)),
        ("/name", json!("renamed")),
        ("more:", json!(null)),
    ];
    (0..3_usize, sample::select(values)).prop_map(|(container, (pointer, value))| Edit {
        container,
        pointer,
        value,
    })
}

fn apply(pod: &mut Value, edits: &[Edit]) {
    for edit in edits {
        let containers = pod["spec"]["containers"].as_array_mut().unwrap();
        let count = containers.len();
        if edit.pointer == "more:" {
            containers.push(requests::valid_container(&format!("more{count}")));
        } else if let Some(pointer) = edit.pointer.strip_prefix("pod:") {
            write(&mut pod["spec"], pointer, &edit.value);
        } else {
            write(
                &mut containers[edit.container % count],
                edit.pointer,
                &edit.value,
            );
        }
    }
}

fn write(target: &mut Value, pointer: &str, value: &Value) {
    if value.is_null() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if let Some(Value::Object(map)) = target.pointer_mut(parent) {
            map.remove(key);
        }
    } else {
        requests::set(target, pointer, value.clone());
    }
}

/// What a pod is without, and whose fault that is: a container with this image, or the pod. Where something
/// that would limit a risk is missing, too, that is a risk of its own.
fn risks(pod: &Value) -> BTreeSet<(Option<[String; 3]>, String)> {
    let mut found = BTreeSet::new();
    let spec = &pod["spec"];
    let mut unlimited = vec![""];
    if spec["hostUsers"] != false {
        unlimited.push(" outside of a user namespace");
    }
    if spec["runtimeClassName"] != "kata" {
        unlimited.push(" outside of a sandbox");
    }
    if spec["shareProcessNamespace"] == true {
        unlimited.push(" beside everybody's processes");
    }
    for flag in ["hostPID", "hostNetwork"] {
        if spec[flag] == true {
            found.extend(unlimited.iter().map(|less| (None, format!("{flag}{less}"))));
        }
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec[list].as_array().into_iter().flatten() {
            let own = &container["securityContext"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let whose = || {
                Some([
                    list.to_owned(),
                    text(&container["name"]),
                    text(&container["image"]),
                ])
            };
            let effective = |key: &str| match &own[key] {
                Value::Null => spec["securityContext"][key].clone(),
                own => own.clone(),
            };
            // Without a user it is the image's, which may be root, too.
            let user = effective("runAsUser");
            let is_perhaps_root =
                user == 0 || (user.is_null() && effective("runAsNonRoot") != true);
            let mut unlimited = unlimited.clone();
            if is_perhaps_root {
                unlimited.push(" as root, perhaps");
            }
            if own["appArmorProfile"]["localhostProfile"] != TIGHT {
                unlimited.push(" without the tight profile");
            }
            let mut add = |risk: String| {
                let of_risk = unlimited
                    .iter()
                    .map(|less| (whose(), format!("{risk}{less}")));
                found.extend(of_risk);
            };
            let seccomp = effective("seccompProfile");
            if seccomp["type"] != "RuntimeDefault" {
                add(format!("seccomp {}", seccomp["type"]));
            }
            if is_perhaps_root {
                add("perhaps root".to_owned());
            }
            if user == 0 {
                add("root".to_owned());
            }
            if own["privileged"] == true {
                add("privileged".to_owned());
            }
            for capability in own["capabilities"]["add"].as_array().into_iter().flatten() {
                add(format!("capability {capability}"));
            }
            let is_of_node = spec["volumes"][0]["hostPath"].is_object();
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                // Whoever sees the whole sees the logs, and whoever writes reads.
                for place in ["var/log", "everything"] {
                    for how in ["reads", "writes"] {
                        let is_there = place == "var/log" || mount["subPath"].is_null();
                        let is_so = how == "reads" || mount["readOnly"] != true;
                        if is_of_node && is_there && is_so {
                            add(format!("{how} {place} of the node"));
                        }
                    }
                }
            }
            for port in container["ports"].as_array().into_iter().flatten() {
                if !port["hostPort"].is_null() {
                    add(format!("port {}", port["hostPort"]));
                }
            }
        }
    }
    found
}

const TIGHT: &str = "tight";

struct Cluster {
    settings: Value,
    /// The pod of the workload's first template, of before there was a policy, and a Pod of it.
    first: Value,
    initial: Value,
    /// What somebody has written: a Deployment, say.
    workload: Value,
    /// What the controller has made of it that makes the Pods: its `ReplicaSets`, say.
    below: Vec<Value>,
    made: usize,
}

/// A kind, with what its controller makes of it and who that is.
fn controller(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "Deployment" => ("ReplicaSet", "deployment-controller"),
        "CronJob" => ("Job", "cronjob-controller"),
        "ReplicaSet" => ("Pod", "replicaset-controller"),
        "StatefulSet" => ("Pod", "statefulset-controller"),
        "DaemonSet" => ("Pod", "daemon-set-controller"),
        "Job" => ("Pod", "job-controller"),
        other => panic!("{other} makes nothing"),
    }
}

impl Cluster {
    fn new(kind: &str, edits: &[Edit], on_create: &str) -> Self {
        let mut pod = requests::valid_pod();
        pod["spec"]
            .as_object_mut()
            .unwrap()
            .remove("ephemeralContainers");
        apply(&mut pod, edits);
        let mut cluster = Self {
            // What a user namespace permits is no risk of its own, and the list above knows of none.
            settings: json!({
                "legacy": {"onCreate": on_create},
                "rootUser": {"relaxForUserNamespaces": false},
            }),
            first: pod.clone(),
            initial: complete(pod.clone()),
            workload: requests::workload(kind, pod),
            below: Vec::new(),
            made: 0,
        };
        cluster.workload["metadata"]["uid"] = "u".into();
        if let Some(below) = cluster.make_below() {
            cluster.below.push(below);
        }
        cluster
    }

    /// Does a step, and gives back the Pods that it has led to.
    fn take(&mut self, step: &Step) -> Vec<Value> {
        let mut object = self.workload.clone();
        match step {
            Step::Update(edits) => {
                let mut pod = pod_of(&object);
                apply(&mut pod, edits);
                set_template(&mut object, pod);
            }
            Step::Scale(replicas) => {
                object["spec"]["replicas"] = (*replicas).into();
                object["metadata"]["labels"] = json!({"scaled": replicas.to_string()});
                assert!(self.updates(&self.workload, &object), "it cannot be scaled");
            }
            Step::Restart(at) => {
                let mut pod = pod_of(&object);
                pod["metadata"]["annotations"]["restartedAt"] = at.to_string().into();
                set_template(&mut object, pod);
            }
            Step::Rollback => {
                set_template(&mut object, self.first.clone());
            }
            Step::Drain => return self.pods(&[]),
            Step::DrainWithSidecar(edits) => {
                let mut sidecar =
                    json!({"spec": {"containers": [requests::valid_container("sidecar")]}});
                apply(&mut sidecar, edits);
                return self.pods(sidecar["spec"]["containers"].as_array().unwrap());
            }
            Step::UpdateBelow(edits) => {
                if let Some(stored) = self.below.last().cloned() {
                    let mut object = stored.clone();
                    let mut pod = pod_of(&object);
                    apply(&mut pod, edits);
                    set_template(&mut object, pod);
                    if self.updates(&stored, &object) {
                        *self.below.last_mut().unwrap() = object;
                    }
                }
                return self.pods(&[]);
            }
            Step::Forge(edits) => {
                let owner = self.below.last().unwrap_or(&self.workload);
                let mut pod = complete(pod_of(owner));
                apply(&mut pod, edits);
                return self
                    .creates("Pod", pod, owner, Some("alice"))
                    .into_iter()
                    .collect();
            }
            Step::Debug(edits) => {
                let mut debugged = Vec::new();
                for stored in self.pods(&[]) {
                    let mut container =
                        json!({"spec": {"containers": [requests::valid_container("debug")]}});
                    apply(&mut container, edits);
                    let mut pod = stored.clone();
                    pod["spec"]["ephemeralContainers"] = container["spec"]["containers"].clone();
                    if self.updates(&stored, &pod) {
                        debugged.push(pod);
                    }
                }
                return debugged;
            }
        }
        if !self.updates(&self.workload, &object) {
            return Vec::new();
        }
        let is_new = template(&self.workload) != template(&object);
        self.workload = object;
        if is_new {
            let made = controller(kind(&self.workload)).0;
            let below = self.make_below();
            let may_make = below.as_ref().is_none_or(|below| {
                self.creates(made, below.clone(), &self.workload, None)
                    .is_some()
            });
            assert!(may_make, "accepted, and its {made} is rejected");
            self.below.extend(below);
            let owner = self.below.last().unwrap_or(&self.workload);
            let pod = complete(pod_of(owner));
            let pod = self.creates("Pod", pod, owner, None);
            assert!(pod.is_some(), "accepted, and its Pod is rejected");
            return pod.into_iter().collect();
        }
        Vec::new()
    }

    /// What the workload's controller makes of it, unless that is its Pods.
    fn make_below(&mut self) -> Option<Value> {
        let (made, _) = controller(kind(&self.workload));
        if made == "Pod" {
            return None;
        }
        self.made += 1;
        let mut below = requests::workload(made, pod_of(&self.workload));
        below["metadata"]["name"] = format!("web-{}", self.made).into();
        below["metadata"]["uid"] = format!("u{}", self.made).into();
        Some(below)
    }

    /// A Pod of everything that makes Pods, with more containers, where it is admitted.
    fn pods(&self, sidecars: &[Value]) -> Vec<Value> {
        let owners: Vec<&Value> = if self.below.is_empty() {
            vec![&self.workload]
        } else {
            self.below.iter().collect()
        };
        let make = |owner: &Value| {
            let mut pod = complete(pod_of(owner));
            let containers = pod["spec"]["containers"].as_array_mut().unwrap();
            containers.extend(sidecars.iter().cloned());
            self.creates("Pod", complete(pod), owner, None)
        };
        owners.into_iter().filter_map(make).collect()
    }

    /// The object, if it is admitted. Without a user it is the owner's controller that makes it.
    fn creates(
        &self,
        made: &str,
        object: Value,
        owner: &Value,
        user: Option<&str>,
    ) -> Option<Value> {
        let (_, account) = controller(kind(owner));
        let account = format!("system:serviceaccount:kube-system:{account}");
        let mut object = object;
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": true,
            "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        }]);
        let mut request = requests::create_request(made, object.clone());
        request["userInfo"]["username"] = user.unwrap_or(&account).into();
        self.accepts(&request).then_some(object)
    }

    fn updates(&self, stored: &Value, object: &Value) -> bool {
        let kind = object["kind"].as_str().unwrap_or("Pod");
        let mut request = requests::create_request(kind, object.clone());
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored.clone();
        self.accepts(&request)
    }

    fn accepts(&self, request: &Value) -> bool {
        let answer = validate(&requests::payload(request, &self.settings), self);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(
            answer["accepted"] == true || answer["code"] == 403,
            "{answer}"
        );
        answer["accepted"] == true
    }
}

impl Host for Cluster {
    fn call(&self, _: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        assert_eq!(operation, "get_resource");
        let question: Value = serde_json::from_slice(payload).unwrap();
        let all: BTreeMap<_, _> = self
            .below
            .iter()
            .chain([&self.workload])
            .map(|object| ((kind(object), object["metadata"]["name"].as_str()), object))
            .collect();
        let wanted = (
            question["kind"].as_str().unwrap(),
            question["name"].as_str(),
        );
        all.get(&wanted)
            .map(|object| object.to_string().into_bytes())
            .ok_or_else(|| format!("Cannot find {wanted:?}"))
    }

    fn now(&self) -> i64 {
        0
    }
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn template(object: &Value) -> &Value {
    let below = &object["spec"]["jobTemplate"]["spec"]["template"];
    if below.is_null() {
        &object["spec"]["template"]
    } else {
        below
    }
}

/// The pod that a template describes.
fn pod_of(object: &Value) -> Value {
    let mut pod = template(object).clone();
    pod["metadata"]["name"] = "web".into();
    pod["metadata"]["namespace"] = "shop".into();
    pod
}

fn set_template(object: &mut Value, pod: Value) {
    let made = requests::workload(kind(object), pod);
    let template = template(&made).clone();
    let pointer = if kind(object) == "CronJob" {
        "/spec/jobTemplate/spec/template"
    } else {
        "/spec/template"
    };
    requests::set(object, pointer, template);
}

/// What the API server adds to a Pod.
fn complete(mut pod: Value) -> Value {
    if pod["spec"]["hostNetwork"] != true {
        return pod;
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                if port["hostPort"].is_null() {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    pod
}
