//! The controls: one file each, under the name of its section of the settings, and the one list of them.
//!
//! A control is a function from what is judged, and its own settings, to
//! [`Findings`](crate::finding::Findings). It returns no `Result`: where it cannot know, that is a
//! finding, so no `?` can let a workload pass.

pub(crate) mod app_armor;
pub(crate) mod capabilities;
pub(crate) mod host_namespaces;
pub(crate) mod host_ports;
pub(crate) mod image_freshness;
pub(crate) mod image_pinning;
pub(crate) mod privilege_escalation;
pub(crate) mod privileged;
pub(crate) mod proc_mount;
pub(crate) mod read_only_root_filesystem;
pub(crate) mod registries;
pub(crate) mod root_user;
pub(crate) mod seccomp;
pub(crate) mod share_process_namespace;
pub(crate) mod signatures;
pub(crate) mod vulnerabilities;

use crate::decode::words;

/// The list, in the order in which violations are listed: for each control how it judges (`pod`: the
/// pod alone; `images`: the image references; `supply_chain`: what the host knows of the images),
/// whether it judges the pod as a whole and never one container of it (`whole`, or `each`), its
/// module, its section, and the key of that in the settings. `expand!` is a macro that makes something
/// of it.
macro_rules! controls {
    ($expand:ident) => {
        $expand! {
            /// Containers run under AppArmor.
            pod each app_armor AppArmor "appArmor";
            /// Each container runs behind a filter of system calls.
            pod each seccomp Seccomp "seccomp";
            /// Pods do not share the namespaces of their node.
            pod whole host_namespaces HostNamespaces "hostNamespaces";
            /// Pods do not open ports on their node.
            pod each host_ports HostPorts "hostPorts";
            /// The containers of a pod do not see each other's processes.
            pod whole share_process_namespace ShareProcessNamespace "shareProcessNamespace";
            /// No container runs privileged.
            pod each privileged Privileged "privileged";
            /// No process gains more rights than its parent has.
            pod each privilege_escalation PrivilegeEscalation "privilegeEscalation";
            /// No container runs as root.
            pod each root_user RootUser "rootUser";
            /// Containers give up the rights of root that they do not need.
            pod each capabilities Capabilities "capabilities";
            /// Containers see `/proc` as the runtime masks it.
            pod each proc_mount ProcMount "procMount";
            /// No container writes to its image.
            pod each read_only_root_filesystem ReadOnlyRootFilesystem "readOnlyRootFilesystem";
            /// Images come from trusted registries.
            images each registries Registries "registries";
            /// Images are named so that the name keeps its meaning.
            images each image_pinning ImagePinning "imagePinning";
            /// Images are signed by somebody who is trusted.
            supply_chain each signatures Signatures "signatures";
            /// Images have been scanned, and nothing worse was found than allowed.
            supply_chain each vulnerabilities Vulnerabilities "vulnerabilities";
            /// Images are rebuilt now and then, on the current version of their base.
            supply_chain each image_freshness ImageFreshness "imageFreshness";
        }
    };
}

pub(crate) use controls;

macro_rules! control_enum {
    ($( $(#[doc = $doc:literal])* $judge:ident $scope:ident $module:ident $section:ident $key:literal; )*) => {
        words! {
            /// Every control, in the order in which violations are listed.
            pub(crate) enum Control {
                $( $(#[doc = $doc])* $section = $key, )*
            }
        }

        impl Control {
            /// Whether the control judges the pod as a whole, never one container of it.
            pub(crate) fn is_pod_wide(self) -> bool {
                match self {
                    $( Self::$section => stringify!($scope) == "whole", )*
                }
            }

            #[cfg(feature = "schema")]
            pub(crate) const ALL: &[Self] = &[$( Self::$section ),*];
        }
    };
}

controls!(control_enum);
