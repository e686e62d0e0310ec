//! The body of a request on its way to the peer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;

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
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
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

/// What holds the body of a request back until the peer asks for it.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// Nothing of the body has passed. Woken when that changes.
    #[default]
    Closed,
    Waited(Waker),
    /// The body may have passed.
    Open,
    /// Nothing of the body has passed, and nothing will.
    Sealed,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        match *state {
            State::Open => true,
            State::Sealed => false,
            State::Closed | State::Waited(_) => {
                *state = State::Waited(cx.waker().clone());
                false
            }
        }
    }

    /// Lets the body pass, unless the gate is sealed.
    pub(super) fn open(&self) {
        let mut state = self.state();
        if matches!(*state, State::Sealed) {
            return;
        }
        if let State::Waited(waker) = std::mem::replace(&mut *state, State::Open) {
            waker.wake();
        }
    }

    /// Keeps the body back for good, and returns whether nothing of it has passed.
    pub(super) fn seal(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Open) {
            return false;
        }
        *state = State::Sealed;
        true
    }
}
