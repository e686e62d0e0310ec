//! One run of the checks for all who ask at the same time.
//!
//! The route is public: a caller that asks it a thousand times per second must not make the service
//! ping its store a thousand times.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::check::Check;
use super::report::Report;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer, and the right to find the next one.
#[derive(Debug, Default)]
pub(super) struct Shared {
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

impl Shared {
    /// Returns the last report if it is fresh, or else runs the checks.
    pub(super) async fn report(&self, checks: &[Check], limit: Duration) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return Report::clone(report);
        }
        let outcomes = Check::run_all(checks, limit).await;
        let report = Report::new(checks, outcomes);
        report.log_changes(last.as_ref().map(|(_, report)| &**report));
        *last = Some((Instant::now(), Arc::new(report.clone())));
        report
    }
}
