//! What mends a pod as a whole: the remedies of all violations, applied together, leave a pod that
//! Kubernetes takes.
//!
//! Each control knows its own field. Whether a value can be written depends on others too, and those
//! may stay as they are, because they are exempt, allowed, or older than the policy. So this is
//! decided last, when it is known which violations are left. On the way of an accepted pod it does
//! nothing.
//!
//! Sources: `ValidateSecurityContext`, `validateHostUsers`, `validateWindowsHostProcessPod`,
//! `validateWindows` and `validatePodHostNetworkDeps` of the API server's
//! `pkg/apis/core/validation/validation.go`.

use crate::controls::Control;
use crate::controls::host_ports::NOT_DECLARED;
use crate::finding::{Remedy, Taken, Value};
use crate::pod::container::Container;
use crate::pod::place::{ContainerKind, Subject};
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;
use crate::violation::{Outcome, Violation};

/// Makes the remedies of all violations fit each other and what stays in the pod.
#[cold]
#[inline(never)]
pub(super) fn reconcile<'p>(pod: &'p Pod<'p>, outcome: &mut Outcome<'p>) {
    if outcome.violations.is_empty() {
        return;
    }
    let facts = Facts::new(pod, &Violations(&outcome.violations));
    for index in 0..outcome.violations.len() {
        // What is changed here is not asked for behind it.
        let violations = Violations(&outcome.violations);
        let violation = violations.0.get(index);
        let remedy = violation.and_then(|violation| facts.remedy(pod, &violations, violation));
        if let (Some(remedy), Some(violation)) = (remedy, outcome.violations.get_mut(index)) {
            violation.finding.remedy = remedy;
        }
    }
    mend_in_pod(pod, &mut outcome.violations);
    let is_for_linux = |violation: &Violation<'_>| {
        matches!(
            violation.control,
            Control::Seccomp
                | Control::PrivilegeEscalation
                | Control::Capabilities
                | Control::ReadOnlyRootFilesystem
        )
    };
    if facts.has_host_process && !pod.is_windows() && outcome.violations.iter().any(is_for_linux) {
        outcome.notice(UNNAMED_SYSTEM.to_owned());
    }
}

/// The violations, sorted as an outcome has them.
struct Violations<'v, 'p>(&'v [Violation<'p>]);

impl<'v, 'p> Violations<'v, 'p> {
    /// Those of one control about one subject.
    fn of(
        &self,
        control: Control,
        subject: Subject<'p>,
    ) -> impl Iterator<Item = &'v Violation<'p>> {
        let key = (control, subject);
        let of = |violation: &Violation<'p>| (violation.control, violation.finding.subject());
        let start = self.0.partition_point(|violation| of(violation) < key);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(move |violation| of(violation) == key)
    }

    /// Whether the field goes when its violation is mended.
    fn mend(&self, control: Control, subject: Subject<'p>, field: &str) -> bool {
        self.of(control, subject).any(|violation| {
            let finding = &violation.finding;
            finding.place.last() == Some(field)
                && matches!(finding.remedy, Remedy::Set(Value::Flag(false)))
        })
    }
}

/// What is known of the pod when its violations are mended.
struct Facts {
    has_host_process: bool,
    /// Whether nothing in the pod is a host process afterwards.
    host_processes_go: bool,
    host_network_goes: bool,
    /// Why the pod can have no user namespace of its own.
    stays_beside_users: Option<&'static str>,
}

impl Facts {
    fn new<'p>(pod: &'p Pod<'p>, violations: &Violations<'_, 'p>) -> Self {
        let is_host_process = |context: Option<&SecurityContext<'_>>| {
            context.is_some_and(SecurityContext::is_host_process)
        };
        let goes = |subject| violations.mend(Control::Privileged, subject, "hostProcess");
        let of_pod = is_host_process(pod.security_context());
        let mut has_host_process = of_pod;
        let mut host_processes_go = !of_pod || goes(Subject::Pod);
        for container in pod.containers() {
            if is_host_process(container.security_context()) {
                has_host_process = true;
                host_processes_go &= goes(container.subject());
            }
        }
        let goes = |field| violations.mend(Control::HostNamespaces, Subject::Pod, field);
        let host_network_goes = host_processes_go && goes("hostNetwork");
        let stays_beside_users = [
            (BESIDE[0], pod.spec.host_network, host_network_goes),
            (BESIDE[1], pod.spec.host_pid, goes("hostPID")),
            (BESIDE[2], pod.spec.host_ipc, goes("hostIPC")),
        ]
        .into_iter()
        .find(|(_, value, goes)| *value == Some(true) && !goes)
        .map(|(reason, _, _)| reason);
        Self {
            has_host_process,
            host_processes_go,
            host_network_goes,
            stays_beside_users,
        }
    }

    /// Another remedy for a violation, where its own would not do.
    fn remedy<'p>(
        &self,
        pod: &'p Pod<'p>,
        violations: &Violations<'_, 'p>,
        Violation {
            control, finding, ..
        }: &Violation<'p>,
    ) -> Option<Remedy> {
        let field = finding.place.last()?;
        match (&finding.remedy, field) {
            (Remedy::Set(_), "hostProcess") if !self.host_processes_go => Some(Remedy::Never(
                "in a pod all containers are Windows host processes or none, and one stays".into(),
            )),
            (Remedy::Set(_), "hostNetwork") if !self.host_processes_go => Some(Remedy::Never(
                "Kubernetes asks a pod of Windows host processes for it".into(),
            )),
            (Remedy::Set(_), "hostUsers") => self
                .stays_beside_users
                .map(|reason| Remedy::Never(reason.into())),
            (Remedy::Set(_), "allowPrivilegeEscalation") => {
                let container = container(pod, finding.subject())?;
                implied_by(&container, violations).map(|reason| Remedy::Never(reason.into()))
            }
            (Remedy::Remove, "hostPort")
                if *control == Control::HostPorts
                    && pod.spec.host_network == Some(true)
                    && !self.host_network_goes =>
            {
                Some(Remedy::Must(NOT_DECLARED.into()))
            }
            // There is no value for Windows to be set to.
            (
                Remedy::Set(_) | Remedy::OneOf { .. },
                "appArmorProfile" | "privileged" | "procMount" | "shareProcessNamespace",
            ) if pod.is_windows() => Some(Remedy::Remove),
            _ => None,
        }
    }
}

fn container<'p>(pod: &'p Pod<'p>, subject: Subject<'_>) -> Option<Container<'p>> {
    match subject {
        Subject::Container { kind, index, .. } => pod.container_at(kind, index),
        Subject::Pod | Subject::Volume { .. } => None,
    }
}

/// What stays in the container that Kubernetes takes for `allowPrivilegeEscalation: true`.
fn implied_by<'p>(
    container: &Container<'p>,
    violations: &Violations<'_, 'p>,
) -> Option<&'static str> {
    let own = container.security_context()?;
    let subject = container.subject();
    if own.privileged == Some(true) && !violations.mend(Control::Privileged, subject, "privileged")
    {
        return Some("Kubernetes refuses false beside privileged: true");
    }
    // Kubernetes compares with this very name.
    let add = own.capabilities.as_ref().map(|own| &*own.add)?;
    let added = add.iter().filter(|name| name.as_str() == "CAP_SYS_ADMIN");
    let removed = violations
        .of(Control::Capabilities, subject)
        .filter_map(|violation| violation.finding.place.last_index())
        .filter_map(|index| add.get(index))
        .filter(|name| name.as_str() == "CAP_SYS_ADMIN");
    (added.count() > removed.count()).then_some("Kubernetes refuses false beside CAP_SYS_ADMIN")
}

/// Where several containers lack the same field, and nobody else would take it from the pod, the pod is
/// the place to write it once.
fn mend_in_pod(pod: &Pod<'_>, violations: &mut [Violation<'_>]) {
    for control in [Control::AppArmor, Control::Seccomp, Control::RootUser] {
        let is_lacking = |violation: &&Violation<'_>| {
            violation.control == control && violation.finding.from_pod.is_some()
        };
        // The pod's fields do not change when a container is added for debugging.
        let is_added = |violation: &Violation<'_>| {
            let subject = violation.finding.subject();
            matches!(
                subject,
                Subject::Container {
                    kind: ContainerKind::Ephemeral,
                    ..
                }
            )
        };
        let lacking = || violations.iter().filter(is_lacking);
        let count = lacking().count();
        let Some(takes) = lacking().find_map(|violation| violation.finding.from_pod) else {
            continue;
        };
        let inheriting = pod
            .containers()
            .filter(|container| takes(pod, container) != Taken::Not);
        if inheriting.count() == count && !lacking().all(is_added) {
            for violation in violations.iter_mut() {
                if is_lacking(&&*violation) {
                    violation.finding.is_mended_in_pod = true;
                }
            }
        }
    }
}

const BESIDE: [&str; 3] = [
    "Kubernetes refuses false beside hostNetwork: true",
    "Kubernetes refuses false beside hostPID: true",
    "Kubernetes refuses false beside hostIPC: true",
];
const UNNAMED_SYSTEM: &str = "the pod asks for Windows host processes and names no system: with os.name set to \
                              windows in its spec, what only Linux has is not asked of it";
