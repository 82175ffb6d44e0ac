//! Containers must not run as root.
//!
//! - **Reads** `securityContext.runAsNonRoot` and `.runAsUser` of the pod and of each container,
//!   and `hostUsers`; with `imageUser: judge` also `config.User` of images (host capability
//!   `oci/v1/oci_manifest_config`)
//! - **Unset** means the pod's value; unset there too, the user that the image names
//! - **Allowed** no `runAsUser: 0` anywhere, and with `require: runAsNonRoot` an effective
//!   `runAsNonRoot: true` for each container and `false` nowhere, also where it is overridden.
//!   With `require: nonRootUser` an effective `runAsUser` other than 0 is as good. With `imageUser:
//!   judge` a container that passes, and for which nothing is written but `runAsNonRoot`, needs an image
//!   whose user is a number other than 0; that one is as good as `runAsUser`. Of an index without the
//!   host's own platform every image counts
//! - **Not applicable** with `relaxForUserNamespaces` to pods with `hostUsers: false`, whose root
//!   is nobody on the node. Windows pods are judged, but for the user of their images
//! - **Differs from the Pod Security Standard** in nothing at its default. The standard has it at its
//!   restricted level, and relaxes for user namespaces since 1.35
//! - **Source** `check_runAsNonRoot.go` and `check_runAsUser.go` of pod-security-admission. A node takes
//!   only a number for another user than root (`verifyRunAsNonRoot` of the kubelet), containerd up to
//!   2.0.3 runs as root where the number does not fit a signed 32-bit integer (CVE-2024-40635)

use crate::decode::{Level, Mode, loosens, section, words};
use crate::finding::{Finding, Findings, Found, Question, Remedy, Taken};
use crate::host_calls::{Answer, ImageConfig};
use crate::image::reference::Reference;
use crate::lookups::{Inquiry, Refusal};
use crate::pod::container::Container;
use crate::pod::place::Place;
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;
use crate::text::Quoted;

section! {
    /// No container runs as root.
    pub(crate) struct RootUser in standard {
        "mode" mode: Mode = standard.mode_from(Level::Restricted),
        /// `runAsNonRoot`: `runAsNonRoot: true` in effect for each container, and `false` nowhere;
        /// `nonRootUser`: an effective `runAsUser` other than 0 is as good.
        "require" require: Requirement = Requirement::RunAsNonRoot,
        /// `true`: pods with `hostUsers: false` are not judged. `false` where `version` is before v1.35.
        "relaxForUserNamespaces" relax_for_user_namespaces: bool = standard.is_since(35),
        /// `judge`: where neither the container nor the pod says a user, the image must name one (the
        /// `USER` of its Dockerfile), by a number other than 0; with `nonRootUser` such an image needs no
        /// line in the manifest. Asks the image's registry (host capability
        /// `oci/v1/oci_manifest_config`). Not on Windows.
        "imageUser" image_user: ImageUser = ImageUser::Ignore,
    }
}

words! {
    /// What shows that a container does not run as root.
    pub(crate) enum Requirement {
        /// `runAsNonRoot: true`, which the kubelet holds the image to.
        RunAsNonRoot = "runAsNonRoot",
        /// That, or a `runAsUser` other than 0.
        NonRootUser = "nonRootUser",
    }
}

words! {
    /// What becomes of the user that an image names.
    pub(crate) enum ImageUser {
        /// Nobody looks, and the kubelet does not start what would run as root.
        Ignore = "ignore",
        /// Where nothing else is written it must be a number other than 0.
        Judge = "judge",
    }
}

loosens! {
    RootUser {
        "require" require: Requirement = Requirement::NonRootUser,
        "relaxForUserNamespaces" relax_for_user_namespaces: bool = true,
        "imageUser" image_user: ImageUser = ImageUser::Ignore,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &RootUser, findings: &mut Findings<'p>) {
    if settings.relax_for_user_namespaces && pod.has_own_user_namespace() {
        return;
    }
    let strict = settings.require == Requirement::RunAsNonRoot;
    let judges_image = settings.image_user == ImageUser::Judge && !pod.is_windows();
    let of_pod = pod.security_context();
    let non_root_of_pod = of_pod.and_then(|pod| pod.run_as_non_root);
    let user_of_pod = of_pod.and_then(|pod| pod.run_as_user);
    let field_of_pod = |field| pod.field(&["securityContext", field]);
    if user_of_pod == Some(0) {
        let another = Remedy::Must("be a user other than 0".into());
        findings.report(root(field_of_pod(RUN_AS_USER)).taken_by_unless(takes_user, another));
    }
    if strict && non_root_of_pod == Some(false) {
        let found = Found::Flag(false);
        let found = not_non_root(field_of_pod(RUN_AS_NON_ROOT), found);
        findings.report(found.taken_by(takes_non_root));
    }
    for container in pod.containers() {
        let own = container.security_context();
        let own_non_root = own.and_then(|own| own.run_as_non_root);
        let own_user = own.and_then(|own| own.run_as_user);
        if own_user == Some(0) {
            findings.report(root(container.security_field(&[RUN_AS_USER])));
        }
        let is_non_root = own_non_root.or(non_root_of_pod) == Some(true);
        let has_other_user = has_other_user(pod, &container);
        let takes_image_user = judges_image && own_user.or(user_of_pod).is_none();
        if is_non_root || (!strict && (has_other_user || takes_image_user)) {
            let image = container.image().unwrap_or_default();
            if takes_image_user && pod.is_template() && image.trim().is_empty() {
                findings.wait_for_image(container.subject());
            } else if takes_image_user {
                findings.report(user_of_image(&container, image));
            }
            continue;
        }
        // The pod's own `false` is reported once, for the pod; here it would be no news.
        if strict && own_non_root.is_none() && non_root_of_pod == Some(false) {
            continue;
        }
        if findings.is_full() {
            continue;
        }
        let found = own_non_root.map_or(Found::Unset, Found::Flag);
        let place = container.security_field(&[RUN_AS_NON_ROOT]);
        // The same field may be unset, and another user run all the same.
        let bounds = has_other_user.then_some("a user other than 0");
        let violation = not_non_root(place, found).bounded_by(bounds.into_iter().collect());
        findings.report(match (own_non_root, strict) {
            (None, true) => violation
                .because("neither here nor for the pod")
                .or_from_pod(takes_non_root),
            (None, false) => violation
                .because("and there is no runAsUser other than 0")
                .or_from_pod(takes_non_root),
            (Some(_), _) => violation,
        });
    }
}

/// Asks the host for the image's user.
pub(crate) fn confirm<'p>(inquiry: &Inquiry<'_, 'p>, suspect: &Finding<'p>) -> Option<Refusal> {
    let Some(Question::UserOf(text)) = suspect.question.as_deref() else {
        return None;
    };
    let reason = match Reference::of_container(text) {
        Err(error) => format!("and its image cannot be read: {error}"),
        Ok(reference) => match inquiry.configs(&reference) {
            Answer::Found(configs) => configs.iter().find_map(root_of_image)?,
            Answer::Absent => "and its registry does not have the image".to_owned(),
            Answer::Failed(failure) => {
                let what = "and the user of the image cannot be looked up";
                return Some(Refusal::failed(what, failure));
            }
        },
    };
    Some(Refusal::Told(reason))
}

/// A container that runs as whoever its image names.
fn user_of_image<'p>(container: &Container<'p>, image: &'p str) -> Finding<'p> {
    let remedy = "be a number other than 0, here or in the image";
    let place = container.security_field(&[RUN_AS_USER]);
    Finding::new(place, Found::Unset, Remedy::Must(remedy.into()))
        // With another image it is another one.
        .bounded_by(vec![image])
        .if_host_says(Question::UserOf(image))
}

/// Why a node would run the image as root, or refuse to run it because it may be root.
fn root_of_image(config: &ImageConfig) -> Option<String> {
    let all = &config.user;
    let user = || all.bytes().take_while(|byte| *byte != b':');
    let mut id = all.is_empty().then_some(0_u32);
    for byte in user() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            id = user().eq(*b"root").then_some(0);
            break;
        }
        let tens = id.unwrap_or_default().saturating_mul(10);
        id = Some(tens.saturating_add(digit.into()));
    }
    let which = match id {
        Some(0) => "is root",
        Some(1..=GREATEST) => return None,
        _ => "no node can tell from root",
    };
    Some(format!("and the image's is {}, which {which}", Quoted(all)))
}

/// Uid 0. Without it the user is the image's, which `runAsNonRoot` keeps from being root.
fn root(place: Place<'_>) -> Finding<'_> {
    Finding::new(place, Found::Number(0), Remedy::Remove).because("which is root")
}

fn not_non_root<'p>(place: Place<'p>, found: Found<'p>) -> Finding<'p> {
    Finding::new(place, found, Remedy::Set(true.into()))
}

/// Whether the container's user is written, and not root.
fn has_other_user(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    let of =
        |context: Option<&SecurityContext<'_>>| context.and_then(|context| context.run_as_user);
    of(container.security_context())
        .or(of(pod.security_context()))
        .is_some_and(|user| user != 0)
}

fn takes_user(_: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    own.is_none_or(|own| own.run_as_user.is_none()).into()
}

fn takes_non_root(pod: &Pod<'_>, container: &Container<'_>) -> Taken {
    let own = container.security_context();
    if own.is_some_and(|own| own.run_as_non_root.is_some()) {
        Taken::Not
    } else if has_other_user(pod, container) {
        Taken::Bounded
    } else {
        Taken::Fully
    }
}

const RUN_AS_NON_ROOT: &str = "runAsNonRoot";
const RUN_AS_USER: &str = "runAsUser";
/// The greatest that every containerd takes for what it is.
const GREATEST: u32 = i32::MAX.unsigned_abs();
