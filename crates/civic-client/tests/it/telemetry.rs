//! What can be seen of a call, and what never can.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use civic_auth::CorrelationId;
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{call, ends, exact, minter, peer};

pub(crate) type Fields = BTreeMap<String, String>;

/// Everything that is said on this thread, at every level: as text, and the spans by their fields.
pub(crate) struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    spans: Arc<Mutex<Vec<(span::Id, Fields)>>>,
    _guard: DefaultGuard,
}

impl Capture {
    pub(crate) fn start() -> Self {
        let text = Arc::new(Mutex::default());
        let spans = Arc::new(Mutex::default());
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::registry()
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .with_span_events(FmtSpan::FULL)
                    .with_writer(move || writer.clone()),
            )
            .with(Spans(Arc::clone(&spans)));
        let guard = tracing::subscriber::set_default(subscriber);
        Self {
            text,
            spans,
            _guard: guard,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    /// The spans of attempts, in the order in which they began.
    pub(crate) fn attempts(&self) -> Vec<Fields> {
        let spans = self.spans.lock().unwrap();
        let attempt = |(_, fields): &&(span::Id, Fields)| fields.contains_key("otel.kind");
        spans
            .iter()
            .filter(attempt)
            .map(|(_, fields)| fields.clone())
            .collect()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Spans(Arc<Mutex<Vec<(span::Id, Fields)>>>);

struct Record<'a>(&'a mut Fields);

impl Visit for Record<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, _: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Record(&mut fields));
        self.0.lock().unwrap().push((id.clone(), fields));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(other, _)| other == id) {
            values.record(&mut Record(fields));
        }
    }
}

fn get<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).map(String::as_str)
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_one_span_with_the_names_of_opentelemetry() {
    let capture = Capture::start();
    let script = [Step::status(503), Step::hang(), Step::envelope("1")];
    let (peer, client) = peer(script).await;
    let id = CorrelationId::parse("of-the-call").unwrap();
    let request = client
        .get("/things/{id}")
        .param("id", "id-7")
        .query("q", "secret-query");
    ends(request.correlation_id(id).fetch::<u8>())
        .await
        .unwrap();

    let spans = capture.attempts();
    assert_eq!(spans.len(), 3);
    let port = peer.addr().port().to_string();
    for span in &spans {
        let expected = [
            ("otel.name", "GET /things/{id}"),
            ("otel.kind", "client"),
            ("http.request.method", "GET"),
            ("url.template", "/things/{id}"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("correlation_id", "of-the-call"),
        ];
        for (name, value) in expected {
            assert_eq!(get(span, name), Some(value), "{name}");
        }
    }
    let varying = [
        "http.request.resend_count",
        "http.response.status_code",
        "error.type",
        "otel.status_code",
    ];
    let expected = [
        [None, Some("503"), Some("503"), Some("ERROR")],
        [Some("1"), None, Some("timeout"), Some("ERROR")],
        [Some("2"), Some("200"), None, None],
    ];
    for (span, expected) in spans.iter().zip(expected) {
        assert_eq!(varying.map(|name| get(span, name)), expected);
    }
    let text = capture.text();
    for absent in ["id-7", "secret-query"] {
        assert!(
            !text.contains(absent),
            "{absent}: ids and queries stay out of the logs: {text}"
        );
    }
}

#[tokio::test]
async fn the_error_type_of_an_exchange_without_an_answer_is_the_kind_of_its_error() {
    let capture = Capture::start();
    let (_peer, client) = peer([Step::reset(), Step::status(404)]).await;
    ends(client.get("/").retries(0).send()).await.unwrap_err();
    ends(client.get("/").retries(0).send()).await.unwrap_err();
    let nobody = Upstream::refusing().await;
    let client = exact(&nobody.url()).retries(0).build().unwrap();
    ends(client.get("/").send()).await.unwrap_err();
    let spans = capture.attempts();
    let types: Vec<_> = spans.iter().map(|span| get(span, "error.type")).collect();
    assert_eq!(types, [Some("transport"), Some("404"), Some("connect")]);
}

#[tokio::test]
async fn an_address_of_ipv6_has_no_brackets_and_no_span_has_a_full_url() {
    let capture = Capture::start();
    let client = exact("http://[::1]:1").retries(0).build().unwrap();
    ends(client.get("/").send()).await.unwrap_err();
    let spans = capture.attempts();
    assert_eq!(get(&spans[0], "server.address"), Some("::1"));
    assert_eq!(get(&spans[0], "server.port"), Some("1"));
    assert_eq!(get(&spans[0], "url.full"), None);
}

#[tokio::test]
async fn a_caller_that_goes_away_is_no_error() {
    let capture = Capture::start();
    let (peer, client) = peer([Step::hang()]).await;
    let mut going = Box::pin(call(&client, &Method::GET));
    tokio::select! {
        _ = &mut going => panic!("it hangs"),
        () = peer.received(1) => {}
    }
    drop(going);
    peer.abandoned(1).await;
    let spans = capture.attempts();
    assert_eq!(spans.len(), 1);
    assert_eq!(get(&spans[0], "error.type"), None);
    assert_eq!(get(&spans[0], "otel.status_code"), None);
}

#[tokio::test(start_paused = true)]
async fn each_retry_is_an_event_that_says_why_and_how_long() {
    let capture = Capture::start();
    let (_peer, client) = peer([Step::status(502), Step::fin(), Step::status(204)]).await;
    let id = CorrelationId::parse("of-the-call").unwrap();
    let request = client.get("/things/{id}").param("id", 7);
    ends(request.correlation_id(id).send()).await.unwrap();
    let text = capture.text();
    let retries: Vec<_> = text
        .lines()
        .filter(|line| line.contains("civic_client::retry"))
        .collect();
    assert_eq!(retries.len(), 2, "{text}");
    for (line, said) in retries.iter().zip([
        ["attempt=1", "wait_ms=500", "http.response.status_code=502"],
        ["attempt=2", "wait_ms=1000", "error.type=\"transport\""],
    ]) {
        let whose = [
            "correlation_id=\"of-the-call\"",
            "url.template=\"/things/{id}\"",
        ];
        for said in said.into_iter().chain(whose) {
            assert!(line.contains(said), "{said}: {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_appears_in_any_log_line_or_debug_output() {
    let capture = Capture::start();
    let script = [
        Step::status(500),
        Step::reset(),
        Step::hang(),
        Step::status(401),
        Step::garbage(),
    ];
    let (peer, client) = peer(script).await;
    let builder = exact(&peer.url());
    let mut seen = format!("{builder:?} {client:?}");
    for _ in 0..3 {
        let request = client
            .post("/things")
            .json(&"a body that is nobody's business")
            .idempotent(true);
        seen += &format!("{request:?}");
        let error = ends(request.send()).await.unwrap_err();
        seen += &format!("{error} {error:?} {error:#?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            seen += &format!("{error} {error:?}");
            cause = error.source();
        }
    }
    seen += &capture.text();
    let attempts = peer.attempts();
    assert!(
        attempts.len() >= 5 && seen.len() > 5000,
        "something was seen"
    );
    let signature = |attempt: &civic_testkit::upstream::Attempt| {
        let token = attempt
            .header("authorization")
            .unwrap()
            .strip_prefix("Bearer ")
            .unwrap();
        token.rsplit('.').next().unwrap().to_owned()
    };
    for attempt in &attempts {
        assert!(!seen.contains(&signature(attempt)), "a token leaked");
    }
    let header = minter().mint();
    let head = header.as_str().split('.').next().unwrap();
    for unsaid in [head, "Bearer ", crate::support::SECRET, "nobody's business"] {
        assert!(!seen.contains(unsaid), "{unsaid} leaked");
    }
}
