//! How many attempts the client has made: it opens one span for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The name of the client's span.
const ATTEMPT: &str = "http.client.attempt";

/// Counts the attempts of every client in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<AtomicU64>);

// ===== impl Attempts =====

impl Attempts {
    /// Begins to count.
    ///
    /// # Errors
    ///
    /// The process has a subscriber already.
    pub(crate) fn install() -> Result<Self, String> {
        let attempts = Self::default();
        tracing::subscriber::set_global_default(
            tracing_subscriber::registry().with(attempts.clone()),
        )
        .map_err(|error| error.to_string())?;
        Ok(attempts)
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for Attempts
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == ATTEMPT {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
