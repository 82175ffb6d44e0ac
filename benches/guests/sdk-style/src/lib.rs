//! A policy the way most policies are written: the SDK's `ValidationRequest`, a typed `PodSpec`,
//! and a handful of checks.
//!
//! It judges less than the policy does (host namespaces, `privileged`, the seccomp type, image
//! prefixes), so it is a comparison that flatters it.

use k8s_openapi::api::core::v1::{Container, PodSpec, SeccompProfile};
use kubewarden_policy_sdk::request::ValidationRequest;
use kubewarden_policy_sdk::settings::Validatable;
use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, reject_request, validate_settings,
};
use serde::Deserialize;
use wapc_guest::CallResult;

/// Registers the three functions that a Kubewarden host calls.
#[expect(
    unsafe_code,
    reason = "a waPC host finds this function by its unmangled name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    wapc_guest::register_function("validate", validate);
    wapc_guest::register_function("validate_settings", validate_settings::<Settings>);
    wapc_guest::register_function("protocol_version", protocol_version_guest);
}

/// What this guest reads of the policy's settings.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    registries: Registries,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registries {
    allow: Vec<String>,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

fn validate(payload: &[u8]) -> CallResult {
    let validation_request = ValidationRequest::<Settings>::new(payload)?;
    let Some(spec) = validation_request.extract_pod_spec_from_object()? else {
        return accept_request();
    };
    let violations = violations(&spec, &validation_request.settings);
    if violations.is_empty() {
        accept_request()
    } else {
        reject_request(Some(violations.join("; ")), None, None, None)
    }
}

fn violations(spec: &PodSpec, settings: &Settings) -> Vec<String> {
    let mut violations = Vec::new();
    for (set, field) in [
        (spec.host_network, "hostNetwork"),
        (spec.host_pid, "hostPID"),
        (spec.host_ipc, "hostIPC"),
    ] {
        if set == Some(true) {
            violations.push(format!("spec.{field} must not be true"));
        }
    }
    let pod_profile = spec
        .security_context
        .as_ref()
        .and_then(|context| context.seccomp_profile.as_ref());
    for container in spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
    {
        container_violations(container, pod_profile, settings, &mut violations);
    }
    violations
}

fn container_violations(
    container: &Container,
    pod_profile: Option<&SeccompProfile>,
    settings: &Settings,
    violations: &mut Vec<String>,
) {
    let name = &container.name;
    let context = container.security_context.as_ref();
    if context.and_then(|context| context.privileged) == Some(true) {
        violations.push(format!("container {name} must not be privileged"));
    }
    let profile = context
        .and_then(|context| context.seccomp_profile.as_ref())
        .or(pod_profile);
    if !profile.is_some_and(|profile| ["RuntimeDefault", "Localhost"].contains(&&*profile.type_)) {
        violations.push(format!("container {name} must have a seccomp profile"));
    }
    let image = container.image.as_deref().unwrap_or_default();
    let allow = &settings.registries.allow;
    if !allow.is_empty()
        && !allow
            .iter()
            .any(|prefix| image.starts_with(prefix.as_str()))
    {
        violations.push(format!(
            "container {name} uses the image {image}, which is not allowed"
        ));
    }
}
