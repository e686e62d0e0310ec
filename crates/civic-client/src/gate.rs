//! What holds the body of a request back until the peer asks for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// What holds the body of a request back until the peer asks for it.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

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

    /// Returns whether the body may pass. If not, the task of `cx` is woken when it may.
    pub(crate) fn passes(&self, cx: &Context<'_>) -> bool {
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
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if matches!(*state, State::Sealed) {
            return;
        }
        if let State::Waited(waker) = std::mem::replace(&mut *state, State::Open) {
            waker.wake();
        }
    }

    /// Keeps the body back for good, and returns whether nothing of it has passed.
    pub(crate) fn seal(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Open) {
            return false;
        }
        *state = State::Sealed;
        true
    }
}
