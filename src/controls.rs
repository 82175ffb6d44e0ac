//! The controls: one file each, under the name of its section of the settings, and the one table
//! that runs them.
//!
//! A control is a function from what is judged, and its own settings, to [`Findings`]. It returns
//! no `Result`: where it cannot know, that is a violation, so no `?` can let a workload pass.

pub(crate) mod app_armor;
pub(crate) mod capabilities;
pub(crate) mod host_namespaces;
pub(crate) mod host_ports;
pub(crate) mod image_pinning;
pub(crate) mod privilege_escalation;
pub(crate) mod privileged;
pub(crate) mod proc_mount;
pub(crate) mod read_only_root_filesystem;
pub(crate) mod registries;
pub(crate) mod root_user;
pub(crate) mod seccomp;
pub(crate) mod share_process_namespace;

use std::collections::BTreeSet;

use crate::image::Image;
use crate::image::reference::{Reference, ReferenceError};
use crate::settings::{Mode, Settings, words};
use crate::violation::{Found, Remedy, Violation};
use crate::workload::Workload;

words! {
    /// Every control, in the order in which violations are listed.
    pub(crate) enum Control {
        AppArmor = "appArmor",
        Seccomp = "seccomp",
        HostNamespaces = "hostNamespaces",
        HostPorts = "hostPorts",
        ShareProcessNamespace = "shareProcessNamespace",
        Privileged = "privileged",
        PrivilegeEscalation = "privilegeEscalation",
        RootUser = "rootUser",
        Capabilities = "capabilities",
        ProcMount = "procMount",
        ReadOnlyRootFilesystem = "readOnlyRootFilesystem",
        Registries = "registries",
        ImagePinning = "imagePinning",
    }
}

impl Control {
    /// Whether the control judges the pod as a whole, never one container of it.
    pub(crate) fn is_pod_wide(self) -> bool {
        matches!(self, Self::HostNamespaces | Self::ShareProcessNamespace)
    }
}

/// One row of the table: the control, its mode, and how it judges.
struct Row {
    control: Control,
    mode: fn(&Settings) -> Mode,
    judge: Judge,
}

/// How a control judges: what it needs to see, apart from its own settings.
enum Judge {
    /// The pod alone.
    Pod(for<'w> fn(&'w Workload<'w>, &Settings, &mut Findings<'w>)),
    /// The image references.
    Images(for<'w> fn(&Images<'w>, &Settings, &mut Findings<'w>)),
}

/// One row: how the control judges, its name, and its module and section.
macro_rules! row {
    ($judge:ident, $control:ident, $section:ident) => {
        Row {
            control: Control::$control,
            mode: |settings| settings.$section.mode,
            judge: Judge::$judge(|judged, settings, findings| {
                $section::judge(judged, &settings.$section, findings);
            }),
        }
    };
}

/// The table. Its order is the order of [`Control`].
const TABLE: [Row; 13] = [
    row!(Pod, AppArmor, app_armor),
    row!(Pod, Seccomp, seccomp),
    row!(Pod, HostNamespaces, host_namespaces),
    row!(Pod, HostPorts, host_ports),
    row!(Pod, ShareProcessNamespace, share_process_namespace),
    row!(Pod, Privileged, privileged),
    row!(Pod, PrivilegeEscalation, privilege_escalation),
    row!(Pod, RootUser, root_user),
    row!(Pod, Capabilities, capabilities),
    row!(Pod, ProcMount, proc_mount),
    row!(Pod, ReadOnlyRootFilesystem, read_only_root_filesystem),
    row!(Images, Registries, registries),
    row!(Images, ImagePinning, image_pinning),
];

impl Control {
    /// What happens to this control's violations.
    pub(crate) fn mode(self, settings: &Settings) -> Mode {
        TABLE
            .iter()
            .find(|row| row.control == self)
            .map_or(Mode::Enforce, |row| (row.mode)(settings))
    }
}

/// Runs every control that is on, and leaves out what the settings exempt.
///
/// `namespace` is the one that the request names.
pub(crate) fn judge<'w>(
    workload: &'w Workload<'w>,
    namespace: Option<&str>,
    settings: &Settings,
) -> Findings<'w> {
    let images = Images {
        of_template: workload.is_template(),
        images: workload.images(),
    };
    let mut findings = Findings::default();
    for row in &TABLE {
        if (row.mode)(settings) == Mode::Disabled {
            continue;
        }
        match row.judge {
            Judge::Pod(judge) => judge(workload, settings, &mut findings),
            Judge::Images(judge) => judge(&images, settings, &mut findings),
        }
    }
    findings.violations.retain(|violation| {
        !settings.exemptions.iter().any(|exemption| {
            exemption.covers(
                violation.control,
                violation.subject,
                namespace,
                &images.images,
            )
        })
    });
    findings
        .violations
        .sort_by(|left, right| left.sort_key().cmp(&right.sort_key()));
    findings
        .violations
        .dedup_by(|left, right| left.sort_key() == right.sort_key());
    findings
}

/// What the controls have found.
#[derive(Debug, Default)]
pub(crate) struct Findings<'w> {
    pub(crate) violations: Vec<Violation<'w>>,
    /// What the user should know and no violation says; sorted, each once.
    pub(crate) notices: BTreeSet<String>,
}

impl<'w> Findings<'w> {
    pub(crate) fn report(&mut self, violation: Violation<'w>) {
        self.violations.push(violation);
    }

    pub(crate) fn notice(&mut self, notice: impl Into<String>) {
        self.notices.insert(notice.into());
    }
}

/// The images of a workload, for the controls that judge them.
#[derive(Debug)]
pub(crate) struct Images<'w> {
    of_template: bool,
    images: Vec<Image<'w>>,
}

impl<'w> Images<'w> {
    /// The images whose reference can be judged. One that cannot be read is a violation of
    /// `control`; one that is not there yet, in a template, is a notice.
    pub(crate) fn readable<'i>(
        &'i self,
        control: Control,
        findings: &mut Findings<'w>,
    ) -> Vec<(&'i Image<'w>, &'i Reference<'w>)> {
        let mut readable = Vec::with_capacity(self.images.len());
        for image in &self.images {
            match &image.reference {
                Ok(reference) => readable.push((image, reference)),
                Err(ReferenceError::Empty) if self.of_template => findings.notice(format!(
                    "{}: has no image yet; it is judged when its Pods are created",
                    image.subject
                )),
                Err(error) => findings.report(unreadable(control, image, *error)),
            }
        }
        readable
    }
}

fn unreadable<'w>(control: Control, image: &Image<'w>, error: ReferenceError) -> Violation<'w> {
    Violation::new(
        control,
        image.subject,
        image.path.clone(),
        image.text.map_or(Found::Unset, Found::Text),
        Remedy::Must("be registry/repository:tag or registry/repository@sha256:...".to_owned()),
    )
    .because(match error {
        ReferenceError::Empty => "and no image can be judged".to_owned(),
        error => format!("which is no image reference: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_control_once_and_in_order() {
        assert!(TABLE.is_sorted_by(|left, right| left.control < right.control));
    }
}
