//! Ticks: each is claimed and done once.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Missed, Ownership, Peeked};
use crate::store::command::{Claim, ClaimRequest, ClaimTerms, Sight};
use crate::store::conformance::support::{
    Case, GRACE, acquire, fence_of, granted, holder, register, release, ttl,
};
use crate::store::sighting::Fingerprint;
use crate::store::store::Store;

conformance! {
    a_job_without_a_watermark_is_unregistered_and_registers_once,
    a_claimed_tick_runs_once_and_is_done_when_completed,
    a_tick_whose_holder_died_is_taken_over_before_a_later_one,
    a_tick_of_a_clock_that_is_ahead_is_refused,
    a_claim_is_running_while_its_holder_lives_and_while_a_stranger_holds_the_key,
    our_own_replicas_take_over_a_minimum_hold,
    a_repeated_claim_is_answered_as_the_first_one,
    a_claim_whose_answer_was_lost_is_claimed_again_as_the_same_attempt,
    a_claim_counts_every_orphan_that_holds_the_key_as_its_own,
    a_claim_is_a_sight_of_its_schedule_whatever_becomes_of_it,
    at_most_once_is_done_when_claimed,
    an_at_most_once_tick_is_not_done_for_good_while_its_claim_may_be_taken_back,
    an_at_most_once_tick_whose_answer_was_lost_is_not_lost,
    an_unclaimed_tick_is_as_if_it_had_not_been_claimed,
    unclaiming_a_takeover_leaves_the_tick_claimed,
    a_stale_holder_completes_nothing,
    a_repeated_completion_is_answered_as_the_first_one,
}

async fn a_job_without_a_watermark_is_unregistered_and_registers_once(store: Store) {
    let name = LockName::new("job").expect("a valid name");
    let job = Case {
        store,
        name,
        done: 0,
        tick: 1,
    };
    let claimed = job.claim("a").await;
    assert!(
        matches!(claimed, Claimed::Unregistered { .. }),
        "{claimed:?}"
    );
    let peeked = job.peek().await;
    assert_eq!(
        (peeked.done, peeked.claimed, peeked.holder),
        (None, None, None)
    );
    assert_eq!(register(&job.store, &job.name, 7).await, 7);
    assert_eq!(register(&job.store, &job.name, 9).await, 7);
}

async fn a_claimed_tick_runs_once_and_is_done_when_completed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, fence, attempt, done) = granted(&job.claim("a").await);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert!(fence > 0);
    let peek = job.peek().await;
    assert_eq!((peek.claimed, peek.attempt), (Some(tick), 1));
    assert_eq!(job.complete("a", tick, None).await, Ownership::Ours);
    assert_eq!(job.claim("b").await, Claimed::AlreadyDone { done: tick });
    let peek = job.peek().await;
    assert_eq!(
        (peek.done, peek.claimed, peek.attempt),
        (Some(tick), None, 0)
    );
    assert_eq!(peek.holder, None);
}

async fn a_tick_whose_holder_died_is_taken_over_before_a_later_one(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (first, fence, ..) = granted(&job.claim("a").await);
    assert_eq!(job.abandon("a").await, Ownership::Ours);
    let mut later = job.request();
    later.tick += 500;
    let (tick, higher, attempt, done) = granted(&job.claim_as("b", later).await);
    assert_eq!((tick, attempt, done), (first, 2, job.done));
    assert!(higher > fence);
    assert_eq!(job.complete("b", tick, None).await, Ownership::Ours);
    let (tick, _, attempt, done) = granted(&job.claim_as("c", later).await);
    assert_eq!((tick, attempt, done), (later.tick, 1, first));
}

async fn a_tick_of_a_clock_that_is_ahead_is_refused(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut ahead = job.request();
    ahead.tick = job.peek().await.now + 60_000;
    let refused = job.claim_as("a", ahead).await;
    assert!(matches!(refused, Claimed::ClockAhead { .. }), "{refused:?}");
    assert_eq!(job.peek().await.holder, None);
    // Within the skew it is not too early.
    ahead.tick = job.peek().await.now + 1_000;
    granted(&job.claim_as("a", ahead).await);
}

async fn a_claim_is_running_while_its_holder_lives_and_while_a_stranger_holds_the_key(
    store: Store,
) {
    let job = Case::registered(&store, "job").await;
    let stranger = acquire(&store, &job.name, "node").await;
    fence_of(&stranger);
    let running = job.claim("a").await;
    assert!(
        matches!(&running, Claimed::Running { holder, tick: None, .. } if holder == "node"),
        "{running:?}"
    );
    assert_eq!(
        release(&store, &job.name, "node", None).await,
        Ownership::Ours
    );

    granted(&job.claim("a").await);
    let running = job.claim("b").await;
    assert!(
        matches!(&running, Claimed::Running { holder, ttl: Some(_), tick }
            if holder == "a" && *tick == Some(job.tick)),
        "{running:?}"
    );
}

async fn our_own_replicas_take_over_a_minimum_hold(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, fence, ..) = granted(&job.claim("a").await);
    let hold = Some(Duration::from_secs(60));
    assert_eq!(job.complete("a", tick, hold).await, Ownership::Ours);
    let peer = acquire(&store, &job.name, "node").await;
    assert!(
        matches!(&peer, Acquired::Busy { holder, ttl: Some(left) }
            if holder == "a" && *left > Duration::from_secs(30)),
        "a peer that knows no watermark is kept out: {peer:?}"
    );
    assert_eq!(job.claim("b").await, Claimed::AlreadyDone { done: tick });
    let mut next = job.request();
    next.tick += 500;
    let (tick, higher, attempt, _) = granted(&job.claim_as("b", next).await);
    assert_eq!((tick, attempt), (next.tick, 1));
    assert!(higher > fence);
}

async fn a_repeated_claim_is_answered_as_the_first_one(store: Store) {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let job = Case::registered(&store, &format!("{delivery:?}")).await;
        let mut request = job.request();
        request.delivery = delivery;
        let first = job.claim_as("a", request).await;
        assert_eq!(granted(&first).0, job.tick);
        assert_eq!(job.claim_as("a", request).await, first, "mine already");
    }
}

async fn a_claim_whose_answer_was_lost_is_claimed_again_as_the_same_attempt(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (_, fence, ..) = granted(&job.claim("a").await);
    let again = job.claim_with("b", job.request(), &["a"]).await;
    let (tick, higher, attempt, done) = granted(&again);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert!(higher > fence);
    // The late undo of the first leaves the second alone.
    assert_eq!(job.unclaim("a").await, Ownership::NotOurs);
    assert_eq!(job.peek().await.claimed, Some(job.tick));
}

async fn a_claim_counts_every_orphan_that_holds_the_key_as_its_own(store: Store) {
    let job = Case::registered(&store, "job").await;
    // No claim, but an acquire or a run on demand whose answer was lost.
    let lost = fence_of(&acquire(&store, &job.name, "a").await);
    let other = job.claim_with("b", job.request(), &["another"]).await;
    assert!(matches!(other, Claimed::Running { .. }), "{other:?}");
    let claimed = job.claim_with("b", job.request(), &["another", "a"]).await;
    let (tick, fence, attempt, done) = granted(&claimed);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert!(fence > lost);
    // The late undo of the lost one leaves the claim alone.
    assert_eq!(
        release(&store, &job.name, "a", None).await,
        Ownership::NotOurs
    );
    assert_eq!(job.peek().await.holder.as_deref(), Some("b"));
}

async fn a_claim_is_a_sight_of_its_schedule_whatever_becomes_of_it(store: Store) {
    let job = Case::registered(&store, "job").await;
    let sight = |name| Sight {
        schedule: Fingerprint::new(name),
        silence: GRACE,
        retain: GRACE,
    };
    for schedule in ["own", "other"] {
        store.run(&job.name, sight(schedule)).await.expect("sight");
    }
    let last = |peeked: &Peeked, name: &str| {
        let seen = peeked.schedules.iter();
        let mut seen = seen.filter(|seen| seen.fingerprint.as_str() == name);
        seen.next().expect("it was seen").last
    };
    let seen = job.peek().await;
    // One that is granted, one that finds another holder, and one that is for nothing.
    for (who, tick) in [("a", job.tick), ("b", job.tick), ("b", job.done)] {
        let before = job.peek().await;
        while job.peek().await.now == before.now {
            tokio::task::yield_now().await;
        }
        let claim = Claim {
            holder: holder(who),
            ttl: ttl(60_000),
            request: ClaimRequest {
                tick,
                ..job.request()
            },
            terms: ClaimTerms {
                schedule: Some(Fingerprint::new("own")),
                ..ClaimTerms::default()
            },
            orphans: Vec::new(),
        };
        store.run(&job.name, claim).await.expect("claim");
        let after = job.peek().await;
        assert!(last(&after, "own") > last(&before, "own"), "{after:?}");
    }
    let after = job.peek().await;
    assert_eq!(last(&after, "other"), last(&seen, "other"));
}

async fn at_most_once_is_done_when_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut request = job.request();
    request.delivery = Delivery::AtMostOnce;
    let (tick, _, attempt, done) = granted(&job.claim_as("a", request).await);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    let running = job.claim_as("b", request).await;
    assert!(
        matches!(&running, Claimed::Running { holder, tick: Some(runs), .. }
            if holder == "a" && *runs == tick),
        "it runs for as long as its holder has the key: {running:?}"
    );
    // Its holder died: it is not run again, and the next one is.
    assert_eq!(release(&store, &job.name, "a", None).await, Ownership::Ours);
    assert_eq!(job.peek().await.done, Some(tick));
    assert_eq!(
        job.claim_as("b", request).await,
        Claimed::AlreadyDone { done: tick }
    );
    request.tick += 500;
    let (next, _, attempt, done) = granted(&job.claim_as("b", request).await);
    assert_eq!((next, attempt, done), (request.tick, 1, tick));
    assert_eq!(job.complete("b", next, None).await, Ownership::Ours);
}

async fn an_at_most_once_tick_is_not_done_for_good_while_its_claim_may_be_taken_back(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut request = job.request();
    request.delivery = Delivery::AtMostOnce;
    let mut earlier = request;
    earlier.tick = job.done;
    request.tick += 500;
    let (tick, ..) = granted(&job.claim_as("a", request).await);
    // No answer says that it is done, whatever is asked.
    assert_eq!(job.peek().await.done, Some(job.done));
    let done = Claimed::AlreadyDone { done: job.done };
    assert_eq!(job.claim_as("b", earlier).await, done);
    earlier.tick = job.tick;
    let running = job.claim_as("b", earlier).await;
    assert!(matches!(running, Claimed::Running { .. }), "{running:?}");
    let missed = job.miss("b", job.done, job.tick).await;
    assert!(
        matches!(missed, Missed::Changed { done: Some(done), .. } if done == job.done),
        "{missed:?}"
    );
    assert_eq!(job.unclaim("a").await, Ownership::Ours);
    assert_eq!(granted(&job.claim_as("b", request).await).0, tick);
}

async fn an_at_most_once_tick_whose_answer_was_lost_is_not_lost(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut request = job.request();
    request.delivery = Delivery::AtMostOnce;
    let first = job.claim_as("a", request).await;
    let again = job.claim_with("b", request, &["a"]).await;
    let (tick, _, attempt, done) = granted(&again);
    assert_eq!((tick, attempt, done), (job.tick, 1, granted(&first).3));
    // Or its undo comes first.
    assert_eq!(job.unclaim("b").await, Ownership::Ours);
    assert_eq!(job.peek().await.done, Some(job.done));
    assert_eq!(granted(&job.claim_as("c", request).await).0, job.tick);
}

async fn an_unclaimed_tick_is_as_if_it_had_not_been_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    granted(&job.claim("a").await);
    assert_eq!(job.unclaim("a").await, Ownership::Ours);
    let peek = job.peek().await;
    assert_eq!((peek.done, peek.claimed), (Some(job.done), None));
    let (tick, _, attempt, _) = granted(&job.claim("b").await);
    assert_eq!((tick, attempt), (job.tick, 1));
}

async fn unclaiming_a_takeover_leaves_the_tick_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    granted(&job.claim("a").await);
    job.abandon("a").await;
    assert_eq!(granted(&job.claim("b").await).2, 2);
    assert_eq!(job.unclaim("b").await, Ownership::Ours);
    assert_eq!(granted(&job.claim("c").await).2, 2);
}

async fn a_stale_holder_completes_nothing(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, ..) = granted(&job.claim("a").await);
    job.abandon("a").await;
    granted(&job.claim("b").await);
    assert_eq!(job.complete("a", tick, None).await, Ownership::NotOurs);
    let peek = job.peek().await;
    assert_eq!((peek.done, peek.claimed), (Some(job.done), Some(tick)));
    assert_eq!(peek.holder.as_deref(), Some("b"));
}

async fn a_repeated_completion_is_answered_as_the_first_one(store: Store) {
    for hold in [None, Some(Duration::from_secs(60))] {
        let job = Case::registered(&store, &format!("{hold:?}")).await;
        let (tick, ..) = granted(&job.claim("a").await);
        for _ in 0..2 {
            assert_eq!(job.complete("a", tick, hold).await, Ownership::Ours);
        }
        assert_eq!(job.peek().await.done, Some(tick));
    }
}
