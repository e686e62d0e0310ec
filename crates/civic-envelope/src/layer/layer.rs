//! The layer, and what can be configured.

use std::sync::Arc;
use std::time::SystemTime;

use tower_layer::Layer;

use super::service::EnvelopeService;
use super::settings::Settings;

/// Wraps successful JSON responses in the platform's envelope.
///
/// The rules, and where the layer belongs in a stack, are described in the [module docs](super).
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

impl EnvelopeLayer {
    /// Creates the layer with its defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Excludes these paths as well: their responses pass as they are.
    ///
    /// A path is compared as a whole and without the query: `/health` excludes neither `/health/`
    /// nor `/health-records`.
    ///
    /// Defaults to `/health` and `/health/ready`.
    #[must_use]
    pub fn with_excluded_paths<P: Into<String>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into);
        Arc::make_mut(&mut self.settings)
            .excluded_paths
            .extend(paths);
        self
    }

    /// Excludes no path, not even the default ones.
    ///
    /// Defaults to `/health` and `/health/ready`.
    #[must_use]
    pub fn without_excluded_paths(mut self) -> Self {
        Arc::make_mut(&mut self.settings).excluded_paths.clear();
        self
    }

    /// Buffers each body that would be wrapped, up to `max_bytes`, and wraps it only if it is one
    /// JSON value.
    ///
    /// This is for gateways, which relay bytes that they did not write. A body that fails the check
    /// is answered with a 502 that has an error body, and a [`CheckFailed`](super::CheckFailed) in
    /// its extensions. The upstream's `x-envelope` is removed from every response, so that only a
    /// response that this process wrapped is marked. An answer to `HEAD` has no body and is not
    /// checked.
    ///
    /// Defaults to streaming without a check.
    #[must_use]
    pub fn with_body_check(mut self, max_bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).max_checked_bytes = Some(max_bytes);
        self
    }

    /// Sets where the timestamp comes from.
    ///
    /// Defaults to [`SystemTime::now`].
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
