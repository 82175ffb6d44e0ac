//! Every suggestion can be followed: what a message says to write is what Kubernetes takes, and what the
//! policy accepts.
//!
//! The generator is seeded with a constant: the same objects in every run.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a generator that is wrong must fail, and say where"
)]

use std::cell::Cell;

use container_security_test_kit::properties::suggestions_can_be_followed;
use container_security_test_kit::{controls, requests};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{collection, option, sample};
use serde_json::{Map, Value, json};

#[test]
fn all_suggestions_at_once_give_a_pod_that_kubernetes_and_the_policy_take() {
    let followed = check(1, (pod(), settings()), |(pod, settings)| {
        suggestions_can_be_followed("Pod", &pod, None, &settings)
    });
    assert!(followed > 10_000, "{followed} suggestions prove little");
}

#[test]
fn all_suggestions_at_once_give_a_template_that_kubernetes_and_the_policy_take() {
    let kind = sample::select(&["Deployment", "CronJob"]);
    let followed = check(2, (pod(), settings(), kind), |(pod, settings, kind)| {
        suggestions_can_be_followed(kind, &pod, None, &settings)
    });
    assert!(followed > 10_000, "{followed} suggestions prove little");
}

#[test]
fn suggestions_can_be_followed_in_an_update() {
    // Not with annotations: once its annotation is removed, a container takes the pod's value, which may be
    // at fault itself and is reported only then.
    let pod = || {
        pod().prop_map(|mut pod| {
            requests::set(&mut pod, "/metadata/annotations", json!({}));
            pod
        })
    };
    let stored = prop_oneof![3 => pod().prop_map(Some), 1 => Just(None)];
    let followed = check(3, (pod(), stored, settings()), |(pod, stored, settings)| {
        let stored = stored.unwrap_or_else(|| pod.clone());
        suggestions_can_be_followed("Deployment", &pod, Some(&stored), &settings)
    });
    assert!(followed > 4_000, "{followed} suggestions prove little");
}

/// Runs a property on as many objects as it takes, and adds up what it says.
fn check<S: Strategy>(seed: u8, strategy: S, property: impl Fn(S::Value) -> usize) -> usize {
    let config = Config {
        cases: OBJECTS,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let sum = Cell::new(0_usize);
    let result = runner.run(&strategy, |input| {
        sum.set(sum.get().saturating_add(property(input)));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    sum.get()
}

const OBJECTS: u32 = 2_048;

/// A pod in which much depends on each other.
fn pod() -> impl Strategy<Value = Value> {
    let containers = |list: &'static str, least| {
        collection::vec(container(), least..3).prop_map(move |mut containers| {
            for (index, container) in containers.iter_mut().enumerate() {
                if let Some(container) = container.as_object_mut() {
                    container.insert("name".to_owned(), format!("{list}-{index}").into());
                }
            }
            containers
        })
    };
    let flags = collection::btree_map(
        sample::select(&[
            "hostPID",
            "hostIPC",
            "hostNetwork",
            "hostUsers",
            "shareProcessNamespace",
            "automountServiceAccountToken",
        ]),
        prop_oneof![2 => Just(true), 1 => Just(false)],
        0..3,
    );
    let os = prop_oneof![4 => Just(None), 1 => Just(Some("linux")), 1 => Just(Some("windows"))];
    (
        containers("initContainers", 0),
        containers("containers", 1),
        flags,
        os,
        context(POD_FIELDS),
        collection::btree_map(sample::select(ANNOTATIONS), sample::select(PROFILES), 0..2),
    )
        .prop_map(|(init, regular, flags, os, context, annotations)| {
            let mut spec = json!({
                "initContainers": init,
                "containers": regular,
                "securityContext": context,
            });
            let fields = spec.as_object_mut().unwrap();
            for (flag, value) in flags {
                fields.insert(flag.to_owned(), value.into());
            }
            if let Some(os) = os {
                fields.insert("os".to_owned(), json!({"name": os}));
            }
            json!({
                "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
                "spec": spec,
            })
        })
}

fn container() -> impl Strategy<Value = Value> {
    let port = (1..4_u16, option::of(1..4_u16)).prop_map(|(port, host)| match host {
        Some(host) => json!({"containerPort": port, "hostPort": host}),
        None => json!({"containerPort": port}),
    });
    (
        sample::select(IMAGES),
        option::weighted(0.8, context(CONTAINER_FIELDS)),
        collection::vec(port, 0..2),
        any::<bool>(),
    )
        .prop_map(|(image, context, ports, is_good)| {
            let mut container = requests::valid_container("");
            let fields = container.as_object_mut().unwrap();
            fields.insert("image".to_owned(), image.into());
            fields.insert("ports".to_owned(), ports.into());
            let own = fields.get_mut("securityContext").unwrap();
            match context {
                // A good one with some differences, or only those.
                Some(Value::Object(mut context)) if is_good => {
                    own.as_object_mut().unwrap().append(&mut context);
                }
                Some(context) => *own = context,
                None => {}
            }
            container
        })
}

/// A security context with some of these fields.
fn context(fields: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let field = sample::select(fields).prop_flat_map(|field| {
        let value = match field {
            "seccompProfile" | "appArmorProfile" => profile().boxed(),
            "runAsUser" => (0..2).prop_map(Value::from).boxed(),
            "procMount" => sample::select(&["Default", "Unmasked", "Odd"])
                .prop_map(Value::from)
                .boxed(),
            "capabilities" => (names(), names())
                .prop_map(|(add, drop)| json!({"add": add, "drop": drop}))
                .boxed(),
            "windowsOptions" => any::<bool>()
                .prop_map(|flag| json!({"hostProcess": flag}))
                .boxed(),
            _ => any::<bool>().prop_map(Value::from).boxed(),
        };
        value.prop_map(move |value| (field.to_owned(), value))
    });
    collection::vec(field, 0..4).prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into())
}

fn profile() -> impl Strategy<Value = Value> {
    let kind = sample::select(&["RuntimeDefault", "Localhost", "Unconfined", "Odd"]);
    let name = option::of(sample::select(&["a.json", "b.json"]));
    (kind, name).prop_map(|(kind, name)| match name {
        Some(name) => json!({"type": kind, "localhostProfile": name}),
        None => json!({"type": kind}),
    })
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    collection::vec(sample::select(CAPABILITIES), 0..3)
}

/// Settings in which each control may be on, warn, or be off, for all or for some containers.
fn settings() -> impl Strategy<Value = Value> {
    let mode = || {
        let mode = prop_oneof![4 => Just("enforce"), 1 => Just("warn"), 2 => Just("disabled")];
        option::of(mode)
    };
    let modes = collection::btree_map(sample::select(controls::of_pods()), mode(), 0..6);
    let profiles = || {
        let list = collection::vec(sample::select(ALLOWED_PROFILES), 1..3);
        (option::of(list), option::of(any::<bool>()), option::of(sample::select(&["ignore", "honor"])))
            .prop_map(|(allowed, required, annotations)| {
                json!({"allowed": allowed, "required": required, "annotations": annotations})
            })
    };
    let capabilities = (
        option::of(sample::select(&["*", "NET_BIND_SERVICE", "SYS_ADMIN"])),
        option::of(sample::select(&["ALL", "NET_RAW"])),
    )
        .prop_map(|(add, drop)| {
            let list = |name: Option<&str>| name.map(|name| vec![name.to_owned()]);
            json!({"allowedAdd": list(add), "requiredDrop": list(drop)})
        });
    let namespaces = option::of(sample::subsequence(
        &["ipc", "pid", "network", "user"],
        0..4,
    ));
    let user = (
        option::of(sample::select(&["runAsNonRoot", "nonRootUser"])),
        any::<bool>(),
    );
    let exemption = (
        collection::vec(sample::select(controls::of_pods()), 1..4),
        sample::select(IMAGES),
        sample::select(&["shop", "other"]),
        any::<bool>(),
    );
    (
        modes,
        (profiles(), profiles()),
        capabilities,
        namespaces,
        user,
        any::<bool>(),
        collection::vec(exemption, 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(
                modes,
                (app_armor, seccomp),
                capabilities,
                namespaces,
                user,
                ports,
                exemptions,
                unmask,
            )| {
                let (require, relax) = user;
                let ports = if ports {
                    json!([{"min": 2, "max": 3}])
                } else {
                    json!([])
                };
                let mut settings = json!({
                    "appArmor": app_armor,
                    "seccomp": seccomp,
                    "capabilities": capabilities,
                    "hostNamespaces": {"forbidden": namespaces},
                    "rootUser": {"require": require, "relaxForUserNamespaces": relax},
                    "hostPorts": {"allowed": ports},
                });
                if unmask {
                    requests::set(
                        &mut settings,
                        "/procMount/allowed",
                        json!(["Unmasked", "Default"]),
                    );
                }
                for (control, mode) in modes {
                    requests::set(&mut settings, &format!("/{control}/mode"), json!(mode));
                }
                for (mut controls, image, namespace, by_image) in exemptions {
                    let exemption = if by_image {
                        // It needs a control that judges containers one by one; with others only, the
                        // settings are refused.
                        controls.push("privileged");
                        json!({"controls": controls, "images": [image]})
                    } else {
                        json!({"controls": controls, "namespaces": [namespace]})
                    };
                    requests::set(&mut settings, "/exemptions/-", exemption);
                }
                settings
            },
        )
}

const POD_FIELDS: &[&str] = &[
    "seccompProfile",
    "appArmorProfile",
    "runAsNonRoot",
    "runAsUser",
    "windowsOptions",
];

const CONTAINER_FIELDS: &[&str] = &[
    "seccompProfile",
    "appArmorProfile",
    "runAsNonRoot",
    "runAsUser",
    "windowsOptions",
    "privileged",
    "allowPrivilegeEscalation",
    "capabilities",
    "procMount",
    "readOnlyRootFilesystem",
];

const CAPABILITIES: &[&str] = &["ALL", "NET_RAW", "CAP_SYS_ADMIN", "SYS_ADMIN", "all"];

const IMAGES: &[&str] = &["ghcr.io/org/app", "ghcr.io/org/sidecar"];

const ALLOWED_PROFILES: &[&str] = &[
    "RuntimeDefault",
    "Localhost/*",
    "Localhost/a.json",
    "Unconfined",
];

const ANNOTATIONS: &[&str] = &[
    "container.apparmor.security.beta.kubernetes.io/containers-0",
    "container.apparmor.security.beta.kubernetes.io/initContainers-0",
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/containers-0",
];

const PROFILES: &[&str] = &[
    "runtime/default",
    "localhost/a.json",
    "unconfined",
    "",
    "localhost/",
];
