//! The one task that drives a lease: it renews, tells, and at the end releases.
//!
//! It owns the whole state, so a renewal can never overtake a release.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::boot_clock;
use crate::error::Error;
use crate::lease::end::{End, Ended, Ending};
use crate::lease::lease::Shared;
use crate::lease::machine::{Action, Answer, LostReason, Machine};
use crate::name::LockName;
use crate::store::answer::{Completed, Released, Renewed};
use crate::store::holder::Holder;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The longest wait between two attempts to release, when the store does not answer.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(2);

pub(super) async fn drive(
    store: Store,
    shared: Arc<Shared>,
    mut machine: Machine,
    mut ended: oneshot::Receiver<End>,
) {
    let end = loop {
        match machine.poll(boot_clock::now()) {
            Action::Wait { until } => {
                tokio::select! {
                    biased;
                    end = &mut ended => break end,
                    () = sleep_until(until) => {}
                }
            }
            Action::Renew { within } => {
                let deadline = machine.deadline();
                let renewal = store.renew(shared.name(), shared.holder(), shared.ttl(), within);
                let answer = tokio::select! {
                    biased;
                    end = &mut ended => break end,
                    answer = renewal => answer,
                    // The store keeps to `within`; the holder is told in time even if it does not.
                    () = sleep_until(deadline) => Err(Error::timeout(within)),
                };
                machine.answered(
                    boot_clock::now(),
                    match answer {
                        Ok(Renewed::Renewed) => Answer::Renewed,
                        Ok(Renewed::NotOwner) => Answer::NotOwner,
                        Err(error) => {
                            tracing::debug!(name = %shared.name(), %error, "a renewal was not confirmed");
                            Answer::None
                        }
                    },
                );
                shared.extend(machine.deadline());
            }
            Action::Lost(reason) => {
                tracing::warn!(name = %shared.name(), holder = shared.holder().as_str(), %reason, "lease lost");
                shared.end(reason);
                break (&mut ended).await;
            }
            Action::Ended => return,
        }
    };
    machine.release();
    // A guard always says how it ends; without a word, the ttl ends it.
    let Ok(end) = end else { return };
    shared.end(LostReason::Released);
    finish(&store, &shared, end).await;
}

/// Sends the ending until it is confirmed, or until the ttl has done the same.
async fn finish(store: &Store, shared: &Shared, end: End) {
    let End { ending, mut answer } = end;
    let give_up = boot_clock::now() + shared.ttl().get() + store.command_timeout();
    let mut backoff = Backoff::new(LONGEST_RETRY);
    loop {
        match send(store, shared.name(), shared.holder(), ending).await {
            Ok(ended) => {
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(ended));
                }
                return;
            }
            Err(error) => {
                tracing::debug!(name = %shared.name(), %error, "a release was not confirmed");
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

/// Sends an ending once.
pub(super) async fn send(
    store: &Store,
    name: &LockName,
    holder: &Holder,
    ending: Ending,
) -> Result<Ended, Error> {
    let released = match ending {
        Ending::Release { hold } => store.release(name, holder, hold).await?,
        Ending::Abandon => store.abandon(name, holder).await?,
        Ending::Unclaim => store.unclaim(name, holder).await?,
        Ending::Complete { tick, hold } => {
            return Ok(match store.complete(name, holder, tick, hold).await? {
                Completed::Completed => Ended::Owned,
                Completed::NotOwner => Ended::NotOwner,
            });
        }
    };
    Ok(match released {
        Released::Released | Released::Held => Ended::Owned,
        Released::NotOwner => Ended::NotOwner,
    })
}

async fn sleep_until(until: Duration) {
    tokio::time::sleep(until.saturating_sub(boot_clock::now())).await;
}
