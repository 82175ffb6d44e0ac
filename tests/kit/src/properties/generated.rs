//! Inputs made from bytes: what a fuzzer changes a bit at a time, and what a corpus stores.
//!
//! Where the bytes are used up, the first or least of everything follows, so every input, however
//! short, is complete.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a generator that is wrong must fail, and say where"
)]

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use serde_json::{Map, Value, json};

use super::{BASE_DIGEST, BASE_NAME, DIGEST, HostAnswers};
use crate::requests;

/// What widens a list of the settings.
#[derive(Debug, Clone)]
pub struct Wider {
    /// The place of the list, as a JSON pointer.
    pub list: &'static str,
    /// The list, where the settings have none.
    pub least: Value,
    /// What is put into it.
    pub more: Vec<Value>,
}

/// Bytes, read as choices.
pub struct Choices<'b>(Unstructured<'b>);

impl<'b> Choices<'b> {
    /// The choices that these bytes make.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    fn number(&mut self, most: u32) -> u32 {
        self.0.int_in_range(0..=most).unwrap_or_default()
    }

    /// Seldom true: one time in `of`.
    fn once_in(&mut self, of: u32) -> bool {
        self.number(of.saturating_sub(1)) == of.saturating_sub(1)
    }

    fn flag(&mut self) -> bool {
        self.number(1) == 1
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let last = u32::try_from(of.len().saturating_sub(1)).unwrap();
        of[usize::try_from(self.number(last)).unwrap()]
    }

    /// One of these, or seldom any text at all.
    fn word(&mut self, of: &[&str]) -> String {
        if self.once_in(16) {
            self.text()
        } else {
            self.pick(of).to_owned()
        }
    }

    /// Any text.
    pub fn text(&mut self) -> String {
        self.0.arbitrary::<String>().unwrap_or_default()
    }

    fn words(&mut self, of: &[&str], most: u32) -> Vec<Value> {
        let count = self.number(most);
        (0..count).map(|_| self.word(of).into()).collect()
    }

    /// Any JSON, not deep.
    pub fn json(&mut self, depth: u32) -> Value {
        match self.number(if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => self.flag().into(),
            2 => self.0.arbitrary::<i64>().unwrap_or_default().into(),
            3 => self.word(WORDS).into(),
            4 => self.0.arbitrary::<f64>().unwrap_or_default().into(),
            5 => {
                let count = self.number(3);
                (0..count).map(|_| self.json(depth - 1)).collect()
            }
            _ => {
                let count = self.number(3);
                let entries = (0..count).map(|_| (self.word(WORDS), self.json(depth - 1)));
                Value::Object(entries.collect())
            }
        }
    }

    /// A pod that is nearly always one, and often breaks a rule or two.
    pub fn pod(&mut self) -> Value {
        let mut pod = requests::valid_pod();
        for (list, least) in [
            ("initContainers", 0),
            ("containers", 1),
            ("ephemeralContainers", 0),
        ] {
            let count = least + self.number(2);
            let containers = (0..count).map(|index| self.container(&format!("{list}-{index}")));
            pod["spec"][list] = containers.collect();
        }
        while self.once_in(3) {
            let (pointer, value) = match self.number(10) {
                0 => ("/spec/hostPID", self.boolean()),
                1 => ("/spec/hostIPC", self.boolean()),
                2 => ("/spec/hostNetwork", self.boolean()),
                3 => ("/spec/hostUsers", self.boolean()),
                4 => ("/spec/shareProcessNamespace", self.boolean()),
                5 => (
                    "/spec/os",
                    json!({"name": self.word(&["linux", "windows"])}),
                ),
                6 => {
                    let context = self.security_context();
                    ("/spec/securityContext", context)
                }
                7 => {
                    let image = json!({"reference": self.image()});
                    ("/spec/volumes", json!([{"name": "model", "image": image}]))
                }
                8 => {
                    let annotations = self.annotations();
                    ("/metadata/annotations", annotations)
                }
                9 => {
                    let of =
                        self.pick(&["/spec/", "/spec/securityContext/", "/spec/containers/0/"]);
                    let pointer = format!("{of}{}", self.pick(&["newer", "newest"]));
                    let value = json!(self.number(1));
                    requests::set(&mut pod, &pointer, value);
                    continue;
                }
                _ => ("/metadata/namespace", self.word(NAMESPACES).into()),
            };
            requests::set(&mut pod, pointer, value);
        }
        pod
    }

    /// A container of this name.
    pub fn container(&mut self, name: &str) -> Value {
        let mut container = requests::valid_container(name);
        while self.once_in(3) {
            match self.number(4) {
                0 => container["image"] = self.image().into(),
                1 => {
                    let ports = (0..=self.number(1)).map(|_| {
                        let port = self.number(100);
                        json!({"containerPort": self.number(100), "hostPort": port})
                    });
                    container["ports"] = ports.collect();
                }
                2 => container["securityContext"] = self.security_context(),
                3 => {
                    let Value::Object(mut changes) = self.security_context() else {
                        continue;
                    };
                    if let Value::Object(context) = &mut container["securityContext"] {
                        context.append(&mut changes);
                    }
                }
                _ => {
                    let key = self.pick(&["image", "ports", "securityContext", "lifecycle"]);
                    container[key] = self.json(2);
                }
            }
        }
        container["name"] = name.into();
        container
    }

    /// Some fields of a security context, of a pod or of a container.
    fn security_context(&mut self) -> Value {
        let mut context = json!({});
        for _ in 0..=self.number(3) {
            let (field, value) = match self.number(11) {
                0 => ("privileged", self.boolean()),
                1 => ("allowPrivilegeEscalation", self.boolean()),
                2 => ("runAsNonRoot", self.boolean()),
                3 => ("readOnlyRootFilesystem", self.boolean()),
                4 => ("runAsUser", self.number(2).into()),
                5 => ("seccompProfile", self.profile()),
                6 => ("appArmorProfile", self.profile()),
                7 => ("procMount", self.word(&["Default", "Unmasked"]).into()),
                8 => ("windowsOptions", json!({"hostProcess": self.boolean()})),
                9 => (
                    "capabilities",
                    json!({"drop": self.words(CAPABILITIES, 2), "add": self.words(CAPABILITIES, 2)}),
                ),
                10 => ("capabilities", json!({"drop": ["ALL"]})),
                _ => ("seLinuxOptions", self.json(1)),
            };
            context[field] = value;
        }
        context
    }

    fn boolean(&mut self) -> Value {
        match self.number(3) {
            0 => Value::Null,
            1 => false.into(),
            _ => true.into(),
        }
    }

    fn profile(&mut self) -> Value {
        let kind = self.word(&["RuntimeDefault", "Localhost", "Unconfined", ""]);
        let mut profile = json!({"type": kind});
        if self.flag() {
            profile["localhostProfile"] = self.word(&["a.json", "b.json", "./a.json", ""]).into();
        }
        profile
    }

    fn annotations(&mut self) -> Value {
        let entries = (0..=self.number(2)).map(|_| {
            let key = self.pick(&[
                "container.apparmor.security.beta.kubernetes.io/containers-0",
                "container.apparmor.security.beta.kubernetes.io/initContainers-1",
                "container.apparmor.security.beta.kubernetes.io/ghost",
                "seccomp.security.alpha.kubernetes.io/pod",
                "container.seccomp.security.alpha.kubernetes.io/containers-0",
                "note",
            ]);
            let value = self.word(&["runtime/default", "localhost/a.json", "unconfined", ""]);
            (key.to_owned(), value.into())
        });
        Value::Object(entries.collect())
    }

    /// One of the lists of containers.
    pub fn list(&mut self) -> &'static str {
        self.pick(&["containers", "initContainers", "ephemeralContainers"])
    }

    /// A place for a value that no control reads.
    pub fn unread(&mut self) -> String {
        let parent = self.pick(&[
            "/metadata/labels",
            "/metadata/annotations",
            "/metadata",
            "/spec",
            "/spec/nodeSelector",
            "/spec/containers/0",
            "/spec/containers/0/resources",
            "/spec/containers/0/env",
            "/status",
            "",
        ]);
        let key = self.pick(&[
            "exempt",
            "policy.example.com~1ignore",
            "container-security",
            "pod-security.kubernetes.io~1enforce",
            "seccomp.security.alpha.kubernetes.io",
            "x",
        ]);
        format!("{parent}/{key}")
    }

    /// Settings that are nearly always valid.
    pub fn settings(&mut self) -> Value {
        let mut settings = json!({});
        while self.flag() {
            let (section, mut written) = match self.number(15) {
                0 => ("appArmor", self.profile_section()),
                1 => ("seccomp", self.profile_section()),
                2 => (
                    "hostNamespaces",
                    json!({"forbidden": self.words(&["ipc", "pid", "network", "user"], 3)}),
                ),
                3 => ("hostPorts", json!({"allowed": self.port_ranges()})),
                4 => ("shareProcessNamespace", json!({})),
                5 => ("privileged", json!({})),
                6 => ("privilegeEscalation", json!({})),
                7 => (
                    "rootUser",
                    json!({
                        "require": self.pick(&["runAsNonRoot", "nonRootUser"]),
                        "relaxForUserNamespaces": self.flag(),
                    }),
                ),
                8 => (
                    "capabilities",
                    json!({
                        "allowedAdd": self.words(CAPABILITIES, 2),
                        "requiredDrop": self.words(CAPABILITIES, 2),
                    }),
                ),
                9 => (
                    "procMount",
                    json!({"allowed": self.words(&["Default", "Unmasked"], 2)}),
                ),
                10 => ("readOnlyRootFilesystem", json!({})),
                11 => {
                    let mut registries = json!({"reject": self.words(REJECTED, 2)});
                    if self.flag() {
                        let mut allow = self.words(ALLOWED, 3);
                        allow.push(self.pick(ALLOWED).into());
                        registries["allow"] = allow.into();
                    }
                    ("registries", registries)
                }
                12 => (
                    "imagePinning",
                    json!({
                        "requireDigest": self.flag(),
                        "rejectTags": self.words(&["latest", "1"], 2),
                    }),
                ),
                13 => ("unknownFields", json!({})),
                14 => {
                    settings["legacy"]["onUpdate"] =
                        self.pick(&["newViolations", "allViolations"]).into();
                    continue;
                }
                _ => {
                    let exemption = self.exemption();
                    requests::set(&mut settings, "/exemptions/-", exemption);
                    continue;
                }
            };
            if self.flag() {
                written["mode"] = self.pick(&["enforce", "warn", "disabled"]).into();
            }
            settings[section] = written;
        }
        settings
    }

    fn profile_section(&mut self) -> Value {
        let mut section = json!({"required": self.flag()});
        if self.flag() {
            section["allowed"] = self.words(PROFILES, 3).into();
        }
        if self.flag() {
            section["annotations"] = self.pick(&["ignore", "honor"]).into();
        }
        section
    }

    fn port_ranges(&mut self) -> Vec<Value> {
        let count = self.number(2);
        (0..count).map(|_| self.port_range()).collect()
    }

    fn port_range(&mut self) -> Value {
        let min = 1 + self.number(100);
        json!({"min": min, "max": min + self.number(20)})
    }

    fn exemption(&mut self) -> Value {
        let mut controls = self.words(
            &[
                "registries",
                "seccomp",
                "capabilities",
                "rootUser",
                "hostNamespaces",
            ],
            1,
        );
        controls.push("appArmor".into());
        let mut exemption = json!({ "controls": controls });
        if self.flag() {
            exemption["images"] = json!([self.pick(ALLOWED)]);
        } else {
            exemption["namespaces"] = json!([self.pick(NAMESPACES)]);
        }
        exemption
    }

    /// A list of what is allowed, and values that widen it.
    pub fn wider(&mut self) -> Wider {
        let wider = |list, least, more| Wider { list, least, more };
        match self.number(5) {
            0 => wider(
                "/registries/allow",
                json!(["myacr.azurecr.io"]),
                self.words(ALLOWED, 3),
            ),
            1 => wider(
                "/appArmor/allowed",
                json!(["RuntimeDefault"]),
                self.words(PROFILES, 3),
            ),
            2 => wider(
                "/seccomp/allowed",
                json!(["RuntimeDefault"]),
                self.words(PROFILES, 3),
            ),
            3 => wider("/hostPorts/allowed", json!([]), self.port_ranges()),
            4 => wider(
                "/capabilities/allowedAdd",
                json!([]),
                self.words(CAPABILITIES, 3),
            ),
            _ => {
                let more = self.words(&["Default", "Unmasked"], 2);
                wider("/procMount/allowed", json!(["Default"]), more)
            }
        }
    }

    /// Text that looks like an image reference, often one that is.
    pub fn image(&mut self) -> String {
        match self.number(3) {
            0 => self.pick(IMAGES).to_owned(),
            1 => self.text(),
            _ => {
                let host = self.host();
                self.path(host)
            }
        }
    }

    /// Text that looks like a pattern, often one that is.
    pub fn pattern(&mut self) -> String {
        match self.number(3) {
            0 => self.pick(ALLOWED).to_owned(),
            1 => self.text(),
            _ => {
                let prefix = self.pick(&["", "", "*.", "*"]);
                let host = self.host();
                self.path(format!("{prefix}{host}"))
            }
        }
    }

    /// An image, and a pattern that is made of its beginning.
    pub fn image_and_pattern(&mut self) -> (String, String) {
        if self.flag() {
            return (self.image(), self.pattern());
        }
        let host = self.host();
        let image = self.path(host);
        let parts: Vec<&str> = image.split('/').collect();
        let kept = usize::try_from(self.number(u32::try_from(parts.len()).unwrap())).unwrap();
        let mut pattern = parts[..kept].join("/");
        if self.flag() {
            pattern = pattern.to_uppercase();
        }
        if self.flag()
            && let Some((_, domain)) = pattern.split_once('.')
        {
            pattern = format!("*.{domain}");
        }
        (image, pattern)
    }

    fn host(&mut self) -> String {
        let name = self.word(&[
            "docker.io",
            "index.docker.io",
            "Index.Docker.IO",
            "ghcr.io",
            "GHCR.io",
            "a.ghcr.io",
            "ghcr.io.evil.io",
            "evilghcr.io",
            "localhost",
            "[::1]",
            "ghcr_x.io",
            "",
        ]);
        let port = self.pick(&["", "", "", ":443", ":0443", ":5000", ":0", ":", ":x"]);
        format!("{name}{port}")
    }

    fn path(&mut self, mut text: String) -> String {
        for _ in 0..self.number(4) {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(&self.word(&[
                "library", "org", "app", "nginx", "org-evil", "a__b", "a.b", "*", "A",
            ]));
        }
        let version = match self.number(5) {
            0 => format!(":{}", self.word(&["latest", "1.27", "ghcr.io", "_"])),
            1 => format!("@{DIGEST}"),
            2 => format!(":1@{DIGEST}"),
            3 => format!("@{}", self.word(&["sha256:00", "sha512:00", "sha256"])),
            _ => String::new(),
        };
        text + &version
    }

    /// A control that asks the host, its settings, and what the host answers.
    pub fn asked(&mut self) -> (&'static str, Value, HostAnswers) {
        let (control, settings, operations): (_, _, &[&str]) = match self.number(4) {
            0 => ("signatures", self.signatures(), &["v2/verify"]),
            1 => (
                "vulnerabilities",
                json!({
                    "source": self.pick(&["sbomscanner", "trivy-operator"]),
                    "missingReport": self.pick(&["reject", "warn", "accept"]),
                    "onlyFixable": self.flag(),
                    "maximumReportAge": self.pick(&[None, Some("7d")]),
                    "maximumCvss": self.pick(&[None, Some(7.5)]),
                    "reject": [self.pick(&["CVE-2026-0001", "CVE-2026-0002"])],
                }),
                &["get_resource", "list_resources_by_namespace"],
            ),
            2 => (
                "rootUser",
                json!({
                    "require": self.pick(&["runAsNonRoot", "nonRootUser"]),
                    "imageUser": "judge",
                }),
                &["v1/oci_manifest_config", "v1/oci_manifest"],
            ),
            3 => (
                "localhostProfiles",
                json!({"source": "security-profiles-operator", "alsoInstalled": ["other"]}),
                &["get_resource"],
            ),
            _ => (
                "imageFreshness",
                json!({
                    "maximumAge": "90d",
                    "unknownAge": self.pick(&["reject", "accept"]),
                    "baseImage": self.pick(&["ignore", "current"]),
                    "unknownBase": self.pick(&["reject", "accept"]),
                    "baseRegistries": ["docker.io", "ghcr.io"],
                }),
                &[
                    "v1/oci_manifest_config",
                    "v1/manifest_digest",
                    "v1/oci_manifest",
                ],
            ),
        };
        let answers = operations
            .iter()
            .map(|operation| ((*operation).to_owned(), self.answer(operation)))
            .collect::<BTreeMap<_, _>>();
        let now = match self.number(3) {
            0 => 1_769_817_600,
            1 => 0,
            2 => -1,
            _ => self.0.arbitrary().unwrap_or_default(),
        };
        (control, settings, HostAnswers { answers, now })
    }

    fn signatures(&mut self) -> Value {
        let key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let authorities: Vec<Value> = (0..=self.number(2))
            .map(|_| match self.number(2) {
                0 => json!({"publicKeys": [key]}),
                1 => json!({"githubActions": {"owner": "org"}}),
                _ => json!({"publicKeys": [key], "githubActions": {"owner": "org"}}),
            })
            .collect();
        json!({"rules": [{"images": ["ghcr.io/org"], "anyOf": authorities}]})
    }

    fn answer(&mut self, operation: &str) -> Result<Vec<u8>, String> {
        match self.number(5) {
            0 => Err(format!("Host error: {}\nstack", self.word(HOST_ERRORS))),
            1 => Ok(self.0.arbitrary().unwrap_or_default()),
            2 => Ok(self.json(3).to_string().into_bytes()),
            _ => {
                let mut answer = self.good_answer(operation);
                // One thing in it is nearly always another.
                if self.flag() {
                    let pointer = self.pick(&[
                        "/is_trusted",
                        "/digest",
                        "/items",
                        "/items/0/imageMetadata/digest",
                        "/items/0/report/results",
                        "/items/0/report/vulnerabilities/0/severity",
                        "/items/0/report/vulnerabilities/0/vulnerabilityID",
                        "/items/0/report/results/0/vulnerabilities/0/cve",
                        "/items/0/report/results/0/vulnerabilities/0/cvss",
                        "/config/created",
                        "/config/config/User",
                        "/spec/mode",
                        "/spec/state",
                        "/status/status",
                        "/manifest/annotations",
                        "/manifests",
                    ]);
                    let value = self.json(2);
                    if let Some(place) = answer.pointer_mut(pointer) {
                        *place = value;
                    }
                }
                Ok(answer.to_string().into_bytes())
            }
        }
    }

    fn good_answer(&mut self, operation: &str) -> Value {
        let digest = self.pick(&[DIGEST, OTHER]);
        let severity = self.pick(&["CRITICAL", "LOW", "UNKNOWN", "Odd"]);
        match operation {
            "v2/verify" => json!({"is_trusted": true, "digest": digest}),
            "v1/manifest_digest" => json!({ "digest": digest }),
            "v1/oci_manifest" => json!({"manifests": [{ "digest": digest }]}),
            "v1/oci_manifest_config" => json!({
                "digest": DIGEST,
                "config": {
                    "created": self.word(&["2026-01-30T00:00:00Z", "2001-01-30T00:00:00Z", ""]),
                    "config": {"User": self.word(&["1000", "65532:65532", "0", "root", "nginx", ""])},
                },
                "manifest": {"annotations": {BASE_NAME: "debian:13", BASE_DIGEST: digest}},
            }),
            "get_resource" => json!({
                "spec": {
                    "mode": self.word(&["Enforce", "Complain"]),
                    "state": self.word(&["Enabled", "Disabled"]),
                },
                "status": {"status": self.word(&["Installed", "InProgress", "Error"])},
            }),
            "list_resources_by_namespace" => json!({"items": [{
                "metadata": {"creationTimestamp": "2026-01-30T00:00:00Z"},
                "imageMetadata": {"registryURI": "ghcr.io", "repository": "org/app",
                    "digest": digest},
                "report": {
                    "registry": {"server": "ghcr.io"},
                    "artifact": {"repository": "org/app", "digest": digest},
                    "updateTimestamp": "2026-01-30T00:00:00Z",
                    "vulnerabilities": [{"vulnerabilityID": "CVE-2026-0001", "score": 9.8,
                        "severity": severity, "resource": "zlib", "installedVersion": "1",
                        "fixedVersion": "2"}],
                    "results": [{"vulnerabilities": [{"cve": "CVE-2026-0001",
                        "severity": severity, "packageName": "zlib", "installedVersion": "1",
                        "fixedVersions": ["2"], "cvss": {"nvd": {"v3score": "9.8"}},
                        "suppressed": self.boolean()}]}],
                },
            }]}),
            _ => Value::Object(Map::new()),
        }
    }
}

const WORDS: &[&str] = &[
    "name",
    "type",
    "image",
    "ports",
    "containers",
    "spec",
    "resources",
    "env",
    "digest",
    "is_trusted",
    "items",
    "created",
    "config",
    "manifest",
    "CVE-2026-0001",
    "CRITICAL",
];

const NAMESPACES: &[&str] = &["shop", "kube-system", "default"];

const CAPABILITIES: &[&str] = &["ALL", "NET_BIND_SERVICE", "SYS_ADMIN", "all", "CAP_CHOWN"];

const PROFILES: &[&str] = &[
    "RuntimeDefault",
    "Localhost/*",
    "Localhost/a.json",
    "Localhost/b.json",
    "Unconfined",
];

const IMAGES: &[&str] = &[
    "myacr.azurecr.io/shop/app:1",
    "nginx",
    "library/nginx:1.27",
    "myacr.azurecr.io.evil.io/app",
    "EVIL/x",
    "ghcr.io/org/app",
    "ghcr.io/org-evil/app:latest",
    "GHCR.io:443/org/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "no reference",
    "foo_bar.io/app",
    "",
];

const ALLOWED: &[&str] = &[
    "myacr.azurecr.io",
    "docker.io/library",
    "docker.io",
    "ghcr.io/org",
    "ghcr.io/*/app",
    "ghcr.io:443",
    "*.evil.io",
    "docker.io/library/nginx:1.27",
];

const REJECTED: &[&str] = &["ghcr.io/org/app", "docker.io/library/nginx:1.27", "*.io"];

const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

const HOST_ERRORS: &[&str] = &[
    "Callback evaluation failure: no signatures found for image: x ",
    "Callback evaluation failure: Image verification failed: missing signatures",
    "Callback evaluation failure: failed to get image trusted layers: Cannot fetch manifest of x",
    "Callback evaluation failure: OCI API errors: [OCI API error: manifest unknown]",
    "Policy has not been granted access to the 'x' host capability.",
    "Callback evaluation failure: Cannot find x/VulnerabilityReport named 'y'",
    "\u{1b}[2J\r- registries: forged",
];
