//! Rules that hand this policy nothing that it judges: the API server takes every word in a rule, and
//! then the policy is asked about less than its author thinks.

use super::PolicyResource;
use super::rule::{JUDGED, Rule};
use super::settings::custom_kinds;

impl PolicyResource {
    /// What its rules name in vain, when every module that it runs is this policy.
    #[must_use]
    pub fn idle_rules(&self) -> Vec<String> {
        let members = self.members();
        let custom = members.iter().flat_map(custom_kinds);
        let custom_groups: Vec<_> = custom.map(|custom| custom.group).collect();
        let rules = self.spec.rules.iter().enumerate();
        rules
            .filter_map(|(index, rule)| {
                let idle = idle(rule, &custom_groups)?;
                Some(format!("spec.rules[{index}]{idle}"))
            })
            .collect()
    }
}

/// What a rule names in vain, as words behind its path.
fn idle(rule: &Rule, custom_groups: &[&str]) -> Option<String> {
    if !OPERATIONS
        .iter()
        .any(|operation| rule.has_operation(operation))
    {
        return Some(
            ".operations has neither CREATE nor UPDATE, and this policy judges nothing else"
                .to_owned(),
        );
    }
    // Which resource a custom kind has is not known here, and it may be called like one of Kubernetes.
    let names = |group: &&str| rule.api_groups.iter().any(|named| named == group);
    if custom_groups.iter().any(names) {
        return None;
    }
    if rule.is_for_cluster_scope() {
        return Some(
            ".scope is Cluster, and what this policy judges lives in namespaces".to_owned(),
        );
    }
    let is_idle = |resource: &&String| {
        let alone = rule.with_resource(resource);
        let is_judged = |(group, resource): &(&str, &str)| {
            OPERATIONS
                .iter()
                .any(|operation| alone.covers(group, resource, operation))
        };
        let is_old = |resource| {
            OPERATIONS
                .iter()
                .any(|operation| alone.names(OLD_GROUP, resource, operation))
        };
        !JUDGED.iter().any(is_judged) && !OLD_RESOURCES.into_iter().any(is_old)
    };
    let idle: Vec<_> = rule.resources.iter().filter(is_idle).collect();
    let meant: Vec<_> = JUDGED
        .iter()
        .filter(|judged| idle.iter().any(|written| may_mean(rule, written, judged)))
        .collect();
    // Beside what is judged a rule may name what other policies are about, but no slips.
    let may_name_others = idle.len() < rule.resources.len()
        || custom_groups.iter().any(|group| rule.has_group(group));
    if idle.is_empty() || meant.is_empty() && may_name_others {
        return None;
    }
    let advice = if meant.is_empty() {
        String::new()
    } else {
        let mut groups: Vec<_> = meant.iter().map(|(group, _)| *group).collect();
        groups.dedup();
        let resources: Vec<_> = meant.iter().map(|(_, resource)| *resource).collect();
        format!(
            "; did you mean apiGroups: {groups:?}, apiVersions: [\"v1\"], resources: {resources:?}?"
        )
    };
    Some(format!(
        " names resources {idle:?} of apiGroups {:?} and apiVersions {:?}, of which this policy judges none{advice}",
        rule.api_groups, rule.api_versions
    ))
}

/// Whether a resource of a rule may mean one that is judged: by its kind, by another case, or with a
/// group or a version written wrongly.
fn may_mean(rule: &Rule, written: &str, (group, resource): &(&str, &str)) -> bool {
    // Others may have resources of the same name.
    if rule.api_groups.iter().all(|group| group.contains('.')) {
        return false;
    }
    if written == "*" {
        let mut groups = rule.api_groups.iter();
        return !resource.contains('/') && groups.any(|written| without_version(written) == *group);
    }
    let written = written.to_lowercase();
    written == *resource || format!("{written}s") == *resource
}

/// The group that somebody means who writes its name, or its version as well, as in `apiVersion`.
fn without_version(group: &str) -> &str {
    match group.split_once('/') {
        Some((group, _)) => group,
        None if group == "core" || group == "v1" => "",
        None => group,
    }
}

const OPERATIONS: [&str; 2] = ["CREATE", "UPDATE"];

/// Where some of them were before Kubernetes 1.16, and still are in old charts.
const OLD_GROUP: &str = "extensions";
const OLD_RESOURCES: [&str; 3] = ["daemonsets", "deployments", "replicasets"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn idle_rules(rule: &Value, settings: &Value) -> Vec<String> {
        let manifest = json!({
            "apiVersion": "policies.kubewarden.io/v1",
            "kind": "ClusterAdmissionPolicy",
            "metadata": {"name": "p"},
            "spec": {"module": "m", "mutating": false, "rules": [rule], "settings": settings},
        });
        let file = PolicyResource::read("f", manifest.to_string().as_bytes(), "default", None);
        file.unwrap().policies.remove(0).idle_rules()
    }

    fn rule(groups: &[&str], versions: &[&str], resources: &[&str]) -> Value {
        json!({
            "apiGroups": groups,
            "apiVersions": versions,
            "resources": resources,
            "operations": ["CREATE", "UPDATE"],
        })
    }

    #[test]
    fn a_rule_that_names_something_that_is_judged_has_no_warning() {
        for (groups, versions, resources) in [
            (&[""][..], &["v1"][..], &["pods"][..]),
            (&[""], &["v1"], &["pods/ephemeralcontainers"]),
            (&["*"], &["*"], &["*"]),
            (&["*"], &["*"], &["*/*"]),
            (&["", "apps"], &["v1"], &["pods", "deployments"]),
            (&[""], &["v1"], &["pods", "services", "pods/exec"]),
            (&["extensions"], &["v1beta1"], &["deployments"]),
        ] {
            let rule = rule(groups, versions, resources);
            assert_eq!(idle_rules(&rule, &Value::Null), [""; 0], "{rule}");
        }
    }

    #[test]
    fn a_rule_that_names_nothing_that_is_judged_says_what_may_be_meant() {
        for (groups, versions, resources, meant) in [
            (
                &["core"][..],
                &["v1"][..],
                &["pods"][..],
                Some("[\"\"], apiVersions: [\"v1\"], resources: [\"pods\"]"),
            ),
            (
                &["apps/v1"],
                &["v1"],
                &["Deployment"],
                Some("[\"apps\"], apiVersions: [\"v1\"], resources: [\"deployments\"]"),
            ),
            (
                &["apps"],
                &["apps/v1"],
                &["statefulsets"],
                Some("[\"apps\"], apiVersions: [\"v1\"], resources: [\"statefulsets\"]"),
            ),
            (
                &["batch"],
                &["v1beta1"],
                &["cronjobs"],
                Some("[\"batch\"], apiVersions: [\"v1\"], resources: [\"cronjobs\"]"),
            ),
            (
                &[""],
                &["v1"],
                &["pod", "deployments"],
                Some(
                    "[\"\", \"apps\"], apiVersions: [\"v1\"], resources: [\"pods\", \"deployments\"]",
                ),
            ),
            (
                &["batch/v1"],
                &["*"],
                &["*"],
                Some("[\"batch\"], apiVersions: [\"v1\"], resources: [\"cronjobs\", \"jobs\"]"),
            ),
            (
                &["v1"],
                &["v1"],
                &["*"],
                Some(
                    "[\"\"], apiVersions: [\"v1\"], resources: [\"pods\", \"podtemplates\", \"replicationcontrollers\"]",
                ),
            ),
            (&[""], &["v1"], &["services", "pods/exec"], None),
            (&["argoproj.io"], &["*"], &["rollouts"], None),
            (&["batch.volcano.sh"], &["*"], &["jobs"], None),
            (
                &["*"],
                &["*"],
                &["Deployment"],
                Some("[\"apps\"], apiVersions: [\"v1\"], resources: [\"deployments\"]"),
            ),
        ] {
            let expected = format!(
                "spec.rules[0] names resources {resources:?} of apiGroups {groups:?} and apiVersions {versions:?}, of which this policy judges none{}",
                meant
                    .map(|meant| format!("; did you mean apiGroups: {meant}?"))
                    .unwrap_or_default()
            );
            let rule = rule(groups, versions, resources);
            assert_eq!(idle_rules(&rule, &Value::Null), [expected], "{rule}");
        }
    }

    #[test]
    fn a_slip_beside_what_is_judged_is_found_too() {
        let rule = rule(&["", "apps"], &["v1"], &["pods", "Deployment", "services"]);
        assert_eq!(
            idle_rules(&rule, &Value::Null),
            [
                "spec.rules[0] names resources [\"Deployment\", \"services\"] of apiGroups [\"\", \"apps\"] and apiVersions [\"v1\"], of which this policy judges none; did you mean apiGroups: [\"apps\"], apiVersions: [\"v1\"], resources: [\"deployments\"]?"
            ]
        );
    }

    #[test]
    fn a_custom_kind_is_judged_when_the_settings_say_so() {
        let settings = json!({"customWorkloads": [
            {"group": "batch.volcano.sh", "kind": "Job", "podTemplates": ["spec.tasks[*].template"]},
        ]});
        for (group, resource) in [("batch.volcano.sh", "jobs"), ("*", "jobflows"), ("*", "*")] {
            let rule = rule(&[group], &["*"], &[resource]);
            assert_eq!(idle_rules(&rule, &settings), [""; 0], "{rule}");
        }
        let slip = rule(&["*"], &["*"], &["jobflows", "Deployment"]);
        assert_eq!(idle_rules(&slip, &settings).len(), 1);
    }

    #[test]
    fn operations_and_scope_must_leave_something_to_judge() {
        let mut deletes = rule(&[""], &["v1"], &["pods"]);
        deletes["operations"] = json!(["DELETE", "CONNECT"]);
        assert_eq!(
            idle_rules(&deletes, &Value::Null),
            [
                "spec.rules[0].operations has neither CREATE nor UPDATE, and this policy judges nothing else"
            ]
        );
        let mut cluster = rule(&["*"], &["*"], &["*"]);
        cluster["scope"] = json!("Cluster");
        assert_eq!(
            idle_rules(&cluster, &Value::Null),
            ["spec.rules[0].scope is Cluster, and what this policy judges lives in namespaces"]
        );
    }
}
