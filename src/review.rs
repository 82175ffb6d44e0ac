//! From a pod to what the controls find in it: the list of the controls is run, exemptions and the update
//! rule are applied, and it is decided about which images the host is asked.

pub(crate) mod update;

use std::cell::LazyCell;
use std::mem;

use self::update::Update;
use crate::controls::{Control, controls};
use crate::decode::Mode;
use crate::finding::Findings;
use crate::host_calls::Host;
use crate::lookups::Lookups;
use crate::pod::image::{Image, Images};
use crate::pod::place::Subject;
use crate::pod::spec::Pod;
use crate::settings::Settings;
use crate::settings::exemption::Exemption;
use crate::violation::Outcome;

/// One row of the table: the control, its mode, and how it judges.
struct Row {
    control: Control,
    mode: fn(&Settings) -> Mode,
    judge: Judge,
}

/// How a control judges: what it needs to see, apart from its own settings.
enum Judge {
    /// The pod alone.
    Pod(for<'p> fn(&'p Pod<'p>, &Settings, &mut Findings<'p>)),
    /// The image references.
    Images(for<'p> fn(&Images<'p>, &Settings, &mut Findings<'p>)),
    /// What the host knows of the images.
    SupplyChain(for<'l, 'p> fn(&Lookups<'l, 'p>, &Settings, &mut Findings<'p>)),
}

macro_rules! judge {
    (pod) => {
        Judge::Pod
    };
    (images) => {
        Judge::Images
    };
    (supply_chain) => {
        Judge::SupplyChain
    };
}

macro_rules! table {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $module:ident $section:ident $key:literal; )*) => {
        const TABLE: &[Row] = &[$(
            Row {
                control: Control::$section,
                mode: |settings| settings.$module.mode,
                judge: judge!($judge)(|judged, settings, findings| {
                    crate::controls::$module::judge(judged, &settings.$module, findings);
                }),
            },
        )*];

        impl Control {
            /// What happens to this control's violations.
            pub(crate) fn mode(self, settings: &Settings) -> Mode {
                match self {
                    $( Self::$section => settings.$module.mode, )*
                }
            }
        }
    };
}

controls!(table);

/// Judges a pod by all controls.
///
/// `stored` is the pod of the stored object, where what that has already does not count; it is asked
/// for only if that makes a difference.
pub(crate) fn review<'p, 's>(
    pod: &'p Pod<'p>,
    namespace: Option<&'p str>,
    settings: &'p Settings,
    stored: impl Fn() -> Option<&'s Pod<'s>>,
    host: &dyn Host,
) -> Outcome<'p> {
    let review = Review {
        pod,
        namespace,
        settings,
        images: Images::new(pod),
    };
    let mut outcome = review.judge();
    if outcome.is_cut {
        // It is rejected, whatever the others are, and whatever the host would say.
        return outcome;
    }
    if !outcome.violations.is_empty()
        && let Some(stored) = stored()
    {
        let legacy = Review {
            pod: stored,
            namespace,
            settings,
            images: Images::new(stored),
        }
        .judge();
        let update = Update::new(pod, stored, &legacy.violations);
        outcome.replace(|violation| update.count(violation));
        // What the pod says may have become what a container takes, and that may be exempt.
        outcome
            .violations
            .retain(|violation| !review.is_exempt(violation.control, violation.finding.subject()));
    }
    review.judge_supply_chain(stored, host, &mut outcome);
    outcome
}

/// One pod on its way through the controls.
struct Review<'p> {
    pod: &'p Pod<'p>,
    /// The namespace that the request names.
    namespace: Option<&'p str>,
    settings: &'p Settings,
    images: Images<'p>,
}

impl<'p> Review<'p> {
    /// Runs the controls that need nothing but the request.
    fn judge(&self) -> Outcome<'p> {
        let mut outcome = Outcome::default();
        let mut findings = Findings::default();
        for row in self.rows() {
            findings.limit = Some(MAX_FINDINGS);
            self.run(row, &mut findings);
            if findings.found.len() == MAX_FINDINGS && self.exemptions(row.control).next().is_some()
            {
                // Behind those that an exemption covers there may be one that none does.
                findings.limit = None;
                findings.found.clear();
                self.run(row, &mut findings);
            }
            if !findings.found.is_empty() {
                outcome.is_cut |= findings.limit == Some(findings.found.len())
                    && (row.mode)(self.settings) == Mode::Enforce;
                findings
                    .found
                    .retain(|found| !self.is_exempt(row.control, found.subject()));
                outcome.stamp(row.control, &mut findings);
            }
        }
        outcome.notices = findings.notices;
        outcome.sort();
        outcome
    }

    fn run(&self, row: &Row, findings: &mut Findings<'p>) {
        match row.judge {
            Judge::Pod(judge) => judge(self.pod, self.settings, findings),
            Judge::Images(judge) => judge(&self.images, self.settings, findings),
            Judge::SupplyChain(_) => {}
        }
    }

    /// Runs the controls that ask the host, and adds to what the others have found.
    ///
    /// Not asked about: images that `registries` refuses, that the settings exempt, or that the same
    /// container or volume of the `stored` object of an UPDATE has already. It is only decoded when
    /// an image is left.
    fn judge_supply_chain<'s>(
        &self,
        stored: impl Fn() -> Option<&'s Pod<'s>>,
        host: &dyn Host,
        outcome: &mut Outcome<'p>,
    ) {
        let refused: Vec<Subject<'p>> = outcome
            .violations
            .iter()
            .filter(|violation| violation.control == Control::Registries)
            .filter(|violation| violation.control.mode(self.settings) == Mode::Enforce)
            .map(|violation| violation.finding.subject())
            .collect();
        let stored = LazyCell::new(|| stored().map(Pod::images).unwrap_or_default());
        let mut findings = Findings {
            found: Vec::new(),
            limit: None,
            notices: mem::take(&mut outcome.notices),
        };
        for row in self.rows() {
            let Judge::SupplyChain(judge) = row.judge else {
                continue;
            };
            let mut exemptions = self.exemptions(row.control);
            if exemptions.any(|exemption| exemption.images.is_none()) {
                continue;
            }
            let lookups = Lookups {
                images: &self.images,
                host,
                namespace: self.namespace,
                is_asked_about: &|image: &Image<'p>| {
                    !refused.contains(&image.subject)
                        && !self.is_exempt(row.control, image.subject)
                        // Last, because the stored object has to be decoded for it.
                        && !stored.iter().any(|old| image.is_same_as(old))
                },
                is_from_allowed_registry: &|reference| self.settings.registries.allows(reference),
            };
            judge(&lookups, self.settings, &mut findings);
            outcome.stamp(row.control, &mut findings);
        }
        outcome.notices = findings.notices;
        outcome.sort();
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        TABLE
            .iter()
            .filter(|row| (row.mode)(self.settings) != Mode::Disabled)
    }

    fn is_exempt(&self, control: Control, subject: Subject<'_>) -> bool {
        self.exemptions(control)
            .any(|exemption| exemption.covers(control, subject, &self.images))
    }

    /// The exemptions that are about a control here.
    fn exemptions(&self, control: Control) -> impl Iterator<Item = &'p Exemption> {
        let (namespace, exemptions) = (self.namespace, &self.settings.exemptions);
        exemptions
            .iter()
            .filter(move |exemption| exemption.is_about(control, namespace))
    }
}

/// How many findings of one control are kept. A pod of 500 containers has some thousand; a list in it
/// may have a hundred thousand entries, and all that would be said of them is more than the memory of
/// the module.
const MAX_FINDINGS: usize = 8192;
