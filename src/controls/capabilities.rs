//! Containers must drop the capabilities of root, and add none that are not allowed.
//!
//! - **Reads** `securityContext.capabilities` of each container
//! - **Unset** means the runtime's default set
//! - **Allowed** `drop` with every entry of `capabilities.requiredDrop`, or with `ALL`, and `add` with
//!   no entry outside `capabilities.allowedAdd`; both compare exactly. `*` in `allowedAdd` is any but those
//!   that must be dropped
//! - **Not applicable** on Windows, where the field may not be set; at the baseline level what is added
//!   there is judged all the same
//! - **Differs from the Pod Security Standard** in nothing at its default
//! - **Source** `check_capabilities_restricted.go` and `check_capabilities_baseline.go` of
//!   pod-security-admission; that runtimes fold the case and take a `CAP_` prefix for granted is
//!   containerd's `WithCapabilities`

use std::borrow::Cow;

use crate::decode::{Decode, Level, Mode, Node, Problems, Written, describe, loosens, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::json::Text;
use crate::pod::container::Container;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

section! {
    /// Containers drop all capabilities of root, and add none but `NET_BIND_SERVICE`.
    pub(crate) struct Capabilities in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// What a container may add; `["*"]` is anything but what it must drop.
        "allowedAdd" allowed_add: Vec<Capability>
            = known(if standard.is_baseline() { ADDED_AT_BASELINE } else { &[NET_BIND_SERVICE] }),
        /// What each container must drop; `drop: [ALL]` drops each.
        "requiredDrop" required_drop: Vec<Capability>
            = known(if standard.is_baseline() { &[] } else { &[ALL] }),
    }
    follows: {
        /// What is added on Windows is judged, as the standard does at its baseline level only.
        judges_windows: bool = standard.is_baseline(),
    }
    check: Capabilities::check,
    schema: Capabilities::check_in_schema
}

impl Capabilities {
    fn check(&self, _: &Written<'_>, problems: &mut Problems) {
        for required in &self.required_drop {
            if required.0 == ANY {
                problems.within("requiredDrop", |problems| {
                    problems.report("\"*\" cannot be dropped; did you mean ALL?");
                });
            } else if self.allowed_add.contains(required) {
                problems.report(format_args!(
                    "{} is both in allowedAdd and in requiredDrop",
                    required.0
                ));
            }
        }
    }

    /// A schema cannot compare two lists.
    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        let items = crate::schema::json!({"not": {"const": ANY}});
        crate::schema::restrict_entries(schema, "requiredDrop", &items);
    }
}

loosens! {
    Capabilities {
        "allowedAdd" allowed_add: Vec<Capability>,
    }
}

/// A capability as Kubernetes writes it: upper case, without `CAP_`; `ALL` is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability(Cow<'static, str>);

describe!(
    Capability: {
        "description":
            "A capability as Kubernetes writes it: upper case, without `CAP_`; `ALL` is all of them.",
        "type": "string",
        // Or `*`. The kernel gets new ones, so there is no list of them.
        "pattern": r"^(?:\*|[^a-z\s](?:[^a-z]*[^a-z\s])?)$",
        "not": {"pattern": "^CAP_"},
    },
    |capability| capability.0.as_ref().into(),
);

impl Decode for Capability {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let word = problems.text(node)?;
        let kubernetes = normal(word);
        if word == ANY || (word == kubernetes && !word.is_empty()) {
            return Some(Self(Cow::Owned(word.to_owned())));
        }
        if word.trim().is_empty() {
            problems.report("is empty");
        } else {
            // Compared exactly, it would never match what Kubernetes accepts.
            problems.report(format_args!(
                "{} is not a capability; did you mean {kubernetes}?",
                Quoted(word)
            ));
        }
        None
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &Capabilities, findings: &mut Findings<'p>) {
    let is_windows = pod.is_windows();
    if is_windows && !settings.judges_windows {
        return;
    }
    let required_drop = match &*settings.required_drop {
        _ if is_windows => &[],
        required => required,
    };
    for container in pod.containers() {
        if findings.is_full() {
            return;
        }
        let own = container
            .security_context()
            .and_then(|own| own.capabilities.as_ref());
        let add = own.map(|own| &*own.add).unwrap_or_default();
        let drop = own.map(|own| &*own.drop).unwrap_or_default();
        for (index, added) in add.iter().map(Text::as_str).enumerate() {
            if findings.is_full() {
                return;
            }
            let is_in_list = |name: &str| settings.allowed_add.iter().any(|entry| entry.0 == name);
            if is_in_list(added) {
                continue;
            }
            if !is_in_list(ANY) {
                let allowed = settings.allowed_add.iter().map(|entry| &*entry.0);
                let reason = format!("not one of: {}", Joined(&allowed.collect::<Vec<_>>()));
                findings.report(not_allowed(&container, index, added, &reason));
            } else if gives_back(added, required_drop) {
                findings.report(not_allowed(&container, index, added, "one of requiredDrop"));
            }
        }
        for required in required_drop {
            let drops =
                |dropped: &Text<'_>| dropped.as_str() == required.0 || dropped.as_str() == ALL;
            if !drop.iter().any(drops) {
                let is_sole = required_drop.len() == 1;
                findings.report(not_dropped(&container, drop, required, is_sole));
            }
        }
    }
}

/// Whether a container that drops everything has one of these again when it adds this: what is added comes
/// after what is dropped.
fn gives_back(added: &str, required_drop: &[Capability]) -> bool {
    let added = normal(added);
    required_drop
        .iter()
        .any(|required| required.0 != ALL && (required.0 == added || added == ALL))
}

fn not_allowed<'p>(
    container: &Container<'p>,
    index: usize,
    added: &'p str,
    reason: &str,
) -> Finding<'p> {
    let place = container
        .security_field(&["capabilities", "add"])
        .index(index);
    let kubernetes = normal(added);
    let effect = if kubernetes == ALL {
        "which the runtime takes for every capability there is, and ".to_owned()
    } else if kubernetes == added || !is_plain(&kubernetes) {
        "which is ".to_owned()
    } else {
        format!("which the runtime takes for {kubernetes}, and ")
    };
    let found = Found::Text(added);
    Finding::new(place, found, Remedy::Remove).because([&effect, reason].concat())
}

fn not_dropped<'p>(
    container: &Container<'p>,
    dropped: &'p [Text<'p>],
    required: &Capability,
    is_sole: bool,
) -> Finding<'p> {
    let place = container.security_field(&["capabilities", "drop"]);
    let written = dropped
        .iter()
        .map(Text::as_str)
        .find(|dropped| normal(dropped) == required.0);
    let found = Found::Lacks {
        name: required.0.clone(),
        // Of several that are missing from the same list, each is a violation of its own.
        is_empty: dropped.is_empty() && is_sole,
    };
    let remedy = Remedy::Append(required.0.clone());
    let violation =
        Finding::new(place, found, remedy).bounded_by(dropped.iter().map(Text::as_str).collect());
    match written {
        Some(written) => violation.because(format!(
            "and {} is not the same: the Pod Security Standard compares exactly",
            Quoted(written)
        )),
        None => violation,
    }
}

fn known(names: &'static [&'static str]) -> Vec<Capability> {
    let names = names.iter().copied();
    names.map(|name| Capability(Cow::Borrowed(name))).collect()
}

/// Whether a name can stand in a message as it is.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The capability that a runtime makes of a name.
fn normal(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    upper
        .strip_prefix("CAP_")
        .map_or(upper.clone(), ToOwned::to_owned)
}

/// What container runtimes give by default, but for `NET_RAW`.
const ADDED_AT_BASELINE: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    NET_BIND_SERVICE,
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const NET_BIND_SERVICE: &str = "NET_BIND_SERVICE";
const ALL: &str = "ALL";
const ANY: &str = "*";
