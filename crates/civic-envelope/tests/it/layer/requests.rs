//! What the handler sees of a request, and bodies that are almost JSON.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_envelope::layer::CheckFailed;
use civic_envelope::{EnvelopeMeta, unwrap_envelope};
use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{Scripted, Step, full, get, head, json, layer, through, wrapped};

async fn seen(path: &str, fields: &[(&str, &str)]) -> HeaderMap {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let headers = Arc::clone(&seen);
    let handler = service_fn(move |request: Request<()>| {
        headers.lock().unwrap().clone_from(request.headers());
        ready(Ok::<_, Infallible>(json(full("1"))))
    });
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    layer().layer(handler).oneshot(request).await.unwrap();
    let headers = seen.lock().unwrap();
    headers.clone()
}

#[tokio::test]
async fn a_range_is_not_asked_of_an_answer_that_may_be_wrapped() {
    let fields = [
        ("range", "bytes=40-"),
        ("if-range", "\"a\""),
        ("accept", "*/*"),
    ];
    let wrapped = seen("/report", &fields).await;
    assert!(!wrapped.contains_key(RANGE) && !wrapped.contains_key(IF_RANGE));
    assert_eq!(wrapped["accept"], "*/*");
    let excluded = seen("/health", &fields).await;
    assert!(excluded.contains_key(RANGE) && excluded.contains_key(IF_RANGE));
}

#[tokio::test]
async fn a_tag_that_the_layer_weakened_is_strong_again_in_if_match() {
    for (sent, strong) in [
        (r#"W/"a""#, r#""a""#),
        (r#""a""#, r#""a""#),
        (r#"W/"a", "b" ,W/"W/""#, r#""a", "b" ,"W/""#),
        (r#""x, W/y", W/"z""#, r#""x, W/y", "z""#),
        ("*", "*"),
    ] {
        let fields = [("if-match", sent), ("if-none-match", sent)];
        let wrapped = seen("/x", &fields).await;
        assert_eq!(wrapped[IF_MATCH], strong, "{sent}");
        assert_eq!(wrapped[IF_NONE_MATCH], sent);
        assert_eq!(seen("/health", &fields).await[IF_MATCH], sent);
    }
}

async fn payload(frames: &[&'static [u8]], length: Option<u64>) -> (Vec<u8>, SizeHint) {
    let steps = frames
        .iter()
        .map(|frame| Step::Data(Bytes::from_static(frame)));
    let mut body = Scripted::new(steps);
    if let Some(length) = length {
        body = body.exactly(length);
    }
    let response = through(&layer(), get("/x"), json(body)).await;
    let hint = response.body().size_hint();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (bytes.to_vec(), hint)
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_data() {
    for frames in [
        &[&b"\xEF\xBB\xBF{\"a\":1}"[..]][..],
        &[b"\xEF", b"\xBB\xBF", b"{\"a\":1}"],
        &[b"", b"\xEF\xBB", b"\xBF{", b"\"a\":1}"],
    ] {
        for length in [Some(10), None] {
            let (bytes, hint) = payload(frames, length).await;
            assert_eq!(bytes.len(), 73, "the length is that of the handler's bytes");
            if length.is_some() {
                assert_eq!(hint.exact(), Some(73));
            }
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["data"]["a"], 1);
            assert_eq!(
                unwrap_envelope::<serde_json::Value>(&bytes).unwrap()["a"],
                1
            );
        }
    }
    // Elsewhere the three bytes are text.
    let (bytes, _) = payload(&[b"\"\xEF\xBB\xBF\""], None).await;
    assert_eq!(unwrap_envelope::<String>(&bytes).unwrap(), "\u{feff}");
}

#[tokio::test]
async fn a_body_of_white_space_never_looks_like_a_success() {
    for frames in [
        &[&b" \n"[..]][..],
        &[b" ", b"\t\r\n     "],
        &[b"\xEF\xBB\xBF"],
    ] {
        let length = frames.iter().map(|frame| frame.len() as u64).sum();
        for length in [Some(length), None] {
            let (bytes, hint) = payload(frames, length).await;
            assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err());
            assert!(
                hint.lower() > bytes.len() as u64,
                "the server sees that it is cut"
            );
        }
    }
}

#[tokio::test]
async fn a_checked_byte_order_mark_is_skipped_and_white_space_is_refused() {
    for (body, expected) in [
        ("\u{feff}{\"a\":1}", Some(r#"{"a":1}"#)),
        ("\u{feff}", Some("null")),
        (" \n", None),
        ("\u{feff}\u{feff}1", None),
    ] {
        let layer = layer().with_body_check(100);
        let response = through(&layer, get("/x"), json(full(body))).await;
        let failed = response.extensions().get::<CheckFailed>().copied();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        match expected {
            Some(data) => assert_eq!(bytes, wrapped(data)),
            None => assert_eq!(failed, Some(CheckFailed::NotJson), "{body:?}"),
        }
    }
}

#[tokio::test]
async fn a_checked_body_that_is_always_ready_lets_other_tasks_run() {
    /// Empty frames without end.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }

    let checked = tokio::spawn(async {
        through(&layer().with_body_check(100), get("/x"), json(Endless)).await
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!checked.is_finished());
    checked.abort();
}

#[tokio::test]
async fn meta_follows_the_timestamp_and_the_length_grows_by_it() {
    let with_meta = |body: &'static str| {
        let mut response = json(full(body));
        let meta = EnvelopeMeta::new(&serde_json::json!({"page": 1})).unwrap();
        assert_eq!(format!("{meta:?}"), "EnvelopeMeta(10 bytes)");
        response.extensions_mut().insert(meta);
        response
    };
    let expected = wrapped("[1]").replace("Z\"}", r#"Z","meta":{"page":1}}"#);
    for layer in [layer(), layer().with_body_check(100)] {
        let response = through(&layer, get("/x"), with_meta("[1]")).await;
        let length = response.body().size_hint().exact();
        assert_eq!(length, Some(expected.len() as u64));
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, expected);
        assert_eq!(unwrap_envelope::<Vec<u8>>(&bytes).unwrap(), [1]);
    }
    let response = through(&layer(), head("/x"), with_meta("[1]")).await;
    assert_eq!(
        response.headers()["content-length"],
        expected.len().to_string()
    );
}
