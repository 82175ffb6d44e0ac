//! Exemptions: which workloads and images a control does not judge.
//!
//! They come from the settings only. A label, an annotation or a container's name is written by
//! whoever is to be judged.

use super::{Check, Problems, section};
use crate::controls::Control;
use crate::image::Image;
use crate::image::pattern::AllowedImage;
use crate::violation::Subject;

section! {
    /// One entry of `exemptions`.
    pub(crate) struct Exemption {
        "controls" controls: Vec<Control> = Vec::new(),
        "images" images: Vec<AllowedImage> = Vec::new(),
        "namespaces" namespaces: Vec<String> = Vec::new(),
    }
}

impl Exemption {
    /// Whether this exempts what `subject` does from `control`.
    ///
    /// With images, only what runs an image that matches; without, the whole workload.
    pub(crate) fn covers(
        &self,
        control: Control,
        subject: Subject<'_>,
        namespace: Option<&str>,
        images: &[Image<'_>],
    ) -> bool {
        self.controls.contains(&control)
            && (self.namespaces.is_empty()
                || namespace.is_some_and(|own| self.namespaces.iter().any(|name| name == own)))
            && (self.images.is_empty() || self.covers_image_of(subject, images))
    }

    fn covers_image_of(&self, subject: Subject<'_>, images: &[Image<'_>]) -> bool {
        images
            .iter()
            .find(|image| image.subject == subject)
            .is_some_and(|image| {
                image.reference.as_ref().is_ok_and(|reference| {
                    self.images.iter().any(|pattern| pattern.matches(reference))
                })
            })
    }
}

impl Check for Exemption {
    fn check(&self, problems: &mut Problems) {
        if self.controls.is_empty() {
            problems.report("names no control; list them in controls");
        }
        if self.images.is_empty() && self.namespaces.is_empty() {
            problems.report("exempts everything; give images, namespaces or both");
        }
        if !self.images.is_empty()
            && !self.controls.is_empty()
            && self.controls.iter().all(|control| control.is_pod_wide())
        {
            problems.report(
                "has images, but its controls judge the pod as a whole and would never be exempted",
            );
        }
    }
}
