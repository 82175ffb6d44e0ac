//! Who answers the host calls of an evaluation: nobody, the registries, or a recorded session.

use std::sync::atomic::{AtomicBool, Ordering};

use container_security_host::{Denied, HostCapabilities, Replay};

use super::registry::Registry;

pub(super) enum Host {
    /// Whether somebody was missed.
    Nobody(AtomicBool),
    Registry(Box<Registry>),
    Replay(Replay),
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
        }
    }

    /// What was recorded and not asked for.
    pub(super) fn leftovers(&self) -> Vec<String> {
        match self {
            Self::Replay(replay) => replay.leftovers(),
            Self::Nobody(_) | Self::Registry(_) => Vec::new(),
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
        }
    }
}

const NOBODY: &str = "no policy server was asked here: let --registry ask the registries, or take \
                      the answers from a session with --replay-host-capabilities-interactions";
