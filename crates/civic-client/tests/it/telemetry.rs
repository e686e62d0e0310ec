//! What can be seen of a call, and what never can.

use civic_auth::CorrelationId;
use civic_client::{PeerMemory, RetryBudget};
use civic_testkit::log::Capture;
use civic_testkit::upstream::{Attempt, Step, Upstream};
use http::Method;

use crate::support::{attempt_spans, call, ends, exact, minter, peer};

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

    let spans = attempt_spans(&capture);
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
            assert_eq!(span.get(name), Some(value), "{name}");
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
        assert_eq!(varying.map(|name| span.get(name)), expected);
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
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).retries(0).build().unwrap();
    ends(client.get("/").send()).await.unwrap_err();
    let spans = attempt_spans(&capture);
    let types: Vec<_> = spans.iter().map(|span| span.get("error.type")).collect();
    assert_eq!(types, [Some("transport"), Some("404"), Some("connect")]);
}

#[tokio::test]
async fn an_address_of_ipv6_has_no_brackets_and_no_span_has_a_full_url() {
    let capture = Capture::start();
    let client = exact("http://[::1]:1").retries(0).build().unwrap();
    ends(client.get("/").send()).await.unwrap_err();
    let spans = attempt_spans(&capture);
    assert_eq!(spans[0].get("server.address"), Some("::1"));
    assert_eq!(spans[0].get("server.port"), Some("1"));
    assert_eq!(spans[0].get("url.full"), None);
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
    let spans = attempt_spans(&capture);
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].get("error.type"), None);
    assert_eq!(spans[0].get("otel.status_code"), None);
}

#[tokio::test(start_paused = true)]
async fn each_retry_is_an_event_that_says_to_whom_why_and_how_long() {
    let capture = Capture::start();
    let (peer, client) = peer([Step::status(502), Step::fin(), Step::status(204)]).await;
    let id = CorrelationId::parse("of-the-call").unwrap();
    let request = client.get("/things/{id}").param("id", 7);
    ends(request.correlation_id(id).send()).await.unwrap();
    let port = format!("server.port={}", peer.addr().port());
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
            // The span of the attempt, which names the peer too, has ended by then.
            "server.address=\"127.0.0.1\"",
            port.as_str(),
        ];
        for said in said.into_iter().chain(whose) {
            assert!(line.contains(said), "{said}: {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_budget_does_not_allow_is_an_event_too() {
    let capture = Capture::start();
    let peer = Upstream::start([Step::status(502)]).await;
    let budget = RetryBudget::new(0.0, 0).unwrap();
    let client = exact(&peer.url())
        .peer_memory(PeerMemory::new().with_budget(budget))
        .build()
        .unwrap();
    call(&client, &Method::GET).await.unwrap_err();
    let text = capture.text();
    let lines = text
        .lines()
        .filter(|line| line.contains("civic_client::retry"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{text}");
    for said in [
        "WARN",
        "the budget for retries is spent",
        "attempt=1",
        "http.response.status_code=502",
    ] {
        assert!(lines[0].contains(said), "{said}: {text}");
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
            .json(&"a private body")
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
    let signature = |attempt: &Attempt| {
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
    for unsaid in [head, "Bearer ", crate::support::SECRET, "a private body"] {
        assert!(!seen.contains(unsaid), "{unsaid} leaked");
    }
}

#[tokio::test]
async fn a_method_that_no_one_knows_is_other_so_that_callers_cannot_make_up_label_values() {
    let capture = Capture::start();
    let (_peer, client) = peer([Step::status(204)]).await;
    for method in ["PROPFIND", "get", "X-1"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        client.request(method, "/").send().await.unwrap();
    }
    let spans = attempt_spans(&capture);
    let methods: Vec<_> = spans
        .iter()
        .map(|fields| fields.get("http.request.method"))
        .collect();
    assert_eq!(methods, [Some("_OTHER"); 3]);
}
