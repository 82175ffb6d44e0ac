//! Images must come from registries that the cluster trusts.
//!
//! - **Reads** `image` of every container and `image.reference` of every volume
//! - **Unset** in a template, an image is judged when its Pods are created; in a Pod it is a
//!   violation
//! - **Allowed** what a pattern of `registries.allow` matches and no pattern of
//!   `registries.reject` does; without `allow`, everything that `reject` does not match. A
//!   reference that containerd could not parse is never allowed
//! - **Not applicable** where neither list is given
//! - **Differs from the Pod Security Standard**, which never looks at images
//! - **Source** the AKS article, "Use a trusted registry"

use std::fmt::Write as _;

use crate::decode::{Decode, Mode, Node, Problems, Written, describe, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::image::pattern::{AllowedImage, ImagePattern};
use crate::image::reference::Reference;
use crate::pod::image::Images;
use crate::text::Joined;

section! {
    /// Images come from the registries that you name.
    pub(crate) struct Registries {
        "mode" mode: Mode = Mode::Enforce,
        /// Image patterns that may be used; not set is everything, written but empty is an error.
        "allow" allow: Option<AllowList> = None,
        /// Image patterns that must not be used; they win over `allow`.
        "reject" reject: Vec<ImagePattern> = Vec::new(),
    }
    check: Registries::check,
    schema: Registries::check_in_schema
}

impl Registries {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if !self.is_configured() {
            written.refuse_idle(self.mode, false, "allow or reject", problems);
        }
        for allowed in self.allow.iter().flat_map(|allow| &allow.0) {
            if self.reject.contains(allowed.pattern()) {
                problems.report(format_args!("\"{allowed}\" is both in allow and in reject"));
            }
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{entries, given, json, refuse_idle};

        let finders = [given("allow", &entries()), given("reject", &entries())];
        refuse_idle(schema, &finders, &json!({}));
    }
}

/// An allow list that allows something: an empty one is a mistake, and no list at all is written
/// by leaving the key out.
#[derive(Debug, Clone)]
pub(crate) struct AllowList(Vec<AllowedImage>);

describe!(AllowList: crate::schema::choices::<AllowedImage>(), |list| {
    crate::schema::entries_written(&list.0)
});

impl Decode for AllowList {
    // A list whose entries are all commented out is null, and must not open the cluster.
    const NULL_IS_UNSET: bool = false;

    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        if problems.is_empty_list(
            node,
            "is empty and would allow nothing; leave it out to allow everything",
        ) {
            return None;
        }
        Vec::decode(node, problems).map(Self)
    }
}

pub(crate) fn judge<'p>(images: &Images<'p>, settings: &Registries, findings: &mut Findings<'p>) {
    if !settings.is_configured() {
        return;
    }
    for (image, reference) in images.readable(findings) {
        let text = image.text.unwrap_or_default();
        let Some(reason) = settings.refuse(reference, text) else {
            continue;
        };
        let remedy = match &settings.allow {
            Some(allow) => format!("come from: {}", Joined(&allow.0)),
            None => "name another image".to_owned(),
        };
        let found = Found::Text(text);
        findings.report(
            Finding::new(image.place(), found, Remedy::Must(remedy.into())).because(reason),
        );
    }
}

impl Registries {
    /// Whether there is anything to judge.
    fn is_configured(&self) -> bool {
        self.allow.is_some() || !self.reject.is_empty()
    }

    /// Why this reference is not allowed; `None` where it is.
    fn refuse(&self, reference: &Reference<'_>, text: &str) -> Option<String> {
        if reference.registry().is_empty() {
            // containerd's grammar finds no registry here, and its resolver takes one all the
            // same: what would be pulled depends on who pulls.
            return Some("whose registry depends on who pulls it".to_owned());
        }
        if let Some(pattern) = self
            .reject
            .iter()
            .find(|pattern| pattern.restricts(reference))
        {
            return Some(format!("which registries.reject lists as \"{pattern}\""));
        }
        let allow = self.allow.as_ref()?;
        let is_allowed = allow.0.iter().any(|pattern| pattern.matches(reference));
        (!is_allowed).then(|| not_allowed(reference, text, allow))
    }

    /// Whether images are restricted to a list, and this one is on it.
    pub(crate) fn allows(&self, reference: &Reference<'_>) -> bool {
        self.allow.is_some() && self.refuse(reference, "").is_none()
    }
}

/// Why an image is not allowed: for a short name, what it is short for.
fn not_allowed(reference: &Reference<'_>, text: &str, allow: &AllowList) -> String {
    let meant = reference.to_string();
    let mut reason = if meant == text {
        "which registries.allow does not list".to_owned()
    } else {
        format!("which means {meant}, and registries.allow does not list that")
    };
    let short = allow
        .0
        .iter()
        .find(|allowed| allowed.pattern().is_short_for(reference));
    if let Some(short) = short {
        // Writing to a String cannot fail.
        let _ = write!(
            reason,
            " ({short} in the list is an organisation; the official image is {}/{})",
            reference.registry(),
            reference.repository()
        );
    }
    reason
}
