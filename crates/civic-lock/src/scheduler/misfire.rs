//! Gives up ticks that may not begin any more, and reports them.

use crate::scheduler::event::Event;
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::tick::Tick;
use crate::store::answer::Missed;
use crate::store::command::Miss;

/// Moves the watermark over ticks that may not begin any more. Returns where it is then.
///
/// The replica that has moved it reports them. A call that gets no answer is repeated until it is
/// known whether it has moved it. If that cannot be known, the ticks are reported: twice rather
/// than not at all.
pub(super) async fn give_up(replica: &Replica, from: Tick, to: Tick) -> Result<Tick, Stopped> {
    let miss = Miss {
        by: replica.leases.new_holder(),
        from: from.as_millis(),
        to: to.as_millis(),
    };
    let mut outage = Outage::default();
    let mut unknown = false;
    loop {
        let store = replica.leases.store();
        let cause = match store.run(&replica.job.name, miss.clone()).await {
            Ok(Missed::Marked) => {
                report(replica, from, to).await;
                return Ok(to);
            }
            Ok(Missed::Changed { done, certain }) => {
                let done = done.map_or(from, Tick::from_millis);
                if unknown && !certain && done >= to {
                    report(replica, from, to).await;
                }
                return Ok(done);
            }
            Err(cause) => cause,
        };
        unknown |= cause.is_ambiguous();
        let pause = replica.report_unavailable(Some(to), cause, &mut outage);
        if let Err(stopped) = replica.pause(pause, None).await {
            if unknown {
                report(replica, from, to).await;
            }
            return Err(stopped);
        }
    }
}

/// Gives up the ticks after `done` that no replica has claimed and that may not begin any more.
/// Returns the watermark.
pub(super) async fn give_up_unclaimed(replica: &Replica, done: Tick) -> Result<Tick, Stopped> {
    let Ok(peeked) = replica.peek().await else {
        return Ok(done);
    };
    let job = &replica.job;
    let Some(next) = job.schedule.next_after(done) else {
        return Ok(done);
    };
    let grace = u64::try_from(job.grace_of(next).as_millis()).unwrap_or(u64::MAX - 1);
    // One millisecond more than the grace: at the grace itself a tick may still begin.
    let too_late = peeked.now.checked_sub(grace + 1).map(Tick::from_millis);
    match too_late.and_then(|instant| job.schedule.latest_at_or_before(instant)) {
        Some(last) if last > done => give_up(replica, done, last).await,
        _ => Ok(done),
    }
}

/// Reports every tick after `from`, up to and including `to`, which need not be on the schedule any
/// more.
async fn report(replica: &Replica, from: Tick, to: Tick) {
    let mut last = from;
    for tick in replica.job.schedule.between(from, to) {
        replica.emit(&Event::Missed { tick });
        last = tick;
        // An outage of a week has many ticks.
        tokio::task::yield_now().await;
    }
    if last < to {
        replica.emit(&Event::Missed { tick: to });
    }
}
