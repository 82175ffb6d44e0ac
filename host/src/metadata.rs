//! The metadata of a policy: `policy-metadata.yaml`, and the custom section of a module that holds
//! it for policy-server and kwctl.
//!
//! The section and what is refused are those of `kwctl annotate`. Every value is checked while it
//! is read, so that an error names the line at fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::Version;
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Section as _};
use wasmparser::Payload;

use crate::policy::Policy;

/// What is known about a policy without running it, with the fields of the section in their order.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// What the policy answers when it is asked; a file may say it, but is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<ProtocolVersion>,
    /// The requests that the policy can judge.
    pub rules: Vec<Rule>,
    /// Texts for registries and catalogues, by their names.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Whether the policy changes objects.
    pub mutating: bool,
    /// Whether the audit scanner may ask the policy about stored objects.
    #[serde(default = "yes")]
    pub background_audit: bool,
    /// How the policy is run.
    #[serde(default)]
    pub execution_mode: ExecutionMode,
    /// What the policy judges.
    #[serde(default)]
    pub policy_type: PolicyType,
    /// What the policy reads from the cluster.
    #[serde(default)]
    pub context_aware_resources: BTreeSet<ContextAwareResource>,
    /// The host calls that the policy makes; `None` when the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_capabilities: Option<BTreeSet<String>>,
    /// The oldest Kubewarden that can run the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_kubewarden_version: Option<Version>,
}

/// Requests by group, version, resource and operation; no list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups, `""` for the core.
    #[serde(deserialize_with = "names")]
    pub api_groups: Vec<String>,
    /// Versions of these groups.
    #[serde(deserialize_with = "names")]
    pub api_versions: Vec<String>,
    /// Resources and sub-resources: `pods`, `pods/ephemeralcontainers`.
    #[serde(deserialize_with = "resources")]
    pub resources: Vec<String>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT` or `*`.
    #[serde(deserialize_with = "operations")]
    pub operations: Vec<String>,
}

/// A kind that the policy reads from the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextAwareResource {
    /// Group and version.
    #[serde(deserialize_with = "not_empty")]
    pub api_version: String,
    /// The kind.
    #[serde(deserialize_with = "not_empty")]
    pub kind: String,
}

/// The version of the protocol between host and guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum ProtocolVersion {
    /// What policies that do not speak waPC have.
    Unknown,
    /// The only version of Kubewarden's waPC protocol.
    #[serde(rename = "v1")]
    V1,
}

/// How a policy is run. Kubewarden knows others, which this host cannot run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum ExecutionMode {
    /// By the functions that a waPC host calls.
    #[default]
    #[serde(rename = "kubewarden-wapc")]
    KubewardenWapc,
}

/// What a policy judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyType {
    /// Admission requests.
    #[default]
    Kubernetes,
    /// Requests of any shape.
    Raw,
}

/// Why a module cannot be annotated, or its annotations not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The metadata is no YAML, or something in it is wrong; the text has the line.
    #[error("{0}")]
    Metadata(#[from] yaml_serde::Error),
    /// The policy cannot be loaded, or does not say which protocol it speaks.
    #[error("{0}")]
    Policy(#[from] crate::Error),
    /// The policy speaks another protocol than Kubewarden's.
    #[error("the policy speaks version {0:?} of the protocol, and Kubewarden only v1")]
    Protocol(String),
    /// The bytes are no WebAssembly module.
    #[error("cannot read the module: {0}")]
    Module(String),
    /// There is metadata already, and a second section would be ignored.
    #[error("the module is annotated already; annotate the module that `make policy.wasm` builds")]
    Annotated,
    /// The section with the metadata cannot be read or written as JSON.
    #[error("the metadata of the module: {0}")]
    Section(#[source] serde_json::Error),
}

impl Metadata {
    /// Reads `policy-metadata.yaml`.
    ///
    /// # Errors
    ///
    /// The YAML is broken, or not metadata that Kubewarden's tools would take; says the line.
    pub fn from_yaml(text: &str) -> Result<Self, yaml_serde::Error> {
        yaml_serde::from_str(text)
    }

    /// Reads the metadata of a module; `None` when it is not annotated.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Module`] or [`MetadataError::Section`].
    pub fn from_module(policy: &[u8]) -> Result<Option<Self>, MetadataError> {
        metadata_section(policy)?
            .map(|section| serde_json::from_slice(section).map_err(MetadataError::Section))
            .transpose()
    }
}

/// The module of a policy with its metadata and its usage, a text in Markdown, in it. The same
/// input has the same output.
///
/// Nothing else in the module changes: the section is appended.
///
/// # Errors
///
/// Any [`MetadataError`].
pub fn annotate(
    policy: &[u8],
    mut metadata: Metadata,
    usage: Option<&str>,
) -> Result<Vec<u8>, MetadataError> {
    if metadata_section(policy)?.is_some() {
        return Err(MetadataError::Annotated);
    }
    let version = Policy::load(policy)?.protocol_version()?;
    if version != "v1" {
        return Err(MetadataError::Protocol(version));
    }
    metadata.protocol_version = Some(ProtocolVersion::V1);
    // kwctl writes its own version here. This is not kwctl, and nothing reads the annotation.
    metadata.annotations.remove(KWCTL);
    if let Some(usage) = usage {
        metadata
            .annotations
            .insert(USAGE.to_owned(), usage.to_owned());
    }
    let section = serde_json::to_vec(&metadata).map_err(MetadataError::Section)?;
    let mut module = policy.to_vec();
    CustomSection {
        name: SECTION.into(),
        data: section.into(),
    }
    .append_to(&mut module);
    Ok(module)
}

/// The first section of this name: a second one is what nobody reads.
fn metadata_section(module: &[u8]) -> Result<Option<&[u8]>, MetadataError> {
    // The parser would list the bytes that it found instead.
    if !module.starts_with(b"\0asm") {
        return Err(MetadataError::Module("it is no WebAssembly".to_owned()));
    }
    let unreadable =
        |error: wasmparser::BinaryReaderError| MetadataError::Module(error.to_string());
    wasmparser::validate(module).map_err(unreadable)?;
    let mut found = None;
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload.map_err(unreadable)?
            && section.name() == SECTION
        {
            found = found.or(Some(section.data()));
        }
    }
    Ok(found)
}

impl<'de> Deserialize<'de> for ExecutionMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text(|mode: &str| match mode {
            "kubewarden-wapc" => Ok(Self::KubewardenWapc),
            "opa" | "gatekeeper" | "wasi" => Err(format!(
                "the policy is a waPC module and not of mode {mode:?}; write kubewarden-wapc"
            )),
            _ => Err(unknown(
                mode,
                &["kubewarden-wapc", "opa", "gatekeeper", "wasi"],
            )),
        })
        .deserialize(deserializer)
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text(|text: &str| {
        if text.is_empty() {
            return Err(EMPTY.to_owned());
        }
        Ok(text.to_owned())
    })
    .deserialize(deserializer)
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(List(nothing_beside_all))
}

fn operations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(List(|before, operation| {
        if !OPERATIONS.contains(&operation) {
            return Err(unknown(operation, OPERATIONS));
        }
        nothing_beside_all(before, operation)
    }))
}

fn nothing_beside_all(before: &[String], name: &str) -> Result<(), String> {
    if before.iter().any(|other| other == "*") || (name == "*" && !before.is_empty()) {
        return Err("\"*\" stands for all of them, so nothing else may be listed".to_owned());
    }
    Ok(())
}

/// The rules of the API server for the resources of a webhook, which kwctl has too. Both overlook
/// some orders of an entry and the pattern that covers it; here no order is overlooked.
fn resources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(List(|before, resource| {
        if resource.is_empty() {
            return Err("a resource must not be empty".to_owned());
        }
        for other in before {
            for (wide, narrow) in [(other.as_str(), resource), (resource, other.as_str())] {
                if covers(wide, narrow) {
                    return Err(format!(
                        "{wide:?} stands for {narrow:?} too, so only one of them may be listed"
                    ));
                }
            }
        }
        Ok(())
    }))
}

/// Whether a pattern makes another entry redundant.
fn covers(wide: &str, narrow: &str) -> bool {
    match wide.split_once('/') {
        None => wide == "*" && narrow != "*" && !narrow.contains('/'),
        Some(("*", "*")) => true,
        Some((resource, sub_resource)) => narrow.split_once('/').is_some_and(|narrow| {
            (sub_resource == "*" && narrow.0 == resource)
                || (resource == "*" && narrow.1 == sub_resource)
        }),
    }
}

fn unknown(value: &str, known: &'static [&'static str]) -> String {
    serde::de::value::Error::unknown_variant(value, known).to_string()
}

/// Reads a text and checks it on the spot: an error has the line of the text.
struct Text<F>(F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Reads a list that is not empty, and checks each text with those before it.
struct List(fn(before: &[String], text: &str) -> Result<(), String>);

impl<'de> Visitor<'de> for List {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element_seed(Text(|text: &str| {
            (self.0)(&texts, text)?;
            Ok(text.to_owned())
        }))? {
            texts.push(text);
        }
        if texts.is_empty() {
            return Err(A::Error::custom(EMPTY));
        }
        Ok(texts)
    }
}

const fn yes() -> bool {
    true
}

const SECTION: &str = "io.kubewarden.metadata";
const KWCTL: &str = "io.kubewarden.kwctl";
const USAGE: &str = "io.kubewarden.policy.usage";
const EMPTY: &str = "must not be empty";
const OPERATIONS: &[&str] = &["CREATE", "UPDATE", "DELETE", "CONNECT", "*"];

#[cfg(test)]
mod tests {
    use super::*;

    /// One rule on two lines, from the second line on.
    fn error_of_rule(lists: &str) -> String {
        error(&format!("mutating: false\nrules:\n  - {lists}\n"))
    }

    fn error(yaml: &str) -> String {
        Metadata::from_yaml(yaml).unwrap_err().to_string()
    }

    fn rule(key: &str, list: &str) -> String {
        let mut lists = BTreeMap::from([
            ("apiGroups", "[\"\"]"),
            ("apiVersions", "[v1]"),
            ("resources", "[pods]"),
            ("operations", "[CREATE]"),
        ]);
        lists.insert(key, list);
        let lists: Vec<_> = lists
            .iter()
            .map(|(key, list)| format!("{key}: {list}"))
            .collect();
        lists.join("\n    ")
    }

    #[test]
    fn the_least_metadata_has_the_defaults() {
        let metadata = Metadata::from_yaml("rules: []\nmutating: false\n").unwrap();
        assert_eq!(
            serde_json::to_string(&metadata).unwrap(),
            r#"{"rules":[],"annotations":{},"mutating":false,"backgroundAudit":true,"executionMode":"kubewarden-wapc","policyType":"kubernetes","contextAwareResources":[]}"#
        );
    }

    #[test]
    fn everything_is_kept_sorted_and_what_is_unknown_is_left_out() {
        let yaml = format!(
            "rules:\n  - {}\n    scope: Namespaced\nmutating: true\nprotocolVersion: v1\n\
             annotations: {{b: 1.0, a: x}}\nbackgroundAudit: false\nexecutionMode: kubewarden-wapc\n\
             policyType: raw\ncontextAware: true\ncontextAwareResources:\n  - {{apiVersion: v1, kind: Pod}}\n  \
             - {{apiVersion: apps/v1, kind: Deployment}}\n  - {{apiVersion: v1, kind: Pod}}\n\
             hostCapabilities: [oci/v2/verify, foo/v9/bar]\nminimumKubewardenVersion: 1.33.0\n",
            rule("resources", "[pods, pods/ephemeralcontainers]"),
        );
        assert_eq!(
            serde_json::to_string(&Metadata::from_yaml(&yaml).unwrap()).unwrap(),
            r#"{"protocolVersion":"v1","rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["pods","pods/ephemeralcontainers"],"operations":["CREATE"]}],"annotations":{"a":"x","b":"1.0"},"mutating":true,"backgroundAudit":false,"executionMode":"kubewarden-wapc","policyType":"raw","contextAwareResources":[{"apiVersion":"apps/v1","kind":"Deployment"},{"apiVersion":"v1","kind":"Pod"}],"hostCapabilities":["foo/v9/bar","oci/v2/verify"],"minimumKubewardenVersion":"1.33.0"}"#
        );
    }

    #[test]
    fn a_declared_empty_list_of_host_capabilities_is_kept() {
        let metadata =
            Metadata::from_yaml("rules: []\nmutating: false\nhostCapabilities: []\n").unwrap();
        assert!(
            serde_json::to_string(&metadata)
                .unwrap()
                .ends_with(r#","hostCapabilities":[]}"#)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(error("mutating: false\n"), "missing field `rules`");
        assert_eq!(error("rules: []\n"), "missing field `mutating`");
        assert_eq!(
            error("rules: []\nmutating: null\n"),
            "mutating: invalid type: unit value, expected a boolean at line 2 column 11"
        );
        assert_eq!(
            error_of_rule("apiGroups: [\"\"]"),
            "rules[0]: missing field `apiVersions` at line 3 column 5"
        );
    }

    #[test]
    fn a_list_of_a_rule_is_not_empty() {
        for (key, place) in [
            ("apiGroups", "line 3 column 16"),
            ("apiVersions", "line 4 column 18"),
            ("operations", "line 5 column 17"),
            ("resources", "line 6 column 16"),
        ] {
            assert_eq!(
                error_of_rule(&rule(key, "[]")),
                format!("rules[0].{key}: must not be empty at {place}")
            );
        }
    }

    #[test]
    fn an_operation_is_one_of_five() {
        assert_eq!(
            error_of_rule(&rule("operations", "[PATCH]")),
            "rules[0].operations[0]: unknown variant `PATCH`, expected one of `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, `*` at line 5 column 18"
        );
    }

    #[test]
    fn nothing_is_listed_beside_all() {
        assert_eq!(
            error_of_rule(&rule("operations", "[\"*\", CREATE]")),
            "rules[0].operations[1]: \"*\" stands for all of them, so nothing else may be listed at line 5 column 23"
        );
        assert_eq!(
            error_of_rule(&rule("apiGroups", "\n      - \"*\"\n      - apps")),
            "rules[0].apiGroups[1]: \"*\" stands for all of them, so nothing else may be listed at line 5 column 9"
        );
        assert_eq!(
            error_of_rule(&rule("apiVersions", "[v1, \"*\"]")),
            "rules[0].apiVersions[1]: \"*\" stands for all of them, so nothing else may be listed at line 4 column 23"
        );
    }

    #[test]
    fn no_resource_is_listed_beside_a_pattern_that_covers_it() {
        let error = |list| error_of_rule(&rule("resources", list));
        assert_eq!(
            error("[pods, \"\"]"),
            "rules[0].resources[1]: a resource must not be empty at line 6 column 23"
        );
        assert_eq!(
            error("[\"*\", pods]"),
            "rules[0].resources[1]: \"*\" stands for \"pods\" too, so only one of them may be listed at line 6 column 22"
        );
        assert_eq!(
            error("[pods, \"*\", jobs/status]"),
            "rules[0].resources[1]: \"*\" stands for \"pods\" too, so only one of them may be listed at line 6 column 23"
        );
        assert_eq!(
            error("[pods/*, pods/ephemeralcontainers]"),
            "rules[0].resources[1]: \"pods/*\" stands for \"pods/ephemeralcontainers\" too, so only one of them may be listed at line 6 column 25"
        );
        assert_eq!(
            error("[jobs/status, \"*/status\"]"),
            "rules[0].resources[1]: \"*/status\" stands for \"jobs/status\" too, so only one of them may be listed at line 6 column 30"
        );
        assert_eq!(
            error("[\"*/*\", pods]"),
            "rules[0].resources[1]: \"*/*\" stands for \"pods\" too, so only one of them may be listed at line 6 column 24"
        );
    }

    #[test]
    fn patterns_and_what_they_do_not_cover_go_together() {
        for list in [
            "[pods, pods/ephemeralcontainers]",
            "[\"*\", a/b, b/*, \"*/c\"]",
            "[\"*\"]",
            "[\"*/*\"]",
        ] {
            let yaml = format!("mutating: false\nrules:\n  - {}\n", rule("resources", list));
            Metadata::from_yaml(&yaml).unwrap();
        }
    }

    #[test]
    fn words_are_those_of_kubewarden() {
        let error = |line| error(&format!("rules: []\nmutating: false\n{line}\n"));
        assert_eq!(
            error("executionMode: wapc"),
            "executionMode: unknown variant `wapc`, expected one of `kubewarden-wapc`, `opa`, `gatekeeper`, `wasi` at line 3 column 16"
        );
        assert_eq!(
            error("executionMode: opa"),
            "executionMode: the policy is a waPC module and not of mode \"opa\"; write kubewarden-wapc at line 3 column 16"
        );
        assert_eq!(
            error("policyType: Raw"),
            "policyType: unknown variant `Raw`, expected `kubernetes` or `raw` at line 3 column 13"
        );
        assert_eq!(
            error("protocolVersion: v2"),
            "protocolVersion: unknown variant `v2`, expected `Unknown` or `v1` at line 3 column 18"
        );
        assert_eq!(
            error("minimumKubewardenVersion: 1.20"),
            "minimumKubewardenVersion: unexpected end of input while parsing minor version number at line 3 column 27"
        );
        assert_eq!(
            error("backgroundAudit: often"),
            "backgroundAudit: invalid type: string \"often\", expected a boolean at line 3 column 18"
        );
    }

    #[test]
    fn a_kind_to_read_has_a_version_and_a_name() {
        let error = |resource| {
            error(&format!(
                "rules: []\nmutating: false\ncontextAwareResources:\n  - {resource}\n"
            ))
        };
        assert_eq!(
            error("{apiVersion: v1}"),
            "contextAwareResources[0]: missing field `kind` at line 4 column 5"
        );
        assert_eq!(
            error("{apiVersion: v1, kind: \"\"}"),
            "contextAwareResources[0].kind: must not be empty at line 4 column 28"
        );
        assert_eq!(
            error("{apiVersion: \"\", kind: Pod}"),
            "contextAwareResources[0].apiVersion: must not be empty at line 4 column 18"
        );
    }
}
