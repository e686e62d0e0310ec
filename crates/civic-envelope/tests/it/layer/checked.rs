//! The checked mode, for gateways that relay bytes that they did not write.

use bytes::Bytes;
use civic_envelope::layer::{CheckFailed, EnvelopeBody};
use civic_envelope::{CorrelationId, ErrorBody, SkipEnvelope};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body::{Body, SizeHint};

use crate::support::{
    Scripted, Step, data_of, frames, full, get, head, json, layer, ok, text, through, wrapped,
};

fn refused<B>(answer: &Response<EnvelopeBody<B>>) -> Option<CheckFailed> {
    answer.extensions().get().copied()
}

#[tokio::test]
async fn a_checked_body_that_is_one_json_value_is_wrapped() {
    for payload in [
        "{}",
        " [1, 2]\n",
        "\"s\"",
        "-0",
        "1e999",
        "null",
        "\"\\ud800\"",
        "\"é\"",
    ] {
        let bytes = payload
            .bytes()
            .map(|byte| Step::Data(Bytes::copy_from_slice(&[byte])));
        for stream in [Scripted::new([Step::data(payload)]), Scripted::new(bytes)] {
            let answer = through(&layer().with_body_check(10), get("/"), json(stream)).await;
            assert_eq!(refused(&answer), None);
            assert_eq!(answer.headers()["x-envelope"], "1");
            let length = 63 + payload.len() as u64;
            assert_eq!(answer.body().size_hint().exact(), Some(length));
            assert_eq!(text(answer.into_body()).await, wrapped(payload));
        }
    }
}

#[tokio::test]
async fn a_checked_empty_body_becomes_null() {
    let answer = through(&layer().with_body_check(0), get("/"), json(full(""))).await;
    assert_eq!(text(answer.into_body()).await, wrapped("null"));
    let answer = through(
        &layer().with_body_check(0),
        get("/"),
        Response::new(full("")),
    )
    .await;
    assert_eq!(text(answer.into_body()).await, wrapped("null"));
}

#[tokio::test]
async fn an_upstream_cannot_close_the_envelope_and_open_its_own() {
    for payload in [
        r#"1,"timestamp":"t"},{"success":true,"data":2"#,
        r#"1,"success":false"#,
        "1 2",
        "{",
        "[1]]",
        " ",
        "\u{feff}\u{feff}1",
        "<html>",
        "nul",
        "'s'",
        "\"\n\"",
    ] {
        let stream = Scripted::new([Step::data(payload)]);
        let answer = through(&layer().with_body_check(100), get("/"), json(stream)).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{payload}");
        assert_eq!(refused(&answer), Some(CheckFailed::NotJson), "{payload}");
        assert!(
            !text(answer.into_body()).await.contains("success"),
            "{payload}"
        );
    }
    let latin = Scripted::new([Step::Data(Bytes::from_static(b"\"\xe9\""))]);
    let answer = through(&layer().with_body_check(100), get("/"), json(latin)).await;
    assert_eq!(refused(&answer), Some(CheckFailed::NotJson));
}

#[tokio::test]
async fn a_checked_body_over_the_limit_is_refused() {
    let fits = Scripted::new([Step::data("[1,"), Step::data("2]")]);
    let answer = through(&layer().with_body_check(5), get("/"), json(fits)).await;
    assert_eq!(refused(&answer), None);

    // Without a length, when it has arrived; with one, before the first byte.
    let grows = Scripted::new([Step::data("[1,"), Step::data("22]"), Step::Hang]);
    let answer = through(&layer().with_body_check(5), get("/"), json(grows)).await;
    assert_eq!(refused(&answer), Some(CheckFailed::TooLarge));
    let says = Scripted::new([Step::Hang]).exactly(6);
    let answer = through(&layer().with_body_check(5), get("/"), json(says)).await;
    assert_eq!(refused(&answer), Some(CheckFailed::TooLarge));
}

#[tokio::test]
async fn a_checked_body_that_breaks_off_is_refused() {
    let breaks = Scripted::new([Step::data("[1]"), Step::Pause, Step::Error]);
    let answer = through(&layer().with_body_check(100), get("/"), json(breaks)).await;
    assert_eq!(refused(&answer), Some(CheckFailed::Broken));

    let mut least = SizeHint::new();
    least.set_lower(4);
    for short in [
        Scripted::new([Step::data("[1]")]).hint(least),
        Scripted::new([]).hint(least),
    ] {
        let answer = through(&layer().with_body_check(100), get("/"), json(short)).await;
        assert_eq!(refused(&answer), Some(CheckFailed::Broken));
    }
}

#[tokio::test]
async fn a_refusal_has_the_platforms_shape_and_nothing_of_the_upstreams_head() {
    for (sent, expected) in [
        (Some("3f0e8a52-6c1e"), Some("3f0e8a52-6c1e")),
        (Some("<script>"), None),
        (Some(""), None),
        (None, None),
    ] {
        let mut request = Request::get("/").body(()).unwrap();
        if let Some(id) = sent {
            request
                .headers_mut()
                .insert("x-correlation-id", id.parse().unwrap());
        }
        let response = ok(
            &[
                ("content-type", "application/json"),
                ("content-length", "1"),
                ("set-cookie", "session=1"),
                ("etag", "\"v1\""),
                ("x-envelope", "1"),
            ],
            full("?"),
        );
        let answer = through(&layer().with_body_check(100), request, response).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let mut names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cache-control", "content-type"]);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let body = text(answer.into_body()).await;
        let body = ErrorBody::from_json(StatusCode::IM_A_TEAPOT, body.as_bytes()).unwrap();
        assert_eq!(body.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(
            body.message(),
            "The upstream's answer is not one JSON value"
        );
        assert_eq!(body.correlation_id().map(CorrelationId::as_str), expected);
    }
}

#[tokio::test]
async fn an_upstreams_mark_is_removed_from_every_response() {
    let marked = |status: u16, body| {
        let mut response = ok(
            &[("content-type", "application/json"), ("x-envelope", "1")],
            body,
        );
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    let gateway = layer().with_body_check(1000);

    let upstream = r#"{"success":true,"data":1,"timestamp":"t"}"#;
    let answer = through(&gateway, get("/"), marked(200, full(upstream))).await;
    assert_eq!(answer.headers().get_all("x-envelope").iter().count(), 1);
    assert_eq!(text(answer.into_body()).await, wrapped(upstream));

    let mut skipped = marked(200, full(upstream));
    skipped.extensions_mut().insert(SkipEnvelope);
    for (path, response) in [
        ("/", marked(404, full("{}"))),
        ("/health", marked(200, full("{}"))),
        ("/", skipped),
    ] {
        let bytes = text(response.body().clone()).await;
        let answer = through(&gateway, get(path), response).await;
        assert!(!answer.headers().contains_key("x-envelope"), "{path}");
        assert_eq!(text(answer.into_body()).await, bytes);
    }
}

#[tokio::test]
async fn a_response_that_would_not_be_wrapped_is_not_checked_or_buffered() {
    let stream = Scripted::new([Step::data("data: 1\n\n"), Step::Hang]);
    let response = ok(&[("content-type", "text/event-stream")], stream);
    let answer = through(&layer().with_body_check(1), get("/"), response).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn trailers_of_a_checked_body_follow_the_suffix() {
    let trailers: HeaderMap = [("x-checked", "yes"), ("digest", "sha-256=x")]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let stream = Scripted::new([Step::data("[1]"), Step::Trailers(trailers)]);
    let answer = through(&layer().with_body_check(100), get("/"), json(stream)).await;
    let (mut sent, _) = frames(answer.into_body()).await;
    let last = sent.pop().unwrap().into_trailers().unwrap();
    assert_eq!(data_of(&sent), wrapped("[1]"));
    assert_eq!(
        last.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
        ["x-checked"]
    );
}

#[tokio::test]
async fn an_answer_to_head_is_not_checked() {
    let response = ok(
        &[
            ("content-type", "application/json"),
            ("content-length", "900"),
        ],
        full(""),
    );
    let answer = through(&layer().with_body_check(5), head("/"), response).await;
    assert_eq!(answer.headers()["content-length"], "963");
}
