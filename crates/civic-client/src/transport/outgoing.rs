//! The body of a request on its way to the peer.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::gate::Gate;
use crate::layer::idempotency_key::has_callers_key;
use crate::options::CallOptions;

/// The body of a request on its way to the peer, perhaps behind a gate.
#[derive(Debug)]
pub(super) struct Outgoing {
    body: Body,
    gate: Option<Arc<Gate>>,
}

impl Outgoing {
    pub(super) const fn new(body: Body, gate: Option<Arc<Gate>>) -> Self {
        Self { body, gate }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.gate.as_ref().is_some_and(|gate| !gate.passes(cx)) {
            return Poll::Pending;
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns whether a request cannot be sent twice, because its body does not come again or because
/// executing it twice could do harm, and its body can be held back.
pub(super) fn is_delicate(request: &Request<Body>) -> bool {
    if request.body().is_empty() {
        return false;
    }
    let options = CallOptions::of(request.extensions());
    let is_replay_safe = options
        .idempotent()
        .unwrap_or_else(|| request.method().is_idempotent() || has_callers_key(request));
    let is_stream = request.body().bytes().is_none();
    (is_stream || !is_replay_safe) && request.version() == Version::HTTP_11
}
