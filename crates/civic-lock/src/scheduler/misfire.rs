//! Gives up ticks that may not begin any more, and reports them.

use crate::scheduler::event::Event;
use crate::scheduler::knowledge::Knowledge;
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::tick::Tick;
use crate::store::answer::{Missed, Peeked};
use crate::store::command::Miss;

/// Why ticks are given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// They were not run in time, or others are run in their place.
    Missed,
    /// The last one was begun too often.
    Exhausted,
}

/// Moves the watermark from `from` to `to`, over ticks that may not begin any more. Returns where
/// it is then.
///
/// The replica that has moved it reports them. A call that gets no answer is repeated until it is
/// known whether it has moved it. If that cannot be known, the ticks are reported: twice rather
/// than not at all.
pub(super) async fn give_up(
    replica: &Replica,
    known: &mut Knowledge,
    (from, to): (Tick, Tick),
    reason: Reason,
) -> Result<Tick, Stopped> {
    let mut outage = Outage::default();
    let peeked = loop {
        match replica.peek().await {
            Ok(peeked) => break peeked,
            Err(cause) => {
                let pause = replica.report_unavailable(Some(to), cause, &mut outage);
                replica.pause(pause, None).await?;
            }
        }
    };
    if replica.is_clock_suspect(Tick::from_millis(peeked.now)) {
        return Ok(from);
    }
    let event = event(replica, known, (from, to), reason, &peeked).await;
    let miss = Miss {
        by: replica.leases.new_holder(),
        from: from.as_millis(),
        to: to.as_millis(),
        run: replica.run_record(&event),
    };
    let mut unknown = false;
    loop {
        let store = replica.leases.store();
        let cause = match store.run(&replica.job.name, miss.clone()).await {
            Ok(Missed::Marked) => {
                known.pass_over_others(from, to);
                replica.emit(&event);
                return Ok(to);
            }
            Ok(Missed::Changed { done, certain }) => {
                let done = done.map_or(from, Tick::from_millis);
                if unknown && !certain && done >= to {
                    replica.emit(&event);
                }
                return Ok(done);
            }
            Err(cause) => cause,
        };
        unknown |= cause.is_ambiguous();
        let pause = replica.report_unavailable(Some(to), cause, &mut outage);
        if let Err(stopped) = replica.pause(pause, None).await {
            if unknown {
                replica.emit(&event);
            }
            return Err(stopped);
        }
    }
}

/// Gives up the ticks after `done` that no replica has claimed and that may not begin any more.
/// Returns the watermark.
pub(super) async fn give_up_unclaimed(
    replica: &Replica,
    known: &mut Knowledge,
    done: Tick,
) -> Result<Tick, Stopped> {
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
        Some(last) if last > done => give_up(replica, known, (done, last), Reason::Missed).await,
        _ => Ok(done),
    }
}

/// Reports the ticks of the own schedule that a claim of `tick` has passed over, and notes that
/// those of other schedules were passed over too.
pub(super) async fn report_passed_over(
    replica: &Replica,
    known: &mut Knowledge,
    watermark: Tick,
    tick: Tick,
) {
    let before = Tick::from_millis(tick.as_millis().saturating_sub(1));
    let own = span(replica, watermark.max(known.first), before).await;
    known.pass_over_others(watermark, tick);
    if let Some((tick, until, count)) = own {
        let event = Event::Missed { tick, until, count };
        replica.emit(&event);
        replica.remember(&event).await;
    }
}

/// Returns the event of ticks that are given up.
async fn event(
    replica: &Replica,
    known: &Knowledge,
    (from, to): (Tick, Tick),
    reason: Reason,
    peeked: &Peeked,
) -> Event {
    if reason == Reason::Exhausted {
        return Event::DeadLetter {
            tick: to,
            attempts: peeked.attempt,
        };
    }
    // Those before a claimed tick were reported by the replica that claimed it.
    let passed_over = if peeked.claimed == Some(to.as_millis()) {
        None
    } else {
        span(replica, from.max(known.first), to).await
    };
    // `to` need not be on the schedule any more.
    let (tick, until, count) = match passed_over {
        Some((first, last, count)) if last < to => (first, to, count + 1),
        Some(ticks) => ticks,
        None => (to, to, 1),
    };
    Event::Missed { tick, until, count }
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
