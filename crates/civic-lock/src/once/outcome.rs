//! What becomes of an attempt to execute something once.

use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::lease::lease::LeaseEnd;
use crate::once::record::OnceRecord;
use crate::once::run::OnceRun;

/// What became of an attempt to begin an execution.
///
/// Exhaustive on purpose: a caller decides what to do in each case, and the compiler should tell it
/// of a new one.
#[derive(Debug)]
#[must_use = "an execution that was started ends when it is dropped"]
pub enum OnceBegun {
    /// This caller executes.
    Started(OnceRun),
    /// It was executed before. The record may [have no result](OnceRecord::has_result).
    Done(OnceRecord),
    /// Another holder executes it, and has not ended within the time that was waited.
    Running {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// How long it will stay there unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// It was begun at most once, its holder is gone, and no one knows what was done.
    InDoubt {
        /// When it was begun, by the store's clock.
        since: SystemTime,
        /// The holder that has begun it.
        holder: String,
        /// How often it was begun.
        attempt: u32,
    },
    /// The key belongs to a call with another fingerprint, whatever became of that one.
    Different,
    /// The store could not be asked. Try again later.
    Unavailable(Error),
    /// The key or a setting is wrong. It will not work until the call is changed.
    Invalid(Error),
}

/// What became of work that was to run once.
///
/// Exhaustive on purpose, like [`OnceBegun`].
#[derive(Debug)]
#[must_use = "work that did not run is not an error"]
pub enum OnceOutcome<T, E> {
    /// The work ran to its end, and its result is recorded.
    Ran {
        /// What it returned.
        value: T,
        /// Whether it had the lock for itself all the time.
        lease: LeaseEnd,
    },
    /// The work ran before, and this is what it returned then.
    AlreadyDone {
        /// The recorded value.
        value: T,
        /// When it was recorded, and by which holder.
        record: OnceRecord,
    },
    /// The work ran before, and no result is recorded: it was
    /// [not kept](Self::ResultNotKept), or an operator has ended the execution as done. (Work that
    /// returns `()` or an `Option` is [`AlreadyDone`](Self::AlreadyDone) then, with `()` or
    /// `None`, when an operator has ended it.)
    DoneWithoutResult {
        /// When it was recorded, and for which holder.
        record: OnceRecord,
    },
    /// The work ran before, and the recorded result cannot be read as this type: another version
    /// has recorded it.
    Unreadable {
        /// What was recorded, and when.
        record: OnceRecord,
        /// Where it cannot be read.
        error: Error,
    },
    /// The work ran and returned an error. It is not recorded: the next call runs the work again.
    Failed(E),
    /// The work ran to its end, and that is recorded without the result, which is larger than
    /// 256 KiB, or cannot be written as JSON and read again. The work does not run again: later
    /// calls get [`DoneWithoutResult`](Self::DoneWithoutResult).
    ResultNotKept {
        /// What it returned.
        value: T,
        /// Why it cannot be recorded.
        error: Error,
        /// Whether it had the lock for itself all the time.
        lease: LeaseEnd,
    },
    /// The work ran to its end, and the store has not confirmed that. If another holder has begun
    /// the work since, or an operator has ended it, nothing is recorded
    /// ([`ErrorKind::Lost`](crate::ErrorKind::Lost)). If the store did not answer, the end is
    /// recorded in the background if it comes back within 10 minutes, or within the ttl if that is
    /// longer, and no other holder has begun the work by then; if not, the work is in doubt, or
    /// runs again.
    NotRecorded {
        /// What it returned.
        value: T,
        /// Why it is not recorded.
        error: Error,
    },
    /// The lease was lost, and the work was dropped.
    Lost {
        /// For how long it had run.
        ran_for: Duration,
    },
    /// The work did not run: another holder runs it, and has not ended within the time that was
    /// waited.
    Running {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// How long it will stay there unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The work did not run: it was begun at most once, its holder is gone, and no one knows what
    /// was done.
    InDoubt {
        /// When it was begun, by the store's clock.
        since: SystemTime,
        /// The holder that has begun it.
        holder: String,
        /// How often it was begun.
        attempt: u32,
    },
    /// The work did not run: the key belongs to a call with another fingerprint.
    Different,
    /// The work did not run: the store could not be asked. Try again later.
    Unavailable(Error),
    /// The work did not run: the key or a setting is wrong. It will not run until the call is
    /// changed.
    Invalid(Error),
}
