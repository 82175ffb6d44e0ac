//! Who answers the host calls of an evaluation: nobody, the registries, or a recorded session, and files
//! what is asked of scans.

use std::sync::atomic::{AtomicBool, Ordering};

use container_security_host::{Denied, HostCapabilities, Replay, Reports};

use super::registry::Registry;

pub(super) enum Host {
    /// Whether somebody was missed.
    Nobody(AtomicBool),
    Registry(Box<Registry>),
    Replay(Replay),
    Reports(Box<Reports<Self>>),
}

impl Host {
    pub(super) fn nobody() -> Self {
        Self::Nobody(AtomicBool::new(false))
    }

    /// What whoever runs this command can do about calls without an answer since the last time. The
    /// policy speaks to whoever uses a cluster, and sends them to whoever runs its policy server.
    pub(super) fn take_advice(&self) -> Vec<String> {
        match self {
            Self::Nobody(missed) => missed
                .swap(false, Ordering::Relaxed)
                .then(|| NOBODY.to_owned())
                .into_iter()
                .collect(),
            Self::Registry(registry) => registry.take_advice(),
            // It has what a policy server was told.
            Self::Replay(_) => Vec::new(),
            Self::Reports(reports) => reports.inner().take_advice(),
        }
    }

    /// What there was, and nobody has asked for.
    pub(super) fn leftovers(&self) -> Vec<String> {
        match self {
            Self::Replay(replay) => {
                let leftovers = replay.leftovers().into_iter();
                leftovers
                    .map(|leftover| format!("not replayed: {leftover}"))
                    .collect()
            }
            Self::Reports(reports) if !reports.was_asked() => vec![NO_REPORTS.to_owned()],
            Self::Nobody(_) | Self::Registry(_) | Self::Reports(_) => Vec::new(),
        }
    }
}

impl HostCapabilities for Host {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::Nobody(missed) => {
                let answer = Denied.call(binding, namespace, operation, payload);
                missed.fetch_or(answer.is_err(), Ordering::Relaxed);
                answer
            }
            Self::Registry(registry) => registry.call(binding, namespace, operation, payload),
            Self::Replay(replay) => replay.call(binding, namespace, operation, payload),
            Self::Reports(reports) => reports.call(binding, namespace, operation, payload),
        }
    }
}

const NO_REPORTS: &str =
    "--reports: no policy has asked for a report; vulnerabilities.source says whether one does";
const NOBODY: &str = "no policy server was asked here: let --registry ask the registries and --reports say what \
                      scanners have found, or take the answers from a session with \
                      --replay-host-capabilities-interactions";
