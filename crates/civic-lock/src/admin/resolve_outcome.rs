//! How an operator ends an execution, and what became of the attempt.

use std::time::Duration;

use crate::admin::once_status::OnceState;

/// How an operator ends an execution whose holder is gone.
///
/// Exhaustive on purpose: it was done, or it was not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ResolveOnce {
    /// It was done. It counts as finished, without a result, and is not run again.
    Done,
    /// It was not done. The next call runs it.
    Free,
}

/// What became of an attempt to end an execution.
///
/// Exhaustive on purpose: it was ended, or there is a reason why not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResolveOutcome {
    /// It is ended as was asked for.
    Resolved,
    /// The holder that was named still runs it. It was not touched.
    Running {
        /// How long its key stays unless it is renewed.
        ttl: Option<Duration>,
    },
    /// It is not the attempt that was named, or it has ended already. It was not touched.
    Changed {
        /// How far it is now. [`OnceState::Abandoned`] and [`OnceState::InDoubt`] say that the
        /// attempt was begun by another holder, which may run.
        state: OnceState,
        /// The holder that has begun it last.
        holder: String,
        /// How often it was begun.
        attempt: u32,
    },
    /// The store has no record of the key.
    Unknown,
}
