//! The policy's settings, as their schema tells of them: what a migration switches off, and what the
//! documents show.

use container_security::{
    Key, settings_defaults, settings_keys, settings_schema, validate_settings,
};
use serde_json::{Value, json};

use crate::verdict::SettingsVerdict;

/// A key of the settings, or of one of their sections.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As it is written.
    pub name: &'static str,
    /// What holds where it is left out, at the restricted level; `None` where that is nothing.
    pub default: Option<Value>,
    /// The same at the baseline level.
    pub baseline: Option<Value>,
    /// The keys of a section, in the order of their declaration.
    pub keys: Vec<Self>,
    schema: Value,
}

impl Setting {
    /// Everything that can be configured, in the order of declaration: each control has a section,
    /// and then comes what holds for all of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let levels = ["restricted", "baseline"].map(settings_defaults);
        Self::below(
            settings_keys(),
            &settings_schema(),
            [&levels[0], &levels[1]],
        )
    }

    fn below(keys: Vec<Key>, schema: &Value, defaults: [&Value; 2]) -> Vec<Self> {
        keys.into_iter()
            .map(|key| {
                let own = schema.get("properties").and_then(|all| all.get(key.name));
                let schema = own.cloned().unwrap_or_default();
                let [default, baseline] = defaults.map(|defaults| {
                    let own = defaults.get(key.name);
                    own.cloned().filter(|own| !own.is_null())
                });
                let null = Value::Null;
                let below = [&default, &baseline].map(|own| own.as_ref().unwrap_or(&null));
                Self {
                    name: key.name,
                    keys: Self::below(key.keys, &schema, below),
                    default,
                    baseline,
                    schema,
                }
            })
            .collect()
    }

    /// Whether a form may fill in the default: it is the same at all levels.
    #[must_use]
    pub fn says_default(&self) -> bool {
        self.schema.get("default").is_some()
    }

    /// Whether this is the section of a control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.key("mode").is_some()
    }

    /// What happens to a control's violations where nothing is said about that.
    #[must_use]
    pub fn mode(&self) -> &str {
        let mode = self.key("mode").and_then(|mode| mode.default.as_ref());
        mode.and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a control can find nothing until it is told what to look for. The policy then refuses
    /// a section that has a mode only: it would look like protection.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let settings = json!({self.name: {"mode": "enforce"}}).to_string();
        let answer = validate_settings(settings.as_bytes());
        let verdict = serde_json::from_slice::<SettingsVerdict>(&answer);
        !verdict.is_ok_and(|verdict| verdict.valid)
    }

    /// Whether the Pod Security Standard has it: then it depends on the level whether and how it judges.
    #[must_use]
    pub fn is_levelled(&self) -> bool {
        self.is_control()
            && !self.is_idle()
            && self.key("mode").is_some_and(|mode| !mode.says_default())
    }

    /// Whether a control judges without being asked to.
    #[must_use]
    pub fn is_on_by_default(&self) -> bool {
        self.is_control() && self.mode() != "disabled" && !self.is_idle()
    }

    /// What it is for, in paragraphs; the first one is a summary.
    pub fn paragraphs(&self) -> impl Iterator<Item = &str> {
        let description = self.schema.get("description").and_then(Value::as_str);
        description.unwrap_or_default().split("\n\n")
    }

    /// The words that may stand here, where there are only so many.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        words(&self.schema)
    }

    /// The words that may stand in this list, where there are only so many.
    #[must_use]
    pub fn words_of_entries(&self) -> Vec<&str> {
        self.schema.get("items").map(words).unwrap_or_default()
    }

    /// The same of the lists in the entries of this list.
    pub fn words_below_entries(&self) -> impl Iterator<Item = Vec<&str>> {
        let keys = self.schema.pointer("/items/properties");
        let keys = keys.and_then(Value::as_object).into_iter().flatten();
        keys.filter_map(|(_, schema)| schema.get("items").map(words))
    }

    /// The name that JSON Schema gives to what may stand here: `boolean`, `integer`, `number`,
    /// `string`, `array`, `object`.
    #[must_use]
    pub fn kind(&self) -> &str {
        kind(&self.schema)
    }

    /// The same of the entries of this list.
    #[must_use]
    pub fn kind_of_entries(&self) -> &str {
        self.schema.get("items").map(kind).unwrap_or_default()
    }

    /// One of its keys.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Self> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The advice of the article that each control follows, by the name of the control, in the order in
/// which violations are listed.
#[must_use]
pub fn advice() -> Vec<(String, String)> {
    let schema = settings_schema();
    let controls = "/properties/exemptions/items/properties/controls/items";
    let texts = |keyword| {
        let list = schema.pointer(&format!("{controls}/{keyword}"));
        let texts = list.and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(ToOwned::to_owned)
    };
    texts("enum").zip(texts("enumDescriptions")).collect()
}

fn kind(schema: &Value) -> &str {
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first(),
        only => only,
    };
    kind.and_then(Value::as_str).unwrap_or_default()
}

fn words(schema: &Value) -> Vec<&str> {
    let words = schema.get("enum").and_then(Value::as_array);
    let words = words.into_iter().flatten();
    words.filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_on_when_it_can_find_something_and_is_not_disabled() {
        let all = Setting::all();
        for (name, is_control, is_idle, is_on) in [
            ("rootUser", true, false, true),
            ("readOnlyRootFilesystem", true, false, false),
            ("registries", true, true, false),
            ("imageFreshness", true, true, false),
            ("legacy", false, true, false),
        ] {
            let setting = all.iter().find(|setting| setting.name == name).unwrap();
            assert_eq!(setting.is_control(), is_control, "{name}");
            assert_eq!(setting.is_idle(), is_idle, "{name}");
            assert_eq!(setting.is_on_by_default(), is_on, "{name}");
        }
    }

    #[test]
    fn every_control_follows_some_advice() {
        let all = Setting::all();
        let controls = all.iter().filter(|setting| setting.is_control());
        let controls: Vec<&str> = controls.map(|control| control.name).collect();
        let advice = advice();
        let advised: Vec<&str> = advice.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(advised, controls);
    }
}
