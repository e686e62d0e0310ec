//! What can be configured, and the layer that carries it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tower_layer::Layer;

use super::EnvelopeService;

/// Wraps successful JSON responses in the platform's envelope.
///
/// See the [module docs](super) for the rules and for where it belongs in a stack.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use civic_envelope::EnvelopeLayer;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handler = service_fn(|_: Request<()>| async {
///     Response::builder()
///         .header("content-type", "application/json")
///         .body(Full::new(Bytes::from_static(b"[1,2]")))
/// });
/// let response = EnvelopeLayer::new().layer(handler).oneshot(Request::new(())).await?;
///
/// assert_eq!(response.headers()["x-envelope"], "1");
/// let body = response.into_body().collect().await?.to_bytes();
/// assert!(body.starts_with(br#"{"success":true,"data":[1,2],"timestamp":""#));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ResponseEnvelopeInterceptor")]
#[derive(Clone, Debug, Default)]
pub struct EnvelopeLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(super) struct Settings {
    excluded: Vec<String>,
    pub(super) checked: Option<usize>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

// ===== impl EnvelopeLayer =====

impl EnvelopeLayer {
    /// The layer with its defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves these paths alone as well. They are compared exactly and without the query: `/health`
    /// is neither `/health/` nor `/health-records`.
    ///
    /// Defaults to `/health` and `/health/ready`.
    #[must_use]
    pub fn exclude<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(Into::into);
        Arc::make_mut(&mut self.settings).excluded.extend(paths);
        self
    }

    /// Leaves these paths alone and no others, not even the default ones.
    #[must_use]
    pub fn exclude_only<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(Into::into);
        Arc::make_mut(&mut self.settings).excluded = paths.collect();
        self
    }

    /// For gateways, which relay bytes that are not their own: buffers each body that would be
    /// wrapped, up to `max` bytes, and wraps it only if it is one JSON value. Otherwise the answer
    /// is a 502 with an error body, and a [`CheckFailed`](super::CheckFailed) in its extensions.
    ///
    /// The upstream's own `x-envelope` is removed from every response: only what this process
    /// wrapped is marked. An answer to `HEAD` has no body and is not checked.
    ///
    /// Defaults to streaming without a check.
    #[must_use]
    pub fn checked(mut self, max: usize) -> Self {
        Arc::make_mut(&mut self.settings).checked = Some(max);
        self
    }

    /// Sets where the timestamp comes from.
    ///
    /// Defaults to the system's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.settings).clock = Arc::new(clock);
        self
    }
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = EnvelopeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EnvelopeService::with_settings(inner, Arc::clone(&self.settings))
    }
}

// ===== impl Settings =====

impl Settings {
    pub(super) fn excludes(&self, path: &str) -> bool {
        self.excluded.iter().any(|excluded| excluded == path)
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            excluded: vec!["/health".to_owned(), "/health/ready".to_owned()],
            checked: None,
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("excluded", &self.excluded)
            .field("checked", &self.checked)
            .finish_non_exhaustive()
    }
}
