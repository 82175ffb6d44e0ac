//! Images must be rebuilt: not be older than allowed, nor built on a base that has moved on.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume, and of the image
//!   itself when it was `created` (else `org.opencontainers.image.created`), and the annotations (or
//!   labels) `org.opencontainers.image.base.name` and `.base.digest` (host capability
//!   `oci/v1/oci_manifest_config`); of its base image the current digest (`oci/v1/manifest_digest`,
//!   and `oci/v1/oci_manifest` where that is an index)
//! - **Unset** without a date, with one before 1990 (build tools write 1970 or 1980 for none) and
//!   with one in the future the age is unknown; without both annotations, without a tag in the name,
//!   and where the base may not be looked up the base image is unknown
//! - **Allowed** an age up to `imageFreshness.maximumAge`, an unknown one by `unknownAge`; with
//!   `baseImage: current` an image whose recorded base digest is what the base name resolves to, an
//!   unknown base by `unknownBase`. Of an index without the host's own platform every image counts
//! - **Not applicable** where neither key is given, and to an image that `registries` has refused
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Automatically build new images on base image update"

use crate::decode::{Choices, Mode, Problems, Written, loosens, section, words};
use crate::finding::Findings;
use crate::host_calls::{self, Answer, BaseImage, Host, ImageConfig};
use crate::image::pattern::AllowedImage;
use crate::image::reference::Reference;
use crate::lookups::{Lookups, Refusal};
use crate::text::Quoted;
use crate::time::{self, Duration};

section! {
    /// Images are not older than you allow, and stand on the current version of their base.
    ///
    /// Asks the image's registry (host capabilities `oci/v1/oci_manifest_config`, `oci/v1/manifest_digest`,
    /// `oci/v1/oci_manifest`).
    pub(crate) struct ImageFreshness {
        "mode" mode: Mode = Mode::Warn,
        /// How old an image may be, such as `90d`, counted from when it was `created`.
        "maximumAge" maximum_age: Option<Duration> = None,
        /// `accept`: an image that says no time, one before 1990 (1970 and 1980 stand for none) or one
        /// in the future passes.
        "unknownAge" unknown_age: Unknown = Unknown::Reject,
        /// `current`: the base image that the image records must still be what its name means.
        "baseImage" base_image: BaseImageRule = BaseImageRule::Ignore,
        /// `accept`: an image passes whose base is not known (with `baseImage: current` alone it needs
        /// `baseRegistries` or `registries.allow`, or nothing would be looked up).
        "unknownBase" unknown_base: Unknown = Unknown::Reject,
        /// Image patterns: where base images may be looked up; not set is where `registries.allow`
        /// allows, if that is set.
        "baseRegistries" base_registries: Option<Choices<AllowedImage>> = None,
    }
    check: ImageFreshness::check,
    schema: ImageFreshness::check_in_schema
}

impl ImageFreshness {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if !self.is_configured() {
            let is_tuned = self.unknown_age == Unknown::Accept
                || self.unknown_base == Unknown::Accept
                || self.base_registries.is_some();
            let lacks = "maximumAge or baseImage: current";
            written.refuse_idle(self.mode, is_tuned, lacks, problems);
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{given, json, refuse_idle};

        let finders = [
            given("maximumAge", &json!({"type": "string"})),
            given("baseImage", &json!({"const": "current"})),
        ];
        let reject = json!({"enum": [null, "reject"]});
        let harmless = json!({
            "unknownAge": reject,
            "unknownBase": reject,
            "baseRegistries": {"type": "null"},
        });
        refuse_idle(schema, &finders, &harmless);
    }
}

words! {
    /// What becomes of an image of which something cannot be told.
    pub(crate) enum Unknown {
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

loosens! {
    ImageFreshness {
        "unknownAge" unknown_age: Unknown = Unknown::Accept,
        "unknownBase" unknown_base: Unknown = Unknown::Accept,
    }
}

pub(crate) fn judge<'p>(
    lookups: &Lookups<'_, 'p>,
    settings: &ImageFreshness,
    findings: &mut Findings<'p>,
) {
    if !settings.is_configured() {
        return;
    }
    let mut bases = Bases {
        host: lookups.inquiry.host,
        known: Vec::new(),
    };
    for uses in lookups.distinct(&|_| true, findings) {
        let refusals = match lookups.inquiry.configs(uses.reference) {
            Answer::Found(configs) => {
                let now = lookups.inquiry.host.now();
                let of_age = configs
                    .iter()
                    .find_map(|config| settings.judge_age(config, now));
                let of_base = configs
                    .iter()
                    .find_map(|config| settings.judge_base(config, lookups, &mut bases));
                of_age.into_iter().chain(of_base).collect()
            }
            Answer::Absent => vec![image(
                "which its registry does not have",
                "name one that exists",
            )],
            Answer::Failed(failure) => {
                vec![(
                    Refusal::failed("which cannot be looked up", failure),
                    REBUILT,
                )]
            }
        };
        for image in uses.images() {
            for (refusal, must) in &refusals {
                findings.refuse(image, refusal, must);
            }
        }
    }
}

/// Why an image is refused, and what another one must do.
type Objection = (Refusal, &'static str);

fn image(reason: impl Into<String>, must: &'static str) -> Objection {
    (Refusal::Told(reason.into()), must)
}

impl ImageFreshness {
    /// Whether there is anything to ask.
    fn is_configured(&self) -> bool {
        self.maximum_age.is_some() || self.base_image == BaseImageRule::Current
    }

    /// Whether all that is asked is about base images which only `registries.allow` says where to find.
    pub(crate) fn is_about_allowed_bases(&self) -> bool {
        self.maximum_age.is_none()
            && self.base_image == BaseImageRule::Current
            && self.unknown_base == Unknown::Accept
            && self.base_registries.is_none()
    }

    fn judge_age(&self, config: &ImageConfig, now: i64) -> Option<Objection> {
        let maximum = self.maximum_age?;
        let created = config
            .created
            .iter()
            .filter_map(|created| time::parse(created))
            .find(|created| *created >= FIRST_DATE);
        let age = created
            .and_then(|created| time::age(created, now))
            .map(Duration::from_seconds);
        let unknown = |why: &str| {
            let reason = format!("whose age is unknown: {why}");
            (self.unknown_age == Unknown::Reject).then(|| image(reason, DATED))
        };
        match age {
            Some(age) if age > maximum => {
                let reason = format!("which was built over {age} ago, and {maximum} is allowed");
                Some(image(reason, REBUILT))
            }
            Some(_) => None,
            None if created.is_some() => {
                unknown("by the policy server's clock it was built in the future")
            }
            None => unknown("it does not say when it was built"),
        }
    }

    fn judge_base(
        &self,
        config: &ImageConfig,
        lookups: &Lookups<'_, '_>,
        bases: &mut Bases<'_>,
    ) -> Option<Objection> {
        if self.base_image == BaseImageRule::Ignore {
            return None;
        }
        let unknown = |why: String, must| {
            let reason = format!("whose base image is unknown: {why}");
            (self.unknown_base == Unknown::Reject).then(|| image(reason, must))
        };
        let Some(base) = &config.base else {
            let why = "it has no annotations org.opencontainers.image.base.name and .base.digest";
            return unknown(why.to_owned(), WITH_BASE);
        };
        let name = Quoted(&base.name);
        // A digest in the name would only be compared with itself.
        let tagged = base.name.split('@').next().unwrap_or_default();
        let Some(reference) = Reference::parse(tagged)
            .ok()
            .filter(|reference| reference.tag().is_some())
        else {
            let why = format!("{name} has no tag that could be looked up");
            return unknown(why, WITH_BASE);
        };
        let may_be_asked = match &self.base_registries {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(&reference)),
            None => (lookups.is_from_allowed_registry)(&reference),
        };
        if !may_be_asked {
            // Whoever builds an image writes this name, and must not choose whom the policy server
            // contacts.
            let why = format!(
                "{name} is not looked up, because {} it",
                if self.base_registries.is_some() {
                    "imageFreshness.baseRegistries does not allow"
                } else {
                    "without imageFreshness.baseRegistries, registries.allow must allow"
                }
            );
            return unknown(why, WITH_ALLOWED_BASE);
        }
        match bases.has_moved(tagged, base) {
            Answer::Found(None) => None,
            Answer::Found(Some(current)) => Some(image(
                format!(
                    "whose base image {name} has moved on, from {} to {}",
                    Quoted(short(&base.digest)),
                    Quoted(short(&current))
                ),
                REBUILT,
            )),
            Answer::Absent => Some(image(
                format!("whose base image {name} is gone from its registry"),
                REBUILT,
            )),
            Answer::Failed(failure) => {
                let what = format!("whose base image {name} cannot be looked up");
                Some((Refusal::failed(&what, &failure), REBUILT))
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
    /// The digest that the base's name, up to its tag, means now, where that is not the recorded one.
    fn has_moved(&mut self, tagged: &str, base: &BaseImage) -> Answer<Option<String>> {
        let host = self.host;
        let position = self.known.iter().position(|known| known.name == tagged);
        let known = match position.and_then(|position| self.known.get_mut(position)) {
            Some(known) => known,
            None => self.known.push_mut(Known {
                name: tagged.to_owned(),
                digest: host_calls::manifest_digest(host, tagged),
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
            .get_or_insert_with(|| host_calls::platform_digests(host, tagged));
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
/// 1990-01-01T00:00:00Z: what comes before it is what build tools write in place of a date.
const FIRST_DATE: i64 = 631_152_000;
const REBUILT: &str = "name an image that was rebuilt since";
const DATED: &str =
    "name an image that says when it was built (others are up to imageFreshness.unknownAge)";
const WITH_BASE: &str = "name an image that records name and digest of its base (others are up to \
     imageFreshness.unknownBase)";
const WITH_ALLOWED_BASE: &str =
    "name an image with an allowed base (others are up to imageFreshness.unknownBase)";
