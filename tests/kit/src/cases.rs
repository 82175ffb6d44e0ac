//! Test cases as data: how a case in `tests/cases/` becomes a request and an expected answer.
//!
//! A case is a sentence, the one difference from a valid workload, and what the policy must say:
//!
//! ```yaml
//! - case: a container that runs privileged is rejected
//!   why: optional, where the sentence does not say it
//!   kinds: [Pod, Deployment, CronJob]   # one request for each; [Pod] where left out
//!   containers: each                    # once for each kind of container; see below
//!   values: [evil.io/x, "evil.io/x:1"]  # once for each; see below
//!   settings: {registries: {allow: [myacr.azurecr.io]}}
//!   add: {containers: [proxy]}          # more valid containers, by name
//!   set: {/spec/hostNetwork: true}      # JSON pointers into the pod, parents are made
//!   remove: [/spec/securityContext]
//!   templates: [/spec/tasks/1/template] # where the object carries the valid pod as well
//!   object: {/spec/replicas: 2}         # JSON pointers into the object that carries the pod
//!   stored: {set: {}, remove: []}       # makes it an UPDATE of the valid workload, so changed
//!   request: {operation: DELETE}        # fields of the AdmissionRequest, null removes one
//!   rejects: ["hostNamespaces: hostNetwork is true; set {spec}.hostNetwork to false"]
//!   warns: []
//!   excuses: [hostNamespaces]           # what is said to be excused, where controllers make Pods of the kind
//! ```
//!
//! `rejects` are the lines of the message below its title, and `aside` what the title says in
//! parentheses; without `rejects` the request must be accepted. `message` and `code` are for answers of another form. Everything is compared whole.
//!
//! With `values`, `{value}` anywhere in the case stands for each of them in turn, and `{quoted}` for
//! how messages quote it. A case of `tests/settings/` can have `values` and a `why`, too.
//!
//! In messages `{kind}` is the workload kind, `{spec}` and `{metadata}` stand for the path of the
//! pod's spec and metadata in the object. With `containers: each`, `{container}` is the pointer of
//! the container in `set` and `remove`, its path in messages, and `{subject}` is how messages name
//! it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case that is written wrongly must fail, and say where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::requests::{
    Expected, create_request, kind_name, payload, set, shape, valid_container, valid_pod, workload,
};

/// A case that is ready to run.
#[derive(Debug, Clone)]
pub struct Case {
    /// File, sentence, and what the case was multiplied by.
    pub name: String,
    /// What the host sends: `{"request": ..., "settings": ...}`.
    pub payload: Vec<u8>,
    /// What the policy must answer, apart from its annotations for machines.
    pub expected: Expected,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: String,
    #[expect(dead_code, reason = "it is for whoever reads the case")]
    why: Option<String>,
    #[serde(default = "pod_only")]
    kinds: Vec<String>,
    #[serde(default)]
    containers: Containers,
    #[serde(default = "empty")]
    settings: Value,
    #[serde(flatten)]
    difference: Difference,
    stored: Option<Difference>,
    #[serde(default)]
    request: Map<String, Value>,
    #[serde(default)]
    rejects: Vec<String>,
    aside: Option<String>,
    #[serde(default)]
    warns: Vec<String>,
    #[serde(default)]
    excuses: Vec<String>,
    message: Option<String>,
    code: Option<u16>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Difference {
    #[serde(default)]
    add: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    templates: Vec<String>,
    #[serde(default)]
    object: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Containers {
    #[default]
    Asis,
    Each,
}

/// One of the containers of the valid pod.
#[derive(Debug, Clone, Copy)]
struct Member {
    list: &'static str,
    noun: &'static str,
    name: &'static str,
}

const MEMBERS: [Member; 3] = [
    Member {
        list: "initContainers",
        noun: "init container",
        name: "setup",
    },
    Member {
        list: "containers",
        noun: "container",
        name: "app",
    },
    Member {
        list: "ephemeralContainers",
        noun: "ephemeral container",
        name: "debug",
    },
];

/// Every case below `tests/cases/`.
pub fn cases(tests: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for file in yaml_files(&tests.join("cases")) {
        let label = file
            .strip_prefix(tests.join("cases"))
            .unwrap()
            .with_extension("");
        for written in read::<Written>(&file) {
            for kind in &written.kinds {
                match written.containers {
                    Containers::Asis => cases.push(case(&label, &written, kind, None)),
                    Containers::Each => cases.extend(
                        MEMBERS
                            .iter()
                            .filter(|member| kind == "Pod" || member.list != "ephemeralContainers")
                            .map(|member| case(&label, &written, kind, Some(*member))),
                    ),
                }
            }
        }
    }
    assert!(!cases.is_empty(), "no cases below {}", tests.display());
    cases
}

/// A settings case: what `validate_settings` must say of `settings`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsCase {
    /// The sentence, and what the case was multiplied by.
    pub case: String,
    #[expect(dead_code, reason = "it is for whoever reads the case")]
    why: Option<String>,
    /// As the host hands them to the policy.
    pub settings: Value,
    /// The lines below the title; none means that the settings are valid.
    #[serde(default)]
    pub problems: Vec<String>,
}

impl SettingsCase {
    /// The whole message, where the settings have problems.
    pub fn message(&self) -> Option<String> {
        let noun = if self.problems.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        let title = format!(
            "the settings of container-security have {} {noun}:",
            self.problems.len()
        );
        (!self.problems.is_empty()).then(|| lines(&title, &self.problems))
    }
}

/// Every case below `tests/settings/`.
pub fn settings_cases(tests: &Path) -> Vec<SettingsCase> {
    yaml_files(&tests.join("settings"))
        .iter()
        .flat_map(|file| read(file))
        .collect()
}

fn remove(target: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let removed = match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&key).is_some(),
        Some(Value::Array(list)) => {
            list.remove(key.parse().unwrap());
            true
        }
        _ => false,
    };
    assert!(removed, "nothing to remove at {pointer}");
}

fn case(label: &Path, written: &Written, kind: &str, member: Option<Member>) -> Case {
    let object = changed(kind, &written.difference, member);
    let mut request = create_request(kind, object);
    if let Some(stored) = &written.stored {
        request["operation"] = "UPDATE".into();
        request["oldObject"] = changed(kind, stored, member);
    }
    for (field, value) in &written.request {
        if value.is_null() {
            request.as_object_mut().unwrap().remove(field);
        } else {
            request[field.as_str()] = value.clone();
        }
    }
    let rejects: Vec<String> = written
        .rejects
        .iter()
        .map(|line| in_message(line, kind, member))
        .collect();
    let is_rejected = !rejects.is_empty();
    let is_template = !["Pod", "PodTemplate"].contains(&kind);
    let excused = (is_template && !written.excuses.is_empty()).then(|| {
        let controls = written.excuses.join(", ");
        format!("legacy: what was there before is excused: {controls}")
    });
    let suffix = member
        .map(|member| format!(", {}", member.noun))
        .unwrap_or_default();
    Case {
        name: format!("{}: {} ({kind}{suffix})", label.display(), written.case),
        payload: payload(&request, &written.settings),
        expected: Expected {
            accepted: !is_rejected && written.message.is_none(),
            message: written
                .message
                .as_ref()
                .map(|message| in_message(message, kind, member))
                .or_else(|| {
                    let aside = written.aside.as_deref();
                    is_rejected.then(|| rejection(&named(&request, kind), aside, &rejects))
                }),
            code: written.code.or(is_rejected.then_some(403)),
            warnings: written
                .warns
                .iter()
                .map(|line| in_message(line, kind, member))
                .chain(excused)
                .collect(),
        },
    }
}

/// The message of a rejection; `workload` as the message names it: `Pod "web" in namespace "shop"`.
fn rejection(workload: &str, aside: Option<&str>, lines: &[String]) -> String {
    let controls: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let count = controls.len();
    let rules = if count == 1 { "rule" } else { "rules" };
    let aside = aside.map(|aside| format!(" ({aside})")).unwrap_or_default();
    let title = format!("{workload} breaks {count} {rules} of container security{aside}:");
    self::lines(&title, lines)
}

fn named(request: &Value, kind: &str) -> String {
    let quoted = |pointer: &str, before: &str| {
        request
            .pointer(pointer)
            .map(|value| format!("{before}{value}"))
            .unwrap_or_default()
    };
    let name = [
        quoted("/name", " "),
        quoted("/object/metadata/name", " "),
        quoted("/object/metadata/generateName", " "),
    ];
    let namespace = [
        quoted("/namespace", " in namespace "),
        quoted("/object/metadata/namespace", " in namespace "),
    ];
    let first = |of: &[String]| {
        of.iter()
            .find(|text| !text.is_empty())
            .cloned()
            .unwrap_or_default()
    };
    let kind = kind_name(kind);
    format!("{kind}{}{}", first(&name), first(&namespace))
}

/// The valid workload with a difference in its pod.
fn changed(kind: &str, difference: &Difference, member: Option<Member>) -> Value {
    let mut pod = valid_pod();
    let pointer = |pointer: &str| match member {
        Some(member) => pointer.replace("{container}", &format!("/spec/{}/0", member.list)),
        None => pointer.to_owned(),
    };
    for (list, names) in &difference.add {
        for name in names {
            set(&mut pod, &format!("/spec/{list}/-"), valid_container(name));
        }
    }
    for place in &difference.remove {
        remove(&mut pod, &pointer(place));
    }
    for (place, value) in &difference.set {
        let value = match member {
            Some(member) => {
                let text = value.to_string().replace("{name}", member.name);
                serde_json::from_str(&text).unwrap()
            }
            None => value.clone(),
        };
        let place = pointer(place).replace("{name}", member.map_or("{name}", |member| member.name));
        set(&mut pod, &place, value);
    }
    let mut object = workload(kind, pod);
    let (_, _, path) = shape(kind);
    for place in &difference.templates {
        let valid = workload(kind, valid_pod());
        set(&mut object, place, valid.pointer(path).unwrap().clone());
    }
    for (place, value) in &difference.object {
        set(&mut object, place, value.clone());
    }
    object
}

fn in_message(line: &str, kind: &str, member: Option<Member>) -> String {
    let (_, _, path) = shape(kind);
    let below = |field: &str| {
        let pointer = format!("{path}/{field}");
        let steps = pointer.split('/').skip(1).enumerate();
        let steps = steps.map(|(place, step)| match step.parse::<usize>() {
            Ok(index) => format!("[{index}]"),
            Err(_) if place == 0 => step.to_owned(),
            Err(_) => format!(".{step}"),
        });
        steps.collect::<String>()
    };
    let mut line = line
        .replace("{kind}", kind_name(kind))
        .replace("{spec}", &below("spec"))
        .replace("{metadata}", &below("metadata"));
    if let Some(member) = member {
        line = line
            .replace(
                "{container}",
                &format!("{}.{}[0]", below("spec"), member.list),
            )
            .replace("{subject}", &format!("{} \"{}\"", member.noun, member.name))
            .replace("{name}", member.name);
    }
    line
}

fn lines(title: &str, items: &[String]) -> String {
    items.iter().fold(title.to_owned(), |message, item| {
        format!("{message}\n- {item}")
    })
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The cases of a file, once for each of their `values`.
fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).unwrap();
    let written: Vec<Value> =
        yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    written
        .into_iter()
        .flat_map(for_each_value)
        .map(|case| {
            serde_json::from_value(case)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect()
}

fn for_each_value(mut case: Value) -> Vec<Value> {
    let Some(values) = case.as_object_mut().unwrap().remove("values") else {
        return vec![case];
    };
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|value| {
            let mut of_value = with_value(&case, value);
            let sentence = of_value["case"].as_str().unwrap();
            of_value["case"] = format!("{sentence}: {value}").into();
            of_value
        })
        .collect()
}

fn with_value(node: &Value, value: &Value) -> Value {
    let in_text = |text: &str| match value {
        Value::String(value) => text
            .replace("{value}", value)
            .replace("{quoted}", &format!("{value:?}")),
        other => text.replace("{value}", &other.to_string()),
    };
    match node {
        Value::String(text) if text == "{value}" => value.clone(),
        Value::String(text) => in_text(text).into(),
        Value::Array(list) => list.iter().map(|node| with_value(node, value)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, node)| (in_text(key), with_value(node, value)))
            .collect(),
        other => other.clone(),
    }
}

fn pod_only() -> Vec<String> {
    vec!["Pod".to_owned()]
}

fn empty() -> Value {
    json!({})
}
