//! The controls: one file each, under the name of its section of the settings, and the one table
//! that runs them.
//!
//! A control is a function from what is judged, and its own settings, to [`Findings`]. It returns
//! no `Result`: where it cannot know, that is a violation, so no `?` can let a workload pass.

pub(crate) mod app_armor;
pub(crate) mod capabilities;
pub(crate) mod host_namespaces;
pub(crate) mod host_ports;
pub(crate) mod image_freshness;
pub(crate) mod image_pinning;
pub(crate) mod privilege_escalation;
pub(crate) mod privileged;
pub(crate) mod proc_mount;
pub(crate) mod read_only_root_filesystem;
pub(crate) mod registries;
pub(crate) mod root_user;
pub(crate) mod seccomp;
pub(crate) mod share_process_namespace;
pub(crate) mod signatures;
pub(crate) mod vulnerabilities;

use std::cell::{LazyCell, OnceCell};
use std::iter;
use std::mem;

use crate::host_calls::{self, Failure, Host};
use crate::image::Image;
use crate::image::reference::{Reference, ReferenceError};
use crate::settings::{Exemption, Mode, Settings, words};
use crate::violation::{Found, Remedy, Subject, Violation};
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
        Signatures = "signatures",
        Vulnerabilities = "vulnerabilities",
        ImageFreshness = "imageFreshness",
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
    /// What the host knows of the images.
    SupplyChain(for<'l, 'w> fn(&Lookups<'l, 'w>, &Settings, &mut Findings<'w>)),
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
const TABLE: [Row; 16] = [
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
    row!(SupplyChain, Signatures, signatures),
    row!(SupplyChain, Vulnerabilities, vulnerabilities),
    row!(SupplyChain, ImageFreshness, image_freshness),
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

/// The controls that judge the pod as a whole.
#[cfg(feature = "schema")]
pub(crate) fn pod_wide() -> impl Iterator<Item = Control> {
    TABLE
        .iter()
        .map(|row| row.control)
        .filter(|control| control.is_pod_wide())
}

/// One workload on its way through the controls.
pub(crate) struct Review<'w> {
    workload: &'w Workload<'w>,
    /// The namespace that the request names.
    namespace: Option<&'w str>,
    settings: &'w Settings,
    images: Images<'w>,
}

impl<'w> Review<'w> {
    pub(crate) fn new(
        workload: &'w Workload<'w>,
        namespace: Option<&'w str>,
        settings: &'w Settings,
    ) -> Self {
        Self {
            workload,
            namespace,
            settings,
            images: Images::new(workload),
        }
    }

    /// Runs the controls that need nothing but the request.
    pub(crate) fn judge(&self) -> Findings<'w> {
        let mut findings = Findings::default();
        for row in self.rows() {
            match row.judge {
                Judge::Pod(judge) => judge(self.workload, self.settings, &mut findings),
                Judge::Images(judge) => judge(&self.images, self.settings, &mut findings),
                Judge::SupplyChain(_) => {}
            }
        }
        findings
            .violations
            .retain(|found| !self.is_exempt(found.control, found.subject));
        findings.sort();
        findings
    }

    /// Runs the controls that ask the host, and adds to what the others have found.
    ///
    /// Not asked about: images that `registries` refuses, that the settings exempt, or that the same
    /// container or volume of the `stored` object of an UPDATE has already. It is only decoded when an image is left.
    pub(crate) fn judge_supply_chain<'s>(
        &self,
        stored: impl Fn() -> Option<&'s Workload<'s>>,
        host: &dyn Host,
        findings: &mut Findings<'w>,
    ) {
        let refused = findings
            .violations
            .iter()
            .filter(|found| found.control == Control::Registries)
            .filter(|found| found.control.mode(self.settings) == Mode::Enforce)
            .map(|found| found.subject)
            .collect();
        let stored = LazyCell::new(|| stored().map(Workload::images).unwrap_or_default());
        let lookups = Lookups {
            review: self,
            refused,
            is_stored: &|image| stored.iter().any(|old| image.is_same_as(old)),
            host,
        };
        for row in self.rows() {
            if let Judge::SupplyChain(judge) = row.judge {
                judge(&lookups, self.settings, findings);
            }
        }
        findings.sort();
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        TABLE
            .iter()
            .filter(|row| (row.mode)(self.settings) != Mode::Disabled)
    }

    fn is_exempt(&self, control: Control, subject: Subject<'_>) -> bool {
        self.exemptions(control)
            .any(|exemption| exemption.covers(subject, &self.images))
    }

    /// The exemptions that are about a control here.
    fn exemptions(&self, control: Control) -> impl Iterator<Item = &'w Exemption> {
        let (namespace, exemptions) = (self.namespace, &self.settings.exemptions);
        exemptions
            .iter()
            .filter(move |exemption| exemption.is_about(control, namespace))
    }
}

/// What the controls have found.
#[derive(Debug, Default)]
pub(crate) struct Findings<'w> {
    pub(crate) violations: Vec<Violation<'w>>,
    /// What the user should know and no violation says; sorted, each once.
    pub(crate) notices: Vec<String>,
}

impl<'w> Findings<'w> {
    // Most requests come this way never.
    #[cold]
    pub(crate) fn report(&mut self, violation: Violation<'w>) {
        self.violations.push(violation);
    }

    /// Puts in the place of each violation what `count` leaves of it.
    pub(crate) fn replace(&mut self, count: impl Fn(Violation<'w>) -> Vec<Violation<'w>>) {
        let violations = mem::take(&mut self.violations);
        self.violations = violations.into_iter().flat_map(count).collect();
        self.sort();
    }

    /// By control and place in the manifest, each once.
    fn sort(&mut self) {
        self.violations
            .sort_unstable_by(|left, right| left.sort_key().cmp(&right.sort_key()));
        self.violations
            .dedup_by(|left, right| left.sort_key() == right.sort_key());
    }

    #[cold]
    pub(crate) fn notice(&mut self, notice: impl Into<String>) {
        let notice = notice.into();
        if let Err(place) = self.notices.binary_search(&notice) {
            self.notices.insert(place, notice);
        }
    }
}

/// The images of a workload, for the controls that judge them.
///
/// They are parsed when the first control asks for them: by default none does.
pub(crate) struct Images<'w> {
    workload: &'w Workload<'w>,
    parsed: OnceCell<Vec<Image<'w>>>,
}

impl<'w> Images<'w> {
    fn new(workload: &'w Workload<'w>) -> Self {
        Self {
            workload,
            parsed: OnceCell::new(),
        }
    }

    pub(crate) fn all(&self) -> &[Image<'w>] {
        self.parsed.get_or_init(|| self.workload.images())
    }

    /// The images whose reference can be judged.
    pub(crate) fn readable<'i>(
        &'i self,
        control: Control,
        findings: &mut Findings<'w>,
    ) -> Vec<(&'i Image<'w>, &'i Reference<'w>)> {
        let of_template = self.workload.is_template();
        let read = |image| findings.read(control, image, of_template);
        self.all().iter().filter_map(read).collect()
    }
}

/// The way to the host, for the controls that ask it about images.
pub(crate) struct Lookups<'l, 'w> {
    review: &'l Review<'w>,
    /// Whose images `registries` has refused.
    refused: Vec<Subject<'w>>,
    /// Whether the stored object of an UPDATE has this image in this place.
    is_stored: &'l dyn Fn(&Image<'w>) -> bool,
    pub(crate) host: &'l dyn Host,
}

/// One image, and everything in the workload that uses it.
pub(crate) struct Uses<'l, 'w> {
    pub(crate) reference: &'l Reference<'w>,
    first: &'l Image<'w>,
    // Empty as a rule, and then no allocation.
    others: Vec<&'l Image<'w>>,
}

impl<'l, 'w> Uses<'l, 'w> {
    /// The reference as it is written first.
    pub(crate) fn text(&self) -> &'w str {
        self.first.text.unwrap_or_default()
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &'l Image<'w>> {
        iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl<'l, 'w> Lookups<'l, 'w> {
    /// Each image that `is_asked_for` once, in the order in which they stand in the workload, so
    /// that the host is asked the same questions in the same order every time.
    pub(crate) fn distinct(
        &self,
        control: Control,
        is_asked_for: impl Fn(&Reference<'w>) -> bool,
        findings: &mut Findings<'w>,
    ) -> Vec<Uses<'l, 'w>> {
        let review = self.review;
        let mut exemptions = review.exemptions(control);
        if exemptions.any(|exemption| exemption.images.is_none()) {
            return Vec::new();
        }
        let is_wanted = |image: &&Image<'w>| {
            !self.refused.contains(&image.subject)
                && image.reference.as_ref().map_or(true, &is_asked_for)
                && !review.is_exempt(control, image.subject)
                // Last, because the stored object has to be decoded for it.
                && !(self.is_stored)(image)
        };
        let mut distinct: Vec<Uses<'l, 'w>> = Vec::new();
        for image in review.images.all().iter().filter(is_wanted) {
            let Some((_, reference)) = findings.read(control, image, review.workload.is_template())
            else {
                continue;
            };
            match distinct.iter_mut().find(|uses| uses.reference == reference) {
                Some(uses) => uses.others.push(image),
                None => distinct.push(Uses {
                    reference,
                    first: image,
                    others: Vec::new(),
                }),
            }
        }
        distinct
    }

    /// The namespace that the request names.
    pub(crate) fn namespace(&self) -> Option<&'l str> {
        self.review.namespace
    }

    /// Whether `registries` restricts images to a list, and this one is on it.
    pub(crate) fn is_from_allowed_registry(&self, reference: &Reference<'_>) -> bool {
        self.review.settings.registries.allows(reference)
    }
}

impl<'w> Findings<'w> {
    /// The reference of an image. One that cannot be read is a violation of `control`; one that is
    /// not there yet, in a template, is a notice.
    fn read<'i>(
        &mut self,
        control: Control,
        image: &'i Image<'w>,
        of_template: bool,
    ) -> Option<(&'i Image<'w>, &'i Reference<'w>)> {
        match &image.reference {
            Ok(reference) => return Some((image, reference)),
            Err(ReferenceError::Empty) if of_template => self.notice(format!(
                "{}: has no image yet; it is judged when its Pods are created",
                image.subject
            )),
            Err(error) => self.report(unreadable(control, image, *error)),
        }
        None
    }
}

/// Why a control that asks the host refuses an image; the words stand behind the image.
pub(crate) enum Refusal {
    /// For what the host has told.
    Image(String),
    /// Because the host could not tell.
    Host(String),
}

impl Refusal {
    pub(crate) fn failed(what: &str, failure: &Failure) -> Self {
        let reason = failure.describe(what);
        if failure.is_of_the_image() {
            Self::Image(reason)
        } else {
            Self::Host(reason)
        }
    }
}

impl<'w> Findings<'w> {
    /// Reports an image that is refused; `must` says what another one must do.
    #[inline(never)]
    pub(crate) fn refuse(
        &mut self,
        control: Control,
        image: &Image<'w>,
        refusal: &Refusal,
        must: &'static str,
    ) {
        let (reason, remedy) = match refusal {
            Refusal::Image(reason) => (reason, Remedy::Must(must.into())),
            Refusal::Host(reason) => (reason, Remedy::Ask),
        };
        let found = Found::Text(image.text.unwrap_or_default());
        let violation = Violation::new(control, image.subject, image.path(), found, remedy);
        self.report(violation.because(host_calls::printable(reason)));
    }
}

#[cold]
fn unreadable<'w>(control: Control, image: &Image<'w>, error: ReferenceError) -> Violation<'w> {
    Violation::new(
        control,
        image.subject,
        image.path(),
        image.text.map_or(Found::Unset, Found::Text),
        Remedy::Must("be registry/repository:tag or registry/repository@sha256:...".into()),
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
