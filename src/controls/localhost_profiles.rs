//! A profile that a pod names must be on the nodes, where somebody can tell.
//!
//! - **Reads** `securityContext.appArmorProfile` and `.seccompProfile` of the pod and of each container,
//!   and for a container without an AppArmor field the annotation
//!   `container.apparmor.security.beta.kubernetes.io/<container>`, as far as they name a profile of
//!   type `Localhost`; and of each one the resource of the Security Profiles Operator that installs it
//!   (host capability `kubernetes/get_resource`): `operator/<name>.json` is its `SeccompProfile`
//!   `<name>`, and an AppArmor profile has the name of its `AppArmorProfile`
//! - **Unset** names nothing that must be there
//! - **Allowed** what `localhostProfiles.alsoInstalled` names; and a profile whose resource has the status
//!   `Installed`, which it has once all nodes have it, and is neither disabled nor in the mode
//!   `Complain`. Everything that is written is judged, also where it is overridden
//! - **Not applicable** with `source: none`, and to seccomp annotations: no cluster that the operator's
//!   API `v1` runs in acts on them
//! - **Differs from the Pod Security Standard**, which takes any `Localhost` profile
//! - **Source** the AKS article, "AppArmor" and "Secure computing", whose profiles have to be put on each
//!   node; `api/{seccompprofile,apparmorprofile,profilebase,secprofnodestatus}/v1` of
//!   kubernetes-sigs/security-profiles-operator 1.0

use crate::decode::{Mode, Node, Problems, Written, section, words};
use crate::finding::profile::{
    localhost, takes_app_armor_annotation, takes_app_armor_field, takes_seccomp_field,
};
use crate::finding::{Finding, Findings, Found, Question, Remedy, Taken, Takes};
use crate::host_calls::{self, Answer, Failure, GetQuery};
use crate::lookups::{Inquiry, Refusal};
use crate::pod::place::Place;
use crate::pod::profile::{Profile, WrittenProfile};
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;
use crate::text::Quoted;

section! {
    /// A `Localhost` profile that is named is on all nodes.
    ///
    /// Asks the Security Profiles Operator, 1.0 or later, by its `SeccompProfile` and `AppArmorProfile`
    /// resources. The policy needs both kinds in `spec.contextAwareResources`, and the policy server's
    /// service account the verb get.
    pub(crate) struct LocalhostProfiles {
        "mode" mode: Mode = Mode::Enforce,
        /// Who says which profiles are installed: `security-profiles-operator`; `none` switches the control
        /// off.
        "source" source: Source = Source::None,
        /// Profiles that the nodes get in other ways, as `localhostProfile` names them.
        "alsoInstalled" also_installed: Vec<String> = Vec::new(),
    }
    check: LocalhostProfiles::check,
    schema: LocalhostProfiles::check_in_schema
}

impl LocalhostProfiles {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        if self.source == Source::None {
            let is_tuned = !self.also_installed.is_empty();
            let lacks = "source: security-profiles-operator";
            written.refuse_idle(self.mode, is_tuned, lacks, problems);
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        use crate::schema::{given, json, no_entries, refuse_idle};

        let source = given("source", &json!({"not": {"enum": [null, "none"]}}));
        let harmless = json!({"source": {"enum": [null, "none"]}, "alsoInstalled": no_entries()});
        refuse_idle(schema, &[source], &harmless);
    }
}

words! {
    /// Who says which profiles are installed.
    pub(crate) enum Source {
        None = "none",
        SecurityProfilesOperator = "security-profiles-operator",
    }
}

pub(crate) fn judge<'p>(
    pod: &'p Pod<'p>,
    settings: &LocalhostProfiles,
    findings: &mut Findings<'p>,
) {
    if settings.source == Source::None {
        return;
    }
    for kind in [&APP_ARMOR, &SECCOMP] {
        if let Some(name) = kind.named_in(pod.security_context()) {
            let place = pod.field(&["securityContext", kind.field]);
            let taken_by = Some(kind.takes_field);
            settings.suspect(kind, name, place, None, taken_by, findings);
        }
        for container in pod.containers() {
            if let Some(name) = kind.named_in(container.security_context()) {
                let place = container.security_field(&[kind.field]);
                settings.suspect(kind, name, place, None, None, findings);
            }
        }
    }
    for container in pod.containers() {
        let annotation = pod.annotations.app_armor_of(container.name());
        if takes_app_armor_annotation(pod, &container) == Taken::Fully
            && let Some(annotation) = annotation
            && let Ok(Some(Profile::Localhost(name))) = annotation.app_armor()
        {
            let place = pod.annotation(container.subject(), annotation.key());
            let (written, taken_by) = (
                Some(annotation.value()),
                Some(takes_app_armor_annotation as Takes),
            );
            settings.suspect(&APP_ARMOR, name, place, written, taken_by, findings);
        }
    }
}

/// Asks the operator for the profile.
pub(crate) fn confirm<'p>(inquiry: &Inquiry<'_, 'p>, suspect: &Finding<'p>) -> Option<Refusal> {
    let Some(Question::Profile { kind, name }) = suspect.question.as_deref() else {
        return None;
    };
    let query = GetQuery {
        api_version: "security-profiles-operator.x-k8s.io/v1",
        kind,
        name,
        namespace: None,
        disable_cache: false,
        field_masks: MASKS.map(String::from).into(),
    };
    let failure = match host_calls::get(inquiry.host, &query) {
        Answer::Found(profile) => match host_calls::parse(&profile) {
            Ok(profile) => {
                let objection = objection(profile.root())?;
                return Some(Refusal::Told(resource(kind, name, &objection)));
            }
            Err(problem) => Failure::Error(problem),
        },
        Answer::Absent => return Some(Refusal::Told(resource(kind, name, "is not there"))),
        Answer::Failed(failure) => failure,
    };
    let what = resource(kind, name, "cannot be looked up");
    Some(Refusal::failed(&what, &failure))
}

/// What a resource of the operator says, or what is to be said of it.
#[inline(never)]
fn resource(kind: &str, name: &str, says: &str) -> String {
    format!("and {kind} {} {says}", Quoted(name))
}

/// One of the two kinds of profiles.
struct InstalledKind {
    /// The field of a security context.
    field: &'static str,
    of: for<'c> fn(&'c SecurityContext<'c>) -> Option<&'c WrittenProfile<'c>>,
    takes_field: Takes,
    /// The kind of the operator's resources.
    resource: &'static str,
    /// What stands before and behind the name of the resource in that of the profile.
    around: [&'static str; 2],
    /// Why a profile is none of the operator's.
    foreign: &'static str,
}

const APP_ARMOR: InstalledKind = InstalledKind {
    field: "appArmorProfile",
    of: |context| context.app_armor_profile.as_ref(),
    takes_field: takes_app_armor_field,
    resource: "AppArmorProfile",
    around: ["", ""],
    foreign: "which no AppArmorProfile can be called",
};

const SECCOMP: InstalledKind = InstalledKind {
    field: "seccompProfile",
    of: |context| context.seccomp_profile.as_ref(),
    takes_field: takes_seccomp_field,
    resource: "SeccompProfile",
    around: ["operator/", ".json"],
    foreign: "which is none of the operator's, operator/<name>.json",
};

impl InstalledKind {
    /// The profile that a security context names.
    fn named_in<'p>(&self, context: Option<&'p SecurityContext<'p>>) -> Option<&'p str> {
        match (self.of)(context?)?.parse() {
            Ok(Profile::Localhost(name)) => Some(name),
            _ => None,
        }
    }

    /// The resource that installs a profile of this name. What no resource can be called is not asked
    /// for: the API server would take a `/` in it for the way to another resource.
    fn resource_of<'p>(&self, profile: &'p str) -> Option<&'p str> {
        let [before, behind] = self.around;
        let name = profile.strip_prefix(before)?.strip_suffix(behind)?;
        if !behind.is_empty() && name.strip_suffix(behind).is_some() {
            // The operator adds no second one.
            return None;
        }
        let is_of_a_name = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        };
        let is_name =
            !matches!(name.bytes().next(), None | Some(b'.')) && name.bytes().all(is_of_a_name);
        is_name.then_some(name)
    }
}

impl LocalhostProfiles {
    /// Reports what there is to be asked about a profile, or to be said of it, which is written in a field
    /// of its kind or in an annotation.
    #[inline(never)]
    fn suspect<'p>(
        &self,
        kind: &InstalledKind,
        profile: &'p str,
        place: Place<'p>,
        annotation: Option<&'p str>,
        taken_by: Option<Takes>,
        findings: &mut Findings<'p>,
    ) {
        if self.also_installed.iter().any(|other| other == profile) {
            return;
        }
        let found = annotation.map_or_else(|| localhost(profile), Found::Text);
        let mut finding = Finding::new(place, found, Remedy::Must(MUST.into()));
        finding = match kind.resource_of(profile) {
            Some(name) => finding.if_host_says(Question::Profile {
                kind: kind.resource,
                name,
            }),
            None => finding.because(kind.foreign),
        };
        findings.report(match taken_by {
            Some(taken_by) => finding.taken_by(taken_by),
            None => finding,
        });
    }
}

/// What a profile has that it must not have.
fn objection(profile: Node<'_>) -> Option<String> {
    for [part, field, needed] in NEEDED {
        let found = profile.get(part).and_then(|part| part.get(field));
        let text = match found {
            Some(Node::Text(text)) if text == *needed => continue,
            // So they are by default, and a `SeccompProfile` has no mode.
            None | Some(Node::Null) if *part == "spec" => continue,
            Some(Node::Text(text)) => text,
            _ => "",
        };
        let text = Quoted(text);
        return Some(format!("has the {field} {text}, not {needed:?}"));
    }
    None
}

/// What is read of a profile.
const MASKS: [&str; 3] = ["spec.mode", "spec.state", "status.status"];
/// What a profile must say.
const NEEDED: &[[&str; 3]] = &[
    ["status", "status", "Installed"],
    ["spec", "state", "Enabled"],
    ["spec", "mode", "Enforce"],
];
const MUST: &str = "name a profile that the nodes have";
