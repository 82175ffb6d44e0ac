//! Images must be rebuilt: not be older than allowed, nor built on a base that has moved on.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume, and of the image
//!   itself when it was `created`, and the annotations (or labels)
//!   `org.opencontainers.image.base.name` and `.base.digest` (host capability
//!   `oci/v1/oci_manifest_config`); of its base image the current digest (`oci/v1/manifest_digest`,
//!   and `oci/v1/oci_manifest` where that is an index)
//! - **Unset** `created` that is absent, 1970 (a reproducible build) or in the future is an unknown
//!   age; without both annotations the base image is unknown
//! - **Allowed** an age up to `imageFreshness.maximumAge`, an unknown one by `unknownAge`; with
//!   `baseImage: current` an image whose recorded base digest is what the base name resolves to
//! - **Not applicable** where neither key is given, and to an image that `registries` has refused
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Automatically build new images on base image update"

use super::{Control, Findings, Lookups, Refusal};
use crate::host_calls::{self, Answer, BaseImage, Host, ImageConfig};
use crate::settings::{Check, Duration, Mode, section, words};
use crate::timestamp;
use crate::violation::Quoted;

section! {
    /// The section `imageFreshness`.
    pub(crate) struct ImageFreshness {
        "mode" mode: Mode = Mode::Warn,
        /// How old an image may be: `90d`, `12h`, `30m`.
        "maximumAge" maximum_age: Option<Duration> = None,
        /// What becomes of an image whose age cannot be told.
        "unknownAge" unknown_age: UnknownAge = UnknownAge::Reject,
        /// What is asked of the base image.
        "baseImage" base_image: BaseImageRule = BaseImageRule::Ignore,
    }
}

impl Check for ImageFreshness {}

words! {
    /// What becomes of an image whose age cannot be told.
    pub(crate) enum UnknownAge {
        Reject = "reject",
        Accept = "accept",
    }
}

words! {
    /// What is asked of the base image.
    pub(crate) enum BaseImageRule {
        /// That it is still what its name resolves to.
        Current = "current",
        /// Nothing.
        Ignore = "ignore",
    }
}

pub(super) fn judge<'w>(
    lookups: &Lookups<'_, 'w>,
    settings: &ImageFreshness,
    findings: &mut Findings<'w>,
) {
    if !settings.is_configured() {
        return;
    }
    let mut bases = Bases {
        host: lookups.host,
        known: Vec::new(),
    };
    for uses in lookups.distinct(Control::ImageFreshness, |_| true, findings) {
        let refusals = match host_calls::image_config(lookups.host, uses.text()) {
            Answer::Found(config) => {
                let of_age = settings.judge_age(&config, lookups.host.now());
                let of_base = settings.judge_base(config.base.as_ref(), &mut bases);
                of_age.into_iter().chain(of_base).collect()
            }
            Answer::Absent => vec![Refusal::Image(
                "which its registry does not have".to_owned(),
            )],
            Answer::Failed(failure) => {
                vec![Refusal::failed("which cannot be looked up", &failure)]
            }
        };
        for image in uses.images() {
            for refusal in &refusals {
                findings.refuse(Control::ImageFreshness, image, refusal, MUST);
            }
        }
    }
}

impl ImageFreshness {
    /// Whether there is anything to ask.
    pub(crate) fn is_configured(&self) -> bool {
        self.maximum_age.is_some() || self.base_image == BaseImageRule::Current
    }

    fn judge_age(&self, config: &ImageConfig, now: i64) -> Option<Refusal> {
        let maximum = self.maximum_age?;
        let created = config
            .created
            .as_deref()
            .and_then(timestamp::parse)
            .filter(|created| *created > 0);
        let age = created
            .and_then(|created| timestamp::age(created, now))
            .map(Duration::from_seconds);
        match age {
            Some(age) if age > maximum => Some(Refusal::Image(format!(
                "which was built over {age} ago, and {maximum} is allowed"
            ))),
            None if self.unknown_age == UnknownAge::Reject => Some(Refusal::Image(format!(
                "whose age is unknown: {}",
                if created.is_some() {
                    "by the policy server's clock it was built in the future"
                } else {
                    "it does not say when it was built"
                }
            ))),
            _ => None,
        }
    }

    fn judge_base(&self, base: Option<&BaseImage>, bases: &mut Bases<'_>) -> Option<Refusal> {
        if self.base_image == BaseImageRule::Ignore {
            return None;
        }
        let Some(base) = base else {
            return Some(Refusal::Image(
                "whose base image is unknown: it has no annotations \
                 org.opencontainers.image.base.name and .base.digest"
                    .to_owned(),
            ));
        };
        let name = Quoted(&base.name);
        match bases.has_moved(base) {
            Answer::Found(None) => None,
            Answer::Found(Some(current)) => Some(Refusal::Image(format!(
                "whose base image {name} has moved on, from {} to {}",
                Quoted(short(&base.digest)),
                Quoted(short(&current))
            ))),
            Answer::Absent => Some(Refusal::Image(format!(
                "whose base image {name} is gone from its registry"
            ))),
            Answer::Failed(failure) => {
                let what = format!("whose base image {name} cannot be looked up");
                Some(Refusal::failed(&what, &failure))
            }
        }
    }
}

/// What base names resolve to, each looked up once.
struct Bases<'l> {
    host: &'l dyn Host,
    // A list, because it is short: a map is thousands of bytes of code.
    known: Vec<Known>,
}

/// What is known of one base name.
struct Known {
    name: String,
    digest: Answer<String>,
    /// `None` until somebody wants to know.
    platforms: Option<Answer<Vec<String>>>,
}

impl Bases<'_> {
    /// The digest that the base's name means now, where that is not the recorded one.
    fn has_moved(&mut self, base: &BaseImage) -> Answer<Option<String>> {
        let host = self.host;
        let position = self.known.iter().position(|known| known.name == base.name);
        let known = match position.and_then(|position| self.known.get_mut(position)) {
            Some(known) => known,
            None => self.known.push_mut(Known {
                name: base.name.clone(),
                digest: host_calls::manifest_digest(host, &base.name),
                platforms: None,
            }),
        };
        let current = match &known.digest {
            Answer::Found(digest) if *digest == base.digest => return Answer::Found(None),
            Answer::Found(digest) => digest.clone(),
            Answer::Absent => return Answer::Absent,
            Answer::Failed(failure) => return Answer::Failed(failure.clone()),
        };
        // A builder may record the digest of the platform it built for, and the name may mean an
        // index: then the image is as current as the index.
        let platforms = known
            .platforms
            .get_or_insert_with(|| host_calls::platform_digests(host, &base.name));
        match platforms {
            Answer::Found(platforms) if platforms.contains(&base.digest) => Answer::Found(None),
            Answer::Found(_) | Answer::Absent => Answer::Found(Some(current)),
            Answer::Failed(failure) => Answer::Failed(failure.clone()),
        }
    }
}

/// A digest as container tools show it: two whole ones do not fit into a warning.
fn short(digest: &str) -> &str {
    digest.get(..SHORT_DIGEST).unwrap_or(digest)
}

/// `sha256:` and twelve digits.
const SHORT_DIGEST: usize = 19;
const MUST: &str = "name an image that was rebuilt since";
