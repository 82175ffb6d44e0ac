//! Image references, read exactly as containerd reads them.
//!
//! ```text
//! reference   = [ registry "/" ] repository [ ":" tag ] [ "@" digest ]
//! registry    = host [ ":" digits ]
//! host        = label { "." label } | "[" hex-and-colons "]"
//! label       = letter-or-digit [ { letter-or-digit | "-" } letter-or-digit ]
//! repository  = component { "/" component }                    at most 255 bytes
//! component   = lower-or-digit+ { separator lower-or-digit+ }
//! separator   = "." | "_" | "__" | "-"+
//! tag         = word-character { word-character | "." | "-" }  at most 128 bytes
//! digest      = ( "sha256" | "sha384" | "sha512" ) ":" lower-case-hex
//! ```
//!
//! What stands before the first `/` is a registry when it is `localhost` or holds a `.`, a `:` or
//! an upper-case letter; otherwise the registry is `docker.io`. A repository of one component on
//! `docker.io` is below `library/`. `index.docker.io` is `docker.io`. Case is kept.
//!
//! Source: `ParseNormalizedNamed` of distribution/reference, which containerd's `ParseDockerRef`
//! calls. The `oci-spec` crate reads upper-case hosts and IPv6 hosts differently, so a decision
//! based on it would be about another image than the one that is pulled.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::iter;
use std::mem;

/// A parsed image reference, in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    // First, because it is compared first, and what differs mostly differs here.
    path: &'a str,
    /// Whether the repository is below the `library/` that Docker Hub adds to short names.
    official: bool,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
    registry: &'a str,
    /// The two parts of the registry; see [`split_port`].
    host: &'a str,
    port: Option<&'a str>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceError {
    /// No text at all.
    Empty,
    /// Not of the form `[registry/]repository[:tag][@digest]`.
    Format,
    /// The repository holds an upper-case letter.
    Uppercase,
    /// The repository is longer than 255 bytes.
    TooLong,
    /// 64 hexadecimal digits: an image ID, not a name.
    Identifier,
    /// What a node takes for the ID of an image it already has, whatever its registry, or for the
    /// first digits of one.
    NodeLocalId,
    /// An algorithm other than sha256, sha384 and sha512.
    DigestUnsupported,
    /// The wrong number of digits for the digest's algorithm.
    DigestLength,
    /// Something other than lower-case hexadecimal digits in the digest.
    DigestFormat,
}

impl<'a> Reference<'a> {
    /// Parses a reference as a container's `image` gives it.
    ///
    /// # Errors
    ///
    /// Everything that [`Reference::parse`] refuses, and `sha256:<hex>`: by the grammar that is a
    /// tag of `docker.io/library/sha256`, but containerd, which has no such image, then takes it for
    /// the ID of any image already on the node, or for the first digits of one (`LocalResolve` of
    /// its CRI plugin, `Lookup` of go-digest's digestset).
    pub fn of_container(text: &'a str) -> Result<Self, ReferenceError> {
        if is_node_local_id(text) {
            return Err(ReferenceError::NodeLocalId);
        }
        Self::parse(text)
    }

    /// Parses and normalises a reference.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] where containerd would refuse the text.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if is_identifier(text) {
            return Err(ReferenceError::Identifier);
        }
        let (registry, rest) = split_registry(text);
        let (name, digest) = match split_once(rest, b'@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (rest, None),
        };
        // As the source does it: upper case is looked for up to the first colon, which may well
        // be the one inside the digest.
        let before_colon = split_once(rest, b':').map_or(rest, |(before, _)| before);
        if before_colon.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase);
        }
        let (path, tag) = match split_once(name, b':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name, None),
        };
        let (registry, path) = match registry {
            Some(host) if is_registry(host) => (host, path),
            // The source's expression then matches without a registry, and keeps none.
            Some(host) => {
                let end = host.len().saturating_add(1).saturating_add(path.len());
                ("", text.get(..end).unwrap_or_default())
            }
            None => (DOCKER_HUB, path),
        };
        if !split(path, b'/').all(is_component) || tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Format);
        }
        if let Some(digest) = digest {
            parse_digest(digest)?;
        }
        let (official, path) = match registry {
            DOCKER_HUB => split_official(path),
            _ => (false, path),
        };
        let prefix = if official {
            OFFICIAL.len().saturating_add(1)
        } else {
            0
        };
        if path.len().saturating_add(prefix) > MAX_REPOSITORY_BYTES {
            return Err(ReferenceError::TooLong);
        }
        let (host, port) = split_port(registry);
        Ok(Self {
            path,
            official,
            tag,
            digest,
            registry,
            host,
            port,
        })
    }

    /// Host and port as they are written (case kept), or `""` where the first part is a host to
    /// whoever pulls and no host to this grammar (`foo_bar.io/app`).
    #[must_use]
    pub fn registry(&self) -> &'a str {
        self.registry
    }

    /// The repository without the registry: `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> Cow<'a, str> {
        if self.official {
            Cow::Owned(format!("{OFFICIAL}/{}", self.path))
        } else {
            Cow::Borrowed(self.path)
        }
    }

    /// The segments of [`Reference::repository`].
    pub fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.official
            .then_some(OFFICIAL)
            .into_iter()
            .chain(split(self.path, b'/'))
    }

    /// The tag that is written, also where a digest makes it meaningless.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// The tag that is pulled: `latest` where neither tag nor digest is written, none where a
    /// digest is.
    #[must_use]
    pub fn pulled_tag(&self) -> Option<&'a str> {
        match self.digest {
            Some(_) => None,
            None => Some(self.tag.unwrap_or(DEFAULT_TAG)),
        }
    }

    /// `algorithm:hex`, where the reference is pinned.
    #[must_use]
    pub fn digest(&self) -> Option<&'a str> {
        self.digest
    }

    /// The same image by its usual name: without the port that HTTPS has anyway, and without the
    /// other names that Docker Hub answers to. A node pulls by the name that is written.
    #[must_use]
    pub fn by_usual_name(&self) -> Self {
        let (host, port) = usual_host(self.host, self.port);
        if port != self.port || host != self.host {
            let (official, path) = match host {
                // Written with another name of it, so that nothing is taken off the path yet.
                DOCKER_HUB => split_official(self.path),
                _ => (false, self.path),
            };
            return Self {
                path,
                official,
                // A port that is left is part of the registry as it is written.
                registry: if port.is_some() { self.registry } else { host },
                host,
                port,
                ..*self
            };
        }
        *self
    }

    /// Whether this is an official image of Docker Hub, whose repository may be written without the
    /// `library/` that it is below.
    pub(super) fn is_official(&self) -> bool {
        self.official
    }

    pub(super) fn host(&self) -> &'a str {
        self.host
    }

    pub(super) fn port(&self) -> Option<&'a str> {
        self.port
    }
}

impl Display for Reference<'_> {
    /// The normal form: parsing it again gives the same reference.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.registry.is_empty() {
            write!(f, "{}/", self.registry)?;
        }
        f.write_str(&self.repository())?;
        if let Some(tag) = self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Display for ReferenceError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Format => "it is not of the form [registry/]repository[:tag][@digest]",
            Self::Uppercase => "its repository is not in lower case",
            Self::TooLong => "its repository is longer than 255 characters",
            Self::Identifier => "it is an image ID, not a name",
            Self::NodeLocalId => {
                "it is the ID of an image that a node may already have, from any registry, or the \
                 beginning of one"
            }
            Self::DigestUnsupported => "its digest is not sha256, sha384 or sha512",
            Self::DigestLength => "its digest has the wrong length",
            Self::DigestFormat => "its digest is not lower-case hexadecimal",
        })
    }
}

impl std::error::Error for ReferenceError {}

// std's search is made for long texts; on these it takes more instructions than a loop.

/// What stands before and behind the first separator.
pub(super) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let position = text.bytes().position(|byte| byte == separator)?;
    let (before, rest) = text.split_at_checked(position)?;
    Some((before, rest.get(1..)?))
}

/// What stands between separators.
pub(super) fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    iter::from_fn(move || match split_once(rest?, separator) {
        Some((part, behind)) => {
            rest = Some(behind);
            Some(part)
        }
        None => rest.take(),
    })
}

/// Splits off what stands for a registry: `None` for Docker Hub.
fn split_registry(text: &str) -> (Option<&str>, &str) {
    match split_once(text, b'/') {
        Some((DOCKER_HUB | DOCKER_HUB_LEGACY, rest)) => (None, rest),
        Some((host, rest)) if means_registry(host) => (Some(host), rest),
        _ => (None, text),
    }
}

/// Whether a repository on Docker Hub is an official image's, and its path without `library/`: both
/// names of an official image are one reference.
fn split_official(path: &str) -> (bool, &str) {
    match split_once(path, b'/') {
        None => (true, path),
        Some((OFFICIAL, name)) => (true, name),
        Some(_) => (false, path),
    }
}

fn means_registry(first: &str) -> bool {
    first == "localhost"
        || first
            .bytes()
            .any(|byte| matches!(byte, b'.' | b':') || byte.is_ascii_uppercase())
}

/// Whether this is `host[:port]`.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host_is_valid, after_host) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = split_once(rest, b']') else {
            return false;
        };
        (is_ipv6(address), after)
    } else {
        let host = split_once(text, b':').map_or(text, |(host, _)| host);
        (is_domain(host), text.get(host.len()..).unwrap_or_default())
    };
    host_is_valid && (after_host.is_empty() || after_host.strip_prefix(':').is_some_and(is_port))
}

fn is_ipv6(address: &str) -> bool {
    !address.is_empty()
        && address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

/// Host and port of a registry. The port is without leading zeros: whoever pulls reads a number.
pub(crate) fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        Some((host, port)) if is_port(port) => {
            let number = port.trim_start_matches('0');
            (host, Some(if number.is_empty() { "0" } else { number }))
        }
        _ => (registry, None),
    }
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether these are labels with dots between them.
fn is_domain(host: &str) -> bool {
    let mut previous = b'.';
    let is_in_place = |byte| {
        let previous = mem::replace(&mut previous, byte);
        match byte {
            b'.' => previous.is_ascii_alphanumeric(),
            b'-' => previous != b'.',
            _ => byte.is_ascii_alphanumeric(),
        }
    };
    host.bytes().all(is_in_place) && previous.is_ascii_alphanumeric()
}

/// Whether this is one segment of a repository.
pub(super) fn is_component(component: &str) -> bool {
    let is_word = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = component.as_bytes();
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes
            .split(is_word)
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || is_dashes(separator))
}

fn is_dashes(separator: &[u8]) -> bool {
    separator.iter().all(|byte| *byte == b'-')
}

pub(crate) fn is_tag(tag: &str) -> bool {
    tag.len() <= MAX_TAG_BYTES
        && !tag.is_empty()
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The parts of the grammar as patterns, for those who check settings before the policy does.
#[cfg(feature = "schema")]
pub(crate) mod grammar {
    pub(crate) const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
    pub(crate) const IPV6: &str = r"\[[0-9A-Fa-f:]+\]";
    pub(crate) const PORT: &str = ":[0-9]+";
    pub(crate) const COMPONENT: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    pub(crate) const TAG: &str = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    pub(crate) const DIGEST: &str =
        "(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})";
}

/// Checks `algorithm:hex`.
pub(super) fn parse_digest(digest: &str) -> Result<(), ReferenceError> {
    let (algorithm, hex) = split_once(digest, b':').ok_or(ReferenceError::Format)?;
    if algorithm.is_empty()
        || hex.len() < MIN_DIGEST_DIGITS
        || !hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(ReferenceError::Format);
    }
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if is_algorithm(algorithm) => return Err(ReferenceError::DigestUnsupported),
        _ => return Err(ReferenceError::Format),
    };
    if hex.len() != digits {
        return Err(ReferenceError::DigestLength);
    }
    if hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::DigestFormat);
    }
    Ok(())
}

/// Whether this has the form of a digest algorithm: words joined by one of `-_+.`.
fn is_algorithm(text: &str) -> bool {
    text.split(['-', '_', '+', '.']).all(|word| {
        word.bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Host and port by which a registry is usually named: Docker Hub has several names, and HTTPS a
/// port that need not be written.
pub(crate) fn usual_host<'h>(host: &'h str, port: Option<&'h str>) -> (&'h str, Option<&'h str>) {
    match port {
        Some(port) if port != HTTPS_PORT => (host, Some(port)),
        _ if DOCKER_HUB_HOSTS
            .iter()
            .any(|name| host.eq_ignore_ascii_case(name)) =>
        {
            (DOCKER_HUB, None)
        }
        _ => (host, None),
    }
}

/// Whether this is `algorithm:hex` and nothing else: all of an image ID, or its first digits.
fn is_node_local_id(text: &str) -> bool {
    split_once(text, b':').is_some_and(|(algorithm, hex)| {
        matches!(algorithm, "sha256" | "sha384" | "sha512")
            && !hex.is_empty()
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_identifier(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) const DOCKER_HUB: &str = "docker.io";
pub(super) const DOCKER_HUB_LEGACY: &str = "index.docker.io";
pub(super) const OFFICIAL: &str = "library";
/// What serves Docker Hub. Whoever pulls rewrites the second to the first, and not the others.
pub(super) const DOCKER_HUB_HOSTS: [&str; 4] = [
    DOCKER_HUB,
    DOCKER_HUB_LEGACY,
    "registry-1.docker.io",
    "registry.hub.docker.com",
];
const HTTPS_PORT: &str = "443";
const DEFAULT_TAG: &str = "latest";
const MAX_REPOSITORY_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
const MIN_DIGEST_DIGITS: usize = 32;
