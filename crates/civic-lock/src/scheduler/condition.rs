//! Conditions that last for a while, and are reported once or now and then.

use std::time::Duration;

use tokio::time::Instant;

/// A condition that lasts for a while, and is reported now and then.
#[derive(Debug, Default)]
pub(super) struct Condition {
    reported: Option<Instant>,
}

impl Condition {
    /// Returns whether to report it: the first time, and whenever `every` has passed since the last
    /// report.
    pub(super) fn is_due(&mut self, every: Duration) -> bool {
        let due = self.reported.is_none_or(|at| at.elapsed() >= every);
        if due {
            self.reported = Some(Instant::now());
        }
        due
    }

    /// Ends the condition. Returns whether it was reported.
    pub(super) fn end(&mut self) -> bool {
        self.reported.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_is_reported_at_once_and_then_once_per_period_until_it_ends() {
        let day = Duration::from_secs(86_400);
        let mut condition = Condition::default();
        assert!(!condition.end());
        assert!(condition.is_due(day));
        assert!(!condition.is_due(day));
        tokio::time::advance(day).await;
        assert!(condition.is_due(day));
        assert!(condition.end());
        assert!(condition.is_due(day), "it has come back");
    }
}
