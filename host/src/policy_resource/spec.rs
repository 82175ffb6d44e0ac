//! `spec` of a policy or a policy group, read as strictly as the API server reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::expression::Expression;
use super::rule::Rule;
use super::selector::Selector;

/// The fields of all four kinds; [`Kind`](super::Kind) says which has which. Those
/// that decide nothing about a verdict are here so that others are unknown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) module: Option<String>,
    #[serde(default)]
    pub(super) settings: Value,
    pub(super) mutating: Option<bool>,
    #[serde(default)]
    pub(super) context_aware_resources: BTreeSet<ContextAwareResource>,
    pub(super) expression: Option<String>,
    #[serde(default)]
    pub(super) policies: BTreeMap<String, MemberSpec>,
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) namespace_selector: Selector,
    #[serde(default)]
    pub(super) object_selector: Selector,
    #[serde(default)]
    pub(super) match_conditions: Vec<MatchCondition>,
    #[serde(default = "default_timeout_seconds")]
    pub(super) timeout_seconds: u64,
    pub(super) timeout_eval_seconds: Option<u64>,
    #[serde(default)]
    pub(super) allow_inside_admission_controller_namespace: bool,
    #[serde(default = "default_background_audit")]
    pub(super) background_audit: bool,
    pub(super) failure_policy: Option<FailurePolicy>,
    #[serde(rename = "matchPolicy")]
    _match_policy: Option<MatchPolicy>,
    #[serde(rename = "policyServer")]
    _policy_server: Option<String>,
    #[serde(rename = "sideEffects")]
    _side_effects: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MemberSpec {
    pub(super) module: String,
    #[serde(default)]
    pub(super) settings: Value,
    #[serde(default)]
    pub(super) context_aware_resources: BTreeSet<ContextAwareResource>,
    pub(super) timeout_eval_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ContextAwareResource {
    pub(super) api_version: String,
    pub(super) kind: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    #[default]
    Protect,
    Monitor,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) enum FailurePolicy {
    Fail,
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) enum MatchPolicy {
    Exact,
    Equivalent,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchCondition {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "expression")]
    _expression: String,
}

/// What is asked: a policy, or the policies of a group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Runs {
    Policy(MemberSpec),
    Group(Expression, BTreeMap<String, MemberSpec>),
}

impl Spec {
    /// What it runs, and what the API server or Kubewarden's controller would refuse.
    pub(super) fn check(&self) -> (Option<Runs>, Vec<String>) {
        let mut problems = Vec::new();
        if self.rules.is_empty() {
            problems.push("spec.rules has no rule".to_owned());
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let empty = rule.empty_lists().into_iter();
            problems.extend(empty.map(|list| format!("spec.rules[{index}].{list} is empty")));
        }
        for (name, selector) in [
            ("namespaceSelector", &self.namespace_selector),
            ("objectSelector", &self.object_selector),
        ] {
            let found = selector.problems().into_iter();
            problems.extend(found.map(|problem| format!("spec.{name}.{problem}")));
        }
        if self.match_conditions.len() > MAXIMUM_MATCH_CONDITIONS {
            problems.push(format!(
                "spec.matchConditions has {} entries, at most {MAXIMUM_MATCH_CONDITIONS} are allowed",
                self.match_conditions.len()
            ));
        }
        problems.extend(self.problems_of_settings());
        problems.extend(self.problems_of_time());

        let runs = match (&self.expression, &self.module) {
            (Some(expression), _) => match Expression::parse(expression) {
                Ok(expression) => {
                    let named = expression.members().into_iter();
                    let unknown = named.filter(|name| !self.policies.contains_key(*name));
                    problems.extend(unknown.map(|name| {
                        format!("spec.expression: {name}() is not one of spec.policies")
                    }));
                    Some(Runs::Group(expression, self.policies.clone()))
                }
                Err(problem) => {
                    problems.push(format!("spec.expression: {problem}"));
                    None
                }
            },
            (None, Some(module)) => Some(Runs::Policy(MemberSpec {
                module: module.clone(),
                settings: self.settings.clone(),
                context_aware_resources: self.context_aware_resources.clone(),
                timeout_eval_seconds: self.timeout_eval_seconds,
            })),
            (None, None) => None,
        };
        (runs, problems)
    }

    fn problems_of_settings(&self) -> Vec<String> {
        let members = self.policies.iter();
        let members = members
            .map(|(name, member)| (format!("spec.policies.{name}.settings"), &member.settings));
        std::iter::once(("spec.settings".to_owned(), &self.settings))
            .chain(members)
            .filter(|(_, settings)| !settings.is_null() && !settings.is_object())
            .map(|(path, _)| format!("{path} must be a mapping"))
            .collect()
    }

    fn problems_of_time(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut times = vec![("spec.timeoutSeconds".to_owned(), Some(self.timeout_seconds))];
        let path = "spec.timeoutEvalSeconds";
        times.push((path.to_owned(), self.timeout_eval_seconds));
        for (name, member) in &self.policies {
            let path = format!("spec.policies.{name}.timeoutEvalSeconds");
            times.push((path, member.timeout_eval_seconds));
        }
        for (path, seconds) in &times {
            if let Some(seconds) = seconds.filter(|seconds| !TIMEOUT_SECONDS.contains(seconds)) {
                problems.push(format!("{path} is {seconds}, it must be from 2 to 30"));
            }
        }
        let whole = self.timeout_seconds;
        if let Some(seconds) = self.timeout_eval_seconds.filter(|seconds| *seconds > whole) {
            problems.push(format!(
                "{path} is {seconds}, more than spec.timeoutSeconds, which is {whole}"
            ));
        }
        let members = self.policies.values();
        let sum = members
            .filter_map(|member| member.timeout_eval_seconds)
            .fold(0, u64::saturating_add);
        if sum > whole {
            problems.push(format!(
                "timeoutEvalSeconds of all spec.policies are {sum} together, more than \
                 spec.timeoutSeconds, which is {whole}"
            ));
        }
        problems
    }
}

fn default_background_audit() -> bool {
    true
}

fn default_timeout_seconds() -> u64 {
    10
}

const MAXIMUM_MATCH_CONDITIONS: usize = 64;
const TIMEOUT_SECONDS: RangeInclusive<u64> = 2..=30;
