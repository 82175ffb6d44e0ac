//! What a rejected workload becomes when it is patched as the answer itself suggests: accepted, but
//! for what only a person can mend.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::BTreeSet;
use std::path::Path;

use container_security::NoHost;
use container_security_test_kit::{cases, requests};
use container_security_text::Verdict;
use container_security_text::suggested_patch::suggested_patch;
use container_security_text::verdict::{Mode, Violation};
use proptest::prelude::*;
use proptest::sample;
use serde_json::{Value, json};

#[test]
fn every_control_that_is_broken_alone_is_mended() {
    for kind in KINDS {
        for (pointer, value) in breaks() {
            let object = broken(kind, &[(pointer, value.clone())]);
            let (settings, what) = (strict(), format!("{kind}: {pointer} {value}"));
            let before = judge(kind, &object, &settings);
            assert!(!before.accepted, "{what}");
            let after = judge(kind, &mended(&object, &before), &settings);
            assert!(after.accepted, "{what}: {after:#?}");
        }
    }
}

#[test]
fn everything_that_is_broken_at_once_is_mended() {
    for kind in KINDS {
        let object = broken(kind, &breaks());
        let before = judge(kind, &object, &strict());
        let controls: BTreeSet<_> = before
            .violations()
            .unwrap()
            .into_iter()
            .map(|violation| violation.control)
            .collect();
        assert_eq!(controls.len(), 11, "{controls:?}");
        let patched = mended(&object, &before);
        let after = judge(kind, &patched, &strict());
        let left = left(&before.violations().unwrap(), &after);
        assert!(left.is_empty(), "{kind}: {left:#?}");
        let after = judge(kind, &mended(&patched, &after), &strict());
        assert!(after.accepted, "{kind}: {after:#?}");
    }
}

#[test]
fn a_workload_without_any_security_context_is_mended() {
    for kind in KINDS {
        for context in [json!(null), json!({})] {
            let object = broken(
                kind,
                &[
                    ("/spec/securityContext", context.clone()),
                    ("/spec/containers/0/securityContext", context.clone()),
                    ("/spec/initContainers/0/securityContext", context.clone()),
                    ("/spec/ephemeralContainers/0/securityContext", context),
                ],
            );
            let before = judge(kind, &object, &strict());
            assert!(!before.accepted);
            let after = judge(kind, &mended(&object, &before), &strict());
            assert!(after.accepted, "{kind}: {after:#?}");
        }
    }
}

/// The cases cover every setting and every form in which a control can be broken.
#[test]
fn every_case_that_is_rejected_is_mended_but_for_what_only_a_person_can_mend() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let mut judged = 0;
    let mut wrong = Vec::new();
    for case in cases::cases(&tests) {
        let before: Verdict = validate(&case.payload);
        let Ok(mut payload) = serde_json::from_slice::<Value>(&case.payload) else {
            continue;
        };
        let violations = before.violations().unwrap();
        if violations.is_empty() || before.audit_annotations.as_ref().is_some_and(is_cut) {
            continue;
        }
        judged += 1;
        for violation in &violations {
            if violation.fix.is_some() == is_for_a_person(violation, &violations, &payload) {
                wrong.push(format!("{}: fix of {violation:?}", case.name));
            }
        }
        let object = mended(&payload["request"]["object"], &before);
        payload["request"]["object"] = object;
        let after = validate(&serde_json::to_vec(&payload).unwrap());
        let left = left(&violations, &after);
        if !left.is_empty() {
            wrong.push(format!("{}: left {left:?}", case.name));
        }
    }
    assert!(judged > 500, "{judged}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn every_generated_workload_is_mended(
        kind in sample::select(&KINDS[..]),
        chosen in sample::subsequence(breaks(), 1..12),
        settings in settings(),
    ) {
        let object = broken(kind, &chosen);
        let before = judge(kind, &object, &settings);
        let after = judge(kind, &mended(&object, &before), &settings);
        let left = left(&before.violations().unwrap(), &after);
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn a_patch_leaves_nothing_to_patch(
        kind in sample::select(&KINDS[..]),
        chosen in sample::subsequence(breaks(), 1..12),
        settings in settings(),
    ) {
        let object = broken(kind, &chosen);
        let patched = mended(&object, &judge(kind, &object, &settings));
        let again = judge(kind, &patched, &settings);
        prop_assert_eq!(mended(&patched, &again), patched);
    }
}

/// The violations that a patch should have mended, and has not.
fn left(before: &[Violation], after: &Verdict) -> Vec<Violation> {
    let is_known = |violation: &Violation| {
        before
            .iter()
            .any(|old| old.fix.is_none() && old.path == violation.path)
    };
    let violations = after.violations().unwrap();
    let left: Vec<_> = violations
        .into_iter()
        .filter(|violation| !is_known(violation))
        .collect();
    let is_mendable = before
        .iter()
        .all(|old| old.mode == Mode::Warn || old.fix.is_some());
    assert!(
        after.accepted || !is_mendable || !left.is_empty(),
        "{after:#?}"
    );
    left
}

/// Whether no value can be named that mends this.
fn is_for_a_person(violation: &Violation, all: &[Violation], payload: &Value) -> bool {
    let settings = &payload["settings"][&violation.control];
    let object = &payload["request"]["object"];
    let is_mended = |path: &str| {
        all.iter()
            .any(|other| other.path == path && other.fix.is_some())
    };
    let stays = |path: &str| object.pointer(path) == Some(&json!(true)) && !is_mended(path);
    let (parent, field) = violation.path.rsplit_once('/').unwrap();
    // Nobody is told to write Unconfined.
    let allows_names_only = || {
        let allowed = settings["allowed"].as_array();
        let names_none = |entry: &Value| entry == "Localhost/*" || entry == "Unconfined";
        allowed.is_some_and(|allowed| allowed.iter().all(names_none))
    };
    match violation.control.as_str() {
        "registries" | "imagePinning" | "signatures" | "vulnerabilities" | "imageFreshness"
        | "localhostProfiles" => true,
        // Which user it could be, nobody but the image knows.
        "rootUser" if field == "runAsUser" && settings["imageUser"] == "judge" => true,
        // A volume has to be another one; what cannot be read, somebody has to write anew.
        "volumes" => field != "readOnly",
        "hostProbes" => field != "host",
        // An annotation that does not count can be removed, a field needs a value.
        "appArmor" | "seccomp" => {
            let counts = settings["annotations"] == "honor";
            allows_names_only() && (counts || !violation.path.contains("/annotations/"))
        }
        // The mount goes with the field of the pod, where that is not false already.
        "serviceAccountToken" if violation.path.ends_with("/volumeMounts") => true,
        "serviceAccountToken" => {
            let lists = ["/initContainers/", "/containers/", "/ephemeralContainers/"];
            let spec = lists.iter().fold(violation.path.as_str(), |path, list| {
                path.split_once(list).map_or(path, |(spec, _)| spec)
            });
            let automount = format!("{spec}/automountServiceAccountToken");
            // In a template nobody but its author has written it.
            field != "automountServiceAccountToken"
                && spec == "/spec"
                && object.pointer(&automount) != Some(&json!(false))
        }
        // What Kubernetes refuses beside what stays.
        "hostNamespaces" => match field {
            "hostUsers" => ["hostNetwork", "hostPID", "hostIPC"]
                .iter()
                .any(|other| stays(&format!("{parent}/{other}"))),
            "hostNetwork" => {
                let pod = format!("{parent}/securityContext/windowsOptions/hostProcess");
                stays(&pod)
            }
            _ => false,
        },
        "privilegeEscalation" => {
            let added = object.pointer(&format!("{parent}/capabilities/add"));
            let stays_added = |(index, name): (usize, &Value)| {
                let path = format!("{parent}/capabilities/add/{index}");
                name == "CAP_SYS_ADMIN" && !is_mended(&path)
            };
            let mut added = added
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate();
            stays(&format!("{parent}/privileged")) || added.any(stays_added)
        }
        "hostPorts" => {
            let (spec, _) = ["/containers/", "/initContainers/", "/ephemeralContainers/"]
                .into_iter()
                .find_map(|list| violation.path.split_once(list))
                .unwrap();
            let network = format!("{spec}/hostNetwork");
            let goes = field == "hostPort" && is_mended(&network);
            let is_on_host_network = object.pointer(&network) == Some(&json!(true));
            let (container, _) = violation.path.split_once("/ports").unwrap();
            let image = object.pointer(&format!("{container}/image"));
            let repository = image
                .and_then(Value::as_str)
                .and_then(|image| image.rsplit_once(':'));
            let exemptions = payload["settings"]["exemptions"].as_array();
            let are_ranges_exempt = exemptions.into_iter().flatten().any(|exemption| {
                let mut images = exemption["images"].as_array().into_iter().flatten();
                exemption["allow"]["hostPorts"].is_object()
                    && repository.is_some_and(|(name, _)| images.any(|image| image == name))
            });
            // Which port of the ranges, only a person knows.
            (is_on_host_network && !goes) || settings["allowed"].is_array() || are_ranges_exempt
        }
        // A container that would take the pod's user needs another one, and only a person knows
        // which; into a pod of host processes Kubernetes takes no container that is none.
        "rootUser" | "privileged" => {
            let is_written = object.pointer(&violation.path).is_some();
            let is_exempt_elsewhere =
                field == "hostProcess" && payload["settings"]["exemptions"].is_array();
            (!is_written && matches!(field, "runAsUser" | "hostProcess")) || is_exempt_elsewhere
        }
        _ => false,
    }
}

fn is_cut(annotations: &std::collections::BTreeMap<String, String>) -> bool {
    annotations.contains_key("violations-left-out")
}

fn judge(kind: &str, object: &Value, settings: &Value) -> Verdict {
    let request = requests::create_request(kind, object.clone());
    validate(&requests::payload(&request, settings))
}

fn validate(payload: &[u8]) -> Verdict {
    serde_json::from_slice(&container_security::validate(payload, &NoHost)).unwrap()
}

/// The object as the violations in the verdict say.
fn mended(object: &Value, verdict: &Verdict) -> Value {
    let mut object = object.clone();
    if let Some(patch) = suggested_patch(&object, &verdict.violations().unwrap()) {
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

/// The valid workload with these values in its pod.
fn broken(kind: &str, values: &[(&str, Value)]) -> Value {
    let mut pod = requests::valid_pod();
    for (pointer, value) in values {
        requests::set(&mut pod, pointer, value.clone());
    }
    requests::workload(kind, pod)
}

/// Settings in which every control that reads the pod is on.
fn strict() -> Value {
    json!({
        "appArmor": {"required": true},
        "hostNamespaces": {"forbidden": ["ipc", "pid", "network"]},
        "shareProcessNamespace": {"mode": "enforce"},
        "readOnlyRootFilesystem": {"mode": "enforce"},
    })
}

fn settings() -> impl Strategy<Value = Value> {
    let key = |section: &'static str, key: &'static str, values: Vec<Value>| {
        (Just((section, key)), sample::select(values))
    };
    let modes = || vec![json!("enforce"), json!("warn"), json!("disabled")];
    let flags = || vec![json!(false), json!(true)];
    let profiles = || {
        vec![
            json!(["RuntimeDefault"]),
            json!(["Localhost/*", "RuntimeDefault"]),
            json!(["Localhost/shop", "Unconfined"]),
            json!(["Localhost/*"]),
        ]
    };
    let one = prop_oneof![
        key("appArmor", "mode", modes()),
        key("appArmor", "required", flags()),
        key("appArmor", "annotations", vec![json!("honor")]),
        key("seccomp", "annotations", vec![json!("honor")]),
        key("appArmor", "allowed", profiles()),
        key("seccomp", "allowed", profiles()),
        key("seccomp", "required", flags()),
        key("seccomp", "mode", modes()),
        key(
            "hostNamespaces",
            "forbidden",
            vec![json!(["ipc", "pid", "user"]), json!([])]
        ),
        key(
            "hostPorts",
            "allowed",
            vec![json!([{"min": 80, "max": 90}]), json!([])]
        ),
        key("shareProcessNamespace", "mode", modes()),
        key("readOnlyRootFilesystem", "mode", modes()),
        key("privileged", "mode", modes()),
        key("privilegeEscalation", "mode", modes()),
        key("rootUser", "mode", modes()),
        key(
            "rootUser",
            "require",
            vec![json!("nonRootUser"), json!("runAsNonRoot")]
        ),
        key("rootUser", "relaxForUserNamespaces", flags()),
        key("capabilities", "mode", modes()),
        key(
            "capabilities",
            "allowedAdd",
            vec![json!(["*"]), json!([]), json!(["KILL"])]
        ),
        key(
            "capabilities",
            "requiredDrop",
            vec![json!([]), json!(["NET_RAW", "MKNOD"])]
        ),
        key("procMount", "mode", modes()),
        key(
            "procMount",
            "allowed",
            vec![json!(["Unmasked"]), json!(["Unmasked", "Default"])]
        ),
        key("procMount", "relaxForUserNamespaces", flags()),
    ];
    prop::collection::vec(one, 0..8).prop_map(|keys| {
        let mut settings = json!({});
        for ((section, key), value) in keys {
            settings[section][key] = value;
        }
        settings
    })
}

/// Places in the valid pod, and what breaks one control there.
fn breaks() -> Vec<(&'static str, Value)> {
    vec![
        ("/spec/hostNetwork", json!(true)),
        ("/spec/hostPID", json!(true)),
        ("/spec/hostIPC", json!(true)),
        ("/spec/shareProcessNamespace", json!(true)),
        (
            "/spec/securityContext/appArmorProfile",
            json!({"type": "Unconfined"}),
        ),
        (
            "/spec/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
        ),
        ("/spec/securityContext/appArmorProfile", json!(null)),
        ("/spec/securityContext/seccompProfile", json!(null)),
        ("/spec/securityContext/runAsNonRoot", json!(false)),
        ("/spec/securityContext/runAsUser", json!(0)),
        (
            "/spec/securityContext/windowsOptions",
            json!({"hostProcess": true}),
        ),
        (
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app",
            json!("unconfined"),
        ),
        (
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1ghost",
            json!("nothing"),
        ),
        ("/spec/containers/0/securityContext/privileged", json!(true)),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        (
            "/spec/containers/0/securityContext/runAsNonRoot",
            json!(false),
        ),
        ("/spec/containers/0/securityContext/runAsUser", json!(0)),
        (
            "/spec/containers/0/securityContext/capabilities/drop",
            json!(["all", "KILL"]),
        ),
        (
            "/spec/containers/0/securityContext/capabilities/add",
            json!(["SYS_ADMIN", "NET_BIND_SERVICE", "cap_net_raw", "ALL"]),
        ),
        (
            "/spec/containers/0/securityContext/procMount",
            json!("Unmasked"),
        ),
        (
            "/spec/containers/0/securityContext/readOnlyRootFilesystem",
            json!(false),
        ),
        (
            "/spec/containers/0/securityContext/windowsOptions",
            json!({"hostProcess": true}),
        ),
        (
            "/spec/containers/0/securityContext/seccompProfile",
            json!({"type": "Localhost", "localhostProfile": ""}),
        ),
        (
            "/spec/containers/0/securityContext/appArmorProfile",
            json!({"type": "RuntimeDefault", "localhostProfile": "shop"}),
        ),
        (
            "/spec/initContainers/0/ports",
            json!([{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 81}]),
        ),
        (
            "/spec/initContainers/0/securityContext",
            json!({"privileged": true}),
        ),
        (
            "/spec/initContainers/0/securityContext/procMount",
            json!("default"),
        ),
    ]
}

const KINDS: [&str; 3] = ["Pod", "Deployment", "CronJob"];
