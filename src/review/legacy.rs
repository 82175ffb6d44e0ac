//! What was there before the request, and what that excuses.
//!
//! ```text
//! UPDATE                    what the stored object has already; of what Pods are made from, only while
//!                           the template is unchanged, or its Pods are excused, too
//! CREATE by a controller    what its owner's template has, where the settings say so
//! ```
//!
//! It is looked up at most once, and only where it could excuse something.

use std::cell::OnceCell;

use super::owner::{self, Maker, Owner, OwnerText};
use super::update::{Search, Update};
use crate::host_calls::Host;
use crate::pod::image::{Image, Images};
use crate::pod::kind::Kind;
use crate::pod::spec::Pod;
use crate::settings::Settings;
use crate::settings::legacy::Counted;
use crate::text::Joined;
use crate::time::Until;
use crate::violation::{Outcome, Violation};

/// What the request says of the state before it; each is decoded only where it is asked for.
pub(crate) struct Before<'p, 'b> {
    pub(crate) carrier: Carrier,
    /// The namespace that the request names.
    pub(crate) namespace: Option<&'p str>,
    pub(crate) change: Change<'b>,
}

/// What carries the pod.
#[derive(Clone, Copy)]
pub(crate) enum Carrier {
    Kind(Kind),
    Custom {
        /// Whether it is known who makes Pods from it, so that they can be excused.
        names_controllers: bool,
    },
}

impl Carrier {
    /// Whether a controller makes Pods from what it carries.
    fn makes_pods(self) -> bool {
        match self {
            Self::Kind(kind) => kind.makes_pods(),
            Self::Custom { .. } => true,
        }
    }
}

/// How the object comes to be what it is.
pub(crate) enum Change<'b> {
    Update {
        /// The pod of the stored object.
        stored: &'b dyn Fn() -> Option<&'b Pod<'b>>,
        /// Whether what Pods are made from, or else the pod itself, is as it was.
        is_untouched: &'b dyn Fn() -> bool,
    },
    Create {
        maker: &'b dyn Fn() -> Option<Maker>,
    },
}

/// What is read of an owner, which what is made of it borrows.
pub(crate) type OwnerJson = OnceCell<OwnerText>;

/// What was there before.
#[derive(Default)]
pub(crate) struct Legacy<'l> {
    excuses: Excuses,
    stored: Option<Stored<'l>>,
    /// Where `stored` is an owner: its name for machines, and for people.
    owner: Option<[String; 2]>,
    /// Why a violation counts that somebody may expect to be excused.
    aside: Option<String>,
    /// Until when something is excused.
    until: Option<&'l Until>,
    /// Whether an excuse is worth a notice.
    is_news: bool,
}

#[derive(Default, PartialEq)]
enum Excuses {
    #[default]
    Nothing,
    /// What was there before, violation by violation.
    Old,
    /// Nothing, but it would be the same were it not for `aside`.
    NoLongerOld,
    Everything,
}

enum Stored<'l> {
    Object(&'l Pod<'l>),
    Owner(Box<Owner<'l>>),
}

impl<'l> Legacy<'l> {
    /// Looks up what was there before.
    pub(crate) fn of<'b: 'l>(
        before: &Before<'_, 'b>,
        pod: &Pod<'_>,
        settings: &'l Settings,
        now: impl Fn() -> i64,
        host: &dyn Host,
        json: &'l OwnerJson,
    ) -> Self {
        let mut legacy = Self {
            until: settings.legacy.until.as_ref(),
            ..Self::default()
        };
        let ended = legacy
            .until
            .filter(|until| until.is_over(now()))
            .map(|until| format!("what was there before was excused until {until}"));
        match &before.change {
            Change::Update {
                stored,
                is_untouched,
            } => {
                legacy.update(before.carrier, settings, ended, is_untouched);
                if matches!(legacy.excuses, Excuses::Old | Excuses::NoLongerOld) {
                    legacy.stored = stored().map(Stored::Object);
                }
            }
            Change::Create { maker } => {
                if settings.legacy.on_create == Counted::NewViolations
                    && let Carrier::Kind(kind) = before.carrier
                    && owner::is_made_by_controllers(kind, settings)
                    && let Some(maker) = maker()
                {
                    legacy.aside = ended;
                    if legacy.aside.is_none() {
                        let made = (kind, pod);
                        legacy.create(made, before.namespace, &maker, settings, host, json);
                    }
                }
            }
        }
        legacy
    }

    fn update(
        &mut self,
        carrier: Carrier,
        settings: &Settings,
        ended: Option<String>,
        is_untouched: &dyn Fn() -> bool,
    ) {
        let is_excused = settings.legacy.on_update == Counted::NewViolations;
        let is_known_who_makes_pods = match carrier {
            Carrier::Kind(_) => true,
            Carrier::Custom { names_controllers } => names_controllers,
        };
        let are_pods_excused =
            settings.legacy.on_create == Counted::NewViolations && is_known_who_makes_pods;
        if is_excused && ended.is_none() && (are_pods_excused || !carrier.makes_pods()) {
            self.excuses = Excuses::Old;
            self.is_news = self.until.is_some() || (carrier.makes_pods() && !is_untouched());
        } else if is_untouched() {
            // Not even with `allViolations` does any count then: a finalizer must come off, and a Job must
            // be able to finish.
            self.excuses = Excuses::Everything;
            self.is_news = is_excused && ended.is_none() && self.until.is_some();
        } else if is_excused {
            let changes_template =
                "its pod template changes, so new Pods are made, and they would be rejected";
            self.excuses = Excuses::NoLongerOld;
            self.aside = ended.or_else(|| Some(changes_template.to_owned()));
        }
    }

    fn create(
        &mut self,
        made: (Kind, &Pod<'_>),
        namespace: Option<&str>,
        maker: &Maker,
        settings: &'l Settings,
        host: &dyn Host,
        json: &'l OwnerJson,
    ) {
        let reference = &maker.owner;
        let owner = owner::ask(made.0, namespace, maker, settings, host).and_then(|text| {
            owner::read(made, reference, json.get_or_init(|| text)).map_err(str::to_owned)
        });
        let owner = match owner {
            Ok(owner) => owner,
            Err(why) => {
                self.aside = Some(format!("{reference} {why}"));
                return;
            }
        };
        self.excuses = Excuses::Old;
        self.is_news = true;
        if let Some(partition) = owner.partition {
            self.aside = Some(format!(
                "{reference} has partition {partition}, and a Pod of an older revision is compared \
                 with its current template"
            ));
        }
        self.stored = Some(Stored::Owner(Box::new(owner)));
        self.owner = Some([
            format!("{}/{}", reference.kind, reference.name),
            reference.to_string(),
        ]);
    }

    /// The pod that is compared with.
    pub(crate) fn stored(&self) -> Option<&Pod<'l>> {
        match self.stored.as_ref()? {
            Stored::Object(pod) => Some(pod),
            Stored::Owner(owner) => Some(&owner.pod),
        }
    }

    /// Whether nothing counts.
    pub(crate) fn excuses_everything(&self) -> bool {
        self.excuses == Excuses::Everything
    }

    /// Whether nothing counts that was there before.
    pub(crate) fn excuses_old(&self) -> bool {
        self.excuses == Excuses::Old
    }

    /// Whether something does not count, whatever the host would say of it.
    pub(crate) fn excuses_some(&self) -> bool {
        self.excuses_everything() || self.excuses_old()
    }

    /// The images that were there before.
    pub(crate) fn images(&self) -> Vec<Image<'_>> {
        self.stored().map(Pod::images).unwrap_or_default()
    }

    /// Takes off what is excused. `found` is what [`Legacy::stored`] violates.
    pub(crate) fn excuse<'p>(
        &self,
        pod: &'p Pod<'p>,
        found: &[Violation<'_>],
        outcome: &mut Outcome<'p>,
    ) {
        let update = self
            .stored()
            .map(|stored| Update::new(pod, stored, self.owner.is_some(), found));
        let mut is_aside_true = true;
        match (&self.excuses, update) {
            (Excuses::Everything, _) => outcome.excuse(&|_| true),
            (Excuses::Old, Some(update)) => {
                outcome.excused = update.count(&mut outcome.violations);
                outcome.sort();
            }
            (Excuses::NoLongerOld, Some(update)) => {
                let violations = &outcome.violations;
                is_aside_true = violations.iter().any(|violation| update.excuses(violation));
            }
            (Excuses::Nothing, _) => {}
            // A stored object that cannot be read excuses nothing.
            (Excuses::Old | Excuses::NoLongerOld, None) => is_aside_true = false,
        }
        if is_aside_true {
            outcome.aside.clone_from(&self.aside);
        }
    }

    /// The same of what only images violate: they were there before where the text is the same.
    pub(crate) fn excuse_images<'p>(&self, images: &Images<'p>, outcome: &mut Outcome<'p>) {
        let of_stored = self.images();
        let in_stored = Search::new();
        let is_old = |violation: &Violation<'p>| {
            let image = images.of(violation.finding.subject());
            image.is_some_and(|image| {
                let is_it = |index| {
                    of_stored
                        .get(index)
                        .is_some_and(|old| image.is_same_as(old))
                };
                in_stored.find(of_stored.len(), &is_it).is_some()
            })
        };
        if self.excuses == Excuses::Old {
            outcome.excuse(&is_old);
        }
        if self.excuses != Excuses::NoLongerOld || outcome.violations.iter().any(is_old) {
            outcome.aside.clone_from(&self.aside);
        }
    }

    /// Says what has been excused, where somebody shall know.
    pub(crate) fn tell(&self, outcome: &mut Outcome<'_>) {
        // They come in their order.
        outcome.excused.dedup();
        if outcome.excused.is_empty() {
            return;
        }
        if self.is_news {
            let until = self.until.map(|until| format!(" until {until}"));
            let until = until.unwrap_or_default();
            let controls = Joined(&outcome.excused);
            outcome.notices.push(match &self.owner {
                Some([_, owner]) => format!("legacy: {owner} excuses{until}: {controls}"),
                None => format!("legacy: what was there before is excused{until}: {controls}"),
            });
        }
        outcome.excused_by = self.owner.as_ref().map(|[owner, _]| owner.clone());
    }
}
