//! Policies that judge what a pod gets of its node: files, volumes, parameters of the kernel, labels.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Translation, decode, unless_refused};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HostPaths {
    #[serde(default)]
    allowed_host_paths: Vec<HostPath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HostPath {
    path_prefix: String,
    read_only: bool,
}

pub(super) fn host_paths(settings: &Value) -> Translation {
    let settings: HostPaths = decode(settings)?;
    let paths = settings.allowed_host_paths;
    if paths.is_empty() {
        // Its word for no restriction.
        return Ok(vec![("volumes", json!({"mode": "disabled"}))]);
    }
    let mut refusals = Vec::new();
    for (index, HostPath { path_prefix, .. }) in paths.iter().enumerate() {
        let at = format!("allowedHostPaths[{index}].pathPrefix: {path_prefix:?}");
        if !path_prefix.starts_with('/') {
            refusals.push(format!("{at} is no absolute path"));
        } else if path_prefix.contains("//")
            || path_prefix
                .split('/')
                .any(|segment| [".", ".."].contains(&segment))
        {
            refusals.push(format!(
                "{at} is compared as text there, and resolved here; write the path that it means"
            ));
        }
    }
    for (index, strict) in paths.iter().enumerate().filter(|(_, path)| path.read_only) {
        let looser = paths
            .iter()
            .find(|path| !path.read_only && is_at_or_below(strict, path));
        if let Some(looser) = looser {
            refusals.push(format!(
                "allowedHostPaths[{index}]: {:?} is read-only within {:?}, which is not; of several \
                 entries of volumes.hostPaths the one that allows more counts",
                strict.path_prefix, looser.path_prefix
            ));
        }
    }
    let host_paths: Vec<_> = paths
        .iter()
        .map(|path| json!({"path": path.path_prefix, "readOnly": path.read_only}))
        .collect();
    let section = json!({"allowed": ["*"], "forbidden": ["hostPath"], "hostPaths": host_paths});
    unless_refused(refusals, vec![("volumes", section)])
}

fn is_at_or_below(path: &HostPath, other: &HostPath) -> bool {
    let whole = |path: &HostPath| format!("{}/", path.path_prefix.trim_end_matches('/'));
    whole(path).starts_with(&whole(other))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Volumes {
    allowed_types: BTreeSet<String>,
    ignore_init_containers_volumes: bool,
}

pub(super) fn volumes(settings: &Value) -> Translation {
    let settings: Volumes = decode(settings)?;
    let allowed = settings.allowed_types;
    let mut refusals = Vec::new();
    if allowed.is_empty() {
        refusals.push(
            "allowedTypes is empty, which rejects every Pod, also one without volumes; \
             volumes.allowed must name the types that may be used"
                .to_owned(),
        );
    }
    if allowed.contains("*") && allowed.len() > 1 {
        refusals.push(
            "allowedTypes: \"*\" beside other types, which volumes-psp refuses itself".to_owned(),
        );
    }
    if settings.ignore_init_containers_volumes {
        refusals.push(
            "ignoreInitContainersVolumes: this policy judges every volume, whoever mounts it"
                .to_owned(),
        );
    }
    let section = if allowed.contains("*") {
        json!({"mode": "disabled"})
    } else {
        json!({"allowed": allowed})
    };
    unless_refused(refusals, vec![("volumes", section)])
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Sysctls {
    allowed_unsafe_sysctls: BTreeSet<String>,
    forbidden_sysctls: BTreeSet<String>,
}

/// What a pattern forbids, `allowedUnsafeSysctls` allows again, and what is neither safe nor allowed is
/// rejected anyway. So a pattern is of importance for safe names only, and those can be listed.
pub(super) fn sysctls(settings: &Value) -> Translation {
    let settings: Sysctls = decode(settings)?;
    let (allowed, forbidden) = (settings.allowed_unsafe_sysctls, settings.forbidden_sysctls);
    let mut refusals = Vec::new();
    for name in allowed.iter().filter(|name| name.contains('*')) {
        refusals.push(format!(
            "allowedUnsafeSysctls: {name:?} has a wildcard, which sysctl-psp refuses itself"
        ));
    }
    for name in &forbidden {
        if name.strip_suffix('*').unwrap_or(name).contains('*') {
            refusals.push(format!(
                "forbiddenSysctls: {name:?} has a wildcard before its end, which sysctl-psp refuses \
                 itself"
            ));
        }
    }
    for name in allowed.intersection(&forbidden) {
        refusals.push(format!(
            "allowedUnsafeSysctls: {name:?} is also in forbiddenSysctls, which sysctl-psp refuses \
             itself"
        ));
    }
    let is_forbidden_by = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    // Here what is forbidden wins over what is allowed.
    let mut here: BTreeSet<&str> = forbidden
        .iter()
        .map(String::as_str)
        .filter(|pattern| !allowed.iter().any(|name| is_forbidden_by(pattern, name)))
        .collect();
    for name in container_security::safe_sysctls() {
        let is_safe_there = SAFE_SYSCTLS.contains(&name)
            && !forbidden
                .iter()
                .any(|pattern| is_forbidden_by(pattern, name));
        let is_accepted = allowed.contains(name) || is_safe_there;
        if !is_accepted && !here.iter().any(|pattern| is_forbidden_by(pattern, name)) {
            here.insert(name);
        }
    }
    let section = json!({"allowed": allowed, "forbidden": here});
    unless_refused(refusals, vec![("sysctls", section)])
}

/// What sysctl-psp takes for safe, whatever the version of Kubernetes.
const SAFE_SYSCTLS: [&str; 4] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeLinux {
    rule: SeLinuxRule,
    #[serde(rename = "type")]
    type_: Option<String>,
    user: Option<String>,
    role: Option<String>,
    level: Option<String>,
}

#[derive(PartialEq, Deserialize)]
enum SeLinuxRule {
    MustRunAs,
    RunAsAny,
}

pub(super) fn se_linux(settings: &Value) -> Translation {
    let settings: SeLinux = decode(settings)?;
    if settings.rule == SeLinuxRule::RunAsAny {
        return Ok(vec![("seLinux", json!({"mode": "disabled"}))]);
    }
    let list = |value: Option<String>| value.into_iter().collect::<Vec<_>>().join(", ");
    // Options without a type are those with an empty one.
    let type_ = settings.type_.unwrap_or_else(|| "\"\"".to_owned());
    let mut refusals = vec![format!(
        "rule: MustRunAs writes seLinuxOptions into what has none; this policy never changes an object, \
         and without options the runtime chooses the label. To judge only what is written, write: \
         seLinux: {{mode: enforce, allowedTypes: [{type_}], allowedUsers: [{}], allowedRoles: [{}]}}",
        list(settings.user),
        list(settings.role),
    )];
    if settings.level.is_some() {
        refusals.push("level: seLinux judges type, user and role, and no level".to_owned());
    }
    Err(refusals)
}
