//! The one task of a lease: renews it, tells the holder if it is lost, and releases the lock at the
//! end.
//!
//! The task owns the whole state of the lease, so it never sends a renewal after a release.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::boot_clock;
use crate::error::Error;
use crate::lease::end::EndRequest;
use crate::lease::lease::Shared;
use crate::lease::machine::{Action, Answer, LostReason, Machine};
use crate::lock_event::{LockEvent, LockObserver};
use crate::store::answer::Ownership;
use crate::store::command::Renew;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The longest wait between two attempts to release a key, while the store does not confirm it.
pub(super) const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// How late a lease notices, at the latest, that the machine was suspended beyond its deadline.
const MAX_SLEEP: Duration = Duration::from_secs(1);

pub(super) async fn drive(
    store: Store,
    shared: Arc<Shared>,
    mut machine: Machine,
    mut guard: oneshot::Receiver<EndRequest>,
    observer: LockObserver,
) {
    let began = boot_clock::now();
    let ended = |reason| {
        observer.emit(|| LockEvent::Ended {
            name: shared.name().clone(),
            held: boot_clock::now().saturating_sub(began),
            reason,
        });
    };
    let request = loop {
        match machine.poll(boot_clock::now()) {
            Action::Wait { until } => {
                tokio::select! {
                    biased;
                    request = &mut guard => break request,
                    () = sleep_until(until) => {}
                }
            }
            Action::Renew { within } => {
                let deadline = machine.deadline();
                let renew = Renew {
                    holder: shared.holder().clone(),
                    ttl: shared.ttl(),
                };
                let answer = tokio::select! {
                    biased;
                    request = &mut guard => break request,
                    answer = store.run_within(within, shared.name(), renew) => answer,
                    // The store should answer within `within`. If it takes longer, the holder is
                    // still told before the key expires.
                    () = sleep_until(deadline) => Err(Error::timeout(within)),
                };
                machine.answered(
                    boot_clock::now(),
                    match answer {
                        Ok(Ownership::Ours) => {
                            observer.emit(|| LockEvent::Renewed {
                                name: shared.name().clone(),
                                margin: deadline.saturating_sub(boot_clock::now()),
                            });
                            Answer::Renewed
                        }
                        Ok(Ownership::NotOurs) => Answer::NotOwner,
                        Err(error) => {
                            tracing::debug!(
                                name = %shared.name(),
                                %error,
                                "a renewal was not confirmed"
                            );
                            Answer::None
                        }
                    },
                );
                shared.extend(machine.deadline());
            }
            Action::Lost(reason) => {
                tracing::warn!(
                    name = %shared.name(),
                    holder = shared.holder().as_str(),
                    %reason,
                    "lease lost"
                );
                shared.mark_ended(reason);
                ended(reason);
                machine.release();
                let Ok(request) = (&mut guard).await else {
                    return;
                };
                send_until_confirmed(&store, &shared, request).await;
                return;
            }
            Action::Ended => return,
        }
    };
    machine.release();
    // A guard always sends how the lease ends. If it did not, the key would expire after its ttl.
    let Ok(request) = request else { return };
    shared.mark_ended(LostReason::Released);
    ended(LostReason::Released);
    send_until_confirmed(&store, &shared, request).await;
}

/// Sends the ending until it is confirmed, or until it is worth no more.
async fn send_until_confirmed(store: &Store, shared: &Shared, request: EndRequest) {
    let EndRequest { ending, mut answer } = request;
    let within = ending.worth_repeating_for(shared.ttl());
    let give_up = boot_clock::now() + within + store.command_timeout();
    let mut backoff = Backoff::new(MAX_RETRY_DELAY);
    loop {
        match ending
            .clone()
            .send(store, shared.name(), shared.holder())
            .await
        {
            Ok(ended) => {
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(ended));
                }
                return;
            }
            Err(error) => {
                tracing::debug!(
                    name = %shared.name(),
                    %error,
                    "the store did not confirm the end of a lease"
                );
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Err(error));
                }
            }
        }
        if boot_clock::now() >= give_up {
            return;
        }
        tokio::time::sleep(backoff.wait()).await;
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
