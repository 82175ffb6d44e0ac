//! Image references a second time: the grammar that distribution/reference publishes, as the
//! regular expressions that it is given in, and the rules for short names.
//!
//! It shares nothing with the policy's parser, which reads byte by byte.

#![expect(clippy::unwrap_used, reason = "the expressions are constants")]

use std::sync::LazyLock;

use regex::Regex;

/// The parts of a reference in normal form. What it does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub registry: String,
    pub repository: String,
    pub tag: String,
    pub digest: String,
}

/// The parts of a text that is a reference.
pub(super) fn parse(text: &str) -> Option<Parts> {
    if IDENTIFIER.is_match(text) {
        return None;
    }
    let (mut domain, mut remainder) = match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.to_lowercase() != first =>
        {
            (first, rest.to_owned())
        }
        _ => ("docker.io", text.to_owned()),
    };
    if domain == "index.docker.io" {
        domain = "docker.io";
    }
    if domain == "docker.io" && !remainder.contains('/') {
        remainder = format!("library/{remainder}");
    }
    let remote = remainder.split(':').next().unwrap_or_default();
    if remote.to_lowercase() != remote {
        return None;
    }
    let normal = format!("{domain}/{remainder}");
    let found = REFERENCE.captures(&normal)?;
    let part = |name| {
        let part = found.name(name);
        part.map(|part| part.as_str().to_owned())
            .unwrap_or_default()
    };
    let parts = Parts {
        registry: part("domain"),
        repository: part("path"),
        tag: part("tag"),
        digest: part("digest"),
    };
    let is_digest = parts.digest.is_empty() || DIGEST.is_match(&parts.digest);
    (parts.repository.len() <= 255 && is_digest).then_some(parts)
}

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let component = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain_name = format!(r"{component}(?:\.{component})*");
    let domain = format!(r"(?:{domain_name}|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
    let path_component = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let path = format!("{path_component}(?:/{path_component})*");
    let tag = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
    let algorithm = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*";
    let digest = format!("{algorithm}:[0-9a-fA-F]{{32,}}");
    Regex::new(&format!(
        r"\A(?:(?<domain>{domain})/)?(?<path>{path})(?::(?<tag>{tag}))?(?:@(?<digest>{digest}))?\z"
    ))
    .unwrap()
});

/// The digests that go-digest takes: three algorithms, lower case, each with its length.
static DIGEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\A(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\z").unwrap()
});

static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A[a-f0-9]{64}\z").unwrap());
