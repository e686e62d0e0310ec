//! The layer, and its options.

use std::convert::Infallible;
use std::error::Error;

use axum::body::Bytes;
use axum::extract::Request;
use civic_auth::CorrelationIdLayer;
use civic_auth::layer::AdoptDeadlineLayer;
use civic_envelope::EnvelopeLayer;
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::sensitive_headers::{
    SetSensitiveRequestHeadersLayer, SetSensitiveResponseHeadersLayer,
};
use tower_layer::Layer;
use tower_service::Service;

use super::panic::panicked;
use super::service::Stack;
use super::trace::trace_layer;
use crate::layer::edge::EdgeLayer;
use crate::layer::error_shape::ErrorShapeLayer;
use crate::layer::observe::{ObserveLayer, RequestEvent};

/// Shorter answers travel in one packet either way, and keep their `content-length`.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// The standard stack of a service, as one layer.
///
/// Its parts and their order are described in the [module docs](super). It knows nothing of the
/// routes: no guard, no health, and an unknown path is an empty 404 unless the router has
/// [fallbacks](crate::fallback). [`Service`](crate::Service) adds these.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use civic_server::{StackLayer, fallback};
///
/// let app: Router = Router::new()
///     .route("/greeting", get(async || axum::Json("hello")))
///     .fallback(fallback::not_found)
///     .method_not_allowed_fallback(fallback::method_not_allowed)
///     .layer(StackLayer::new());
/// ```
#[derive(Clone, Debug)]
pub struct StackLayer {
    compression: Compression,
    deadline: Deadline,
    place: Place,
    envelope: Option<EnvelopeLayer>,
    observer: Option<ObserveLayer>,
}

/// Whether long answers are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Compression {
    On,
    Off,
}

/// Whether the caller's deadline is adopted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deadline {
    Adopted,
    Ignored,
}

/// Who reaches the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Only services of the fleet reach it.
    Inside,
    /// Browsers and gateways reach it too.
    Edge,
}

// ===== impl StackLayer =====

impl StackLayer {
    /// Creates the stack with its defaults: each part but an observer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            compression: Compression::On,
            deadline: Deadline::Adopted,
            place: Place::Inside,
            envelope: Some(EnvelopeLayer::new()),
            observer: None,
        }
    }

    /// Sets the envelope's layer, with its own options.
    ///
    /// Defaults to [`EnvelopeLayer::new`], which leaves `/health` and `/health/ready` alone.
    #[must_use]
    pub fn with_envelope(mut self, envelope: EnvelopeLayer) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// Sends answers without an envelope.
    ///
    /// Defaults to an envelope around each successful JSON answer.
    #[must_use]
    pub fn without_envelope(mut self) -> Self {
        self.envelope = None;
        self
    }

    /// Sends answers uncompressed, for a service behind a proxy that compresses.
    ///
    /// Defaults to gzip for callers that accept it, from 1 KiB on.
    #[must_use]
    pub const fn without_compression(mut self) -> Self {
        self.compression = Compression::Off;
        self
    }

    /// Ignores `x-request-timeout-ms`, for a service that strangers reach.
    ///
    /// Defaults to adopting the deadline of the caller: when it passes, the handler is dropped and
    /// the answer is 504.
    #[must_use]
    pub const fn without_deadline(mut self) -> Self {
        self.deadline = Deadline::Ignored;
        self
    }

    /// Withholds the internal headers of each request, and makes its correlation id a UUID, for a
    /// service that strangers reach. The guard belongs into an
    /// [`EdgeGuardLayer`](crate::layer::edge::EdgeGuardLayer), which gives a service's headers
    /// back, with an `AdoptDeadlineLayer` behind it: this stack then adopts no deadline.
    ///
    /// Defaults to believing the headers of every caller.
    #[must_use]
    pub const fn with_edge(mut self) -> Self {
        self.place = Place::Edge;
        self
    }

    pub(crate) fn is_edge(&self) -> bool {
        self.place == Place::Edge
    }

    pub(crate) fn adopts_deadline(&self) -> bool {
        self.deadline == Deadline::Adopted
    }

    /// Tells `observer` about each request when its answer has ended, for metrics.
    ///
    /// Defaults to none. [`ObserveLayer`] says what an event has in it.
    #[must_use]
    pub fn with_observer(
        mut self,
        observer: impl Fn(&RequestEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(ObserveLayer::new(observer));
        self
    }
}

impl Default for StackLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, B> Layer<S> for StackLayer
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Service = Stack;

    fn layer(&self, inner: S) -> Stack {
        // From the inside out, as a request leaves.
        let mut stack = Stack::new(inner);
        if let Some(envelope) = &self.envelope {
            stack = Stack::new(envelope.layer(stack));
        }
        if self.adopts_deadline() && !self.is_edge() {
            stack = Stack::new(AdoptDeadlineLayer::new().layer(stack));
        }
        let stack = ServiceBuilder::new()
            .layer(ErrorShapeLayer::new())
            .layer(CatchPanicLayer::custom(panicked))
            .service(stack);
        let mut stack = if self.compression == Compression::On {
            let worth_it = DefaultPredicate::new().and(SizeAbove::new(MIN_COMPRESSED_BYTES));
            Stack::new(CompressionLayer::new().compress_when(worth_it).layer(stack))
        } else {
            Stack::new(stack)
        };
        if let Some(observer) = &self.observer {
            stack = Stack::new(observer.layer(stack));
        }
        let stack = ServiceBuilder::new()
            .layer(CorrelationIdLayer::new())
            .layer(trace_layer())
            .service(stack);
        // Around the correlation id: the id and the mark of a retry are read there.
        let stack = match self.place {
            Place::Edge => Stack::new(EdgeLayer::new().layer(stack)),
            Place::Inside => Stack::new(stack),
        };
        let stack = ServiceBuilder::new()
            .layer(CatchPanicLayer::custom(panicked))
            .layer(SetSensitiveRequestHeadersLayer::new([
                AUTHORIZATION,
                COOKIE,
                HeaderName::from_static("txn-token"),
            ]))
            .layer(SetSensitiveResponseHeadersLayer::new([SET_COOKIE]))
            .service(stack);
        Stack::new(stack)
    }
}
