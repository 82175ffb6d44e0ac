//! Who judges: one module, or the policies of a Kubewarden resource file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use container_security_host::policy_resource::{
    ContextAware, Judgement, Member, PolicyResource, Scope, is_this_policy,
};
use container_security_host::{Error, HostCapabilities, Limits, Policy};
use container_security_text::AdmissionRequest;
use serde_json::Value;

use super::registry;
use crate::terminal::print_warning;

/// A module with settings, or a policy of a cluster with its modules.
pub(super) enum Judge {
    Module(Policy, Value),
    Resource(Box<ResourceJudge>),
}

pub(super) struct ResourceJudge {
    resource: PolicyResource,
    /// By the name in the group; by `None` for what is no group.
    policies: BTreeMap<Option<String>, Policy>,
    /// What is not known of its settings.
    notes: Vec<String>,
    /// Every module of it is this policy.
    judges_only_pods: bool,
}

/// What became of a request.
pub(super) struct Ruling {
    /// `None` when the judge is not asked about it.
    pub(super) judgement: Option<Judgement>,
    /// Why it is not asked, or what is not known of its answer, or where that comes from.
    pub(super) notes: Vec<String>,
}

impl Ruling {
    pub(super) fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// The policies of a resource file, with every module that they need.
/// `module` stands in for all of them.
pub(super) fn resources(
    path: &str,
    bytes: &[u8],
    namespace: &str,
    module: Option<&str>,
    host_capabilities: &Arc<dyn HostCapabilities>,
) -> Result<Vec<Judge>, String> {
    let file = PolicyResource::read(path, bytes, namespace, module)
        .map_err(|problems| problems.join("\n"))?;
    let left_out: Vec<_> = file.left_out.iter().map(String::as_str).collect();
    let left_out = left_out.join(", ");
    if file.policies.is_empty() {
        let but = if left_out.is_empty() {
            String::new()
        } else {
            format!(", but {left_out}; name each file to judge behind a --request-path of its own")
        };
        return Err(format!("{path}: no policy of Kubewarden in it{but}"));
    }
    if !left_out.is_empty() {
        print_warning(&format!(
            "{path}: left out, because it is no policy: {left_out}"
        ));
    }
    let mut modules = BTreeMap::new();
    let mut judges = Vec::new();
    for resource in file.policies {
        let position = &resource.position;
        for warning in resource.warnings() {
            print_warning(&format!("{position}: {resource}: {warning}"));
        }
        let mut policies = BTreeMap::new();
        let mut own = BTreeSet::new();
        for member in resource.members() {
            let at = match member.name {
                None => resource.to_string(),
                Some(name) => format!("{resource}, spec.policies.{name}"),
            };
            let of_member = |problem| format!("{position}: {at}: {problem}");
            let module = match module {
                Some(module) => module,
                None => local_module(member.module()).map_err(of_member)?,
            };
            if !modules.contains_key(module) {
                modules.insert(module.to_owned(), Module::load(module)?);
            }
            let Some(module) = modules.get(module) else {
                continue;
            };
            let policy = module
                .policy
                .clone()
                .with_host_capabilities(Arc::new(ContextAware::new(
                    Arc::clone(host_capabilities),
                    &member,
                )));
            let policy = match member.timeout() {
                Some(timeout) => policy.with_limits(Limits { timeout }),
                None => policy,
            };
            check_settings(&policy, member.settings()).map_err(of_member)?;
            let name = member.name.map(str::to_owned);
            if module.is_this_policy {
                own.insert(name.clone());
                warn_of_keys(&format!("{position}: {at}: settings."), member.settings());
            }
            policies.insert(name, policy);
        }
        let is_own = |member: &Member<'_>| own.contains(&member.name.map(str::to_owned));
        let notes = resource.check_settings(is_own).map_err(|problems| {
            let of_resource = |problem| format!("{position}: {resource}: {problem}");
            let problems: Vec<_> = problems.into_iter().map(of_resource).collect();
            problems.join("\n")
        })?;
        let judges_only_pods = own.len() == policies.len();
        for idle in resource.idle_rules().iter().filter(|_| judges_only_pods) {
            print_warning(&format!("{position}: {resource}: {idle}"));
        }
        judges.push(Judge::Resource(Box::new(ResourceJudge {
            resource,
            policies,
            notes,
            judges_only_pods,
        })));
    }
    Ok(judges)
}

/// What a file of policies runs.
struct Module {
    policy: Policy,
    is_this_policy: bool,
}

impl Module {
    fn load(module: &str) -> Result<Self, String> {
        let policy = load(module)?;
        let is_this_policy =
            is_this_policy(&policy).map_err(|error| format!("{module}: {error}"))?;
        Ok(Self {
            policy,
            is_this_policy,
        })
    }
}

/// Says of keys and certificates what makes every signature of theirs fail.
pub(super) fn warn_of_keys(at: &str, settings: &Value) {
    for warning in registry::warnings_of_keys(settings) {
        print_warning(&format!("{at}{warning}"));
    }
}

/// Reads a module, named by a path or a `file://` URI.
pub(super) fn load(module: &str) -> Result<Policy, String> {
    let path = match module.split_once("://") {
        Some(("file", path)) => Path::new(path),
        Some(_) => return Err(format!("{module}: a policy is a path or a file:// URI")),
        None => Path::new(module),
    };
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{module}: {error}; build it with: make policy.wasm"),
        _ => format!("{module}: {error}"),
    })?;
    Policy::load(&bytes).map_err(|error| format!("{module}: {error}"))
}

/// Asks the policy whether it understands the settings.
pub(super) fn check_settings(policy: &Policy, settings: &Value) -> Result<(), String> {
    let verdict = policy
        .validate_settings(settings)
        .map_err(|error| error.to_string())?;
    if verdict.valid {
        return Ok(());
    }
    let message = verdict.message.unwrap_or_else(|| "no message".to_owned());
    Err(format!("Policy settings are invalid: {message}"))
}

impl Judge {
    /// How the report names it: not at all when there is only one module.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Module(..) => None,
            Self::Resource(judge) => Some(judge.resource.to_string()),
        }
    }

    /// Whether it has nothing to say of objects without Pods: this policy has not, but a file of
    /// policies may run others.
    pub(super) fn judges_only_pods(&self) -> bool {
        match self {
            Self::Module(..) => true,
            Self::Resource(judge) => judge.judges_only_pods,
        }
    }

    pub(super) fn judge(&self, request: &AdmissionRequest) -> Result<Ruling, String> {
        let (policy, settings) = match self {
            Self::Resource(judge) => return judge.judge(request),
            Self::Module(policy, settings) => (policy, settings),
        };
        let verdict = request
            .to_value()
            .map_err(Error::from)
            .and_then(|value| policy.validate(&value, settings))
            .map_err(|error| error.to_string())?;
        Ok(Ruling {
            judgement: Some(Judgement {
                verdict,
                causes: Vec::new(),
                monitored: None,
            }),
            notes: Vec::new(),
        })
    }
}

impl ResourceJudge {
    fn judge(&self, request: &AdmissionRequest) -> Result<Ruling, String> {
        let mut notes = match self.resource.scope(request) {
            Scope::Asked(notes) => notes,
            Scope::NotAsked(reason) => {
                return Ok(Ruling {
                    judgement: None,
                    notes: vec![reason],
                });
            }
        };
        notes.extend(self.notes.iter().cloned());
        let value = request.to_value().map_err(|error| error.to_string())?;
        let judgement = self.resource.judge(request, |member| {
            let name = member.name.map(str::to_owned);
            let verdict = match self.policies.get(&name) {
                Some(policy) => policy.validate(&value, member.settings()),
                None => Err(Error::Load("the module is not loaded".to_owned())),
            };
            verdict.map_err(|error| match &name {
                Some(name) => format!("spec.policies.{name}: {error}"),
                None => error.to_string(),
            })
        })?;
        Ok(Ruling {
            judgement: Some(judgement),
            notes,
        })
    }
}

/// The module of a resource, when it is on this machine. As in a cluster, a
/// name without scheme is one in a registry, unless it can only be a path.
fn local_module(module: &str) -> Result<&str, String> {
    let is_path = ["/", "./", "../"]
        .iter()
        .any(|start| module.starts_with(start));
    if is_path || module.starts_with("file://") {
        Ok(module)
    } else {
        Err(format!(
            "the module {module} is in a registry, which is not asked here; name a local one with --module"
        ))
    }
}
