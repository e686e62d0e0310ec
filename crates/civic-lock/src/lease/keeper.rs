//! What keeps a lease: renews it, tells the holder if it is lost, and releases the lock at the end.
//!
//! A keeper owns the whole state of its lease, so it never sends a renewal after a release. It is a
//! task from when the first renewal is due; until then it [waits](super::young) among others.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::boot_clock;
use crate::error::Error;
use crate::lease::end::{EndRequest, Ended, Ending};
use crate::lease::lease::Shared;
use crate::lease::live::LiveLease;
use crate::lease::machine::{Action, Answer, LostReason, Machine};
use crate::lock_event::{LockEvent, LockObserver};
use crate::store::answer::Ownership;
use crate::store::command::Renew;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The longest wait between two attempts to release a key, while the store does not confirm it.
pub(super) const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// How late a lease notices, at the latest, that the machine was suspended beyond its deadline.
pub(super) const MAX_SLEEP: Duration = Duration::from_secs(1);

/// What it takes to keep a lease, and to end it.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    pub(super) machine: Machine,
    pub(super) observer: LockObserver,
    /// When the lease began.
    pub(super) began: Duration,
    /// Where it began.
    pub(super) runtime: Handle,
    /// Until it is dropped, the end of the process has something to wait for.
    pub(super) _live: LiveLease,
}

// ===== impl Keeper =====

impl Keeper {
    /// Keeps the lease until its guard asks for its end, and then ends it.
    pub(super) async fn drive(mut self, mut guard: oneshot::Receiver<EndRequest>) {
        let request = loop {
            match self.machine.poll(boot_clock::now()) {
                Action::Wait { until } => {
                    tokio::select! {
                        biased;
                        request = &mut guard => break request,
                        () = sleep_until(until) => {}
                    }
                }
                Action::Renew { within } => {
                    let deadline = self.machine.deadline();
                    let renew = Renew {
                        holder: self.shared.holder().clone(),
                        ttl: self.shared.ttl(),
                    };
                    let answer = tokio::select! {
                        biased;
                        request = &mut guard => break request,
                        answer = self.store.run_within(within, self.shared.name(), renew) => answer,
                        // The store should answer within `within`. If it takes longer, the holder
                        // is still told before the key expires.
                        () = sleep_until(deadline) => Err(Error::timeout(within)),
                    };
                    let answer = match answer {
                        Ok(Ownership::Ours) => {
                            self.observer.emit(|| LockEvent::Renewed {
                                name: self.shared.name().clone(),
                                margin: deadline.saturating_sub(boot_clock::now()),
                            });
                            Answer::Renewed
                        }
                        Ok(Ownership::NotOurs) => Answer::NotOwner,
                        Err(error) => {
                            tracing::debug!(
                                name = %self.shared.name(),
                                %error,
                                "a renewal was not confirmed"
                            );
                            Answer::None
                        }
                    };
                    self.machine.answered(boot_clock::now(), answer);
                    self.shared.extend(self.machine.deadline());
                }
                Action::Lost(reason) => {
                    tracing::warn!(
                        name = %self.shared.name(),
                        holder = self.shared.holder().as_str(),
                        %reason,
                        "lease lost"
                    );
                    self.tell_end(reason);
                    self.machine.release();
                    let Ok(request) = (&mut guard).await else {
                        return;
                    };
                    self.send_until_confirmed(request).await;
                    return;
                }
                Action::Ended => return,
            }
        };
        self.machine.release();
        // A guard always sends how the lease ends. If it did not, the key would expire after its
        // ttl.
        let Ok(request) = request else { return };
        self.tell_end(LostReason::Released);
        self.send_until_confirmed(request).await;
    }

    /// Ends a lease that has no task. An error means that the store has not confirmed it: it is
    /// then repeated in the background.
    pub(super) async fn end(self, ending: Ending) -> Result<Ended, Error> {
        self.tell_end(LostReason::Released);
        let answer = self.send(&ending).await;
        if answer.is_err() {
            let give_up = self.give_up(&ending);
            tokio::spawn(async move { self.repeat_until_confirmed(ending, give_up).await });
        }
        answer
    }

    /// Tells the holder and the observer that the lease has ended.
    fn tell_end(&self, reason: LostReason) {
        self.shared.mark_ended(reason);
        self.observer.emit(|| LockEvent::Ended {
            name: self.shared.name().clone(),
            held: boot_clock::now().saturating_sub(self.began),
            reason,
        });
    }

    /// Sends the ending until it is confirmed, or until it is worth no more.
    async fn send_until_confirmed(&self, request: EndRequest) {
        let EndRequest { ending, answer } = request;
        let give_up = self.give_up(&ending);
        let ended = self.send(&ending).await;
        let is_confirmed = ended.is_ok();
        if let Some(answer) = answer {
            let _ = answer.send(ended);
        }
        if !is_confirmed {
            self.repeat_until_confirmed(ending, give_up).await;
        }
    }

    async fn repeat_until_confirmed(&self, ending: Ending, give_up: Duration) {
        let mut backoff = Backoff::new(MAX_RETRY_DELAY);
        while boot_clock::now() < give_up {
            tokio::time::sleep(backoff.wait()).await;
            if self.send(&ending).await.is_ok() {
                return;
            }
        }
    }

    async fn send(&self, ending: &Ending) -> Result<Ended, Error> {
        let shared = &*self.shared;
        let sent = ending
            .clone()
            .send(&self.store, shared.name(), shared.holder());
        sent.await.inspect_err(|error| {
            tracing::debug!(
                name = %shared.name(),
                %error,
                "the store did not confirm the end of a lease"
            );
        })
    }

    /// When the ending is worth no more.
    fn give_up(&self, ending: &Ending) -> Duration {
        let within = ending.worth_repeating_for(self.shared.ttl());
        boot_clock::now() + within + self.store.command_timeout()
    }
}

/// Sleeps until then by the boot clock. The timers of the runtime do not count the time in which
/// the machine was suspended, so no sleep is longer than [`MAX_SLEEP`].
async fn sleep_until(until: Duration) {
    loop {
        let left = until.saturating_sub(boot_clock::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(MAX_SLEEP)).await;
    }
}
