//! The rules of a policy: which requests the API server hands to it.

use container_security_text::request::AdmissionRequest;
use serde::Deserialize;

/// One rule, as in a `ValidatingWebhookConfiguration`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) api_groups: Vec<String>,
    #[serde(default)]
    pub(super) api_versions: Vec<String>,
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    operations: Vec<Operation>,
    #[serde(default)]
    scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Operation {
    Create,
    Update,
    Delete,
    Connect,
    #[serde(rename = "*")]
    Any,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
enum Scope {
    Cluster,
    Namespaced,
    #[default]
    #[serde(rename = "*")]
    Any,
}

impl Rule {
    pub(super) fn matches(&self, request: &AdmissionRequest) -> bool {
        let resource = &request.resource;
        let is_cluster_scoped = is_cluster_scoped(request);
        let in_scope = match self.scope {
            Scope::Cluster => is_cluster_scoped,
            Scope::Namespaced => !is_cluster_scoped,
            Scope::Any => true,
        };
        in_scope
            && self.has_operation(&request.operation)
            && self.has_group(&resource.group)
            && has(&self.api_versions, &resource.version)
            && self.resources.iter().any(|pattern| {
                let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
                matches_resource(pattern, &resource.resource, sub_resource)
            })
    }

    /// Whether every such request about objects in namespaces reaches the policy by this rule.
    pub(super) fn covers(&self, group: &str, resource: &str, operation: &str) -> bool {
        has(&self.api_versions, "v1") && self.names(group, resource, operation)
    }

    /// The same, whatever the version is.
    pub(super) fn names(&self, group: &str, resource: &str, operation: &str) -> bool {
        let (resource, sub_resource) = resource.split_once('/').unwrap_or((resource, ""));
        self.scope != Scope::Cluster
            && self.has_operation(operation)
            && self.has_group(group)
            && self
                .resources
                .iter()
                .any(|pattern| matches_resource(pattern, resource, sub_resource))
    }

    pub(super) fn has_operation(&self, operation: &str) -> bool {
        let mut operations = self.operations.iter();
        operations.any(|covered| covered.matches(operation))
    }

    pub(super) fn has_group(&self, group: &str) -> bool {
        has(&self.api_groups, group)
    }

    pub(super) fn is_for_cluster_scope(&self) -> bool {
        self.scope == Scope::Cluster
    }

    /// The same rule for this resource only.
    pub(super) fn with_resource(&self, resource: &str) -> Self {
        Self {
            resources: vec![resource.to_owned()],
            ..self.clone()
        }
    }

    /// A sub-resource that the audit scanner (1.36) looks up, and finds no objects of: it lists what
    /// the rules with CREATE name, but for those that name everything.
    pub(super) fn unlisted(&self) -> Option<&str> {
        let is_everything = |list: &[String]| list.iter().any(|entry| entry == "*");
        let is_listed = self.operations.contains(&Operation::Create)
            && !is_everything(&self.api_groups)
            && !is_everything(&self.api_versions)
            && !is_everything(&self.resources);
        let mut resources = self.resources.iter().filter(|_| is_listed);
        resources
            .find(|resource| resource.contains('/'))
            .map(String::as_str)
    }

    /// The lists that must have an entry and have none.
    pub(super) fn empty_lists(&self) -> Vec<&'static str> {
        [
            ("apiGroups", self.api_groups.is_empty()),
            ("apiVersions", self.api_versions.is_empty()),
            ("resources", self.resources.is_empty()),
            ("operations", self.operations.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, is_empty)| is_empty.then_some(name))
        .collect()
    }
}

/// Requests about a Namespace carry its name as their namespace.
pub(super) fn is_cluster_scoped(request: &AdmissionRequest) -> bool {
    let is_namespace =
        request.resource.group.is_empty() && request.resource.resource == "namespaces";
    is_namespace || request.namespace.as_ref().is_none_or(String::is_empty)
}

impl Operation {
    fn matches(self, operation: &str) -> bool {
        match self {
            Self::Create => operation == "CREATE",
            Self::Update => operation == "UPDATE",
            Self::Delete => operation == "DELETE",
            Self::Connect => operation == "CONNECT",
            Self::Any => true,
        }
    }
}

fn has(patterns: &[String], text: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| pattern == "*" || pattern == text)
}

/// As the API server compares: `pods` is the resource without sub-resources,
/// `pods/*` is both, and `*` is every resource without its sub-resources.
fn matches_resource(pattern: &str, resource: &str, sub_resource: &str) -> bool {
    let (of_resource, of_sub_resource) = pattern.split_once('/').unwrap_or((pattern, ""));
    (of_resource == "*" || of_resource == resource)
        && (of_sub_resource == "*" || of_sub_resource == sub_resource)
}

/// The resources that this policy judges, by their group; all of them have the version v1.
pub(super) const JUDGED: [(&str, &str); 11] = [
    ("", "pods"),
    ("", "pods/ephemeralcontainers"),
    ("", "pods/resize"),
    ("", "podtemplates"),
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(resource: &str, sub_resource: &str) -> AdmissionRequest {
        serde_json::from_value(json!({
            "uid": "1",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": resource},
            "subResource": (!sub_resource.is_empty()).then_some(sub_resource),
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {},
        }))
        .unwrap()
    }

    /// Matches the creation of a Deployment against a rule with one list changed.
    fn matches(list: &str, entries: Value) -> bool {
        let mut rule = json!({
            "apiGroups": ["apps"],
            "apiVersions": ["v1"],
            "resources": ["deployments"],
            "operations": ["CREATE"],
        });
        rule[list] = entries;
        let rule: Rule = serde_json::from_value(rule).unwrap();
        rule.matches(&request("deployments", ""))
    }

    #[test]
    fn every_list_must_match() {
        for (list, entries, expected) in [
            ("apiGroups", json!(["", "apps"]), true),
            ("apiGroups", json!(["*"]), true),
            ("apiGroups", json!([""]), false),
            ("apiVersions", json!(["v1beta1", "v1"]), true),
            ("apiVersions", json!(["v1beta1"]), false),
            ("operations", json!(["*"]), true),
            ("operations", json!(["UPDATE", "CREATE"]), true),
            ("operations", json!(["UPDATE"]), false),
            ("resources", json!(["pods"]), false),
            ("scope", json!("Namespaced"), true),
            ("scope", json!("Cluster"), false),
        ] {
            assert_eq!(
                matches(list, entries.clone()),
                expected,
                "{list}: {entries}"
            );
        }
    }

    #[test]
    fn resources_and_their_sub_resources_are_named_apart() {
        for (pattern, resource, sub_resource, expected) in [
            ("pods", "pods", "", true),
            ("pods", "pods", "status", false),
            ("pods/status", "pods", "status", true),
            ("pods/status", "pods", "", false),
            ("pods/*", "pods", "status", true),
            ("pods/*", "pods", "", true),
            ("*", "pods", "", true),
            ("*", "pods", "status", false),
            ("*/status", "pods", "status", true),
            ("*/*", "pods", "status", true),
            ("pods", "podtemplates", "", false),
        ] {
            assert_eq!(
                matches_resource(pattern, resource, sub_resource),
                expected,
                "{pattern} {resource} {sub_resource}"
            );
        }
    }

    #[test]
    fn a_namespace_is_cluster_scoped_although_its_request_names_one() {
        let mut request = request("namespaces", "");
        assert!(!is_cluster_scoped(&request));
        request.resource.group.clear();
        assert!(is_cluster_scoped(&request));
    }
}
