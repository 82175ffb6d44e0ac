//! The kinds that Kubernetes itself has.
//!
//! Their groups are closed: whoever adds a kind of their own needs a group with a dot in it, and
//! `k8s.io` is reserved. So a kind of Kubernetes without Pods is known to have none, and a name that
//! is almost one of these is a mistake.

/// What is known of a group and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It is a Pod or makes Pods; it lives in a namespace.
    Workload,
    /// It has no Pods, and lives in a namespace.
    Namespaced,
    /// It has no Pods, and lives in no namespace.
    Cluster,
}

/// Whether objects of the kind live in no namespace.
pub(crate) fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    let of_kubewarden = group == KUBEWARDEN
        && matches!(
            kind,
            "ClusterAdmissionPolicy" | "ClusterAdmissionPolicyGroup" | "PolicyServer"
        );
    of_kubewarden || sort(group, kind) == Some(Sort::Cluster)
}

/// Whether it is known that objects of the kind have no Pods, and that none are made from them.
pub(crate) fn has_no_pods(group: &str, kind: &str) -> bool {
    sort(group, kind).is_some_and(|sort| sort != Sort::Workload)
}

/// Where objects of the kind keep their PodSpec, when they are, or carry, a Pod.
pub(crate) fn pod_spec(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    (sort(group, kind) == Some(Sort::Workload)).then_some(match kind {
        "Pod" => &["spec"],
        "PodTemplate" => &["template", "spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => &["spec", "template", "spec"],
    })
}

/// Whether objects of the kind are lists, of objects of a kind of Kubernetes or Kubewarden, or of any.
pub(crate) fn is_list(group: &str, kind: &str) -> bool {
    kind == LIST
        || kind
            .strip_suffix(LIST)
            .is_some_and(|kind| group == KUBEWARDEN || sort(group, kind).is_some())
}

/// What to write in place of a kind that Kubernetes does not have: where it is clear, and where it may
/// mean one with Pods, which nobody would judge.
pub(crate) fn correction(group: &str, kind: &str) -> Option<String> {
    let is_of_others = group.contains('.') && KINDS.iter().all(|(known, ..)| *known != group);
    if is_of_others || sort(group, kind).is_some() || is_list(group, kind) {
        return None;
    }
    if kind.eq_ignore_ascii_case(LIST) {
        return Some(format!("write kind {LIST}"));
    }
    let end = kind.len().saturating_sub(LIST.len());
    let (name, suffix) = match kind.split_at_checked(end) {
        Some((name, suffix)) if suffix.eq_ignore_ascii_case(LIST) => (name, LIST),
        _ => (kind, ""),
    };
    let of_name = || {
        let kinds = KINDS.iter();
        kinds.filter(|(_, known, _)| known.eq_ignore_ascii_case(name))
    };
    if let Some((_, known, _)) = of_name().find(|(known, ..)| *known == group) {
        return Some(format!("write kind {known}{suffix}"));
    }
    // The first is in the group of today: the old one, extensions, comes later.
    if let Some((of_group, known, _)) = of_name().find(|(.., sort)| *sort == Sort::Workload) {
        let api_version = api_version(of_group);
        return Some(format!(
            "write apiVersion {api_version} and kind {known}{suffix}"
        ));
    }
    let (of_group, near) = nearest_workload(group, kind)?;
    Some(if of_group == group {
        format!("did you mean kind {near}?")
    } else {
        let api_version = api_version(of_group);
        format!("did you mean apiVersion {api_version} and kind {near}?")
    })
}

/// The kind with Pods, or the list of such, that somebody who wrote `kind` may have meant, and its
/// group. As many slips are forgiven as in the settings of the policy.
fn nearest_workload(group: &str, kind: &str) -> Option<(&'static str, String)> {
    let word = kind.to_lowercase();
    let workloads = KINDS.iter().filter(|(.., sort)| *sort == Sort::Workload);
    let names = workloads.flat_map(|(of_group, name, _)| {
        ["", LIST].map(|suffix| (*of_group, format!("{name}{suffix}")))
    });
    let (distance, (of_group, near)) = names
        .map(|(of_group, name)| {
            (
                strsim::levenshtein(&word, &name.to_lowercase()),
                (of_group, name),
            )
        })
        .min_by_key(|(distance, (of_group, _))| (*distance, *of_group != group))?;
    (distance <= near.len().div_ceil(3)).then_some((of_group, near))
}

fn api_version(group: &str) -> String {
    let slash = if group.is_empty() { "" } else { "/" };
    format!("{group}{slash}v1")
}

fn sort(group: &str, kind: &str) -> Option<Sort> {
    let known = KINDS
        .iter()
        .find(|known| (known.0, known.1) == (group, kind));
    known.map(|(.., sort)| *sort)
}

/// Group, kind; from the API of Kubernetes 1.32 to 1.36 as k8s-openapi has it, with what older versions
/// had in these groups.
const KINDS: &[(&str, &str, Sort)] = &[
    ("", "Binding", Sort::Namespaced),
    ("", "ComponentStatus", Sort::Cluster),
    ("", "ConfigMap", Sort::Namespaced),
    ("", "Endpoints", Sort::Namespaced),
    ("", "Event", Sort::Namespaced),
    ("", "LimitRange", Sort::Namespaced),
    ("", "Namespace", Sort::Cluster),
    ("", "Node", Sort::Cluster),
    ("", "PersistentVolume", Sort::Cluster),
    ("", "PersistentVolumeClaim", Sort::Namespaced),
    ("", "Pod", Sort::Workload),
    ("", "PodTemplate", Sort::Workload),
    ("", "ReplicationController", Sort::Workload),
    ("", "ResourceQuota", Sort::Namespaced),
    ("", "Secret", Sort::Namespaced),
    ("", "Service", Sort::Namespaced),
    ("", "ServiceAccount", Sort::Namespaced),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        Sort::Cluster,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        Sort::Cluster,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        Sort::Cluster,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
        Sort::Cluster,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        Sort::Cluster,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        Sort::Cluster,
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        Sort::Cluster,
    ),
    ("apiregistration.k8s.io", "APIService", Sort::Cluster),
    ("apps", "ControllerRevision", Sort::Namespaced),
    ("apps", "DaemonSet", Sort::Workload),
    ("apps", "Deployment", Sort::Workload),
    ("apps", "ReplicaSet", Sort::Workload),
    ("apps", "StatefulSet", Sort::Workload),
    ("authentication.k8s.io", "SelfSubjectReview", Sort::Cluster),
    ("authentication.k8s.io", "TokenRequest", Sort::Namespaced),
    ("authentication.k8s.io", "TokenReview", Sort::Cluster),
    (
        "authorization.k8s.io",
        "LocalSubjectAccessReview",
        Sort::Namespaced,
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        Sort::Cluster,
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectRulesReview",
        Sort::Cluster,
    ),
    ("authorization.k8s.io", "SubjectAccessReview", Sort::Cluster),
    ("autoscaling", "HorizontalPodAutoscaler", Sort::Namespaced),
    ("autoscaling", "Scale", Sort::Namespaced),
    ("batch", "CronJob", Sort::Workload),
    ("batch", "Job", Sort::Workload),
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        Sort::Cluster,
    ),
    ("certificates.k8s.io", "ClusterTrustBundle", Sort::Cluster),
    (
        "certificates.k8s.io",
        "PodCertificateRequest",
        Sort::Namespaced,
    ),
    ("coordination.k8s.io", "Lease", Sort::Namespaced),
    ("coordination.k8s.io", "LeaseCandidate", Sort::Namespaced),
    ("discovery.k8s.io", "EndpointSlice", Sort::Namespaced),
    ("events.k8s.io", "Event", Sort::Namespaced),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", Sort::Cluster),
    (
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        Sort::Cluster,
    ),
    ("internal.apiserver.k8s.io", "StorageVersion", Sort::Cluster),
    ("networking.k8s.io", "IPAddress", Sort::Cluster),
    ("networking.k8s.io", "Ingress", Sort::Namespaced),
    ("networking.k8s.io", "IngressClass", Sort::Cluster),
    ("networking.k8s.io", "NetworkPolicy", Sort::Namespaced),
    ("networking.k8s.io", "ServiceCIDR", Sort::Cluster),
    ("node.k8s.io", "RuntimeClass", Sort::Cluster),
    ("policy", "Eviction", Sort::Namespaced),
    ("policy", "PodDisruptionBudget", Sort::Namespaced),
    ("policy", "PodSecurityPolicy", Sort::Cluster),
    ("rbac.authorization.k8s.io", "ClusterRole", Sort::Cluster),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        Sort::Cluster,
    ),
    ("rbac.authorization.k8s.io", "Role", Sort::Namespaced),
    ("rbac.authorization.k8s.io", "RoleBinding", Sort::Namespaced),
    ("resource.k8s.io", "DeviceClass", Sort::Cluster),
    ("resource.k8s.io", "DeviceTaintRule", Sort::Cluster),
    ("resource.k8s.io", "ResourceClaim", Sort::Namespaced),
    ("resource.k8s.io", "ResourceClaimTemplate", Sort::Namespaced),
    (
        "resource.k8s.io",
        "ResourcePoolStatusRequest",
        Sort::Cluster,
    ),
    ("resource.k8s.io", "ResourceSlice", Sort::Cluster),
    ("scheduling.k8s.io", "PodGroup", Sort::Namespaced),
    ("scheduling.k8s.io", "PriorityClass", Sort::Cluster),
    ("scheduling.k8s.io", "Workload", Sort::Namespaced),
    ("storage.k8s.io", "CSIDriver", Sort::Cluster),
    ("storage.k8s.io", "CSINode", Sort::Cluster),
    ("storage.k8s.io", "CSIStorageCapacity", Sort::Namespaced),
    ("storage.k8s.io", "StorageClass", Sort::Cluster),
    ("storage.k8s.io", "VolumeAttachment", Sort::Cluster),
    ("storage.k8s.io", "VolumeAttributesClass", Sort::Cluster),
    (
        "storagemigration.k8s.io",
        "StorageVersionMigration",
        Sort::Cluster,
    ),
    ("extensions", "DaemonSet", Sort::Workload),
    ("extensions", "Deployment", Sort::Workload),
    ("extensions", "Ingress", Sort::Namespaced),
    ("extensions", "NetworkPolicy", Sort::Namespaced),
    ("extensions", "PodSecurityPolicy", Sort::Cluster),
    ("extensions", "ReplicaSet", Sort::Workload),
];

const LIST: &str = "List";
/// No kind there is itself called a list.
const KUBEWARDEN: &str = "policies.kubewarden.io";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_kubernetes_without_pods_is_known() {
        for (group, kind, expected) in [
            ("", "ConfigMap", true),
            ("", "Service", true),
            ("apiextensions.k8s.io", "CustomResourceDefinition", true),
            ("extensions", "Ingress", true),
            ("policy", "PodSecurityPolicy", true),
            ("", "Pod", false),
            ("apps", "Deployment", false),
            ("extensions", "DaemonSet", false),
            ("batch", "CronJob", false),
            // It makes Pods, and is not of Kubernetes.
            ("policies.kubewarden.io", "PolicyServer", false),
            ("example.com", "ConfigMap", false),
            ("apps", "Daemonset", false),
        ] {
            assert_eq!(has_no_pods(group, kind), expected, "{group}/{kind}");
        }
    }

    #[test]
    fn a_kind_that_is_written_wrongly_is_corrected() {
        for (group, kind, expected) in [
            ("apps", "Daemonset", Some("write kind DaemonSet")),
            ("apps", "deployment", Some("write kind Deployment")),
            ("", "pod", Some("write kind Pod")),
            ("", "Configmap", Some("write kind ConfigMap")),
            ("", "podlist", Some("write kind PodList")),
            ("apps", "DaemonsetList", Some("write kind DaemonSetList")),
            ("", "list", Some("write kind List")),
            (
                "",
                "Deployment",
                Some("write apiVersion apps/v1 and kind Deployment"),
            ),
            ("apps", "Pod", Some("write apiVersion v1 and kind Pod")),
            (
                "Apps",
                "replicaset",
                Some("write apiVersion apps/v1 and kind ReplicaSet"),
            ),
            ("batch", "CronJobs", Some("did you mean kind CronJob?")),
            ("apps", "Deploymnet", Some("did you mean kind Deployment?")),
            ("apps", "deployments", Some("did you mean kind Deployment?")),
            ("", "Pods", Some("did you mean kind Pod?")),
            ("", "PodLsit", Some("did you mean kind PodList?")),
            (
                "apps",
                "Pods",
                Some("did you mean apiVersion v1 and kind Pod?"),
            ),
            (
                "extensions",
                "DeamonSet",
                Some("did you mean kind DaemonSet?"),
            ),
            (
                "app",
                "Statefulsets",
                Some("did you mean apiVersion apps/v1 and kind StatefulSet?"),
            ),
            ("", "Nodes", None),
            ("apps", "Role", None),
            ("batch.volcano.sh", "Jobs", None),
            ("apps.kruise.io", "StatefulSets", None),
            ("apps", "DaemonSet", None),
            ("extensions", "DaemonSet", None),
            ("apps", "DaemonSetList", None),
            ("batch.volcano.sh", "job", None),
            ("example.com", "pod", None),
            ("", "DeploymentConfig", None),
            ("", "", None),
            ("", "\u{e4}\u{e4}\u{e4}", None),
        ] {
            assert_eq!(
                correction(group, kind).as_deref(),
                expected,
                "{group}/{kind}"
            );
        }
    }

    #[test]
    fn a_list_is_of_a_kind_of_kubernetes() {
        assert!(is_list("", "List"));
        assert!(is_list("", "PodList"));
        assert!(is_list("apps", "DeploymentList"));
        assert!(is_list("policies.kubewarden.io", "AdmissionPolicyList"));
        assert!(!is_list("example.com", "AllowList"));
        assert!(!is_list("", "AllowList"));
        assert!(!is_list("apps", "Deployment"));
    }

    #[test]
    fn what_lives_in_no_namespace_is_known() {
        for (group, kind) in [
            ("", "Namespace"),
            ("rbac.authorization.k8s.io", "ClusterRole"),
            ("policies.kubewarden.io", "ClusterAdmissionPolicy"),
            ("policies.kubewarden.io", "ClusterAdmissionPolicyGroup"),
            ("policies.kubewarden.io", "PolicyServer"),
        ] {
            assert!(is_cluster_scoped(group, kind), "{group}/{kind}");
        }
        for (group, kind) in [
            ("", "Pod"),
            ("", "Service"),
            ("policies.kubewarden.io", "AdmissionPolicy"),
            ("example.com", "Namespace"),
        ] {
            assert!(!is_cluster_scoped(group, kind), "{group}/{kind}");
        }
    }

    #[test]
    fn no_kind_is_named_twice() {
        let mut kinds: Vec<_> = KINDS.iter().map(|known| (known.0, known.1)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), KINDS.len());
    }
}
