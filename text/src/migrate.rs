//! The settings of Kubewarden's official policies, and the levels of Pod
//! Security Admission, said in the settings of this policy.
//!
//! Only what means the same is translated; everything else is refused with
//! its key and the reason, so that nobody loses a rule unnoticed. What the
//! other policy does not judge is off at the level privileged, and like the
//! other policy the result judges an UPDATE as it judges a CREATE.

mod images;
mod node;
mod pods;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::settings::Setting;

/// A policy, or a level of Pod Security Admission, to migrate from.
pub struct Source {
    /// As in the catalogue: `trusted-repos`.
    pub name: &'static str,
    translate: Translate,
}

enum Translate {
    /// From the settings of the other policy.
    Settings(fn(&Value) -> Translation),
    /// A level has no settings, and lets be what is there already. By the name that it has here, too.
    Level(&'static str),
}

/// Settings of this policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// In YAML.
    pub settings: String,
    /// The settings of the other policy, or its lack of any, let everything pass, and so do these.
    pub judges_nothing: bool,
}

/// Sections of this policy's settings, the judging ones.
type Sections = Vec<(&'static str, Value)>;

/// The sections, or every reason why there are none.
type Translation = Result<Sections, Vec<String>>;

impl Source {
    /// Everything that can be migrated from.
    pub const ALL: &[Self] = &[
        Self::policy("allow-privilege-escalation-psp", pods::privilege_escalation),
        Self::policy("apparmor-psp", pods::app_armor),
        Self::policy("capabilities-psp", pods::capabilities),
        Self::policy("host-namespaces-psp", pods::host_namespaces),
        Self::policy("hostpaths-psp", node::host_paths),
        Self::policy("image-cve", images::vulnerabilities),
        Self::policy("pod-privileged", pods::privileged),
        Self::level("psa-baseline", "baseline"),
        Self::level("psa-restricted", "restricted"),
        Self::policy(
            "readonly-root-filesystem-psp",
            pods::read_only_root_filesystem,
        ),
        Self::policy("seccomp-psp", pods::seccomp),
        Self::policy("selinux-psp", node::se_linux),
        Self::policy("share-pid-namespace", pods::share_process_namespace),
        Self::policy("sysctl-psp", node::sysctls),
        Self::policy("trusted-repos", images::registries),
        Self::policy("user-group-psp", pods::root_user),
        Self::policy("verify-image-signatures", images::signatures),
        Self::policy("volumes-psp", node::volumes),
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|source| source.name == name)
    }

    /// This policy's settings that say what those settings say.
    /// `None` is a policy without settings.
    ///
    /// # Errors
    ///
    /// Every reason why the settings cannot be said, each with its key.
    pub fn migrate(&self, settings: Option<&Value>) -> Result<Migrated, Vec<String>> {
        let failed = |error: String| vec![error];
        let (level, sections, on_update) = match self.translate {
            Translate::Settings(translate) => {
                let nothing = Value::Object(Map::new());
                let sections = translate(settings.unwrap_or(&nothing))?;
                (
                    "privileged",
                    sections,
                    Some(("legacy", json!({"onUpdate": "allViolations"}))),
                )
            }
            Translate::Level(_) if settings.is_some() => {
                return Err(failed(format!(
                    "{} has no settings; leave out the file",
                    self.name
                )));
            }
            Translate::Level(level) => (level, Vec::new(), None),
        };
        let judges_nothing = on_update.is_some()
            && sections
                .iter()
                .all(|(_, section)| passes_everything(section));
        let all = Setting::all();
        let sections = sections.into_iter().map(|(name, mut section)| {
            let is_levelled = all
                .iter()
                .any(|setting| setting.name == name && setting.is_levelled());
            if let (true, Value::Object(keys)) = (is_levelled, &mut section) {
                // The level privileged has none of them.
                keys.entry("mode").or_insert(json!("enforce"));
            }
            (name, section)
        });
        let level = [("level", json!(level))].into_iter();
        let mut migrated = yaml_serde::Mapping::new();
        for (key, value) in level.chain(sections).chain(on_update) {
            let value = yaml_serde::to_value(value).map_err(|error| failed(error.to_string()))?;
            migrated.insert(key.into(), value);
        }
        check(&migrated).map_err(failed)?;
        let settings =
            yaml_serde::to_string(&migrated).map_err(|error| failed(error.to_string()))?;
        Ok(Migrated {
            settings,
            judges_nothing,
        })
    }

    const fn policy(name: &'static str, translate: fn(&Value) -> Translation) -> Self {
        Self {
            name,
            translate: Translate::Settings(translate),
        }
    }

    const fn level(name: &'static str, level: &'static str) -> Self {
        Self {
            name,
            translate: Translate::Level(level),
        }
    }
}

/// Whether a section can find nothing: it is off, or asks for nothing, refuses nothing and allows everything.
fn passes_everything(section: &Value) -> bool {
    let is_idle = |(key, list): (&String, &Value)| match key.as_str() {
        "reject" | "rejectTags" | "requiredDrop" => *list == json!([]),
        "allowedAdd" => *list == json!(["*"]),
        _ => false,
    };
    section.get("mode") == Some(&json!("disabled"))
        || section
            .as_object()
            .is_some_and(|keys| keys.iter().all(is_idle))
}

/// What this policy itself says about the settings: a value may be copied from
/// the other policy that it does not take.
fn check(settings: &yaml_serde::Mapping) -> Result<(), String> {
    let settings = serde_json::to_vec(settings).map_err(|error| error.to_string())?;
    let answer = container_security::validate_settings(&settings);
    let verdict: crate::SettingsVerdict =
        serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    if verdict.valid {
        Ok(())
    } else {
        Err(verdict.message.unwrap_or_default())
    }
}

/// The settings of the other policy. Keys that it does not have are errors,
/// although it would ignore them: who wrote them expects something of them.
fn decode<T: DeserializeOwned>(settings: &Value) -> Result<T, Vec<String>> {
    T::deserialize(settings).map_err(|error| vec![error.to_string()])
}

/// The sections, when nothing is refused.
fn unless_refused(refusals: Vec<String>, sections: Sections) -> Translation {
    if refusals.is_empty() {
        Ok(sections)
    } else {
        Err(refusals)
    }
}
