//! Pods must not set parameters of the kernel but those that are theirs alone and do no harm.
//!
//! - **Reads** `securityContext.sysctls` of the pod
//! - **Unset** means that the kernel's parameters stay as they are
//! - **Allowed** the safe sysctls of the Pod Security Standard, compared exactly, and what
//!   `sysctls.allowed` names, but nothing that `sysctls.forbidden` names. `allowed` compares what the
//!   kubelet makes of a name: `net/ipv4/tcp_syncookies` is `net.ipv4.tcp_syncookies`. `forbidden` takes
//!   every `/` for a `.`: the runtime does, whichever come first
//! - **Not applicable** never
//! - **Differs from the Pod Security Standard** in nothing at its default
//! - **Source** `check_sysctls.go` of pod-security-admission; `NormalizeName` of
//!   `k8s.io/component-helpers/node/util/sysctl`; that the file of a name is found with every `.` as a `/`
//!   is runc's `sysctl_linux.go`

use std::borrow::Cow;
use std::fmt;

use crate::decode::{
    Decode, Level, Mode, Node, Problems, Version, Written, describe, loosens, section,
};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::json::Text;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

section! {
    /// Pods set no parameters of the kernel but those that are safe.
    ///
    /// Safe is what the Pod Security Standard says of the `version`: since v1.27, v1.29, v1.32 and v1.37
    /// it has more names.
    pub(crate) struct Sysctls in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// What may be set beside the safe ones: names, or beginnings that end in `*` (`net.core.*`).
        "allowed" allowed: Vec<SysctlPattern> = Vec::new(),
        /// The same for what must not be set, with any separators; it wins over `allowed`, and over what
        /// is safe.
        "forbidden" forbidden: Vec<SysctlPattern> = Vec::new(),
    }
    follows: {
        /// The version whose safe sysctls these are.
        version: Version = standard.version,
    }
    check: Sysctls::check
}

loosens! {
    Sysctls {
        "allowed" allowed: Vec<SysctlPattern>,
    }
}

impl Sysctls {
    fn check(&self, _: &Written<'_>, problems: &mut Problems) {
        for allowed in &self.allowed {
            if self.forbidden.contains(allowed) {
                problems.report(format_args!(
                    "{} is both in allowed and in forbidden",
                    Quoted(&allowed.0)
                ));
            }
        }
    }
}

/// A name as the kubelet reads it, or the beginning of one and a `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SysctlPattern(String);

describe!(
    SysctlPattern: {"type": "string", "pattern": r"^(?:\*|[a-z0-9._/-]+\*?)$"},
    |pattern| pattern.0.as_str().into(),
);

impl Decode for SysctlPattern {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let word = problems.text(node)?;
        let name = word.strip_suffix('*').unwrap_or(word);
        let is_name = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._/-".contains(&byte)
        });
        if is_name && !word.is_empty() {
            return Some(Self(dotted(word).into_owned()));
        }
        problems.report(format_args!(
            "{} is no sysctl; write a name, or the beginning of one and a *, such as net.core.*",
            Quoted(word)
        ));
        None
    }
}

impl fmt::Display for SysctlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SysctlPattern {
    fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }

    /// Whether it matches with any separators.
    fn matches_file(&self, name: &str) -> bool {
        matches(&self.0.replace('/', "."), &name.replace('/', "."))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &Sysctls, findings: &mut Findings<'p>) {
    let sysctls = pod.security_context().map(|of| &*of.sysctls);
    for (index, sysctl) in sysctls.into_iter().flatten().enumerate() {
        if findings.is_full() {
            return;
        }
        let written = sysctl.name.as_str();
        let name = dotted(written);
        let mut forbidden = settings.forbidden.iter();
        let is_forbidden = forbidden.any(|pattern| pattern.matches_file(written));
        let is_allowed = || {
            settings
                .allowed
                .iter()
                .any(|pattern| pattern.matches(&name))
        };
        if !is_forbidden && (settings.is_safe(written) || is_allowed()) {
            continue;
        }
        let place = pod.field(&["securityContext", "sysctls"]).index(index);
        let value = sysctl.value.as_ref().map(Text::as_str);
        let found = Finding::new(place, Found::Text(written), Remedy::Remove)
            // With another value it is another one.
            .bounded_by(value.into_iter().collect());
        findings.report(if is_forbidden {
            found.because(format!(
                "and forbidden are: {}",
                Joined(&settings.forbidden)
            ))
        } else if settings.allowed.is_empty() {
            found.because("which is not one of the safe sysctls")
        } else {
            found.because(format!(
                "which is neither one of the safe sysctls nor one of: {}",
                Joined(&settings.allowed)
            ))
        });
    }
}

impl Sysctls {
    fn is_safe(&self, name: &str) -> bool {
        let known = SAFE.iter().find(|(_, safe)| *safe == name);
        known.is_some_and(|(since, _)| self.version >= Version(*since))
    }
}

/// The names that are safe in the newest version of the Pod Security Standard, for whoever brings a list
/// of their own.
#[cfg(feature = "schema")]
pub fn safe_sysctls() -> impl Iterator<Item = &'static str> {
    SAFE.iter().map(|(_, name)| *name)
}

/// The name as the kernel has it: between dots, in which a `/` stands for a dot of the kernel's. Where
/// the first separator is a `/`, the kubelet takes each for the other.
fn dotted(name: &str) -> Cow<'_, str> {
    match name.find(['.', '/']).and_then(|at| name.get(at..)) {
        Some(rest) if rest.starts_with('/') => {
            let exchange = |letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            };
            name.chars().map(exchange).collect()
        }
        _ => name.into(),
    }
}

/// The safe sysctls, each with the minor version that has it first.
const SAFE: &[(u8, &str)] = &[
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
    (37, "net.ipv4.tcp_slow_start_after_idle"),
    (37, "net.ipv4.tcp_notsent_lowat"),
];
