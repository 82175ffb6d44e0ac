//! The settings: what a cluster operator writes under `spec.settings`.
//!
//! Each control declares its own section in its own file; this file puts the sections together
//! and adds what holds for all of them. `decode.rs` reads them and reports every problem at once;
//! `schema.rs`, for the host only, makes the JSON Schema of them.

mod decode;
mod duration;
mod exemption;
#[cfg(feature = "schema")]
pub(crate) mod schema;

pub(crate) use self::decode::{Check, Choices, Decode, Problems, Written, section, words};
pub(crate) use self::duration::Duration;
pub(crate) use self::exemption::Exemption;
use crate::controls::app_armor::AppArmor;
use crate::controls::capabilities::Capabilities;
use crate::controls::host_namespaces::HostNamespaces;
use crate::controls::host_ports::HostPorts;
use crate::controls::image_freshness::ImageFreshness;
use crate::controls::image_pinning::ImagePinning;
use crate::controls::privilege_escalation::PrivilegeEscalation;
use crate::controls::privileged::Privileged;
use crate::controls::proc_mount::ProcMount;
use crate::controls::read_only_root_filesystem::ReadOnlyRootFilesystem;
use crate::controls::registries::Registries;
use crate::controls::root_user::RootUser;
use crate::controls::seccomp::Seccomp;
use crate::controls::share_process_namespace::ShareProcessNamespace;
use crate::controls::signatures::Signatures;
use crate::controls::vulnerabilities::Vulnerabilities;
pub(crate) use crate::json::Node;
use crate::json::{self, Document};

section! {
    /// Everything that can be configured. The default asks of a pod what the *restricted* Pod
    /// Security Standard asks.
    pub(crate) struct Settings {
        /// Containers run under AppArmor.
        "appArmor" app_armor: AppArmor = AppArmor::default(),
        /// Each container runs behind a filter of system calls.
        "seccomp" seccomp: Seccomp = Seccomp::default(),
        /// Pods do not share the namespaces of their node.
        "hostNamespaces" host_namespaces: HostNamespaces = HostNamespaces::default(),
        /// Pods do not open ports on their node.
        "hostPorts" host_ports: HostPorts = HostPorts::default(),
        /// The containers of a pod do not see each other's processes.
        "shareProcessNamespace" share_process_namespace: ShareProcessNamespace
            = ShareProcessNamespace::default(),
        /// No container runs privileged.
        "privileged" privileged: Privileged = Privileged::default(),
        /// No process gains more rights than its parent has.
        "privilegeEscalation" privilege_escalation: PrivilegeEscalation
            = PrivilegeEscalation::default(),
        /// No container runs as root.
        "rootUser" root_user: RootUser = RootUser::default(),
        /// Containers give up the rights of root that they do not need.
        "capabilities" capabilities: Capabilities = Capabilities::default(),
        /// Containers see `/proc` as the runtime masks it.
        "procMount" proc_mount: ProcMount = ProcMount::default(),
        /// No container writes to its image.
        "readOnlyRootFilesystem" read_only_root_filesystem: ReadOnlyRootFilesystem
            = ReadOnlyRootFilesystem::default(),
        /// Images come from trusted registries.
        "registries" registries: Registries = Registries::default(),
        /// Images are named so that the name keeps its meaning.
        "imagePinning" image_pinning: ImagePinning = ImagePinning::default(),
        /// Images are signed by somebody who is trusted.
        "signatures" signatures: Signatures = Signatures::default(),
        /// Images have been scanned, and nothing worse was found than allowed.
        "vulnerabilities" vulnerabilities: Vulnerabilities = Vulnerabilities::default(),
        /// Images are rebuilt now and then, on the current version of their base.
        "imageFreshness" image_freshness: ImageFreshness = ImageFreshness::default(),
        /// Workloads and images that a control does not judge.
        "exemptions" exemptions: Vec<Exemption> = Vec::new(),
        "onUpdate" on_update: OnUpdate = OnUpdate::NewViolations,
    }
}

impl Check for Settings {}

impl Settings {
    /// Decodes settings from JSON; none at all are all defaults.
    ///
    /// # Errors
    ///
    /// Every problem that there is, each with its path.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Vec<String>> {
        let document = Document::from_slice(json)
            .map_err(|error| vec![format!("settings: {}", json::describe_error(&error))])?;
        Self::from_node(document.root())
    }

    /// The same from JSON that is read already.
    pub(crate) fn from_node(node: Node<'_>) -> Result<Self, Vec<String>> {
        if matches!(node, Node::Null) {
            return Ok(Self::default());
        }
        let mut problems = Problems::default();
        let settings = Self::decode(node, &mut problems);
        match (settings, problems.into_messages()) {
            (Some(settings), messages) if messages.is_empty() => Ok(settings),
            (_, messages) => Err(messages),
        }
    }
}

words! {
    /// What happens to the violations of a control.
    pub(crate) enum Mode {
        /// They reject the request.
        Enforce = "enforce",
        /// They come back as admission warnings.
        Warn = "warn",
        /// The control does not look.
        Disabled = "disabled",
    }
}

words! {
    /// Which violations count against an UPDATE.
    pub(crate) enum OnUpdate {
        /// Those that the stored object does not have already.
        NewViolations = "newViolations",
        /// All.
        AllViolations = "allViolations",
    }
}

words! {
    /// Whether a profile annotation can satisfy a requirement.
    pub(crate) enum Annotations {
        /// No: today's clusters do not act on it.
        Ignore = "ignore",
        /// Yes: the cluster is old enough to act on it.
        Honor = "honor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_settings_are_all_defaults() {
        for json in ["{}", "null", r#"{"appArmor":null,"exemptions":null}"#] {
            assert!(Settings::from_json(json.as_bytes()).is_ok(), "{json}");
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        let problems = Settings::from_json(
            br#"{"apArmor":{},"seccomp":{"mode":"off","allowed":["runtimeDefault",1]},
                "registries":{"allow":["nginx"],"alow":[]},"onUpdate":false}"#,
        )
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "settings: unknown key \"apArmor\"; did you mean appArmor?",
                "seccomp.mode: \"off\" is none of: enforce, warn, disabled",
                "seccomp.allowed[0]: \"runtimeDefault\" is none of: RuntimeDefault, \
                 Localhost/<name>, Localhost/*, Unconfined; did you mean RuntimeDefault?",
                "seccomp.allowed[1]: expected a string, found a number",
                "registries: unknown key \"alow\"; did you mean allow?",
                "registries.allow[0]: \"nginx\" has no registry; did you mean \
                 \"docker.io/library/nginx\"?",
                "onUpdate: expected a string, found a boolean",
            ]
        );
    }
}
