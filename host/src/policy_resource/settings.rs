//! What the settings of this policy must say because of the resource in which they stand.
//!
//! A module is handed its settings and one request. It does not know that a group joins its verdict
//! with others, nor that a namespaced policy may not read what it asks for.

use serde_json::{Value, json};

use super::spec::Runs;
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
        let mut problems = self.unreadable_reports(&own);
        let mut notes = Vec::new();
        if let Runs::Group(expression, _) = &self.runs
            && !expression.is_conjunction()
        {
            let asked = expression.members();
            let is_asked =
                |member: &&Member<'_>| member.name.is_some_and(|name| asked.contains(name));
            let own = own.iter().filter(is_asked);
            problems.extend(own.clone().filter_map(excuse));
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

    /// Members that ask for vulnerability reports where no policy may read any.
    fn unreadable_reports(&self, own: &[Member<'_>]) -> Vec<String> {
        if !self.kind.is_namespaced() {
            return Vec::new();
        }
        let problem = |member: &Member<'_>| {
            let section = member.settings().get("vulnerabilities")?;
            let text = |key: &str| section.get(key).and_then(Value::as_str);
            let source = text("source").filter(|source| *source != "none")?;
            (text("mode") != Some("disabled")).then(|| {
                format!(
                    "{}settings.vulnerabilities.source is {source:?}, and an {} has no \
                     contextAwareResources: no report could be read and no image would pass; ask \
                     for reports in a ClusterAdmissionPolicy",
                    at(member),
                    self.kind
                )
            })
        };
        own.iter().filter_map(problem).collect()
    }
}

/// What is wrong with a member whose verdict is not the only one that counts, when it excuses what
/// the stored object violates. On CREATE another member may have let that in.
fn excuse(member: &Member<'_>) -> Option<String> {
    let word = ON_UPDATE
        .iter()
        .try_fold(member.settings(), |value, key| value.get(key));
    (word.and_then(Value::as_str) != Some(ALL_VIOLATIONS)).then(|| {
        format!(
            "{}settings.{} must be {ALL_VIOLATIONS}, because spec.expression is more than members \
             joined by &&: what another member lets in on CREATE, this one takes for legacy on \
             UPDATE",
            at(member),
            ON_UPDATE.join(".")
        )
    })
}

/// Where a problem of a member stands.
fn at(member: &Member<'_>) -> String {
    member
        .name
        .map(|name| format!("spec.policies.{name}: "))
        .unwrap_or_default()
}

/// The path of the key that says which violations count against an UPDATE.
const ON_UPDATE: &[&str] = &["onUpdate"];
/// Its word for all of them; by default the stored object excuses its own.
const ALL_VIOLATIONS: &str = "allViolations";
