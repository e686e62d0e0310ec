//! One named check.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// A check and its name. Cloning it is cheap.
#[derive(Clone)]
pub(super) struct Check {
    name: Arc<str>,
    run: Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>,
}

/// What a check found. `Err` says why what it looked at is down.
pub(super) struct Outcome(pub(super) Result<(), String>);

impl Check {
    pub(super) fn new<F, W, E>(name: String, check: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            name: name.into(),
            run: Arc::new(move || {
                let running = check();
                Box::pin(
                    async move { Outcome(running.await.map_err(|error| chain(&*error.into()))) },
                )
            }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs all checks at the same time, and returns what each found, in their order.
    pub(super) async fn run_all(checks: &[Self], limit: Duration) -> Vec<Outcome> {
        // Of their own tasks, so that one that panics is one that fails. Dropped with this future.
        let mut running = JoinSet::new();
        let mut outcomes: Vec<Outcome> = Vec::new();
        for (index, check) in checks.iter().enumerate() {
            let run = Arc::clone(&check.run);
            running.spawn(async move {
                let outcome = timeout(limit, run()).await;
                (index, outcome.unwrap_or_else(|_| Outcome::late(limit)))
            });
            outcomes.push(Outcome(Err("the check panicked".to_owned())));
        }
        while let Some(ended) = running.join_next().await {
            if let Ok((index, outcome)) = ended
                && let Some(slot) = outcomes.get_mut(index)
            {
                *slot = outcome;
            }
        }
        outcomes
    }
}

impl Outcome {
    fn late(limit: Duration) -> Self {
        Self(Err(format!("the check did not end within {limit:?}")))
    }
}

/// Writes an error and its causes on one line.
fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
