//! The response body, which is spliced as it streams.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::head::describe_data_only;
use crate::wire::{NULL, PREFIX};

pin_project! {
    /// The response body of [`EnvelopeService`](super::EnvelopeService).
    ///
    /// It is the handler's body, wrapped or as it was, or the error body of a failed check.
    pub struct EnvelopeBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Pass {
            #[pin]
            inner: B,
        },
        Splice {
            #[pin]
            inner: B,
            splice: Splice,
        },
        /// Frames that have all arrived.
        Ready {
            frames: VecDeque<Frame<Bytes>>,
        },
        /// The absent body of an answer to `HEAD`.
        Head {
            length: HeadLength,
        },
    }
}

/// What the absent body of an answer to `HEAD` says about its length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeadLength {
    /// It is empty: the `content-length` says how long the answer to `GET` is, and a layer that
    /// compresses leaves a body alone that is known to be empty.
    Announced,
    /// Nothing, or a server would announce that the answer to `GET` is empty.
    Hidden,
}

/// The progress of a splice.
///
/// `Prefix -> Payload -> [Null ->] Suffix -> [Trailers ->] Done`, and from `Payload` straight to
/// `Done` when the handler's body fails.
struct Splice {
    phase: Phase,
    suffix: Bytes,
    /// What the handler's body first said about its length.
    promised: SizeHint,
    delivered: u64,
    /// How many bytes of a byte order mark the payload begins with.
    mark: usize,
    content: Content,
    trailers: Option<HeaderMap>,
}

/// Whether the payload had anything but white space so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Content {
    Blank,
    Some,
}

/// The byte order mark, which is not JSON (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Prefix,
    Payload,
    Null,
    Suffix,
    Trailers,
    Done,
}

// ===== impl EnvelopeBody =====

impl<B> EnvelopeBody<B> {
    pub(super) fn pass(inner: B) -> Self {
        Self {
            kind: Kind::Pass { inner },
        }
    }

    pub(super) fn head(length: HeadLength) -> Self {
        Self {
            kind: Kind::Head { length },
        }
    }

    pub(super) fn whole(body: Bytes) -> Self {
        Self {
            kind: Kind::Ready {
                frames: VecDeque::from([Frame::data(body)]),
            },
        }
    }

    pub(super) fn checked(payload: Bytes, suffix: Bytes, trailers: Option<HeaderMap>) -> Self {
        let frames = [
            Frame::data(Bytes::from_static(PREFIX.as_bytes())),
            Frame::data(payload),
            Frame::data(suffix),
        ];
        let trailers = trailers.map(|mut trailers| {
            describe_data_only(&mut trailers);
            Frame::trailers(trailers)
        });
        Self {
            kind: Kind::Ready {
                frames: frames.into_iter().chain(trailers).collect(),
            },
        }
    }
}

/// An empty body, for layers that make an answer of their own.
impl<B> Default for EnvelopeBody<B> {
    fn default() -> Self {
        Self {
            kind: Kind::Ready {
                frames: VecDeque::new(),
            },
        }
    }
}

impl<B: Body> EnvelopeBody<B> {
    pub(super) fn splice(inner: B, suffix: Bytes) -> Self {
        let splice = Splice {
            phase: Phase::Prefix,
            suffix,
            promised: inner.size_hint(),
            delivered: 0,
            mark: 0,
            content: Content::Blank,
            trailers: None,
        };
        Self {
            kind: Kind::Splice { inner, splice },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for EnvelopeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Pass { inner } => inner.poll_frame(cx),
            KindProjection::Splice { inner, splice } => splice.poll_frame(inner, cx),
            KindProjection::Ready { frames } => Poll::Ready(frames.pop_front().map(Ok)),
            KindProjection::Head { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Pass { inner } => inner.is_end_stream(),
            Kind::Splice { splice, .. } => splice.phase == Phase::Done,
            Kind::Ready { frames } => frames.is_empty(),
            Kind::Head { .. } => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Pass { inner } => inner.size_hint(),
            Kind::Splice { inner, splice } => splice.size_hint(&inner.size_hint()),
            Kind::Ready { frames } => {
                let data = frames.iter().filter_map(Frame::data_ref);
                SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
            }
            Kind::Head {
                length: HeadLength::Announced,
            } => SizeHint::with_exact(0),
            Kind::Head {
                length: HeadLength::Hidden,
            } => SizeHint::default(),
        }
    }
}

/// Prints the kind of body. The contents may be personal, and large.
impl<B> fmt::Debug for EnvelopeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Pass { .. } => f.write_str("EnvelopeBody::Pass"),
            Kind::Splice { splice, .. } => write!(f, "EnvelopeBody::Splice({:?})", splice.phase),
            Kind::Ready { .. } => f.write_str("EnvelopeBody::Ready"),
            Kind::Head { .. } => f.write_str("EnvelopeBody::Head"),
        }
    }
}

// ===== impl Splice =====

impl Splice {
    fn poll_frame<B: Body<Data = Bytes>>(
        &mut self,
        mut inner: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            let data = match self.phase {
                Phase::Prefix => {
                    self.phase = Phase::Payload;
                    Bytes::from_static(PREFIX.as_bytes())
                }
                Phase::Payload => {
                    if inner.is_end_stream() {
                        self.end_payload();
                        continue;
                    }
                    match ready!(inner.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => match self.relay(frame) {
                            Some(frame) => return Poll::Ready(Some(Ok(frame))),
                            None => continue,
                        },
                        Some(Err(error)) => {
                            self.phase = Phase::Done;
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => {
                            self.end_payload();
                            continue;
                        }
                    }
                }
                Phase::Null => {
                    self.phase = Phase::Suffix;
                    Bytes::from_static(NULL.as_bytes())
                }
                Phase::Suffix => {
                    self.phase = match self.trailers {
                        Some(_) => Phase::Trailers,
                        None => Phase::Done,
                    };
                    std::mem::take(&mut self.suffix)
                }
                Phase::Trailers => {
                    self.phase = Phase::Done;
                    return Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok));
                }
                Phase::Done => return Poll::Ready(None),
            };
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    /// Passes a frame of the handler's body on, unless it has to be held back.
    fn relay(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        if let Some(data) = frame.data_ref() {
            let before = self.delivered;
            self.delivered = self.delivered.saturating_add(data.len() as u64);
            if self
                .promised
                .upper()
                .is_some_and(|most| self.delivered > most)
            {
                // The server has announced a length by now. Without the suffix the body is shorter
                // than that, and the connection is aborted. With it, the client would see a
                // complete response whose end is missing.
                self.phase = Phase::Done;
                return None;
            }
            return Some(frame.map_data(|data| self.readable(data, before)));
        }
        match frame.into_trailers() {
            Ok(mut trailers) => {
                describe_data_only(&mut trailers);
                self.trailers = Some(trailers);
                self.end_payload();
                None
            }
            Err(frame) => Some(frame),
        }
    }

    /// Replaces a byte order mark by spaces, which are as long and are JSON, and takes note of the
    /// first byte that is not white space. Other bytes are not looked at.
    fn readable(&mut self, mut data: Bytes, before: u64) -> Bytes {
        if self.content == Content::Some {
            return data;
        }
        if before == self.mark as u64 {
            let rest = BYTE_ORDER_MARK[self.mark..].iter();
            let marked = data.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if marked > 0 {
                self.mark += marked;
                let mut spaced = BytesMut::from(&data[..]);
                spaced[..marked].fill(b' ');
                data = spaced.freeze();
            }
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        if !data.iter().all(blank) {
            self.content = Content::Some;
        }
        data
    }

    fn end_payload(&mut self) {
        self.phase = if self.delivered < self.promised.lower() {
            Phase::Done
        } else if self.delivered == 0 {
            Phase::Null
        } else if self.content == Content::Blank {
            // White space is not a value: with the suffix it would be an envelope without `data`.
            Phase::Done
        } else {
            Phase::Suffix
        };
    }

    fn size_hint(&self, rest: &SizeHint) -> SizeHint {
        let suffix = self.suffix.len() as u64;
        let around = match self.phase {
            Phase::Prefix => PREFIX.len() as u64 + suffix,
            Phase::Payload => suffix,
            Phase::Null => return SizeHint::with_exact(NULL.len() as u64 + suffix),
            Phase::Suffix => return SizeHint::with_exact(suffix),
            Phase::Trailers | Phase::Done => return SizeHint::with_exact(0),
        };
        // As long as no data has arrived, `null` may have to replace it. One byte is the least that
        // can arrive instead.
        let null = NULL.len() as u64;
        let (least, most) = match (rest.lower(), rest.upper()) {
            (0, Some(0)) if self.delivered == 0 => (null, Some(null)),
            (0, most) if self.delivered == 0 => (1, most.map(|most| most.max(null))),
            bounds => bounds,
        };
        let mut hint = SizeHint::new();
        hint.set_lower(least.saturating_add(around));
        if let Some(most) = most.and_then(|most| most.checked_add(around)) {
            hint.set_upper(most);
        }
        hint
    }
}
