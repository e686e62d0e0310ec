//! Helpers of the tests of executions.

use std::fmt::Debug;

use civic_lock::{ErrorKind, OnceBegun, OnceOutcome, OnceRecord, OnceRun};

#[track_caller]
pub(crate) fn started(begun: OnceBegun) -> OnceRun {
    match begun {
        OnceBegun::Started(run) => run,
        other => panic!("not started: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn done(begun: OnceBegun) -> OnceRecord {
    match begun {
        OnceBegun::Done(record) => record,
        other => panic!("not done: {other:?}"),
    }
}

/// The holder that runs it.
#[track_caller]
pub(crate) fn running(begun: OnceBegun) -> String {
    match begun {
        OnceBegun::Running { holder, .. } => holder,
        other => panic!("not running: {other:?}"),
    }
}

/// The holder that is gone, and its attempt.
#[track_caller]
pub(crate) fn in_doubt(begun: OnceBegun) -> (String, u32) {
    match begun {
        OnceBegun::InDoubt {
            holder, attempt, ..
        } => (holder, attempt),
        other => panic!("not in doubt: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn not_begun(begun: OnceBegun) -> ErrorKind {
    match begun {
        OnceBegun::Unavailable(error) | OnceBegun::Invalid(error) => error.kind(),
        other => panic!("it was begun: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn ran_once<T: Debug, E: Debug>(outcome: OnceOutcome<T, E>) -> T {
    match outcome {
        OnceOutcome::Ran { value, .. } => value,
        other => panic!("it did not run: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn already_done<T: Debug, E: Debug>(outcome: OnceOutcome<T, E>) -> T {
    match outcome {
        OnceOutcome::AlreadyDone { value, .. } => value,
        other => panic!("it was not done before: {other:?}"),
    }
}
