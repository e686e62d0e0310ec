//! Executes a claimed tick: runs its work, and records what became of it.

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::lease::machine::LostReason;
use crate::scheduler::event::{AfterFailure, Attempt, Event};
use crate::scheduler::job::{Job, OnError};
use crate::scheduler::replica::{Replica, Stopped};
use crate::scheduler::run::{Run, Work, WorkError};
use crate::scheduler::tick::Tick;
use crate::store::answer::Ownership;
use crate::store::command::Record;
use crate::store::history::RunRecord;

/// What has become of a tick that was claimed here.
pub(super) enum Execution {
    /// The tick is done.
    Done,
    /// The tick is not done: claim it again.
    Open,
    /// The work has ended without an error, but the store did not confirm the record: claim it
    /// again, to find out whether it is done.
    Unrecorded(Attempt),
}

/// Why a tick is run, which decides how its end is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occasion {
    /// It is due. The watermark moves to it, unless an operator has set the watermark since the
    /// claim, which was made in this generation.
    Scheduled {
        generation: u64,
        /// How many of the attempts do not count, because they were handed over.
        handed_over: u32,
    },
    /// An operator has asked for it.
    OnDemand {
        /// How many of the attempts do not count, because they were handed over.
        handed_over: u32,
    },
}

/// How the work ended.
enum WorkEnd {
    Returned(Result<(), WorkError>),
    TimedOut(Duration),
    Lost(LostReason),
    Stopped,
}

/// Runs a tick that was claimed here, and gives it back.
pub(super) async fn execute(
    replica: &Replica,
    work: &Work,
    guard: LeaseGuard,
    attempt: Attempt,
    occasion: Occasion,
) -> Result<Execution, Stopped> {
    let claimed = Instant::now();
    let started = replica.now();
    let attempt = Attempt {
        lateness: attempt.tick.until(started),
        ..attempt
    };
    let lease = guard.lease().clone();
    replica.emit(&Event::Started(attempt));
    let span = tracing::info_span!(
        "civic_lock.run",
        job = %replica.job.name,
        tick = attempt.tick.as_millis(),
        attempt = attempt.number,
        fence = attempt.fence,
        holder = lease.holder(),
    );
    let mut task = JoinSet::new();
    let run = Run::new(attempt, lease.clone(), replica.stop.child_token());
    task.spawn(work.clone().run(run).instrument(span));
    let end = tokio::select! {
        biased;
        result = result_of(&mut task) => WorkEnd::Returned(result),
        timeout = timed_out(replica.job.timeout) => WorkEnd::TimedOut(timeout),
        reason = lease.lost() => WorkEnd::Lost(reason),
        () = replica.shutdown_is_over() => WorkEnd::Stopped,
    };
    let attempt = Attempt {
        took: claimed.elapsed(),
        ..attempt
    };
    let result = match end {
        WorkEnd::Returned(result) => result,
        WorkEnd::TimedOut(timeout) => {
            task.shutdown().await;
            Err(WorkError::new(format!("timed out after {timeout:?}")))
        }
        WorkEnd::Lost(reason) => {
            replica.emit(&Event::Lost { attempt, reason });
            // Nothing of it may be left when this replica claims again.
            task.shutdown().await;
            return Ok(Execution::Open);
        }
        WorkEnd::Stopped => {
            // The work must be over before another replica can begin.
            task.shutdown().await;
            hand_over(replica, guard, attempt).await;
            return Err(Stopped);
        }
    };
    if let Err(error) = &result {
        let retry = retry_delay(&replica.job, attempt, occasion);
        replica.emit(&Event::Failed {
            attempt,
            error: error.text().clone(),
            then: match retry {
                Some(_) => AfterFailure::Retried,
                None => AfterFailure::Consumed,
            },
        });
        if let Some(delay) = retry {
            let failed = run_of(replica, &lease, attempt, started, "failed");
            let store = replica.leases.store();
            let _ = store.run(&replica.job.name, Record { run: failed }).await;
            let paused = replica.pause(delay, None).await;
            let _ = guard.abandon().await;
            return paused.map(|()| Execution::Open);
        }
    }
    let hold = replica.job.hold_of(attempt.tick);
    let rest = hold.checked_sub(claimed.elapsed());
    let outcome = match &result {
        Ok(()) => finished(attempt).name(),
        Err(_) => "failed",
    };
    let run = Some(run_of(replica, &lease, attempt, started, outcome));
    let recorded = match occasion {
        Occasion::Scheduled { generation, .. } => {
            let tick = attempt.tick.as_millis();
            guard.complete(tick, rest, Some(generation), run).await
        }
        Occasion::OnDemand { .. } => guard.complete_due(rest, run).await,
    };
    Ok(report(replica, attempt, recorded, &result))
}

/// Returns what is remembered of a run.
fn run_of(
    replica: &Replica,
    lease: &Lease,
    attempt: Attempt,
    started: Tick,
    outcome: &str,
) -> RunRecord {
    RunRecord {
        tick: attempt.tick.as_millis(),
        until: None,
        count: None,
        attempt: attempt.number,
        fence: attempt.fence,
        by: lease.holder().to_owned(),
        started: started.as_millis(),
        ended: replica.now().as_millis(),
        outcome: outcome.to_owned(),
    }
}

/// Gives back a tick whose work was dropped because the replica is shutting down.
async fn hand_over(replica: &Replica, guard: LeaseGuard, attempt: Attempt) {
    let _ = guard.hand_over().await;
    replica.emit(&match replica.job.delivery {
        Delivery::AtLeastOnce => Event::HandedOver(attempt),
        // It counts as done since the claim: no other replica takes it over.
        Delivery::AtMostOnce => Event::Lost {
            attempt,
            reason: LostReason::Released,
        },
    });
}

/// Reports what has become of the record that the tick is done.
fn report(
    replica: &Replica,
    attempt: Attempt,
    recorded: Result<Ownership, Error>,
    result: &Result<(), WorkError>,
) -> Execution {
    match recorded {
        Ok(Ownership::Ours) => {
            // A failure was reported already.
            if result.is_ok() {
                replica.emit(&finished(attempt));
            }
            Execution::Done
        }
        Ok(Ownership::NotOurs) => {
            replica.emit(&Event::Lost {
                attempt,
                reason: LostReason::NotOwner,
            });
            Execution::Open
        }
        Err(cause) => {
            replica.emit(&Event::Unrecorded {
                attempt,
                cause: Arc::new(cause),
            });
            match result {
                Ok(()) => Execution::Unrecorded(attempt),
                Err(_) => Execution::Open,
            }
        }
    }
}

/// Returns the event of a tick that was run here and is done.
pub(super) fn finished(attempt: Attempt) -> Event {
    if attempt.number > 1 {
        Event::TookOver(attempt)
    } else {
        Event::Ran(attempt)
    }
}

fn retry_delay(job: &Job, attempt: Attempt, occasion: Occasion) -> Option<Duration> {
    let (Occasion::Scheduled { handed_over, .. } | Occasion::OnDemand { handed_over }) = occasion;
    match job.on_error {
        OnError::Retry { attempts, delay }
            if attempt.number.saturating_sub(handed_over) < attempts =>
        {
            Some(delay)
        }
        OnError::Retry { .. } | OnError::Consume => None,
    }
}

async fn timed_out(timeout: Option<Duration>) -> Duration {
    match timeout {
        Some(timeout) => {
            tokio::time::sleep(timeout).await;
            timeout
        }
        None => pending().await,
    }
}

/// Returns the result of the one task in the set. A panic counts as a failure.
async fn result_of(task: &mut JoinSet<Result<(), WorkError>>) -> Result<(), WorkError> {
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(WorkError::new(match error.try_into_panic() {
            Ok(panic) => format!("panicked: {}", panic_text(&*panic)),
            Err(error) => error.to_string(),
        })),
        None => pending().await,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
