//! How the body streams.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use civic_envelope::layer::EnvelopeBody;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{
    Broken, PREFIX, SUFFIX, Scripted, Step, data_of, frames, full, get, json, layer, ok, text,
    through, wrapped,
};

#[tokio::test]
async fn every_payload_is_wrapped_as_it_is() {
    for payload in [
        "{}",
        "[1,2]",
        "\"s\"",
        "42",
        "true",
        "null",
        " {\n} ",
        "\"\\u0000\"",
    ] {
        let stream = Scripted::new(payload.bytes().flat_map(|byte| {
            [
                Step::data(""),
                Step::Data(Bytes::copy_from_slice(&[byte])),
                Step::Pause,
            ]
        }));
        let answer = through(&layer(), get("/"), json(stream)).await;
        assert_eq!(text(answer.into_body()).await, wrapped(payload));
    }
}

/// Counts the bytes of frames that have not been dropped.
struct Counted {
    bytes: Arc<[u8]>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

/// Makes its frames when asked for them.
struct Fountain {
    frame: Arc<[u8]>,
    left: usize,
    held: Arc<AtomicUsize>,
}

impl Body for Fountain {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        self.held.fetch_add(self.frame.len(), Ordering::SeqCst);
        let (bytes, held) = (Arc::clone(&self.frame), Arc::clone(&self.held));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Counted {
            bytes,
            held,
        })))))
    }
}

/// Streams `count` frames, and returns the largest number of their bytes that were held at once and
/// the number of bytes that came out.
async fn most_held(count: usize, frame: usize) -> (usize, usize) {
    let frame: Arc<[u8]> = vec![b'7'; frame].into();
    let held = Arc::new(AtomicUsize::new(0));
    let fountain = Fountain {
        frame: Arc::clone(&frame),
        left: count,
        held: Arc::clone(&held),
    };
    let mut body = pin!(
        through(&layer(), get("/"), json(fountain))
            .await
            .into_body()
    );
    let mut context = Context::from_waker(Waker::noop());
    let (mut most, mut own, mut total) = (0, 0, 0);
    while let Poll::Ready(Some(data)) = body.as_mut().poll_frame(&mut context) {
        let data = data.unwrap().into_data().unwrap();
        most = most.max(held.load(Ordering::SeqCst));
        total += data.len();
        if data.as_ptr() != frame.as_ptr() {
            // Not the handler's own bytes: then the envelope's, and never a copy of a frame.
            own += data.len();
        }
        drop(data);
        assert_eq!(held.load(Ordering::SeqCst), 0, "a frame was kept behind");
    }
    assert_eq!(own, 63);
    (most, total)
}

#[tokio::test]
async fn the_envelope_of_a_100_mib_stream_needs_no_more_memory_than_that_of_100_bytes() {
    const FRAME: usize = 64 * 1024;
    const COUNT: usize = 100 * 1024 * 1024 / FRAME;
    assert_eq!(most_held(COUNT, FRAME).await, (FRAME, COUNT * FRAME + 63));
    assert_eq!(most_held(1, 100).await, (100, 163));
    assert_eq!(most_held(100, 1).await, (1, 163));
}

#[tokio::test]
async fn an_inner_error_never_yields_a_complete_envelope() {
    for (name, steps, written) in [
        (
            "before the first byte",
            vec![Step::Error],
            PREFIX.to_owned(),
        ),
        (
            "in the middle",
            vec![Step::data("[1,"), Step::Error],
            format!("{PREFIX}[1,"),
        ),
        (
            "after the last byte",
            vec![Step::data("[1]"), Step::Error],
            format!("{PREFIX}[1]"),
        ),
        (
            "and then goes on",
            vec![Step::data("[1]"), Step::Error, Step::data("[2]")],
            format!("{PREFIX}[1]"),
        ),
    ] {
        let mut body = Box::pin(
            through(&layer(), get("/"), json(Scripted::new(steps)))
                .await
                .into_body(),
        );
        let (sent, error) = frames(body.as_mut()).await;
        assert_eq!(data_of(&sent), written, "{name}");
        assert_eq!(error, Some(Broken), "{name}");
        assert!(body.is_end_stream(), "{name}");
        let (more, error) = frames(body.as_mut()).await;
        assert!(
            more.is_empty() && error.is_none(),
            "{name}: nothing may follow an error"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_shorter_or_longer_than_it_said_gets_no_suffix() {
    let at_least = |lower| {
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        hint
    };
    let at_most = |upper| {
        let mut hint = SizeHint::new();
        hint.set_upper(upper);
        hint
    };
    let steps = || [Step::data("[1"), Step::data("]")];
    for (name, body, written) in [
        ("shorter", Scripted::new(steps()).exactly(4), "[1]"),
        (
            "shorter than the least",
            Scripted::new(steps()).hint(at_least(4)),
            "[1]",
        ),
        ("nothing at all", Scripted::new([]).exactly(4), ""),
        ("longer", Scripted::new(steps()).exactly(2), "[1"),
        (
            "longer than the most",
            Scripted::new(steps()).hint(at_most(2)),
            "[1",
        ),
        (
            "something instead of nothing",
            Scripted::new(steps()).exactly(0),
            "",
        ),
    ] {
        let answer = through(&layer(), get("/"), json(body)).await;
        assert_eq!(
            text(answer.into_body()).await,
            format!("{PREFIX}{written}"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn trailers_follow_the_suffix_and_do_not_vouch_for_other_bytes() {
    let trailers: HeaderMap = [
        ("x-checked", "yes"),
        ("content-digest", "sha-256=:x:"),
        ("digest", "sha-256=x"),
        ("etag", "\"v1\""),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
    .collect();
    for steps in [vec![Step::data("[1]")], vec![]] {
        let data = if steps.is_empty() { "null" } else { "[1]" };
        let stream = steps.into_iter().chain([Step::Trailers(trailers.clone())]);
        let answer = through(&layer(), get("/"), json(Scripted::new(stream))).await;
        let (mut sent, error) = frames(answer.into_body()).await;
        assert_eq!(error, None);
        let last = sent
            .pop()
            .unwrap()
            .into_trailers()
            .expect("trailers come last");
        assert_eq!(data_of(&sent), wrapped(data));
        assert!(sent.iter().all(Frame::is_data));
        let expected: HeaderMap = [("x-checked", "yes"), ("etag", "W/\"v1\"")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(last, expected);
    }
}

#[tokio::test]
async fn the_end_is_announced_with_the_suffix() {
    let mut body = Box::pin(
        through(&layer(), get("/"), json(Scripted::new([Step::data("1")])))
            .await
            .into_body(),
    );
    let mut context = Context::from_waker(Waker::noop());
    for expected in [PREFIX, "1", SUFFIX] {
        assert!(!body.is_end_stream());
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else {
            panic!("a frame")
        };
        assert_eq!(frame.into_data().unwrap(), expected);
    }
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_client_that_goes_away_drops_the_handlers_body_once() {
    let stream = Scripted::new([Step::data("[1"), Step::Hang]);
    let drops = stream.drops();
    let mut body = Box::pin(through(&layer(), get("/"), json(stream)).await.into_body());
    let mut context = Context::from_waker(Waker::noop());
    assert!(body.as_mut().poll_frame(&mut context).is_ready());
    assert!(body.as_mut().poll_frame(&mut context).is_ready());
    assert!(body.as_mut().poll_frame(&mut context).is_pending());
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    drop(body);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_that_passes_keeps_its_own_state() {
    let stream = Scripted::new([Step::data("a"), Step::Error]).exactly(7);
    let answer = through(
        &layer(),
        get("/"),
        ok(&[("content-type", "text/plain")], stream),
    )
    .await;
    assert_eq!(answer.body().size_hint().exact(), Some(7));
    let (sent, error) = frames(answer.into_body()).await;
    assert_eq!((data_of(&sent).as_str(), error), ("a", Some(Broken)));
}

#[tokio::test]
async fn a_default_body_is_empty_for_layers_that_make_an_answer_of_their_own() {
    // tower-http's `CorsLayer` and `TimeoutLayer` answer with `ResBody::default()`.
    let body = EnvelopeBody::<Scripted>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert_eq!(text(body).await, "");
}

#[tokio::test]
async fn debug_output_does_not_show_the_payload() {
    let answers = [
        through(&layer(), get("/"), json(full("\"secret\""))).await,
        through(
            &layer().with_body_check(100),
            get("/"),
            json(full("\"secret\"")),
        )
        .await,
        through(&layer(), get("/health"), json(full("\"secret\""))).await,
    ];
    for answer in answers {
        let shown = format!("{answer:?}");
        assert!(shown.contains("EnvelopeBody"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[tokio::test]
async fn a_length_beyond_all_numbers_is_not_announced() {
    let stream = Scripted::new([]).exactly(u64::MAX);
    let answer = through(&layer(), get("/"), json(stream)).await;
    let hint = answer.body().size_hint();
    assert_eq!((hint.lower(), hint.upper()), (u64::MAX, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_size_hint_is_never_smaller_than_the_body(
        lengths in vec(0usize..20, 0..6),
        known in 0u8..3,
        slack in 0u64..3,
    ) {
        let total: u64 = lengths.iter().map(|&length| length as u64).sum();
        let mut hint = SizeHint::new();
        match known {
            0 => {}
            1 => hint = SizeHint::with_exact(total),
            _ => {
                hint.set_lower(total.saturating_sub(slack));
                hint.set_upper(total + slack);
            }
        }
        let data = |length: &usize| Step::Data(Bytes::from(vec![b'7'; *length]));
        let stream = Scripted::new(lengths.iter().map(data)).hint(hint);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut body = Box::pin(runtime.block_on(through(&layer(), get("/"), json(stream))).into_body());

        let mut context = Context::from_waker(Waker::noop());
        let mut left = 63 + if total == 0 { 4 } else { total };
        loop {
            let hint = body.size_hint();
            prop_assert!(hint.lower() <= left, "{hint:?} with {left} to come");
            prop_assert!(hint.upper().is_none_or(|upper| upper >= left), "{hint:?} with {left} to come");
            if known == 1 {
                prop_assert_eq!(hint.exact(), Some(left));
            }
            if body.is_end_stream() {
                prop_assert_eq!(left, 0);
                break;
            }
            match body.as_mut().poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => left -= frame.into_data().unwrap().len() as u64,
                other => prop_assert!(false, "{other:?} with {left} to come"),
            }
        }
    }
}
