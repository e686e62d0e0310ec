//! Runs that an operator has asked for, beside the schedule.

use std::time::Duration;

use crate::scheduler::event::{Attempt, Event};
use crate::scheduler::execute::{Occasion, execute};
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::run::Work;
use crate::scheduler::tick::Tick;
use crate::store::answer::Claimed;
use crate::store::hints::Hints;

/// Runs what an operator has asked for, if no other replica does. It does not move the watermark.
pub(super) async fn run_due(
    replica: &Replica,
    work: &Work,
    hints: &mut Hints,
    outage: &mut Outage,
) -> Result<(), Stopped> {
    let job = &replica.job;
    let retain = job.retain_of(replica.now());
    let limit = Some(job.attempt_limit());
    let claimed = replica
        .leases
        .claim_due(&job.name, replica.ttl, retain, limit)
        .await;
    let (guard, attempt, handed_over) = match claimed {
        Ok(Claimed::Granted {
            lease,
            tick,
            attempt,
            handed_over,
            ..
        }) => {
            let attempt = Attempt {
                tick: Tick::from_millis(tick),
                fence: lease.lease().fence(),
                number: attempt,
                lateness: Duration::ZERO,
                took: Duration::ZERO,
            };
            (lease, attempt, handed_over)
        }
        Ok(Claimed::Exhausted { tick, .. }) => {
            let event = Event::DeadLetter {
                tick: Tick::from_millis(tick),
                attempts: job.attempt_limit(),
            };
            replica.emit(&event);
            replica.remember(&event).await;
            return Ok(());
        }
        Ok(Claimed::Running { ttl, .. }) => {
            let pause = ttl.map_or(replica.settings.poll_cap, |ttl| {
                ttl.min(replica.settings.poll_cap)
            });
            return replica.pause(pause, Some(hints)).await;
        }
        // Another replica has done it, or the store has lost its data.
        Ok(_) => return Ok(()),
        Err(cause) => {
            let pause = replica.report_unavailable(None, cause, outage);
            return replica.pause(pause, Some(hints)).await;
        }
    };
    if replica.stop.is_cancelled() {
        let _ = guard.unclaim().await;
        return Err(Stopped);
    }
    let occasion = Occasion::OnDemand { handed_over };
    execute(replica, work, guard, attempt, occasion).await?;
    Ok(())
}
