//! Any bytes through the envelope layer, in frames of any length: what comes out does not depend on
//! the frames, and is what a second statement of the rules, over the whole body, says.
//!
//! The first byte of the input chooses what the body says of its length and how it ends, the second
//! one the length of the frames.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, UNIX_EPOCH};

use civic_envelope::EnvelopeLayer;
use http::{Request, Response};
use http_body::Body as _;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use super::support::{End, Frames, block_on};

const PREFIX: &[u8] = br#"{"success":true,"data":"#;
const SUFFIX: &[u8] = br#","timestamp":"2025-02-19T21:20:00.000Z"}"#;
const NOW: Duration = Duration::from_secs(1_740_000_000);

/// What a body says of its length before it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Says {
    Nothing,
    TheTruth,
    OneLess,
    OneMore,
}

/// What came out.
#[derive(Debug, Eq, PartialEq)]
struct Sent {
    bytes: Vec<u8>,
    announced: Option<u64>,
    has_trailers: bool,
    is_broken: bool,
}

pub(super) fn run(data: &[u8]) {
    let [choice, pattern, payload @ ..] = data else {
        return;
    };
    let end = [End::Clean, End::Trailers, End::Broken][usize::from(choice % 3)];
    let says = match choice / 3 % 4 {
        0 => Says::Nothing,
        1 => Says::TheTruth,
        2 => Says::OneLess,
        _ => Says::OneMore,
    };
    let whole = send(payload, 0, end, says);
    let cut = send(payload, *pattern, end, says);
    assert_eq!(cut, whole, "the frames make no difference");
    assert_eq!(whole, expected(payload, end, says));
}

fn said(payload: &[u8], says: Says) -> Option<u64> {
    let length = payload.len() as u64;
    match says {
        Says::Nothing => None,
        Says::TheTruth => Some(length),
        Says::OneLess => length.checked_sub(1),
        Says::OneMore => Some(length + 1),
    }
}

/// A second statement of the rules, over the whole body.
fn expected(payload: &[u8], end: End, says: Says) -> Sent {
    let said = said(payload, says);
    let length = payload.len() as u64;
    let announced = match said {
        Some(0) => Some(PREFIX.len() + SUFFIX.len() + "null".len()),
        Some(said) => Some(PREFIX.len() + SUFFIX.len() + said as usize),
        None => None,
    }
    .map(|length| length as u64);
    // A byte order mark is written as white space, and so is half of one at the end.
    let mut shown = payload.to_vec();
    for (byte, mark) in shown.iter_mut().zip(b"\xef\xbb\xbf") {
        if byte != mark {
            break;
        }
        *byte = b' ';
    }
    let is_blank = shown.iter().all(|byte| b" \t\r\n".contains(byte));
    let too_long = said.is_some_and(|said| length > said);
    let too_short = said.is_some_and(|said| length < said);
    let ends_well =
        end != End::Broken && !too_long && !too_short && (payload.is_empty() || !is_blank);
    let mut bytes = PREFIX.to_vec();
    // Of a body that is too long, it depends on the frames how much was sent before that was seen.
    if !too_long {
        bytes.extend_from_slice(&shown);
    }
    if ends_well {
        if payload.is_empty() {
            bytes.extend_from_slice(b"null");
        }
        bytes.extend_from_slice(SUFFIX);
    }
    Sent {
        bytes,
        announced,
        has_trailers: ends_well && end == End::Trailers,
        is_broken: end == End::Broken && !too_long,
    }
}

fn send(payload: &[u8], pattern: u8, end: End, says: Says) -> Sent {
    let said = said(payload, says);
    let upstream = service_fn(move |_: Request<()>| {
        let mut body = Frames::cut(payload, pattern, end);
        if let Some(said) = said {
            body = body.with_hint(said);
        }
        let response = Response::builder().header("content-type", "application/json");
        std::future::ready(Ok::<_, Infallible>(
            response.body(body).expect("a response"),
        ))
    });
    let layer = EnvelopeLayer::new().with_clock(|| UNIX_EPOCH + NOW);
    block_on(async {
        let response = layer.layer(upstream).oneshot(Request::new(())).await;
        let response = response.unwrap_or_else(|never| match never {});
        let body = response.into_body();
        let mut sent = Sent {
            announced: body.size_hint().exact(),
            bytes: Vec::new(),
            has_trailers: false,
            is_broken: false,
        };
        let mut body = pin!(body);
        while !body.is_end_stream() {
            let (lower, upper) = (body.size_hint().lower(), body.size_hint().upper());
            assert!(upper.is_none_or(|upper| lower <= upper));
            let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => break,
                Some(Ok(Ok(data))) => sent.bytes.extend_from_slice(&data),
                Some(Ok(Err(_))) => sent.has_trailers = true,
                Some(Err(_)) => sent.is_broken = true,
            }
        }
        if said.is_some_and(|said| (payload.len() as u64) > said) {
            // How much was sent before it was seen: the prefix at least, and never what follows
            // the data.
            let most = PREFIX.len() as u64 + said.unwrap_or_default();
            assert!(sent.bytes.starts_with(PREFIX) && sent.bytes.len() as u64 <= most);
            sent.bytes.truncate(PREFIX.len());
            sent.is_broken = false;
        }
        sent
    })
}
