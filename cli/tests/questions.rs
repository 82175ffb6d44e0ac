//! Holds `questions-ui.yml`, the form that Rancher shows, against the settings.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use container_security::settings_schema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    questions: Vec<Question>,
}

/// A question, with the keys that Rancher's Kubewarden extension reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    variable: String,
    #[serde(rename = "type")]
    type_: String,
    label: String,
    description: String,
    group: Option<String>,
    default: Option<Value>,
    options: Option<Vec<String>>,
    show_if: Option<String>,
    #[serde(default)]
    hide_input: bool,
    #[serde(default, rename = "value_multiline")]
    _value_multiline: bool,
    subquestions: Option<Vec<Self>>,
    #[serde(default)]
    sequence_questions: Vec<Self>,
}

impl Question {
    /// Whether it is a heading, or asks for a map key by key.
    fn is_heading(&self) -> bool {
        self.subquestions.is_some()
    }
}

/// A key of the settings. `hostPorts.allowed[].min` is a key of each entry of a list.
#[derive(Debug)]
struct Key {
    schema: Value,
    default: Option<Value>,
}

impl Key {
    fn is(&self, kind: &str) -> bool {
        is(&self.schema, kind)
    }

    /// Whether it has keys of its own.
    fn is_section(&self) -> bool {
        self.schema.get("properties").is_some()
    }

    /// The type that a question for this key has.
    fn question_type(&self) -> &'static str {
        let item = self.schema.get("items").unwrap_or(&Value::Null);
        if !words(&self.schema).is_empty() {
            "enum"
        } else if self.is("boolean") {
            "boolean"
        } else if self.is("integer") {
            "int"
        } else if self.is("number") {
            "float"
        } else if self.is("object") {
            "map["
        } else if self.is("array") && is(item, "object") {
            "sequence["
        } else if self.is("array") {
            "array["
        } else {
            "string"
        }
    }
}

#[test]
fn every_key_has_a_question_and_every_question_a_key() {
    let questions = questions();
    let asked: BTreeSet<&String> = questions
        .iter()
        .filter(|(_, question)| !question.is_heading())
        .map(|(path, _)| path)
        .collect();
    let keys = keys();
    // Rancher loses what is added to a list within a list of a section.
    let is_lost = |path: &str, key: &Key| {
        let mut lists = path.split("[].");
        lists.next().is_some_and(|list| list.contains('.'))
            && lists.next().is_some()
            && (key.question_type() == "sequence[" || lists.next().is_some())
    };
    let leaves: BTreeSet<&String> = keys
        .iter()
        .filter(|(path, key)| !key.is_section() && !is_lost(path, key))
        .map(|(path, _)| path)
        .collect();
    let asked_or_key: Vec<_> = asked.symmetric_difference(&leaves).collect();
    assert!(asked_or_key.is_empty(), "not both: {asked_or_key:?}");
    for (path, question) in &questions {
        let key = keys.get(path).unwrap_or_else(|| panic!("no key: {path}"));
        assert_eq!(question.type_, key.question_type(), "{path}");
        assert_eq!(question.is_heading(), key.is_section(), "{path}");
        assert!(!question.label.trim().is_empty(), "{path}");
        assert!(!question.description.trim().is_empty(), "{path}");
    }
}

#[test]
fn the_options_of_an_enum_are_the_words_of_its_key() {
    let keys = keys();
    for (path, question) in questions() {
        let options = question.options.unwrap_or_default();
        assert_eq!(options, words(&keys[&path].schema), "{path}");
    }
}

/// Rancher has no list of options for the entries of a list.
#[test]
fn the_words_of_a_list_are_in_its_description() {
    let mut lists = 0;
    for (path, question) in questions() {
        let words = words(&keys()[&path].schema["items"]);
        if !words.is_empty() {
            let sentence = format!("Any of {}.", words.join(", "));
            assert!(
                question.description.contains(&sentence),
                "{path}: {sentence}"
            );
            lists += 1;
        }
    }
    assert!(lists >= 3, "{lists}");
}

#[test]
fn a_default_is_the_default_of_its_key() {
    let keys = keys();
    for (path, question) in questions() {
        let expected = &keys[&path].default;
        if question.is_heading() {
            // Rancher adds nothing to a sequence whose section is not in the settings.
            let is_empty = question.default == Some(json!({}));
            assert!(is_empty || question.default.is_none(), "{path}");
        } else if is_mode_of_idle_section(&path) {
            assert_eq!(question.default, None, "{path}");
            let sentence = format!(
                "Left empty: {}.",
                expected.as_ref().unwrap().as_str().unwrap()
            );
            assert!(
                question.description.ends_with(&sentence),
                "{path}: {sentence}"
            );
        } else if question.type_ == "sequence[" && !path.contains("[]") {
            // Rancher can add nothing to a sequence without it, and drops it when it saves.
            assert_eq!(question.default, Some(json!([])), "{path}");
        } else if question.default.is_some() {
            assert_eq!(question.default, *expected, "{path}");
        } else if let Some(default) = expected {
            // Rancher shows a list as empty when it sets the default itself, and the first entry
            // that somebody adds replaces it.
            let entries: Vec<&str> = default
                .as_array()
                .unwrap_or_else(|| panic!("{path} has the default {default}"))
                .iter()
                .map(|entry| entry.as_str().unwrap())
                .collect();
            let sentence = format!("Left empty: {}.", entries.join(", "));
            assert!(
                question.description.ends_with(&sentence),
                "{path}: {sentence}"
            );
        }
    }
}

#[test]
fn the_settings_that_the_form_begins_with_are_valid() {
    let form = form();
    for settings in [
        settings(&form, |_| true),
        settings(&form, |question| is_shown(question, &form)),
    ] {
        assert_valid(&settings);
        assert_valid(&as_saved(settings));
    }
}

#[test]
fn every_option_is_valid_on_its_own() {
    let form = form();
    let mut tried = 0;
    for question in &form.questions {
        let answers: Vec<Value> = match question.type_.as_str() {
            "enum" => question
                .options
                .iter()
                .flatten()
                .map(|word| json!(word))
                .collect(),
            "boolean" => vec![json!(true), json!(false)],
            "int" => vec![json!(0), json!(7)],
            "float" => vec![json!(0), json!(8.9)],
            "array[" => vec![json!([])],
            _ => continue,
        };
        for answer in answers {
            let mut changed = form.clone();
            let same = |asked: &&mut Question| asked.variable == question.variable;
            let asked = changed.questions.iter_mut().find(same).unwrap();
            asked.default = Some(answer);
            let mut settings = as_saved(settings(&changed, |_| true));
            give_something_to_find(&mut settings, &question.variable);
            assert_valid(&settings);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn the_form_begins_without_the_mode_of_what_can_find_nothing_or_depends_on_the_level() {
    let form = form();
    let settings = settings(&form, |_| true);
    let keys = keys();
    for (section, key, _) in IDLE_SECTIONS {
        assert!(keys.contains_key(&format!("{section}.{key}")), "{section}");
        assert_eq!(settings[section].get("mode"), None, "{section}");
    }
    let modes = keys
        .keys()
        .filter(|path| path.rsplit_once('.').is_some_and(|(_, key)| key == "mode"));
    let modes = modes.filter(|path| !path.contains("[]"));
    for path in modes {
        let (section, _) = path.split_once('.').unwrap();
        assert_eq!(
            settings[section].get("mode").is_none(),
            is_mode_of_idle_section(path) || keys[path].default.is_none(),
            "{path}"
        );
    }
}

/// What Rancher's extension does with a form, and where it goes wrong.
#[test]
fn the_form_keeps_to_what_rancher_can_do() {
    let form = form();
    let mut groups: Vec<&str> = Vec::new();
    let mut enums: BTreeMap<&str, &[String]> = BTreeMap::new();
    for question in &form.questions {
        let name = question.variable.as_str();
        let group = question
            .group
            .as_deref()
            .unwrap_or_else(|| panic!("{name} has no group"));
        if groups.last() != Some(&group) {
            assert!(
                !groups.contains(&group),
                "{name} stands apart from its group"
            );
            groups.push(group);
            // A group's own heading is empty: the extension takes it from a key that there is not.
            let has_no_heading =
                ["For all rules", "Pod Security Standard", "Custom workloads"].contains(&group);
            assert!(question.is_heading() || has_no_heading, "{name}");
        }
        if question.is_heading() {
            assert!(question.hide_input, "{name}");
            assert_eq!(question.label, group, "{name}");
            // With questions below a heading, choosing a mode would delete their answers.
            assert!(
                question.subquestions.iter().flatten().next().is_none(),
                "{name}"
            );
        }
        // Nothing can be added to a sequence without a list as its default, nor to one of a section that
        // no other default puts into the settings.
        if question.type_ == "sequence[" {
            assert_eq!(question.default, Some(json!([])), "{name}");
            let section = name.split_once('.').map(|(section, _)| section);
            let is_there = section.is_none_or(|section| {
                form.questions.iter().any(|other| {
                    let is_in_section = other.variable.split('.').next() == Some(section);
                    is_in_section && other.type_ != "sequence[" && other.default.is_some()
                })
            });
            assert!(is_there, "{name}");
        }
        // A negated condition is always true.
        for condition in conditions(question) {
            let (variable, word) = condition.split_once('=').unwrap();
            let options = enums
                .get(variable)
                .unwrap_or_else(|| panic!("{name}: {variable}"));
            assert!(
                options.iter().any(|option| option == word),
                "{name}: {word}"
            );
        }
        if let Some(options) = &question.options {
            enums.insert(name, options);
        }
    }
}

fn form() -> Form {
    let text = fs::read_to_string(root().join("questions-ui.yml")).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

/// All questions by the path of their key.
fn questions() -> Vec<(String, Question)> {
    fn collect(below: &str, questions: &[Question], found: &mut Vec<(String, Question)>) {
        for question in questions {
            let path = format!("{below}{}", question.variable);
            found.push((path.clone(), question.clone()));
            collect(&format!("{path}[]."), &question.sequence_questions, found);
            collect(
                below,
                question.subquestions.as_deref().unwrap_or_default(),
                found,
            );
        }
    }
    let mut found = Vec::new();
    collect("", &form().questions, &mut found);
    found
}

/// All keys of the settings by their paths.
fn keys() -> BTreeMap<String, Key> {
    fn collect(
        below: &str,
        schema: &Value,
        default: Option<&Value>,
        found: &mut BTreeMap<String, Key>,
    ) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{below}{name}");
            let default = default
                .and_then(|default| default.get(name))
                .or_else(|| schema.get("default"))
                .cloned();
            collect(&format!("{path}."), schema, default.as_ref(), found);
            if let Some(items) = schema.get("items") {
                collect(&format!("{path}[]."), items, None, found);
            }
            let schema = schema.clone();
            found.insert(path, Key { schema, default });
        }
    }
    let mut found = BTreeMap::new();
    collect("", &settings_schema(), None, &mut found);
    found
}

fn is(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        only => only == kind,
    }
}

/// The words that may stand here, where there are only so many.
fn words(schema: &Value) -> Vec<String> {
    let words = schema["enum"].as_array().into_iter().flatten();
    words
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// What Rancher writes into `spec.settings` when it shows these questions.
fn settings(form: &Form, is_shown: impl Fn(&Question) -> bool) -> Value {
    let mut settings = json!({});
    for question in form.questions.iter().filter(|question| is_shown(question)) {
        let Some(default) = &question.default else {
            continue;
        };
        let mut place = &mut settings;
        for key in question.variable.split('.') {
            let map = place.as_object_mut().unwrap();
            place = map.entry(key).or_insert_with(|| json!({}));
        }
        *place = default.clone();
    }
    settings
}

/// What Rancher makes of them when it saves: texts, lists and maps without anything in them go.
fn as_saved(settings: Value) -> Value {
    let Value::Object(map) = settings else {
        return settings;
    };
    let map: Map<String, Value> = map
        .into_iter()
        .map(|(key, value)| (key, as_saved(value)))
        .filter(|(_, value)| *value != json!("") && *value != json!([]) && *value != json!({}))
        .collect();
    map.into()
}

fn is_shown(question: &Question, form: &Form) -> bool {
    let begins_with = |condition: &str| {
        let (variable, word) = condition.split_once('=').unwrap();
        let asked = form
            .questions
            .iter()
            .find(|asked| asked.variable == variable);
        asked.unwrap().default == Some(json!(word))
    };
    let conditions = conditions(question);
    conditions.is_empty() || conditions.into_iter().any(begins_with)
}

fn conditions(question: &Question) -> Vec<&str> {
    question
        .show_if
        .as_deref()
        .map(|any| any.split("||").collect())
        .unwrap_or_default()
}

fn assert_valid(settings: &Value) {
    let answer = container_security::validate_settings(settings.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["valid"], true, "{settings}: {}", answer["message"]);
}

fn is_mode_of_idle_section(path: &str) -> bool {
    let section = path.strip_suffix(".mode");
    section.is_some_and(|section| IDLE_SECTIONS.iter().any(|(idle, ..)| *idle == section))
}

/// Adds what a section without anything to find is refused without, unless it is what was answered.
fn give_something_to_find(settings: &mut Value, answered: &str) {
    let (section, _) = answered.split_once('.').unwrap_or((answered, ""));
    let Some((_, key, content)) = IDLE_SECTIONS.iter().find(|(idle, ..)| *idle == section) else {
        return;
    };
    if answered != format!("{section}.{key}") {
        let content: Value = serde_json::from_str(content).unwrap();
        let map = settings.as_object_mut().unwrap();
        map.entry(section).or_insert_with(|| json!({}))[*key] = content;
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The sections that find nothing until somebody says what to look for, each with a key that does
/// and a value for it. Rancher writes the default of each question that it shows into the settings,
/// and a mode in such a section without the key is a settings error: it looks as if the control
/// were on. So the question for the mode has no default, here and nowhere else.
const IDLE_SECTIONS: [(&str, &str, &str); 6] = [
    (
        "localhostProfiles",
        "source",
        r#""security-profiles-operator""#,
    ),
    ("registries", "allow", r#"["myacr.azurecr.io"]"#),
    ("imagePinning", "requireDigest", "true"),
    (
        "signatures",
        "rules",
        r#"[{"images": ["ghcr.io/org"], "anyOf": [{"githubActions": {"owner": "org"}}]}]"#,
    ),
    ("vulnerabilities", "source", r#""trivy-operator""#),
    ("imageFreshness", "maximumAge", r#""90d""#),
];
