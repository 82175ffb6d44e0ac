//! The policy against the Pod Security Standard, as a second program has it.
//!
//! The second program is at the end of this file: the rules of the standard one by one, as they are
//! written down, over plain JSON. It shares nothing with the policy, is deliberately naive, and says
//! which rules a pod breaks. On thirty thousand generated pods both must name the same controls:
//! not only the same verdict, but for the same reasons. Each is judged by the newest *restricted*
//! standard, which is `settings: {}`, and by another level or version.
//!
//! What the generator leaves out here is on the list of exceptions of `tests/oracle.rs`, where the
//! second program is the one of Kubernetes.
//!
//! The pods come from a generator with a constant seed, so every run sees the same ones; a pod on
//! which the two disagree is cut down to what they disagree about.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a generator that is wrong must fail, and say where"
)]

use std::collections::{BTreeMap, BTreeSet};

use container_security::{NoHost, validate};
use container_security_test_kit::pods::Generator;
use serde_json::{Value, json};

/// The names of the controls that a pod breaks.
type Broken = BTreeSet<String>;

#[test]
fn the_policy_names_the_rules_that_the_standard_names() {
    let mut accepted = 0_u64;
    let mut broken_alone: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..PODS {
        let pod = Generator::new(seed).pod();
        let broken = agreed(&pod, OTHERS[usize::try_from(seed).unwrap() % OTHERS.len()]);
        accepted += u64::from(broken.is_empty());
        if broken.len() == 1 {
            *broken_alone
                .entry(broken.into_iter().next().unwrap())
                .or_default() += 1;
        }
    }
    // Pods that are all accepted or all rejected would prove nothing, and a rule that is never the
    // only one broken might be missing in both.
    assert!((PODS / 5..PODS * 4 / 5).contains(&accepted), "{accepted}");
    let alone: Vec<_> = broken_alone
        .iter()
        .filter(|(_, pods)| **pods >= PODS / 500)
        .map(|(control, _)| control.as_str())
        .collect();
    assert_eq!(alone, CONTROLS, "{broken_alone:?}");
}

/// What the newest standard says of a pod; panics where the policy says something else of that, or of
/// the `other` level and version.
fn agreed(pod: &Value, other: (&str, u8)) -> Broken {
    if disagreement(pod, other).is_some() {
        let small = cut_down(pod.clone(), other);
        panic!("{}\n{small:#}", disagreement(&small, other).unwrap());
    }
    standard::broken(pod, "restricted", 37)
}

fn disagreement(pod: &Value, (level, minor): (&str, u8)) -> Option<String> {
    let found = policy(pod, &json!({}));
    let expected = standard::broken(pod, "restricted", 37);
    if found != expected {
        return Some(format!("policy {found:?}, standard {expected:?}"));
    }
    let found = policy(
        pod,
        &json!({"level": level, "version": format!("v1.{minor}")}),
    );
    let expected = standard::broken(pod, level, minor);
    (found != expected)
        .then(|| format!("{level} of v1.{minor}: policy {found:?}, standard {expected:?}"))
}

fn policy(pod: &Value, settings: &Value) -> Broken {
    let payload = json!({
        "request": {
            "uid": "0b4c6f1e-0000-4000-8000-000000000001",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "object": pod,
        },
        "settings": settings,
    });
    let answer = validate(&serde_json::to_vec(&payload).unwrap(), &NoHost);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let broken: Broken = answer
        .pointer("/audit_annotations/rejected-by")
        .and_then(Value::as_str)
        .into_iter()
        .flat_map(|controls| controls.split(", "))
        .map(ToOwned::to_owned)
        .collect();
    // A rejection that names no control is a pod that the policy could not read.
    assert_eq!(
        answer.get("accepted"),
        Some(&json!(broken.is_empty())),
        "{answer:#}\n{pod:#}"
    );
    broken
}

/// Takes everything out of a pod without which the two still disagree.
fn cut_down(mut pod: Value, other: (&str, u8)) -> Value {
    loop {
        let smaller = pointers(&pod)
            .into_iter()
            .map(|pointer| without(&pod, &pointer))
            .find(|smaller| disagreement(smaller, other).is_some());
        match smaller {
            Some(smaller) => pod = smaller,
            None => return pod,
        }
    }
}

/// Every place from which something can be taken. Of a profile the parts make sense together only.
fn pointers(node: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match node {
        Value::Object(map) => map
            .iter()
            .map(|(key, child)| (key.clone(), child))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, child)| (index.to_string(), child))
            .collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (key, child) in children {
        if ["spec", "type", "localhostProfile"].contains(&key.as_str()) {
            all.extend(pointers(child).iter().map(|below| format!("/{key}{below}")));
            continue;
        }
        let key = key.replace('~', "~0").replace('/', "~1");
        all.push(format!("/{key}"));
        all.extend(pointers(child).iter().map(|below| format!("/{key}{below}")));
    }
    all
}

fn without(pod: &Value, pointer: &str) -> Value {
    let mut smaller = pod.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match smaller.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.remove(&key);
        }
        Value::Array(list) => {
            list.remove(key.parse().unwrap());
        }
        _ => {}
    }
    smaller
}

/// The standard, rule by rule.
mod standard {
    use super::{Broken, Value};

    /// Which rules of a level of v1.`minor` a pod breaks, by the names that the policy has for them.
    pub(super) fn broken(pod: &Value, level: &str, minor: u8) -> Broken {
        let mut broken = Broken::new();
        if level == "privileged" {
            return broken;
        }
        let is_restricted = level == "restricted";
        let spec = &pod["spec"];
        let pod_context = &spec["securityContext"];
        let contexts: Vec<&Value> = containers(spec)
            .into_iter()
            .map(|container| &container["securityContext"])
            .collect();
        let is_windows = spec["os"]["name"] == "windows";
        let has_user_namespace = minor >= 35 && spec["hostUsers"] == false;

        let is_any = |bad: &dyn Fn(&Value) -> bool| contexts.iter().any(|context| bad(context));
        let is_anywhere = |bad: &dyn Fn(&Value) -> bool| bad(pod_context) || is_any(bad);

        let mut rule = |control: &str, is_broken: bool| {
            if is_broken {
                broken.insert(control.to_owned());
            }
        };

        // Baseline.
        rule(
            "privileged",
            is_anywhere(&|context| context["windowsOptions"]["hostProcess"] == true),
        );
        rule(
            "privileged",
            is_any(&|context| context["privileged"] == true),
        );
        rule("hostNamespaces", spec["hostNetwork"] == true);
        rule("hostNamespaces", spec["hostPID"] == true);
        rule("hostNamespaces", spec["hostIPC"] == true);
        rule("hostPorts", has_host_port(spec));
        rule("hostProbes", minor >= 34 && names_host(spec));
        rule(
            "appArmor",
            is_anywhere(&|context| is_bad_if_set(&context["appArmorProfile"])),
        );
        rule("appArmor", has_bad_annotation(pod));
        rule(
            "seLinux",
            is_anywhere(&|context| is_bad_label(&context["seLinuxOptions"], minor)),
        );
        rule("sysctls", sets_unsafe(&pod_context["sysctls"], minor));
        if is_restricted || !has_user_namespace {
            rule(
                "procMount",
                is_any(&|context| {
                    let mount = &context["procMount"];
                    !mount.is_null() && mount != "Default"
                }),
            );
        }
        if !is_restricted {
            let set = |volume: &&Value| !volume["hostPath"].is_null();
            rule("volumes", elements(&spec["volumes"]).iter().any(set));
            rule(
                "capabilities",
                is_any(&|context| adds_other_than(context, DEFAULT)),
            );
            rule(
                "seccomp",
                is_anywhere(&|context| is_bad_if_set(&context["seccompProfile"])),
            );
            return broken;
        }

        // Restricted.
        rule("volumes", has_bad_volume(spec));
        if !is_windows {
            rule(
                "privilegeEscalation",
                is_any(&|context| context["allowPrivilegeEscalation"] != false),
            );
            rule("capabilities", is_any(&does_not_drop_all));
            rule(
                "capabilities",
                is_any(&|context| adds_other_than(context, &["NET_BIND_SERVICE"])),
            );
            rule(
                "seccomp",
                is_anywhere(&|context| is_bad_if_set(&context["seccompProfile"])),
            );
            rule(
                "seccomp",
                is_any(&|context| {
                    context["seccompProfile"].is_null() && pod_context["seccompProfile"].is_null()
                }),
            );
        }
        rule(
            "rootUser",
            !has_user_namespace && may_be_root(pod_context, &contexts),
        );
        broken
    }

    fn may_be_root(pod_context: &Value, contexts: &[&Value]) -> bool {
        let says_so =
            |context: &Value| context["runAsNonRoot"] == false || context["runAsUser"] == 0;
        let does_not_say = |context: &Value| {
            context["runAsNonRoot"].is_null() && pod_context["runAsNonRoot"] != true
        };
        says_so(pod_context)
            || contexts
                .iter()
                .any(|context| says_so(context) || does_not_say(context))
    }

    fn containers(spec: &Value) -> Vec<&Value> {
        ["containers", "initContainers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|list| elements(&spec[list]))
            .collect()
    }

    fn elements(list: &Value) -> Vec<&Value> {
        list.as_array().into_iter().flatten().collect()
    }

    /// A profile that is there, but is neither of the two good types.
    fn is_bad_if_set(profile: &Value) -> bool {
        let good = profile["type"] == "RuntimeDefault" || profile["type"] == "Localhost";
        !profile.is_null() && !good
    }

    fn has_bad_annotation(pod: &Value) -> bool {
        let annotations = pod["metadata"]["annotations"].as_object();
        annotations.into_iter().flatten().any(|(key, value)| {
            let value = value.as_str().unwrap();
            let is_good =
                value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
            key.starts_with("container.apparmor.security.beta.kubernetes.io/") && !is_good
        })
    }

    /// On its node's network the API server makes a host port of every port that is declared.
    fn has_host_port(spec: &Value) -> bool {
        containers(spec).into_iter().any(|container| {
            elements(&container["ports"]).into_iter().any(|port| {
                let is_set = !port["hostPort"].is_null() && port["hostPort"] != 0;
                is_set || spec["hostNetwork"] == true
            })
        })
    }

    fn does_not_drop_all(context: &Value) -> bool {
        let drop = elements(&context["capabilities"]["drop"]);
        !drop.into_iter().any(|dropped| dropped == "ALL")
    }

    fn adds_other_than(context: &Value, allowed: &[&str]) -> bool {
        let add = elements(&context["capabilities"]["add"]);
        add.into_iter()
            .any(|added| allowed.iter().all(|allowed| added != allowed))
    }

    fn names_host(spec: &Value) -> bool {
        let is_set = |handler: &Value| {
            ["httpGet", "tcpSocket"]
                .into_iter()
                .map(|action| &handler[action]["host"])
                .any(|host| !host.is_null() && host != "")
        };
        containers(spec).into_iter().any(|container| {
            is_set(&container["livenessProbe"])
                || is_set(&container["readinessProbe"])
                || is_set(&container["startupProbe"])
                || is_set(&container["lifecycle"]["postStart"])
                || is_set(&container["lifecycle"]["preStop"])
        })
    }

    fn is_bad_label(options: &Value, minor: u8) -> bool {
        let is_empty = |part: &Value| part.is_null() || part == "";
        let is_good_type = match options["type"].as_str() {
            None | Some("" | "container_t" | "container_init_t" | "container_kvm_t") => true,
            Some("container_engine_t") => minor >= 31,
            Some(_) => false,
        };
        !is_good_type || !is_empty(&options["user"]) || !is_empty(&options["role"])
    }

    fn sets_unsafe(sysctls: &Value, minor: u8) -> bool {
        elements(sysctls).into_iter().any(|sysctl| {
            let since = match sysctl["name"].as_str().unwrap() {
                "kernel.shm_rmid_forced"
                | "net.ipv4.ip_local_port_range"
                | "net.ipv4.tcp_syncookies"
                | "net.ipv4.ping_group_range"
                | "net.ipv4.ip_unprivileged_port_start" => 0,
                "net.ipv4.ip_local_reserved_ports" => 27,
                "net.ipv4.tcp_keepalive_time"
                | "net.ipv4.tcp_fin_timeout"
                | "net.ipv4.tcp_keepalive_intvl"
                | "net.ipv4.tcp_keepalive_probes" => 29,
                "net.ipv4.tcp_rmem" | "net.ipv4.tcp_wmem" => 32,
                "net.ipv4.tcp_slow_start_after_idle" | "net.ipv4.tcp_notsent_lowat" => 37,
                _ => u8::MAX,
            };
            minor < since
        })
    }

    fn has_bad_volume(spec: &Value) -> bool {
        elements(&spec["volumes"]).into_iter().any(|volume| {
            let types = volume.as_object().unwrap().iter();
            let mut types = types.filter(|(key, value)| *key != "name" && !value.is_null());
            !types.any(|(key, _)| {
                [
                    "configMap",
                    "csi",
                    "downwardAPI",
                    "emptyDir",
                    "ephemeral",
                    "image",
                    "persistentVolumeClaim",
                    "projected",
                    "secret",
                ]
                .contains(&key.as_str())
            })
        })
    }

    const DEFAULT: &[&str] = &[
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
}

const PODS: u64 = 30_000;

/// The controls that stand for rules of the standard, sorted.
const CONTROLS: [&str; 13] = [
    "appArmor",
    "capabilities",
    "hostNamespaces",
    "hostPorts",
    "hostProbes",
    "privilegeEscalation",
    "privileged",
    "procMount",
    "rootUser",
    "seLinux",
    "seccomp",
    "sysctls",
    "volumes",
];

/// What each pod is judged by, in turn, beside the newest restricted standard: one of each that differ.
const OTHERS: [(&str, u8); 12] = [
    ("baseline", 37),
    ("restricted", 25),
    ("baseline", 35),
    ("restricted", 27),
    ("baseline", 34),
    ("restricted", 29),
    ("baseline", 33),
    ("restricted", 31),
    ("baseline", 25),
    ("restricted", 34),
    ("privileged", 37),
    ("restricted", 35),
];
