//! One execution to be begun, with its own settings.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::acquire::{Acquirer, Asked};
use crate::boot_clock;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::lease::lease::LeaseEnd;
use crate::lock_event::LockEvent;
use crate::once::attempt::OnceAttempt;
use crate::once::event::OnceEvent;
use crate::once::key::OnceKey;
use crate::once::outcome::{OnceBegun, OnceOutcome};
use crate::once::record::{OnceRecord, instant};
use crate::once::run::{OnceRun, fits};
use crate::outcome::OnLoss;
use crate::store::limits::MAX_RETENTION;
use crate::store::once::{Begun, OnceTerms, Phase};
use crate::timing::Ttl;
use crate::work::{Work, run_under};

const DEFAULT_TTL: Duration = Duration::from_secs(30);
/// A migration must not run again on a pod that starts in a month.
const DEFAULT_RETAIN: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const MIN_RETENTION: Duration = Duration::from_secs(1);

/// A request for one execution, with its own settings. Made by
/// [`LockService::once`](crate::LockService::once).
#[derive(Debug)]
#[must_use = "nothing happens before `begin` or `run`"]
pub struct OnceRequest {
    acquirer: Acquirer,
    key: Result<OnceKey, Error>,
    delivery: Delivery,
    ttl: Duration,
    retain: Duration,
    wait: Option<Duration>,
    fingerprint: Option<[u8; 32]>,
    on_loss: OnLoss,
}

/// A request whose settings are valid.
#[derive(Debug)]
struct Checked {
    acquirer: Acquirer,
    key: OnceKey,
    ttl: Ttl,
    terms: OnceTerms,
}

// ===== impl OnceRequest =====

impl OnceRequest {
    pub(crate) fn new<N>(acquirer: Acquirer, key: N) -> Self
    where
        N: TryInto<OnceKey, Error: Into<Error>>,
    {
        Self {
            acquirer,
            key: key.try_into().map_err(Into::into),
            delivery: Delivery::default(),
            ttl: DEFAULT_TTL,
            retain: DEFAULT_RETAIN,
            wait: None,
            fingerprint: None,
            on_loss: OnLoss::default(),
        }
    }

    /// Sets what becomes of work whose holder is gone. The delivery with which it was begun counts,
    /// not that of a later call.
    ///
    /// Defaults to [`Delivery::AtLeastOnce`].
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets the ttl of the lease, which renews itself while the work runs: 500 ms to 7 days. It
    /// says how long a dead holder keeps the others waiting, not how long the work may take.
    ///
    /// Defaults to 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets for how long the record stays after the work was finished: 1 s to 3650 days. Each call
    /// that is answered from it keeps it for as long again. After that, the work may run again.
    ///
    /// The record of work that has no end stays as long, and at least for as long as a lease may be
    /// [renewed](crate::LockServiceBuilder::max_hold); calls do not prolong that.
    ///
    /// Defaults to 400 days.
    pub fn retain(mut self, retain: Duration) -> Self {
        self.retain = retain;
        self
    }

    /// Waits at most this long for another holder to end. The end wakes the waiter, which polls as
    /// well, about once per second.
    ///
    /// Defaults to not waiting.
    pub fn wait(mut self, within: Duration) -> Self {
        self.wait = Some(within);
        self
    }

    /// Sets what tells this call from others under the same key, for example a hash of its request.
    /// A call with another fingerprint, or with one where there was none, is answered
    /// [`Different`](OnceBegun::Different).
    ///
    /// Defaults to none.
    pub fn fingerprint(mut self, fingerprint: [u8; 32]) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Sets what becomes of running work when its lease is lost. Applies to [`run`](Self::run).
    ///
    /// Defaults to [`OnLoss::DropWork`].
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Begins the execution, or tells what has become of it.
    ///
    /// A service that [fails open](crate::OnUnavailable::FailOpen) does not do so here: without the
    /// store, nothing is begun.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the returned future is dropped, an execution that was begun, or that may
    /// have been, is taken back in the background. A waiter loses its place in the queue.
    pub async fn begin(self) -> OnceBegun {
        let wait = self.wait;
        let checked = match self.checked() {
            Ok(checked) => checked,
            Err(error) => return OnceBegun::Invalid(error),
        };
        let Some(within) = wait else {
            return checked.tell(checked.begin().await);
        };
        let (name, once) = (checked.key.lock_name(), &checked);
        let ask = move || async move {
            match once.begin().await {
                OnceBegun::Running { holder, ttl } => Asked::Held {
                    answer: OnceBegun::Running { holder, ttl },
                    left: ttl,
                },
                decided => Asked::Decided(decided),
            }
        };
        checked.tell(checked.acquirer.wait(name, within, ask).await)
    }

    /// Runs `work` if it has not run before, records what it returns as JSON, and returns that or
    /// what was recorded.
    ///
    /// A value that is larger than 256 KiB, or that cannot be written as JSON and read again (such
    /// as a number that is not a finite one), is not recorded; that the work has ended is, so that
    /// it does not run again.
    ///
    /// An `Err` of the work is no completion: it is returned, and the next call runs the work
    /// again. When the lease is lost the work is dropped. If the work panics, the key is given back
    /// and the panic goes on: `AtLeastOnce` work runs again, `AtMostOnce` work is in doubt.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, the work is dropped at its current await and the key is
    /// given back, as after a panic.
    pub async fn run<T, E, F, W>(self, work: F) -> OnceOutcome<T, E>
    where
        T: DeserializeOwned + Serialize,
        F: FnOnce(OnceAttempt) -> W,
        W: Future<Output = Result<T, E>>,
    {
        let on_loss = self.on_loss;
        let run = match self.begin().await {
            OnceBegun::Started(run) => run,
            OnceBegun::Done(record) => {
                return match record.json() {
                    Ok(value) => OnceOutcome::AlreadyDone { value, record },
                    Err(_) if !record.has_result() => OnceOutcome::DoneWithoutResult { record },
                    Err(error) => OnceOutcome::Unreadable { record, error },
                };
            }
            OnceBegun::Running { holder, ttl } => return OnceOutcome::Running { holder, ttl },
            OnceBegun::InDoubt {
                since,
                holder,
                attempt,
            } => {
                return OnceOutcome::InDoubt {
                    since,
                    holder,
                    attempt,
                };
            }
            OnceBegun::Different => return OnceOutcome::Different,
            OnceBegun::Unavailable(error) => return OnceOutcome::Unavailable(error),
            OnceBegun::Invalid(error) => return OnceOutcome::Invalid(error),
        };
        let began = boot_clock::now();
        let attempt = OnceAttempt::new(run.lease().clone(), run.attempt());
        let lease = run.lease().clone();
        match run_under(&lease, on_loss, || work(attempt)).await {
            Work::Ended(Ok(value)) => record(run, value).await,
            Work::Ended(Err(error)) => {
                // Repeated in the background if it is not confirmed. The error of the work counts.
                let _ = run.forget().await;
                OnceOutcome::Failed(error)
            }
            Work::Panicked(panic) => {
                run.abandon().await;
                resume_unwind(panic)
            }
            Work::Dropped => {
                let ran_for = boot_clock::now().saturating_sub(began);
                run.abandon().await;
                OnceOutcome::Lost { ran_for }
            }
        }
    }

    fn checked(self) -> Result<Checked, Error> {
        let key = self.key?;
        let ttl = Ttl::new(self.ttl)?;
        if self.retain < MIN_RETENTION || self.retain > MAX_RETENTION {
            return Err(Error::config(format!(
                "the record is to be retained for {:?}; it must be 1 s to 3650 days",
                self.retain
            )));
        }
        let mut fingerprint = String::new();
        for byte in self.fingerprint.iter().flatten() {
            let _ = write!(fingerprint, "{byte:02x}");
        }
        Ok(Checked {
            acquirer: self.acquirer,
            key,
            ttl,
            terms: OnceTerms {
                delivery: self.delivery,
                fingerprint,
                retain: self.retain,
            },
        })
    }
}

// ===== impl Checked =====

impl Checked {
    /// Asks the store once.
    async fn begin(&self) -> OnceBegun {
        let leases = self.acquirer.leases();
        let begun = leases.begin_once(self.key.lock_name(), self.ttl, self.terms.clone());
        let begun = match begun.await {
            Ok(begun) => begun,
            Err(error) => return OnceBegun::Unavailable(error),
        };
        match begun {
            Begun::Granted {
                lease: guard,
                attempt,
                before,
            } => {
                let event = match before {
                    Some(Phase::Begun) => OnceEvent::TakenOver,
                    _ => OnceEvent::Begun,
                };
                let run = OnceRun::new(
                    self.key.clone(),
                    self.terms.delivery,
                    attempt,
                    guard,
                    leases.observer().clone(),
                );
                run.emit(event);
                OnceBegun::Started(run)
            }
            Begun::Done(execution) => OnceBegun::Done(OnceRecord::from(execution)),
            Begun::Running { holder, ttl } => OnceBegun::Running { holder, ttl },
            Begun::InDoubt {
                since,
                holder,
                attempt,
            } => OnceBegun::InDoubt {
                since: instant(since),
                holder,
                attempt,
            },
            Begun::Different => OnceBegun::Different,
        }
    }

    /// Tells the observer what the call is answered with.
    fn tell(&self, begun: OnceBegun) -> OnceBegun {
        let (event, attempt) = match &begun {
            OnceBegun::Done(record) => (OnceEvent::Replayed, record.attempt()),
            OnceBegun::Running { .. } => (OnceEvent::Running, 0),
            OnceBegun::InDoubt { attempt, .. } => (OnceEvent::InDoubt, *attempt),
            OnceBegun::Different => (OnceEvent::Different, 0),
            // The first was told when it began, the others are events of the lock.
            OnceBegun::Started(_) | OnceBegun::Unavailable(_) | OnceBegun::Invalid(_) => {
                return begun;
            }
        };
        self.acquirer.leases().observer().emit(|| LockEvent::Once {
            key: self.key.clone(),
            event,
            attempt,
        });
        begun
    }
}

/// Records what the work has returned, or at least that it has ended.
async fn record<T, E>(run: OnceRun, value: T) -> OnceOutcome<T, E>
where
    T: DeserializeOwned + Serialize,
{
    let lease = match run.lease().check() {
        Ok(()) => LeaseEnd::Kept,
        Err(_) => LeaseEnd::Lost,
    };
    let recorded = match kept_as(&value) {
        Ok(result) => run.complete(&result).await.map_err(Error::from),
        Err(why) => match run.complete_without_result().await {
            Ok(_) => {
                return OnceOutcome::ResultNotKept {
                    value,
                    error: why,
                    lease,
                };
            }
            Err(error) => Err(error),
        },
    };
    match recorded {
        Ok(_) => OnceOutcome::Ran { value, lease },
        Err(error) => OnceOutcome::NotRecorded { value, error },
    }
}

/// Writes what is recorded of a value, if it fits and can be read again. Errors are without the
/// serializer's words, which may quote the value.
fn kept_as<T: DeserializeOwned + Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let unreadable = |why| Error::new(ErrorKind::Unreadable, why);
    let result =
        serde_json::to_vec(value).map_err(|_| unreadable("it cannot be written as JSON"))?;
    fits(&result)?;
    match serde_json::from_slice::<T>(&result) {
        Ok(_) => Ok(result),
        Err(_) => Err(unreadable(
            "what is written of it as JSON cannot be read again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::LockService;

    #[test]
    fn the_defaults_of_once_are_those_of_the_documentation() {
        let service = LockService::redis("redis://localhost").expect("a valid URL");
        let request = service.once("migration");
        assert_eq!(request.delivery, Delivery::AtLeastOnce);
        assert_eq!(request.ttl, Duration::from_secs(30));
        assert_eq!(request.retain, Duration::from_secs(400 * 86_400));
        assert_eq!(request.wait, None);
        assert_eq!(request.fingerprint, None);
        assert_eq!(request.on_loss, OnLoss::DropWork);
    }
}
