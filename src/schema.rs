//! What a JSON Schema says of the settings, for editors, Helm and whoever else checks settings before
//! the policy does.
//!
//! `section!` and `words!` describe what they declare: keys, types and defaults, and doc comments for
//! people. A type with a grammar of its own gives its pattern with `describe!`, and a section says in a
//! function of its own what its values must be to each other, as far as a schema can tell.
//!
//! The schema is draft-07, which the YAML language server of the editors and every Helm 3 read. In
//! that draft a `$ref` hides the keywords beside it, `default` and `description` among them, so
//! everything stands in place. Patterns keep to what the engines of both have, ECMA-262's and Go's:
//! nothing that looks around or back.
//!
//! This module is built for the host only (feature `schema`), never into the policy.

use std::collections::BTreeMap;

use serde_json::Map;
pub(crate) use serde_json::{Value, json};

/// The keywords of one place in the schema.
pub(crate) type Schema = Map<String, Value>;

/// A type that settings are made of.
pub(crate) trait Describe {
    /// Whether a schema says its default, and those of its keys. Whoever fills in what a schema says would
    /// save the defaults of one level with another.
    const SAYS_DEFAULTS: bool = true;

    /// What may stand where this type is read.
    fn schema() -> Schema;

    /// The value as settings write it; null where they leave it out.
    fn written(&self) -> Value;

    /// The keys that a section declares, in that order.
    fn keys() -> Vec<Key> {
        Vec::new()
    }
}

/// A key of the settings.
#[derive(Debug, Clone)]
pub struct Key {
    /// As settings write it.
    pub name: &'static str,
    /// The keys of its value, where that is a section, in the order of their declaration: a JSON
    /// object does not keep it.
    pub keys: Vec<Self>,
}

/// A map with these keys only.
pub(crate) fn section<const N: usize>(doc: &[&str], keys: [(&str, Schema); N]) -> Schema {
    let properties: Schema = keys
        .into_iter()
        .map(|(key, schema)| (key.to_owned(), schema.into()))
        .collect();
    let mut schema = object(json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    }));
    describe(&mut schema, doc);
    schema
}

/// The value of a key: its own description comes before that of its type, and its default is said
/// unless the keys below say the same.
pub(crate) fn key<T: Describe>(default: &T, takes_null: bool, doc: &[&str]) -> Schema {
    let mut schema = T::schema();
    describe(&mut schema, doc);
    let default = default.written();
    let is_said_below = schema
        .get("properties")
        .is_some_and(|properties| default == implied(properties));
    if T::SAYS_DEFAULTS && !default.is_null() && !is_said_below {
        schema.insert("default".to_owned(), default);
    }
    if takes_null {
        take_null(&mut schema);
    }
    schema
}

/// One of these words, which are shown with what their doc comments say if all have one.
pub(crate) fn words<const N: usize>(doc: &[&str], words: [(&str, &[&str]); N]) -> Schema {
    let names = words.map(|(word, _)| word);
    let mut schema = object(json!({"type": "string", "enum": &names[..]}));
    let descriptions: Vec<String> = words
        .iter()
        .filter_map(|(_, doc)| paragraphs(doc))
        .collect();
    if descriptions.len() == words.len() {
        schema.insert("enumDescriptions".to_owned(), descriptions.into());
    }
    describe(&mut schema, doc);
    schema
}

/// A list, also an empty one.
pub(crate) fn list<T: Describe>() -> Schema {
    object(json!({"type": "array", "items": T::schema()}))
}

/// A list that holds something.
pub(crate) fn choices<T: Describe>() -> Schema {
    let mut schema = list::<T>();
    schema.insert("minItems".to_owned(), 1.into());
    schema
}

/// The entries of a list, as settings write them.
pub(crate) fn entries_written<T: Describe>(list: &[T]) -> Value {
    list.iter().map(Describe::written).collect()
}

/// The keywords of a JSON object.
pub(crate) fn object(value: Value) -> Schema {
    match value {
        Value::Object(keywords) => keywords,
        _ => Schema::new(),
    }
}

/// A section that cannot do without these keys. A list is then not empty.
pub(crate) fn need(schema: &mut Schema, keys: &[&str]) {
    schema.insert("required".to_owned(), json!(keys));
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for key in keys {
        let Some(Value::Object(property)) = properties.get_mut(*key) else {
            continue;
        };
        refuse_null(property);
        property.remove("default");
        if property.get("type").is_some_and(|kind| kind == "array") {
            property.insert("minItems".to_owned(), 1.into());
        }
    }
}

/// The section without the defaults of its keys.
pub(crate) fn say_no_defaults(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let properties = properties.into_iter().flatten();
    for property in properties.filter_map(|(_, property)| property.as_object_mut()) {
        property.remove("default");
    }
}

/// A section must hold what can find something, one of `finders`; or be disabled; or have neither a
/// mode nor any key with a value other than its `harmless` one, which is as good as left out.
pub(crate) fn refuse_idle(schema: &mut Schema, finders: &[Value], harmless: &Value) {
    let no_mode = json!({"properties": {"mode": {"type": "null"}}});
    let disabled = given("mode", &json!({"const": "disabled"}));
    let idle = json!({"allOf": [no_mode, {"properties": harmless}]});
    let mut any = vec![disabled, idle, json!({"type": "null"})];
    any.extend_from_slice(finders);
    schema.insert("allOf".to_owned(), json!([{"anyOf": any}]));
}

/// A list of a section, with entries like these only.
pub(crate) fn restrict_entries(schema: &mut Schema, key: &str, entries: &Value) {
    let rules = json!([{"properties": {key: {"items": entries}}}]);
    schema.insert("allOf".to_owned(), rules);
}

/// The pattern of the texts of a key, which is one, or a list of different ones.
pub(crate) fn set_pattern(schema: &mut Schema, key: &str, pattern: &str) {
    let property = schema
        .get_mut("properties")
        .and_then(|properties| properties.get_mut(key));
    let Some(Value::Object(property)) = property else {
        return;
    };
    if property.contains_key("items") {
        property.insert("uniqueItems".to_owned(), true.into());
    }
    let texts = match property.get_mut("items") {
        Some(Value::Object(items)) => items,
        _ => property,
    };
    texts.insert("pattern".to_owned(), pattern.into());
}

/// A section that says nothing unless one of its keys is written. `more` is what else holds for the values
/// of keys.
pub(crate) fn need_some(schema: &mut Schema, more: &[(&str, Value)]) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for (key, more) in more {
        if let (Some(Value::Object(property)), Value::Object(more)) =
            (properties.get_mut(*key), more)
        {
            property.extend(more.clone());
            if let Some(Value::Array(words)) = property.get_mut("enum") {
                words.push(Value::Null);
                property.remove("enumDescriptions");
            }
        }
    }
    let is_written = |key: &String| given(key, &anything());
    let any: Vec<Value> = properties.keys().map(is_written).collect();
    schema.insert("anyOf".to_owned(), any.into());
}

/// The key is written, with a value like this.
pub(crate) fn given(key: &str, value: &Value) -> Value {
    json!({"required": [key], "properties": {key: value}})
}

/// Any value but null.
pub(crate) fn anything() -> Value {
    json!({"not": {"type": "null"}})
}

/// A list with entries.
pub(crate) fn entries() -> Value {
    json!({"type": "array", "minItems": 1})
}

/// A list without entries, or none.
pub(crate) fn no_entries() -> Value {
    json!({"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}]})
}

/// The pattern of a text that is compared without regard to case.
pub(crate) fn any_case(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '.' => r"\.".to_owned(),
            letter if letter.is_ascii_lowercase() => {
                format!("[{}{letter}]", letter.to_ascii_uppercase())
            }
            other => other.to_string(),
        })
        .collect()
}

impl Describe for bool {
    fn schema() -> Schema {
        object(json!({"type": "boolean"}))
    }

    fn written(&self) -> Value {
        (*self).into()
    }
}

impl Describe for String {
    fn schema() -> Schema {
        object(json!({"type": "string", "pattern": r"\S"}))
    }

    fn written(&self) -> Value {
        self.as_str().into()
    }
}

impl<T: Describe> Describe for Option<T> {
    fn schema() -> Schema {
        T::schema()
    }

    fn written(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::written)
    }

    fn keys() -> Vec<Key> {
        T::keys()
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn schema() -> Schema {
        list::<T>()
    }

    fn written(&self) -> Value {
        entries_written(self)
    }
}

impl Describe for BTreeMap<String, String> {
    fn schema() -> Schema {
        object(json!({"type": "object", "additionalProperties": {"type": "string"}}))
    }

    fn written(&self) -> Value {
        json!(self)
    }
}

fn describe(schema: &mut Schema, doc: &[&str]) {
    if let Some(description) = paragraphs(doc) {
        schema.insert("description".to_owned(), description.into());
    }
}

/// The text of a doc comment, given by its lines; `None` where there is none.
fn paragraphs(doc: &[&str]) -> Option<String> {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The value that properties have by their own defaults.
fn implied(properties: &Value) -> Value {
    let defaults: Schema = properties
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, property)| Some((key.clone(), property.get("default")?.clone())))
        .collect();
    defaults.into()
}

fn take_null(schema: &mut Schema) {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
}

fn refuse_null(schema: &mut Schema) {
    if let Some(kind @ Value::Array(_)) = schema.get_mut("type") {
        *kind = kind.get_mut(0).map(Value::take).unwrap_or_default();
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}
