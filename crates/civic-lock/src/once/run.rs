//! The right to execute.

use std::fmt;

use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::lock_event::{LockEvent, LockObserver};
use crate::once::event::OnceEvent;
use crate::once::key::OnceKey;
use crate::once::record::OnceRecord;
use crate::store::answer::Ownership;
use crate::store::limits::MAX_RESULT;
use crate::store::once::{Author, Completed};
use crate::store::payload::Payload;

/// The right to execute what a key stands for, under a lease that renews itself.
///
/// Dropped before it has ended, it gives the key back: the next call runs
/// `AtLeastOnce` work again, with a larger fence and attempt, and finds `AtMostOnce` work in doubt.
#[derive(Debug)]
#[must_use = "an execution that is dropped is not recorded"]
pub struct OnceRun {
    key: OnceKey,
    delivery: Delivery,
    attempt: u32,
    lease: Lease,
    /// `None` once the execution has ended.
    guard: Option<LeaseGuard>,
    observer: LockObserver,
}

/// The error of [`OnceRun::complete`]: the result is not recorded, or not for certain.
///
/// A result that is too large leaves the execution as it was, and the error
/// [hands it back](Self::into_run). Dropped with the error, it gives the key back like every
/// [`OnceRun`].
#[derive(Debug)]
pub struct OnceCompleteError {
    error: Error,
    run: Option<Box<OnceRun>>,
}

impl OnceRun {
    pub(super) fn new(
        key: OnceKey,
        delivery: Delivery,
        attempt: u32,
        guard: LeaseGuard,
        observer: LockObserver,
    ) -> Self {
        Self {
            key,
            delivery,
            attempt,
            lease: guard.lease().clone(),
            guard: Some(guard),
            observer,
        }
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &OnceKey {
        &self.key
    }

    /// Returns the lease that the work runs under.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns how often the work was begun under this key, this time included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Records the result, up to 256 KiB, and releases the key.
    ///
    /// It is recorded only if this holder was the last one to begin the execution, and no operator
    /// has ended it: a holder that was stopped and wakes after another one has finished overwrites
    /// nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Lost`] if the execution is not this holder's any more,
    /// [`ErrorKind::TooLarge`] for a result of more than 256 KiB, which
    /// [hands the execution back](OnceCompleteError::into_run), and another error if the store has
    /// not confirmed it within the command timeout. The command is then repeated in the background
    /// until it is confirmed, for 10 minutes, or for the ttl if that is longer. Without success
    /// `AtMostOnce` work is in doubt.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped after it was polled, the result is recorded in the
    /// background.
    pub async fn complete(self, result: &[u8]) -> Result<OnceRecord, OnceCompleteError> {
        if let Err(error) = fits(result) {
            return Err(OnceCompleteError::handed_back(error, self));
        }
        Ok(self.end(Some(Payload::new(result))).await?)
    }

    /// Records that the work has ended, without a result, and releases the key. For work that is
    /// done and whose result cannot be recorded: it does not run again, and its later callers get a
    /// record that [has no result](OnceRecord::has_result).
    ///
    /// # Errors
    ///
    /// See [`complete`](Self::complete). There is no result that could be too large.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped after it was polled, the end is recorded in the
    /// background.
    pub async fn complete_without_result(self) -> Result<OnceRecord, Error> {
        self.end(None).await
    }

    async fn end(mut self, result: Option<Payload>) -> Result<OnceRecord, Error> {
        let Some(guard) = self.guard.take() else {
            return Err(Error::runtime_shutdown());
        };
        let recorded = guard.complete_once(result.clone()).await;
        match recorded {
            Ok(Completed::Recorded { completed, until }) => {
                self.emit(OnceEvent::Completed);
                Ok(OnceRecord {
                    author: Author::of_result(result.as_ref()),
                    result: result.unwrap_or_default(),
                    completed,
                    until,
                    attempt: self.attempt,
                    fence: self.lease.fence(),
                    holder: self.lease.holder().to_owned(),
                })
            }
            Ok(Completed::NotOurs) => {
                self.emit(OnceEvent::Unrecorded);
                Err(not_ours())
            }
            Err(error) => {
                self.emit(OnceEvent::Unrecorded);
                Err(error)
            }
        }
    }

    /// Releases the key as if nothing had been begun, except that the attempt counts. For work that
    /// has done nothing, or whose failure may be repeated. The next call runs it, whatever the
    /// [`Delivery`].
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Lost`] if the execution is not this holder's any more, and another
    /// error if the store has not confirmed it within the command timeout. The command is then
    /// repeated in the background until it is confirmed, for 10 minutes, or for the ttl if that is
    /// longer.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped after it was polled, the key is released in the
    /// background.
    pub async fn forget(mut self) -> Result<(), Error> {
        let Some(guard) = self.guard.take() else {
            return Err(Error::runtime_shutdown());
        };
        self.emit(OnceEvent::Forgotten);
        match guard.forget_once().await? {
            Ownership::Ours => Ok(()),
            Ownership::NotOurs => Err(not_ours()),
        }
    }

    /// Gives the key back like a drop, and waits until the store has confirmed it.
    pub(super) async fn abandon(mut self) {
        if let Some(guard) = self.guard.take() {
            self.emit_abandoned();
            guard.release().await;
        }
    }

    fn emit_abandoned(&self) {
        self.emit(match self.delivery {
            Delivery::AtLeastOnce => OnceEvent::Abandoned,
            Delivery::AtMostOnce => OnceEvent::LeftInDoubt,
        });
    }

    pub(super) fn emit(&self, event: OnceEvent) {
        self.observer.emit(|| LockEvent::Once {
            key: self.key.clone(),
            event,
            attempt: self.attempt,
        });
    }
}

impl Drop for OnceRun {
    fn drop(&mut self) {
        if self.guard.is_some() {
            self.emit_abandoned();
        }
    }
}

// ===== impl OnceCompleteError =====

impl OnceCompleteError {
    /// The execution goes on.
    fn handed_back(error: Error, run: OnceRun) -> Self {
        Self {
            error,
            run: Some(Box::new(run)),
        }
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Returns the error without the execution.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the execution, which goes on; `None` if it has ended, or its end is repeated in the
    /// background.
    ///
    /// Complete it with a shorter result, or
    /// [without one](OnceRun::complete_without_result).
    #[must_use]
    pub fn into_run(self) -> Option<OnceRun> {
        self.run.map(|run| *run)
    }
}

impl fmt::Display for OnceCompleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for OnceCompleteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<Error> for OnceCompleteError {
    fn from(error: Error) -> Self {
        Self { error, run: None }
    }
}

impl From<OnceCompleteError> for Error {
    /// Drops the execution, if it goes on.
    fn from(error: OnceCompleteError) -> Self {
        error.error
    }
}

/// Refuses a result that is too large.
pub(super) fn fits(result: &[u8]) -> Result<(), Error> {
    if result.len() <= MAX_RESULT {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!(
            "it has {} bytes, and at most {MAX_RESULT} are recorded",
            result.len()
        ),
    ))
}

fn not_ours() -> Error {
    Error::new(
        ErrorKind::Lost,
        "another holder has begun it since, an operator has ended it, or its record is gone",
    )
}
