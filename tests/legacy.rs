//! What a controller creates from a template that was there before, and what has an end: with a cluster that
//! answers, and a clock.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong must fail, and say where"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use container_security::{Host, validate};
use container_security_test_kit::requests;
use serde_json::{Value, json};

/// 2026-01-31T00:00:00Z.
const NOW: i64 = 1_769_817_600;
const REPLICA_SETS: &str = "system:serviceaccount:kube-system:replicaset-controller";
const HOST_PID: &str = "hostNamespaces: hostPID is true; set spec.hostPID to false";

/// Each controller, what it makes, and from what.
const CONTROLLERS: [(&str, &str, &str); 7] = [
    ("replicaset-controller", "Pod", "ReplicaSet"),
    ("statefulset-controller", "Pod", "StatefulSet"),
    ("daemon-set-controller", "Pod", "DaemonSet"),
    ("job-controller", "Pod", "Job"),
    ("replication-controller", "Pod", "ReplicationController"),
    ("cronjob-controller", "Job", "CronJob"),
    ("deployment-controller", "ReplicaSet", "Deployment"),
];

#[test]
fn what_a_controller_makes_is_excused_by_its_owners_template_and_that_is_told() {
    for (controller, made, from) in CONTROLLERS {
        let cluster = Cluster::with(&owner(from, legacy_pod()));
        let user = format!("system:serviceaccount:kube-system:{controller}");
        let answer = cluster.create(made, legacy_pod(), from, &user, &excusing());
        assert_eq!(answer.message, "", "{controller}");
        assert_eq!(
            answer.excused_by,
            format!("{from}/web-1: seccomp, hostNamespaces"),
            "{controller}"
        );
        assert_eq!(
            answer.warnings,
            [format!(
                "legacy: {from} \"web-1\" excuses: seccomp, hostNamespaces"
            )]
        );
        let [question] = &*cluster.calls() else {
            panic!("asked more than once: {:?}", cluster.calls());
        };
        assert_eq!(question["kind"], from);
        assert_eq!(question["name"], "web-1");
        assert_eq!(question["namespace"], "shop");
        assert_eq!(question["disable_cache"], true);
    }
}

#[test]
fn nobody_else_is_believed_to_make_it_and_the_message_quotes_who_did() {
    for user in [
        "alice",
        "replicaset-controller",
        "system:serviceaccount:shop:replicaset-controller",
        "system:serviceaccount:kube-system:replicaset-controller2",
        "system:serviceaccount:kube-system:deployment-controller",
        "system:serviceaccount:kube-system:job-controller",
        "system:kube-controller-manager",
        "a\nb",
    ] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let answer = cluster.create("Pod", legacy_pod(), "ReplicaSet", user, &excusing());
        let aside = format!(
            "ReplicaSet \"web-1\" excuses nothing: {user:?} made this, and is not its controller"
        );
        assert_eq!(answer.aside(), aside);
        assert_eq!(answer.excused_by, "");
        assert_eq!(cluster.calls(), Vec::<Value>::new(), "{user}");
    }
}

#[test]
fn who_says_no_user_as_audit_scanners_do_sees_the_whole_debt() {
    for user in [json!({}), json!({"username": ""}), Value::Null] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let mut request = creation("Pod", legacy_pod(), "ReplicaSet", "");
        request["userInfo"] = user;
        let answer = cluster.judge(&request, &excusing());
        assert_eq!(
            answer.aside(),
            "ReplicaSet \"web-1\" excuses nothing: the request does not say who made this"
        );
        assert_eq!(cluster.calls(), Vec::<Value>::new());
    }
}

#[test]
fn users_that_the_settings_name_act_as_any_controller() {
    let mut settings = excusing();
    settings["legacy"]["controllers"] = json!(["system:kube-controller-manager"]);
    for (_, made, from) in CONTROLLERS {
        let cluster = Cluster::with(&owner(from, legacy_pod()));
        let user = "system:kube-controller-manager";
        let answer = cluster.create(made, legacy_pod(), from, user, &settings);
        assert_eq!(answer.message, "", "{from}");
    }
}

#[test]
fn the_controller_of_a_custom_kind_is_believed_where_the_settings_name_it() {
    const ROLLOUTS: &str = "system:serviceaccount:argo-rollouts:argo-rollouts";
    let settings = |controllers: Value| {
        let mut settings = excusing();
        settings["customWorkloads"] = json!([{
            "group": "argoproj.io", "kind": "Rollout", "podTemplates": ["spec.template"],
            "controllers": controllers,
        }]);
        settings
    };
    for made in ["Pod", "ReplicaSet", "Job", "Deployment"] {
        let cluster = Cluster::with(&owner("Rollout", legacy_pod()));
        let settings = settings(json!([ROLLOUTS]));
        let answer = cluster.create(made, legacy_pod(), "Rollout", ROLLOUTS, &settings);
        assert_eq!(answer.message, "", "{made}");
        assert_eq!(answer.excused_by, "Rollout/web-1: seccomp, hostNamespaces");
        let [question] = &*cluster.calls() else {
            panic!("asked more than once: {:?}", cluster.calls());
        };
        assert_eq!(question["api_version"], "argoproj.io/v1alpha1");
        assert_eq!(question["kind"], "Rollout");
        assert_eq!(
            question["field_masks"],
            json!(["spec.template.metadata.annotations", "spec.template.spec"])
        );
    }
    for (controllers, user, aside) in [
        (
            json!([ROLLOUTS]),
            REPLICA_SETS,
            format!("excuses nothing: {REPLICA_SETS:?} made this, and is not its controller"),
        ),
        (
            json!([]),
            ROLLOUTS,
            "excuses nothing: no built-in controller makes a Pod from it, and customWorkloads names none".to_owned(),
        ),
    ] {
        let cluster = Cluster::with(&owner("Rollout", legacy_pod()));
        let settings = settings(controllers);
        let answer = cluster.create("Pod", legacy_pod(), "Rollout", user, &settings);
        assert_eq!(answer.aside(), format!("Rollout \"web-1\" {aside}"));
        assert_eq!(cluster.calls(), Vec::<Value>::new());
    }
    // Who acts as kube-controller-manager does is not this controller.
    let mut settings = settings(json!([ROLLOUTS]));
    settings["legacy"]["controllers"] = json!(["alice"]);
    let cluster = Cluster::with(&owner("Rollout", legacy_pod()));
    let answer = cluster.create("Pod", legacy_pod(), "Rollout", "alice", &settings);
    assert_eq!(
        answer.aside(),
        "Rollout \"web-1\" excuses nothing: \"alice\" made this, and is not its controller"
    );
}

#[test]
fn of_several_templates_the_one_is_compared_whose_first_container_is_there() {
    const RAY: &str = "system:serviceaccount:ray:kuberay-operator";
    let mut settings = excusing();
    settings["customWorkloads"] = json!([{
        "group": "ray.io", "kind": "RayCluster", "controllers": [RAY],
        "podTemplates": ["spec.headGroupSpec.template", "spec.workerGroupSpecs[*].template"],
    }]);
    let named = |name: &str| {
        let mut pod = legacy_pod();
        pod["spec"]["containers"] = json!([requests::valid_container(name)]);
        pod
    };
    let mut cluster_of_ray = owner("RayCluster", named("head"));
    let mut good = requests::valid_pod();
    good["spec"]["containers"] = json!([requests::valid_container("cpu")]);
    cluster_of_ray["spec"]["workerGroupSpecs"] =
        json!([{"template": good}, {"template": named("gpu")}]);
    for (name, is_excused) in [
        ("head", true),
        ("cpu", false),
        ("gpu", true),
        ("tpu", false),
    ] {
        let cluster = Cluster::with(&cluster_of_ray);
        let answer = cluster.create("Pod", named(name), "RayCluster", RAY, &settings);
        let is_accepted = answer.message.is_empty();
        assert_eq!(is_accepted, is_excused, "{name}: {}", answer.message);
    }
    let cluster = Cluster::with(&cluster_of_ray);
    cluster.create("Pod", named("gpu"), "RayCluster", RAY, &settings);
    assert_eq!(
        cluster.calls()[0]["field_masks"],
        json!([
            "spec.headGroupSpec.template.metadata.annotations",
            "spec.headGroupSpec.template.spec",
            "spec.workerGroupSpecs.template.metadata.annotations",
            "spec.workerGroupSpecs.template.spec",
        ])
    );
    // Of two templates whose first containers have one name, the image tells which it is.
    let mut alike = cluster_of_ray.clone();
    let worker = alike["spec"]["workerGroupSpecs"][1]["template"].clone();
    alike["spec"]["workerGroupSpecs"][0]["template"] = worker;
    let first = &mut alike["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0];
    first["image"] = "myacr.azurecr.io/shop/other:1".into();
    let cluster = Cluster::with(&alike);
    let answer = cluster.create("Pod", named("gpu"), "RayCluster", RAY, &settings);
    assert_eq!(answer.message, "");
    // What none of them may have made, or several that are not alike, is judged in full.
    let lone = |name: &str| {
        let mut pod = named(name);
        pod["spec"]["containers"] = json!([requests::valid_container(name)]);
        pod["spec"]["hostPID"] = true.into();
        pod
    };
    let mut two = cluster_of_ray.clone();
    two["spec"]["workerGroupSpecs"][0]["template"] =
        two["spec"]["workerGroupSpecs"][1]["template"].clone();
    two["spec"]["workerGroupSpecs"][0]["template"]["spec"]["hostIPC"] = true.into();
    for (cluster_of_ray, name) in [(&cluster_of_ray, "tpu"), (&two, "gpu")] {
        let cluster = Cluster::with(cluster_of_ray);
        let answer = cluster.create("Pod", lone(name), "RayCluster", RAY, &settings);
        assert_eq!(
            answer.aside(),
            "RayCluster \"web-1\" excuses nothing: which of its pod templates this is made from cannot be told"
        );
        assert_eq!(answer.excused_by, "");
    }
    // Of several that are alike any will do.
    two["spec"]["workerGroupSpecs"][0] = two["spec"]["workerGroupSpecs"][1].clone();
    let answer = Cluster::with(&two).create("Pod", named("gpu"), "RayCluster", RAY, &settings);
    assert_eq!(answer.message, "");
    // A sidecar does not make a worker of the head's template.
    let mut worker = named("cpu");
    worker["spec"]["containers"] = json!([
        requests::valid_container("cpu"),
        requests::valid_container("head")
    ]);
    let cluster = Cluster::with(&cluster_of_ray);
    let answer = cluster.create("Pod", worker, "RayCluster", RAY, &settings);
    assert_eq!(answer.excused_by, "");
    // An owner without any template excuses nothing.
    cluster_of_ray["spec"] = json!({"workerGroupSpecs": []});
    let cluster = Cluster::with(&cluster_of_ray);
    let answer = cluster.create("Pod", named("gpu"), "RayCluster", RAY, &settings);
    assert_eq!(
        answer.aside(),
        "RayCluster \"web-1\" could not be asked: the answer cannot be read"
    );
}

#[test]
fn a_person_who_starts_a_cron_job_by_hand_is_judged_in_full() {
    let cluster = Cluster::with(&owner("CronJob", legacy_pod()));
    let answer = cluster.create("Job", legacy_pod(), "CronJob", "alice", &excusing());
    assert_eq!(
        answer.aside(),
        "CronJob \"web-1\" excuses nothing: \"alice\" made this, and is not its controller"
    );
}

#[test]
fn an_owner_from_which_its_controller_makes_no_such_object_excuses_nothing() {
    for (api_version, kind) in [
        ("v1", "Node"),
        ("apps/v1", "Deployment"),
        ("extensions/v1beta1", "ReplicaSet"),
        ("example.com/v1", "ReplicaSet"),
        ("", "ReplicaSet"),
    ] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let mut request = creation("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS);
        let reference = &mut request["object"]["metadata"]["ownerReferences"][0];
        reference["apiVersion"] = api_version.into();
        reference["kind"] = kind.into();
        let answer = cluster.judge(&request, &excusing());
        let aside = format!(
            "{kind} \"web-1\" excuses nothing: no built-in controller makes a Pod from it, and customWorkloads names none"
        );
        assert_eq!(answer.aside(), aside);
        assert_eq!(cluster.calls(), Vec::<Value>::new());
    }
}

#[test]
fn without_one_owner_that_controls_it_an_object_is_judged_in_full() {
    let reference = owner_reference("ReplicaSet");
    let mut uncontrolled = reference.clone();
    uncontrolled["controller"] = false.into();
    let mut nameless = reference.clone();
    nameless["name"] = Value::Null;
    for references in [
        json!(null),
        json!([]),
        json!([uncontrolled]),
        json!([reference, reference]),
        json!([nameless]),
        json!("none"),
        json!([7]),
    ] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let mut request = creation("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS);
        request["object"]["metadata"]["ownerReferences"] = references.clone();
        let answer = cluster.judge(&request, &excusing());
        assert_eq!(answer.aside(), "", "{references}");
        assert_eq!(answer.lines().len(), 2);
        assert_eq!(cluster.calls(), Vec::<Value>::new());
    }
    // One that does not control it is no second owner.
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let mut request = creation("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS);
    request["object"]["metadata"]["ownerReferences"] = json!([uncontrolled, reference]);
    assert_eq!(cluster.judge(&request, &excusing()).message, "");
}

#[test]
fn of_an_owner_everything_is_asked_for_that_a_control_judges() {
    let mut settings = excusing();
    settings["unknownFields"] = json!({"mode": "enforce"});
    let mut pod = legacy_pod();
    for (pointer, value) in [
        ("/spec/restoreFrom", json!("a")),
        ("/spec/containers/0/ulimits", json!([1])),
        (
            "/spec/volumes",
            json!([{"name": "log", "hostPath": {"path": "/var/log"}}]),
        ),
        (
            "/spec/containers/0/livenessProbe",
            json!({"httpGet": {"host": "10.0.0.1"}}),
        ),
    ] {
        requests::set(&mut pod, pointer, value);
    }
    for (controller, made, from) in CONTROLLERS {
        let cluster = Cluster::with(&owner(from, pod.clone()));
        let user = format!("system:serviceaccount:kube-system:{controller}");
        let answer = cluster.create(made, pod.clone(), from, &user, &settings);
        assert_eq!(answer.message, "", "{controller}");
        assert_eq!(
            answer.excused_by,
            format!("{from}/web-1: seccomp, hostNamespaces, hostProbes, volumes, unknownFields")
        );
    }
}

#[test]
fn an_owner_that_cannot_be_asked_or_is_another_excuses_nothing_and_the_message_says_why() {
    let denied = "Policy has not been granted access to Kubernetes apps/v1/ReplicaSet resources. The violation has been reported.";
    let forbidden = "Callback evaluation failure: ApiError: replicasets.apps \"web-1\" is forbidden: Forbidden (Status { code: 403 })\n\nStack backtrace:\n 0: x";
    let absent = "Callback evaluation failure: Cannot find apps/v1/ReplicaSet named 'web-1' inside of namespace 'Some(\"shop\")'";
    let mut other = owner("ReplicaSet", legacy_pod());
    other["metadata"]["uid"] = "another".into();
    let mut nobody = owner("ReplicaSet", legacy_pod());
    nobody["metadata"]["uid"] = Value::Null;
    let mut broken = owner("ReplicaSet", legacy_pod());
    broken["spec"]["template"]["spec"]["hostPID"] = "yes".into();
    let mut empty = owner("ReplicaSet", legacy_pod());
    empty["spec"] = Value::Null;
    let text = |value: &Value| value.to_string();
    for (answer, aside) in [
        (
            Err(denied.to_owned()),
            format!("could not be asked because the policy server does not allow it: {denied}"),
        ),
        (
            Err(forbidden.to_owned()),
            "could not be asked: ApiError: replicasets.apps \"web-1\" is forbidden: Forbidden (Status { code: 403 })".to_owned(),
        ),
        (
            Err(absent.to_owned()),
            "excuses nothing: it is not there".to_owned(),
        ),
        (
            Ok(text(&other)),
            "excuses nothing: it is another one than this was made from".to_owned(),
        ),
        (
            Ok(text(&nobody)),
            "excuses nothing: it is another one than this was made from".to_owned(),
        ),
        (
            Ok("{}".to_owned()),
            "excuses nothing: it is another one than this was made from".to_owned(),
        ),
        (
            Ok(String::new()),
            "could not be asked: the answer cannot be read".to_owned(),
        ),
        (
            Ok(text(&broken)),
            "could not be asked: the answer cannot be read".to_owned(),
        ),
        (
            Ok(text(&empty)),
            "could not be asked: the answer cannot be read".to_owned(),
        ),
    ] {
        let cluster = Cluster::answering(answer);
        let found = cluster.create("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS, &excusing());
        assert_eq!(found.aside(), format!("ReplicaSet \"web-1\" {aside}"));
        assert_eq!(found.lines().len(), 2);
        assert_eq!(found.excused_by, "");
        assert_eq!(cluster.calls().len(), 1);
    }
    // An owner without a uid is like no other.
    let cluster = Cluster::answering(Ok(text(&nobody)));
    let mut request = creation("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS);
    request["object"]["metadata"]["ownerReferences"][0]["uid"] = "".into();
    let aside = cluster.judge(&request, &excusing()).aside();
    assert!(aside.ends_with("it is another one than this was made from"));
}

#[test]
fn what_no_controller_makes_is_judged_without_a_word_of_its_owner() {
    for made in ["Deployment", "StatefulSet", "CronJob"] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let answer = cluster.create(made, legacy_pod(), "ReplicaSet", REPLICA_SETS, &excusing());
        assert_eq!(answer.lines().len(), 2, "{made}");
        assert_eq!(answer.aside(), "", "{made}");
        assert_eq!(cluster.calls(), Vec::<Value>::new(), "{made}");
    }
}

#[test]
fn where_all_violations_count_nobody_is_asked() {
    for settings in [
        json!({}),
        json!({"legacy": {"onCreate": "allViolations"}}),
        json!({"legacy": {"onUpdate": "newViolations", "onCreate": "allViolations"}}),
    ] {
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let answer = cluster.create("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS, &settings);
        assert_eq!(answer.lines().len(), 2);
        assert_eq!(answer.aside(), "");
        assert_eq!(cluster.calls(), Vec::<Value>::new());
    }
}

#[test]
fn nobody_is_asked_about_a_good_pod_nor_about_one_that_is_only_warned_of() {
    let cluster = Cluster::with(&owner("ReplicaSet", requests::valid_pod()));
    let settings = excusing();
    let pod = requests::valid_pod();
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(answer.message, "");
    let mut warning = excusing();
    warning["hostNamespaces"] = json!({"mode": "warn"});
    warning["seccomp"] = json!({"mode": "warn"});
    let answer = cluster.create("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS, &warning);
    assert_eq!(answer.message, "");
    assert_eq!(answer.warnings.len(), 2);
    assert_eq!(cluster.calls(), Vec::<Value>::new());
    assert!(!cluster.has_been_asked_the_time.get());
}

#[test]
fn every_field_that_is_judged_is_asked_for() {
    // The cluster leaves out what is not asked for: a violation of it would count.
    let mut pod = requests::valid_pod();
    let violations = json!({
        "privileged": true, "procMount": "Unmasked", "runAsUser": 0, "runAsNonRoot": false,
        "readOnlyRootFilesystem": false, "capabilities": {"add": ["X"]},
        "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"},
        "windowsOptions": {"hostProcess": true},
    });
    for list in ["initContainers", "containers"] {
        pod["spec"][list][0]["securityContext"] = violations.clone();
        pod["spec"][list][0]["image"] = "evil.io/x".into();
        pod["spec"][list][0]["volumeMounts"] = token();
        pod["spec"][list][0]["ports"] =
            json!([{"containerPort": 80, "hostPort": 80, "protocol": "UDP", "hostIP": "1.2.3.4"}]);
    }
    for flag in [
        "hostPID",
        "hostIPC",
        "hostNetwork",
        "hostUsers",
        "shareProcessNamespace",
        "automountServiceAccountToken",
    ] {
        pod["spec"][flag] = true.into();
    }
    pod["spec"]["securityContext"] = json!({
        "runAsUser": 0, "runAsNonRoot": false, "windowsOptions": {"hostProcess": true},
        "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Localhost"},
    });
    pod["spec"]["volumes"] = json!([{"name": "model", "image": {"reference": "evil.io/y"}}]);
    pod["metadata"]["annotations"] =
        json!({"container.apparmor.security.beta.kubernetes.io/app": "unconfined"});
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .remove("ephemeralContainers");
    let mut settings = excusing();
    settings["hostNamespaces"] = json!({"forbidden": ["ipc", "pid", "network", "user"]});
    settings["registries"] = json!({"allow": ["ghcr.io"]});
    for section in [
        "readOnlyRootFilesystem",
        "shareProcessNamespace",
        "serviceAccountToken",
    ] {
        settings[section] = json!({"mode": "enforce"});
    }
    for (controller, made, from) in CONTROLLERS {
        let cluster = Cluster::with(&owner(from, pod.clone()));
        let user = format!("system:serviceaccount:kube-system:{controller}");
        let answer = cluster.create(made, pod.clone(), from, &user, &settings);
        assert_eq!(answer.message, "", "{from}");
        assert!(
            answer.excused_by.matches(", ").count() >= 10,
            "{}",
            answer.excused_by
        );
    }
    pod["spec"]["os"] = json!({"name": "windows"});
    let cluster = Cluster::with(&owner("ReplicaSet", pod.clone()));
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(answer.message, "");
}

#[test]
fn an_injected_container_is_judged_and_leaves_the_others_alone() {
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let mut pod = legacy_pod();
    let mut sidecar = requests::valid_container("sidecar");
    sidecar["securityContext"]["privileged"] = true.into();
    sidecar["securityContext"]["seccompProfile"] = json!({"type": "RuntimeDefault"});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(sidecar);
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(
        answer.lines(),
        [
            "privileged: container \"sidecar\": securityContext.privileged is true, and the runtime does \
             not apply the seccomp and AppArmor RuntimeDefault profiles to a privileged container; set \
             spec.containers[1].securityContext.privileged to false"
        ]
    );
    // What is left is rejected, and what is excused is told all the same.
    assert_eq!(
        answer.excused_by,
        "ReplicaSet/web-1: seccomp, hostNamespaces"
    );
}

#[test]
fn an_injected_container_is_told_to_write_what_it_would_take_from_a_legacy_pod() {
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    for list in ["containers", "initContainers"] {
        let mut pod = legacy_pod();
        let sidecar = requests::valid_container("sidecar");
        pod["spec"][list].as_array_mut().unwrap().push(sidecar);
        let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &excusing());
        let noun = if list == "containers" {
            "container"
        } else {
            "init container"
        };
        assert_eq!(
            answer.lines(),
            [format!(
                "seccomp: {noun} \"sidecar\": securityContext.seccompProfile is not set, and the pod's is \
                 \"Unconfined\"; set spec.{list}[1].securityContext.seccompProfile.type to RuntimeDefault \
                 (allowed: RuntimeDefault, Localhost/*)"
            )]
        );
    }
}

#[test]
fn a_rewritten_image_is_judged_in_full() {
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let mut pod = legacy_pod();
    pod["spec"]["containers"][0]["image"] = "mirror.example.com/shop/app:1.4.2".into();
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(answer.lines().len(), 2);
    assert_eq!(answer.excused_by, "");
}

#[test]
fn what_the_template_has_not_is_judged() {
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let mut pod = legacy_pod();
    pod["spec"]["hostIPC"] = true.into();
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(
        answer.lines(),
        ["hostNamespaces: hostIPC is true; set spec.hostIPC to false"]
    );
    // A good template excuses nothing.
    let cluster = Cluster::with(&owner("ReplicaSet", requests::valid_pod()));
    let answer = cluster.create("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(answer.lines().len(), 2);
    assert_eq!(answer.aside(), "");
}

#[test]
fn the_template_is_completed_as_the_api_server_completes_its_pods() {
    let annotation = "container.apparmor.security.beta.kubernetes.io/app";
    let mut template = requests::valid_pod();
    template["metadata"]["annotations"] = json!({annotation: "unconfined"});
    template["spec"]["hostNetwork"] = true.into();
    template["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 80}, {"containerPort": 81, "hostPort": 0}]);
    let mut pod = template.clone();
    pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"] =
        json!({"type": "Unconfined"});
    pod["spec"]["containers"][0]["ports"] = json!([
        {"containerPort": 80, "hostPort": 80, "protocol": "TCP"},
        {"containerPort": 81, "hostPort": 81, "protocol": "TCP"},
    ]);
    let cluster = Cluster::with(&owner("ReplicaSet", template.clone()));
    let answer = cluster.create("Pod", pod.clone(), "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(answer.message, "");
    assert_eq!(
        answer.excused_by,
        "ReplicaSet/web-1: appArmor, hostNamespaces, hostPorts"
    );
    // Another port, and another profile, are not what the API server writes.
    pod["spec"]["containers"][0]["ports"][0]["hostPort"] = 8080.into();
    pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"] =
        json!({"type": "Localhost"});
    let answer = cluster.create("Pod", pod.clone(), "ReplicaSet", REPLICA_SETS, &excusing());
    assert_eq!(answer.lines().len(), 2, "{}", answer.message);
    // Templates it does not complete: what has the port there has been changed.
    let cluster = Cluster::with(&owner("Deployment", template));
    let deployments = "system:serviceaccount:kube-system:deployment-controller";
    let answer = cluster.create("ReplicaSet", pod, "Deployment", deployments, &excusing());
    assert!(!answer.lines().is_empty());
}

#[test]
fn the_profile_of_an_annotation_is_completed_with_its_name() {
    let mut settings = excusing();
    settings["appArmor"] = json!({"allowed": ["RuntimeDefault"]});
    let mut template = requests::valid_pod();
    template["metadata"]["annotations"] =
        json!({"container.apparmor.security.beta.kubernetes.io/app": "localhost/tight"});
    let cluster = Cluster::with(&owner("ReplicaSet", template.clone()));
    for (name, is_excused) in [("tight", true), ("wide", false)] {
        let mut pod = template.clone();
        pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"] =
            json!({"type": "Localhost", "localhostProfile": name});
        let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
        assert_eq!(answer.lines().is_empty(), is_excused, "{}", answer.message);
    }
}

#[test]
fn the_token_that_the_api_server_mounts_is_the_templates_unless_that_refuses_it() {
    let mut settings = excusing();
    settings["serviceAccountToken"] = json!({"mode": "enforce"});
    for (automount, is_excused) in [
        (Value::Null, true),
        (json!(true), true),
        (json!(false), false),
    ] {
        let mut template = requests::valid_pod();
        template["spec"]["automountServiceAccountToken"] = automount;
        let mut pod = template.clone();
        for list in ["initContainers", "containers"] {
            pod["spec"][list][0]["volumeMounts"] = token();
        }
        pod["spec"]
            .as_object_mut()
            .unwrap()
            .remove("ephemeralContainers");
        let cluster = Cluster::with(&owner("ReplicaSet", template));
        let answer = cluster.create("Pod", pod.clone(), "ReplicaSet", REPLICA_SETS, &settings);
        if is_excused {
            assert_eq!(answer.message, "");
            assert_eq!(answer.excused_by, "ReplicaSet/web-1: serviceAccountToken");
        } else {
            assert!(
                answer
                    .message
                    .contains("init container \"setup\", container \"app\": volumeMounts[0]"),
                "{}",
                answer.message
            );
        }
        // Not that of a container which the template has not.
        pod["spec"]["containers"][0]["name"] = "injected".into();
        let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
        assert!(
            answer
                .message
                .contains("container \"injected\": volumeMounts[0]")
        );
    }
    // One that somebody has mounted himself is the template's as it is.
    let mut template = requests::valid_pod();
    template["spec"]["automountServiceAccountToken"] = false.into();
    template["spec"]["containers"][0]["volumeMounts"] = token();
    let cluster = Cluster::with(&owner("ReplicaSet", template.clone()));
    let answer = cluster.create("Pod", template, "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(answer.message, "");
}

/// The mount of a ServiceAccount's token.
fn token() -> Value {
    json!([{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
}

#[test]
fn an_annotation_that_says_nothing_completes_nothing() {
    // A field of the template stays, an annotation that says what the pod's field says is not copied,
    // and neither is one on Windows or one that is none.
    let annotation = "container.apparmor.security.beta.kubernetes.io/app";
    for (value, change) in [
        ("localhost/", json!({})),
        ("nonsense", json!({})),
        ("unconfined", json!({"os": {"name": "windows"}})),
    ] {
        let mut template = requests::valid_pod();
        template["metadata"]["annotations"] = json!({annotation: value});
        for (key, value) in change.as_object().unwrap() {
            template["spec"][key] = value.clone();
        }
        let mut pod = template.clone();
        pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"] =
            json!({"type": "Unconfined"});
        let cluster = Cluster::with(&owner("ReplicaSet", template));
        let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &excusing());
        let field = "securityContext.appArmorProfile is \"Unconfined\"";
        assert!(
            answer.message.contains(field),
            "{value}: {}",
            answer.message
        );
    }
}

#[test]
fn a_pod_of_an_older_revision_is_told_of_the_partition() {
    let mut owner = owner("StatefulSet", requests::valid_pod());
    let user = "system:serviceaccount:kube-system:statefulset-controller";
    for (strategy, aside) in [
        (
            json!({"rollingUpdate": {"partition": 2}}),
            "StatefulSet \"web-1\" has partition 2, and a Pod of an older revision is compared with its current template",
        ),
        (json!({"rollingUpdate": {"partition": 0}}), ""),
        (json!({"type": "OnDelete"}), ""),
    ] {
        owner["spec"]["updateStrategy"] = strategy;
        let cluster = Cluster::with(&owner);
        let answer = cluster.create("Pod", legacy_pod(), "StatefulSet", user, &excusing());
        assert_eq!(answer.aside(), aside);
        assert_eq!(answer.lines().len(), 2);
    }
    // No other built-in kind has one.
    let mut owner = self::owner("DaemonSet", requests::valid_pod());
    owner["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 2}});
    let cluster = Cluster::with(&owner);
    let user = "system:serviceaccount:kube-system:daemon-set-controller";
    let answer = cluster.create("Pod", legacy_pod(), "DaemonSet", user, &excusing());
    assert_eq!(answer.aside(), "");
}

#[test]
fn an_image_that_the_template_has_is_legacy_and_the_owner_is_asked_only_where_one_is_refused() {
    let settings = signed();
    // Nothing else violates: the host is asked about the images, and then for the owner.
    let cluster = Cluster::with(&owner("ReplicaSet", requests::valid_pod()));
    let mut pod = requests::valid_pod();
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .remove("ephemeralContainers");
    let answer = cluster.create("Pod", pod.clone(), "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(answer.message, "");
    assert_eq!(answer.excused_by, "ReplicaSet/web-1: signatures");
    assert_eq!(
        cluster.operations(),
        ["v2/verify", "v2/verify", "get_resource"]
    );
    // Where they are signed, nobody asks for it.
    let cluster = Cluster::with(&owner("ReplicaSet", requests::valid_pod())).trusting();
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(
        (answer.message.as_str(), answer.excused_by.as_str()),
        ("", "")
    );
    assert!(!cluster.operations().contains(&"get_resource".to_owned()));
    // Where something violates, the owner is asked first, and no image that it has.
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let mut pod = legacy_pod();
    pod["spec"]["volumes"] = json!([{"name": "m", "image": {"reference": "myacr.azurecr.io/m:1"}}]);
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &settings);
    assert_eq!(answer.lines().len(), 1);
    assert!(
        answer.message.contains("volume \"m\""),
        "{}",
        answer.message
    );
    assert_eq!(cluster.operations(), ["get_resource", "v2/verify"]);
}

#[test]
fn an_image_that_is_refused_is_no_legacy_elsewhere() {
    let cluster = Cluster::with(&owner("ReplicaSet", requests::valid_pod()));
    let mut pod = requests::valid_pod();
    pod["spec"]["containers"][0]["name"] = "other".into();
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .remove("ephemeralContainers");
    let answer = cluster.create("Pod", pod.clone(), "ReplicaSet", REPLICA_SETS, &signed());
    assert_eq!(answer.lines().len(), 1, "{}", answer.message);
    // Where nothing else is refused, nothing is said to be excused.
    let mut alone = pod.clone();
    alone["spec"]["initContainers"] = json!([]);
    let answer = cluster.create("Pod", alone, "ReplicaSet", REPLICA_SETS, &signed());
    assert_eq!(answer.lines().len(), 1, "{}", answer.message);
    assert_eq!(answer.excused_by, "");
    // Nor is it where the owner cannot be asked.
    let cluster = Cluster::answering(Err("Cannot find x".to_owned()));
    let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &signed());
    assert_eq!(answer.lines().len(), 2);
    assert_eq!(
        answer.aside(),
        "ReplicaSet \"web-1\" excuses nothing: it is not there"
    );
}

#[test]
fn where_more_images_are_refused_than_are_kept_none_is_excused() {
    for (count, is_excused) in [(2047, true), (2048, false)] {
        let mut pod = requests::valid_pod();
        let spec = pod["spec"].as_object_mut().unwrap();
        spec.remove("ephemeralContainers");
        spec.remove("initContainers");
        let containers = (0..count).map(|index| {
            let mut container = requests::valid_container(&format!("c{index}"));
            container["image"] = "myacr.azurecr.io/shop/app:1".into();
            container
        });
        spec["containers"] = containers.collect();
        let cluster = Cluster::with(&owner("ReplicaSet", pod.clone()));
        let answer = cluster.create("Pod", pod, "ReplicaSet", REPLICA_SETS, &signed());
        assert_eq!(answer.message.is_empty(), is_excused, "{count}");
    }
}

#[test]
fn a_template_that_changes_its_pods_only_has_unsigned_images_as_before() {
    let mut settings = signed();
    let mut request = update("Deployment", &requests::valid_pod(), &requests::valid_pod());
    // Unchanged, nobody is asked.
    settings["legacy"] = json!({});
    let cluster = Cluster::answering(Err(String::new()));
    assert_eq!(cluster.judge(&request, &settings).message, "");
    assert_eq!(cluster.operations(), Vec::<String>::new());
    // Changed, the new Pods would be rejected; where they are excused, so is this.
    request["object"]["spec"]["template"]["spec"]["nodeName"] = "n".into();
    let answer = cluster.judge(&request, &settings);
    assert_eq!(
        answer.aside(),
        "its pod template changes, so new Pods are made, and they would be rejected"
    );
    settings["legacy"] = json!({"onCreate": "newViolations"});
    assert_eq!(cluster.judge(&request, &settings).message, "");
}

#[test]
fn before_its_end_every_excuse_names_it_and_after_it_nothing_is_excused() {
    let mut settings = excusing();
    for (until, is_over) in [
        ("2026-01-30", true),
        ("2026-01-31", false),
        ("2026-01-31T00:00:00Z", true),
        ("2026-01-31T00:00:01Z", false),
    ] {
        settings["legacy"]["until"] = until.into();
        let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
        let created = cluster.create("Pod", legacy_pod(), "ReplicaSet", REPLICA_SETS, &settings);
        let mut changed = legacy_pod();
        changed["spec"]["nodeName"] = "n".into();
        let updated = cluster.judge(&update("Deployment", &legacy_pod(), &changed), &settings);
        let untouched = cluster.judge(&update("Pod", &legacy_pod(), &legacy_pod()), &settings);
        if is_over {
            let aside = format!("what was there before was excused until {until}");
            assert_eq!(created.aside(), aside);
            assert_eq!(updated.aside(), aside);
            assert_eq!(cluster.calls(), Vec::<Value>::new());
            assert_eq!(untouched.message, "");
            assert_eq!(untouched.warnings, Vec::<String>::new());
        } else {
            let excused = format!("until {until}: seccomp, hostNamespaces");
            assert_eq!(
                created.warnings,
                [format!("legacy: ReplicaSet \"web-1\" excuses {excused}")]
            );
            let before = [format!(
                "legacy: what was there before is excused {excused}"
            )];
            for answer in [updated, untouched] {
                assert_eq!(answer.message, "");
                assert_eq!(answer.warnings, before);
            }
        }
    }
    // The time is asked only where something would be excused.
    let cluster = Cluster::with(&owner("ReplicaSet", legacy_pod()));
    let good = requests::valid_pod();
    cluster.judge(&update("Pod", &good, &good), &settings);
    cluster.create("Pod", good, "ReplicaSet", REPLICA_SETS, &settings);
    assert!(!cluster.has_been_asked_the_time.get());
}

#[test]
fn until_its_end_a_template_that_stays_names_it_too() {
    let settings = json!({"legacy": {"until": "2026-01-31"}});
    let cluster = Cluster::with(&Value::Null);
    let answer = cluster.judge(
        &update("Deployment", &legacy_pod(), &legacy_pod()),
        &settings,
    );
    assert_eq!(
        answer.warnings,
        ["legacy: what was there before is excused until 2026-01-31: seccomp, hostNamespaces"]
    );
}

#[test]
fn without_a_clock_everything_that_has_an_end_is_over() {
    // What should have ended must not go on because a clock stands still.
    for now in [0, -1] {
        let mut cluster = Cluster::with(&Value::Null);
        cluster.now = now;
        let mut changed = legacy_pod();
        changed["spec"]["nodeName"] = "n".into();
        let request = update("Pod", &legacy_pod(), &changed);
        let answer = cluster.judge(&request, &json!({"legacy": {"until": "9999-12-31"}}));
        assert_eq!(
            answer.aside(),
            "what was there before was excused until 9999-12-31"
        );
        let exemption = json!({"controls": ["hostNamespaces", "seccomp"], "namespaces": ["shop"], "until": "9999-12-31"});
        let request = requests::create_request("Pod", requests::workload("Pod", legacy_pod()));
        let answer = cluster.judge(&request, &json!({"exemptions": [exemption]}));
        assert!(
            answer
                .message
                .contains("; the exemption for it ended on 9999-12-31")
        );
    }
}

#[test]
fn an_exemption_ends_with_its_day() {
    let mut pod = requests::valid_pod();
    pod["spec"]["hostPID"] = true.into();
    let request = requests::create_request("Pod", requests::workload("Pod", pod));
    for (until, line) in [
        ("2026-01-31", None),
        ("2026-01-31T00:00:01Z", None),
        (
            "2026-01-30",
            Some("the exemption for it ended on 2026-01-30 (SEC-1)"),
        ),
        (
            "2026-01-31T00:00:00Z",
            Some("the exemption for it ended on 2026-01-31T00:00:00Z (SEC-1)"),
        ),
    ] {
        let exemption = json!({"controls": ["hostNamespaces"], "namespaces": ["shop"], "until": until, "reason": "SEC-1"});
        let cluster = Cluster::with(&Value::Null);
        let answer = cluster.judge(&request, &json!({"exemptions": [exemption]}));
        let expected: Vec<String> = line
            .iter()
            .map(|ended| format!("{HOST_PID}; {ended}"))
            .collect();
        assert_eq!(answer.lines(), expected);
        assert!(cluster.has_been_asked_the_time.get());
        // Nobody asks the time for what is good.
        let cluster = Cluster::with(&Value::Null);
        let good =
            requests::create_request("Pod", requests::workload("Pod", requests::valid_pod()));
        cluster.judge(&good, &json!({"exemptions": [exemption]}));
        assert!(!cluster.has_been_asked_the_time.get());
    }
}

#[test]
fn exemptions_from_what_the_host_is_asked_end_warn_and_allow_like_the_others() {
    let mut pod = requests::valid_pod();
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"].as_object_mut().unwrap().remove(list);
    }
    let request = requests::create_request("Pod", requests::workload("Pod", pod));
    let judge = |exemption: &Value| {
        let mut settings = signed();
        settings["exemptions"] = json!([exemption]);
        let cluster = Cluster::with(&Value::Null);
        let answer = cluster.judge(&request, &settings);
        (answer, cluster.operations().len())
    };
    for whom in [
        json!({"namespaces": ["shop"]}),
        json!({"images": ["myacr.azurecr.io"]}),
    ] {
        let exemption = |more: Value| {
            let mut exemption = whom.clone();
            let more = more.as_object().unwrap().clone();
            exemption.as_object_mut().unwrap().extend(more);
            judge(&exemption)
        };
        let controls = || json!(["signatures"]);
        let (answer, calls) = exemption(json!({"controls": controls()}));
        assert_eq!((answer.message.as_str(), calls), ("", 0));
        let (answer, calls) = exemption(json!({"controls": controls(), "until": "2026-01-31"}));
        assert_eq!((answer.message.as_str(), calls), ("", 0));
        let (answer, calls) = exemption(json!({"controls": controls(), "until": "2026-01-30"}));
        assert_eq!((answer.lines().len(), calls), (1, 1));
        assert!(
            answer
                .message
                .ends_with("; the exemption for it ended on 2026-01-30")
        );
        let (answer, calls) = exemption(json!({"controls": controls(), "mode": "warn"}));
        assert_eq!((answer.message.as_str(), calls), ("", 1));
        assert_eq!(answer.warnings.len(), 1);
        // The image is of no rule: allowed, it is not asked about again.
        let mut settings = signed();
        settings["signatures"]["rules"][0]["images"] = json!(["quay.io"]);
        let mut allowing = whom.clone();
        allowing["allow"] = json!({"signatures": {"unmatched": "accept"}});
        let cluster = Cluster::with(&Value::Null);
        assert_eq!(cluster.judge(&request, &settings).lines().len(), 1);
        settings["exemptions"] = json!([allowing]);
        assert_eq!(cluster.judge(&request, &settings).message, "");
    }
}

/// Each row of the table in `docs/aks-best-practices.md`, in both columns: the requests that it stands for.
#[test]
fn what_somebody_does_to_a_legacy_workload_is_answered_as_the_documents_say() {
    let mut rows = rows();
    let documents = include_str!("../docs/aks-best-practices.md");
    let (_, table) = documents
        .split_once("| What somebody does to a workload")
        .unwrap();
    for line in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [row, by_default, excused] = cells[..] else {
            panic!("{line}");
        };
        let (does, then) = rows
            .remove(row)
            .unwrap_or_else(|| panic!("nothing shows the row: {row}"));
        for (cell, settings) in [(by_default, json!({})), (excused, excusing())] {
            let (verdict, more) = cell.split_at(cell.find([';', ':', ',']).unwrap_or(cell.len()));
            let is_accepted = verdict.contains("accepted");
            assert!(
                is_accepted != (verdict.contains("rejected") || verdict.contains("refused")),
                "{row}: {cell}"
            );
            let mut messages = String::new();
            for (request, owner) in &does {
                let message = Cluster::with(owner).judge(request, &settings).message;
                assert_eq!(message.is_empty(), is_accepted, "{row}: {cell}: {message}");
                messages.push_str(&message);
            }
            // What controllers make of it.
            for (request, owner) in then.iter().filter(|_| is_accepted) {
                let message = Cluster::with(owner).judge(request, &settings).message;
                let is_rejected = more.contains("rejected");
                assert_eq!(!message.is_empty(), is_rejected, "{row}: {cell}: {message}");
            }
            for (words, said) in [
                (
                    "its new Pods would be rejected",
                    "so new Pods are made, and they would be rejected",
                ),
                (
                    "with all that is to be mended",
                    "hostNamespaces: hostPID is true",
                ),
                (
                    "with all that is to be mended",
                    "seccomp: securityContext.seccompProfile is",
                ),
                (
                    "a person made it",
                    "\"alice\" made this, and is not its controller",
                ),
                (
                    "the user is named",
                    "\"mallory\" made this, and is not its controller",
                ),
            ] {
                assert!(
                    !more.contains(words) || messages.contains(said),
                    "{row}: {cell}: {messages}"
                );
            }
        }
    }
    assert_eq!(rows.into_keys().collect::<Vec<_>>(), [""; 0]);
}

/// A request, and the owner that the cluster has of what it creates.
type Step = (Value, Value);

/// By the first cell of a row: what is asked for, and what controllers make if that is accepted.
fn rows() -> BTreeMap<&'static str, (Vec<Step>, Vec<Step>)> {
    let pod = legacy_pod();
    let changed = |pointer: &str, value: Value| {
        let mut changed = pod.clone();
        requests::set(&mut changed, pointer, value);
        changed
    };
    let templates = |change: &Value| {
        let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
        kinds.map(|kind| alone(update(kind, &pod, change))).to_vec()
    };
    let made_anew = |pod: &Value| {
        let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
        kinds.map(|kind| made_from(kind, pod)).concat()
    };
    let pods = ["ReplicaSet", "StatefulSet"].map(|kind| made_from(kind, &pod));

    let mut labelled = update("Deployment", &pod, &pod);
    labelled["object"]["metadata"]["labels"] = json!({"team": "blue"});
    let mut released = update("Deployment", &pod, &pod);
    released["oldObject"]["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let deleted = |kind: &str| {
        let mut request = requests::create_request(kind, Value::Null);
        request["operation"] = "DELETE".into();
        request["oldObject"] = requests::workload(kind, pod.clone());
        request
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let mut deleted_namespace = of_kind("", "v1", "Namespace", Value::Null);
    deleted_namespace["operation"] = "DELETE".into();
    deleted_namespace["oldObject"] = namespace;

    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}});
    let mut scaled = of_kind("autoscaling", "v1", "Scale", scale);
    scaled["operation"] = "UPDATE".into();
    scaled["subResource"] = "scale".into();
    scaled["resource"] = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    let mut scaled_further = update("ReplicaSet", &pod, &pod);
    scaled_further["object"]["spec"]["replicas"] = 5.into();

    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1-x"}});
    let mut evicted = of_kind("policy", "v1", "Eviction", eviction);
    evicted["subResource"] = "eviction".into();
    evicted["resource"] = json!({"group": "", "version": "v1", "resource": "pods"});

    let restarted = changed(
        "/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
        "2026-01-31T00:00:00Z".into(),
    );
    let env = changed(
        "/spec/containers/0/env",
        json!([{"name": "A", "value": "b"}]),
    );
    let image = changed(
        "/spec/containers/0/image",
        "myacr.azurecr.io/shop/app:1.4.3".into(),
    );
    let worse = changed("/spec/hostIPC", true.into());
    let by_hand = creation("Job", pod.clone(), "CronJob", "alice");
    let claimed = creation("Pod", pod.clone(), "ReplicaSet", "mallory");
    let mut jobs = made_from("CronJob", &pod);
    let pods_of_jobs = jobs.split_off(1);
    BTreeMap::from([
        (
            "labels it, takes off a finalizer, deletes it or its namespace",
            (
                [labelled, released, deleted("Deployment"), deleted_namespace]
                    .map(alone)
                    .to_vec(),
                vec![],
            ),
        ),
        (
            "scales it with `kubectl scale`",
            ([scaled, scaled_further].map(alone).to_vec(), pods.concat()),
        ),
        (
            "drains its node, evicts or deletes its Pod",
            ([evicted, deleted("Pod")].map(alone).to_vec(), pods.concat()),
        ),
        (
            "restarts it with `kubectl rollout restart`",
            (templates(&restarted), made_anew(&restarted)),
        ),
        (
            "changes an environment variable in its template",
            (templates(&env), made_anew(&env)),
        ),
        (
            "gives one of its containers another image",
            (templates(&image), vec![]),
        ),
        ("adds a violation", (templates(&worse), vec![])),
        ("waits for the next Job of a CronJob", (jobs, pods_of_jobs)),
        (
            "starts a Job by hand with `kubectl create job --from`",
            (vec![(by_hand, owner("CronJob", pod.clone()))], vec![]),
        ),
        (
            "makes a Pod that claims to be a controller's",
            (vec![(claimed, owner("ReplicaSet", pod.clone()))], vec![]),
        ),
    ])
}

/// What controllers make from an owner, and from what they have made, down to the Pod.
fn made_from(kind: &str, pod: &Value) -> Vec<Step> {
    let controller = CONTROLLERS.iter().find(|(_, _, from)| *from == kind);
    let Some((controller, made, from)) = controller else {
        return Vec::new();
    };
    let user = format!("system:serviceaccount:kube-system:{controller}");
    let step = (
        creation(made, pod.clone(), from, &user),
        owner(from, pod.clone()),
    );
    [vec![step], made_from(made, pod)].concat()
}

fn alone(request: Value) -> Step {
    (request, Value::Null)
}

/// A request about an object that is no workload.
fn of_kind(group: &str, version: &str, kind: &str, object: Value) -> Value {
    let mut request = requests::create_request("Pod", object);
    request["kind"] = json!({"group": group, "version": version, "kind": kind});
    request
}

/// A policy server with one object in its cluster. No image is signed.
struct Cluster {
    answer: Result<String, String>,
    is_trusting: bool,
    calls: RefCell<Vec<(String, Value)>>,
    has_been_asked_the_time: Cell<bool>,
    now: i64,
}

impl Cluster {
    fn with(owner: &Value) -> Self {
        Self::answering(Ok(owner.to_string()))
    }

    fn answering(answer: Result<String, String>) -> Self {
        Self {
            answer,
            is_trusting: false,
            calls: RefCell::default(),
            has_been_asked_the_time: Cell::default(),
            now: NOW,
        }
    }

    fn trusting(mut self) -> Self {
        self.is_trusting = true;
        self
    }

    fn calls(&self) -> Vec<Value> {
        let calls = self.calls.borrow();
        calls.iter().map(|(_, question)| question.clone()).collect()
    }

    fn operations(&self) -> Vec<String> {
        let calls = self.calls.borrow();
        calls
            .iter()
            .map(|(operation, _)| operation.clone())
            .collect()
    }

    fn create(&self, made: &str, pod: Value, from: &str, user: &str, settings: &Value) -> Answer {
        self.judge(&creation(made, pod, from, user), settings)
    }

    fn judge(&self, request: &Value, settings: &Value) -> Answer {
        let answer = validate(&requests::payload(request, settings), self);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let warnings = answer["warnings"].as_array();
        assert_eq!(answer["accepted"] == true, answer["message"].is_null());
        Answer {
            message: text(&answer["message"]),
            warnings: warnings.into_iter().flatten().map(text).collect(),
            excused_by: text(&answer["audit_annotations"]["excused-by"]),
        }
    }
}

impl Host for Cluster {
    fn call(&self, _: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let question: Value = serde_json::from_slice(payload).unwrap();
        let mut calls = self.calls.borrow_mut();
        calls.push((operation.to_owned(), question.clone()));
        if operation != "get_resource" {
            let trusted = json!({"is_trusted": self.is_trusting, "digest": format!("sha256:{}", "a".repeat(64))});
            return Ok(trusted.to_string().into_bytes());
        }
        let answer = self.answer.clone()?;
        let Ok(object) = serde_json::from_str(&answer) else {
            return Ok(answer.into_bytes());
        };
        let masks = question["field_masks"].as_array().unwrap();
        let masks: Vec<Vec<&str>> = masks
            .iter()
            .map(|mask| mask.as_str().unwrap().split('.').collect())
            .collect();
        Ok(masked(&object, &masks).to_string().into_bytes())
    }

    fn now(&self) -> i64 {
        self.has_been_asked_the_time.set(true);
        self.now
    }
}

/// What is left of an object where only the fields of the masks, and its metadata, are sent.
fn masked(object: &Value, masks: &[Vec<&str>]) -> Value {
    fn keep(value: &Value, masks: &[&[&str]]) -> Value {
        match value {
            _ if masks.iter().any(|mask| mask.is_empty()) => value.clone(),
            Value::Array(list) => list.iter().map(|item| keep(item, masks)).collect(),
            Value::Object(map) => map
                .iter()
                .filter_map(|(key, value)| {
                    let below: Vec<&[&str]> = masks
                        .iter()
                        .filter(|mask| mask[0] == key)
                        .map(|mask| &mask[1..])
                        .collect();
                    (!below.is_empty()).then(|| (key.clone(), keep(value, &below)))
                })
                .collect(),
            other => other.clone(),
        }
    }
    let always = [vec!["apiVersion"], vec!["kind"], vec!["metadata"]];
    let masks: Vec<&[&str]> = masks.iter().chain(&always).map(Vec::as_slice).collect();
    keep(object, &masks)
}

struct Answer {
    message: String,
    warnings: Vec<String>,
    excused_by: String,
}

impl Answer {
    /// The lines below the title.
    fn lines(&self) -> Vec<&str> {
        self.message.split("\n- ").skip(1).collect()
    }

    /// What the title says in parentheses.
    fn aside(&self) -> String {
        let title = self.message.split(":\n- ").next().unwrap_or_default();
        let aside = title.split_once(" of container security").unwrap().1;
        let aside = aside.strip_prefix(" (").unwrap_or_default();
        aside.strip_suffix(')').unwrap_or_default().to_owned()
    }
}

fn excusing() -> Value {
    json!({"legacy": {"onCreate": "newViolations"}})
}

fn signed() -> Value {
    let mut settings = excusing();
    settings["signatures"] = json!({"rules": [{"images": ["myacr.azurecr.io"], "anyOf": [{"githubActions": {"owner": "org"}}]}]});
    settings
}

/// A pod with a violation that no container can overrule, and one that containers take.
fn legacy_pod() -> Value {
    let mut pod = requests::valid_pod();
    pod["spec"]["hostPID"] = true.into();
    pod["spec"]["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"});
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .remove("ephemeralContainers");
    pod
}

fn owner(kind: &str, pod: Value) -> Value {
    let mut owner = requests::workload(kind, pod);
    owner["metadata"]["name"] = "web-1".into();
    owner["metadata"]["uid"] = "u1".into();
    owner["spec"]["replicas"] = 3.into();
    owner
}

fn owner_reference(kind: &str) -> Value {
    let owner = owner(kind, requests::valid_pod());
    json!({
        "apiVersion": owner["apiVersion"], "kind": kind, "name": "web-1", "uid": "u1",
        "controller": true, "blockOwnerDeletion": true,
    })
}

fn creation(made: &str, pod: Value, from: &str, user: &str) -> Value {
    let mut request = requests::create_request(made, requests::workload(made, pod));
    request["userInfo"] = json!({"username": user, "groups": ["system:authenticated"]});
    request["object"]["metadata"]["ownerReferences"] = json!([owner_reference(from)]);
    request
}

fn update(kind: &str, stored: &Value, pod: &Value) -> Value {
    let mut request = requests::create_request(kind, requests::workload(kind, pod.clone()));
    request["operation"] = "UPDATE".into();
    request["oldObject"] = requests::workload(kind, stored.clone());
    request
}
