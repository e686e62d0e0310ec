//! What one call wants otherwise than its client.
//!
//! Travels in the request's extensions and is read by the layers, so that a request built by hand can use
//! it too.

use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// What one call wants otherwise than its client: put it into the request's extensions.
///
/// ```
/// # use civic_client::CallOptions;
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(CallOptions::new().with_retries(0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    retries: Option<u32>,
    attempt_timeout: Option<Duration>,
    deadline: Option<Instant>,
    idempotent: Option<bool>,
}

impl CallOptions {
    /// Nothing otherwise.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            retries: None,
            attempt_timeout: None,
            deadline: None,
            idempotent: None,
        }
    }

    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// At most this many retries.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Each attempt may take this long.
    #[must_use]
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// No attempt runs on past this instant, and none is waited for that could only begin after it.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The caller knows whether executing the request twice does the same as executing it once; without
    /// this the method decides.
    #[must_use]
    pub const fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// At most how many retries, if the call says.
    #[must_use]
    pub const fn retries(&self) -> Option<u32> {
        self.retries
    }

    /// How long each attempt may take, if the call says.
    #[must_use]
    pub const fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// When the call must have ended, if it must.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the call may be executed twice, if it says.
    #[must_use]
    pub const fn idempotent(&self) -> Option<bool> {
        self.idempotent
    }
}

/// The path template of a request (`/users/{id}`), for spans and errors: put it into the request's
/// extensions.
#[derive(Clone, Debug)]
pub struct UrlTemplate(Arc<str>);

impl UrlTemplate {
    /// This template.
    #[must_use]
    pub fn new(template: &str) -> Self {
        Self(template.into())
    }

    /// The template as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
