//! Ticks that no replica ran in time.

use std::time::Duration;

use crate::store::answer::{Claimed, Missed};
use crate::store::conformance::support::{Case, GRACE, granted};
use crate::store::store::Store;

conformance! {
    a_claimed_tick_past_its_grace_is_missed_once_and_not_lost_silently,
    an_unclaimed_tick_past_its_grace_is_missed,
    only_one_reports_the_ticks_that_nobody_claimed,
    a_lost_answer_about_missed_ticks_is_given_again,
}

async fn a_claimed_tick_past_its_grace_is_missed_once_and_not_lost_silently(store: Store) {
    let job = Case::registered(&store, "job").await;
    granted(&job.claim("a").await);
    job.abandon("a").await;
    let mut short = job.request();
    short.grace = Duration::from_millis(500);
    short.tick = job.peek().await.now;
    let too_late = Claimed::TooLate {
        tick: job.tick,
        done: job.done,
    };
    assert_eq!(job.claim_as("b", short).await, too_late);
    // Nothing has changed: a caller that does not get this answer asks again.
    assert_eq!(job.claim_as("c", short).await, too_late);
    let (from, to) = (job.done, job.tick);
    assert_eq!(job.miss("b1", from, to).await, Missed::Marked);
    assert_eq!(job.miss("c1", from, to).await, changed_to(to, true));
    // However long all of this took on a busy machine.
    short.grace = GRACE;
    let (tick, _, attempt, done) = granted(&job.claim_as("b", short).await);
    assert_eq!((tick, attempt, done), (short.tick, 1, job.tick));
}

async fn an_unclaimed_tick_past_its_grace_is_missed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut short = job.request();
    short.grace = Duration::from_millis(500);
    let too_late = Claimed::TooLate {
        tick: job.tick,
        done: job.done,
    };
    assert_eq!(job.claim_as("a", short).await, too_late);
    assert_eq!(job.miss("a1", job.done, job.tick).await, Missed::Marked);
    let done = Claimed::AlreadyDone { done: job.tick };
    assert_eq!(job.claim_as("b", short).await, done);
}

async fn only_one_reports_the_ticks_that_nobody_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (from, to) = (job.done, job.done + 2_000);
    let changed = changed_to(to, true);
    assert_eq!(job.miss("a", from, to).await, Missed::Marked);
    assert_eq!(job.miss("b", from, to).await, changed);
    assert_eq!(job.miss("b", to, from).await, changed, "backwards");
    let (tick, ..) = granted(&job.claim("a").await);
    assert_eq!(
        job.miss("b", to, to + 1).await,
        changed,
        "a tick is claimed"
    );
    assert_eq!(
        job.miss("b", to, tick).await,
        changed,
        "the tick is running"
    );
}

async fn a_lost_answer_about_missed_ticks_is_given_again(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (from, to) = (job.done, job.done + 2_000);
    for _ in 0..2 {
        assert_eq!(job.miss("a", from, to).await, Missed::Marked);
    }
    assert_eq!(job.peek().await.done, Some(to));
    assert_eq!(job.miss("b", from, to).await, changed_to(to, true));
    // Even if others have gone on since, for as long as it can be known.
    let mut last = to;
    for other in 1..16 {
        assert_eq!(job.miss("b", from, to).await, changed_to(last, true));
        let next = job.miss(&format!("other{other}"), last, last + 1).await;
        assert_eq!(next, Missed::Marked);
        last += 1;
        assert_eq!(job.miss("a", from, to).await, Missed::Marked);
    }
    assert_eq!(job.miss("b", from, to).await, changed_to(last, false));
    assert_eq!(job.miss("b", to, last).await, changed_to(last, true));
}

fn changed_to(done: u64, certain: bool) -> Missed {
    let done = Some(done);
    Missed::Changed { done, certain }
}
