//! Label selectors, as far as the labels are known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A Kubernetes `LabelSelector`. One without requirements matches everything.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// What is known of a label.
pub(super) enum Label<'a> {
    Set(&'a str),
    Unset,
    Unknown,
}

/// Whether labels match a selector.
#[derive(Debug, PartialEq)]
pub(super) enum Match<'a> {
    Yes,
    No,
    /// It depends on the labels with these keys.
    Unknown(BTreeSet<&'a str>),
}

impl Selector {
    /// Holds every requirement against what is known of the labels.
    pub(super) fn matches<'a>(&'a self, label: impl Fn(&str) -> Label<'a>) -> Match<'a> {
        let of_labels = self.match_labels.iter().map(|(key, value)| {
            let holds = match label(key) {
                Label::Set(actual) => Some(actual == value),
                Label::Unset => Some(false),
                Label::Unknown => None,
            };
            (key.as_str(), holds)
        });
        let of_expressions = self.match_expressions.iter().map(|requirement| {
            (
                requirement.key.as_str(),
                requirement.holds(&label(&requirement.key)),
            )
        });
        let mut unknown = BTreeSet::new();
        for (key, holds) in of_labels.chain(of_expressions) {
            match holds {
                Some(true) => {}
                Some(false) => return Match::No,
                None => {
                    unknown.insert(key);
                }
            }
        }
        if unknown.is_empty() {
            Match::Yes
        } else {
            Match::Unknown(unknown)
        }
    }

    /// `matchLabels` as `matchExpressions` that say the same; `None` where there are none.
    pub(super) fn labels_as_expressions(&self) -> Option<String> {
        let expression = |(key, value): (&String, &String)| {
            format!("{{key: {key:?}, operator: In, values: [{value:?}]}}")
        };
        let expressions: Vec<_> = self.match_labels.iter().map(expression).collect();
        (!expressions.is_empty()).then(|| format!("[{}]", expressions.join(", ")))
    }

    /// What the API server would not accept, with its path below the selector.
    pub(super) fn problems(&self) -> Vec<String> {
        let problem = |(index, requirement): (usize, &Requirement)| {
            let (wrong, has) = match (requirement.operator, requirement.values.is_empty()) {
                (Operator::In | Operator::NotIn, true) => ("needs", "values"),
                (Operator::Exists | Operator::DoesNotExist, false) => ("takes", "no values"),
                _ => return None,
            };
            let operator = requirement.operator;
            Some(format!(
                "matchExpressions[{index}]: {operator:?} {wrong} {has}"
            ))
        };
        self.match_expressions
            .iter()
            .enumerate()
            .filter_map(problem)
            .collect()
    }
}

impl Requirement {
    fn holds(&self, label: &Label<'_>) -> Option<bool> {
        let (is_set, is_in) = match label {
            Label::Set(value) => (true, self.values.iter().any(|known| known == value)),
            Label::Unset => (false, false),
            Label::Unknown => return None,
        };
        Some(match self.operator {
            Operator::In => is_in,
            Operator::NotIn => !is_in,
            Operator::Exists => is_set,
            Operator::DoesNotExist => !is_set,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Matches against the labels `app: web` and `?`, which is unknown.
    fn matches(selector: Value) -> Option<bool> {
        let selector: Selector = serde_json::from_value(selector).unwrap();
        assert_eq!(selector.problems(), [""; 0]);
        let label = |key: &str| match key {
            "app" => Label::Set("web"),
            "?" => Label::Unknown,
            _ => Label::Unset,
        };
        match selector.matches(label) {
            Match::Yes => Some(true),
            Match::No => Some(false),
            Match::Unknown(keys) => {
                assert_eq!(keys, BTreeSet::from(["?"]));
                None
            }
        }
    }

    #[test]
    fn each_operator_compares_as_kubernetes_does() {
        for (key, operator, values, expected) in [
            ("app", "In", json!(["db", "web"]), Some(true)),
            ("app", "In", json!(["db"]), Some(false)),
            ("none", "In", json!(["db"]), Some(false)),
            ("app", "NotIn", json!(["web"]), Some(false)),
            ("app", "NotIn", json!(["db"]), Some(true)),
            ("none", "NotIn", json!(["db"]), Some(true)),
            ("app", "Exists", json!([]), Some(true)),
            ("none", "Exists", json!([]), Some(false)),
            ("app", "DoesNotExist", json!([]), Some(false)),
            ("none", "DoesNotExist", json!([]), Some(true)),
            ("?", "DoesNotExist", json!([]), None),
        ] {
            let selector = json!({"matchExpressions": [
                {"key": key, "operator": operator, "values": values}
            ]});
            assert_eq!(matches(selector), expected, "{key} {operator}");
        }
    }

    #[test]
    fn every_requirement_must_hold_and_one_that_does_not_settles_it() {
        assert_eq!(matches(json!({})), Some(true));
        assert_eq!(matches(json!({"matchLabels": {"app": "web"}})), Some(true));
        assert_eq!(
            matches(json!({"matchLabels": {"app": "web", "none": ""}})),
            Some(false)
        );
        assert_eq!(
            matches(json!({"matchLabels": {"app": "web", "?": "a"}})),
            None
        );
        assert_eq!(
            matches(json!({"matchLabels": {"app": "db", "?": "a"}})),
            Some(false)
        );
    }

    #[test]
    fn operators_and_their_values_must_fit() {
        let selector: Selector = serde_json::from_value(json!({"matchExpressions": [
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "Exists", "values": ["b"]},
        ]}))
        .unwrap();
        assert_eq!(
            selector.problems(),
            [
                "matchExpressions[0]: In needs values",
                "matchExpressions[1]: Exists takes no values"
            ]
        );
    }
}
