//! Whether the API server would take a pod: its rules about the fields that the policy's suggestions
//! write, written down again from the source, and independent of the policy.
//!
//! Each rule is named after the function that has it in `pkg/apis/core/validation/validation.go` of
//! Kubernetes (1.36), or in the file that is named beside it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Why the API server refuses a Pod, or a pod template; nothing, where it takes it.
pub(super) fn refusals(is_pod: bool, pod: &Value) -> BTreeSet<String> {
    let mut pod = pod.clone();
    if is_pod {
        set_defaults(&mut pod);
        copy_app_armor_annotations(&mut pod);
    }
    let mut rules = Rules {
        pod: &pod,
        found: BTreeSet::new(),
    };
    rules.validate_pod_spec_security_context();
    rules.validate_containers();
    rules.validate_pod_host_network_deps(is_pod);
    rules.validate_windows_host_process_pod();
    rules.validate_host_users();
    match text(&pod, "/spec/os/name") {
        Some("linux") => rules.validate_linux(),
        Some("windows") => rules.validate_windows(),
        _ => {}
    }
    rules.validate_pod_specific_annotations();
    if is_pod {
        rules.validate_annotations_and_fields_match();
    }
    rules.found
}

/// `SetDefaults_Pod` of `pkg/apis/core/v1/defaults.go`: on the network of its node, each port of a Pod is
/// one of the node.
fn set_defaults(pod: &mut Value) {
    if !flag(pod, "/spec/hostNetwork") {
        return;
    }
    for list in ["containers", "initContainers"] {
        for container in elements_mut(pod.pointer_mut(&format!("/spec/{list}"))) {
            for port in elements_mut(container.pointer_mut("/ports")) {
                if port["hostPort"].as_i64().unwrap_or_default() == 0 {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
}

/// `applyAppArmorVersionSkew` of `pkg/registry/core/pod/strategy.go`: what an annotation asks for becomes
/// the field of its container, where there is none.
fn copy_app_armor_annotations(pod: &mut Value) {
    if text(pod, "/spec/os/name") == Some("windows") {
        return;
    }
    let of_pod = pod
        .pointer("/spec/securityContext/appArmorProfile")
        .cloned();
    for (list, index, name) in containers(pod) {
        let pointer = format!("/spec/{list}/{index}/securityContext/appArmorProfile");
        let key = format!("{APP_ARMOR}{name}");
        let annotation = pod["metadata"]["annotations"][key.as_str()].as_str();
        let profile = annotation.and_then(|value| match value {
            "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
            "unconfined" => Some(json!({"type": "Unconfined"})),
            value => value
                .strip_prefix("localhost/")
                .filter(|name| !name.is_empty())
                .map(|name| json!({"type": "Localhost", "localhostProfile": name})),
        });
        let own = pod.pointer(&pointer).filter(|own| !own.is_null());
        if let (Some(profile), None) = (profile, own)
            && of_pod.as_ref() != Some(&profile)
        {
            super::requests::set(pod, &pointer, profile);
        }
    }
}

struct Rules<'p> {
    pod: &'p Value,
    found: BTreeSet<String>,
}

impl Rules<'_> {
    fn refuse(&mut self, place: &str, why: &str) {
        self.found.insert(format!("{place}: {why}"));
    }

    fn validate_pod_spec_security_context(&mut self) {
        if flag(self.pod, "/spec/shareProcessNamespace") && flag(self.pod, "/spec/hostPID") {
            self.refuse("/spec/shareProcessNamespace", "beside hostPID");
        }
        self.validate_profiles("/spec/securityContext");
    }

    /// `ValidateSecurityContext`, of each container.
    fn validate_containers(&mut self) {
        for (list, index, _) in containers(self.pod) {
            let context = format!("/spec/{list}/{index}/securityContext");
            self.validate_profiles(&context);
            let own = self.pod.pointer(&context).unwrap_or(&Value::Null);
            let escalation = own.get("allowPrivilegeEscalation");
            let adds_admin = elements(own.pointer("/capabilities/add"))
                .iter()
                .any(|name| name == "CAP_SYS_ADMIN");
            let proc_mount = text(own, "/procMount");
            if escalation == Some(&Value::Bool(false)) {
                if flag(own, "/privileged") {
                    self.refuse(&context, "allowPrivilegeEscalation beside privileged");
                }
                if adds_admin {
                    self.refuse(&context, "allowPrivilegeEscalation beside CAP_SYS_ADMIN");
                }
            }
            match proc_mount {
                None | Some("Default") => {}
                Some("Unmasked") => {
                    if self.pod.pointer("/spec/hostUsers") != Some(&Value::Bool(false)) {
                        self.refuse(&context, "procMount without hostUsers: false");
                    }
                }
                // `ValidateProcMountType`.
                Some(_) => self.refuse(&context, "procMount"),
            }
        }
    }

    fn validate_profiles(&mut self, context: &str) {
        for field in ["seccompProfile", "appArmorProfile"] {
            let place = format!("{context}/{field}");
            let Some(profile) = self.pod.pointer(&place).filter(|it| !it.is_null()) else {
                continue;
            };
            let name = profile.get("localhostProfile").filter(|it| !it.is_null());
            match (text(profile, "/type"), name) {
                (Some("Localhost"), Some(name)) => {
                    let name = name.as_str().unwrap_or_default();
                    let is_valid = match field {
                        // `validateLocalDescendingPath` of `validateSeccompProfileField`.
                        "seccompProfile" => {
                            !name.starts_with('/') && name.split('/').all(|part| part != "..")
                        }
                        // `ValidateAppArmorProfileField`.
                        _ => !name.is_empty() && name.trim() == name && name.len() <= 4095,
                    };
                    if !is_valid {
                        self.refuse(&place, "localhostProfile");
                    }
                }
                (Some("Localhost"), None) => self.refuse(&place, "no localhostProfile"),
                (Some("RuntimeDefault" | "Unconfined"), Some(_)) => {
                    self.refuse(&place, "a localhostProfile");
                }
                (Some("RuntimeDefault" | "Unconfined"), None) => {}
                _ => self.refuse(&place, "type"),
            }
        }
    }

    fn validate_pod_host_network_deps(&mut self, is_pod: bool) {
        if !flag(self.pod, "/spec/hostNetwork") {
            return;
        }
        for (index, container) in elements(self.pod.pointer("/spec/containers"))
            .iter()
            .enumerate()
        {
            for port in elements(container.pointer("/ports")) {
                let number = |key: &str| port[key].as_i64().unwrap_or_default();
                let (host, own) = (number("hostPort"), number("containerPort"));
                if (is_pod || host != 0) && host != own {
                    let place = format!("/spec/containers/{index}/ports");
                    self.refuse(&place, "hostPort other than containerPort");
                }
            }
        }
    }

    fn validate_windows_host_process_pod(&mut self) {
        const FIELD: &str = "/securityContext/windowsOptions/hostProcess";
        let given = |at: &Value| at.pointer(FIELD).and_then(Value::as_bool);
        let of_pod = given(&self.pod["spec"]);
        let (mut with, mut without) = (0, 0);
        for (list, index, _) in containers(self.pod) {
            let own = given(&self.pod["spec"][list][index]);
            if let (Some(own), Some(of_pod)) = (own, of_pod)
                && own != of_pod
            {
                self.refuse(&format!("/spec/{list}/{index}"), "hostProcess as the pod's");
            }
            if own.or(of_pod) == Some(true) {
                with += 1;
            } else {
                without += 1;
            }
        }
        if with > 0 {
            if without > 0 {
                self.refuse("/spec", "hostProcess in all containers");
            }
            if !flag(self.pod, "/spec/hostNetwork") {
                self.refuse("/spec/hostNetwork", "true for hostProcess");
            }
        }
    }

    fn validate_host_users(&mut self) {
        if self.pod.pointer("/spec/hostUsers") != Some(&Value::Bool(false)) {
            return;
        }
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            if flag(self.pod, &format!("/spec/{field}")) {
                self.refuse("/spec/hostUsers", &format!("false beside {field}"));
            }
        }
    }

    fn validate_linux(&mut self) {
        self.refuse_fields(&["windowsOptions"], &["windowsOptions"]);
    }

    fn validate_windows(&mut self) {
        for field in ["hostUsers", "shareProcessNamespace"] {
            let value = self.pod.pointer(&format!("/spec/{field}"));
            if value.is_some_and(|value| !value.is_null()) {
                self.refuse(&format!("/spec/{field}"), "on Windows");
            }
        }
        for field in ["hostPID", "hostIPC"] {
            if flag(self.pod, &format!("/spec/{field}")) {
                self.refuse(&format!("/spec/{field}"), "on Windows");
            }
        }
        self.refuse_fields(
            &["appArmorProfile", "seccompProfile", "runAsUser"],
            &[
                "appArmorProfile",
                "seccompProfile",
                "capabilities",
                "readOnlyRootFilesystem",
                "privileged",
                "allowPrivilegeEscalation",
                "procMount",
                "runAsUser",
            ],
        );
    }

    /// Fields that the system of the pod does not have.
    fn refuse_fields(&mut self, of_pod: &[&str], of_container: &[&str]) {
        let mut contexts = vec![("/spec/securityContext".to_owned(), of_pod)];
        for (list, index, _) in containers(self.pod) {
            contexts.push((
                format!("/spec/{list}/{index}/securityContext"),
                of_container,
            ));
        }
        for (context, fields) in contexts {
            for field in fields {
                let place = format!("{context}/{field}");
                let value = self.pod.pointer(&place);
                if value.is_some_and(|value| !value.is_null()) {
                    self.refuse(&place, "on this system");
                }
            }
        }
    }

    /// `ValidateSeccompPodAnnotations` and `ValidateAppArmorPodAnnotations`.
    fn validate_pod_specific_annotations(&mut self) {
        let names: Vec<String> = containers(self.pod)
            .into_iter()
            .map(|(.., name)| name)
            .collect();
        for (key, value) in annotations(self.pod) {
            let is_localhost = value.starts_with("localhost/");
            if let Some(name) = key.strip_prefix(APP_ARMOR) {
                if !names.iter().any(|known| known == name) {
                    self.refuse(key, "no such container");
                }
                let is_known = matches!(value, "" | "runtime/default" | "unconfined");
                if !is_known && !is_localhost {
                    self.refuse(key, "no profile");
                }
            } else if key == SECCOMP_OF_POD || key.starts_with(SECCOMP) {
                let is_known = matches!(value, "runtime/default" | "docker/default" | "unconfined");
                if !is_known && !is_localhost {
                    self.refuse(key, "no profile");
                }
            }
        }
    }

    /// `validateSeccompAnnotationsAndFields` and `validateAppArmorAnnotationsAndFieldsMatchOnCreate`.
    fn validate_annotations_and_fields_match(&mut self) {
        let field = |at: String| {
            let found = self.pod.pointer(&at);
            found.filter(|found| !found.is_null()).cloned()
        };
        let mut pairs = Vec::new();
        let of_pod = |name: &str| field(format!("/spec/securityContext/{name}"));
        pairs.push((SECCOMP_OF_POD.to_owned(), of_pod("seccompProfile")));
        for (list, index, name) in containers(self.pod) {
            let own = |field_name: &str| {
                field(format!("/spec/{list}/{index}/securityContext/{field_name}"))
            };
            pairs.push((format!("{SECCOMP}{name}"), own("seccompProfile")));
            if text(self.pod, "/spec/os/name") != Some("windows") {
                let app_armor = own("appArmorProfile").or_else(|| of_pod("appArmorProfile"));
                pairs.push((format!("{APP_ARMOR}{name}"), app_armor));
            }
        }
        let mut refused = Vec::new();
        for (key, value) in annotations(self.pod) {
            let of_key = pairs.iter().find(|(other, _)| other == key);
            let Some((_, Some(profile))) = of_key else {
                continue;
            };
            let name = text(profile, "/localhostProfile").unwrap_or_default();
            let matches = match text(profile, "/type") {
                Some("Unconfined") => value == "unconfined",
                Some("RuntimeDefault") => {
                    value == "runtime/default"
                        || (value == "docker/default" && !key.starts_with(APP_ARMOR))
                }
                Some("Localhost") => value.strip_prefix("localhost/") == Some(name),
                // Kubernetes has refused it for its type.
                _ => false,
            };
            if !matches {
                refused.push(key.to_owned());
            }
        }
        for key in refused {
            self.refuse(&key, "other than the field");
        }
    }
}

/// Every container: its list, its position and its name.
pub(super) fn containers(pod: &Value) -> Vec<(&'static str, usize, String)> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists
        .into_iter()
        .flat_map(|list| {
            let of_list = elements(pod.pointer(&format!("/spec/{list}")));
            of_list.iter().enumerate().map(move |(index, container)| {
                let name = text(container, "/name").unwrap_or_default();
                (list, index, name.to_owned())
            })
        })
        .collect()
}

fn annotations(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = pod
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    all.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn elements(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn elements_mut(list: Option<&mut Value>) -> &mut [Value] {
    list.and_then(Value::as_array_mut)
        .map_or(&mut [], Vec::as_mut_slice)
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(true))
}

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
