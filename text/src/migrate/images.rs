//! Policies that judge images.

use std::collections::{BTreeMap, BTreeSet};

use container_security::{ImagePattern, Reference};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Translation, decode, unless_refused};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TrustedRepos {
    registries: Lists,
    tags: RejectedTags,
    images: Lists,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    allow: BTreeSet<String>,
    reject: BTreeSet<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RejectedTags {
    reject: BTreeSet<String>,
}

pub(super) fn registries(settings: &Value) -> Translation {
    let TrustedRepos {
        registries,
        tags,
        images,
    } = decode(settings)?;
    let mut refusals = Vec::new();
    for (key, lists) in [("registries", &registries), ("images", &images)] {
        if !lists.allow.is_empty() && !lists.reject.is_empty() {
            refusals.push(format!(
                "{key}: allow and reject, of which trusted-repos takes only one"
            ));
        }
    }
    for (path, entries) in [
        ("registries.allow", &registries.allow),
        ("registries.reject", &registries.reject),
    ] {
        refuse(path, entries, why_no_registry, &mut refusals);
    }
    refuse("tags.reject", &tags.reject, why_no_tag, &mut refusals);
    for (path, entries) in [
        ("images.allow", &images.allow),
        ("images.reject", &images.reject),
    ] {
        refuse(path, entries, why_no_image, &mut refusals);
    }

    // Both lists must allow an image. Here an image that is named needs no registry beside it.
    let allow = if images.allow.is_empty() {
        registries.allow
    } else {
        for image in &images.allow {
            let registry = Reference::parse(image).map(|image| image.registry().to_owned());
            let is_allowed = registry.is_ok_and(|registry| registries.allow.contains(&registry));
            if !registries.allow.is_empty() && !is_allowed && why_no_image(image).is_none() {
                refusals.push(format!(
                    "images.allow: {image:?} is from a registry that is not in registries.allow, \
                     so trusted-repos never accepts it"
                ));
            }
        }
        images.allow.iter().map(|image| full_name(image)).collect()
    };
    let of_images = images.reject.iter().map(|image| full_name(image));
    let reject: BTreeSet<_> = registries.reject.into_iter().chain(of_images).collect();

    let allow = (!allow.is_empty()).then(|| json!(allow));
    let sections = vec![
        (
            "registries",
            object([("allow", allow), ("reject", Some(json!(reject)))]),
        ),
        ("imagePinning", json!({"rejectTags": tags.reject})),
    ];
    unless_refused(refusals, sections)
}

fn refuse(
    path: &str,
    entries: &BTreeSet<String>,
    why_not: fn(&str) -> Option<String>,
    refusals: &mut Vec<String>,
) {
    let refused = entries
        .iter()
        .filter_map(|entry| Some(format!("{path}: {entry:?} {}", why_not(entry)?)));
    refusals.extend(refused);
}

fn why_no_registry(entry: &str) -> Option<String> {
    if is_glob(entry) {
        return Some(
            "has a wildcard that stands for any text, also for dots; here `*.` is one label of \
             the name, so list the registries"
                .to_owned(),
        );
    }
    let is_host = !entry.contains('/') && entry == entry.to_lowercase();
    if !is_host || entry == "index.docker.io" {
        return Some("is not how trusted-repos calls a registry, so it matches nothing".to_owned());
    }
    ImagePattern::parse(entry)
        .err()
        .map(|error| error.to_string())
}

fn why_no_tag(entry: &str) -> Option<String> {
    is_glob(entry).then(|| "has a wildcard; imagePinning.rejectTags compares whole tags".to_owned())
}

/// Only one exact image: an entry without tag means one repository, and a
/// pattern here means the repositories below it, too.
fn why_no_image(entry: &str) -> Option<String> {
    if is_glob(entry) {
        return Some(
            "has a wildcard that stands for any text; here `*` is one whole part of the path"
                .to_owned(),
        );
    }
    let reference = match Reference::parse(entry) {
        Ok(reference) => reference,
        Err(error) => return Some(error.to_string()),
    };
    match (reference.tag(), reference.digest()) {
        (None | Some("latest"), None) => Some(format!(
            "is every tag of one repository, while a pattern is also what lies below it; write \
             {:?} into registries yourself if that may be",
            format!("{}/{}", reference.registry(), reference.repository())
        )),
        (Some(_), Some(_)) => Some(
            "has a tag and a digest; an image pattern takes one of them, and the digest decides \
             what runs"
                .to_owned(),
        ),
        _ => None,
    }
}

/// With the registry, which an image pattern needs.
fn full_name(image: &str) -> String {
    let Ok(reference) = Reference::parse(image) else {
        return image.to_owned();
    };
    let name = format!("{}/{}", reference.registry(), reference.repository());
    match (reference.tag(), reference.digest()) {
        (_, Some(digest)) => format!("{name}@{digest}"),
        (Some(tag), None) => format!("{name}:{tag}"),
        (None, None) => name,
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImageSignatures {
    signatures: Vec<Signature>,
    #[serde(default = "yes")]
    modify_images_with_digest: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signature {
    image: String,
    pub_keys: Option<Vec<String>>,
    keyless: Option<Vec<Keyless>>,
    keyless_prefix: Option<Vec<KeylessPrefix>>,
    github_actions: Option<GithubActions>,
    certificates: Option<Vec<String>>,
    certificate_chain: Option<Vec<String>>,
    require_rekor_bundle: Option<bool>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyless {
    issuer: String,
    subject: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeylessPrefix {
    issuer: String,
    url_prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GithubActions {
    owner: String,
    repo: Option<String>,
}

pub(super) fn signatures(settings: &Value) -> Translation {
    let settings: ImageSignatures = decode(settings)?;
    let mut refusals = Vec::new();
    if settings.modify_images_with_digest {
        refusals.push(
            "modifyImagesWithDigest: true, which is its default: this policy never changes an \
             object; set it to false, and have digests written with imagePinning.requireDigest"
                .to_owned(),
        );
    }
    if settings.signatures.is_empty() {
        refusals
            .push("signatures: is empty, which verify-image-signatures refuses itself".to_owned());
    }
    let mut rules = Vec::new();
    for (index, signature) in settings.signatures.iter().enumerate() {
        let at = |problem| format!("signatures[{index}].{problem}");
        let pattern = pattern(&signature.image)
            .map_err(|problem| at(format!("image: {:?} {problem}", signature.image)));
        let authorities = authorities(signature).map_err(at);
        let (pattern, authorities) = match (pattern, authorities) {
            (Ok(pattern), Ok(authorities)) => (pattern, authorities),
            (pattern, authorities) => {
                refusals.extend(pattern.err());
                refusals.extend(authorities.err());
                continue;
            }
        };
        // Each must have signed, and each rule must hold.
        for authority in authorities {
            rules.push(object([
                ("images", Some(json!([pattern]))),
                ("anyOf", Some(json!([authority]))),
                (
                    "annotations",
                    signature.annotations.as_ref().map(|all| json!(all)),
                ),
            ]));
        }
    }
    let section = json!({"unmatched": "accept", "rules": rules});
    unless_refused(refusals, vec![("signatures", section)])
}

/// The pattern for what an image text with wildcards matches.
fn pattern(image: &str) -> Result<String, String> {
    let (pattern, is_prefix) = match image.strip_suffix("/*") {
        Some(prefix) => (prefix, true),
        None => (image, false),
    };
    if is_glob(pattern) {
        return Err(
            "has a wildcard that stands for any text; only `<registry>/<path>/*` means the same \
             in an image pattern"
                .to_owned(),
        );
    }
    ImagePattern::parse(pattern).map_err(|error| format!("is no image pattern: {error}"))?;
    // The text of an image is compared, and the images of Docker Hub have more than one.
    if pattern == "docker.io" || pattern.starts_with("docker.io/") {
        return Err(
            "does not match the short names of Docker Hub (nginx), but an image pattern does"
                .to_owned(),
        );
    }
    let path = pattern.split_once('/').map_or("", |(_, path)| path);
    if is_prefix && path.contains([':', '@']) {
        return Err("has a tag or a digest before the wildcard".to_owned());
    }
    if !is_prefix && !path.contains([':', '@']) {
        return Err(
            "has no tag and no digest, so it matches only images without; an image pattern also \
             matches those with, and the repositories below"
                .to_owned(),
        );
    }
    Ok(pattern.to_owned())
}

fn authorities(signature: &Signature) -> Result<Vec<Value>, String> {
    let Signature {
        pub_keys,
        keyless,
        keyless_prefix,
        github_actions,
        certificates,
        ..
    } = signature;
    let of_certificates =
        signature.certificate_chain.is_some() || signature.require_rekor_bundle.is_some();
    let authorities = match (pub_keys, keyless, keyless_prefix, github_actions, certificates) {
        // One authority, because all keys in it must have signed.
        (Some(keys), None, None, None, None) if !of_certificates => {
            let authority = (!keys.is_empty()).then(|| json!({"publicKeys": keys}));
            authority.into_iter().collect()
        }
        (None, Some(keyless), None, None, None) if !of_certificates => keyless
            .iter()
            .map(|Keyless { issuer, subject }| {
                json!({"keyless": {"issuer": issuer, "subject": subject}})
            })
            .collect(),
        (None, None, Some(keyless), None, None) if !of_certificates => keyless
            .iter()
            .map(|KeylessPrefix { issuer, url_prefix }| {
                // The host ends a prefix in `/` itself.
                let prefix = format!("{}/", url_prefix.trim_end_matches('/'));
                json!({"keyless": {"issuer": issuer, "subjectPrefix": prefix}})
            })
            .collect(),
        (None, None, None, Some(GithubActions { owner, repo }), None) if !of_certificates => {
            let actions = object([
                ("owner", Some(json!(owner))),
                ("repo", repo.as_ref().map(|repo| json!(repo))),
            ]);
            vec![json!({"githubActions": actions})]
        }
        (None, None, None, None, Some(certificates)) => {
            let Some(bundle) = signature.require_rekor_bundle else {
                return Err("requireRekorBundle is missing".to_owned());
            };
            let certificate = |pem: &String| {
                let chain = signature.certificate_chain.as_ref();
                let certificate = object([
                    ("pem", Some(json!(pem))),
                    ("chain", chain.map(|chain| json!(chain))),
                    ("requireRekorBundle", Some(json!(bundle))),
                ]);
                json!({"certificate": certificate})
            };
            certificates.iter().map(certificate).collect()
        }
        _ => {
            return Err(
                "pubKeys, keyless, keylessPrefix, githubActions or certificates: exactly one of \
                 them is needed"
                    .to_owned(),
            );
        }
    };
    if authorities.is_empty() {
        return Err("image: nobody is named who must have signed".to_owned());
    }
    Ok(authorities)
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ImageCve {
    max_severity: Option<BTreeMap<String, SeverityCount>>,
    allow_always: BTreeSet<String>,
    deny_always: BTreeSet<String>,
    ignore_missing_vulnerability_report: bool,
    vulnerability_report_namespace: Option<String>,
    ignore_vex_status: bool,
    cvss_score: Option<Value>,
    platform: Option<Value>,
    cve_name: Option<Value>,
    image_lookup_strategy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SeverityCount {
    total: Option<u32>,
    total_without_fixes: Option<u32>,
}

pub(super) fn vulnerabilities(settings: &Value) -> Translation {
    let settings: ImageCve = decode(settings)?;
    let mut refusals = Vec::new();
    let mut maximum = Map::new();
    for (severity, count) in settings.max_severity.iter().flatten() {
        let at = |problem: &str| format!("maxSeverity.{severity}{problem}");
        match (severity.as_str(), count.total, count.total_without_fixes) {
            ("critical" | "high" | "medium" | "low", Some(total), None) => {
                maximum.insert(severity.clone(), json!(total));
            }
            ("unknown", _, _) => refusals.push(at(": image-cve never counts it; leave it out")),
            (_, None, Some(_)) => refusals.push(at(
                ".totalWithoutFixes: vulnerabilities.maximum counts all findings, or with \
                 onlyFixable those with a fix",
            )),
            ("critical" | "high" | "medium" | "low", _, _) => {
                refusals.push(at(": either total or totalWithoutFixes is needed"));
            }
            _ => refusals.push(at(" is none of: critical, high, medium, low")),
        }
    }
    let refused = [
        (
            settings.ignore_vex_status,
            "ignoreVexStatus: findings that a VEX document suppresses never count here",
        ),
        (
            settings.cvss_score.is_some(),
            "cvssScore: image-cve takes the score of the first vendor in its order, \
             vulnerabilities.maximumCvss the highest",
        ),
        (
            settings.platform.is_some(),
            "platform: the reports of all platforms are judged here, and the worst counts",
        ),
        (
            settings.cve_name.is_some(),
            "cveName: names are compared as a whole here; list them in ignore and reject",
        ),
        (
            settings.image_lookup_strategy.as_deref() != Some("tag"),
            "imageLookupStrategy: digest, which is its default, asks the registry what a tag \
             means; here a report is found by the tag or the digest that the workload names, as \
             with imageLookupStrategy: tag",
        ),
    ];
    let refused = refused.into_iter().filter(|(is_set, _)| *is_set);
    refusals.extend(refused.map(|(_, reason)| reason.to_owned()));

    if maximum.is_empty()
        && settings.deny_always.is_empty()
        && settings.ignore_missing_vulnerability_report
        && refusals.is_empty()
    {
        refusals.push(
            "maxSeverity and denyAlways are empty, and ignoreMissingVulnerabilityReport is true, \
             which rejects nothing; vulnerabilities must name what to look for"
                .to_owned(),
        );
    }
    let missing = if settings.ignore_missing_vulnerability_report {
        "accept"
    } else {
        "reject"
    };
    let namespace = settings.vulnerability_report_namespace;
    let section = object([
        ("source", Some(json!("sbomscanner"))),
        ("namespace", namespace.map(|namespace| json!(namespace))),
        ("maximum", Some(Value::Object(maximum))),
        ("ignore", Some(json!(settings.allow_always))),
        ("reject", Some(json!(settings.deny_always))),
        ("missingReport", Some(json!(missing))),
    ]);
    unless_refused(refusals, vec![("vulnerabilities", section)])
}

/// The keys that have a value.
fn object<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entry = |(key, value): (&str, Option<Value>)| Some((key.to_owned(), value?));
    Value::Object(entries.into_iter().filter_map(entry).collect())
}
