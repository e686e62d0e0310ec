//! Any bytes through the layer in its checked mode, in frames of any length: wrapped if they are
//! one JSON value, by a second reading of RFC 8259, and 502 otherwise. What was wrapped is
//! unwrapped as the same text.
//!
//! The first byte of the input is the length of the frames.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use civic_envelope::layer::CheckFailed;
use civic_envelope::{EnvelopeLayer, unwrap_response};
use http::{Request, Response};
use http_body::{Body, Frame};
use serde_json::value::RawValue;
use tower_layer::Layer as _;
use tower_service::Service;

const LIMIT: usize = 2048;

#[derive(Clone)]
struct Upstream(Bytes, usize);

impl Service<Request<()>> for Upstream {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Frames>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let response = Response::builder().header("content-type", "application/json");
        ready(Ok(response
            .body(Frames(self.0.clone(), self.1))
            .expect("a response")))
    }
}

struct Frames(Bytes, usize);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.1.min(self.0.len());
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.0.split_to(length)))))
    }
}

pub(super) fn run(data: &[u8]) {
    let Some((&length, payload)) = data.split_first() else {
        return;
    };
    let upstream = Upstream(Bytes::copy_from_slice(payload), usize::from(length).max(1));
    let mut service = EnvelopeLayer::new().with_body_check(LIMIT).layer(upstream);

    let mut context = Context::from_waker(Waker::noop());
    // The check lets other tasks run now and then, and asks to be polled again.
    let mut answer = pin!(service.call(Request::new(())));
    let polled = (0..=data.len()).find_map(|_| match answer.as_mut().poll(&mut context) {
        Poll::Ready(response) => Some(response),
        Poll::Pending => None,
    });
    let Some(Ok(response)) = polled else {
        panic!("the upstream is always ready");
    };
    let (head, body) = response.into_parts();
    let announced = body.size_hint().exact();
    let mut body = pin!(body);
    let mut sent = Vec::new();
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) {
        sent.extend_from_slice(&frame.into_data().expect("no trailers"));
    }
    assert_eq!(announced, Some(sent.len() as u64));

    let refused = head.extensions.get::<CheckFailed>().copied();
    let whole = payload.len();
    // One byte order mark is skipped.
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let expected = if whole > LIMIT {
        Some(CheckFailed::TooLarge)
    } else if payload.is_empty()
        || str::from_utf8(payload).is_ok_and(|text| is_json(text.as_bytes()))
    {
        None
    } else {
        Some(CheckFailed::NotJson)
    };
    assert_eq!(refused, expected);
    if refused.is_some() {
        assert_eq!(head.status, 502);
        assert!(!head.headers.contains_key("x-envelope"));
        return;
    }
    let unwrapped: &RawValue = unwrap_response(&head.headers, &sent).expect("it is wrapped");
    let payload = str::from_utf8(payload).expect("it is wrapped");
    let payload = payload.trim_matches([' ', '\t', '\r', '\n']);
    assert_eq!(
        unwrapped.get(),
        if payload.is_empty() { "null" } else { payload }
    );
}

/// Whether this is one JSON value with white space around it: RFC 8259, read with a stack and
/// without a library.
fn is_json(mut text: &[u8]) -> bool {
    let mut open = Vec::new();
    loop {
        text = skip(text);
        let Some((&first, rest)) = text.split_first() else {
            return false;
        };
        let rest = match first {
            b'{' => match skip(rest) {
                [b'}', rest @ ..] => Some(rest),
                rest => {
                    open.push(b'}');
                    let Some(rest) = member(rest) else {
                        return false;
                    };
                    text = rest;
                    continue;
                }
            },
            b'[' => match skip(rest) {
                [b']', rest @ ..] => Some(rest),
                rest => {
                    open.push(b']');
                    text = rest;
                    continue;
                }
            },
            b'"' => string(text),
            b'-' | b'0'..=b'9' => number(text),
            _ => [&b"true"[..], b"false", b"null"]
                .iter()
                .find_map(|word| text.strip_prefix(*word)),
        };
        let Some(mut rest) = rest else { return false };
        // Behind a value: close what ends here, until something goes on.
        loop {
            rest = skip(rest);
            let Some(&end) = open.last() else {
                return rest.is_empty();
            };
            match rest.split_first() {
                Some((b',', next)) if end == b']' => {
                    text = next;
                    break;
                }
                Some((b',', next)) => {
                    let Some(next) = member(skip(next)) else {
                        return false;
                    };
                    text = next;
                    break;
                }
                Some((&closing, next)) if closing == end => {
                    open.pop();
                    rest = next;
                }
                _ => return false,
            }
        }
    }
}

fn skip(text: &[u8]) -> &[u8] {
    let blank = text
        .iter()
        .take_while(|byte| b" \t\r\n".contains(byte))
        .count();
    &text[blank..]
}

/// The name of a member and its colon.
fn member(text: &[u8]) -> Option<&[u8]> {
    skip(string(text)?).strip_prefix(b":")
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let mut text = text.strip_prefix(b"\"")?;
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                rest @ ..,
            ] => rest,
            [b'\\', b'u', digits @ ..] => {
                let (digits, rest) = digits.split_at_checked(4)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(rest)?
            }
            [b'\\' | 0..=0x1f, ..] | [] => return None,
            [_, rest @ ..] => rest,
        };
    }
}

fn number(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut text = match text {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', ..] => digits(text)?,
        _ => return None,
    };
    if let [b'.', rest @ ..] = text {
        text = digits(rest)?;
    }
    if let [b'e' | b'E', rest @ ..] = text {
        text = digits(match rest {
            [b'+' | b'-', rest @ ..] => rest,
            rest => rest,
        })?;
    }
    Some(text)
}

/// One digit or more.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| &text[count..])
}
