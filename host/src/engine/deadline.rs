//! When a guest has to be done.

use std::fmt;
use std::time::{Duration, Instant};

use wasmi::errors::HostError;

/// A moment; none is never over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(now().checked_add(timeout))
    }

    pub(super) fn is_over(self) -> bool {
        self.0.is_some_and(|end| now() >= end)
    }
}

/// What a guest is stopped with.
#[derive(Debug)]
pub(super) struct DeadlineExceeded;

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("guest code interrupted, execution deadline exceeded")
    }
}

impl HostError for DeadlineExceeded {}

#[expect(
    clippy::disallowed_methods,
    reason = "the rule is for the policy; this is who limits its time"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes() {
        assert!(Deadline::after(Duration::ZERO).is_over());
        assert!(!Deadline::after(Duration::from_hours(1)).is_over());
    }

    #[test]
    fn what_is_too_far_away_never_comes() {
        assert!(!Deadline::after(Duration::MAX).is_over());
        assert!(!Deadline::default().is_over());
    }
}
