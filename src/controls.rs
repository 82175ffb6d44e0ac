//! The controls: one file each, under the name of its section of the settings, and the one list of them.
//!
//! A control is a function from what is judged, and its own settings, to
//! [`Findings`](crate::finding::Findings). It returns no `Result`: where it cannot know, that is a
//! finding, so no `?` can let a workload pass.

pub(crate) mod app_armor;
pub(crate) mod capabilities;
pub(crate) mod host_namespaces;
pub(crate) mod host_ports;
pub(crate) mod host_probes;
pub(crate) mod image_freshness;
pub(crate) mod image_pinning;
pub(crate) mod localhost_profiles;
pub(crate) mod privilege_escalation;
pub(crate) mod privileged;
pub(crate) mod proc_mount;
pub(crate) mod read_only_root_filesystem;
pub(crate) mod registries;
pub(crate) mod root_user;
pub(crate) mod se_linux;
pub(crate) mod seccomp;
pub(crate) mod service_account_token;
pub(crate) mod share_process_namespace;
pub(crate) mod signatures;
pub(crate) mod sysctls;
pub(crate) mod unknown_fields;
pub(crate) mod volumes;
pub(crate) mod vulnerabilities;

use crate::decode::words;

/// The list, in the order in which violations are listed: for each control the advice of the article
/// that it follows, how it judges (`pod`: the pod alone; `pod_and_host`: the pod, and then what the
/// host says to each finding with a question; `images`: the image references;
/// `supply_chain`: what the host knows of the images), whether what it finds belongs to the pod, even
/// at the mount of one container (`whole`), or to one container (`each`), whether exemptions can loosen
/// it (`looser`, with a `Loosening`, or `fixed`), its module, its section, and the key of that in the
/// settings. `$expand!` is the macro that is handed all rows.
macro_rules! controls {
    ($expand:ident) => {
        $expand! {
            /// Limit actions with AppArmor
            pod each looser app_armor AppArmor "appArmor";
            /// Limit actions with AppArmor
            pod each looser se_linux SeLinux "seLinux";
            /// Limit system calls with seccomp
            pod each looser seccomp Seccomp "seccomp";
            /// Create the profiles on the nodes
            pod_and_host each fixed localhost_profiles LocalhostProfiles "localhostProfiles";
            /// Do not share the node's namespaces
            pod whole fixed host_namespaces HostNamespaces "hostNamespaces";
            /// Do not share the node's namespaces
            pod each looser host_ports HostPorts "hostPorts";
            /// Do not share the node's namespaces
            pod each looser host_probes HostProbes "hostProbes";
            /// Do not share the node's namespaces
            pod whole fixed share_process_namespace ShareProcessNamespace "shareProcessNamespace";
            /// Provide the least permissions, avoid root and escalation
            pod each fixed privileged Privileged "privileged";
            /// Provide the least permissions, avoid root and escalation
            pod each fixed privilege_escalation PrivilegeEscalation "privilegeEscalation";
            /// Provide the least permissions, avoid root and escalation
            pod_and_host each looser root_user RootUser "rootUser";
            /// Provide the least permissions, avoid root and escalation
            pod each looser capabilities Capabilities "capabilities";
            /// Provide the least permissions, avoid root and escalation
            pod each looser proc_mount ProcMount "procMount";
            /// Provide the least permissions, avoid root and escalation
            pod whole looser sysctls Sysctls "sysctls";
            /// Provide the least permissions, avoid root and escalation
            pod whole looser volumes Volumes "volumes";
            /// Provide the least permissions, avoid root and escalation
            pod each fixed read_only_root_filesystem ReadOnlyRootFilesystem "readOnlyRootFilesystem";
            /// Provide the least permissions, avoid root and escalation
            pod each fixed service_account_token ServiceAccountToken "serviceAccountToken";
            /// Provide the least permissions, avoid root and escalation
            pod each fixed unknown_fields UnknownFields "unknownFields";
            /// Use a trusted registry
            images each fixed registries Registries "registries";
            /// Use a trusted registry
            images each looser image_pinning ImagePinning "imagePinning";
            /// Permit only signed images
            supply_chain each looser signatures Signatures "signatures";
            /// Deploy only what passed the scan
            supply_chain each looser vulnerabilities Vulnerabilities "vulnerabilities";
            /// Redeploy when base images change
            supply_chain each looser image_freshness ImageFreshness "imageFreshness";
        }
    };
}

pub(crate) use controls;

macro_rules! control_enum {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $loosens:ident $module:ident $section:ident $key:literal; )*) => {
        words! {
            /// Every control, in the order in which violations are listed.
            pub(crate) enum Control {
                $( $(#[doc = $doc])* $section = $key, )*
            }
        }

        impl Control {
            /// Whether what the control finds belongs to the pod, even at the mount of one container.
            pub(crate) fn is_pod_wide(self) -> bool {
                match self {
                    $( Self::$section => stringify!($scope) == "whole", )*
                }
            }

            /// Whether the control judges images, and nothing that a container may do.
            pub(crate) fn is_about_images(self) -> bool {
                match self {
                    $( Self::$section => matches!(stringify!($judge), "images" | "supply_chain"), )*
                }
            }

            #[cfg(feature = "schema")]
            pub(crate) const ALL: &[Self] = &[$( Self::$section ),*];
        }
    };
}

controls!(control_enum);
