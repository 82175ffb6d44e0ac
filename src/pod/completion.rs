//! A pod template as the API server completes the Pods that are made from it.
//!
//! Of what it adds to a Pod, and not to a template, three things are judged: the host ports of a pod on
//! its node's network, the AppArmor field that an annotation stands for, and the token of the
//! ServiceAccount, where the template does not refuse it.
//!
//! Sources: `SetDefaults_Pod` (`pkg/apis/core/v1/defaults.go`) and `applyAppArmorVersionSkew`
//! (`pkg/registry/core/pod/strategy.go`), as of Kubernetes 1.32 and later;
//! `plugin/pkg/admission/serviceaccount/admission.go`.

use super::profile::{Target, WrittenProfile};
use super::spec::Pod;

impl Pod<'_> {
    /// Completes a template to what a Pod of it is when it is admitted.
    pub(crate) fn complete(&mut self) {
        let (on_host_network, is_windows) =
            (self.spec.host_network == Some(true), self.is_windows());
        let of_pod = self
            .spec
            .security_context
            .as_ref()
            .and_then(|context| context.app_armor_profile.as_ref())
            .and_then(|profile| profile.parse().ok());
        let annotations = &self.annotations;
        let gets_token = self.spec.automount_service_account_token != Some(false);
        let lists = [
            &mut self.spec.init_containers,
            &mut self.spec.containers,
            &mut self.spec.ephemeral_containers,
        ];
        for container in lists.into_iter().flat_map(|list| list.iter_mut()) {
            for port in container.ports.iter_mut().filter(|_| on_host_network) {
                if port.host_port.unwrap_or_default() == 0 {
                    port.host_port = port.number;
                }
            }
            if gets_token {
                container.volume_mounts.extend(MOUNT_OF_TOKEN);
            }
            let profile = annotations
                .get(Target::AppArmorOfContainer(container.name.as_str()))
                .and_then(|annotation| annotation.app_armor().ok()?);
            if let Some(profile) = profile.filter(|profile| !is_windows && Some(*profile) != of_pod)
            {
                let own = container.security_context.get_or_insert_default();
                own.app_armor_profile
                    .get_or_insert(WrittenProfile::of(profile));
            }
        }
    }
}

/// The mount that the API server adds.
const MOUNT_OF_TOKEN: &str = r#"[{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]"#;
