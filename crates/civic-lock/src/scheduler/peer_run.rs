//! A tick that a service without this crate runs: which of its keys count, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::scheduler::event::Event;
use crate::scheduler::job::Job;
use crate::scheduler::peers::{PeerForm, Peers};
use crate::scheduler::replica::{Replica, Stopped};
use crate::scheduler::tick::Tick;
use crate::store::peer::{PeerPolicy, PeerTerms};

/// How often to look whether a peer is still at work.
const WATCH: Duration = Duration::from_millis(500);

/// Returns on which terms the key of a peer counts as a run of this tick.
pub(super) fn terms(job: &Job, tick: Tick, max_skew: Duration) -> Option<PeerTerms> {
    let policy = match job.peers {
        Peers::Count => PeerPolicy::Count,
        Peers::CountReleased => PeerPolicy::CountReleased,
        Peers::Ignore => return None,
    };
    let next = job.schedule.next_after(tick);
    Some(PeerTerms {
        policy,
        from: earliest(job, tick, max_skew).as_millis(),
        before: next.map_or(u64::MAX >> 11, |next| {
            earliest(job, next, max_skew).as_millis()
        }),
        any_form: job.peer_form == PeerForm::Any,
    })
}

/// Reports a tick that a peer has run or runs, and stays with the peer until it has released the
/// key, until its time is over, or until the next tick is due.
///
/// The key expires at `ends` or later, if it is there and expires at all. One that is gone before
/// was released; one that is gone later may have expired.
pub(super) async fn watch(
    replica: &Replica,
    tick: Tick,
    holder: Arc<str>,
    mut ends: Option<Instant>,
) -> Result<(), Stopped> {
    let event = Event::RanByPeer {
        tick,
        holder: holder.clone(),
    };
    replica.emit(&event);
    replica.remember(&event).await;
    let next = replica.job.schedule.next_after(tick);
    while let Some(end) = ends
        && next.is_none_or(|next| replica.now() < next)
    {
        let left = end.saturating_duration_since(Instant::now());
        replica.pause(left.min(WATCH), None).await?;
        let asked = Instant::now();
        match replica.peek().await {
            Ok(peeked) if peeked.holder.as_deref() == Some(&*holder) => {
                ends = peeked.ttl.map(|ttl| asked + ttl);
            }
            Ok(_) if Instant::now() < end => return Ok(()),
            Ok(_) => {
                replica.emit(&Event::PeerUnknown { tick, holder });
                return Ok(());
            }
            // The next look tells.
            Err(_) => {}
        }
        if left.is_zero() {
            replica.pause(WATCH, None).await?;
        }
    }
    Ok(())
}

/// A peer that came from this instant on came for the tick: its clock may be behind by as much as
/// is allowed, but not by so much that it may have come for the tick before.
fn earliest(job: &Job, tick: Tick, max_skew: Duration) -> Tick {
    let before = tick.as_millis().checked_sub(1).map(Tick::from_millis);
    let previous = before.and_then(|before| job.schedule.latest_at_or_before(before));
    let half = previous.map_or(max_skew, |previous| previous.until(tick) / 2);
    let skew = u64::try_from(max_skew.min(half).as_millis()).unwrap_or(u64::MAX);
    Tick::from_millis(tick.as_millis().saturating_sub(skew))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(job: &Job, tick: u64, max_skew: u64) -> (u64, u64) {
        let terms = terms(
            job,
            Tick::from_millis(tick),
            Duration::from_millis(max_skew),
        )
        .expect("peers count");
        (terms.from, terms.before)
    }

    #[test]
    fn a_peer_came_for_a_tick_if_it_came_at_most_the_skew_or_half_an_interval_before() {
        let job = Job::every("job", Duration::from_secs(10)).expect("a job");
        assert_eq!(at(&job, 20_000, 3000), (17_000, 27_000));
        assert_eq!(at(&job, 20_000, 9000), (15_000, 25_000));
        // The last tick of a schedule that ends has none after it.
        let once = Job::cron("once", "0 0 0 1 1 * 2020").expect("a job");
        let (from, before) = at(&once, 1_577_836_800_000, 5000);
        assert_eq!(from, 1_577_836_795_000);
        assert!(before > 1 << 52, "{before}");
        let ignored = job.peers(Peers::Ignore);
        assert_eq!(
            terms(&ignored, Tick::from_millis(20_000), Duration::ZERO),
            None
        );
    }
}
