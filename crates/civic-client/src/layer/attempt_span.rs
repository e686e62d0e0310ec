//! One span per attempt.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use civic_auth::CorrelationId;
use civic_envelope::inner_accessors;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field};

use crate::error::Error;
use crate::layer::propagate_context::{TRACEPARENT, TRACESTATE};
use crate::layer::retry::attempts::AttemptNumber;
use crate::method_name::method_name;
use crate::streaming::StreamSlot;
use crate::url_template::UrlTemplate;

/// Where the trace id is in a `traceparent` (W3C Trace Context, section 3.2.2).
const TRACE_ID: Range<usize> = 3..35;

/// Wraps each attempt in a span with the names of OpenTelemetry's conventions for HTTP clients.
///
/// The span is `http.client.attempt`, with the target `civic_client` and the level INFO.
///
/// | field | value |
/// |---|---|
/// | `otel.name` | `{method} {url.template}`, or the method alone; never the path, which contains ids |
/// | `otel.kind` | `client` |
/// | `http.request.method` | the method, or `_OTHER` for one that is none of the nine usual ones |
/// | `url.template` | the template, if the request has a [`UrlTemplate`] in its extensions |
/// | `server.address`, `server.port` | the peer's |
/// | `http.request.resend_count` | 1 for the first retry, 2 for the second; absent for the first attempt |
/// | `http.response.status_code` | the response's |
/// | `error.type` | the status for 4xx and 5xx, else the name of the [`ErrorKind`](crate::ErrorKind); absent for a success |
/// | `otel.status_code` | `ERROR` if there is an `error.type` |
/// | `correlation_id` | the call's |
///
/// There is no span around the whole call: the conventions ask for one client span per request on
/// the wire.
///
/// `url.full`, which the conventions ask for, is left out on purpose: it contains ids and query
/// strings, and without them it would say no more than `server.address`, `server.port` and
/// `url.template` do.
///
/// The layer belongs inside of the retry layer and **outside** of the attempt timeout. Inside of
/// the timeout, an attempt that timed out would only see its future dropped, like one that was
/// cancelled; and cancelling a call is not an error, so it sets no `error.type`.
///
/// The span of a response that is read as a stream
/// ([`send_stream`](crate::RequestBuilder::send_stream)) lasts until the stream has ended.
///
/// # Distributed traces
///
/// By itself the layer writes no header: the peer's spans hang under whatever `traceparent` the
/// call has, that of the request being served. [`with_injector`](Self::with_injector) makes the
/// span of the attempt their parent.
#[derive(Clone, Default)]
pub struct AttemptSpanLayer {
    injector: Option<Injector>,
}

/// What writes a span into the headers of a request.
#[derive(Clone)]
pub(crate) struct Injector(Arc<dyn Fn(&Span, &mut HeaderMap) + Send + Sync>);

impl AttemptSpanLayer {
    /// Creates a layer that wraps each attempt in a span.
    #[must_use]
    pub const fn new() -> Self {
        Self { injector: None }
    }

    /// Sets a function that writes the span of the attempt into the headers of its request, so that
    /// the spans of the peer become its children.
    ///
    /// It is called once per attempt, with the headers as they are: with the `traceparent` and
    /// `tracestate` of the call, if it has any. What it writes replaces them. If it writes the
    /// `traceparent` of another trace and no `tracestate`, that of the call is removed: a state
    /// belongs to its trace. It must not block. With the crates of OpenTelemetry it is
    ///
    /// <!-- ignore: it needs OpenTelemetry, which is no dependency here -->
    /// ```ignore
    /// |span, headers| {
    ///     opentelemetry::global::get_text_map_propagator(|propagator| {
    ///         let context = tracing_opentelemetry::OpenTelemetrySpanExt::context(span);
    ///         propagator.inject_context(&context, &mut opentelemetry_http::HeaderInjector(headers));
    ///     });
    /// }
    /// ```
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_injector(
        self,
        inject: impl Fn(&Span, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.with(Injector::new(inject))
    }

    pub(crate) fn with(mut self, injector: Injector) -> Self {
        self.injector = Some(injector);
        self
    }
}

impl fmt::Debug for AttemptSpanLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptSpanLayer").finish_non_exhaustive()
    }
}

// ===== impl Injector =====

impl Injector {
    pub(crate) fn new(inject: impl Fn(&Span, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(inject))
    }

    fn inject(&self, span: &Span, headers: &mut HeaderMap) {
        let parent = headers.get(TRACEPARENT).cloned();
        let state = headers.get(TRACESTATE).cloned();
        (self.0)(span, headers);
        let trace_id = |value: &HeaderValue| value.as_bytes().get(TRACE_ID).map(<[u8]>::to_vec);
        let is_same_trace = parent.as_ref().map(trace_id) == headers.get(TRACEPARENT).map(trace_id);
        if state.is_some() && state.as_ref() == headers.get(TRACESTATE) && !is_same_trace {
            headers.remove(TRACESTATE);
        }
    }
}

impl<S> Layer<S> for AttemptSpanLayer {
    type Service = AttemptSpan<S>;

    fn layer(&self, inner: S) -> AttemptSpan<S> {
        AttemptSpan::new(inner, self.clone())
    }
}

/// Wraps each attempt in a span, as [`AttemptSpanLayer`] describes.
#[derive(Clone, Debug)]
pub struct AttemptSpan<S> {
    inner: S,
    layer: AttemptSpanLayer,
}

impl<S> AttemptSpan<S> {
    /// Creates a service that wraps each call of `inner` in a span, as `layer` says.
    pub const fn new(inner: S, layer: AttemptSpanLayer) -> Self {
        Self { inner, layer }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AttemptSpan<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = AttemptSpanFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let span = span_of(&request);
        if let Some(injector) = &self.layer.injector {
            injector.inject(&span, request.headers_mut());
        }
        let inner = span.in_scope(|| self.inner.call(request));
        AttemptSpanFuture { inner, span }
    }
}

/// The values are made only where someone listens.
fn span_of<B>(request: &Request<B>) -> Span {
    let (uri, extensions) = (request.uri(), request.extensions());
    tracing::info_span!(
        target: "civic_client",
        "http.client.attempt",
        otel.name = &*span_name(request),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method_name(request.method()),
        http.request.resend_count = resends(request),
        http.response.status_code = field::Empty,
        url.template = extensions.get::<UrlTemplate>().map(UrlTemplate::as_str),
        // An IPv6 address has brackets only inside of a URL.
        server.address = uri.host().map(|host| host.trim_matches(['[', ']'])),
        server.port = port(uri),
        "error.type" = field::Empty,
        correlation_id = extensions.get::<CorrelationId>().map(CorrelationId::as_str),
    )
}

fn span_name<B>(request: &Request<B>) -> Cow<'_, str> {
    let method = method_name(request.method());
    match request.extensions().get::<UrlTemplate>() {
        Some(template) => Cow::Owned(format!("{method} {template}")),
        None => Cow::Borrowed(method),
    }
}

/// Returns how many attempts there were before this one, unless it is the first.
fn resends<B>(request: &Request<B>) -> Option<u32> {
    let attempt = request.extensions().get::<AttemptNumber>()?;
    Some(attempt.number().saturating_sub(1)).filter(|resends| *resends > 0)
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

pin_project! {
    /// The future of [`AttemptSpan`].
    #[derive(Debug)]
    pub struct AttemptSpanFuture<F> {
        #[pin]
        inner: F,
        span: Span,
    }
}

impl<F, B, E> Future for AttemptSpanFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.span.enter();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        drop(entered);
        match &result {
            Ok(response) => {
                let status = response.status();
                this.span
                    .record("http.response.status_code", status.as_u16());
                if status.is_client_error() || status.is_server_error() {
                    this.span.record("error.type", status.as_str());
                    this.span.record("otel.status_code", "ERROR");
                }
                if let Some(slot) = StreamSlot::of(response.extensions()) {
                    slot.within(this.span.clone());
                }
            }
            Err(error) => {
                this.span.record("error.type", error.kind().as_str());
                this.span.record("otel.status_code", "ERROR");
            }
        }
        Poll::Ready(result)
    }
}
