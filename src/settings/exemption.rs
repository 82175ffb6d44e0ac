//! Exemptions: which workloads and images a control does not judge.
//!
//! They come from the settings only. A label, an annotation or a container's name is written by
//! whoever is to be judged.

use crate::controls::{Control, controls};
use crate::decode::{Decode, Namespace, Node, Problems, Written, describe, section, words};
use crate::image::pattern::AllowedImage;
use crate::pod::image::{Image, Images};
use crate::pod::place::Subject;
use crate::text::printable;
use crate::time::Until;

section! {
    /// One entry of `exemptions`.
    pub(crate) struct Exemption {
        /// The controls that do not judge.
        "controls" controls: Option<Given<Control>> = None,
        /// Or what is allowed beside the sections of the controls, which judge everything else.
        "allow" allow: Option<Allow> = None,
        /// Image patterns; only containers and volumes with such an image are exempt.
        "images" images: Option<Given<AllowedImage>> = None,
        /// Exact names; only workloads in these namespaces are exempt.
        "namespaces" namespaces: Option<Given<Namespace>> = None,
        /// What the controls do instead.
        "mode" mode: Option<ExemptionMode> = None,
        /// When it ends: a date (at the end of that day, UTC) or a moment (RFC 3339).
        "until" until: Option<Until> = None,
        /// Why it is there; shown when it has ended.
        "reason" reason: Option<String> = None,
    }
    check: Exemption::check,
    schema: Exemption::check_in_schema
}

words! {
    /// What a control does where it is exempt.
    pub(crate) enum ExemptionMode {
        /// It warns.
        Warn = "warn",
        /// It does not look.
        Disabled = "disabled",
    }
}

section! {
    /// What an exemption allows: keys of sections that ask for less.
    pub(crate) struct Allow {
        "appArmor" app_armor: Option<crate::controls::app_armor::Loosening> = None,
        "seLinux" se_linux: Option<crate::controls::se_linux::Loosening> = None,
        "seccomp" seccomp: Option<crate::controls::seccomp::Loosening> = None,
        "hostPorts" host_ports: Option<crate::controls::host_ports::Loosening> = None,
        "hostProbes" host_probes: Option<crate::controls::host_probes::Loosening> = None,
        "rootUser" root_user: Option<crate::controls::root_user::Loosening> = None,
        "capabilities" capabilities: Option<crate::controls::capabilities::Loosening> = None,
        "procMount" proc_mount: Option<crate::controls::proc_mount::Loosening> = None,
        "sysctls" sysctls: Option<crate::controls::sysctls::Loosening> = None,
        "volumes" volumes: Option<crate::controls::volumes::Loosening> = None,
        "imagePinning" image_pinning: Option<crate::controls::image_pinning::Loosening> = None,
        "signatures" signatures: Option<crate::controls::signatures::Loosening> = None,
        "vulnerabilities" vulnerabilities: Option<crate::controls::vulnerabilities::Loosening> = None,
        "imageFreshness" image_freshness: Option<crate::controls::image_freshness::Loosening> = None,
    }
    check: Allow::check,
    schema: Allow::check_in_schema
}

impl Allow {
    #[expect(clippy::unused_self, reason = "section! hands every check its section")]
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if written.is_sound && !written.keys.iter().any(|key| written.has(key)) {
            problems.report("allows nothing more");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        crate::schema::need_some(schema, &[]);
    }
}

macro_rules! about {
    (looser $allow:ident $module:ident) => {
        $allow.$module.is_some()
    };
    (fixed $allow:ident $module:ident) => {
        false
    };
}

macro_rules! allow {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $loosens:ident $module:ident $section:ident $key:literal; )*) => {
        impl Allow {
            /// Whether this loosens `control`.
            fn is_about(&self, control: Control) -> bool {
                match control {
                    $( Control::$section => about!($loosens self $module), )*
                }
            }
        }
    };
}

controls!(allow);

/// A list that says something. An empty one does not limit an exemption, which is not what
/// whoever has commented out its last entry means.
#[derive(Debug, Clone)]
pub(crate) struct Given<T>(Vec<T>);

describe!(<T> Given<T>: crate::schema::choices::<T>(), |list| {
    crate::schema::entries_written(&list.0)
});

impl<T: Decode> Decode for Given<T> {
    const NULL_IS_UNSET: bool = false;

    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        if problems.is_empty_list(node, "is empty; leave it out where it does not matter") {
            return Some(Self(Vec::new()));
        }
        Some(Self(Vec::decode(node, problems).unwrap_or_default()))
    }
}

impl Exemption {
    /// Whether this is about `control` in `namespace`.
    pub(crate) fn is_about(&self, control: Control, namespace: Option<&str>) -> bool {
        let names_control = match (&self.controls, &self.allow) {
            (Some(controls), _) => controls.0.contains(&control),
            (None, allow) => allow.as_ref().is_some_and(|allow| allow.is_about(control)),
        };
        let names_namespace = || {
            self.namespaces.as_ref().is_none_or(|namespaces| {
                namespace.is_some_and(|own| namespaces.0.iter().any(|name| name.0 == own))
            })
        };
        names_control && names_namespace()
    }

    /// Whether this exempts what a control finds of `subject`: with images, only what runs an image
    /// that matches, and nothing of a control that judges the pod as a whole; without, the whole
    /// workload.
    pub(crate) fn covers(
        &self,
        control: Control,
        subject: Subject<'_>,
        images: &Images<'_>,
    ) -> bool {
        self.images.is_none() || self.covers_image(control, images.of(subject))
    }

    /// The same of whatever has this image.
    pub(crate) fn covers_image(&self, control: Control, image: Option<&Image<'_>>) -> bool {
        self.images.as_ref().is_none_or(|patterns| {
            !control.is_pod_wide() && image.is_some_and(|image| is_one_of(&patterns.0, image))
        })
    }

    /// Whether this is by image, and exempts every container there is, so that somebody may think it
    /// exempts the pod.
    pub(crate) fn covers_each_container(&self, images: &Images<'_>) -> bool {
        let is_container = |subject| matches!(subject, Subject::Container { .. });
        self.images.as_ref().is_some_and(|patterns| {
            let mut containers = images.all().iter();
            containers.all(|image| !is_container(image.subject) || is_one_of(&patterns.0, image))
        })
    }

    /// Whether what this covers is warned of.
    pub(crate) fn warns(&self) -> bool {
        self.mode == Some(ExemptionMode::Warn)
    }

    /// What is said of a violation that this would have covered.
    pub(crate) fn ended(&self, until: &Until) -> String {
        match &self.reason {
            Some(reason) => {
                format!(
                    "the exemption for it ended on {until} ({})",
                    printable(reason)
                )
            }
            None => format!("the exemption for it ended on {until}"),
        }
    }
}

fn is_one_of(patterns: &[AllowedImage], image: &Image<'_>) -> bool {
    image
        .reference
        .as_ref()
        .is_ok_and(|reference| patterns.iter().any(|pattern| pattern.matches(reference)))
}

impl Exemption {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        let controls = self.controls.as_ref().map(|controls| controls.0.as_slice());
        match (written.has("controls"), written.has("allow")) {
            (false, false) if controls.is_none() => problems
                .report("names no control; list them in controls, or what is allowed in allow"),
            (true, true) => problems.report("has controls and allow; give one of them"),
            (false, true) if written.has("mode") => {
                problems.report("has a mode, which goes with controls and not with allow");
            }
            _ => {}
        }
        if self.images.is_none() && self.namespaces.is_none() {
            problems.report("exempts everything; give images, namespaces or both");
        }
        let are_pod_wide = controls.is_some_and(|controls| {
            !controls.is_empty() && controls.iter().all(|control| control.is_pod_wide())
        });
        if self.images.is_some() && are_pod_wide {
            problems.report(
                "has images, but its controls judge the pod as a whole and would never be exempted",
            );
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{anything, given, json};

        let written = |key| given(key, &anything());
        let all = Control::ALL.iter().copied();
        let pod_wide: Vec<&str> = all
            .filter(|control| control.is_pod_wide())
            .map(Control::name)
            .collect();
        let rules = json!([
            {"anyOf": [{"required": ["controls"]}, written("allow")]},
            {"not": {"type": "object", "allOf": [{"required": ["controls"]}, written("allow")]}},
            {"not": {"type": "object", "allOf": [written("mode"), written("allow")]}},
            {"anyOf": [{"required": ["images"]}, {"required": ["namespaces"]}]},
            {"not": {
                "type": "object",
                "required": ["controls", "images"],
                "properties": {"controls": {"items": {"enum": pod_wide}}},
            }},
        ]);
        schema.insert("allOf".to_owned(), rules);
    }
}
