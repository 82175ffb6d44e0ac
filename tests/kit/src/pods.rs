//! Pods that a standard can be asked about: every field that the Pod Security Standard reads, in every
//! list of containers, with good and odd values, from a seed.
//!
//! What is left out, because the API server does not send it and the policy cannot decode it: `null` in
//! a list, for a name, or for an annotation's value, and values of another type.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a generator that is wrong must fail, and say where"
)]

use serde_json::{Map, Value, json};

/// Makes pods out of a seed: most fields as they should be, some as they should not.
pub struct Generator {
    state: u64,
    /// One field in how many is odd.
    rarity: u64,
    is_windows: bool,
    /// Whether there may be what only some part of the API server refuses, or does not know.
    is_unvalidated: bool,
}

impl Generator {
    /// Pods as the API server would let them through, but for single values.
    pub fn new(seed: u64) -> Self {
        let mut generator = Self {
            state: seed,
            rarity: 1,
            is_windows: false,
            is_unvalidated: false,
        };
        generator.rarity = generator.pick(&[400, 100, 100, 30, 30, 4]);
        generator
    }

    /// Pods as somebody may send them to the API server.
    pub fn unvalidated(seed: u64) -> Self {
        Self {
            is_unvalidated: true,
            ..Self::new(seed)
        }
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

    /// The next pod.
    pub fn pod(&mut self) -> Value {
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
        if self.one_in(4) {
            self.se_linux(&mut context);
        }
        if self.one_in(3) {
            self.sysctls(&mut context);
        }
        self.object(&mut spec, "securityContext", context);
        self.volumes(&mut spec);

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
        if self.one_in(6) {
            self.se_linux(&mut context);
        }
        // What a container's context does not have must not count.
        if self.one_in(16) {
            context.insert(
                "sysctls".to_owned(),
                json!([{"name": "kernel.msgmax", "value": "1"}]),
            );
        }
        let mut container = json!({"name": name, "image": "shop/web"})
            .as_object()
            .unwrap()
            .clone();
        self.object(&mut container, "securityContext", context);
        self.ports(&mut container);
        for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if self.one_in(5) {
                let probe = self.handler();
                self.object(&mut container, key, probe);
            }
        }
        if self.one_in(5) {
            let mut lifecycle = Map::new();
            for key in ["postStart", "preStop"] {
                if self.one_in(2) {
                    let hook = self.handler();
                    self.object(&mut lifecycle, key, hook);
                }
            }
            self.object(&mut container, "lifecycle", lifecycle);
        }
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

    fn handler(&mut self) -> Map<String, Value> {
        let mut handler = Map::new();
        let host = [
            "127.0.0.1",
            "localhost",
            "::1",
            "db.prod",
            " ",
            "\u{e9}\"\\host",
        ];
        for key in ["httpGet", "tcpSocket", "exec"] {
            if !self.one_in(3) {
                continue;
            }
            let mut action = Map::new();
            if key == "exec" {
                action.insert("command".to_owned(), json!(["cat", "host", "\"host\""]));
            } else {
                action.insert("port".to_owned(), 80.into());
                let odd = self.pick(&host);
                self.field(&mut action, "host", &[None, None, Some("")], &[Some(odd)]);
            }
            if key == "httpGet" && self.one_in(4) {
                let headers = json!([{"name": "host", "value": "evil.example"}]);
                action.insert("httpHeaders".to_owned(), headers);
            }
            self.object(&mut handler, key, action);
        }
        if self.one_in(4) {
            handler.insert("host".to_owned(), "nobody.reads.it".into());
        }
        handler
    }

    fn se_linux(&mut self, context: &mut Map<String, Value>) {
        let mut options = Map::new();
        let odd = ["spc_t", "container_T", "container_t ", "unconfined_t", " "];
        let odd = self.pick(&odd);
        self.field(
            &mut options,
            "type",
            &[
                None,
                Some(""),
                Some("container_t"),
                Some("container_init_t"),
                Some("container_kvm_t"),
                Some("container_engine_t"),
            ],
            &[Some(odd)],
        );
        for key in ["user", "role"] {
            self.field(
                &mut options,
                key,
                &[None, None, Some("")],
                &[Some("system_u"), Some(" ")],
            );
        }
        self.field(
            &mut options,
            "level",
            &[None, Some("s0:c1,c2")],
            &[Some("")],
        );
        self.object(context, "seLinuxOptions", options);
    }

    fn sysctls(&mut self, context: &mut Map<String, Value>) {
        const SAFE: &[&str] = &[
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_wmem",
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_notsent_lowat",
        ];
        const ODD: &[&str] = &[
            "kernel.msgmax",
            "kernel/shm_rmid_forced",
            "net/ipv4/tcp_syncookies",
            "net.ipv4.tcp_syncookies ",
            "net.ipv4.tcp_mem",
            "Kernel.shm_rmid_forced",
            "",
        ];
        let sysctls: Vec<Value> = (0..self.pick(&[0, 1, 1, 2, 3]))
            .map(|_| {
                let name = if self.is_odd() {
                    self.pick(ODD)
                } else {
                    self.pick(SAFE)
                };
                json!({"name": name, "value": "1"})
            })
            .collect();
        if sysctls.is_empty() {
            return self.field::<Vec<Value>>(
                context,
                "sysctls",
                &[None, Some(Vec::new())],
                &[None],
            );
        }
        context.insert("sysctls".to_owned(), sysctls.into());
    }

    fn volumes(&mut self, spec: &mut Map<String, Value>) {
        const GOOD: &[&str] = &[
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        const ODD: &[&str] = &[
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "hostPath",
            "hostPath",
            "hostPath",
            "iscsi",
            "nfs",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ];
        let volumes: Vec<Value> = (0..self.pick(&[0, 0, 1, 2]))
            .map(|index| {
                let mut volume = Map::new();
                volume.insert("name".to_owned(), format!("volume-{index}").into());
                let kind = if self.is_odd() {
                    self.pick(ODD)
                } else {
                    self.pick(GOOD)
                };
                let path = self.pick(&["/", "/var/log", "/var/log/../..", ""]);
                let content = match kind {
                    "hostPath" => json!({"path": path}),
                    "image" => json!({"reference": "shop/model"}),
                    _ => json!({}),
                };
                if !self.is_odd() {
                    volume.insert(kind.to_owned(), content);
                }
                if self.one_in(8) {
                    volume.insert(self.pick(GOOD).to_owned(), Value::Null);
                    volume.insert("hostPath".to_owned(), Value::Null);
                    volume.entry(kind).or_insert(Value::Null);
                }
                if self.is_unvalidated && self.is_odd() {
                    let (good, odd) = (self.pick(GOOD), self.pick(ODD));
                    let another = self.pick(&[good, odd, "wormhole"]);
                    volume.entry(another).or_insert(json!({}));
                }
                volume.into()
            })
            .collect();
        if volumes.is_empty() {
            return self.field::<Vec<Value>>(spec, "volumes", &[None, Some(Vec::new())], &[None]);
        }
        spec.insert("volumes".to_owned(), volumes.into());
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
            let named = json!({"type": word, "localhostProfile": "profiles/audit.json"});
            let unnamed = json!({"type": "Localhost"});
            let is_unvalidated = self.is_unvalidated && self.one_in(2);
            self.pick(&[
                json!({"type": word}),
                if is_unvalidated {
                    named
                } else {
                    json!({"type": word})
                },
                if is_unvalidated { unnamed } else { json!({}) },
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
