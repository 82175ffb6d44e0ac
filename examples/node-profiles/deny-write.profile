# The article's AppArmor profile: read anything, write nothing.
# Load it on each node that may run the pod: sudo apparmor_parser --replace deny-write.profile
#include <tunables/global>

profile k8s-apparmor-example-deny-write flags=(attach_disconnected) {
  #include <abstractions/base>

  file,

  # Deny all file writes.
  deny /** w,
}
