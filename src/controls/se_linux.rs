//! Containers must run under an `SELinux` label that the cluster allows.
//!
//! - **Reads** `securityContext.seLinuxOptions` of the pod and of each container: `type`, `user` and
//!   `role`
//! - **Unset**, and empty, mean what the container runtime chooses
//! - **Allowed** a type in `seLinux.allowedTypes`, a user in `.allowedUsers` and a role in
//!   `.allowedRoles`, each also where it is overridden; an empty type where `""` is among the types,
//!   an empty user or role always
//! - **Not applicable** never
//! - **Differs from the Pod Security Standard** in nothing at its default
//! - **Source** `check_seLinuxOptions.go` of pod-security-admission; that a container's options take
//!   the place of all of the pod's is the kubelet's `DetermineEffectiveSecurityContext`

use std::borrow::Cow;

use crate::decode::{
    Choices, Decode, Level, Mode, Node, Problems, Standard, describe, loosens, section,
};
use crate::finding::{Finding, Findings, Found, Remedy, Value};
use crate::json::Text;
use crate::pod::place::Place;
use crate::pod::security_context::SeLinuxOptions;
use crate::pod::spec::Pod;
use crate::text::{Joined, Quoted};

section! {
    /// Containers run under the `SELinux` label that the runtime gives them, or under one for containers.
    pub(crate) struct SeLinux in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// Not empty: the types that may be written; `""` is options without a type. The Pod Security
        /// Standard has `container_engine_t` since v1.31.
        "allowedTypes" allowed_types: Choices<SeLinuxType>
            = Choices(types(standard).map(|name| SeLinuxType(name.into())).collect()),
        /// The users that may be written.
        "allowedUsers" allowed_users: Vec<String> = Vec::new(),
        /// The roles that may be written.
        "allowedRoles" allowed_roles: Vec<String> = Vec::new(),
    }
}

loosens! {
    SeLinux {
        "allowedTypes" allowed_types: Choices<SeLinuxType>,
        "allowedUsers" allowed_users: Vec<String>,
        "allowedRoles" allowed_roles: Vec<String>,
    }
}

/// An entry of `seLinux.allowedTypes`, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeLinuxType(Cow<'static, str>);

describe!(
    SeLinuxType: {"type": "string", "pattern": r"^$|\S"},
    |name| name.0.as_ref().into(),
);

impl Decode for SeLinuxType {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::Text("") => Some(Self("".into())),
            node => String::decode(node, problems).map(|name| Self(name.into())),
        }
    }
}

impl std::fmt::Display for SeLinuxType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            Quoted("").fmt(f)
        } else {
            f.write_str(&self.0)
        }
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &SeLinux, findings: &mut Findings<'p>) {
    let of_pod = pod
        .security_context()
        .and_then(|of| of.se_linux_options.as_ref());
    if let Some(options) = of_pod {
        let place = |key| pod.field(&["securityContext", OPTIONS, key]);
        settings.judge(options, &place, &mut |found| {
            findings.report(found.taken_by(|_, container| {
                let own = container.security_context();
                own.is_none_or(|own| own.se_linux_options.is_none()).into()
            }));
        });
    }
    for container in pod.containers() {
        let own = container.security_context();
        if let Some(options) = own.and_then(|own| own.se_linux_options.as_ref()) {
            let place = |key| container.security_field(&[OPTIONS, key]);
            settings.judge(options, &place, &mut |found| findings.report(found));
        }
    }
}

impl SeLinux {
    fn judge<'p>(
        &self,
        options: &'p SeLinuxOptions<'p>,
        place: &dyn Fn(&'static str) -> Place<'p>,
        report: &mut dyn FnMut(Finding<'p>),
    ) {
        let type_ = text(options.type_.as_ref());
        if self.allowed_types.iter().all(|allowed| allowed.0 != type_) {
            report(Finding::new(
                place("type"),
                Found::Text(type_),
                self.type_remedy(),
            ));
        }
        for (key, written, allowed) in [
            ("user", &options.user, &self.allowed_users),
            ("role", &options.role, &self.allowed_roles),
        ] {
            let written = text(written.as_ref());
            if !written.is_empty() && allowed.iter().all(|allowed| allowed != written) {
                let found = Finding::new(place(key), Found::Text(written), Remedy::Remove);
                report(found.because(format!("which is not one of: {}", Joined(allowed))));
            }
        }
    }

    /// The first type that may be written; where none may, the field has to go.
    fn type_remedy(&self) -> Remedy {
        let mut allowed = self.allowed_types.iter();
        match allowed.find(|allowed| !allowed.0.is_empty()) {
            None => Remedy::Remove,
            Some(first) => Remedy::OneOf {
                allowed: self.allowed_types.iter().map(ToString::to_string).collect(),
                suggestion: Some(Value::Text(first.0.clone())),
            },
        }
    }
}

fn text<'p>(written: Option<&'p Text<'p>>) -> &'p str {
    written.map(Text::as_str).unwrap_or_default()
}

/// The types that the standard allows, the newest last.
fn types(standard: Standard) -> impl Iterator<Item = &'static str> {
    let newest = standard.is_since(31).then_some("container_engine_t");
    let first = ["", "container_t", "container_init_t", "container_kvm_t"];
    first.into_iter().chain(newest)
}

const OPTIONS: &str = "seLinuxOptions";
