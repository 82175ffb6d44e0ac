//! The settings: what a cluster operator writes under `spec.settings`.
//!
//! Each control declares its own section in its own file; this file puts the sections together, from the
//! list of the controls, and adds what holds for all of them.

pub(crate) mod custom_workload;
pub(crate) mod exemption;
pub(crate) mod legacy;

use self::custom_workload::CustomWorkload;
use self::exemption::Exemption;
use self::legacy::Legacy;
use crate::controls::controls;
use crate::decode::{Decode, Level, Node, Problems, Standard, Version, Written, section};
use crate::json::{self, Document};
#[cfg(feature = "schema")]
use crate::{decode::Mode, schema::Key};

macro_rules! settings {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $loosens:ident $module:ident $section:ident $key:literal; )*) => {
        section! {
            /// Everything that can be configured. The default asks of a pod what the *restricted* Pod
            /// Security Standard asks.
            pub(crate) struct Settings over standard {
                /// The level of the Pod Security Standard that the sections start from. What one of them
                /// writes is changed, and nothing else.
                "level" level: Level = Level::Restricted,
                /// The version of the standard that they start from: `latest`, or a minor version of
                /// Kubernetes such as `v1.34`.
                "version" version: Version = Version::NEWEST,
                $(
                    $key $module: crate::controls::$module::$section
                        = crate::controls::$module::$section::unset(standard),
                )*
                /// Workloads and images that a control does not judge.
                "exemptions" exemptions: Vec<Exemption> = Vec::new(),
                /// What was there before the policy.
                "legacy" legacy: Legacy = Legacy::default(),
                /// Kinds that are not of Kubernetes, and where their objects keep pod templates.
                "customWorkloads" custom_workloads: Vec<CustomWorkload> = Vec::new(),
            }
            moved: ["onUpdate" => "legacy.onUpdate"]
            check: Settings::check,
            schema: Settings::check_in_schema
        }

        impl Settings {
            /// The sections whose controls are off.
            #[cfg(feature = "schema")]
            fn disabled(&self) -> impl Iterator<Item = &'static str> {
                let modes = [$( ($key, self.$module.mode) ),*].into_iter();
                modes.filter(|(_, mode)| *mode == Mode::Disabled).map(|(section, _)| section)
            }
        }

    };
}

controls!(settings);

macro_rules! allow {
    (looser $settings:ident $allow:ident $module:ident) => {
        if let Some(more) = $allow.$module {
            $settings.$module.loosen(more);
        }
    };
    (fixed $settings:ident $allow:ident $module:ident) => {};
}

macro_rules! loosen {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $loosens:ident $module:ident $section:ident $key:literal; )*) => {
        impl Settings {
            /// Allows what the exemptions at some places allow.
            pub(crate) fn loosen(&mut self, is_used: &dyn Fn(usize) -> bool) {
                for (place, exemption) in self.exemptions.iter_mut().enumerate() {
                    if is_used(place)
                        && let Some(allow) = exemption.allow.take()
                    {
                        $( allow!($loosens self allow $module); )*
                    }
                }
            }
        }
    };
}

controls!(loosen);

/// The JSON Schema of the settings.
#[cfg(feature = "schema")]
#[must_use]
pub fn settings_schema() -> serde_json::Value {
    use crate::schema::Describe as _;

    let mut schema = Settings::schema();
    schema.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    schema.insert("title".to_owned(), "container-security".into());
    // An empty `spec.settings` is null.
    schema.insert("type".to_owned(), serde_json::json!(["object", "null"]));
    schema.into()
}

/// What holds at a level of the Pod Security Standard where nothing else is written.
#[cfg(feature = "schema")]
#[must_use]
pub fn settings_defaults(level: &str) -> serde_json::Value {
    use crate::schema::Describe as _;

    let standard = standard_of(&format!(r#"{{"level":{level:?}}}"#));
    Settings::unset(standard).written()
}

/// The keys of the settings, and those of each section, in the order of their declaration.
#[cfg(feature = "schema")]
#[must_use]
pub fn settings_keys() -> Vec<Key> {
    use crate::schema::Describe as _;

    Settings::keys()
}

impl Settings {
    /// What is said of a kind.
    pub(crate) fn custom_workload(&self, group: &str, kind: &str) -> Option<&CustomWorkload> {
        let mut all = self.custom_workloads.iter();
        all.find(|custom| custom.is(group, kind))
    }

    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        custom_workload::check(&self.custom_workloads, problems);
        let freshness = &self.image_freshness;
        if self.registries.allow.is_none() && freshness.is_about_allowed_bases() {
            let lacks = "baseRegistries, registries.allow or unknownBase: reject";
            problems.within("imageFreshness", |problems| {
                written.refuse_idle(freshness.mode, true, lacks, problems);
            });
        }
    }

    /// A section that a level or a version switches off has no key without a mode.
    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{anything, given, json};

        let mut rules = Vec::new();
        for level in [Level::Restricted, Level::Baseline, Level::Privileged] {
            let disabled_in = |version| -> Vec<&'static str> {
                Self::unset(Standard { level, version })
                    .disabled()
                    .collect()
            };
            let versions: Vec<_> = Version::all()
                .map(|version| (version, disabled_in(version)))
                .collect();
            for Key { name, keys } in settings_keys() {
                let keys = keys.iter().map(|key| key.name);
                let keys: Vec<_> = keys.filter(|key| *key != "mode").collect();
                let off = versions
                    .iter()
                    .filter(|(_, disabled)| disabled.contains(&name));
                let off: Vec<String> = off.map(|(version, _)| version.to_string()).collect();
                if keys.is_empty() || off.is_empty() {
                    continue;
                }
                let any_key: Vec<_> = keys.iter().map(|key| given(key, &anything())).collect();
                let idle = json!({
                    "type": "object",
                    "properties": {"mode": {"type": "null"}},
                    "anyOf": any_key,
                });
                let mut all = vec![given(name, &idle)];
                if off.len() < versions.len() {
                    all.push(given("version", &json!({"enum": off})));
                }
                all.push(match level {
                    // It need not be written.
                    Level::Restricted => {
                        let written = json!({"enum": [Level::Restricted.name(), null]});
                        json!({"properties": {"level": written}})
                    }
                    _ => given("level", &json!({"const": level.name()})),
                });
                rules.push(json!({"not": {"type": "object", "allOf": all}}));
            }
        }
        schema.insert("allOf".to_owned(), rules.into());
    }

    /// Decodes settings from JSON; none at all are all defaults.
    ///
    /// # Errors
    ///
    /// Every problem that there is, each with its path.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Vec<String>> {
        let document = Document::from_slice(json)
            .map_err(|error| vec![format!("settings: {}", json::describe_error(error, json))])?;
        Self::from_node(document.root())
    }

    /// The same from JSON that is read already.
    pub(crate) fn from_node(node: Node<'_>) -> Result<Self, Vec<String>> {
        if matches!(node, Node::Null) {
            return Ok(Self::default());
        }
        let mut problems = Problems::new(standard(node));
        let settings = Self::decode(node, &mut problems);
        match (settings, problems.into_messages()) {
            (Some(settings), messages) if messages.is_empty() => Ok(settings),
            (_, messages) => Err(messages),
        }
    }
}

#[cfg(feature = "schema")]
fn standard_of(settings: &str) -> Standard {
    let document = Document::from_slice(settings.as_bytes());
    document.map_or_else(
        |_| Standard::default(),
        |document| standard(document.root()),
    )
}

/// What the sections start from. What is wrong with it is reported where it is decoded.
fn standard(settings: Node<'_>) -> Standard {
    let mut unheard = Problems::default();
    let Standard { level, version } = Standard::default();
    Standard {
        level: unheard
            .read("level", settings.get("level"))
            .unwrap_or(level),
        version: unheard
            .read("version", settings.get("version"))
            .unwrap_or(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_settings_are_all_defaults() {
        for json in ["{}", "null", r#"{"appArmor":null,"exemptions":null}"#] {
            assert!(Settings::from_json(json.as_bytes()).is_ok(), "{json}");
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        let problems = Settings::from_json(
            br#"{"apArmor":{},"seccomp":{"mode":"off","allowed":["runtimeDefault",1]},
                "registries":{"allow":["nginx"],"alow":[]},"legacy":{"onUpdate":false},"onUpdate":"allViolations"}"#,
        )
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "settings: unknown key \"apArmor\"; did you mean appArmor?",
                "settings: unknown key \"onUpdate\": it is legacy.onUpdate now",
                "seccomp.mode: \"off\" is none of: enforce, warn, disabled",
                "seccomp.allowed[0]: \"runtimeDefault\" is none of: RuntimeDefault, \
                 Localhost/<name>, Localhost/*, Unconfined; did you mean RuntimeDefault?",
                "seccomp.allowed[1]: expected a string, found a number",
                "registries: unknown key \"alow\"; did you mean allow?",
                "registries.allow[0]: \"nginx\" has no registry; did you mean \
                 \"docker.io/library/nginx\"?",
                "legacy.onUpdate: expected a string, found a boolean",
            ]
        );
    }
}
