//! Following the advice of an answer, as a person does who reads the text, and as a machine does that
//! reads the audit annotation.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Answer, kubernetes};

/// The edits that an answer suggests.
#[derive(Debug, Default)]
pub(super) struct Edits {
    set: Vec<(String, Value)>,
    append: Vec<(String, Value)>,
    remove: BTreeSet<Vec<Step>>,
}

/// One token of a pointer; positions sort as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

impl Edits {
    /// Those of the audit annotation.
    pub(super) fn of_machine(answer: &Answer) -> Self {
        let mut edits = Self::default();
        for violation in answer.violations() {
            let path = violation["path"].as_str().unwrap().to_owned();
            match violation.get("fix").and_then(Value::as_object) {
                Some(fix) if fix.contains_key("set") => edits.set.push((path, fix["set"].clone())),
                Some(fix) if fix.contains_key("append") => {
                    edits.append.push((path, fix["append"].clone()));
                }
                Some(_) => edits.remove(&path),
                None => {}
            }
        }
        edits.follow_notices(answer, "");
        edits
    }

    /// Those of the text, about an object whose pod template is at `root`.
    pub(super) fn of_text(answer: &Answer, object: &Value, root: &str) -> Self {
        let mut edits = Self::default();
        for line in answer.lines().iter().chain(&answer.warnings) {
            let mut clauses = line.split("; ");
            let wrong = clauses.next().unwrap_or_default();
            let verbs = ["set ", "remove ", "add "];
            let advice = clauses.find(|clause| {
                verbs.iter().any(|verb| clause.starts_with(verb))
                    || clause.contains(" must be one of: ")
            });
            if let Some(advice) = advice {
                for place in places(wrong, advice, object, root) {
                    edits.follow(advice, &place);
                }
            }
        }
        edits.follow_notices(answer, root);
        edits
    }

    /// What warnings ask for that no violation is about.
    fn follow_notices(&mut self, answer: &Answer, root: &str) {
        for warning in &answer.warnings {
            if let Some((_, rest)) = warning.split_once("remove the annotation \"") {
                let key = rest.split('"').next().unwrap_or_default();
                let key = key.replace('~', "~0").replace('/', "~1");
                self.remove(&format!("{root}/metadata/annotations/{key}"));
            }
        }
    }

    /// Follows one advice; `place` is the field that it is about.
    fn follow(&mut self, advice: &str, place: &str) {
        let advice = advice.split(" (allowed: ").next().unwrap_or_default();
        let advice = advice.strip_suffix(" in each").unwrap_or(advice);
        if let Some(rest) = advice.strip_prefix("add ") {
            let name = rest.split(" to ").next().unwrap_or_default();
            self.append.push((place.to_owned(), name.into()));
        } else if let Some(what) = advice.strip_prefix("remove ") {
            let below = if what.ends_with("localhostProfile") {
                "/localhostProfile"
            } else {
                ""
            };
            self.remove(&format!("{place}{below}"));
        } else if let Some(rest) = advice.strip_prefix("set ") {
            let (rest, other) = match rest.split_once(" and remove ") {
                Some((rest, _)) => (rest, true),
                None => (rest, false),
            };
            if other {
                self.remove(&format!("{place}/localhostProfile"));
            }
            let (field, value) = rest.split_once(" to ").unwrap();
            let below = if field.ends_with("type") { "/type" } else { "" };
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            self.set.push((format!("{place}{below}"), value));
        } else if let Some((_, allowed)) = advice.split_once(" must be one of: ") {
            let named = |entry: &&str| !entry.ends_with('*');
            if let Some(entry) = allowed.split(", ").find(named) {
                let profile = match entry.split_once('/') {
                    Some((kind, name)) => json!({"type": kind, "localhostProfile": name}),
                    None => json!({"type": entry}),
                };
                self.set.push((place.to_owned(), profile));
            }
        }
    }

    fn remove(&mut self, pointer: &str) {
        let steps = pointer.split('/').skip(1).map(|token| {
            token
                .parse()
                .map_or_else(|_| Step::Key(token.to_owned()), Step::Index)
        });
        self.remove.insert(steps.collect());
    }

    /// Makes all of them: what is set first, then what is appended, then what is removed, from the end
    /// of each list.
    pub(super) fn apply(&self, object: &Value) -> Value {
        let mut object = object.clone();
        for (pointer, value) in &self.set {
            set(&mut object, pointer, value.clone());
        }
        for (pointer, value) in &self.append {
            match object.pointer_mut(pointer) {
                Some(Value::Array(list)) => {
                    if !list.contains(value) {
                        list.push(value.clone());
                    }
                }
                _ => set(&mut object, pointer, json!([value])),
            }
        }
        for steps in self.remove.iter().rev() {
            let tokens: Vec<String> = steps
                .iter()
                .map(|step| match step {
                    Step::Index(index) => index.to_string(),
                    Step::Key(key) => key.clone(),
                })
                .collect();
            let (key, parents) = tokens.split_last().unwrap();
            let parents = [String::new()]
                .iter()
                .chain(parents)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("/");
            let key = key.replace("~1", "/").replace("~0", "~");
            match object.pointer_mut(&parents) {
                Some(Value::Object(map)) => drop(map.remove(&key)),
                Some(Value::Array(list)) => drop(list.remove(key.parse().unwrap())),
                _ => {}
            }
        }
        object
    }
}

/// Sets a value; whatever is in the way becomes an object.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Array(list) => &mut list[token.parse::<usize>().unwrap()],
            place => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place
                    .as_object_mut()
                    .unwrap()
                    .entry(token)
                    .or_insert(Value::Null)
            }
        };
    }
    *place = value;
}

/// The pointers of the fields that an advice is about: the one it names, or for "it" the field that has
/// been found wrong, of each container that is named.
fn places(wrong: &str, advice: &str, object: &Value, root: &str) -> Vec<String> {
    let words: Vec<&str> = advice.split(' ').collect();
    let target = match *words.first().unwrap() {
        "add" => words
            .iter()
            .rev()
            .find(|word| **word != "each" && **word != "in"),
        "set" | "remove" => words.get(1),
        _ => words.first(),
    };
    let target = *target.unwrap();
    if target != "it" && target != "its" {
        let own = target.strip_suffix(".localhostProfile").unwrap_or(target);
        // A field that is called type is the profile's.
        let own = own.strip_suffix(".type").unwrap_or(own);
        return vec![pointer(own)];
    }
    // control: containers "a", "b": field is wrong
    let (_, rest) = wrong.split_once(": ").unwrap();
    let (subjects, rest) = rest.split_once("\": ").unwrap();
    let field = pointer(rest.split(' ').next().unwrap());
    let names: Vec<&str> = subjects.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 1, "{wrong}; {advice}");
    let pod = object.pointer(root).unwrap();
    let all = kubernetes::containers(pod);
    let of = |name: &&str| {
        let (list, index, _) = all.iter().find(|(.., own)| own == name).unwrap();
        format!("{root}/spec/{list}/{index}{field}")
    };
    names.iter().map(of).collect()
}

/// `spec.containers[0].image` and `annotations["a/b"]` as a JSON pointer.
fn pointer(path: &str) -> String {
    let (path, key) = match path.split_once("[\"") {
        Some((path, rest)) => (path, rest.strip_suffix("\"]")),
        None => (path, None),
    };
    let mut pointer = format!(
        "/{}",
        path.replace('[', ".").replace(']', "").replace('.', "/")
    );
    if let Some(key) = key {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
