//! The checked mode: a body is buffered until it is known to be one JSON value.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, SizeHint};
use serde::de::IgnoredAny;

use super::body::EnvelopeBody;
use crate::correlation_id::CorrelationId;
use crate::error_body::ErrorBody;
use crate::wire::{NULL, without_bom};

/// Why a body check answered 502 ([`EnvelopeLayer::with_body_check`]).
///
/// It is in the extensions of that answer, for layers outside to count and log.
///
/// [`EnvelopeLayer::with_body_check`]: super::EnvelopeLayer::with_body_check
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CheckFailed {
    /// The body is not exactly one JSON value in UTF-8.
    NotJson,
    /// The body is larger than the limit.
    TooLarge,
    /// The body ended with an error, or was shorter than announced.
    Broken,
}

impl fmt::Display for CheckFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "The upstream's answer is not one JSON value",
            Self::TooLarge => "The upstream's answer is too large",
            Self::Broken => "The upstream's answer broke off",
        })
    }
}

impl StdError for CheckFailed {}

/// How many frames are read before other tasks have their turn.
const FRAMES_PER_POLL: u32 = 64;

/// The part of a body that has arrived.
pub(super) struct Collected {
    /// How many bytes may still arrive without breaking the limit.
    remaining_limit: usize,
    /// How many bytes must still arrive for the body to be as long as it announced.
    remaining_declared: u64,
    first: Bytes,
    more: BytesMut,
}

impl Collected {
    pub(super) fn up_to(max: usize, hint: &SizeHint) -> Result<Self, CheckFailed> {
        let declared = hint.lower();
        if declared > max as u64 {
            return Err(CheckFailed::TooLarge);
        }
        Ok(Self {
            remaining_limit: max,
            remaining_declared: declared,
            first: Bytes::new(),
            more: BytesMut::new(),
        })
    }

    /// Returns the body and its trailers once all of it has arrived and is checked; `null` for an
    /// empty body.
    pub(super) fn poll<B: Body<Data = Bytes>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Bytes, Option<HeaderMap>), CheckFailed>> {
        let mut frames = 0;
        let trailers = loop {
            if frames == FRAMES_PER_POLL {
                // A body that is always ready must not keep other tasks from running.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            frames += 1;
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                None => break None,
                Some(Err(_)) => return Poll::Ready(Err(CheckFailed::Broken)),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.append(data)?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        break Some(trailers);
                    }
                }
            }
        };
        Poll::Ready(self.check().map(|payload| (payload, trailers)))
    }

    fn append(&mut self, data: Bytes) -> Result<(), CheckFailed> {
        self.remaining_limit = self
            .remaining_limit
            .checked_sub(data.len())
            .ok_or(CheckFailed::TooLarge)?;
        self.remaining_declared = self.remaining_declared.saturating_sub(data.len() as u64);
        if self.first.is_empty() {
            self.first = data;
        } else {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&data);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<Bytes, CheckFailed> {
        let mut payload = match self.more.is_empty() {
            true => std::mem::take(&mut self.first),
            false => self.more.split().freeze(),
        };
        if self.remaining_declared > 0 {
            return Err(CheckFailed::Broken);
        }
        // It is not JSON, and readers of JSON skip it (RFC 8259 section 8.1).
        let mark = payload.len() - without_bom(&payload).len();
        payload.advance(mark);
        if payload.is_empty() {
            return Ok(Bytes::from_static(NULL.as_bytes()));
        }
        // The scan does not look at the encoding of the strings that it skips.
        let text = std::str::from_utf8(&payload).map_err(|_| CheckFailed::NotJson)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| CheckFailed::NotJson)?;
        Ok(payload)
    }
}

/// Makes the answer that replaces one that failed the check. It has no header of the upstream's.
pub(super) fn refusal<B>(
    why: CheckFailed,
    correlation_id: Option<CorrelationId>,
    now: SystemTime,
) -> Response<EnvelopeBody<B>> {
    let mut response = ErrorBody::new(StatusCode::BAD_GATEWAY, why.to_string())
        .with_timestamp(now)
        .with_correlation_id(correlation_id)
        .into_response::<Bytes>()
        .map(EnvelopeBody::whole);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(why);
    response
}
