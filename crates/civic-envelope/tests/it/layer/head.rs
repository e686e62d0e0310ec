//! Which responses are wrapped, and what becomes of their headers.

use bytes::Bytes;
use civic_envelope::{Envelope, EnvelopeLayer, SkipEnvelope};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Empty, Full};

use crate::support::{
    PREFIX, SUFFIX, Scripted, Step, full, get, head, json, layer, ok, text, through, wrapped,
};

/// Whether the body was wrapped. If not, every header and byte has to be as it was.
async fn is_wrapped(layer: &EnvelopeLayer, request: Request<()>, response: Response<()>) -> bool {
    let (parts, ()) = response.into_parts();
    let (headers, status) = (parts.headers.clone(), parts.status);
    let answer = through(layer, request, Response::from_parts(parts, full("[1]"))).await;
    assert_eq!(answer.status(), status);
    if answer.headers().contains_key("x-envelope") && !headers.contains_key("x-envelope") {
        assert_eq!(answer.body().size_hint().exact(), Some(66));
        assert_eq!(text(answer.into_body()).await, wrapped("[1]"));
        true
    } else {
        assert_eq!(answer.headers(), &headers);
        assert_eq!(answer.body().size_hint().exact(), Some(3));
        assert_eq!(text(answer.into_body()).await, "[1]");
        false
    }
}

#[tokio::test]
async fn only_a_2xx_other_than_204_205_and_206_is_wrapped() {
    for code in 100..=999 {
        let mut response = json(());
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        let expected = matches!(code, 200..=299) && !matches!(code, 204..=206);
        assert_eq!(
            is_wrapped(&layer(), get("/"), response).await,
            expected,
            "{code}"
        );
    }
}

#[tokio::test]
async fn every_method_but_connect_is_wrapped() {
    for name in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "CONNECT",
    ] {
        let method = Method::from_bytes(name.as_bytes()).unwrap();
        let request = Request::builder().method(method).uri("/").body(()).unwrap();
        assert_eq!(
            is_wrapped(&layer(), request, json(())).await,
            name != "CONNECT",
            "{name}"
        );
    }
}

#[tokio::test]
async fn only_application_json_is_wrapped() {
    for (content_types, expected) in [
        (&["application/json"][..], true),
        (&["application/json; charset=utf-8"], true),
        (&["application/json;charset=utf-8"], true),
        (&["APPLICATION/Json ; profile=\"a;b\""], true),
        (&[" application/json"], true),
        (&[], false),
        (&[""], false),
        (&["application/json", "application/json"], false),
        (&["application/json, text/html"], false),
        (&["application/jsonp"], false),
        (&["application/json-seq"], false),
        (&["application/problem+json"], false),
        (&["application/vnd.civic+json"], false),
        (&["application/x-ndjson"], false),
        (&["text/json"], false),
        (&["text/event-stream"], false),
        (&["text/html; note=application/json"], false),
        (&["application/octet-stream"], false),
    ] {
        let mut response = Response::new(());
        for content_type in content_types {
            response
                .headers_mut()
                .append("content-type", content_type.parse().unwrap());
        }
        assert_eq!(
            is_wrapped(&layer(), get("/"), response).await,
            expected,
            "{content_types:?}"
        );
    }
    let mut response = Response::new(());
    let opaque = HeaderValue::from_bytes(b"application/json\xff").unwrap();
    response.headers_mut().insert("content-type", opaque);
    assert!(!is_wrapped(&layer(), get("/"), response).await);
}

#[tokio::test]
async fn encoded_partial_and_marked_bodies_pass_untouched() {
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("content-range", "bytes 0-2/10"),
        ("x-envelope", "1"),
        ("x-envelope", "2"),
    ] {
        let response = ok(&[("content-type", "application/json"), (name, value)], ());
        assert!(
            !is_wrapped(&layer(), get("/"), response).await,
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn files_streams_problems_and_redirects_pass_untouched() {
    for (status, content_type) in [
        (200, "text/event-stream"),
        (200, "application/pdf"),
        (200, "application/x-ndjson"),
        (206, "application/json"),
        (302, "application/json"),
        (304, "application/json"),
        (404, "application/problem+json"),
        (422, "application/json"),
    ] {
        let mut response = ok(
            &[
                ("content-type", content_type),
                ("content-length", "3"),
                ("accept-ranges", "bytes"),
                ("etag", "\"strong\""),
                ("digest", "sha-256=x"),
            ],
            (),
        );
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert!(
            !is_wrapped(&layer(), get("/"), response).await,
            "{status} {content_type}"
        );
    }
}

#[tokio::test]
async fn health_paths_pass_untouched_and_health_records_do_not() {
    for (uri, expected) in [
        ("/health", false),
        ("/health?verbose=1", false),
        ("/health/ready", false),
        ("http://10.0.0.1:3020/health", false),
        ("/api/health-records", true),
        ("/health-records", true),
        ("/health/", true),
        ("/health/ready/", true),
        ("/health/live", true),
        ("/HEALTH", true),
        ("//health", true),
        ("/%68ealth", true),
        ("/health%2f", true),
        ("/health;x", true),
        ("/api/health", true),
        ("/api/records?from=/health", true),
        ("/", true),
        ("*", true),
    ] {
        assert_eq!(
            is_wrapped(&layer(), get(uri), json(())).await,
            expected,
            "{uri}"
        );
    }
}

#[tokio::test]
async fn excluded_paths_can_be_added_and_removed() {
    let more = layer().with_excluded_paths(["/metrics"]);
    assert!(!is_wrapped(&more, get("/metrics"), json(())).await);
    assert!(!is_wrapped(&more, get("/health"), json(())).await);
    assert!(is_wrapped(&more, get("/metrics/x"), json(())).await);

    let only = layer()
        .without_excluded_paths()
        .with_excluded_paths(["/live"]);
    assert!(!is_wrapped(&only, get("/live"), json(())).await);
    assert!(is_wrapped(&only, get("/health"), json(())).await);
    assert!(is_wrapped(&layer().without_excluded_paths(), get("/health"), json(())).await);
}

#[tokio::test]
async fn a_handler_opts_out_with_an_extension() {
    let mut response = json(());
    response.extensions_mut().insert(SkipEnvelope);
    assert!(!is_wrapped(&layer(), get("/"), response).await);
}

#[tokio::test]
async fn a_body_that_only_looks_like_an_envelope_is_wrapped() {
    let own = r#"{"success":true,"data":1,"timestamp":"t"}"#;
    let answer = through(&layer(), get("/"), json(full(own))).await;
    assert_eq!(text(answer.into_body()).await, wrapped(own));
}

#[tokio::test]
async fn the_layer_applied_twice_wraps_once() {
    for outer in [layer(), layer().with_body_check(1000)] {
        for inner in [layer(), layer().with_body_check(1000)] {
            let once = through(&inner, get("/"), json(full("[1]"))).await;
            let twice = through(&outer, get("/"), once).await;
            assert_eq!(twice.headers()["x-envelope"], "1");
            assert_eq!(twice.body().size_hint().exact(), Some(66));
            assert_eq!(text(twice.into_body()).await, wrapped("[1]"));
        }
    }
}

#[tokio::test]
async fn an_envelope_written_by_hand_is_not_wrapped_again() {
    for layer in [layer(), layer().with_body_check(1000)] {
        let by_hand = Envelope::new(7).to_response::<Full<Bytes>>().unwrap();
        let bytes = text(by_hand.body().clone()).await;
        let answer = through(&layer, get("/"), by_hand).await;
        assert_eq!(answer.headers()["x-envelope"], "1");
        assert_eq!(text(answer.into_body()).await, bytes);
    }
}

#[tokio::test]
async fn a_wrapped_response_describes_the_wrapped_bytes() {
    let response = ok(
        &[
            ("content-type", "application/json"),
            ("content-length", "3"),
            ("content-length", "30"),
            ("accept-ranges", "bytes"),
            ("content-md5", "x"),
            ("digest", "sha-256=x"),
            ("content-digest", "sha-256=:x:"),
            ("repr-digest", "sha-256=:x:"),
            ("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("cache-control", "max-age=5"),
            ("vary", "accept"),
            ("location", "/x"),
            ("etag", "\"v1\""),
        ],
        full("[1]"),
    );
    let answer = through(&layer(), get("/"), response).await;
    let expected: HeaderMap = [
        ("content-type", "application/json"),
        ("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("cache-control", "max-age=5"),
        ("vary", "accept"),
        ("location", "/x"),
        ("etag", "W/\"v1\""),
        ("x-envelope", "1"),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
    .collect();
    assert_eq!(answer.headers(), &expected);
    assert_eq!(answer.body().size_hint().exact(), Some(66));
}

#[tokio::test]
async fn a_strong_etag_becomes_weak_and_a_weak_one_stays() {
    for (tag, expected) in [
        ("\"v1\"", "W/\"v1\""),
        ("\"\"", "W/\"\""),
        ("W/\"v1\"", "W/\"v1\""),
        ("v1", "v1"),
    ] {
        let response = ok(
            &[("content-type", "application/json"), ("etag", tag)],
            full("[1]"),
        );
        let answer = through(&layer(), get("/"), response).await;
        assert_eq!(answer.headers()["etag"], expected);
    }
}

#[tokio::test]
async fn an_empty_200_becomes_null() {
    for content_type in [None, Some("application/json")] {
        for code in [200, 201, 202] {
            let mut response = Response::new(Empty::new());
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            if let Some(content_type) = content_type {
                response
                    .headers_mut()
                    .insert("content-type", content_type.parse().unwrap());
            }
            let answer = through(&layer(), get("/"), response).await;
            let expected = content_type.unwrap_or("application/json; charset=utf-8");
            assert_eq!(answer.headers()["content-type"], expected);
            assert_eq!(answer.headers()["x-envelope"], "1");
            assert_eq!(answer.body().size_hint().exact(), Some(67));
            assert_eq!(text(answer.into_body()).await, wrapped("null"));
        }
    }
    let stream = Scripted::new([Step::Pause, Step::data("")]);
    let answer = through(&layer(), get("/"), json(stream)).await;
    assert_eq!(text(answer.into_body()).await, wrapped("null"));
}

#[tokio::test]
async fn an_empty_body_of_another_type_or_of_unknown_length_passes_untouched() {
    let answer = through(
        &layer(),
        get("/"),
        ok(&[("content-type", "text/plain")], full("")),
    )
    .await;
    assert!(!answer.headers().contains_key("x-envelope"));
    assert_eq!(text(answer.into_body()).await, "");

    let answer = through(&layer(), get("/"), Response::new(Scripted::new([]))).await;
    assert!(answer.headers().is_empty());
    assert_eq!(text(answer.into_body()).await, "");
}

#[tokio::test]
async fn head_reports_the_length_that_get_has_where_the_handler_gave_one() {
    let with = |length: &str, body| {
        ok(
            &[
                ("content-type", "application/json"),
                ("content-length", length),
            ],
            body,
        )
    };
    for (name, response, length) in [
        ("a length", with("3", full("")), Some("66")),
        (
            "a large one",
            with("9007199254740991", full("")),
            Some("9007199254741054"),
        ),
        ("zero", with("0", full("")), Some("67")),
        ("a body as for GET", json(full("[1]")), Some("66")),
        (
            "a stale length next to a body",
            with("30", full("[1]")),
            Some("66"),
        ),
        ("none", json(full("")), None),
        ("no number", with("3x", full("")), None),
        ("a sign", with("+3", full("")), None),
        ("out of range", with("18446744073709551615", full("")), None),
    ] {
        let answer = through(&layer(), head("/"), response).await;
        assert_eq!(answer.headers()["x-envelope"], "1", "{name}");
        let announced = answer.headers().get("content-length");
        assert_eq!(
            announced.map(|length| length.to_str().unwrap()),
            length,
            "{name}"
        );
        assert!(answer.body().is_end_stream(), "{name}");
        // Known to be empty where a length is announced, so that no layer compresses it. Elsewhere
        // a server would announce zero.
        assert_eq!(
            answer.body().size_hint().exact(),
            announced.map(|_| 0),
            "{name}"
        );
        assert_eq!(text(answer.into_body()).await, "", "{name}");
    }

    let mut response = with("3", full(""));
    response
        .headers_mut()
        .append("content-length", HeaderValue::from_static("3"));
    let answer = through(&layer(), head("/"), response).await;
    assert_eq!(answer.headers()["content-length"], "66");
    let mut response = with("3", full(""));
    response
        .headers_mut()
        .append("content-length", HeaderValue::from_static("4"));
    let answer = through(&layer(), head("/"), response).await;
    assert!(!answer.headers().contains_key("content-length"));
}

#[tokio::test]
async fn head_of_a_stream_reports_no_length() {
    let stream = Scripted::new([Step::data("[1]")]);
    let answer = through(&layer(), head("/"), json(stream)).await;
    assert_eq!(answer.headers()["x-envelope"], "1");
    assert!(!answer.headers().contains_key("content-length"));
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn head_of_a_response_that_could_be_anything_reports_no_length() {
    // GET may answer nothing at all (and be wrapped) or something without a type (and pass).
    let answer = through(&layer(), head("/"), Response::new(full(""))).await;
    assert!(answer.headers().is_empty());
    assert_eq!(answer.body().size_hint().exact(), None);
    assert!(answer.body().is_end_stream());

    // Zero is what GET of a handler that returned nothing would have had.
    let answer = through(
        &layer(),
        head("/"),
        ok(&[("content-length", "0")], full("")),
    )
    .await;
    assert_eq!(answer.headers()["content-length"], "67");
    assert_eq!(answer.headers()["x-envelope"], "1");

    let answer = through(
        &layer(),
        head("/"),
        ok(&[("content-length", "9")], full("")),
    )
    .await;
    assert_eq!(answer.headers()["content-length"], "9");
    assert!(!answer.headers().contains_key("x-envelope"));
}

#[tokio::test]
async fn head_describes_what_get_describes() {
    let response = || {
        ok(
            &[
                ("content-type", "application/json"),
                ("etag", "\"v1\""),
                ("accept-ranges", "bytes"),
                ("digest", "sha-256=x"),
            ],
            full("[1]"),
        )
    };
    let to_get = through(&layer(), get("/"), response()).await;
    let mut to_head = through(&layer(), head("/"), response()).await;
    to_head.headers_mut().remove("content-length");
    assert_eq!(to_head.headers(), to_get.headers());
}

#[test]
fn the_overhead_is_63_bytes() {
    assert_eq!((PREFIX.len(), SUFFIX.len()), (23, 40));
}
