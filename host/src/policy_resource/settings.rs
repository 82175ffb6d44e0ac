//! What the settings of this policy must say because of the resource in which they stand.
//!
//! A module is handed its settings and one request. It does not know that a group joins its verdict
//! with others, nor that a namespaced policy may not read what it asks for.

use container_security_text::request::plural;
use serde_json::{Value, json};

use super::rule::JUDGED;
use super::selector::Selector;
use super::spec::{FailurePolicy, Mode, Runs};
use super::{Member, PolicyResource};
use crate::error::Error;
use crate::policy::Policy;

/// Whether a module is this policy. Anybody names a module as he likes, so it is asked: one that
/// takes the word for judging every UPDATE in full, and no other word in its place, has the key.
///
/// # Errors
///
/// Those of [`Policy::validate_settings`].
pub fn is_this_policy(module: &Policy) -> Result<bool, Error> {
    let takes = |word: &str| {
        let settings = ON_UPDATE
            .iter()
            .rev()
            .fold(json!(word), |value, key| json!({*key: value}));
        Ok::<_, Error>(module.validate_settings(&settings)?.valid)
    };
    Ok(takes(ALL_VIOLATIONS)? && !takes("any other word")?)
}

impl PolicyResource {
    /// Holds the settings of the members that run this policy against the kind of the resource and
    /// the expression of a group. What is returned is not known here, one note each.
    ///
    /// # Errors
    ///
    /// Every key that must be another one, with its member.
    pub fn check_settings(
        &self,
        is_this_policy: impl Fn(&Member<'_>) -> bool,
    ) -> Result<Vec<String>, Vec<String>> {
        let (own, others): (Vec<_>, Vec<_>) = self.members().into_iter().partition(is_this_policy);
        let mut problems = self.unreadable(&own);
        let mut notes = Vec::new();
        for member in &own {
            let unnamed = custom_kinds(member).filter_map(|custom| self.unnamed(&custom));
            notes.extend(unnamed.map(|unnamed| {
                format!(
                    "{}settings.customWorkloads {unnamed}: nobody hands those to the policy",
                    at(member)
                )
            }));
        }
        for member in own.iter().filter(|member| excuses_creations(member)) {
            problems.extend(self.unsafe_excuses(member));
            if self.spec.mode == Mode::Monitor {
                notes.push(format!(
                    "{}settings.{} is {NEW_VIOLATIONS}, and mode monitor lets every template in: what \
                     is let in now is excused when the mode is protect",
                    at(member),
                    ON_CREATE.join(".")
                ));
            }
        }
        if let Runs::Group(expression, _) = &self.runs
            && !expression.is_conjunction()
        {
            let asked = expression.members();
            let is_asked =
                |member: &&Member<'_>| member.name.is_some_and(|name| asked.contains(name));
            let own = own.iter().filter(is_asked);
            problems.extend(own.clone().filter_map(excuse));
            let excusing = own.clone().filter(|member| excuses_creations(member));
            problems.extend(excusing.map(|member| {
                format!(
                    "{}settings.{} must be {ALL_VIOLATIONS}, because spec.expression is more than \
                     members joined by &&: a template that another member lets in would excuse what \
                     is made from it",
                    at(member),
                    ON_CREATE.join(".")
                )
            }));
            // Without a member of this policy it is no group of ours.
            if own.count() > 0 {
                let others = others.iter().filter(is_asked);
                notes.extend(others.filter_map(|member| member.name).map(|name| {
                    format!(
                        "spec.policies.{name} runs another module: whether it judges an UPDATE in \
                         full, as spec.expression needs, is not known here"
                    )
                }));
            }
        }
        if problems.is_empty() {
            Ok(notes)
        } else {
            Err(problems)
        }
    }

    /// What the rules leave out of a custom kind, as words behind the setting that has it. The resource is
    /// guessed by the kind, so this is no problem but a note.
    fn unnamed(&self, custom: &CustomKind<'_>) -> Option<String> {
        let resource = plural(custom.kind);
        let is_named = |operation: &&str| {
            let mut rules = self.spec.rules.iter();
            rules.any(|rule| rule.names(custom.group, &resource, operation))
        };
        let missing = ["CREATE", "UPDATE"].into_iter().filter(|it| !is_named(it));
        let missing: Vec<&str> = missing.collect();
        (!missing.is_empty()).then(|| {
            format!(
                "has the kind {}, and spec.rules leaves out {} of {resource} in {}",
                custom.kind,
                missing.join(" and "),
                custom.group
            )
        })
    }

    /// Why a template must not excuse what is made from it: it may not be read, or nobody has judged it.
    fn unsafe_excuses(&self, member: &Member<'_>) -> Vec<String> {
        let causes = self.unreadable_owners(member).into_iter();
        let causes = causes.chain(self.unjudged_templates(member));
        causes
            .map(|cause| {
                format!(
                    "{}settings.{} is {NEW_VIOLATIONS}, and {cause}",
                    at(member),
                    ON_CREATE.join(".")
                )
            })
            .collect()
    }

    /// Why not every owner may be read.
    fn unreadable_owners(&self, member: &Member<'_>) -> Option<String> {
        if self.kind.is_namespaced() {
            return Some(format!(
                "an {} has no contextAwareResources: no owner could be read, and nothing would be \
                 excused",
                self.kind
            ));
        }
        let readable = &member.spec.context_aware_resources;
        let missing = OWNERS.iter().filter(|(api_version, kind)| {
            !readable
                .iter()
                .any(|resource| resource.api_version == *api_version && resource.kind == *kind)
        });
        let custom = custom_kinds(member).filter(|custom| custom.names_controllers);
        let custom = custom.filter(|custom| {
            !readable.iter().any(|resource| {
                let group = resource.api_version.split_once('/');
                group.is_some_and(|(group, _)| group == custom.group)
                    && resource.kind == custom.kind
            })
        });
        let missing = missing.map(|(_, kind)| *kind);
        let missing: Vec<&str> = missing.chain(custom.map(|custom| custom.kind)).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "contextAwareResources lacks {}: what is made from one would not be excused",
                missing.join(", ")
            )
        })
    }

    /// Why nobody may have judged a template.
    fn unjudged_templates(&self, member: &Member<'_>) -> Vec<String> {
        let mut causes = Vec::new();
        let is_judged = |(group, resource): &(&str, &str), operation| {
            let mut rules = self.spec.rules.iter();
            rules.any(|rule| rule.covers(group, resource, operation))
        };
        for operation in ["CREATE", "UPDATE"] {
            let missing: Vec<&str> = JUDGED
                .iter()
                .filter(|(_, resource)| !EXCUSES_NOTHING.contains(resource))
                // Nobody creates ephemeral containers.
                .filter(|(_, resource)| operation == "UPDATE" || !resource.contains('/'))
                .filter(|workload| !is_judged(workload, operation))
                .map(|(_, resource)| *resource)
                .collect();
            if !missing.is_empty() {
                causes.push(format!(
                    "spec.rules leaves out {operation} of {}",
                    missing.join(", ")
                ));
            }
        }
        let custom = custom_kinds(member).filter(|custom| custom.names_controllers);
        let unnamed = custom.filter_map(|custom| self.unnamed(&custom));
        causes.extend(unnamed.map(|unnamed| format!("customWorkloads {unnamed}")));
        let others = [
            (
                self.spec.object_selector != Selector::default(),
                "spec.objectSelector leaves out what its author labels so",
            ),
            (
                !self.spec.match_conditions.is_empty(),
                "spec.matchConditions may leave out templates",
            ),
            (
                self.spec.failure_policy == Some(FailurePolicy::Ignore),
                "spec.failurePolicy is Ignore, which lets in every template while the policy server is down",
            ),
        ];
        let others = others.into_iter().filter(|(is_so, _)| *is_so);
        causes.extend(others.map(|(_, cause)| cause.to_owned()));
        for cause in &mut causes {
            cause.push_str(": what nobody has judged would excuse what is made from it");
        }
        causes
    }

    /// Members that ask for reports or for profiles where no policy may read any.
    fn unreadable(&self, own: &[Member<'_>]) -> Vec<String> {
        if !self.kind.is_namespaced() {
            return Vec::new();
        }
        let problem = |member: &Member<'_>, section: &str, consequence: &str| {
            let keys = member.settings().get(section)?;
            let text = |key: &str| keys.get(key).and_then(Value::as_str);
            let source = text("source").filter(|source| *source != "none")?;
            (text("mode") != Some("disabled")).then(|| {
                format!(
                    "{}settings.{section}.source is {source:?}, and an {} has no \
                     contextAwareResources: {consequence} in a ClusterAdmissionPolicy",
                    at(member),
                    self.kind
                )
            })
        };
        let of_member = |member| {
            let sections = READING.iter();
            sections.filter_map(move |(section, consequence)| problem(member, section, consequence))
        };
        own.iter().flat_map(of_member).collect()
    }
}

/// What is wrong with a member whose verdict is not the only one that counts, when it excuses what
/// the stored object violates. On CREATE another member may have let that in.
fn excuse(member: &Member<'_>) -> Option<String> {
    (word(member, ON_UPDATE) != Some(ALL_VIOLATIONS)).then(|| {
        format!(
            "{}settings.{} must be {ALL_VIOLATIONS}, because spec.expression is more than members \
             joined by &&: what another member lets in on CREATE, this one takes for legacy on \
             UPDATE",
            at(member),
            ON_UPDATE.join(".")
        )
    })
}

/// A kind that is not of Kubernetes, and whose pod templates are judged.
pub(super) struct CustomKind<'m> {
    pub(super) group: &'m str,
    kind: &'m str,
    names_controllers: bool,
}

/// The kinds that a member's settings name. They have been checked.
pub(super) fn custom_kinds<'m>(member: &Member<'m>) -> impl Iterator<Item = CustomKind<'m>> {
    let list = member.settings().get("customWorkloads");
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| {
        let controllers = entry.get("controllers").and_then(Value::as_array);
        Some(CustomKind {
            group: entry.get("group")?.as_str()?,
            kind: entry.get("kind")?.as_str()?,
            names_controllers: controllers.is_some_and(|list| !list.is_empty()),
        })
    })
}

/// Whether a member takes what its owner's template has for legacy.
fn excuses_creations(member: &Member<'_>) -> bool {
    word(member, ON_CREATE) == Some(NEW_VIOLATIONS)
}

/// The word that a member's settings have at the end of a path.
fn word<'m>(member: &Member<'m>, path: &[&str]) -> Option<&'m str> {
    let mut keys = path.iter();
    let value = keys.try_fold(member.settings(), |value, key| value.get(key));
    value.and_then(Value::as_str)
}

/// Where a problem of a member stands.
fn at(member: &Member<'_>) -> String {
    member
        .name
        .map(|name| format!("spec.policies.{name}: "))
        .unwrap_or_default()
}

/// The path of the key that says which violations count against an UPDATE.
const ON_UPDATE: &[&str] = &["legacy", "onUpdate"];
/// The path of the key that says which count against what a controller creates.
const ON_CREATE: &[&str] = &["legacy", "onCreate"];
const NEW_VIOLATIONS: &str = "newViolations";
/// Its word for all of them; by default the stored object excuses its own.
const ALL_VIOLATIONS: &str = "allViolations";

/// The sections that read resources of the cluster, and what becomes of that where nobody may.
const READING: [(&str, &str); 2] = [
    (
        "vulnerabilities",
        "no report could be read and no image would pass; ask for reports",
    ),
    (
        "localhostProfiles",
        "no profile could be looked up and none would pass; ask for profiles",
    ),
];

/// The kinds from which controllers make Pods, or what Pods are made from.
const OWNERS: [(&str, &str); 7] = [
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("v1", "ReplicationController"),
];
/// Of what is judged, what Pods are not made from, and what changes nothing that excuses: it may be left out.
const EXCUSES_NOTHING: [&str; 2] = ["podtemplates", "pods/resize"];
