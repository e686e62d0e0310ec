//! Distributed traces: a stand-in for a collector sees callers, attempts and callees as one tree.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use civic_auth::RequestContext;
use civic_client::Body;
use civic_testkit::upstream::{Step, Upstream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::service_fn;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Instrument as _, Span, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan as _;

use crate::support::{ends, exact};

/// Does what a tracer of OpenTelemetry and the collector behind it do: gives each span an id and
/// the trace of its parent, in this process or in the one that called it, and keeps them.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<Exported>>>);

#[derive(Clone, Debug)]
struct Exported {
    name: &'static str,
    ids: Ids,
    parent: Option<u64>,
    fields: HashMap<&'static str, String>,
}

/// Where a span is in the trees of all traces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ids {
    trace: u128,
    span: u64,
}

impl Ids {
    fn traceparent(self) -> HeaderValue {
        let Self { trace, span } = self;
        HeaderValue::try_from(format!("00-{trace:032x}-{span:016x}-01")).unwrap()
    }

    fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-').skip(1);
        let trace = u128::from_str_radix(parts.next()?, 16).ok()?;
        let span = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self { trace, span })
    }
}

#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Layer<Registry> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).expect("it is new");
        let remote = fields.0.get("remote").and_then(|remote| Ids::parse(remote));
        let parent = remote.or_else(|| span.parent()?.extensions().get().copied());
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let ids = Ids {
            trace: parent.map_or_else(|| u128::from(next) << 64, |parent| parent.trace),
            span: next,
        };
        span.extensions_mut().insert(ids);
        self.0.lock().unwrap().push(Exported {
            name: attributes.metadata().name(),
            ids,
            parent: parent.map(|parent| parent.span),
            fields: fields.0,
        });
    }
}

/// What the crates of OpenTelemetry do: writes where a span is into the headers of a request.
fn inject(span: &Span, headers: &mut HeaderMap) {
    span.with_subscriber(|(id, dispatch): (&Id, &Dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let ids: Ids = registry.span(id)?.extensions().get().copied()?;
        headers.insert("traceparent", ids.traceparent());
        Some(())
    });
}

fn collecting() -> (Collector, impl Subscriber + Send + Sync) {
    let collector = Collector::default();
    (collector.clone(), Registry::default().with(collector))
}

#[tokio::test(start_paused = true)]
async fn a_collector_sees_the_caller_its_attempts_and_their_callees_as_one_tree() {
    civic_testkit::log::install();
    let (collector, subscriber) = collecting();
    let _default = tracing::subscriber::set_default(subscriber);
    let count = Arc::<AtomicU64>::default();
    // Its task knows of the caller what the headers say, and nothing else.
    let callee = service_fn(move |request: Request<Body>| {
        let remote = request.headers()["traceparent"].to_str().unwrap();
        let span = tracing::info_span!(parent: None, "callee", remote);
        let status = match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => 503,
            _ => 200,
        };
        let answer = Response::builder().status(status);
        let answer = answer.body(Full::<bytes::Bytes>::from("1")).unwrap();
        async move { Ok::<_, Infallible>(answer) }.instrument(span)
    });
    let client = exact("http://peer")
        .trace_injector(inject)
        .build_in_process(callee)
        .unwrap();
    let caller = tracing::info_span!("caller");
    let request = client.get("/things/{id}").param("id", 7);
    ends(request.fetch::<u8>().instrument(caller))
        .await
        .unwrap();

    let spans = collector.0.lock().unwrap().clone();
    let named =
        |name: &str| -> Vec<&Exported> { spans.iter().filter(|span| span.name == name).collect() };
    let [caller] = named("caller")[..] else {
        panic!("one caller: {spans:#?}")
    };
    assert_eq!(caller.parent, None);
    assert!(
        spans.iter().all(|span| span.ids.trace == caller.ids.trace),
        "{spans:#?}"
    );
    let attempts = named("http.client.attempt");
    assert_eq!(attempts.len(), 3);
    for attempt in &attempts {
        assert_eq!(
            attempt.parent,
            Some(caller.ids.span),
            "retries are siblings"
        );
    }
    let resends: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            attempt
                .fields
                .get("http.request.resend_count")
                .map(String::as_str)
        })
        .collect();
    assert_eq!(resends, [None, Some("1"), Some("2")]);
    let callees = named("callee");
    let parents: Vec<_> = callees.iter().map(|callee| callee.parent).collect();
    let expected: Vec<_> = attempts
        .iter()
        .map(|attempt| Some(attempt.ids.span))
        .collect();
    assert_eq!(parents, expected, "each callee hangs under its attempt");
    assert_eq!(spans.len(), 7);
}

#[tokio::test]
async fn what_is_injected_replaces_what_is_propagated_and_a_state_stays_with_its_trace() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const SAME: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let cases = [
        // What is injected, and what the peer gets.
        ([None, None], [Some(PARENT), Some("a=1")]),
        ([Some(SAME), None], [Some(SAME), Some("a=1")]),
        ([Some(OTHER), None], [Some(OTHER), None]),
        ([Some(OTHER), Some("b=2")], [Some(OTHER), Some("b=2")]),
    ];
    for (injected, expected) in cases {
        let peer = Upstream::start([Step::status(204)]).await;
        let client = exact(&peer.url())
            .trace_injector(move |_, headers| {
                for (name, value) in ["traceparent", "tracestate"].into_iter().zip(injected) {
                    if let Some(value) = value {
                        headers.insert(name, HeaderValue::from_static(value));
                    }
                }
            })
            .build()
            .unwrap();
        let mut served = HeaderMap::new();
        served.insert("traceparent", HeaderValue::from_static(PARENT));
        served.insert("tracestate", HeaderValue::from_static("a=1"));
        let context = RequestContext::default().with_trace_of(&served);
        context.scope(client.get("/").send()).await.unwrap();
        let attempts = peer.attempts();
        let got = ["traceparent", "tracestate"].map(|name| attempts[0].header(name));
        assert_eq!(got, expected, "{injected:?}");
    }
}
