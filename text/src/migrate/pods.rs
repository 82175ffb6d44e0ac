//! Policies that judge the pod.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Translation, decode, unless_refused};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PrivilegeEscalation {
    default_allow_privilege_escalation: bool,
}

impl Default for PrivilegeEscalation {
    fn default() -> Self {
        Self {
            default_allow_privilege_escalation: true,
        }
    }
}

pub(super) fn privilege_escalation(settings: &Value) -> Translation {
    let settings: PrivilegeEscalation = decode(settings)?;
    if settings.default_allow_privilege_escalation {
        return Err(vec![
            "default_allow_privilege_escalation: true, which is its default, lets containers \
             escalate that say nothing about it; privilegeEscalation asks for \
             allowPrivilegeEscalation: false in writing"
                .to_owned(),
        ]);
    }
    Ok(vec![("privilegeEscalation", json!({"mode": "enforce"}))])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppArmor {
    #[serde(default)]
    allowed_profiles: BTreeSet<String>,
}

pub(super) fn app_armor(settings: &Value) -> Translation {
    let settings: AppArmor = decode(settings)?;
    let mut refusals = Vec::new();
    let allowed = profiles(
        &settings.allowed_profiles,
        &["runtime/default"],
        &mut refusals,
    );
    if settings.allowed_profiles.is_empty() {
        refusals.push(
            "allowed_profiles is empty, which rejects every annotation; appArmor.allowed must name \
             the profiles that may be used"
                .to_owned(),
        );
    }
    let section = json!({"allowed": allowed});
    unless_refused(refusals, vec![("appArmor", section)])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Seccomp {
    allowed_profiles: BTreeSet<String>,
    profile_types: BTreeSet<String>,
    localhost_profiles: BTreeSet<String>,
}

pub(super) fn seccomp(settings: &Value) -> Translation {
    let settings: Seccomp = decode(settings)?;
    let mut refusals = Vec::new();
    let runtime_default = ["runtime/default", "docker/default"];
    let of_annotations = profiles(&settings.allowed_profiles, &runtime_default, &mut refusals);
    let allows_localhost = settings.profile_types.contains("Localhost")
        || of_annotations
            .iter()
            .any(|profile| profile.starts_with("Localhost/"));
    let mut of_fields = BTreeSet::new();
    for profile_type in &settings.profile_types {
        match profile_type.as_str() {
            "Localhost" => {}
            "RuntimeDefault" | "Unconfined" => {
                of_fields.insert(profile_type.clone());
            }
            other => refusals.push(format!(
                "profile_types: {other:?} is no type of seccomp profile"
            )),
        }
    }
    if allows_localhost {
        let names = settings.localhost_profiles.iter();
        of_fields.extend(names.map(|name| format!("Localhost/{name}")));
    }
    // One list here stands for both; without annotations the fields are all there is.
    let of_fields_only: Vec<_> = of_fields.difference(&of_annotations).cloned().collect();
    if !of_annotations.is_empty() && !of_fields_only.is_empty() {
        refusals.push(format!(
            "allowed_profiles: annotations may not name {}, which fields may; seccomp.allowed is \
             one list for both",
            of_fields_only.join(", ")
        ));
    }
    let allowed: BTreeSet<_> = of_annotations.union(&of_fields).collect();
    if allowed.is_empty() && refusals.is_empty() {
        refusals.push(
            "no profile is allowed, which rejects every one that is written; seccomp.allowed must \
             name the profiles that may be used"
                .to_owned(),
        );
    }
    let section = json!({"required": false, "allowed": allowed, "annotations": "honor"});
    unless_refused(refusals, vec![("seccomp", section)])
}

/// What the values of annotations are called in the field.
fn profiles(
    annotations: &BTreeSet<String>,
    runtime_default: &[&str],
    refusals: &mut Vec<String>,
) -> BTreeSet<String> {
    let mut profiles = BTreeSet::new();
    for annotation in annotations {
        let profile = match annotation.as_str() {
            default if runtime_default.contains(&default) => Some("RuntimeDefault".to_owned()),
            "unconfined" => Some("Unconfined".to_owned()),
            other => other
                .strip_prefix("localhost/")
                .filter(|name| !name.is_empty() && *name != "*")
                .map(|name| format!("Localhost/{name}")),
        };
        match profile {
            Some(profile) => {
                profiles.insert(profile);
            }
            None => refusals.push(format!(
                "allowed_profiles: {annotation:?} is none of: {}, unconfined, localhost/<name>",
                runtime_default.join(", ")
            )),
        }
    }
    profiles
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Capabilities {
    #[serde(rename = "allowed_capabilities")]
    allowed: BTreeSet<String>,
    #[serde(rename = "required_drop_capabilities")]
    required_drop: BTreeSet<String>,
    #[serde(rename = "default_add_capabilities")]
    default_add: BTreeSet<String>,
}

pub(super) fn capabilities(settings: &Value) -> Translation {
    let settings: Capabilities = decode(settings)?;
    let (allowed, dropped) = (settings.allowed, settings.required_drop);
    let mut refusals = Vec::new();
    if allowed.contains("*") && !dropped.is_empty() {
        refusals.push(
            "allowed_capabilities: \"*\" does not allow what required_drop_capabilities lists; \
             capabilities.allowedAdd: [\"*\"] does"
                .to_owned(),
        );
    }
    for capability in allowed.intersection(&dropped) {
        refusals.push(format!(
            "allowed_capabilities: {capability:?} is also in required_drop_capabilities, which \
             capabilities-psp refuses itself"
        ));
    }
    if !settings.default_add.is_empty() {
        refusals.push(
            "default_add_capabilities: this policy never changes an object; write the \
             capabilities into the workloads"
                .to_owned(),
        );
    }
    let section = json!({"allowedAdd": allowed, "requiredDrop": dropped});
    unless_refused(refusals, vec![("capabilities", section)])
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HostNamespaces {
    #[serde(rename = "allow_host_ipc")]
    ipc: bool,
    #[serde(rename = "allow_host_network")]
    network: bool,
    #[serde(rename = "allow_host_pid")]
    pid: bool,
    #[serde(rename = "allow_host_ports")]
    ports: Vec<Ports>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Ports {
    min: i64,
    max: i64,
}

pub(super) fn host_namespaces(settings: &Value) -> Translation {
    let settings: HostNamespaces = decode(settings)?;
    let mut refusals = Vec::new();
    let forbidden: Vec<_> = [
        ("ipc", settings.ipc),
        ("pid", settings.pid),
        ("network", settings.network),
    ]
    .into_iter()
    .filter_map(|(namespace, allowed)| (!allowed).then_some(namespace))
    .collect();
    let mut ports = Vec::new();
    for (index, Ports { min, max }) in settings.ports.into_iter().enumerate() {
        let is_range = min <= max && (0..=65535).contains(&min) && (1..=65535).contains(&max);
        if !is_range {
            refusals.push(format!(
                "allow_host_ports[{index}]: {min} to {max} is no range of ports (1 to 65535)"
            ));
        }
        // Port 0 is no port.
        ports.push(json!({"min": min.max(1), "max": max}));
    }
    let namespaces = if forbidden.is_empty() {
        json!({"mode": "disabled"})
    } else {
        json!({"forbidden": forbidden})
    };
    let sections = vec![
        ("hostNamespaces", namespaces),
        ("hostPorts", json!({"allowed": ports})),
    ];
    unless_refused(refusals, sections)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Privileged {
    skip_init_containers: bool,
    skip_ephemeral_containers: bool,
}

pub(super) fn privileged(settings: &Value) -> Translation {
    let settings: Privileged = decode(settings)?;
    let refusals = [
        ("skip_init_containers", settings.skip_init_containers),
        (
            "skip_ephemeral_containers",
            settings.skip_ephemeral_containers,
        ),
    ]
    .into_iter()
    .filter(|(_, skips)| *skips)
    .map(|(key, _)| format!("{key}: this policy judges every container; exempt images instead"))
    .collect();
    unless_refused(refusals, vec![("privileged", json!({"mode": "enforce"}))])
}

pub(super) fn read_only_root_filesystem(settings: &Value) -> Translation {
    let NoSettings {} = decode(settings)?;
    Ok(vec![("readOnlyRootFilesystem", json!({"mode": "enforce"}))])
}

pub(super) fn share_process_namespace(settings: &Value) -> Translation {
    let NoSettings {} = decode(settings)?;
    Ok(vec![("shareProcessNamespace", json!({"mode": "enforce"}))])
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct UserAndGroups {
    run_as_user: Strategy,
    run_as_group: Strategy,
    supplemental_groups: Strategy,
    validate_container_image_configuration: bool,
    /// Whether the other policy rejects what it would change otherwise.
    #[serde(rename = "validate_only")]
    _validate_only: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Strategy {
    rule: Rule,
    #[serde(rename = "ranges")]
    _ranges: Vec<Ports>,
    overwrite: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Default)]
enum Rule {
    MustRunAs,
    MayRunAs,
    #[default]
    RunAsAny,
    MustRunAsNonRoot,
}

pub(super) fn root_user(settings: &Value) -> Translation {
    let settings: UserAndGroups = decode(settings)?;
    let mut refusals = Vec::new();
    let section = match settings.run_as_user.rule {
        Rule::RunAsAny => json!({"mode": "disabled"}),
        Rule::MustRunAsNonRoot => json!({"require": "runAsNonRoot"}),
        rule => {
            refusals.push(format!(
                "run_as_user.rule: {rule:?}: this policy knows root from other users, not ranges \
                 of user ids"
            ));
            Value::Null
        }
    };
    for (key, strategy) in [
        ("run_as_group", &settings.run_as_group),
        ("supplemental_groups", &settings.supplemental_groups),
    ] {
        if strategy.rule != Rule::RunAsAny {
            let rule = strategy.rule;
            refusals.push(format!(
                "{key}.rule: {rule:?}: this policy does not judge group ids"
            ));
        }
    }
    for (key, strategy) in [
        ("run_as_user", &settings.run_as_user),
        ("run_as_group", &settings.run_as_group),
        ("supplemental_groups", &settings.supplemental_groups),
    ] {
        if strategy.overwrite {
            refusals.push(format!(
                "{key}.overwrite: this policy never changes an object"
            ));
        }
    }
    if settings.validate_container_image_configuration {
        refusals.push(
            "validate_container_image_configuration: rootUser.imageUser: judge looks up the user of an \
             image, too, but only tells root from other users and knows no ranges; write it yourself if that \
             is what you want"
                .to_owned(),
        );
    }
    unless_refused(refusals, vec![("rootUser", section)])
}
