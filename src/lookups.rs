//! What a control that judges images is handed: the images, and the way to the host for what only the
//! host can tell of them.

use std::iter;

use crate::finding::{Finding, Findings, Found, Remedy};
use crate::host_calls::{self, Answer, Failure, Host, ImageConfig};
use crate::image::reference::{Reference, ReferenceError};
use crate::pod::image::{Image, Images};
use crate::pod::place::Subject;
use crate::text::printable;

/// What a control may ask about the images of a pod.
pub(crate) struct Lookups<'l, 'p> {
    pub(crate) inquiry: &'l Inquiry<'l, 'p>,
    /// The namespace that the request names.
    pub(crate) namespace: Option<&'l str>,
    /// Whether this control has to look at an image: it is not refused already, not exempt, and not
    /// there since before.
    pub(crate) is_asked_about: &'l dyn Fn(&Image<'p>) -> bool,
    /// Whether `registries` restricts images to a list, and this one is on it.
    pub(crate) is_from_allowed_registry: &'l dyn Fn(&Reference<'_>) -> bool,
}

/// The images of a pod, and the host that can tell of them.
pub(crate) struct Inquiry<'l, 'p> {
    pub(crate) images: &'l Images<'p>,
    pub(crate) host: &'l dyn Host,
}

impl<'l> Inquiry<'l, '_> {
    /// What the configurations of an image say, which is asked for once, whichever controls want to know.
    // Not in each of them.
    #[inline(never)]
    pub(crate) fn configs(&self, reference: &Reference<'_>) -> &'l Answer<Vec<ImageConfig>> {
        let mut all = self.images.all().iter();
        let first = all.find(|image| image.reference.as_ref() == Ok(reference));
        first.map_or(&Answer::Absent, |image| {
            let text = image.text.unwrap_or_default();
            let ask = || host_calls::image_configs(self.host, text, reference);
            image.configs.get_or_init(ask)
        })
    }
}

/// One image, and everything in the pod that uses it.
pub(crate) struct Uses<'l, 'p> {
    pub(crate) reference: &'l Reference<'p>,
    first: &'l Image<'p>,
    // Empty as a rule, and then no allocation.
    others: Vec<&'l Image<'p>>,
}

impl<'l, 'p> Uses<'l, 'p> {
    /// The reference as it is written first.
    pub(crate) fn text(&self) -> &'p str {
        self.first.text.unwrap_or_default()
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &'l Image<'p>> {
        iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl<'l, 'p> Lookups<'l, 'p> {
    /// Each image that `matters` once, in the order in which they stand in the pod, so that the host is
    /// asked the same questions in the same order every time. Those that are too many are refused.
    // Not in each control.
    #[inline(never)]
    pub(crate) fn distinct(
        &self,
        matters: &dyn Fn(&Reference<'p>) -> bool,
        findings: &mut Findings<'p>,
    ) -> Vec<Uses<'l, 'p>> {
        let images = self.inquiry.images;
        let of_template = images.are_of_template();
        let mut distinct: Vec<Uses<'l, 'p>> = Vec::new();
        let mut uses_left = MAX_USES;
        for image in images.all() {
            if findings.is_full() {
                break;
            }
            let matters = image.reference.as_ref().map_or(true, matters);
            if !matters || !(self.is_asked_about)(image) {
                continue;
            }
            let Some((_, reference)) = findings.read(image, of_template) else {
                continue;
            };
            uses_left = uses_left.saturating_sub(1);
            let has_room = uses_left > 0 && distinct.len() < MAX_QUESTIONS;
            let mut known = distinct.iter_mut();
            match known.find(|uses| uses_left > 0 && uses.reference == reference) {
                Some(uses) => uses.others.push(image),
                None if has_room => distinct.push(Uses {
                    reference,
                    first: image,
                    others: Vec::new(),
                }),
                None => {
                    let must = "be one of at most 500 in the pod";
                    findings.refuse(image, &Refusal::too_many(), must);
                }
            }
        }
        distinct
    }
}

impl<'p> Images<'p> {
    /// The images whose reference can be judged.
    pub(crate) fn readable<'i>(
        &'i self,
        findings: &mut Findings<'p>,
    ) -> Vec<(&'i Image<'p>, &'i Reference<'p>)> {
        let of_template = self.are_of_template();
        let read = |image| findings.read(image, of_template);
        self.all().iter().filter_map(read).collect()
    }
}

/// Why a control that asks the host objects; the words go behind what the finding is about.
pub(crate) enum Refusal {
    /// For what the host has told.
    Told(String),
    /// Because the host could not tell.
    Untold(String),
}

impl Refusal {
    /// Answers the question of a finding: it is one, for this reason beside those that it has.
    #[cold]
    #[inline(never)]
    pub(crate) fn confirm(&self, finding: &mut Finding<'_>) {
        let reason = match self {
            Self::Told(reason) => reason,
            Self::Untold(reason) => {
                finding.remedy = Remedy::Ask;
                reason
            }
        };
        finding.question = None;
        let before = finding.because.as_deref();
        let before = before.map(|before| [before, ", "].concat());
        finding.set_reason((before.unwrap_or_default() + &printable(reason)).into());
    }

    /// Because the host is not asked so much.
    #[cold]
    pub(crate) fn too_many() -> Self {
        Self::Told("and of one pod only 500 images, and as many profiles, are looked up".into())
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(what: &str, failure: &Failure) -> Self {
        let reason = failure.describe(what);
        if failure.is_of_the_image() {
            Self::Told(reason)
        } else {
            Self::Untold(reason)
        }
    }
}

impl<'p> Findings<'p> {
    /// The reference of an image. One that cannot be read is reported; one that is not there yet, in a
    /// template, is a notice.
    fn read<'i>(
        &mut self,
        image: &'i Image<'p>,
        of_template: bool,
    ) -> Option<(&'i Image<'p>, &'i Reference<'p>)> {
        match &image.reference {
            Ok(reference) => return Some((image, reference)),
            Err(ReferenceError::Empty) if of_template => self.wait_for_image(image.subject),
            Err(error) => self.report(unreadable(image, *error)),
        }
        None
    }

    /// Says that an image of a template is not there yet.
    #[cold]
    pub(crate) fn wait_for_image(&mut self, subject: Subject<'_>) {
        self.notice(format!(
            "{subject} has no image yet; it is judged when its Pods are created"
        ));
    }

    /// Reports an image that is refused; `must` says what another one must do.
    #[inline(never)]
    pub(crate) fn refuse(&mut self, image: &Image<'p>, refusal: &Refusal, must: &'static str) {
        let (reason, remedy) = match refusal {
            Refusal::Told(reason) => (reason, Remedy::Must(must.into())),
            Refusal::Untold(reason) => (reason, Remedy::Ask),
        };
        let found = Found::Text(image.text.unwrap_or_default());
        let finding = Finding::new(image.place(), found, remedy);
        self.report(finding.because(printable(reason)));
    }
}

/// How many images of one pod, or profiles, a control asks the host about: each may take seconds, and no pod
/// has so many that is meant to run.
pub(crate) const MAX_QUESTIONS: usize = 500;
/// How many containers and volumes are told apart by their images for it, and one.
const MAX_USES: usize = 4097;

#[cold]
fn unreadable<'p>(image: &Image<'p>, error: ReferenceError) -> Finding<'p> {
    Finding::new(
        image.place(),
        image.text.map_or(Found::Unset, Found::Text),
        Remedy::Must("be registry/repository:tag or registry/repository@sha256:...".into()),
    )
    .because(match error {
        ReferenceError::Empty => "and no image can be judged".to_owned(),
        error => format!("which is not an image reference: {error}"),
    })
}
