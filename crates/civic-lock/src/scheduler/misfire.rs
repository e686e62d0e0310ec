//! Gives up ticks that may not begin any more, and reports them.

use crate::scheduler::event::Event;
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::tick::Tick;
use crate::store::answer::Missed;
use crate::store::command::Miss;

/// Ticks that this replica has given up.
#[derive(Clone, Copy)]
struct GivenUp {
    from: Tick,
    to: Tick,
    /// The tick that was claimed and not done.
    claimed: Option<Tick>,
}

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
        run: None,
    };
    let mut outage = Outage::default();
    let claimed = loop {
        match replica.peek().await {
            Ok(peeked) => break peeked.claimed.map(Tick::from_millis),
            Err(cause) => {
                let pause = replica.report_unavailable(Some(to), cause, &mut outage);
                replica.pause(pause, None).await?;
            }
        }
    };
    let given_up = GivenUp { from, to, claimed };
    let mut unknown = false;
    loop {
        let store = replica.leases.store();
        let cause = match store.run(&replica.job.name, miss.clone()).await {
            Ok(Missed::Marked) => {
                report(replica, given_up).await;
                return Ok(to);
            }
            Ok(Missed::Changed { done, certain }) => {
                let done = done.map_or(from, Tick::from_millis);
                if unknown && !certain && done >= to {
                    report(replica, given_up).await;
                }
                return Ok(done);
            }
            Err(cause) => cause,
        };
        unknown |= cause.is_ambiguous();
        let pause = replica.report_unavailable(Some(to), cause, &mut outage);
        if let Err(stopped) = replica.pause(pause, None).await {
            if unknown {
                report(replica, given_up).await;
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

/// Reports the ticks of the schedule after `from` and up to `to`, which were passed over.
pub(super) async fn report_passed_over(replica: &Replica, from: Tick, to: Tick) {
    if let Some((first, last, count)) = span(replica, from, to).await {
        replica.emit(&Event::Missed {
            tick: first,
            until: last,
            count,
        });
    }
}

/// Reports the ticks that this replica has given up.
async fn report(replica: &Replica, GivenUp { from, to, claimed }: GivenUp) {
    // Those before a claimed tick were reported by the replica that claimed it.
    let passed_over = match claimed {
        Some(claimed) if claimed == to => None,
        Some(_) | None => span(replica, from, to).await,
    };
    // `to` need not be on the schedule any more.
    let (tick, until, count) = match passed_over {
        Some((first, last, count)) if last < to => (first, to, count + 1),
        Some(ticks) => ticks,
        None => (to, to, 1),
    };
    replica.emit(&Event::Missed { tick, until, count });
}

/// Returns the first, the last and the number of the ticks after `from` and up to `to`.
async fn span(replica: &Replica, from: Tick, to: Tick) -> Option<(Tick, Tick, u64)> {
    let mut found = None;
    for tick in replica.job.schedule.between(from, to) {
        let (first, _, count) = found.unwrap_or((tick, tick, 0));
        found = Some((first, tick, count + 1));
        // An outage of a week has many ticks.
        if count % 256 == 255 {
            tokio::task::yield_now().await;
        }
    }
    found
}
