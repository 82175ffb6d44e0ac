//! The policy against the *restricted* Pod Security Standard, as a second program has it.
//!
//! The second program is at the end of this file: the rules of the standard one by one, as they are
//! written down, over plain JSON. It shares nothing with the policy, is deliberately naive, and says
//! which rules a pod breaks. On a hundred thousand generated pods both must name the same controls:
//! not only the same verdict, but for the same reasons.
//!
//! Since Kubernetes 1.35 the standard does not judge users in a pod with `hostUsers: false`; the
//! policy does so when `rootUser.relaxForUserNamespaces` says so. Such pods are therefore judged
//! twice, with `settings: {}` by the standard of 1.34, and with the relaxation by the newest.
//!
//! What the generator leaves out, because the two differ there knowingly:
//!
//! - A `Localhost` profile without a name, and a name without `Localhost`. The API server refuses
//!   both before the standard is asked; the policy, which may be asked first, has them for violations.
//! - `null` in a list, for a name, or for an annotation's value, and values of another type: the API
//!   server does not send them, and the policy cannot decode them.
//! - Volume types, sysctls, `SELinux`, and the `host` of probes and lifecycle hooks: the standard
//!   judges them, this policy is not about them.
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
use serde_json::{Map, Value, json};

/// The names of the controls that a pod breaks.
type Broken = BTreeSet<String>;

#[test]
fn the_policy_names_the_rules_that_the_standard_names() {
    let mut accepted = 0_u64;
    let mut broken_alone: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..PODS {
        let pod = Generator::new(seed).pod();
        let broken = agreed(&pod);
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

/// What the standard says of a pod; panics where the policy says something else.
fn agreed(pod: &Value) -> Broken {
    if disagreement(pod).is_some() {
        let small = cut_down(pod.clone());
        panic!("{}\n{small:#}", disagreement(&small).unwrap());
    }
    standard::broken(pod, true)
}

fn disagreement(pod: &Value) -> Option<String> {
    let found = policy(pod, &json!({}));
    let expected = standard::broken(pod, false);
    if found != expected {
        return Some(format!("policy {found:?}, standard {expected:?}"));
    }
    if pod.pointer("/spec/hostUsers") != Some(&json!(false)) {
        return None;
    }
    let found = policy(pod, &json!({"rootUser": {"relaxForUserNamespaces": true}}));
    let expected = standard::broken(pod, true);
    (found != expected).then(|| format!("relaxed: policy {found:?}, standard {expected:?}"))
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
fn cut_down(mut pod: Value) -> Value {
    loop {
        let smaller = pointers(&pod)
            .into_iter()
            .map(|pointer| without(&pod, &pointer))
            .find(|smaller| disagreement(smaller).is_some());
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

/// Makes pods out of a seed: most fields as they should be, some as they should not.
struct Generator {
    state: u64,
    /// One field in how many is odd.
    rarity: u64,
    is_windows: bool,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let mut generator = Self {
            state: seed,
            rarity: 1,
            is_windows: false,
        };
        generator.rarity = generator.pick(&[400, 100, 100, 30, 30, 4]);
        generator
    }

    /// The next of the numbers of `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn is_odd(&mut self) -> bool {
        let rarity = self.rarity;
        self.one_in(rarity)
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let count = u64::try_from(choices.len()).unwrap();
        let index = usize::try_from(self.next().checked_rem(count).unwrap()).unwrap();
        choices[index].clone()
    }

    /// Writes a field: one of the good values, or one of the odd ones. Here `None` is no field.
    fn field<T: Clone + Into<Value>>(
        &mut self,
        object: &mut Map<String, Value>,
        key: &str,
        good: &[Option<T>],
        odd: &[Option<T>],
    ) {
        let value = if self.is_odd() {
            self.pick(odd)
        } else {
            self.pick(good)
        };
        match value {
            Some(value) => {
                object.insert(key.to_owned(), value.into());
            }
            // To the API server null is no field, either.
            None if self.one_in(4) => {
                object.insert(key.to_owned(), Value::Null);
            }
            None => {}
        }
    }

    /// Writes an object, unless it is empty and is left out, or is odd and is lost.
    fn object(&mut self, parent: &mut Map<String, Value>, key: &str, value: Map<String, Value>) {
        let value = if self.is_odd() { Map::new() } else { value };
        if !value.is_empty() {
            parent.insert(key.to_owned(), value.into());
            return;
        }
        match self.next() % 3 {
            0 => parent.insert(key.to_owned(), Value::Null),
            1 => parent.insert(key.to_owned(), json!({})),
            _ => None,
        };
    }

    fn pod(&mut self) -> Value {
        let mut spec = Map::new();
        let os = ["linux", "windows", "windows"];
        if self.one_in(4) {
            let name = if self.is_odd() {
                self.pick(&["Windows", "WINDOWS", " windows", "", "win"])
            } else {
                self.pick(&os)
            };
            self.is_windows = name == "windows";
            spec.insert("os".to_owned(), json!({"name": name}));
        } else if self.one_in(8) {
            let os = self.pick(&[json!({}), Value::Null]);
            spec.insert("os".to_owned(), os);
        }
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            self.field(&mut spec, key, &[None, None, Some(false)], &[Some(true)]);
        }
        self.field(
            &mut spec,
            "hostUsers",
            &[None, None, None, Some(true), Some(false)],
            &[None],
        );
        self.field(
            &mut spec,
            "shareProcessNamespace",
            &[None, Some(true)],
            &[Some(false)],
        );

        let is_seccomp_of_pod = self.pick(&[true, true, false]);
        let is_non_root_of_pod = self.pick(&[true, true, false]);
        let mut context = Map::new();
        if is_seccomp_of_pod {
            self.profile(&mut context, "seccompProfile");
        }
        if self.one_in(2) {
            self.profile(&mut context, "appArmorProfile");
        }
        if is_non_root_of_pod {
            self.field(
                &mut context,
                "runAsNonRoot",
                &[Some(true)],
                &[Some(false), None],
            );
        } else {
            self.field(&mut context, "runAsNonRoot", &[None], &[Some(false)]);
        }
        self.users_and_windows(&mut context);
        // What a pod's context does not have must not count.
        self.field(&mut context, "privileged", &[None], &[Some(true)]);
        self.field(
            &mut context,
            "allowPrivilegeEscalation",
            &[None],
            &[Some(false)],
        );
        self.object(&mut spec, "securityContext", context);

        let mut names = Vec::new();
        for (list, counts) in [
            ("containers", [1, 1, 2, 3]),
            ("initContainers", [0, 0, 1, 2]),
            ("ephemeralContainers", [0, 0, 0, 1]),
        ] {
            let count = if self.is_odd() { 0 } else { self.pick(&counts) };
            let containers: Vec<_> = (0..count)
                .map(|index| {
                    let name = format!("{list}-{index}").to_lowercase();
                    let container = self.container(&name, is_seccomp_of_pod, is_non_root_of_pod);
                    names.push(name);
                    container
                })
                .collect();
            if count > 0 {
                spec.insert(list.to_owned(), containers.into());
            } else {
                self.field::<Vec<Value>>(&mut spec, list, &[None, Some(Vec::new())], &[None]);
            }
        }
        let mut metadata = json!({"name": "web"}).as_object().unwrap().clone();
        let annotations = self.annotations(names);
        self.object(&mut metadata, "annotations", annotations);
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    }

    fn container(
        &mut self,
        name: &str,
        is_seccomp_of_pod: bool,
        is_non_root_of_pod: bool,
    ) -> Value {
        let mut context = Map::new();
        if !is_seccomp_of_pod || self.one_in(4) {
            self.profile(&mut context, "seccompProfile");
        }
        if self.one_in(4) {
            self.profile(&mut context, "appArmorProfile");
        }
        if is_non_root_of_pod {
            self.field(
                &mut context,
                "runAsNonRoot",
                &[None, None, Some(true)],
                &[Some(false)],
            );
        } else {
            self.field(
                &mut context,
                "runAsNonRoot",
                &[Some(true)],
                &[Some(false), None],
            );
        }
        self.users_and_windows(&mut context);
        self.field(
            &mut context,
            "privileged",
            &[None, Some(false)],
            &[Some(true)],
        );
        self.field(
            &mut context,
            "readOnlyRootFilesystem",
            &[None, Some(true)],
            &[Some(false)],
        );
        self.field(
            &mut context,
            "procMount",
            &[None, None, Some("Default")],
            &[
                Some("Unmasked"),
                Some("default"),
                Some("Default "),
                Some(""),
            ],
        );
        // Windows may have none of these two, and is not asked for them.
        if !self.is_windows || self.one_in(2) {
            self.field(
                &mut context,
                "allowPrivilegeEscalation",
                &[Some(false)],
                &[Some(true), None],
            );
            self.capabilities(&mut context);
        }
        let mut container = json!({"name": name, "image": "shop/web"})
            .as_object()
            .unwrap()
            .clone();
        self.object(&mut container, "securityContext", context);
        self.ports(&mut container);
        container.into()
    }

    fn capabilities(&mut self, context: &mut Map<String, Value>) {
        const ODD: &[&str] = &[
            "SYS_ADMIN",
            "CAP_SYS_ADMIN",
            "cap_sys_admin",
            "net_bind_service",
            "CAP_NET_BIND_SERVICE",
            "NET_BIND_SERVICE ",
            "CHOWN",
            "KILL",
            "NET_RAW",
            "all",
            "ALL",
            "*",
            "",
            "NO_SUCH_THING",
        ];
        let mut capabilities = Map::new();
        let (one, other) = (self.pick(ODD), self.pick(ODD));
        self.field(
            &mut capabilities,
            "drop",
            &[Some(vec!["ALL"]), Some(vec!["ALL"]), Some(vec![one, "ALL"])],
            &[
                None,
                Some(vec![]),
                Some(vec!["all"]),
                Some(vec!["CAP_ALL"]),
                Some(vec!["ALL "]),
                Some(vec![other]),
            ],
        );
        self.field(
            &mut capabilities,
            "add",
            &[None, Some(vec![]), Some(vec!["NET_BIND_SERVICE"])],
            &[Some(vec![one]), Some(vec!["NET_BIND_SERVICE", other])],
        );
        self.object(context, "capabilities", capabilities);
    }

    fn ports(&mut self, container: &mut Map<String, Value>) {
        if self.one_in(2) {
            return self.field::<Vec<Value>>(
                container,
                "ports",
                &[None, Some(Vec::new())],
                &[None],
            );
        }
        let ports: Vec<_> = (0..self.pick(&[1, 1, 2]))
            .map(|_| {
                let mut port = Map::new();
                port.insert("containerPort".to_owned(), self.pick(&[80, 8080, 0]).into());
                self.field(
                    &mut port,
                    "hostPort",
                    &[None, None, Some(0)],
                    &[
                        Some(80),
                        Some(-1),
                        Some(65_535),
                        Some(65_536),
                        Some(i32::MAX),
                    ],
                );
                Value::Object(port)
            })
            .collect();
        container.insert("ports".to_owned(), ports.into());
    }

    fn users_and_windows(&mut self, context: &mut Map<String, Value>) {
        self.field(
            context,
            "runAsUser",
            &[
                None,
                None,
                None,
                Some(1000),
                Some(1),
                Some(-1),
                Some(i64::MAX),
            ],
            &[Some(0)],
        );
        self.field(context, "runAsGroup", &[None, Some(0)], &[Some(1)]);
        if self.one_in(4) {
            let mut windows = Map::new();
            self.field(
                &mut windows,
                "hostProcess",
                &[None, Some(false)],
                &[Some(true)],
            );
            self.object(context, "windowsOptions", windows);
        }
    }

    fn profile(&mut self, context: &mut Map<String, Value>, field: &str) {
        let profile = if self.is_odd() {
            let odd = [
                "Unconfined",
                "unconfined",
                "runtimeDefault",
                "RUNTIMEDEFAULT",
                "runtime/default",
                "RuntimeDefault ",
                "localhost",
                "Confined",
                "",
            ];
            let word = self.pick(&odd);
            self.pick(&[
                json!({"type": word}),
                json!({"type": word}),
                json!({}),
                json!({"type": null}),
            ])
        } else {
            self.pick(&[
                json!({"type": "RuntimeDefault"}),
                json!({"type": "RuntimeDefault", "localhostProfile": null}),
                json!({"type": "Localhost", "localhostProfile": "profiles/audit.json"}),
                json!({"type": "Localhost", "localhostProfile": "../Unconfined"}),
            ])
        };
        context.insert(field.to_owned(), profile);
    }

    fn annotations(&mut self, mut names: Vec<String>) -> Map<String, Value> {
        const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
        let mut annotations = Map::new();
        names.extend([String::new(), "ghost".to_owned()]);
        let mut keys = vec![
            "example.com/owner".to_owned(),
            "Container.apparmor.security.beta.kubernetes.io/ghost".to_owned(),
            "container.apparmor.security.beta.kubernetes.io".to_owned(),
            "seccomp.security.alpha.kubernetes.io/pod".to_owned(),
            "container.seccomp.security.alpha.kubernetes.io/containers-0".to_owned(),
        ];
        keys.retain(|_| self.one_in(16));
        for key in keys {
            annotations.insert(key, self.pick(&["unconfined", "runtime/default"]).into());
        }
        for name in names {
            if self.one_in(6) {
                self.field(
                    &mut annotations,
                    &format!("{APP_ARMOR}{name}"),
                    &[
                        Some("runtime/default"),
                        Some("localhost/shop-web"),
                        Some("localhost/"),
                        Some("localhost/unconfined"),
                        Some(""),
                    ],
                    &[
                        Some("unconfined"),
                        Some("Unconfined"),
                        Some("RuntimeDefault"),
                        Some("runtime/Default"),
                        Some("docker/default"),
                        Some("localhost"),
                        Some(" localhost/shop-web"),
                        Some(" "),
                    ],
                );
            }
        }
        annotations
    }
}

/// The standard: its level *restricted*, rule by rule.
mod standard {
    use super::{Broken, Value};

    /// Which rules a pod breaks, by the names that the policy has for them. `relaxed`: whether the
    /// version is one that relaxes for user namespaces.
    pub(super) fn broken(pod: &Value, relaxed: bool) -> Broken {
        let spec = &pod["spec"];
        let pod_context = &spec["securityContext"];
        let contexts: Vec<&Value> = containers(spec)
            .into_iter()
            .map(|container| &container["securityContext"])
            .collect();
        let is_windows = spec["os"]["name"] == "windows";
        let skips_users = relaxed && spec["hostUsers"] == false;

        let is_any = |bad: &dyn Fn(&Value) -> bool| contexts.iter().any(|context| bad(context));
        let is_anywhere = |bad: &dyn Fn(&Value) -> bool| bad(pod_context) || is_any(bad);

        let mut broken = Broken::new();
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
        rule(
            "appArmor",
            is_anywhere(&|context| is_bad_if_set(&context["appArmorProfile"])),
        );
        rule("appArmor", has_bad_annotation(pod));
        rule(
            "procMount",
            is_any(&|context| {
                let mount = &context["procMount"];
                !mount.is_null() && mount != "Default"
            }),
        );

        // Restricted.
        if !is_windows {
            rule(
                "privilegeEscalation",
                is_any(&|context| context["allowPrivilegeEscalation"] != false),
            );
            rule("capabilities", is_any(&does_not_drop_all));
            rule("capabilities", is_any(&adds_more_than_binding));
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
        if !skips_users {
            rule(
                "rootUser",
                is_anywhere(&|context| context["runAsNonRoot"] == false),
            );
            rule(
                "rootUser",
                is_any(&|context| {
                    context["runAsNonRoot"].is_null() && pod_context["runAsNonRoot"] != true
                }),
            );
            rule(
                "rootUser",
                is_anywhere(&|context| context["runAsUser"] == 0),
            );
        }
        broken
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

    fn adds_more_than_binding(context: &Value) -> bool {
        let add = elements(&context["capabilities"]["add"]);
        add.into_iter().any(|added| added != "NET_BIND_SERVICE")
    }
}

const PODS: u64 = 100_000;

/// The controls that stand for rules of the standard, sorted.
const CONTROLS: [&str; 9] = [
    "appArmor",
    "capabilities",
    "hostNamespaces",
    "hostPorts",
    "privilegeEscalation",
    "privileged",
    "procMount",
    "rootUser",
    "seccomp",
];
