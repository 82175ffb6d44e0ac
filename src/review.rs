//! From a pod to what the controls find in it: the list of the controls is run, exemptions and the rule
//! for what was there before are applied, and it is decided about which images the host is asked.

mod guards;
pub(crate) mod legacy;
mod mend;
pub(crate) mod owner;
mod update;

use std::cell::{Cell, OnceCell};
use std::{iter, mem};

use self::legacy::{Before, Change, Legacy, OwnerJson};
use self::update::Search;
use crate::controls::{Control, controls};
use crate::decode::Mode;
use crate::finding::{Finding, Findings, Question};
use crate::host_calls::Host;
use crate::lookups::{Inquiry, Lookups, MAX_QUESTIONS, Refusal};
use crate::pod::image::{Image, Images};
use crate::pod::place::Subject;
use crate::pod::spec::Pod;
use crate::settings::Settings;
use crate::settings::exemption::Exemption;
use crate::settings::legacy::Counted;
use crate::violation::{Outcome, Violation};

/// One row of the table: the control, its mode, and how it judges.
struct Row {
    control: Control,
    mode: fn(&Settings) -> Mode,
    judge: Judge,
    confirm: Option<Confirm>,
}

/// Asks the host what a finding wants to know: why it is one, if it is.
type Confirm = for<'l, 'p> fn(&Inquiry<'l, 'p>, &Finding<'p>) -> Option<Refusal>;

/// How a control judges: what it needs to see, apart from its own settings.
enum Judge {
    /// The pod alone.
    Pod(for<'p> fn(&'p Pod<'p>, &Settings, &mut Findings<'p>)),
    /// The image references.
    Images(for<'p> fn(&Images<'p>, &Settings, &mut Findings<'p>)),
    /// What the host knows of the images.
    SupplyChain(for<'l, 'p> fn(&Lookups<'l, 'p>, &Settings, &mut Findings<'p>)),
}

/// A control with other settings, at least as far as it is about some subjects.
type JudgeAgain<'f, 'p> = &'f dyn Fn(&Settings, &dyn Fn(Subject<'p>) -> bool, &mut Findings<'p>);

macro_rules! judge {
    (pod) => {
        Judge::Pod
    };
    (pod_and_host) => {
        Judge::Pod
    };
    (images) => {
        Judge::Images
    };
    (supply_chain) => {
        Judge::SupplyChain
    };
}

macro_rules! confirm {
    (pod_and_host $module:ident) => {
        Some(crate::controls::$module::confirm)
    };
    ($judge:ident $module:ident) => {
        None
    };
}

macro_rules! table {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $loosens:ident $module:ident $section:ident $key:literal; )*) => {
        const TABLE: &[Row] = &[$(
            Row {
                control: Control::$section,
                mode: |settings| settings.$module.mode,
                judge: judge!($judge)(|judged, settings, findings| {
                    crate::controls::$module::judge(judged, &settings.$module, findings);
                }),
                confirm: confirm!($judge $module),
            },
        )*];
    };
}

controls!(table);

/// What a pod is judged by.
pub(crate) struct Terms<'p> {
    pub(crate) settings: &'p Settings,
    /// The settings once more, for whoever wants to change them.
    pub(crate) settings_again: &'p dyn Fn() -> Option<Settings>,
    pub(crate) host: &'p dyn Host,
}

/// Judges a pod by all controls.
pub(crate) fn review<'p>(
    pod: &'p Pod<'p>,
    before: &Before<'p, '_>,
    terms: &'p Terms<'p>,
) -> Outcome<'p> {
    let Terms { settings, host, .. } = *terms;
    let review = Review::new(pod, before.namespace, terms);
    let mut outcome = review.judge();
    let inquiry = Inquiry {
        images: &review.images,
        host,
    };
    let owner_json = OwnerJson::new();
    let legacy = OnceCell::new();
    let past = Past {
        known: &legacy,
        is_update: matches!(before.change, Change::Update { .. }),
        is_owner_asked: settings.legacy.on_create == Counted::NewViolations,
        look_up: &|| Legacy::of(before, pod, settings, || review.now(), host, &owner_json),
    };
    if outcome.is_cut && !(past.is_update && past.get().excuses_everything()) {
        // It is rejected, whatever the others are, and whatever the host would say.
        let is_asked_about = |violation: &Violation<'_>| violation.finding.question.is_some();
        let rejects = |violation: &Violation<'_>| {
            violation.mode == Mode::Enforce && !is_asked_about(violation)
        };
        if outcome.violations.iter().any(rejects) {
            outcome.keep(&mut |violation| !is_asked_about(violation));
        }
        return outcome;
    }
    // What the stored object has, too, the host need not be asked about; of what an owner has, only once
    // something is left that rejects.
    if !(past.is_update && past.matters(&outcome) && past.get().excuses_some()) {
        confirm(&inquiry, &mut outcome, false);
    }
    if past.matters(&outcome) {
        let legacy = past.get();
        let found = legacy.stored().map(|stored| {
            let stored = Review::new(stored, before.namespace, terms);
            stored.judge().violations
        });
        legacy.excuse(pod, found.as_deref().unwrap_or_default(), &mut outcome);
        // What the pod says may have become what a container takes, and that may be exempt.
        outcome.keep(&mut |violation| {
            !review.is_exempt(violation.control, Some(violation.finding.subject()))
        });
    }
    confirm(&inquiry, &mut outcome, true);
    review.judge_supply_chain(&inquiry, &past, &mut outcome);
    if let Some(legacy) = legacy.get() {
        legacy.tell(&mut outcome);
    }
    mend::reconcile(pod, &mut outcome);
    outcome
}

/// What was there before, if somebody has asked, and how to look it up.
struct Past<'r, 'l> {
    known: &'r OnceCell<Legacy<'l>>,
    is_update: bool,
    /// Whether the owner of what is created could excuse something.
    is_owner_asked: bool,
    look_up: &'r dyn Fn() -> Legacy<'l>,
}

impl<'r, 'l> Past<'r, 'l> {
    fn get(&self) -> &'r Legacy<'l> {
        self.known.get_or_init(self.look_up)
    }

    /// Whether anything could be excused: of a creation only what would reject it, because nobody reads
    /// the warnings that a controller gets.
    fn matters(&self, outcome: &Outcome<'_>) -> bool {
        if self.is_update {
            !outcome.violations.is_empty()
        } else {
            self.is_owner_asked && outcome.rejects()
        }
    }

    /// What was there before, as far as images that are not refused yet are concerned. It is looked up for
    /// them on an UPDATE only: its answer is in the request.
    fn of_images(&self) -> Option<&'r Legacy<'l>> {
        if self.is_update {
            Some(self.get())
        } else {
            self.known.get()
        }
    }
}

/// What exemptions cover: those of a group, by their positions, one after the other.
#[derive(Default)]
struct Covered {
    by: usize,
    /// The group that had the others; 0 where there is none.
    and: usize,
    /// The group of those that one more exemption covers; 0 where there is none yet.
    part: usize,
    is_judged: bool,
}

/// One pod on its way through the controls.
struct Review<'p> {
    pod: &'p Pod<'p>,
    /// The namespace that the request names.
    namespace: Option<&'p str>,
    settings: &'p Settings,
    terms: &'p Terms<'p>,
    images: Images<'p>,
    now: OnceCell<i64>,
    /// Of how many subjects, one by one, it has been judged again what exemptions allow.
    judged_again: Cell<usize>,
}

impl<'p> Review<'p> {
    fn new(pod: &'p Pod<'p>, namespace: Option<&'p str>, terms: &'p Terms<'p>) -> Self {
        Self {
            pod,
            namespace,
            settings: terms.settings,
            terms,
            images: Images::new(pod),
            now: OnceCell::new(),
            judged_again: Cell::new(0),
        }
    }

    /// The time, which is asked for once.
    fn now(&self) -> i64 {
        *self.now.get_or_init(|| self.terms.host.now())
    }

    /// Runs the controls that need nothing but the request.
    fn judge(&self) -> Outcome<'p> {
        let mut outcome = Outcome::default();
        let mut findings = Findings::default();
        for row in self.rows() {
            findings.limit = Some(MAX_FINDINGS);
            self.run(row, self.settings, &mut findings);
            if findings.is_full() && self.exemptions(row.control).next().is_some() {
                // Behind those that an exemption covers there may be one that none does.
                findings.limit = Some(MAX_EXEMPT);
                findings.found.clear();
                self.run(row, self.settings, &mut findings);
            }
            if !findings.found.is_empty() {
                outcome.is_cut |= findings.is_full() && (row.mode)(self.settings) == Mode::Enforce;
                self.stamp(
                    row,
                    &mut findings,
                    &mut outcome,
                    &|settings, _, findings| {
                        self.run(row, settings, findings);
                    },
                );
            }
        }
        outcome.notices = findings.notices;
        outcome.sort();
        outcome
    }

    fn run(&self, row: &Row, settings: &Settings, findings: &mut Findings<'p>) {
        match row.judge {
            Judge::Pod(judge) => judge(self.pod, settings, findings),
            Judge::Images(judge) => judge(&self.images, settings, findings),
            Judge::SupplyChain(_) => {}
        }
    }

    /// Runs the controls that ask the host, and adds to what the others have found.
    ///
    /// Not asked about: images that `registries` refuses, that the settings exempt, or that the same
    /// container or volume had before.
    fn judge_supply_chain<'r, 'l>(
        &self,
        inquiry: &Inquiry<'_, 'p>,
        past: &Past<'r, 'l>,
        outcome: &mut Outcome<'p>,
    ) {
        let (stored, in_stored) = (OnceCell::new(), Search::new());
        let was_there = |legacy: &'r Legacy<'l>, image: &Image<'p>| {
            let is_old = || {
                let stored = stored.get_or_init(|| legacy.images());
                let is_it =
                    |index: usize| stored.get(index).is_some_and(|old| image.is_same_as(old));
                in_stored.find(stored.len(), &is_it).is_some()
            };
            legacy.excuses_everything() || (legacy.excuses_old() && is_old())
        };
        let refused = refused(&self.images, outcome);
        let mut findings = Findings {
            found: Vec::new(),
            limit: Some(MAX_OF_IMAGES),
            notices: mem::take(&mut outcome.notices),
        };
        let mut of_images = Outcome::default();
        for row in self.rows() {
            let Judge::SupplyChain(judge) = row.judge else {
                continue;
            };
            if self.is_exempt(row.control, None) {
                continue;
            }
            let ask = |is_asked_about: &dyn Fn(&Image<'p>) -> bool,
                       settings: &Settings,
                       findings: &mut Findings<'p>| {
                let lookups = Lookups {
                    inquiry,
                    namespace: self.namespace,
                    is_asked_about,
                    is_from_allowed_registry: &|reference| {
                        self.settings.registries.allows(reference)
                    },
                };
                judge(&lookups, settings, findings);
            };
            let is_asked_about = |image: &Image<'p>| {
                !is_in(&refused, &self.images, image.subject)
                    && !self.is_exempt(row.control, Some(image.subject))
                    // Last, because the stored object has to be decoded for it.
                    && !past.of_images().is_some_and(|legacy| was_there(legacy, image))
            };
            ask(&is_asked_about, self.settings, &mut findings);
            if findings.found.is_empty() {
                continue;
            }
            of_images.is_cut |= findings.is_full();
            let found: Vec<Subject<'p>> = findings.found.iter().map(Finding::subject).collect();
            self.stamp(
                row,
                &mut findings,
                &mut of_images,
                &|settings, is_concerned, findings| {
                    let is_asked_again = |image: &Image<'p>| {
                        found.contains(&image.subject) && is_concerned(image.subject)
                    };
                    ask(&is_asked_again, settings, findings);
                },
            );
        }
        // What is not kept may be new.
        if !of_images.is_cut && past.matters(&of_images) {
            past.get().excuse_images(&self.images, &mut of_images);
        }
        outcome.notices = findings.notices;
        if !of_images.violations.is_empty() || !of_images.excused.is_empty() {
            outcome.take(of_images);
            outcome.sort();
        }
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        TABLE
            .iter()
            .filter(|row| (row.mode)(self.settings) != Mode::Disabled)
    }

    /// Takes over what a control has found, less what is exempt.
    #[cold]
    fn stamp(
        &self,
        row: &Row,
        findings: &mut Findings<'p>,
        outcome: &mut Outcome<'p>,
        judge_again: JudgeAgain<'_, 'p>,
    ) {
        let is_cut = findings.is_full();
        let mut found = self.stamped(row, findings);
        if is_cut {
            // Of what is not kept nobody knows whether it is exempt.
            outcome.take(found);
            return;
        }
        self.loosen(row, &mut found, judge_again);
        for exemption in self.exemptions(row.control) {
            if exemption.allow.is_none() {
                found.keep(&mut |violation| {
                    let is_exempt = self.covers_or_notes_why_not(exemption, violation);
                    if is_exempt && exemption.warns() {
                        violation.mode = Mode::Warn;
                    }
                    !is_exempt || exemption.warns()
                });
            }
        }
        outcome.take(found);
    }

    /// What a control has found, as its violations, in their order.
    fn stamped(&self, row: &Row, findings: &mut Findings<'p>) -> Outcome<'p> {
        let mode = (row.mode)(self.settings);
        let found = findings.found.drain(..);
        let mut outcome = Outcome {
            violations: found
                .map(|finding| Violation::new(row.control, mode, finding))
                .collect(),
            ..Outcome::default()
        };
        outcome.sort();
        outcome
    }

    /// Puts in the place of what was found of a subject what the control finds of it when it allows what
    /// the exemptions that cover the subject allow together.
    fn loosen(&self, row: &Row, found: &mut Outcome<'p>, judge_again: JudgeAgain<'_, 'p>) {
        let allows = |exemption: &Exemption| {
            exemption.allow.is_some() && exemption.is_about(row.control, self.namespace)
        };
        let all = &self.settings.exemptions;
        if !all.iter().any(allows) {
            return;
        }
        let images = self.images.all();
        let judge = |is_used: &dyn Fn(usize) -> bool,
                     is_concerned: &dyn Fn(Subject<'p>) -> bool| {
            let subjects = self.judged_again.get().saturating_add(images.len());
            if subjects > MAX_JUDGED_AGAIN {
                return None;
            }
            self.judged_again.set(subjects);
            let mut findings = Findings {
                limit: Some(MAX_EXEMPT),
                ..Findings::default()
            };
            let mut settings = (self.terms.settings_again)()?;
            settings.loosen(is_used);
            judge_again(&settings, is_concerned, &mut findings);
            if findings.is_full() {
                return None;
            }
            let mut looser = self.stamped(row, &mut findings);
            looser.keep(&mut |violation| is_concerned(violation.finding.subject()));
            Some(looser)
        };
        // The groups of those whom the same exemptions cover, and the group of each: of the pod, and of what
        // has an image. The first is covered by none.
        let mut groups = vec![Covered::default()];
        let mut group_of: Vec<usize> = (0..=images.len()).map(|_| 0).collect();
        for (place, exemption) in all.iter().enumerate() {
            if !allows(exemption) {
                continue;
            }
            let has_ended = self.has_ended(exemption);
            if has_ended || exemption.covers_each_container(&self.images) {
                // It has ended, or does not reach what is written for the pod: what it would have allowed
                // stays, with a note that says why.
                if let Some(looser) = judge(&|used| used == place, &|_| true) {
                    for violation in &mut found.violations {
                        if !looser.has(&violation.finding) {
                            self.covers_or_notes_why_not(exemption, violation);
                        }
                    }
                }
            }
            if has_ended {
                continue;
            }
            // Each group is parted in two.
            for group in &mut groups {
                group.part = 0;
            }
            let subjects = iter::once(None).chain(images.iter().map(Some));
            for (group, image) in group_of.iter_mut().zip(subjects) {
                let next = groups.len();
                if exemption.covers_image(row.control, image)
                    && let Some(covered) = groups.get_mut(*group)
                {
                    let and = *group;
                    *group = covered.part;
                    if covered.part == 0 {
                        covered.part = next;
                        *group = next;
                        groups.push(Covered {
                            by: place,
                            and,
                            ..Covered::default()
                        });
                    }
                }
            }
        }
        for group in &group_of {
            if *group == 0 || groups.get(*group).is_none_or(|group| group.is_judged) {
                continue;
            }
            let is_used = |place| {
                let mut rest = *group;
                while let Some(covered) = groups.get(rest).filter(|_| rest > 0) {
                    if covered.by == place {
                        return true;
                    }
                    rest = covered.and;
                }
                false
            };
            let is_its = |subject| {
                let place = self.images.place_of(subject);
                group_of.get(place.map_or(0, |place| place.saturating_add(1))) == Some(group)
            };
            if let Some(looser) = judge(&is_used, &is_its) {
                found.keep(&mut |violation| !is_its(violation.finding.subject()));
                found.take(looser);
            }
            if let Some(group) = groups.get_mut(*group) {
                group.is_judged = true;
            }
        }
    }

    /// Whether an exemption covers a violation now. Where somebody may think that it does, the violation
    /// says why not.
    fn covers_or_notes_why_not(
        &self,
        exemption: &Exemption,
        violation: &mut Violation<'p>,
    ) -> bool {
        let subject = violation.finding.subject();
        if !exemption.covers(violation.control, subject, &self.images) {
            let is_of_pod = subject == Subject::Pod || violation.control.is_pod_wide();
            if is_of_pod && exemption.covers_each_container(&self.images) {
                violation.note("an exemption by image does not cover what is written for the pod");
            }
            return false;
        }
        match &exemption.until {
            Some(until) if until.is_over(self.now()) => {
                violation.note(exemption.ended(until));
                false
            }
            _ => true,
        }
    }

    fn has_ended(&self, exemption: &Exemption) -> bool {
        let until = exemption.until.as_ref();
        until.is_some_and(|until| until.is_over(self.now()))
    }

    /// Whether a control does not look at what `subject` does, or at the whole workload.
    fn is_exempt(&self, control: Control, subject: Option<Subject<'_>>) -> bool {
        self.exemptions(control).any(|exemption| {
            exemption.controls.is_some()
                && !exemption.warns()
                && match subject {
                    Some(subject) => exemption.covers(control, subject, &self.images),
                    None => exemption.images.is_none(),
                }
                && !self.has_ended(exemption)
        })
    }

    /// The exemptions that are about a control here.
    fn exemptions(&self, control: Control) -> impl Iterator<Item = &'p Exemption> {
        let (namespace, exemptions) = (self.namespace, &self.settings.exemptions);
        exemptions
            .iter()
            .filter(move |exemption| exemption.is_about(control, namespace))
    }
}

/// Asks the host each question of the findings once, and takes off those that are none.
///
/// Not asked about: the user of an image that `registries` refuses. As long as that may yet be excused
/// the question stays open; in the end the image is refused, whoever it runs as.
#[inline(never)]
fn confirm<'p>(inquiry: &Inquiry<'_, 'p>, outcome: &mut Outcome<'p>, is_end: bool) {
    let refused = refused(inquiry.images, outcome);
    let mut answers: Vec<(Question<'p>, Option<Refusal>)> = Vec::new();
    outcome.keep(&mut |violation| {
        let Some(question) = violation.finding.question.as_deref().copied() else {
            return true;
        };
        let mut known = answers.iter();
        let place = known.position(|(asked, _)| *asked == question);
        let subject = violation.finding.subject();
        if place.is_none()
            && matches!(question, Question::UserOf(_))
            && is_in(&refused, inquiry.images, subject)
        {
            return true;
        }
        let refusal = match place.and_then(|place| answers.get(place)) {
            Some((_, refusal)) => refusal,
            None if answers.len() < MAX_QUESTIONS => {
                let mut rows = TABLE.iter();
                let row = rows.find(|row| row.control == violation.control);
                let confirm = row.and_then(|row| row.confirm);
                let refusal = confirm.and_then(|confirm| confirm(inquiry, &violation.finding));
                &answers.push_mut((question, refusal)).1
            }
            None => &Some(Refusal::too_many()),
        };
        if let Some(refusal) = refusal {
            refusal.confirm(&mut violation.finding);
        }
        refusal.is_some()
    });
    if is_end {
        outcome.keep(&mut |violation| violation.finding.question.is_none());
    }
}

/// The positions of the images that `registries` refuses, in their order, as that of the violations is.
#[inline(never)]
fn refused<'p>(images: &Images<'p>, outcome: &Outcome<'p>) -> Vec<usize> {
    let mut refused = Vec::new();
    for violation in &outcome.violations {
        if violation.control == Control::Registries
            && violation.mode == Mode::Enforce
            && let Some(place) = images.place_of(violation.finding.subject())
        {
            refused.push(place);
        }
    }
    refused
}

#[inline(never)]
fn is_in(refused: &[usize], images: &Images<'_>, subject: Subject<'_>) -> bool {
    let place = images.place_of(subject);
    place.is_some_and(|place| refused.binary_search(&place).is_ok())
}

/// How many findings of one control are kept. A pod of 500 containers has some thousand; a list in it
/// may have a hundred thousand entries, and all that would be said of them is more than the memory of
/// the module.
const MAX_FINDINGS: usize = 8192;
/// The same of a control that asks the host: two for each image of 500 containers. Of more, none is exempt or
/// excused.
const MAX_OF_IMAGES: usize = 2048;
/// The same where some of them may be exempt. Of more, none is.
const MAX_EXEMPT: usize = 16_384;
/// How many subjects are judged once more for what exemptions allow: two hundred exemptions for a pod of 500
/// containers. What is left then is allowed nothing more.
const MAX_JUDGED_AGAIN: usize = 100_000;
