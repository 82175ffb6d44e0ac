//! Images must be named so that the name keeps meaning the same image.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume
//! - **Unset** a reference without tag and digest means the tag `latest`
//! - **Allowed** with `imagePinning.requireDigest`, a reference with a digest; otherwise any whose
//!   tag `imagePinning.rejectTags` does not list. A digest decides what is pulled, so a tag beside
//!   one is not judged
//! - **Not applicable** where neither key is given
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** <https://kubernetes.io/docs/concepts/containers/images/#image-names>

use crate::decode::{Decode, Mode, Node, Problems, Written, describe, loosens, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::image::reference::is_tag;
use crate::pod::image::Images;
use crate::text::Quoted;

section! {
    /// Images are named by a digest, or by no tag that you reject, such as `latest`.
    pub(crate) struct ImagePinning {
        "mode" mode: Mode = Mode::Enforce,
        /// `true`: each reference must have a digest (`@sha256:...`).
        "requireDigest" require_digest: bool = false,
        /// Tags that must not be used, such as `[latest]`; a reference with neither tag nor digest has
        /// the tag `latest`.
        "rejectTags" reject_tags: Vec<Tag> = Vec::new(),
    }
    check: ImagePinning::check,
    schema: ImagePinning::check_in_schema
}

impl ImagePinning {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if !self.is_configured() {
            let lacks = "requireDigest: true or rejectTags";
            written.refuse_idle(self.mode, false, lacks, problems);
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{entries, given, json, refuse_idle};

        let finders = [
            given("requireDigest", &json!({"const": true})),
            given("rejectTags", &entries()),
        ];
        refuse_idle(schema, &finders, &json!({}));
    }

    /// Whether there is anything to judge.
    fn is_configured(&self) -> bool {
        self.require_digest || !self.reject_tags.is_empty()
    }
}

loosens! {
    ImagePinning {
        "requireDigest" require_digest: bool = false,
    }
}

/// A tag as a reference can have it.
#[derive(Debug, Clone)]
pub(crate) struct Tag(String);

describe!(
    Tag: {
        "description": "A tag as a reference can have it.",
        "type": "string",
        "pattern": format!("^{}$", crate::image::reference::grammar::TAG),
    },
    |tag| tag.0.as_str().into(),
);

impl Decode for Tag {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let tag = problems.text(node)?;
        if !is_tag(tag) {
            problems.report(format_args!("{} is not a tag", Quoted(tag)));
            return None;
        }
        Some(Self(tag.to_owned()))
    }
}

pub(crate) fn judge<'p>(images: &Images<'p>, settings: &ImagePinning, findings: &mut Findings<'p>) {
    if !settings.is_configured() {
        return;
    }
    for (image, reference) in images.readable(findings) {
        let Some(tag) = reference.pulled_tag() else {
            continue;
        };
        let (reason, must) = if settings.require_digest {
            (
                "which has no digest".to_owned(),
                "end in a digest: @sha256:...",
            )
        } else if settings
            .reject_tags
            .iter()
            .any(|rejected| rejected.0 == tag)
        {
            let reason = match reference.tag() {
                Some(_) => format!(
                    "which uses the tag {}, and imagePinning.rejectTags lists it",
                    Quoted(tag)
                ),
                None => format!(
                    "which uses the tag {} by default, and imagePinning.rejectTags lists it",
                    Quoted(tag)
                ),
            };
            (reason, "use another tag, or a digest")
        } else {
            continue;
        };
        findings.report(
            Finding::new(
                image.place(),
                Found::Text(image.text.unwrap_or_default()),
                Remedy::Must(must.into()),
            )
            .because(reason),
        );
    }
}
