//! Who judges: one module, or the policies of a Kubewarden resource file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use container_security_host::policy_resource::{ContextAware, Judgement, PolicyResource, Scope};
use container_security_host::{AdmissionRequest, Error, HostCapabilities, Limits, Policy};
use serde_json::Value;

/// A module with settings, or a policy of a cluster with its modules.
pub(super) enum Judge {
    Module(Policy, Value),
    Resource(Box<Resource>),
}

pub(super) struct Resource {
    resource: PolicyResource,
    /// By the name in the group; by `None` for what is no group.
    policies: BTreeMap<Option<String>, Policy>,
}

/// What became of a request.
pub(super) struct Ruling {
    /// `None` when the judge is not asked about it.
    pub(super) judgement: Option<Judgement>,
    /// Why it is not asked, or what is not known of whether it is.
    pub(super) notes: Vec<String>,
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
    let resources =
        PolicyResource::read(path, bytes, namespace).map_err(|problems| problems.join("\n"))?;
    let mut compiled = BTreeMap::<String, Policy>::new();
    let mut judges = Vec::new();
    for resource in resources {
        let mut policies = BTreeMap::new();
        for member in resource.members() {
            let at = match member.name {
                None => resource.to_string(),
                Some(name) => format!("{resource}, spec.policies.{name}"),
            };
            let of_member = |problem| format!("{}: {at}: {problem}", resource.position);
            let module = match module {
                Some(module) => module,
                None => local_module(member.module()).map_err(of_member)?,
            };
            let policy = match compiled.get(module) {
                Some(policy) => policy.clone(),
                None => load(module)?,
            };
            compiled.insert(module.to_owned(), policy.clone());
            let policy = policy.with_host_capabilities(Arc::new(ContextAware::new(
                Arc::clone(host_capabilities),
                &member,
            )));
            let policy = match member.timeout() {
                Some(timeout) => policy.with_limits(Limits { timeout }),
                None => policy,
            };
            check_settings(&policy, member.settings()).map_err(of_member)?;
            policies.insert(member.name.map(str::to_owned), policy);
        }
        judges.push(Judge::Resource(Box::new(Resource { resource, policies })));
    }
    Ok(judges)
}

/// Reads and compiles a module, named by a path or a `file://` URI.
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

    pub(super) fn judge(&self, request: &AdmissionRequest) -> Result<Ruling, String> {
        let (policy, settings) = match self {
            Self::Resource(judge) => return judge.judge(request),
            Self::Module(policy, settings) => (policy, settings),
        };
        let verdict = request
            .to_value()
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

impl Resource {
    fn judge(&self, request: &AdmissionRequest) -> Result<Ruling, String> {
        let notes = match self.resource.scope(request) {
            Scope::Asked(notes) => notes,
            Scope::NotAsked(reason) => {
                return Ok(Ruling {
                    judgement: None,
                    notes: vec![reason],
                });
            }
        };
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
