//! Kubewarden's policies as a cluster has them: `ClusterAdmissionPolicy`,
//! `AdmissionPolicy`, `ClusterAdmissionPolicyGroup`, `AdmissionPolicyGroup`.
//!
//! A resource decides three things about a request. Whether the policy is
//! asked at all: [`PolicyResource::scope`]. What it is asked:
//! [`PolicyResource::members`], each with a module and its settings. And what
//! the API server hears: [`PolicyResource::judge`], by the mode, the message
//! and the expression of a group.
//!
//! Resources are read as strictly as the API server reads them. What only a
//! cluster knows is not guessed: the labels of a namespace other than its name
//! and `matchConditions` become a note beside the verdict.

pub mod expression;
mod idle;
mod rule;
mod selector;
mod settings;
mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use container_security_text::document::{self, Document, Position};
use container_security_text::request::{AdmissionRequest, unroll};
use container_security_text::verdict::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::host_capabilities::HostCapabilities;
use selector::{Label, Match, Selector};
pub use settings::is_this_policy;
use spec::{ContextAwareResource, MemberSpec, Mode, Runs, Spec};

/// The group of all kinds of Kubewarden.
pub const GROUP: &str = "policies.kubewarden.io";

/// One policy or policy group of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyResource {
    /// Where it stands.
    pub position: Position,
    /// Which of the four it is.
    pub kind: Kind,
    /// `metadata.name`
    pub name: String,
    /// The namespace that it judges; `None` for the kinds of the whole cluster.
    pub namespace: Option<String>,
    runs: Runs,
    spec: Spec,
}

/// What a file holds: its policies, and what is none.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyFile {
    /// In the order of the file.
    pub policies: Vec<PolicyResource>,
    /// The kinds of the objects that are no policies.
    pub left_out: BTreeSet<String>,
}

/// The four kinds of `policies.kubewarden.io/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "documented by Kubewarden, under the same names"
)]
pub enum Kind {
    ClusterAdmissionPolicy,
    AdmissionPolicy,
    ClusterAdmissionPolicyGroup,
    AdmissionPolicyGroup,
}

/// A module with settings: a policy itself, or one of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// The key below `spec.policies`; `None` for what is no group.
    pub name: Option<&'a str>,
    spec: &'a MemberSpec,
}

impl<'a> Member<'a> {
    /// The module as it is written: `registry://...`, `file://...`, a path.
    #[must_use]
    pub fn module(&self) -> &'a str {
        &self.spec.module
    }

    /// `null` when there are none.
    #[must_use]
    pub fn settings(&self) -> &'a Value {
        &self.spec.settings
    }

    /// How long it may evaluate; `None` leaves it to the policy server.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.spec.timeout_eval_seconds.map(Duration::from_secs)
    }
}

/// Whether a policy is asked about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// It is asked, as far as is known: each note says what is not.
    Asked(Vec<String>),
    /// It is not asked, for this reason.
    NotAsked(String),
}

/// What the API server hears from a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// The rejections behind a message of the operator's own.
    pub causes: Vec<Cause>,
    /// The rejection that mode `monitor` keeps from the API server; its causes
    /// are those above.
    pub monitored: Option<Verdict>,
}

impl Judgement {
    /// What the policy decided, whatever the API server hears of it.
    #[must_use]
    pub fn decision(&self) -> &Verdict {
        self.monitored.as_ref().unwrap_or(&self.verdict)
    }
}

/// One rejection behind a message of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `spec.policies.<name>` in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the policy said.
    pub message: String,
}

impl PolicyResource {
    /// Reads the policies of a file, of which `source` is the name, also those in lists.
    /// `default_namespace` is for namespaced policies that name none, `default_module` for policies and
    /// members of a group that name none.
    ///
    /// # Errors
    ///
    /// Every problem of the file, each with its place.
    pub fn read(
        source: &str,
        bytes: &[u8],
        default_namespace: &str,
        default_module: Option<&str>,
    ) -> Result<PolicyFile, Vec<String>> {
        let mut policies = Vec::new();
        let mut left_out = BTreeSet::new();
        let mut problems = Vec::new();
        let documents = document::parse(source, bytes).into_iter();
        for document in
            documents.flat_map(|document| document.map_or_else(|error| vec![Err(error)], unroll))
        {
            let document = match document {
                Ok(document) => document,
                Err(error) => {
                    problems.push(error.to_string());
                    continue;
                }
            };
            let position = document.position.clone();
            let read = match Sort::of(&document.value) {
                Ok(Sort::Policy(kind)) => {
                    Self::of(kind, document, default_namespace, default_module)
                }
                Ok(Sort::Other(kind)) => {
                    left_out.insert(kind);
                    continue;
                }
                Err(problem) => Err(vec![problem]),
            };
            match read {
                Ok(policy) => policies.push(policy),
                Err(found) => {
                    problems.extend(found.iter().map(|problem| format!("{position}: {problem}")));
                }
            }
        }
        if problems.is_empty() {
            Ok(PolicyFile { policies, left_out })
        } else {
            Err(problems)
        }
    }

    /// The modules that the policy server runs for it, each with its settings.
    #[must_use]
    pub fn members(&self) -> Vec<Member<'_>> {
        match &self.runs {
            Runs::Policy(spec) => vec![Member { name: None, spec }],
            Runs::Group(_, members) => members
                .iter()
                .map(|(name, spec)| Member {
                    name: Some(name),
                    spec,
                })
                .collect(),
        }
    }

    /// Whether the API server asks this policy about a request: by its rules,
    /// its namespace and its selectors.
    #[must_use]
    pub fn scope(&self, request: &AdmissionRequest) -> Scope {
        if !self.spec.rules.iter().any(|rule| rule.matches(request)) {
            return Scope::NotAsked(format!("no rule matches {}", operation(request)));
        }
        if !self.selects_object(request) {
            return Scope::NotAsked("objectSelector does not match its labels".to_owned());
        }
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let is_cluster_scoped = rule::is_cluster_scoped(request);
        if let Some(own) = &self.namespace
            && !is_cluster_scoped
            && own != namespace
        {
            return Scope::NotAsked(format!("it judges the namespace {own:?} only"));
        }
        let mut notes = Vec::new();
        if !is_cluster_scoped {
            let label = |key: &str| match key {
                NAMESPACE_NAME => Label::Set(namespace),
                _ => Label::Unknown,
            };
            match self.spec.namespace_selector.matches(label) {
                Match::Yes => {}
                Match::No => {
                    return Scope::NotAsked(format!(
                        "namespaceSelector does not match the namespace {namespace:?}"
                    ));
                }
                Match::Unknown(keys) => notes.push(format!(
                    "judged as if namespaceSelector matched, because the labels of the namespace \
                     {namespace:?} are not known here: {}",
                    keys.into_iter().collect::<Vec<_>>().join(", ")
                )),
            }
        }
        // The namespace is that of Kubewarden's charts; another may be chosen, which is not known here.
        if !self.kind.is_namespaced()
            && !self.spec.allow_inside_admission_controller_namespace
            && !is_cluster_scoped
            && namespace == OWN_NAMESPACE
        {
            notes.push(format!(
                "judged as if Kubewarden were not installed in the namespace {namespace:?}: it leaves \
                 its own out, unless spec.allowInsideAdmissionControllerNamespace is true"
            ));
        }
        if !self.spec.match_conditions.is_empty() {
            notes
                .push("judged as if matchConditions held, which are not evaluated here".to_owned());
        }
        Scope::Asked(notes)
    }

    /// What the resource seems to say and does not do in a cluster.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        // Only where the policy is for the controller's own namespace, too, is the selector handed
        // on as it is: policy_subreconciler_webhook.go of adm-controller.
        if !self.spec.allow_inside_admission_controller_namespace
            && let Some(expressions) = self.spec.namespace_selector.labels_as_expressions()
        {
            warnings.push(format!(
                "spec.namespaceSelector.matchLabels is dropped by Kubewarden's controller (1.36), \
                 so that namespaces are judged that it leaves out; write matchExpressions: \
                 {expressions}"
            ));
        }
        let rules = self.spec.rules.iter().enumerate();
        let unlisted = rules
            .filter(|_| self.spec.background_audit)
            .filter_map(|(index, rule)| rule.unlisted().map(|resource| (index, resource)));
        warnings.extend(unlisted.map(|(index, resource)| {
            format!(
                "spec.rules[{index}] names {resource} and CREATE: Kubewarden's audit scanner (1.36) looks \
                 for such objects, finds that there are none, and leaves the whole policy out of its \
                 reports; put {resource} into a rule of its own, without CREATE"
            )
        }));
        if let Runs::Group(expression, members) = &self.runs {
            let asked = expression.members();
            let idle = members.keys().filter(|name| !asked.contains(name.as_str()));
            warnings.extend(idle.map(|name| {
                format!("spec.policies.{name} is not in spec.expression: it judges nothing")
            }));
        }
        warnings
    }

    /// Makes the verdicts of the members the answer of the policy.
    ///
    /// # Errors
    ///
    /// The first error of `judge`, which is asked for the verdict of a member.
    pub fn judge<E>(
        &self,
        request: &AdmissionRequest,
        mut judge: impl FnMut(&Member<'_>) -> Result<Verdict, E>,
    ) -> Result<Judgement, E> {
        let mut causes = Vec::new();
        let decision = match &self.runs {
            Runs::Policy(spec) => {
                let verdict = judge(&Member { name: None, spec })?;
                let mut verdict = self.without_mutation(verdict, request);
                if let (false, Some(message)) = (verdict.accepted, &self.spec.message) {
                    let said = verdict.message.replace(message.clone());
                    verdict.code = Some(400);
                    causes.push(Cause {
                        field: None,
                        message: said.unwrap_or_default(),
                    });
                }
                verdict
            }
            Runs::Group(expression, members) => {
                let mut rejections = BTreeMap::new();
                let accepted = expression.evaluate(&mut |name| {
                    let Some((name, spec)) = members.get_key_value(name) else {
                        return Ok(false);
                    };
                    let verdict = judge(&Member {
                        name: Some(name),
                        spec,
                    })?;
                    let verdict = self.without_mutation(verdict, request);
                    if !verdict.accepted {
                        rejections.insert(name, verdict.message.unwrap_or_default());
                    }
                    Ok(verdict.accepted)
                })?;
                if accepted {
                    Verdict {
                        accepted,
                        ..REJECTION
                    }
                } else {
                    let of_member = |(name, message)| Cause {
                        field: Some(format!("spec.policies.{name}")),
                        message,
                    };
                    causes.extend(rejections.into_iter().map(of_member));
                    Verdict {
                        message: self.spec.message.clone(),
                        ..REJECTION
                    }
                }
            }
        };
        Ok(if self.spec.mode == Mode::Monitor && !decision.accepted {
            Judgement {
                verdict: Verdict {
                    accepted: true,
                    message: None,
                    code: None,
                    ..decision.clone()
                },
                causes,
                monitored: Some(decision),
            }
        } else {
            Judgement {
                verdict: decision,
                causes,
                monitored: None,
            }
        })
    }

    fn of(
        kind: Kind,
        document: Document,
        default_namespace: &str,
        default_module: Option<&str>,
    ) -> Result<Self, Vec<String>> {
        let Document {
            position, value, ..
        } = document;
        let Manifest { metadata, mut spec } =
            serde_json::from_value(value).map_err(|error| vec![format!("{kind}: {error}")])?;
        let name = metadata.name.filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(vec![format!("{kind}: metadata.name is missing")]);
        };
        let named = |problem: String| format!("{kind} {name:?}: {problem}");

        if let Some(module) = default_module {
            kind.set_default_module(&mut spec, module);
        }
        let problems = kind.problems_of_keys(&spec);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(named).collect());
        }
        let spec: Spec =
            serde_path_to_error::deserialize(Value::Object(spec)).map_err(|error| {
                let path = match error.path().to_string().as_str() {
                    "." => String::new(),
                    path => format!(".{path}"),
                };
                vec![named(format!("spec{path}: {}", error.inner()))]
            })?;
        let (runs, problems) = spec.check();
        let (Some(runs), true) = (runs, problems.is_empty()) else {
            return Err(problems.into_iter().map(named).collect());
        };
        let namespace = kind.is_namespaced().then(|| {
            metadata
                .namespace
                .unwrap_or_else(|| default_namespace.to_owned())
        });
        Ok(Self {
            position,
            kind,
            name,
            namespace,
            runs,
            spec,
        })
    }

    /// The selector is held against the object and the stored one; either may match.
    fn selects_object(&self, request: &AdmissionRequest) -> bool {
        let objects = [&request.object, &request.old_object];
        objects.into_iter().flatten().any(|object| {
            let labels = object.pointer("/metadata/labels");
            let label = |key: &str| {
                let value = labels.and_then(|labels| labels.get(key));
                value
                    .and_then(Value::as_str)
                    .map_or(Label::Unset, Label::Set)
            };
            self.spec.object_selector.matches(label) == Match::Yes
        }) || self.spec.object_selector == Selector::default()
    }

    /// Only a policy with `mutating: true` may change the object.
    fn without_mutation(&self, verdict: Verdict, request: &AdmissionRequest) -> Verdict {
        let mutates = verdict.mutated_object.is_some() && verdict.mutated_object != request.object;
        if !verdict.accepted || !mutates || self.spec.mutating == Some(true) {
            return verdict;
        }
        Verdict {
            message: Some(format!(
                "Request rejected by policy {}. The policy attempted to mutate the request, but it \
                 is currently configured to not allow mutations.",
                self.name
            )),
            ..REJECTION
        }
    }
}

/// `ClusterAdmissionPolicy container-security`, `AdmissionPolicy shop/strict`
impl fmt::Display for PolicyResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

impl Kind {
    fn is_namespaced(self) -> bool {
        matches!(self, Self::AdmissionPolicy | Self::AdmissionPolicyGroup)
    }

    fn is_group(self) -> bool {
        matches!(
            self,
            Self::ClusterAdmissionPolicyGroup | Self::AdmissionPolicyGroup
        )
    }

    /// Sets the module of the policy, or of each member of a group, that has none.
    fn set_default_module(self, spec: &mut Map<String, Value>, module: &str) {
        if self.is_group() {
            let members = spec.get_mut("policies").and_then(Value::as_object_mut);
            let members = members.into_iter().flat_map(Map::values_mut);
            for member in members.filter_map(Value::as_object_mut) {
                member.entry("module").or_insert_with(|| module.into());
            }
        } else {
            spec.entry("module").or_insert_with(|| module.into());
        }
    }

    /// Keys below `spec` that this kind needs, and those that only other kinds have.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        const POLICY: &[&str] = &["module", "mutating", "rules"];
        const GROUP: &[&str] = &["expression", "message", "policies", "rules"];
        match self {
            Self::ClusterAdmissionPolicy => (POLICY, &["expression", "policies"]),
            Self::AdmissionPolicy => (
                POLICY,
                &[
                    "expression",
                    "policies",
                    "namespaceSelector",
                    CONTEXT,
                    "allowInsideAdmissionControllerNamespace",
                ],
            ),
            Self::ClusterAdmissionPolicyGroup => {
                (GROUP, &["module", "mutating", "settings", CONTEXT])
            }
            Self::AdmissionPolicyGroup => (
                GROUP,
                &[
                    "module",
                    "mutating",
                    "settings",
                    "namespaceSelector",
                    CONTEXT,
                    "allowInsideAdmissionControllerNamespace",
                ],
            ),
        }
    }

    fn problems_of_keys(self, spec: &Map<String, Value>) -> Vec<String> {
        let (needed, foreign) = self.keys();
        let missing = needed
            .iter()
            .filter(|key| !spec.contains_key(**key))
            .map(|key| format!("spec.{key} is missing"));
        let members = spec.get("policies").and_then(Value::as_object);
        let in_members = members
            .into_iter()
            .flatten()
            .filter(|(_, member)| self.is_namespaced() && member.get(CONTEXT).is_some())
            .map(|(name, _)| format!("policies.{name}.{CONTEXT}"));
        let foreign = foreign
            .iter()
            .filter(|key| spec.contains_key(**key))
            .map(|key| (*key).to_owned())
            .chain(in_members)
            .map(|key| format!("spec.{key} is not for this kind"));
        missing.chain(foreign).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

#[derive(Deserialize)]
struct Manifest {
    metadata: Metadata,
    spec: Map<String, Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

/// Host capabilities as a policy server grants them to one policy: a resource
/// of Kubernetes only when `contextAwareResources` names its kind.
pub struct ContextAware {
    host_capabilities: Arc<dyn HostCapabilities>,
    granted: BTreeSet<ContextAwareResource>,
}

impl ContextAware {
    /// Grants what the member names.
    #[must_use]
    pub fn new(host_capabilities: Arc<dyn HostCapabilities>, member: &Member<'_>) -> Self {
        Self {
            host_capabilities,
            granted: member.spec.context_aware_resources.clone(),
        }
    }
}

impl HostCapabilities for ContextAware {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        #[derive(Deserialize)]
        struct Resource {
            api_version: String,
            kind: String,
        }

        // `can_i` names no kind in this form and needs no grant.
        if namespace == "kubernetes"
            && let Ok(Resource { api_version, kind }) = serde_json::from_slice(payload)
        {
            let resource = ContextAwareResource { api_version, kind };
            if !self.granted.contains(&resource) {
                return Err(format!(
                    "Policy has not been granted access to Kubernetes {}/{} resources. The \
                     violation has been reported.",
                    resource.api_version, resource.kind
                ));
            }
        }
        self.host_capabilities
            .call(binding, namespace, operation, payload)
    }
}

/// Whether an object is a policy.
enum Sort {
    Policy(Kind),
    /// Of this kind.
    Other(String),
}

impl Sort {
    /// # Errors
    ///
    /// What may be meant as a policy and is none.
    fn of(object: &Value) -> Result<Self, String> {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.split_once('/').unwrap_or_default();
        let known = KINDS.into_iter().find(|known| known.to_string() == kind);
        let is_meant = KINDS
            .into_iter()
            .any(|known| known.to_string().eq_ignore_ascii_case(kind));
        match (group, known) {
            (GROUP, Some(known)) if version == "v1" => Ok(Self::Policy(known)),
            (GROUP, Some(_)) => Err(format!("{api_version} is not read, write {GROUP}/v1")),
            (GROUP, None) if kind != POLICY_SERVER => Err(format!(
                "{kind:?} is none of: {}, {POLICY_SERVER}",
                KINDS.map(|known| known.to_string()).join(", ")
            )),
            _ if is_meant || api_version.is_empty() || kind.is_empty() => Err(format!(
                "apiVersion is {api_version:?}, a policy of Kubewarden has {GROUP}/v1"
            )),
            _ => Ok(Self::Other(kind.to_owned())),
        }
    }
}

/// `CREATE of apps/v1 deployments`
fn operation(request: &AdmissionRequest) -> String {
    let resource = &request.resource;
    let group = match resource.group.as_str() {
        "" => String::new(),
        group => format!("{group}/"),
    };
    let sub_resource = match request.sub_resource.as_deref() {
        None | Some("") => String::new(),
        Some(sub_resource) => format!("/{sub_resource}"),
    };
    format!(
        "{} of {group}{} {}{sub_resource}",
        request.operation, resource.version, resource.resource
    )
}

const KINDS: [Kind; 4] = [
    Kind::ClusterAdmissionPolicy,
    Kind::AdmissionPolicy,
    Kind::ClusterAdmissionPolicyGroup,
    Kind::AdmissionPolicyGroup,
];
/// What runs policies; it is none.
const POLICY_SERVER: &str = "PolicyServer";

const CONTEXT: &str = "contextAwareResources";
const OWN_NAMESPACE: &str = "kubewarden";
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Policy-server gives a rejection no code when the policy gives none.
const REJECTION: Verdict = Verdict {
    accepted: false,
    message: None,
    code: None,
    mutated_object: None,
    audit_annotations: None,
    warnings: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_capabilities::Denied;
    use serde_json::json;

    fn rules() -> Value {
        json!([{
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["pods"],
            "operations": ["CREATE"],
        }])
    }

    fn manifest(kind: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "policies.kubewarden.io/v1",
            "kind": kind,
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": spec,
        })
    }

    /// A minimal policy with some keys of its spec changed; `null` takes one away.
    fn policy(kind: &str, changes: Value) -> Value {
        let spec = json!({"module": "m", "mutating": false, "rules": rules()});
        manifest(kind, &changed(spec, changes))
    }

    /// A minimal group of `a` and `b`.
    fn group(kind: &str, changes: Value) -> Value {
        let spec = json!({
            "expression": "a() && b()",
            "message": "not both",
            "rules": rules(),
            "policies": {"a": {"module": "m"}, "b": {"module": "m"}},
        });
        manifest(kind, &changed(spec, changes))
    }

    fn changed(mut spec: Value, changes: Value) -> Value {
        let Value::Object(changes) = changes else {
            panic!("changes are a mapping");
        };
        for (key, value) in changes {
            spec[key] = value;
        }
        let Value::Object(spec) = spec else {
            panic!("a spec is a mapping");
        };
        spec.into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect()
    }

    fn read(manifest: &Value) -> Result<PolicyResource, Vec<String>> {
        let text = manifest.to_string();
        PolicyResource::read("f", text.as_bytes(), "default", None)
            .map(|mut file| file.policies.remove(0))
    }

    fn request(namespace: Option<&str>) -> AdmissionRequest {
        serde_json::from_value(json!({
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {},
            "object": {"metadata": {"labels": {"app": "web"}}},
        }))
        .unwrap()
    }

    fn verdict(accepted: bool) -> Verdict {
        Verdict {
            accepted,
            message: (!accepted).then(|| "no".to_owned()),
            warnings: Some(vec!["w".to_owned()]),
            ..REJECTION
        }
    }

    /// What a resource makes of members of which those in `accepting` accept.
    fn judge(manifest: &Value, accepting: &[&str]) -> Judgement {
        let judge = |member: &Member<'_>| {
            let name = member.name.unwrap_or_default();
            Ok::<_, ()>(verdict(accepting.contains(&name)))
        };
        read(manifest)
            .unwrap()
            .judge(&request(Some("shop")), judge)
            .unwrap()
    }

    #[test]
    fn all_four_kinds_are_read() {
        for (manifest, name) in [
            (
                policy("ClusterAdmissionPolicy", json!({})),
                "ClusterAdmissionPolicy p",
            ),
            (
                policy("AdmissionPolicy", json!({})),
                "AdmissionPolicy shop/p",
            ),
            (
                group("ClusterAdmissionPolicyGroup", json!({})),
                "ClusterAdmissionPolicyGroup p",
            ),
            (
                group("AdmissionPolicyGroup", json!({})),
                "AdmissionPolicyGroup shop/p",
            ),
        ] {
            assert_eq!(read(&manifest).unwrap().to_string(), name);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one row for each refusal")]
    fn what_a_cluster_would_refuse_is_refused() {
        let cluster = "ClusterAdmissionPolicy";
        let kind = |kind: &str| json!({"apiVersion": "policies.kubewarden.io/v1", "kind": kind});
        for (manifest, problem) in [
            (
                json!({"apiVersion": "v1", "kind": "clusteradmissionpolicy"}),
                "apiVersion is \"v1\", a policy of Kubewarden has policies.kubewarden.io/v1",
            ),
            (
                json!({"apiVersion": "policies.kubewarden.io/v1alpha2", "kind": cluster}),
                "policies.kubewarden.io/v1alpha2 is not read, write policies.kubewarden.io/v1",
            ),
            (
                kind("ClusterAdmisionPolicy"),
                "\"ClusterAdmisionPolicy\" is none of: ClusterAdmissionPolicy, AdmissionPolicy, ClusterAdmissionPolicyGroup, AdmissionPolicyGroup, PolicyServer",
            ),
            (
                kind(cluster),
                "ClusterAdmissionPolicy: missing field `metadata`",
            ),
            (
                json!({"apiVersion": "policies.kubewarden.io/v1", "kind": cluster, "metadata": {}, "spec": {}}),
                "ClusterAdmissionPolicy: metadata.name is missing",
            ),
            (
                policy(cluster, json!({"module": null})),
                "ClusterAdmissionPolicy \"p\": spec.module is missing",
            ),
            (
                policy(cluster, json!({"expression": "a()"})),
                "ClusterAdmissionPolicy \"p\": spec.expression is not for this kind",
            ),
            (
                policy("AdmissionPolicy", json!({"namespaceSelector": {}})),
                "AdmissionPolicy \"p\": spec.namespaceSelector is not for this kind",
            ),
            (
                group("AdmissionPolicyGroup", json!({"message": null})),
                "AdmissionPolicyGroup \"p\": spec.message is missing",
            ),
            (
                group(
                    "AdmissionPolicyGroup",
                    json!({"policies": {"a": {
                    "module": "m", "contextAwareResources": [{"apiVersion": "v1", "kind": "Pod"}],
                }, "b": {"module": "m"}}}),
                ),
                "AdmissionPolicyGroup \"p\": spec.policies.a.contextAwareResources is not for this kind",
            ),
            (
                group("ClusterAdmissionPolicyGroup", json!({"settings": {}})),
                "ClusterAdmissionPolicyGroup \"p\": spec.settings is not for this kind",
            ),
            (
                policy(cluster, json!({"mode": "audit"})),
                "ClusterAdmissionPolicy \"p\": spec.mode: unknown variant `audit`, expected `protect` or `monitor`",
            ),
            (
                policy(cluster, json!({"settings": []})),
                "ClusterAdmissionPolicy \"p\": spec.settings must be a mapping",
            ),
            (
                policy(cluster, json!({"rules": []})),
                "ClusterAdmissionPolicy \"p\": spec.rules has no rule",
            ),
            (
                policy(
                    cluster,
                    json!({"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"]}]}),
                ),
                "ClusterAdmissionPolicy \"p\": spec.rules[0].resources is empty",
            ),
            (
                policy(cluster, json!({"timeoutSeconds": 31})),
                "ClusterAdmissionPolicy \"p\": spec.timeoutSeconds is 31, it must be from 2 to 30",
            ),
            (
                policy(cluster, json!({"timeoutEvalSeconds": 11})),
                "ClusterAdmissionPolicy \"p\": spec.timeoutEvalSeconds is 11, more than spec.timeoutSeconds, which is 10",
            ),
            (
                group(
                    "ClusterAdmissionPolicyGroup",
                    json!({"policies": {
                        "a": {"module": "m", "timeoutEvalSeconds": 5},
                        "b": {"module": "m", "timeoutEvalSeconds": 6},
                    }}),
                ),
                "ClusterAdmissionPolicyGroup \"p\": timeoutEvalSeconds of all spec.policies are 11 together, more than spec.timeoutSeconds, which is 10",
            ),
            (
                group(
                    "ClusterAdmissionPolicyGroup",
                    json!({"expression": "a() && c()"}),
                ),
                "ClusterAdmissionPolicyGroup \"p\": spec.expression: c() is not one of spec.policies",
            ),
            (
                group(
                    "ClusterAdmissionPolicyGroup",
                    json!({"expression": "a() and b()"}),
                ),
                "ClusterAdmissionPolicyGroup \"p\": spec.expression: expected `&&`, `||` or the end at \"and b()\"",
            ),
            (
                policy(
                    cluster,
                    json!({"objectSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
                ),
                "ClusterAdmissionPolicy \"p\": spec.objectSelector.matchExpressions[0]: In needs values",
            ),
        ] {
            assert_eq!(
                read(&manifest).unwrap_err(),
                [format!("f, document 1: {problem}")]
            );
        }
        let [problem] = &read(&policy(cluster, json!({"setings": {}}))).unwrap_err()[..] else {
            panic!("one problem");
        };
        assert!(
            problem.starts_with(
                "f, document 1: ClusterAdmissionPolicy \"p\": spec.setings: unknown field `setings`, expected one of `module`,"
            ),
            "{problem}"
        );
    }

    #[test]
    fn a_value_that_cannot_be_read_has_its_path() {
        let problem = |changes| {
            let problems = read(&policy("ClusterAdmissionPolicy", changes)).unwrap_err();
            problems
                .concat()
                .replace("f, document 1: ClusterAdmissionPolicy \"p\": ", "")
        };
        let mut rule = rules()[0].clone();
        rule["operations"] = json!(["CREATE", "create"]);
        assert_eq!(
            problem(json!({"rules": [rule]})),
            "spec.rules[0].operations[1]: unknown variant `create`, expected one of `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, `*`"
        );
        assert_eq!(
            problem(json!({"contextAwareResources": [{"kind": "Pod"}]})),
            "spec.contextAwareResources[0]: missing field `apiVersion`"
        );
        assert_eq!(
            problem(json!({"timeoutSeconds": "10"})),
            "spec.timeoutSeconds: invalid type: string \"10\", expected u64"
        );
    }

    #[test]
    fn lists_are_read_and_what_is_no_policy_is_left_out() {
        let policy = policy("ClusterAdmissionPolicy", json!({}));
        let server = json!({"apiVersion": "policies.kubewarden.io/v1", "kind": "PolicyServer"});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace"});
        let mut item = policy.clone();
        item.as_object_mut()
            .unwrap()
            .retain(|key, _| key != "apiVersion" && key != "kind");
        let list =
            json!({"apiVersion": "v1", "kind": "List", "items": [namespace, policy, server]});
        let own = json!({
            "apiVersion": "policies.kubewarden.io/v1",
            "kind": "ClusterAdmissionPolicyList",
            "items": [item],
        });
        let text = format!("{list}\n{own}\n{policy}");
        let file = PolicyResource::read("f", text.as_bytes(), "default", None).unwrap();
        let positions = file
            .policies
            .iter()
            .map(|policy| policy.position.to_string());
        assert_eq!(
            positions.collect::<Vec<_>>(),
            [
                "f, document 1, item 2",
                "f, document 2, item 1",
                "f, document 3"
            ]
        );
        let left_out: Vec<_> = file.left_out.iter().map(String::as_str).collect();
        assert_eq!(left_out, ["Namespace", "PolicyServer"]);
        let file = PolicyResource::read("f", b"# nothing", "default", None).unwrap();
        assert_eq!((file.policies.len(), file.left_out.len()), (0, 0));
    }

    #[test]
    fn a_module_that_is_given_is_not_asked_for() {
        let modules = |manifest: &Value| {
            let text = manifest.to_string();
            let file = PolicyResource::read("f", text.as_bytes(), "default", Some("given.wasm"));
            let members = file.unwrap().policies.remove(0);
            let members = members.members().into_iter();
            members
                .map(|member| member.module().to_owned())
                .collect::<Vec<_>>()
        };
        let single = policy("AdmissionPolicy", json!({"module": null}));
        assert_eq!(modules(&single), ["given.wasm"]);
        let members = json!({"policies": {"a": {"module": "m"}, "b": {}}});
        assert_eq!(
            modules(&group("AdmissionPolicyGroup", members)),
            ["m", "given.wasm"]
        );
    }

    #[test]
    fn every_problem_of_a_file_is_said() {
        let bad = policy(
            "ClusterAdmissionPolicy",
            json!({"module": null, "rules": null}),
        );
        let text = format!("{bad}\n{}", json!({"kind": "Pod"}));
        assert_eq!(
            PolicyResource::read("f", text.as_bytes(), "default", None).unwrap_err(),
            [
                "f, document 1: ClusterAdmissionPolicy \"p\": spec.module is missing",
                "f, document 1: ClusterAdmissionPolicy \"p\": spec.rules is missing",
                "f, document 2: apiVersion is \"\", a policy of Kubewarden has policies.kubewarden.io/v1",
            ]
        );
    }

    #[test]
    fn rules_selectors_and_the_namespace_decide_who_is_asked() {
        let asked = Scope::Asked(Vec::new());
        let not_asked = |reason: &str| Scope::NotAsked(reason.to_owned());
        let of_name = |operator: &str| {
            json!({"namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": operator, "values": ["shop"]}
            ]}})
        };
        let cluster = |changes| policy("ClusterAdmissionPolicy", changes);
        for (manifest, namespace, expected) in [
            (cluster(json!({})), Some("shop"), asked.clone()),
            (
                cluster(json!({"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/*", "services"], "operations": ["UPDATE"]}]})),
                Some("shop"),
                not_asked("no rule matches CREATE of v1 pods"),
            ),
            (cluster(of_name("In")), Some("shop"), asked.clone()),
            (cluster(of_name("NotIn")), None, asked.clone()),
            (
                cluster(of_name("NotIn")),
                Some("shop"),
                not_asked("namespaceSelector does not match the namespace \"shop\""),
            ),
            (
                cluster(json!({"namespaceSelector": {"matchLabels": {"team": "a", "stage": "b"}}})),
                Some("shop"),
                Scope::Asked(vec![
                    "judged as if namespaceSelector matched, because the labels of the namespace \"shop\" are not known here: stage, team".to_owned(),
                ]),
            ),
            (
                cluster(json!({"matchConditions": [{"name": "a", "expression": "true"}]})),
                Some("shop"),
                Scope::Asked(vec![
                    "judged as if matchConditions held, which are not evaluated here".to_owned(),
                ]),
            ),
            (
                cluster(json!({"objectSelector": {"matchLabels": {"app": "web"}}})),
                Some("shop"),
                asked.clone(),
            ),
            (
                cluster(json!({"objectSelector": {"matchLabels": {"app": "db"}}})),
                Some("shop"),
                not_asked("objectSelector does not match its labels"),
            ),
            (policy("AdmissionPolicy", json!({})), Some("shop"), asked.clone()),
            (
                cluster(json!({})),
                Some("kubewarden"),
                Scope::Asked(vec![
                    "judged as if Kubewarden were not installed in the namespace \"kubewarden\": it leaves its own out, unless spec.allowInsideAdmissionControllerNamespace is true".to_owned(),
                ]),
            ),
            (
                cluster(json!({"allowInsideAdmissionControllerNamespace": true})),
                Some("kubewarden"),
                asked.clone(),
            ),
            (
                group("AdmissionPolicyGroup", json!({})),
                Some("cart"),
                not_asked("it judges the namespace \"shop\" only"),
            ),
        ] {
            assert_eq!(
                read(&manifest).unwrap().scope(&request(namespace)),
                expected,
                "{manifest}"
            );
        }
    }

    /// What the settings of a resource come to when the members in `own` run this policy.
    fn checked(manifest: &Value, own: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let is_own = |member: &Member<'_>| own.contains(&member.name.unwrap_or_default());
        read(manifest).unwrap().check_settings(is_own)
    }

    #[test]
    fn a_custom_kind_that_no_rule_names_is_noted() {
        let rule = |group: &str, resource: &str, operations: &[&str]| {
            json!([{
                "apiGroups": [group],
                "apiVersions": ["v1alpha1"],
                "resources": [resource],
                "operations": operations,
            }])
        };
        let note = |operations: &str| {
            vec![format!(
                "settings.customWorkloads has the kind Rollout, and spec.rules leaves out {operations} \
                 of rollouts in argoproj.io: nobody hands those to the policy"
            )]
        };
        let settings = json!({"customWorkloads": [
            {"group": "argoproj.io", "kind": "Rollout", "podTemplates": ["spec.template"]},
        ]});
        for (rules, notes) in [
            (
                rule("argoproj.io", "rollouts", &["CREATE", "UPDATE"]),
                vec![],
            ),
            (rule("*", "*", &["*"]), vec![]),
            (rule("argoproj.io", "rollouts", &["CREATE"]), note("UPDATE")),
            (
                rule("argoproj.io", "workflows", &["*"]),
                note("CREATE and UPDATE"),
            ),
            (rule("apps", "rollouts", &["*"]), note("CREATE and UPDATE")),
            (
                rule("argoproj.io", "rollouts/status", &["*"]),
                note("CREATE and UPDATE"),
            ),
        ] {
            let manifest = policy(
                "ClusterAdmissionPolicy",
                json!({"rules": rules, "settings": settings}),
            );
            assert_eq!(checked(&manifest, &[""]), Ok(notes), "{rules}");
            // Another module's settings are its own.
            assert_eq!(checked(&manifest, &[]), Ok(vec![]));
        }
    }

    #[test]
    fn a_custom_kind_that_excuses_must_be_judged_and_may_be_read() {
        let mut manifest = policy("ClusterAdmissionPolicy", excusing(json!({})));
        let custom = |controllers: Value| {
            json!([{
                "group": "argoproj.io",
                "kind": "Rollout",
                "podTemplates": ["spec.template"],
                "controllers": controllers,
            }])
        };
        manifest["spec"]["settings"]["customWorkloads"] = custom(json!([]));
        assert_eq!(checked(&manifest, &[""]).unwrap().len(), 1, "a note");
        let controllers = json!(["system:serviceaccount:argo-rollouts:argo-rollouts"]);
        manifest["spec"]["settings"]["customWorkloads"] = custom(controllers);
        let causes = [
            "contextAwareResources lacks Rollout: what is made from one would not be excused",
            "customWorkloads has the kind Rollout, and spec.rules leaves out CREATE and UPDATE of \
             rollouts in argoproj.io: what nobody has judged would excuse what is made from it",
        ];
        let problems = causes
            .map(|cause| format!("settings.legacy.onCreate is newViolations, and {cause}"))
            .to_vec();
        assert_eq!(checked(&manifest, &[""]), Err(problems));
        let spec = &mut manifest["spec"];
        spec["contextAwareResources"]
            .as_array_mut()
            .unwrap()
            .push(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}));
        spec["rules"].as_array_mut().unwrap().push(json!({
            "apiGroups": ["argoproj.io"],
            "apiVersions": ["*"],
            "resources": ["rollouts"],
            "operations": ["*"],
        }));
        assert_eq!(checked(&manifest, &[""]), Ok(vec![]));
    }

    #[test]
    fn members_of_more_than_a_conjunction_must_judge_every_update_in_full() {
        const WHY: &str = "settings.legacy.onUpdate must be allViolations, because spec.expression is more than members joined by &&: what another member lets in on CREATE, this one takes for legacy on UPDATE";
        let all = json!({"legacy": {"onUpdate": "allViolations"}});
        let either = |expression: &str, a: &Value, b: &Value| {
            let members = json!({
                "a": {"module": "m", "settings": a},
                "b": {"module": "m", "settings": b},
                "idle": {"module": "m"},
            });
            group(
                "AdmissionPolicyGroup",
                json!({"expression": expression, "policies": members}),
            )
        };
        let new = json!({"legacy": {"onUpdate": "newViolations"}});
        let own = &["a", "b", "idle"];
        for expression in [
            "a() || b()",
            "!a() && b()",
            "a() && !b()",
            "!(!a() || !b())",
        ] {
            for (a, b, excusing) in [
                (&all, &all, &[][..]),
                (&json!({}), &all, &["a"]),
                (&all, &new, &["b"]),
                (
                    &Value::Null,
                    &json!({"legacy": {"onUpdate": null}}),
                    &["a", "b"],
                ),
            ] {
                let problems: Vec<_> = excusing
                    .iter()
                    .map(|name| format!("spec.policies.{name}: {WHY}"))
                    .collect();
                let expected = if problems.is_empty() {
                    Ok(Vec::new())
                } else {
                    Err(problems)
                };
                assert_eq!(
                    checked(&either(expression, a, b), own),
                    expected,
                    "{expression}"
                );
            }
        }
        for expression in ["a()", "a() && b()", "(b() && (a()))"] {
            let manifest = either(expression, &Value::Null, &new);
            assert_eq!(checked(&manifest, own), Ok(Vec::new()), "{expression}");
        }
    }

    #[test]
    fn what_another_module_excuses_is_not_known() {
        let members = json!({
            "a": {"module": "m", "settings": {"legacy": {"onUpdate": "allViolations"}}},
            "b": {"module": "other"},
        });
        let manifest = |expression: &str| {
            group(
                "ClusterAdmissionPolicyGroup",
                json!({"expression": expression, "policies": members}),
            )
        };
        let note = "spec.policies.b runs another module: whether it judges an UPDATE in full, as spec.expression needs, is not known here";
        assert_eq!(
            checked(&manifest("a() || b()"), &["a"]),
            Ok(vec![note.to_owned()])
        );
        assert_eq!(checked(&manifest("a() && b()"), &["a"]), Ok(Vec::new()));
        assert_eq!(checked(&manifest("a() || !a()"), &["a"]), Ok(Vec::new()));
        assert_eq!(checked(&manifest("a() || b()"), &[]), Ok(Vec::new()));
    }

    /// A spec with which templates may excuse what is made from them, so changed.
    fn excusing(changes: Value) -> Value {
        let kinds = |group: &str, kinds: &[&str]| -> Vec<Value> {
            let resource = |kind| json!({"apiVersion": group, "kind": kind});
            kinds.iter().map(resource).collect()
        };
        let owners = [
            kinds(
                "apps/v1",
                &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
            ),
            kinds("batch/v1", &["CronJob", "Job"]),
            kinds("v1", &["ReplicationController"]),
        ];
        let spec = json!({
            "rules": [
                rule("", &["pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers"], &["CREATE", "UPDATE"]),
                rule("apps", &["replicasets", "deployments", "statefulsets", "daemonsets"], &["CREATE", "UPDATE"]),
                rule("batch", &["jobs", "cronjobs"], &["CREATE", "UPDATE"]),
            ],
            "contextAwareResources": owners.concat(),
            "settings": {"legacy": {"onCreate": "newViolations"}},
        });
        changed(spec, changes)
    }

    fn rule(group: &str, resources: &[&str], operations: &[&str]) -> Value {
        json!({"apiGroups": [group], "apiVersions": ["v1"], "resources": resources, "operations": operations})
    }

    #[test]
    fn a_template_excuses_only_where_every_template_was_judged() {
        const UNJUDGED: &str = "what nobody has judged would excuse what is made from it";
        let all = &["CREATE", "UPDATE"];
        let everything = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}]);
        let without = |group: &str, resources: &[&str]| {
            let mut rules = vec![
                rule(
                    "",
                    &["pods", "pods/ephemeralcontainers", "replicationcontrollers"],
                    all,
                ),
                rule(
                    "apps",
                    &["replicasets", "deployments", "statefulsets", "daemonsets"],
                    all,
                ),
                rule("batch", &["jobs", "cronjobs"], all),
            ];
            for rule in rules
                .iter_mut()
                .filter(|rule| rule["apiGroups"][0] == group)
            {
                let list = rule["resources"].as_array_mut().unwrap();
                list.retain(|resource| !resources.contains(&resource.as_str().unwrap()));
            }
            rules.retain(|rule| rule["resources"] != json!([]));
            json!({"rules": rules})
        };
        let twice = |resources: &str| {
            vec![
                format!("spec.rules leaves out CREATE of {resources}: {UNJUDGED}"),
                format!("spec.rules leaves out UPDATE of {resources}: {UNJUDGED}"),
            ]
        };
        let once = |cause: &str| vec![format!("{cause}: {UNJUDGED}")];
        for (changes, causes) in [
            (json!({}), Vec::new()),
            // Nothing is made from them.
            (without("", &["podtemplates"]), Vec::new()),
            (json!({"rules": everything}), Vec::new()),
            (json!({"failurePolicy": "Fail", "mode": "protect", "objectSelector": {}, "matchConditions": []}), Vec::new()),
            // Whoever is out of it is so with all that he has.
            (json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}), Vec::new()),
            (without("", &["pods"]), twice("pods")),
            (without("", &["replicationcontrollers"]), twice("replicationcontrollers")),
            (
                without("", &["pods/ephemeralcontainers"]),
                once("spec.rules leaves out UPDATE of pods/ephemeralcontainers"),
            ),
            (without("apps", &["daemonsets", "statefulsets"]), twice("daemonsets, statefulsets")),
            (without("apps", &["deployments"]), twice("deployments")),
            (without("apps", &["replicasets"]), twice("replicasets")),
            (without("batch", &["jobs", "cronjobs"]), twice("cronjobs, jobs")),
            (
                json!({"rules": [
                    rule("", &["*/*"], &["CREATE"]),
                    rule("*", &["*/*"], &["UPDATE"]),
                    rule("apps", &["*"], &["*"]),
                ]}),
                once("spec.rules leaves out CREATE of cronjobs, jobs"),
            ),
            (
                json!({"rules": [{"apiGroups": ["*"], "apiVersions": ["v2"], "resources": ["*/*"], "operations": ["*"]}]}),
                twice("pods, replicationcontrollers, daemonsets, deployments, replicasets, statefulsets, cronjobs, jobs")
                    .into_iter()
                    .map(|cause| cause.replace("UPDATE of pods, ", "UPDATE of pods, pods/ephemeralcontainers, "))
                    .collect(),
            ),
            (
                json!({"objectSelector": {"matchLabels": {"a": "b"}}}),
                once("spec.objectSelector leaves out what its author labels so"),
            ),
            (
                json!({"matchConditions": [{"name": "not-mine", "expression": "true"}]}),
                once("spec.matchConditions may leave out templates"),
            ),
            (
                json!({"failurePolicy": "Ignore"}),
                once("spec.failurePolicy is Ignore, which lets in every template while the policy server is down"),
            ),
            (
                json!({"contextAwareResources": [
                    {"apiVersion": "apps/v1", "kind": "Deployment"},
                    {"apiVersion": "v1", "kind": "Job"},
                ]}),
                vec!["contextAwareResources lacks DaemonSet, ReplicaSet, StatefulSet, CronJob, Job, ReplicationController: what is made from one would not be excused".to_owned()],
            ),
            (
                json!({"failurePolicy": "Ignore", "objectSelector": {"matchLabels": {"a": "b"}}}),
                [
                    once("spec.objectSelector leaves out what its author labels so"),
                    once("spec.failurePolicy is Ignore, which lets in every template while the policy server is down"),
                ]
                .concat(),
            ),
        ] {
            let manifest = policy("ClusterAdmissionPolicy", excusing(changes));
            let problems: Vec<_> = causes
                .iter()
                .map(|cause| format!("settings.legacy.onCreate is newViolations, and {cause}"))
                .collect();
            let expected = if problems.is_empty() { Ok(Vec::new()) } else { Err(problems) };
            assert_eq!(checked(&manifest, &[""]), expected, "{manifest}");
            assert_eq!(checked(&manifest, &[]), Ok(Vec::new()), "another module");
            // Who does not use the key may leave out what he likes.
            for settings in [
                Value::Null,
                json!({"legacy": {"onCreate": "allViolations"}}),
                json!({"legacy": {"onCreate": null, "onUpdate": "newViolations"}}),
            ] {
                let mut manifest = manifest.clone();
                manifest["spec"]["settings"] = settings;
                assert_eq!(checked(&manifest, &[""]), Ok(Vec::new()), "{manifest}");
            }
        }
    }

    #[test]
    fn what_mode_monitor_lets_in_is_said_to_excuse_later() {
        let manifest = policy(
            "ClusterAdmissionPolicy",
            excusing(json!({"mode": "monitor"})),
        );
        let note = "settings.legacy.onCreate is newViolations, and mode monitor lets every template in: what is let in now is excused when the mode is protect";
        assert_eq!(checked(&manifest, &[""]), Ok(vec![note.to_owned()]));
    }

    #[test]
    fn no_policy_of_a_namespace_can_read_owners() {
        let problem = |at: &str, kind: &str| {
            Err(vec![format!(
                "{at}settings.legacy.onCreate is newViolations, and an {kind} has no contextAwareResources: no owner could be read, and nothing would be excused"
            )])
        };
        let spec = excusing(json!({"contextAwareResources": null}));
        let manifest = policy("AdmissionPolicy", spec.clone());
        assert_eq!(checked(&manifest, &[""]), problem("", "AdmissionPolicy"));
        let members = json!({
            "a": {"module": "m", "settings": spec["settings"]},
            "b": {"module": "m"},
        });
        let changes = json!({"policies": members, "rules": spec["rules"]});
        let manifest = group("AdmissionPolicyGroup", changes);
        assert_eq!(
            checked(&manifest, &["a", "b"]),
            problem("spec.policies.a: ", "AdmissionPolicyGroup")
        );
    }

    #[test]
    fn members_of_more_than_a_conjunction_must_judge_what_controllers_create_in_full() {
        let spec = excusing(json!({}));
        let excusing =
            json!({"legacy": {"onUpdate": "allViolations", "onCreate": "newViolations"}});
        let members = |resources: &Value| {
            json!({
                "a": {"module": "m", "settings": excusing, "contextAwareResources": resources},
                "b": {"module": "m", "settings": {"legacy": {"onUpdate": "allViolations"}}},
            })
        };
        let manifest = |expression: &str, resources: &Value| {
            group(
                "ClusterAdmissionPolicyGroup",
                json!({"expression": expression, "rules": spec["rules"], "policies": members(resources)}),
            )
        };
        let owners = &spec["contextAwareResources"];
        let own = &["a", "b"];
        assert_eq!(
            checked(&manifest("a() && b()", owners), own),
            Ok(Vec::new())
        );
        assert_eq!(
            checked(&manifest("a() && b()", &json!([])), own),
            Err(vec!["spec.policies.a: settings.legacy.onCreate is newViolations, and contextAwareResources lacks DaemonSet, Deployment, ReplicaSet, StatefulSet, CronJob, Job, ReplicationController: what is made from one would not be excused".to_owned()])
        );
        for expression in ["a() || b()", "b() && !a()"] {
            assert_eq!(
                checked(&manifest(expression, owners), own),
                Err(vec!["spec.policies.a: settings.legacy.onCreate must be allViolations, because spec.expression is more than members joined by &&: a template that another member lets in would excuse what is made from it".to_owned()]),
                "{expression}"
            );
        }
    }

    #[test]
    fn no_policy_of_a_namespace_can_read_reports_or_profiles() {
        let problem = |at: &str, kind: &str| {
            Err(vec![format!(
                "{at}settings.vulnerabilities.source is \"trivy-operator\", and an {kind} has no contextAwareResources: no report could be read and no image would pass; ask for reports in a ClusterAdmissionPolicy"
            )])
        };
        let reports =
            |mode: &str| json!({"vulnerabilities": {"mode": mode, "source": "trivy-operator"}});
        let of_kind = |kind: &str, settings: Value| policy(kind, json!({"settings": settings}));
        for mode in ["enforce", "warn"] {
            let manifest = of_kind("AdmissionPolicy", reports(mode));
            assert_eq!(checked(&manifest, &[""]), problem("", "AdmissionPolicy"));
            assert_eq!(checked(&manifest, &[]), Ok(Vec::new()), "another module");
        }
        for settings in [
            json!({}),
            reports("disabled"),
            json!({"vulnerabilities": {"source": "none"}}),
            json!({"vulnerabilities": {"source": null}}),
            json!({"vulnerabilities": null}),
        ] {
            let manifest = of_kind("AdmissionPolicy", settings);
            assert_eq!(checked(&manifest, &[""]), Ok(Vec::new()), "{manifest}");
        }
        let cluster = of_kind("ClusterAdmissionPolicy", reports("enforce"));
        assert_eq!(checked(&cluster, &[""]), Ok(Vec::new()));

        let both = json!({
            "localhostProfiles": {"source": "security-profiles-operator"},
            "vulnerabilities": {"source": "trivy-operator"},
        });
        let problems = checked(&of_kind("AdmissionPolicy", both), &[""]).unwrap_err();
        assert_eq!(
            problems[1],
            "settings.localhostProfiles.source is \"security-profiles-operator\", and an AdmissionPolicy has no contextAwareResources: no profile could be looked up and none would pass; ask for profiles in a ClusterAdmissionPolicy"
        );
        assert_eq!(problems.len(), 2);

        let members = json!({
            "a": {"module": "m", "settings": reports("enforce")},
            "b": {"module": "m"},
        });
        let manifest = group("AdmissionPolicyGroup", json!({"policies": members}));
        assert_eq!(
            checked(&manifest, &["a", "b"]),
            problem("spec.policies.a: ", "AdmissionPolicyGroup")
        );
    }

    #[test]
    fn what_a_resource_says_in_vain_is_warned_of() {
        let labels = json!({"matchLabels": {"stage": "prod", "team": "a"}});
        let warning = "spec.namespaceSelector.matchLabels is dropped by Kubewarden's controller (1.36), so that namespaces are judged that it leaves out; write matchExpressions: [{key: \"stage\", operator: In, values: [\"prod\"]}, {key: \"team\", operator: In, values: [\"a\"]}]";
        let unlisted = "spec.rules[0] names pods/ephemeralcontainers and CREATE: Kubewarden's audit scanner (1.36) looks for such objects, finds that there are none, and leaves the whole policy out of its reports; put pods/ephemeralcontainers into a rule of its own, without CREATE";
        let expressions = json!({"matchExpressions": [
            {"key": "stage", "operator": "In", "values": ["prod"]},
        ]});
        let cluster = |changes| policy("ClusterAdmissionPolicy", changes);
        for (manifest, warnings) in [
            (
                cluster(json!({"namespaceSelector": labels})),
                &[warning][..],
            ),
            (
                group(
                    "ClusterAdmissionPolicyGroup",
                    json!({"namespaceSelector": labels}),
                ),
                &[warning],
            ),
            (
                cluster(json!({
                    "namespaceSelector": labels,
                    "allowInsideAdmissionControllerNamespace": true,
                })),
                &[],
            ),
            (cluster(json!({"namespaceSelector": expressions})), &[]),
            (cluster(json!({"objectSelector": labels})), &[]),
            (
                cluster(
                    json!({"rules": [rule("", &["pods", "pods/ephemeralcontainers"], &["CREATE", "UPDATE"])]}),
                ),
                &[unlisted],
            ),
            (
                cluster(json!({"rules": [
                    rule("", &["pods"], &["CREATE", "UPDATE"]),
                    rule("", &["pods/ephemeralcontainers"], &["UPDATE"]),
                ]})),
                &[],
            ),
            (
                cluster(json!({
                    "backgroundAudit": false,
                    "rules": [rule("", &["pods/ephemeralcontainers"], &["CREATE"])],
                })),
                &[],
            ),
            (
                cluster(json!({"rules": [rule("*", &["pods/ephemeralcontainers"], &["CREATE"])]})),
                &[],
            ),
            (
                group("AdmissionPolicyGroup", json!({"expression": "a()"})),
                &["spec.policies.b is not in spec.expression: it judges nothing"],
            ),
        ] {
            assert_eq!(read(&manifest).unwrap().warnings(), warnings, "{manifest}");
        }
    }

    #[test]
    fn a_policy_answers_with_its_module_or_its_own_message() {
        let cluster = |changes| policy("ClusterAdmissionPolicy", changes);
        assert_eq!(
            judge(&cluster(json!({})), &[""]),
            Judgement {
                verdict: verdict(true),
                causes: Vec::new(),
                monitored: None,
            }
        );
        assert_eq!(judge(&cluster(json!({})), &[]).verdict, verdict(false));
        let judgement = judge(&cluster(json!({"message": "ask the platform team"})), &[]);
        assert_eq!(
            judgement.verdict,
            Verdict {
                message: Some("ask the platform team".to_owned()),
                code: Some(400),
                ..verdict(false)
            }
        );
        assert_eq!(
            judgement.causes,
            [Cause {
                field: None,
                message: "no".to_owned()
            }]
        );
    }

    #[test]
    fn mode_monitor_accepts_and_keeps_the_rejection() {
        let judgement = judge(
            &policy("ClusterAdmissionPolicy", json!({"mode": "monitor"})),
            &[],
        );
        assert_eq!(judgement.verdict, verdict(true));
        assert_eq!(judgement.monitored, Some(verdict(false)));
        assert_eq!(judgement.decision(), &verdict(false));
    }

    #[test]
    fn a_group_answers_by_its_expression() {
        let group = group("ClusterAdmissionPolicyGroup", json!({}));
        let accepted = judge(&group, &["a", "b"]);
        assert_eq!(
            (accepted.verdict, accepted.causes),
            (
                Verdict {
                    accepted: true,
                    ..REJECTION
                },
                Vec::new()
            )
        );
        let rejected = judge(&group, &["a"]);
        assert_eq!(
            rejected.verdict,
            Verdict {
                message: Some("not both".to_owned()),
                ..REJECTION
            }
        );
        assert_eq!(
            rejected.causes,
            [Cause {
                field: Some("spec.policies.b".to_owned()),
                message: "no".to_owned()
            }]
        );
    }

    #[test]
    fn only_a_mutating_policy_may_change_the_object() {
        let mutated = |mutating: bool, object: Value| {
            let manifest = policy("ClusterAdmissionPolicy", json!({"mutating": mutating}));
            let judge = |_: &Member<'_>| {
                Ok::<_, ()>(Verdict {
                    mutated_object: Some(object.clone()),
                    ..verdict(true)
                })
            };
            let judgement = read(&manifest).unwrap().judge(&request(None), judge);
            judgement.unwrap().verdict
        };
        assert!(mutated(true, json!({})).accepted);
        assert!(mutated(false, request(None).object.unwrap()).accepted);
        assert_eq!(
            mutated(false, json!({})).message.unwrap(),
            "Request rejected by policy p. The policy attempted to mutate the request, but it is currently configured to not allow mutations."
        );
    }

    #[test]
    fn only_the_resources_that_are_named_can_be_read() {
        struct Granted;
        impl HostCapabilities for Granted {
            fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
                Ok(Vec::new())
            }
        }
        let resource = read(&policy(
            "ClusterAdmissionPolicy",
            json!({"contextAwareResources": [{"apiVersion": "v1", "kind": "Namespace"}]}),
        ))
        .unwrap();
        let host = ContextAware::new(Arc::new(Granted), &resource.members()[0]);
        let get = |kind: &str| {
            let payload = json!({"api_version": "v1", "kind": kind, "name": "a"});
            host.call(
                "kubewarden",
                "kubernetes",
                "get_resource",
                payload.to_string().as_bytes(),
            )
        };
        assert_eq!(get("Namespace"), Ok(Vec::new()));
        assert_eq!(
            get("Secret").unwrap_err(),
            "Policy has not been granted access to Kubernetes v1/Secret resources. The violation has been reported."
        );
        assert_eq!(
            host.call("kubewarden", "oci", "v2/verify", b"{}"),
            Ok(Vec::new())
        );
        let denied = ContextAware::new(Arc::new(Denied), &resource.members()[0]);
        denied
            .call("kubewarden", "oci", "v2/verify", b"{}")
            .unwrap_err();
    }
}
