//! The JSON Schema of the settings, which editors and Helm check settings with.
//!
//! Keys, types, defaults and descriptions come from the declarations with `section!` and `words!`.
//! Here is what those do not say: the patterns of texts with a grammar, and what values must be to
//! each other, as far as a schema can tell.
//!
//! The schema is draft-07, which the YAML language server of the editors and every Helm 3 read. In
//! that draft a `$ref` hides the keywords beside it, `default` and `description` among them, so
//! everything stands in place. Patterns keep to what the engines of both have, ECMA-262's and Go's:
//! nothing that looks around or back.
//!
//! This module is built for the host only (feature `schema`), never into the policy.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::controls::Control;
use crate::controls::signatures::SHARED_HOSTS;
use crate::image::pattern::{ImagePattern, SECOND_LEVELS, SHARED_REGISTRIES, Tenant};
use crate::pod::profile::AllowedProfile;
use crate::settings::Settings;
use crate::time::Duration;

/// The JSON Schema of the settings.
#[must_use]
pub fn settings_schema() -> Value {
    let mut schema = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Settings>();
    schema.insert("title".to_owned(), "container-security".into());
    // An empty `spec.settings` is null.
    take_null(&mut schema, true);
    tidy(&mut schema);
    schema.to_value()
}

/// What holds for the value of a key of a section: whether `null` is as good as leaving it out, and
/// that a text without a pattern of its own is not blank.
pub(crate) fn key(takes_null: bool) -> impl Fn(&mut Schema) {
    move |schema| {
        unwrap_option(schema);
        refuse_blank(schema);
        take_null(schema, takes_null);
    }
}

/// Puts words with descriptions, for which schemars makes a schema each, into one list: whoever
/// reads that a word is none of them shall see them.
pub(crate) fn words(schema: &mut Schema) {
    let Some(Value::Array(described)) = schema.remove("oneOf") else {
        return;
    };
    let (mut words, mut descriptions) = (Vec::new(), Vec::new());
    for word in described {
        // Words without a description share one schema.
        match word.get("enum") {
            Some(Value::Array(plain)) => words.extend(plain.iter().cloned()),
            _ => words.extend(word.get("const").cloned()),
        }
        descriptions.extend(word.get("description").cloned());
    }
    if descriptions.len() == words.len() {
        schema.insert("enumDescriptions".to_owned(), descriptions.into());
    }
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), words.into());
}

/// `<n>d`, `<n>h` or `<n>m`, and not 0. More digits than these would overflow.
pub(crate) const DURATION: &str = "^0*[1-9][0-9]{0,13}[dhm]$";

/// An id of a finding: no blanks but around it.
pub(crate) const FINDING_ID: &str = r"^\s*\S+\s*$";

/// Any capability as Kubernetes writes it, or `*`. The kernel gets new ones.
pub(crate) const CAPABILITY: &str = r"^(?:\*|[^a-z\s](?:[^a-z]*[^a-z\s])?)$";

/// Capabilities as the kernel writes them.
pub(crate) fn of_the_kernel() -> Value {
    json!({"pattern": "^CAP_"})
}

pub(crate) fn tag() -> String {
    format!("^{TAG}$")
}

/// One PEM block of this label: a first line, base64, and a last line.
pub(crate) fn pem(label: &str) -> String {
    let next_line = r"(?:[^\S\n]*\n\s*)";
    let digit = format!("[A-Za-z0-9+/]{next_line}?");
    let last = format!("(?:(?:{digit}){{3}}[A-Za-z0-9+/=]|(?:{digit}){{2}}={next_line}?=)");
    format!(
        r"^\s*-----BEGIN {label}-----{next_line}(?:(?:{digit}){{4}})*{last}{next_line}-----END {label}-----\s*$"
    )
}

pub(crate) fn url() -> String {
    format!(r"^https?://(?:{LABEL}(?:\.{LABEL})*|{IPV6})(?:{PORT})?(?:/[!-~]*)?$")
}

/// The grammar at the head of `image/pattern.rs`.
fn image_pattern() -> String {
    let localhost = any_case("localhost");
    let name = format!(r"{LABEL}(?:\.{LABEL})");
    let host = format!(r"(?:(?:\*\.{name}*|{name}+|{localhost}|{IPV6})(?:{PORT})?|{LABEL}{PORT})");
    let digest = "sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}";
    format!(r"^{host}(?:(?:/(?:\*|{COMPONENT}))+(?::{TAG}|@(?:{digest}))?)?$")
}

/// The image patterns that would open an allow list to everyone.
pub(crate) fn open_to_everyone() -> Value {
    let below = |tenant: Tenant| {
        let domains: Vec<String> = SHARED_REGISTRIES
            .iter()
            .filter(|(_, told_by)| *told_by == tenant)
            .map(|(domain, _)| any_case(domain))
            .collect();
        format!(r"(?:[^/]*\.)?(?:{})", domains.join("|"))
    };
    let (hosts, paths) = (below(Tenant::Host), below(Tenant::Path));
    let countries = SECOND_LEVELS.map(any_case).join("|");
    json!({"anyOf": [
        {"pattern": format!(
            r"^\*\.(?:[^./]+|(?:{countries})\.[A-Za-z]{{2}}(?:{PORT})?|{hosts}(?:{PORT})?)(?:/|$)"
        )},
        {"pattern": format!(r"^\*\.{paths}(?:{PORT})?(?:/\*|$)")},
    ]})
}

/// What `capabilities` asks of its lists taken together. A schema cannot compare two lists, but it
/// can say it of the words that stand in them by default.
pub(crate) fn capabilities(schema: &mut Schema) {
    let holds =
        |key: &str, word: &str| given(key, &json!({"type": "array", "contains": {"const": word}}));
    let holds_by_default = |key: &str, word: &str| {
        let list = json!({"type": "array", "contains": {"const": word}});
        json!({"properties": {key: {"anyOf": [{"type": "null"}, list]}}})
    };
    let all = [
        holds("allowedAdd", "ALL"),
        holds_by_default("requiredDrop", "ALL"),
    ];
    let net_bind_service = [
        holds_by_default("allowedAdd", "NET_BIND_SERVICE"),
        holds("requiredDrop", "NET_BIND_SERVICE"),
    ];
    let rules = json!([
        {"properties": {"requiredDrop": {"items": {"not": {"const": "*"}}}}},
        {"not": {"type": "object", "allOf": all}},
        {"not": {"type": "object", "allOf": net_bind_service}},
    ]);
    schema.insert("allOf".to_owned(), rules);
}

/// What a section must hold that can find something: one of `finders`, or neither a mode nor any key
/// with a value other than one that is as good as left out.
fn refuse_idle(schema: &mut Schema, finders: &Value, harmless: &Value) {
    let no_mode = json!({"properties": {"mode": {"type": "null"}}});
    let disabled = given("mode", &json!({"const": "disabled"}));
    let idle = json!({"allOf": [no_mode, {"properties": harmless}]});
    let mut any = vec![disabled, idle, json!({"type": "null"})];
    any.extend(finders.as_array().into_iter().flatten().cloned());
    let rule = json!({"anyOf": any});
    match schema.get_mut("allOf") {
        Some(Value::Array(all)) => all.push(rule),
        _ => {
            schema.insert("allOf".to_owned(), json!([rule]));
        }
    }
}

fn entries() -> Value {
    json!({"type": "array", "minItems": 1})
}

fn no_entries() -> Value {
    json!({"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}]})
}

pub(crate) fn registries(schema: &mut Schema) {
    let finders = json!([given("allow", &entries()), given("reject", &entries())]);
    refuse_idle(schema, &finders, &json!({}));
}

pub(crate) fn image_pinning(schema: &mut Schema) {
    let finders = json!([
        given("requireDigest", &json!({"const": true})),
        given("rejectTags", &entries()),
    ]);
    refuse_idle(schema, &finders, &json!({}));
}

pub(crate) fn signatures(schema: &mut Schema) {
    let finders = json!([given("rules", &entries())]);
    refuse_idle(
        schema,
        &finders,
        &json!({"unmatched": {"enum": [null, "reject"]}}),
    );
}

pub(crate) fn image_freshness(schema: &mut Schema) {
    let finders = json!([
        given("maximumAge", &json!({"type": "string"})),
        given("baseImage", &json!({"const": "current"})),
    ]);
    let reject = json!({"enum": [null, "reject"]});
    let harmless = json!({
        "unknownAge": reject,
        "unknownBase": reject,
        "baseRegistries": {"type": "null"},
    });
    refuse_idle(schema, &finders, &harmless);
}

pub(crate) fn vulnerabilities(schema: &mut Schema) {
    let source = given("source", &json!({"not": {"enum": [null, "none"]}}));
    let number = json!({"type": "number"});
    let limited = |severity| given("maximum", &given(severity, &number));
    let limits = json!([
        // Left out, it limits the two worst severities.
        {"properties": {"maximum": {"type": "null"}}},
        limited("critical"), limited("high"), limited("medium"), limited("low"), limited("unknown"),
        given("maximumCvss", &number),
        given("reject", &entries()),
        given("maximumReportAge", &json!({"type": "string"})),
        {"properties": {"missingReport": {"enum": [null, "reject", "warn"]}}},
    ]);
    let finders = json!([{"allOf": [source, {"anyOf": limits}]}]);
    let none = json!({"type": "null"});
    let unlimited = json!({"properties": {"medium": none, "low": none, "unknown": none}});
    let usual = json!({"allOf": [
        unlimited,
        given("critical", &json!({"const": 0})),
        given("high", &json!({"const": 0})),
    ]});
    let harmless = json!({
        "source": {"enum": [null, "none"]},
        "namespace": none,
        "maximum": {"anyOf": [none, usual]},
        "maximumCvss": none,
        "onlyFixable": {"enum": [null, false]},
        "ignore": no_entries(),
        "reject": no_entries(),
        "missingReport": {"enum": [null, "reject"]},
        "maximumReportAge": none,
    });
    refuse_idle(schema, &finders, &harmless);
}

pub(crate) fn rule(schema: &mut Schema) {
    need(schema, &["images", "anyOf"]);
}

pub(crate) fn authority(schema: &mut Schema) {
    let map = json!({"type": "object"});
    let any = json!([
        given("publicKeys", &json!({"type": "array", "minItems": 1})),
        given("keyless", &map),
        given("githubActions", &map),
        given("certificate", &map),
    ]);
    schema.insert("anyOf".to_owned(), any);
}

pub(crate) fn keyless(schema: &mut Schema) {
    need(schema, &["issuer"]);
    let subjects = json!([
        given("subject", &json!({"type": "string"})),
        given("subjectPrefix", &json!({"type": "string", "pattern": "/$"})),
    ]);
    let both = json!({"type": "object", "allOf": &subjects});
    let hosts = SHARED_HOSTS.map(any_case).join("|");
    let of_everyone = json!({"pattern": format!("^https?://(?:{hosts})(?:{PORT})?/(?:/|$)")});
    let everyone = given(
        "subjectPrefix",
        &json!({"allOf": [{"type": "string"}, of_everyone]}),
    );
    schema.insert("anyOf".to_owned(), subjects);
    schema.insert("not".to_owned(), json!({"anyOf": [both, everyone]}));
}

pub(crate) fn github_actions(schema: &mut Schema) {
    need(schema, &["owner"]);
}

pub(crate) fn certificate(schema: &mut Schema) {
    need(schema, &["pem"]);
}

pub(crate) fn exemption(schema: &mut Schema) {
    need(schema, &["controls"]);
    let exempted = json!([{"required": ["images"]}, {"required": ["namespaces"]}]);
    schema.insert("anyOf".to_owned(), exempted);
    let all = Control::ALL.iter().copied();
    let pod_wide: Vec<_> = all.filter(|control| control.is_pod_wide()).collect();
    let never_exempted = json!({
        "type": "object",
        "required": ["images"],
        "properties": {"controls": {"items": {"enum": pod_wide}}},
    });
    schema.insert("not".to_owned(), never_exempted);
}

/// The section cannot do without these keys. A list is then not empty.
fn need(schema: &mut Schema, keys: &[&str]) {
    schema.insert("required".to_owned(), json!(keys));
    for key in keys {
        let property = schema
            .get_mut("properties")
            .and_then(|all| all.get_mut(key));
        let Some(Ok(property)) = property.map(<&mut Schema>::try_from) else {
            continue;
        };
        take_null(property, false);
        property.remove("default");
        if property.get("type").is_some_and(|kind| kind == "array") {
            property.insert("minItems".to_owned(), 1.into());
        }
    }
}

fn given(key: &str, value: &Value) -> Value {
    json!({"required": [key], "properties": {key: value}})
}

impl JsonSchema for ImagePattern {
    fn schema_name() -> Cow<'static, str> {
        "ImagePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": image_pattern()})
    }
}

impl JsonSchema for AllowedProfile {
    fn schema_name() -> Cow<'static, str> {
        "AllowedProfile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "anyOf": [
            {"enum": ["RuntimeDefault", "Unconfined", "Localhost/*"]},
            {"pattern": r"^Localhost/[^*]*[^*\s][^*]*$"},
        ]})
    }
}

/// Types that settings write as the text that `Display` gives them.
macro_rules! serialize_as_text {
    ($($type:ty),*) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )* };
}

serialize_as_text!(AllowedProfile, Duration, ImagePattern);

/// Where schemars puts an optional map into an `anyOf` beside `null`, takes it out again.
fn unwrap_option(schema: &mut Schema) {
    let null = json!({"type": "null"});
    let optional = match schema.get_mut("anyOf") {
        Some(Value::Array(two)) if two.last() == Some(&null) => two.first_mut().map(Value::take),
        _ => None,
    };
    if let Some(Value::Object(inner)) = optional {
        schema.remove("anyOf");
        schema.ensure_object().extend(inner);
    }
}

fn take_null(schema: &mut Schema, takes_null: bool) {
    let kinds = match schema.remove("type") {
        Some(Value::Array(kinds)) => kinds,
        Some(only) => vec![only],
        None => return,
    };
    let mut kinds: Vec<Value> = kinds.into_iter().filter(|kind| kind != "null").collect();
    if takes_null {
        kinds.push("null".into());
    }
    let kind = match <[Value; 1]>::try_from(kinds) {
        Ok([only]) => only,
        Err(kinds) => kinds.into(),
    };
    schema.insert("type".to_owned(), kind);
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.extend(takes_null.then_some(Value::Null));
    }
}

fn refuse_blank(schema: &mut Schema) {
    if let Some(items) = subschema(schema, "items") {
        refuse_blank(items);
    }
    let is_text = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        Some(kind) => kind == "string",
        None => false,
    };
    let has_grammar = ["pattern", "enum", "const", "anyOf"]
        .iter()
        .any(|keyword| schema.get(*keyword).is_some());
    if is_text && !has_grammar {
        schema.insert("pattern".to_owned(), r"\S".into());
    }
}

/// Drops what only schemars or Rust knows (formats of numbers), and defaults that say nothing: null,
/// and maps in which each key has its own default.
fn tidy(schema: &mut Schema) {
    schema.remove("format");
    if let Some(items) = subschema(schema, "items") {
        tidy(items);
    }
    let mut implied = Map::new();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (key, property) in properties {
            let Ok(property) = <&mut Schema>::try_from(property) else {
                continue;
            };
            tidy(property);
            if let Some(default) = property.get("default") {
                implied.insert(key.clone(), default.clone());
            }
        }
    }
    let is_said_below =
        |default: &Value| schema.get("properties").is_some() && *default == Value::Object(implied);
    let default = schema.get("default").cloned().map(without_null);
    match default.filter(|default| !default.is_null()) {
        Some(default) if !is_said_below(&default) => schema.insert("default".to_owned(), default),
        _ => schema.remove("default"),
    };
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_null(value)))
            .collect(),
        other => other,
    }
}

fn subschema<'s>(schema: &'s mut Schema, keyword: &str) -> Option<&'s mut Schema> {
    schema.get_mut(keyword)?.try_into().ok()
}

/// A host in a pattern is compared without regard to case.
fn any_case(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '.' => r"\.".to_owned(),
            letter => format!("[{}{letter}]", letter.to_ascii_uppercase()),
        })
        .collect()
}

// As in `image/reference.rs`.
const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const IPV6: &str = r"\[[0-9A-Fa-f:]+\]";
const PORT: &str = ":[0-9]+";
const COMPONENT: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const TAG: &str = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
