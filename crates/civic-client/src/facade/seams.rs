//! What a user adds to the default stack: layers, observers and TLS.

use std::sync::Arc;

use http::HeaderMap;
use tracing::Span;

use crate::facade::builder::ServiceClientBuilder;
use crate::observe::Observer;
use crate::stack::{ClientLayer, UserLayer};
#[cfg(feature = "tls")]
use crate::transport::TlsConfig;

// ===== impl ServiceClientBuilder: what a user adds =====

impl ServiceClientBuilder {
    /// Adds a layer that sees each call once, outside of the retries: a limit of calls in flight,
    /// for example, or a cache.
    ///
    /// The first one that is added is the outermost. It sees the request with its correlation id
    /// and its idempotency key, and it sees the outcome of the last attempt. The deadline of the
    /// call covers it; a wait inside of its future ends there. The response of a stream passes it
    /// without its body: see [`WantsStream`](crate::WantsStream).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use civic_client::{Error, ServiceClient};
    /// use tower::timeout::TimeoutLayer;
    ///
    /// # fn main() -> Result<(), Error> {
    /// let client = ServiceClient::builder("http://localhost:3020")
    ///     .anonymous()
    ///     .layer_call(TimeoutLayer::new(Duration::from_secs(20)))
    ///     .build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer_call(mut self, layer: impl ClientLayer) -> Self {
        self.stack.set("layer_call", |stack| {
            stack.call_layers.push(UserLayer::new(layer));
        });
        self
    }

    /// Adds a layer that sees each attempt, under its timeout: one more header per attempt, for
    /// example, a signature, or a circuit breaker.
    ///
    /// The first one that is added is the outermost. It sees the request before the headers of the
    /// attempt and the token are written, and the response with its whole body, unless the request
    /// has [`WantsStream`](crate::WantsStream).
    pub fn layer_attempt(mut self, layer: impl ClientLayer) -> Self {
        self.stack.set("layer_attempt", |stack| {
            stack.attempt_layers.push(UserLayer::new(layer));
        });
        self
    }

    /// Sets who is told what the client does: calls, attempts, retries, breakers and connections.
    ///
    /// Two observers are a pair of them. A [`RetryPolicy`](crate::RetryPolicy) that has an observer
    /// of its own tells that one of its retries.
    ///
    /// Defaults to none.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.stack.set("observer", |stack| {
            stack.observer = Some(Arc::new(observer));
        });
        self
    }

    /// Sets a function that writes the span of each attempt into the headers of its request, so
    /// that the spans of the peer become its children. See
    /// [`AttemptSpanLayer::with_injector`](crate::AttemptSpanLayer::with_injector).
    ///
    /// Defaults to none: the peer gets the `traceparent` of the request being served.
    pub fn trace_injector(
        mut self,
        inject: impl Fn(&Span, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.stack.set("trace_injector", |stack| {
            let span = std::mem::take(&mut stack.span);
            stack.span = span.with_injector(inject);
        });
        self
    }

    /// Sets whose certificates are accepted, and which one is shown, where the base URL asks for
    /// `https`.
    ///
    /// Defaults to [`TlsConfig::from_platform`], which is read when the client is built.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.stack.set("tls", |stack| stack.tls = Some(tls));
        self
    }
}
