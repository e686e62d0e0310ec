//! Whether a service can do its work now: named checks, in the shape of Terminus.
//!
//! `GET /health/ready` answers what a NestJS service with `@nestjs/terminus` answers:
//!
//! | state | status | body |
//! |---|---|---|
//! | every check passes | 200 | `{"status":"ok","info":{"lock-store":{"status":"up"}},"error":{},"details":{"lock-store":{"status":"up"}}}` |
//! | a check fails, or takes too long | 503 | `{"status":"error","info":{…},"error":{"lock-store":{"status":"down"}},"details":{…}}` |
//! | the process is stopping | 503 | `{"status":"shutting_down",…}`, from the moment at which the drain begins |
//!
//! The answer is public, so it says what is down and not why. The reason is in the log, once when
//! a check begins to fail and once when it passes again.
//!
//! # What to check
//!
//! What every request needs and what another process would have: a connection to the lock's store,
//! a pool of database connections. Not a peer that only some routes need, and not one that is
//! down for every replica alike: a check that fails everywhere takes the service away, where it
//! could have answered 503 for these routes alone. `GET /health` has no checks at all, because an
//! orchestrator kills a process that fails it.

mod check;
mod report;
mod shared;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;

use self::check::Check;
use self::report::State;
pub(crate) use self::report::healthy;
use self::shared::Shared;
use crate::shutdown::Shutdown;

/// How long a check may take. An orchestrator's probe waits for one second, unless it is told
/// otherwise.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Named checks of what a service needs.
///
/// The shape of the answer, and what to check, are described in the [module docs](self).
///
/// ```
/// use civic_server::Readiness;
///
/// # fn pool() -> Pool { Pool }
/// # #[derive(Clone)] struct Pool;
/// # impl Pool { async fn ping(&self) -> std::io::Result<()> { Ok(()) } }
/// let pool = pool();
/// let readiness = Readiness::new().check("database", move || {
///     let pool = pool.clone();
///     async move { pool.ping().await }
/// });
/// # let _ = readiness;
/// ```
#[doc(alias = "HealthCheckService")]
#[derive(Clone)]
pub struct Readiness {
    checks: Vec<Check>,
    timeout: Duration,
    shared: Arc<Shared>,
}

// ===== impl Readiness =====

impl Readiness {
    /// Creates a readiness without checks, which is ready until the drain begins.
    #[must_use]
    pub fn new() -> Self {
        Self {
            checks: Vec::new(),
            timeout: TIMEOUT,
            shared: Arc::default(),
        }
    }

    /// Adds a check. Another one of the same name is replaced.
    ///
    /// Checks run at the same time, each on a task of its own, when the answer is asked for, but at
    /// most once per second: callers in between get the last answer.
    #[must_use]
    pub fn check<F, W, E>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let check = Check::new(name.into(), check);
        self.checks.retain(|other| other.name() != check.name());
        self.checks.push(check);
        // What was shared so far was the answer of other checks.
        self.shared = Arc::default();
        self
    }

    /// Sets how long a check may take before it counts as failed.
    ///
    /// Defaults to 800 ms.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the answer to a probe.
    pub(crate) async fn answer(&self, shutdown: Option<&Shutdown>) -> Response {
        let mut report = self.shared.report(&self.checks, self.timeout).await;
        if shutdown.is_some_and(Shutdown::is_draining) {
            report.state = State::ShuttingDown;
        }
        report.into_response()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.checks.iter().map(Check::name).collect();
        f.debug_struct("Readiness")
            .field("checks", &names)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
