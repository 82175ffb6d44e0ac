//! Image patterns: the entries of allow lists, reject lists, signature rules and exemptions.
//!
//! ```text
//! pattern = host [ ":" port ] { "/" segment } [ ":" tag | "@" digest ]
//! host    = [ "*." ] name | "localhost" | "[" ipv6 "]"
//! segment = "*" | component
//! ```
//!
//! A pattern matches a reference when host and port are equal and its segments are the first
//! segments of the reference's repository. `*` is exactly one segment, or one leading label of
//! the host. With a tag or digest the pattern means one image: then all segments must match.
//!
//! Matching never looks at raw text: `ghcr.io/org` cannot match `ghcr.io/org-evil/app`, nor
//! `evil.io/ghcr.io/org/app`.

use std::fmt::{self, Display, Formatter};

use super::reference::{
    DOCKER_HUB, DOCKER_HUB_HOSTS, DOCKER_HUB_LEGACY, OFFICIAL, Reference, is_component,
    is_registry, is_tag, parse_digest, split, split_once, split_port, usual_host,
};
use crate::decode::{Decode, Node, Problems, describe};
use crate::text::Quoted;

/// One entry of a list of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePattern {
    host: HostPattern,
    segments: Vec<Segment>,
    version: Option<Version>,
}

/// Host and port in lower case, Docker Hub's old name replaced by its new one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPattern {
    /// Whether one label, any one, stands before the name.
    any_label: bool,
    name: String,
    port: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Tag(String),
    Digest(String),
}

/// Why a text is no image pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// No text at all.
    Empty,
    /// A bare `*`.
    Everything,
    /// A URL: the scheme does not belong in it.
    Scheme(String),
    /// A `/` at the end; the pattern without it.
    TrailingSlash(String),
    /// The first part is no host; what to write instead, if it is a name on Docker Hub.
    NoHost(String),
    /// `*` elsewhere than for a whole segment or a whole leading label.
    Wildcard,
    /// The host is not one.
    Host,
    /// A segment, tag or digest that no image reference can have.
    Path,
}

impl ImagePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`], whose text says what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text == "*" {
            return Err(PatternError::Everything);
        }
        if let Some((_, rest)) = split_once(text, b':')
            && let Some(rest) = rest.strip_prefix("//")
        {
            return Err(PatternError::Scheme(rest.trim_end_matches('/').to_owned()));
        }
        if let Some(rest) = text.strip_suffix('/')
            && Self::parse(rest).is_ok()
        {
            return Err(PatternError::TrailingSlash(rest.to_owned()));
        }
        let (host, rest) = match split_once(text, b'/') {
            Some((host, rest)) => (host, Some(rest)),
            None => (text, None),
        };
        let host = HostPattern::parse(host, text)?;
        let (path, version) = match rest {
            None => (None, None),
            Some(rest) => split_version(rest)?,
        };
        let mut segments: Vec<Segment> = path
            .map(|path| split(path, b'/').map(Segment::parse).collect())
            .transpose()?
            .unwrap_or_default();
        // A pattern for one exact image means what the same reference means.
        if version.is_some() && segments.len() == 1 && host.is_docker_hub() {
            segments.insert(0, Segment::Exactly(OFFICIAL.to_owned()));
        }
        Ok(Self {
            host,
            segments,
            version,
        })
    }

    /// Whether the pattern in a list that opens means this reference: exactly the registry that is
    /// written, and the tag that is pulled.
    #[must_use]
    pub fn matches(&self, reference: &Reference<'_>) -> bool {
        let is_pulled = |tag: &str| reference.pulled_tag() == Some(tag);
        self.host.matches(reference)
            && self.matches_path(reference.segments(), reference.digest(), is_pulled)
    }

    /// Whether the pattern in a list that restricts means this reference. There another name of the
    /// same registry is that registry, a tag is meant also where a digest stands behind it, and
    /// `docker.io/nginx` is both an organisation and the official image that some write so: no other
    /// spelling leads past the list.
    #[must_use]
    pub fn restricts(&self, reference: &Reference<'_>) -> bool {
        // As a rule it is another host.
        if !self
            .host
            .restricts(usual_host(reference.host(), reference.port()))
        {
            return false;
        }
        let usual = reference.by_usual_name();
        let is_written = |tag: &str| usual.tag().or(usual.pulled_tag()) == Some(tag);
        self.matches_path(usual.segments(), usual.digest(), is_written) || self.is_short_for(&usual)
    }

    /// Whether the pattern is how some write the official image of this reference: `docker.io/nginx`
    /// for `docker.io/library/nginx`.
    pub(crate) fn is_short_for(&self, reference: &Reference<'_>) -> bool {
        let is_written = |tag: &str| reference.tag().or(reference.pulled_tag()) == Some(tag);
        self.segments.len() == 1
            && reference.is_official()
            && self.host.restricts((reference.host(), reference.port()))
            && self.matches_path(reference.segments().skip(1), reference.digest(), is_written)
    }

    fn matches_path<'r>(
        &self,
        mut segments: impl Iterator<Item = &'r str>,
        digest: Option<&str>,
        has_tag: impl Fn(&str) -> bool,
    ) -> bool {
        let prefix_matches = self.segments.iter().all(|expected| {
            segments
                .next()
                .is_some_and(|segment| expected.matches(segment))
        });
        prefix_matches
            && match &self.version {
                None => true,
                Some(Version::Tag(tag)) => segments.next().is_none() && has_tag(tag),
                Some(Version::Digest(expected)) => {
                    segments.next().is_none() && digest == Some(expected)
                }
            }
    }

    /// Why this pattern would open an allow list to everyone: anybody can get a registry, or a
    /// repository, that it matches.
    #[must_use]
    pub fn opens_to_everyone(&self) -> Option<String> {
        if !self.host.any_label {
            return None;
        }
        let domain = self.host.name.as_str();
        let names_tenant = matches!(self.segments.first(), Some(Segment::Exactly(_)));
        let is_shared = SHARED_REGISTRIES.iter().any(|(shared, tenant)| {
            is_below(domain, shared) && (*tenant == Tenant::Host || !names_tenant)
        });
        (is_shared || is_public_suffix(domain))
            .then(|| format!("anyone can push to some registry below {domain}; name your own"))
    }
}

/// Whether this is the domain or one below it.
fn is_below(domain: &str, above: &str) -> bool {
    domain
        .strip_suffix(above)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether anybody can register a domain below this one: a top-level domain, or what stands in a
/// country's for one (`co.uk`). The list of all of them is larger than the policy.
fn is_public_suffix(domain: &str) -> bool {
    match domain.rsplit_once('.') {
        None => true,
        Some((second_level, country)) => {
            country.len() == 2 && SECOND_LEVELS.contains(&second_level)
        }
    }
}

impl HostPattern {
    fn parse(host: &str, text: &str) -> Result<Self, PatternError> {
        let lower = host.to_ascii_lowercase();
        let (any_label, registry) = match lower.strip_prefix("*.") {
            Some(suffix) if suffix.starts_with('[') => return Err(PatternError::Host),
            Some(suffix) => (true, suffix),
            None => (false, lower.as_str()),
        };
        if registry.contains('*') {
            return Err(if any_label {
                PatternError::Host
            } else {
                PatternError::Wildcard
            });
        }
        if !any_label && !looks_like_host(registry) {
            let suggestion = on_docker_hub(text);
            return Err(match ImagePattern::parse(&suggestion) {
                Ok(_) => PatternError::NoHost(suggestion),
                Err(_) => PatternError::Host,
            });
        }
        if !is_registry(registry) {
            return Err(PatternError::Host);
        }
        let (name, port) = split_port(registry);
        let is_legacy = !any_label && registry == DOCKER_HUB_LEGACY;
        Ok(Self {
            any_label,
            name: if is_legacy { DOCKER_HUB } else { name }.to_owned(),
            port: port.map(ToOwned::to_owned),
        })
    }

    fn is_docker_hub(&self) -> bool {
        !self.any_label && self.name == DOCKER_HUB && self.port.is_none()
    }

    fn matches(&self, reference: &Reference<'_>) -> bool {
        let host = reference.host();
        reference.port() == self.port.as_deref()
            && (self.is_called(&self.name, host)
                || (self.is_docker_hub() && host.eq_ignore_ascii_case(DOCKER_HUB_LEGACY)))
    }

    /// Whether this is the registry of this usual name, however the pattern is written.
    fn restricts(&self, (host, port): (&str, Option<&str>)) -> bool {
        // The usual name of a pattern is its own, or Docker Hub's.
        if !self.any_label && host.len() != self.name.len() && host != DOCKER_HUB {
            return false;
        }
        let (_, own_port) = usual_host(&self.name, self.port.as_deref());
        let is_called = |host: &&str| self.is_called(&self.name, host);
        port == own_port
            && match host {
                // Its other names are meant, too.
                DOCKER_HUB if port.is_none() => DOCKER_HUB_HOSTS.iter().any(is_called),
                host => is_called(&host),
            }
    }

    fn is_called(&self, name: &str, host: &str) -> bool {
        if !self.any_label {
            return host.eq_ignore_ascii_case(name);
        }
        let label = host.len().checked_sub(name.len());
        label
            .and_then(|label| host.split_at_checked(label))
            .filter(|(_, rest)| rest.eq_ignore_ascii_case(name))
            .and_then(|(label, _)| label.strip_suffix('.'))
            .is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }
}

/// Whether this can only be a host: it has a dot or a port, or is `localhost` or an address.
fn looks_like_host(text: &str) -> bool {
    match split_once(text, b':') {
        _ if text.starts_with('[') => true,
        Some((name, port)) => {
            name == "localhost"
                || name.contains('.')
                || port.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => text == "localhost" || text.contains('.'),
    }
}

/// What somebody who writes a name without a host means.
fn on_docker_hub(text: &str) -> String {
    if text.contains('/') {
        format!("{DOCKER_HUB}/{text}")
    } else {
        format!("{DOCKER_HUB}/library/{text}")
    }
}

fn split_version(rest: &str) -> Result<(Option<&str>, Option<Version>), PatternError> {
    if let Some((path, digest)) = split_once(rest, b'@') {
        parse_digest(digest).map_err(|_| PatternError::Path)?;
        return Ok((Some(path), Some(Version::Digest(digest.to_owned()))));
    }
    match split_once(rest, b':') {
        Some((path, tag)) if is_tag(tag) => Ok((Some(path), Some(Version::Tag(tag.to_owned())))),
        Some(_) => Err(PatternError::Path),
        None => Ok((Some(rest), None)),
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, PatternError> {
        match segment {
            "*" => Ok(Self::Any),
            segment if is_component(segment) => Ok(Self::Exactly(segment.to_owned())),
            segment if segment.contains('*') => Err(PatternError::Wildcard),
            _ => Err(PatternError::Path),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Exactly(expected) => expected == segment,
            Self::Any => true,
        }
    }
}

impl Display for ImagePattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.host.any_label {
            f.write_str("*.")?;
        }
        f.write_str(&self.host.name)?;
        if let Some(port) = &self.host.port {
            write!(f, ":{port}")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Exactly(segment) => write!(f, "/{segment}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        match &self.version {
            None => Ok(()),
            Some(Version::Tag(tag)) => write!(f, ":{tag}"),
            Some(Version::Digest(digest)) => write!(f, "@{digest}"),
        }
    }
}

impl Display for PatternError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; write a registry, e.g. myregistry.azurecr.io"),
            Self::Everything => f.write_str("would match every image; name the registries"),
            Self::Scheme(rest) => write!(f, "has a scheme; write {}", Quoted(rest)),
            Self::TrailingSlash(rest) => write!(f, "ends in a slash; drop the slash: {}", Quoted(rest)),
            Self::NoHost(suggestion) => {
                write!(f, "has no registry; did you mean {}?", Quoted(suggestion))
            }
            Self::Wildcard => f.write_str(
                "has a * that is neither one whole path segment nor the whole first label of the host",
            ),
            Self::Host => f.write_str("does not begin with a valid host[:port]"),
            Self::Path => f.write_str("is not of the form host[:port][/path][:tag|@digest]"),
        }
    }
}

impl std::error::Error for PatternError {}

impl Decode for ImagePattern {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?;
        match Self::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                problems.report(format!("{} {error}", Quoted(text)));
                None
            }
        }
    }
}

describe!(
    ImagePattern: {"type": "string", "pattern": pattern_in_schema()},
    |pattern| pattern.to_string().into(),
);

/// The grammar at the head of this file.
#[cfg(feature = "schema")]
fn pattern_in_schema() -> String {
    use super::reference::grammar::{COMPONENT, DIGEST, IPV6, LABEL, PORT, TAG};

    let localhost = crate::schema::any_case("localhost");
    let name = format!(r"{LABEL}(?:\.{LABEL})");
    let host = format!(r"(?:(?:\*\.{name}*|{name}+|{localhost}|{IPV6})(?:{PORT})?|{LABEL}{PORT})");
    format!(r"^{host}(?:(?:/(?:\*|{COMPONENT}))+(?::{TAG}|@{DIGEST})?)?$")
}

/// A pattern in a list that lets images in: it must not let everyone's images in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedImage(ImagePattern);

describe!(
    AllowedImage: {
        "description":
            "A pattern in a list that lets images in: it must not let everyone's images in.",
        "type": "string",
        "pattern": pattern_in_schema(),
        "not": open_in_schema(),
    },
    |allowed| allowed.to_string().into(),
);

/// What [`ImagePattern::opens_to_everyone`] finds.
#[cfg(feature = "schema")]
fn open_in_schema() -> crate::schema::Value {
    use super::reference::grammar::PORT;
    use crate::schema::any_case;

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
    crate::schema::json!({"anyOf": [
        {"pattern": format!(
            r"^\*\.(?:[^./]+|(?:{countries})\.[A-Za-z]{{2}}(?:{PORT})?|{hosts}(?:{PORT})?)(?:/|$)"
        )},
        {"pattern": format!(r"^\*\.{paths}(?:{PORT})?(?:/\*|$)")},
    ]})
}

impl AllowedImage {
    pub(crate) fn matches(&self, reference: &Reference<'_>) -> bool {
        self.0.matches(reference)
    }

    pub(crate) fn pattern(&self) -> &ImagePattern {
        &self.0
    }
}

impl Display for AllowedImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Decode for AllowedImage {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let pattern = ImagePattern::decode(node, problems)?;
        if let Some(reason) = pattern.opens_to_everyone() {
            problems.report(format_args!(
                "\"{pattern}\" opens the list to everyone: {reason}"
            ));
            return None;
        }
        Some(Self(pattern))
    }
}

/// What tells one customer of a shared registry from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenant {
    /// The host: a path below it restricts nothing.
    Host,
    /// The first part of the repository.
    Path,
}

/// Domains below which anybody can have a registry, a repository, or a name that leads to a machine
/// of their own.
const SHARED_REGISTRIES: &[(&str, Tenant)] = &[
    // Registries.
    ("azurecr.io", Tenant::Host),
    ("azurecr.cn", Tenant::Host),
    ("azurecr.us", Tenant::Host),
    ("cr.aliyuncs.com", Tenant::Host),
    ("cr.volces.com", Tenant::Host),
    ("jfrog.io", Tenant::Host),
    ("ncr.ntruss.com", Tenant::Host),
    ("tencentcloudcr.com", Tenant::Host),
    ("aliyuncs.com", Tenant::Path),
    ("cloudsmith.io", Tenant::Path),
    ("docker.io", Tenant::Path),
    ("gcr.io", Tenant::Path),
    ("ghcr.io", Tenant::Path),
    ("gitlab.com", Tenant::Path),
    ("icr.io", Tenant::Path),
    ("myhuaweicloud.com", Tenant::Path),
    ("ocir.io", Tenant::Path),
    ("oraclecloud.com", Tenant::Path),
    ("pkg.dev", Tenant::Path),
    ("quay.io", Tenant::Path),
    ("scw.cloud", Tenant::Path),
    ("tencentyun.com", Tenant::Path),
    ("vultrcr.com", Tenant::Path),
    // Hosts of customers.
    ("amazonaws.com", Tenant::Host),
    ("amazonaws.com.cn", Tenant::Host),
    ("amazonaws.eu", Tenant::Host),
    ("appspot.com", Tenant::Host),
    ("awsapprunner.com", Tenant::Host),
    ("azurecontainer.io", Tenant::Host),
    ("azurecontainerapps.io", Tenant::Host),
    ("azureedge.net", Tenant::Host),
    ("azurefd.net", Tenant::Host),
    ("azurestaticapps.net", Tenant::Host),
    ("azurewebsites.net", Tenant::Host),
    ("azurewebsites.us", Tenant::Host),
    ("chinacloudapp.cn", Tenant::Host),
    ("chinacloudsites.cn", Tenant::Host),
    ("cloudapp.azure.com", Tenant::Host),
    ("cloudapp.net", Tenant::Host),
    ("cloudfront.net", Tenant::Host),
    ("core.windows.net", Tenant::Host),
    ("elasticbeanstalk.com", Tenant::Host),
    ("fly.dev", Tenant::Host),
    ("github.io", Tenant::Host),
    ("gitlab.io", Tenant::Host),
    ("gitpod.io", Tenant::Host),
    ("googleusercontent.com", Tenant::Host),
    ("herokuapp.com", Tenant::Host),
    ("linodeusercontent.com", Tenant::Host),
    ("netlify.app", Tenant::Host),
    ("on.aws", Tenant::Host),
    ("ondigitalocean.app", Tenant::Host),
    ("onrender.com", Tenant::Host),
    ("pages.dev", Tenant::Host),
    ("r2.dev", Tenant::Host),
    ("railway.app", Tenant::Host),
    ("run.app", Tenant::Host),
    ("trafficmanager.net", Tenant::Host),
    ("usgovcloudapp.net", Tenant::Host),
    ("vercel.app", Tenant::Host),
    ("workers.dev", Tenant::Host),
    // Names for any address, and tunnels to any machine.
    ("app.github.dev", Tenant::Host),
    ("ddns.net", Tenant::Host),
    ("devtunnels.ms", Tenant::Host),
    ("duckdns.org", Tenant::Host),
    ("lhr.life", Tenant::Host),
    ("loca.lt", Tenant::Host),
    ("ngrok-free.app", Tenant::Host),
    ("ngrok-free.dev", Tenant::Host),
    ("ngrok.app", Tenant::Host),
    ("ngrok.dev", Tenant::Host),
    ("ngrok.io", Tenant::Host),
    ("nip.io", Tenant::Host),
    ("serveo.net", Tenant::Host),
    ("sslip.io", Tenant::Host),
    ("traefik.me", Tenant::Host),
    ("trycloudflare.com", Tenant::Host),
    ("xip.io", Tenant::Host),
];

/// What stands before a country's domain where that sells domains below it.
const SECOND_LEVELS: [&str; 20] = [
    "ac", "asn", "co", "com", "edu", "go", "gob", "gouv", "gov", "govt", "id", "ltd", "me", "mil",
    "ne", "net", "or", "org", "plc", "sch",
];
