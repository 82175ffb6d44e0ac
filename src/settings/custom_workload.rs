//! Kinds that are not of Kubernetes, and where their objects keep pod templates.

use crate::decode::{Problems, Written, section};
use crate::pod::kind::Kind;
use crate::pod::template::EACH;
use crate::text::Quoted;

section! {
    /// One entry of `customWorkloads`.
    pub(crate) struct CustomWorkload {
        /// The API group of the kind, without a version: `argoproj.io`.
        "group" group: Option<String> = None,
        /// The kind as its objects write it: `Rollout`.
        "kind" kind: Option<String> = None,
        /// Where its objects keep pod templates: at most 32 names of fields with dots between them, and `[*]`
        /// behind the name of a list, such as `spec.tasks[*].template`.
        "podTemplates" pod_templates: Vec<String> = Vec::new(),
        /// `true`: where an object has nothing at one of the paths, a warning says so. Otherwise it is
        /// rejected.
        "optional" optional: bool = false,
        /// The service accounts that make Pods, or what Pods are made from, out of its objects, such as
        /// `system:serviceaccount:argo-rollouts:argo-rollouts`. With `legacy.onCreate: newViolations` that is
        /// judged by what it adds to the template.
        "controllers" controllers: Vec<String> = Vec::new(),
    }
    check: CustomWorkload::check,
    schema: CustomWorkload::check_in_schema
}

impl CustomWorkload {
    /// Whether these are the group and kind.
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind() == kind
    }

    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    /// Whether it is said who makes Pods out of its objects.
    pub(crate) fn names_controllers(&self) -> bool {
        !self.controllers.is_empty()
    }

    #[cold]
    #[inline(never)]
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        for key in ["group", "kind"] {
            if !written.has(key) {
                problems.report(format_args!("has no {key}"));
            }
        }
        if !written.has_items("podTemplates") && (written.is_sound || !written.has("podTemplates"))
        {
            problems
                .report("names no pod template; list where its objects keep them in podTemplates");
        }
        if let Some(group) = &self.group
            && !is_word(group, false, "-.")
        {
            let what = "API group: it is in lower case, and without a version";
            problems.within("group", |problems| refuse(group, what, problems));
        }
        if let Some(kind) = &self.kind
            && !(is_word(kind, true, "-")
                && kind.starts_with(|first: char| first.is_ascii_uppercase()))
        {
            problems.within("kind", |problems| refuse(kind, KIND, problems));
        }
        if Kind::recognise(self.group(), self.kind()).is_some() {
            problems.report("is a kind that the policy knows by itself");
        }
        check_each("podTemplates", &self.pod_templates, is_path, PATH, problems);
        check_each(
            "controllers",
            &self.controllers,
            is_account,
            ACCOUNT,
            problems,
        );
    }

    /// A schema cannot know which kinds the policy knows together with their groups.
    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        const NAME: &str = r"[-$0-9A-Z_a-z]+(\[\*\])?";
        const ACCOUNT: &str = r"^system:serviceaccount:[-.0-9a-z]+:[-.0-9a-z]+$";

        crate::schema::need(schema, &["group", "kind", "podTemplates"]);
        for (key, pattern) in [
            ("group", "^[-.0-9a-z]+$"),
            ("kind", "^[A-Z][-0-9A-Za-z]*$"),
            ("podTemplates", &format!(r"^{NAME}(\.{NAME}){{0,31}}$")),
            ("controllers", ACCOUNT),
        ] {
            crate::schema::set_pattern(schema, key, pattern);
        }
    }
}

/// Reports kinds that are there twice.
#[inline(never)]
pub(crate) fn check(all: &[CustomWorkload], problems: &mut Problems) {
    for (index, custom) in all.iter().enumerate() {
        let (group, kind) = (custom.group(), custom.kind());
        let mut before = all.iter().take(index);
        if let Some(first) = before.position(|other| !kind.is_empty() && other.is(group, kind)) {
            let report = |problems: &mut Problems| {
                problems.report(format_args!("is the kind of customWorkloads[{first}]"));
            };
            problems.within("customWorkloads", |problems| {
                problems.within_index(index, report);
            });
        }
    }
}

/// Reports entries that are not what they should be, or are there twice.
#[inline(never)]
fn check_each(
    key: &'static str,
    entries: &[String],
    is_it: fn(&str) -> bool,
    what: &str,
    problems: &mut Problems,
) {
    for (index, entry) in entries.iter().enumerate() {
        let is_twice = entries.iter().take(index).any(|other| other == entry);
        if is_twice || !is_it(entry) {
            let report = |problems: &mut Problems| {
                if is_twice {
                    problems.report(format_args!("{} is there twice", Quoted(entry)));
                } else {
                    refuse(entry, what, problems);
                }
            };
            problems.within(key, |problems| problems.within_index(index, report));
        }
    }
}

#[cold]
#[inline(never)]
fn refuse(text: &str, what: &str, problems: &mut Problems) {
    problems.report(format_args!("{} is no {what}", Quoted(text)));
}

fn is_path(text: &str) -> bool {
    // Each step down takes some of the module's stack.
    text.split('.').enumerate().all(|(index, step)| {
        let name = step.strip_suffix(EACH).unwrap_or(step);
        index < MAX_STEPS && is_word(name, true, "-_$")
    })
}

fn is_account(user: &str) -> bool {
    let name = user.strip_prefix("system:serviceaccount:");
    name.is_some_and(|name| {
        let mut parts = name.split(':');
        let is_name = |part: Option<&str>| part.is_some_and(|part| is_word(part, false, "-."));
        is_name(parts.next()) && is_name(parts.next()) && parts.next().is_none()
    })
}

/// Whether a text is of letters, upper case ones among them or not, digits and `others`.
#[inline(never)]
fn is_word(text: &str, takes_upper_case: bool, others: &str) -> bool {
    let is_of_it = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' => true,
        b'A'..=b'Z' => takes_upper_case,
        other => others.bytes().any(|byte| byte == other),
    };
    !text.is_empty() && text.bytes().all(is_of_it)
}

const KIND: &str = "kind: it is one word, in the singular, that begins in upper case";
const PATH: &str = "path: it is at most 32 names of fields with dots between them, and [*] behind the name \
                    of a list";
const MAX_STEPS: usize = 32;
const ACCOUNT: &str = "service account: it is system:serviceaccount:<namespace>:<name>";
