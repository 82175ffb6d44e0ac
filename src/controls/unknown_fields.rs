//! Pods should use no field that this policy does not know: nobody has judged what it does.
//!
//! - **Reads** the keys of the PodSpec, of each container, and of a `securityContext` with its
//!   `appArmorProfile`, `capabilities`, `seLinuxOptions`, `seccompProfile` and `windowsOptions`
//! - **Unset**, which `null` is too, means nothing to look at
//! - **Allowed** the keys that Kubernetes has up to 1.37, whether a control reads them or not
//! - **Not applicable** below other keys (`affinity`, `resources`), whose values no control reads as a
//!   whole; the types of volumes are for `volumes`
//! - **Differs from the Pod Security Standard**, which has no such rule: each of its versions is for the
//!   fields of one Kubernetes
//! - **Source** `PodSpec`, `Container`, `EphemeralContainer`, `SecurityContext` and `PodSecurityContext` of
//!   `k8s.io/api/core/v1`. The API server drops what it does not know, so a field that arrives is one that
//!   the cluster acts on

use crate::decode::{Mode, section};
use crate::finding::{Finding, Findings, Found, Remedy};
use crate::object::Unknown;
use crate::pod::place::Place;
use crate::pod::security_context::SecurityContext;
use crate::pod::spec::Pod;

section! {
    /// Pods use no field of a PodSpec, a container or a `securityContext` that is newer than the policy.
    ///
    /// The API server drops fields that it does not know. So one that arrives here is one that the cluster
    /// acts on, and a policy that is older than the cluster would let it pass unseen. In custom kinds, and
    /// where `evaluate` reads a file, it may also be one that is misspelt.
    ///
    /// In an UPDATE the same field with another value is new.
    pub(crate) struct UnknownFields {
        "mode" mode: Mode = Mode::Warn,
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, _: &UnknownFields, findings: &mut Findings<'p>) {
    report(&pod.spec.unknown, &|| pod.field(&[]), findings);
    if let Some(context) = pod.security_context() {
        let place = || pod.field(&["securityContext"]);
        judge_context(context, &place, findings);
    }
    for container in pod.containers() {
        report(&container.spec.unknown, &|| container.place(), findings);
        if let Some(context) = container.security_context() {
            judge_context(context, &|| container.security_field(&[]), findings);
        }
    }
}

fn judge_context<'p>(
    context: &'p SecurityContext<'p>,
    place: &dyn Fn() -> Place<'p>,
    findings: &mut Findings<'p>,
) {
    let SecurityContext {
        app_armor_profile,
        capabilities,
        se_linux_options,
        seccomp_profile,
        windows_options,
        ..
    } = context;
    report(&context.unknown, place, findings);
    for (key, unknown) in [
        (
            "appArmorProfile",
            app_armor_profile.as_ref().map(|of| &of.unknown),
        ),
        ("capabilities", capabilities.as_ref().map(|of| &of.unknown)),
        (
            "seLinuxOptions",
            se_linux_options.as_ref().map(|of| &of.unknown),
        ),
        (
            "seccompProfile",
            seccomp_profile.as_ref().map(|of| &of.unknown),
        ),
        (
            "windowsOptions",
            windows_options.as_ref().map(|of| &of.unknown),
        ),
    ] {
        if let Some(unknown) = unknown {
            report(unknown, &|| place().field(&[key]), findings);
        }
    }
}

fn report<'p>(
    unknown: &'p [Unknown<'p>],
    place: &dyn Fn() -> Place<'p>,
    findings: &mut Findings<'p>,
) {
    for unknown in unknown {
        if findings.is_full() {
            return;
        }
        let place = place().field(&[unknown.key.as_str()]);
        let found = Found::Phrase("is not known to this version of the policy".into());
        let finding = Finding::new(place, found, Remedy::Remove);
        // Another value is another finding.
        findings.report(
            finding
                .because("so nobody has judged it")
                .bounded_by(vec![unknown.value]),
        );
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1 as kubernetes;
    use serde::de::value::Error;
    use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    use crate::object::{Object, Slot};
    use crate::pod::container::ContainerSpec;
    use crate::pod::profile::WrittenProfile;
    use crate::pod::security_context::{
        CapabilityChanges, SeLinuxOptions, SecurityContext, WindowsOptions,
    };
    use crate::pod::spec::PodSpec;

    /// What Kubernetes has and k8s-openapi does not: from 1.37 on, and in 1.35 only.
    const OF_OTHER_VERSIONS: [&str; 2] = ["evictionResponders", "workloadRef"];

    #[test]
    fn the_known_keys_are_those_of_kubernetes() {
        let of_pod = fields::<kubernetes::PodSpec>();
        check::<PodSpec<'_>>(PodSpec::KNOWN, &[of_pod, OF_OTHER_VERSIONS.into()]);
        let of_container = fields::<kubernetes::Container>();
        let of_debugger = fields::<kubernetes::EphemeralContainer>();
        check::<ContainerSpec<'_>>(ContainerSpec::KNOWN, &[of_container, of_debugger]);
        let of_container = fields::<kubernetes::SecurityContext>();
        let of_pod = fields::<kubernetes::PodSecurityContext>();
        check::<SecurityContext<'_>>(SecurityContext::KNOWN, &[of_container, of_pod]);
        let app_armor = fields::<kubernetes::AppArmorProfile>();
        let seccomp = fields::<kubernetes::SeccompProfile>();
        check::<WrittenProfile<'_>>(WrittenProfile::KNOWN, &[app_armor, seccomp]);
        let capabilities = fields::<kubernetes::Capabilities>();
        check::<CapabilityChanges<'_>>(CapabilityChanges::KNOWN, &[capabilities]);
        let se_linux = fields::<kubernetes::SELinuxOptions>();
        check::<SeLinuxOptions<'_>>(SeLinuxOptions::KNOWN, &[se_linux]);
        let windows = fields::<kubernetes::WindowsSecurityContextOptions>();
        check::<WindowsOptions<'_>>(WindowsOptions::KNOWN, &[windows]);
    }

    fn check<'de, T: Object<'de> + Default>(known: &[&str], of_kubernetes: &[Vec<&str>]) {
        let of_kubernetes = of_kubernetes.concat();
        let is_unknown = |key: &str| matches!(T::default().slot(key), Slot::Unknown(_));
        let new = of_kubernetes.iter().filter(|key| is_unknown(key));
        assert_eq!(new.collect::<Vec<_>>(), Vec::<&&str>::new(), "not known");
        let gone = known.iter().filter(|key| !of_kubernetes.contains(key));
        assert_eq!(gone.collect::<Vec<_>>(), Vec::<&&str>::new(), "of nobody");
        assert!(is_unknown("cgroupOptions"));
    }

    /// The keys of a type of k8s-openapi: it tells them to whoever decodes it.
    fn fields<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
        let mut fields = Vec::new();
        assert!(T::deserialize(Fields(&mut fields)).is_err());
        assert!(!fields.is_empty());
        fields
    }

    struct Fields<'f>(&'f mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend_from_slice(fields);
            Err(Error::custom("it has nothing to decode"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("this is no struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
}
