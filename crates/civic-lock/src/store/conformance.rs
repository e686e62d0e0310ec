//! One set of cases, run against both stores.
//!
//! Each case gets a name of its own in a store that others use at the same time. Cases do not
//! sleep: where time has to pass, it is asked for until it has.

use std::time::Duration;

use civic_testkit::redis::RedisServer;

use super::*;
use crate::builder::Settings;

const GRACE: Duration = Duration::from_secs(3600);
const SKEW: Duration = Duration::from_secs(5);

fn settings() -> Settings {
    Settings {
        // A busy machine is not what these cases are about.
        command_timeout: Duration::from_secs(10),
        replica_acks: 0,
    }
}

fn ttl(millis: u64) -> Ttl {
    Ttl::new(Duration::from_millis(millis)).expect("a valid ttl")
}

fn holder(value: &str) -> Holder {
    Holder::new(value)
}

/// A job under test: its lock, and a tick that is due.
struct Case {
    store: Store,
    name: LockName,
    /// A registered watermark, and a tick after it that is due.
    done: u64,
    tick: u64,
}

impl Case {
    /// A job with a watermark 10 s in the past.
    async fn registered(store: &Store, name: &str) -> Self {
        let name = LockName::new(name).expect("a valid name");
        let now = store.peek(&name).await.expect("peek").now;
        let done = now - 10_000;
        let registered = store.register(&name, done, GRACE).await;
        assert_eq!(registered.expect("register"), done);
        Self {
            store: store.clone(),
            name,
            done,
            tick: now - 1_000,
        }
    }

    fn request(&self) -> ClaimRequest {
        ClaimRequest {
            tick: self.tick,
            grace: GRACE,
            delivery: Delivery::AtLeastOnce,
            max_skew: SKEW,
            retain: GRACE,
        }
    }

    async fn claim(&self, who: &str) -> Claimed {
        self.claim_as(who, self.request()).await
    }

    async fn claim_as(&self, who: &str, request: ClaimRequest) -> Claimed {
        self.store
            .claim(&self.name, &holder(who), ttl(60_000), request, &[])
            .await
            .expect("claim")
    }

    async fn complete(&self, who: &str, tick: u64, hold: Option<Duration>) -> Completed {
        self.store
            .complete(&self.name, &holder(who), tick, hold)
            .await
            .expect("complete")
    }

    async fn abandon(&self, who: &str) -> Released {
        self.store
            .abandon(&self.name, &holder(who))
            .await
            .expect("abandon")
    }

    async fn miss(&self, by: &str, from: u64, to: u64) -> Missed {
        self.store
            .miss(&self.name, &holder(by), from, to)
            .await
            .expect("miss")
    }

    async fn peek(&self) -> Peek {
        self.store.peek(&self.name).await.expect("peek")
    }
}

#[track_caller]
fn fence_of(acquired: &Acquired) -> u64 {
    match acquired {
        Acquired::Acquired { fence } => *fence,
        Acquired::Busy { .. } => panic!("not acquired: {acquired:?}"),
    }
}

#[track_caller]
fn claimed(claimed: &Claimed) -> (u64, u64, u32, u64) {
    match *claimed {
        Claimed::Claimed {
            tick,
            fence,
            attempt,
            done,
        } => (tick, fence, attempt, done),
        _ => panic!("not claimed: {claimed:?}"),
    }
}

/// Asks until somebody else gets the lock: its time has passed.
async fn until_free(store: &Store, name: &LockName, who: &Holder) -> u64 {
    loop {
        match store.acquire(name, who, ttl(60_000), &[]).await {
            Ok(Acquired::Acquired { fence }) => return fence,
            Ok(Acquired::Busy { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod redis_store {
            $(#[tokio::test]
            async fn $case() {
                let server = RedisServer::start().await;
                let store = redis::RedisStore::new(&server.url(), settings());
                super::$case(Store::Redis(Arc::new(store.expect("a valid URL")))).await;
            })*
            use super::*;
        }

        mod host_store {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let store = host::HostStore::open(Some(folder.path().join("locks")), settings());
                super::$case(Store::Host(Arc::new(store.expect("a private folder")))).await;
            })*
            use super::*;
        }
    };
}

conformance! {
    acquire_is_idempotent_for_its_holder_and_busy_for_all_others,
    an_abandoned_value_of_our_own_never_keeps_us_out,
    a_lock_is_free_after_its_ttl_and_not_before,
    only_its_holder_renews_a_lock,
    a_renewal_never_brings_a_lost_lock_back,
    only_its_holder_releases_a_lock,
    a_minimum_hold_keeps_the_key_and_then_lets_it_go,
    fences_grow_from_holder_to_holder,
    names_do_not_share_locks,
    a_job_without_a_watermark_is_unregistered_and_registers_once,
    a_claimed_tick_runs_once_and_is_done_when_completed,
    a_tick_whose_holder_died_is_taken_over_before_a_later_one,
    a_claimed_tick_past_its_grace_is_missed_once_and_not_lost_silently,
    an_unclaimed_tick_past_its_grace_is_missed,
    a_tick_of_a_clock_that_is_ahead_is_refused,
    a_claim_is_running_while_its_holder_lives_and_while_a_stranger_holds_the_key,
    our_own_replicas_take_over_a_minimum_hold,
    a_repeated_claim_is_answered_as_the_first_one,
    a_claim_whose_answer_was_lost_is_claimed_again_as_the_same_attempt,
    at_most_once_is_done_when_claimed,
    an_at_most_once_tick_whose_answer_was_lost_is_not_lost,
    an_unclaimed_tick_is_as_if_it_had_not_been_claimed,
    unclaiming_a_takeover_leaves_the_tick_claimed,
    a_stale_holder_completes_nothing,
    a_repeated_completion_is_answered_as_the_first_one,
    only_one_reports_the_ticks_that_nobody_claimed,
    a_lost_answer_about_missed_ticks_is_given_again,
    a_release_wakes_those_who_wait,
}

async fn acquire_is_idempotent_for_its_holder_and_busy_for_all_others(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let first = store.acquire(&name, &holder("a"), ttl(60_000), &[]).await;
    let again = store.acquire(&name, &holder("a"), ttl(60_000), &[]).await;
    let first = fence_of(&first.expect("acquire"));
    assert_eq!(fence_of(&again.expect("acquire")), first);

    let other = store.acquire(&name, &holder("b"), ttl(60_000), &[]).await;
    let Ok(Acquired::Busy { holder, ttl }) = other else {
        panic!("{other:?}")
    };
    assert_eq!(holder, "a");
    let left = ttl.expect("ours have a ttl");
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(30));
}

async fn an_abandoned_value_of_our_own_never_keeps_us_out(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let lost = store.acquire(&name, &holder("a"), ttl(60_000), &[]).await;
    let next = store
        .acquire(
            &name,
            &holder("b"),
            ttl(60_000),
            &[holder("x"), holder("a")],
        )
        .await;
    assert!(fence_of(&next.expect("acquire")) > fence_of(&lost.expect("acquire")));
    // The late undo of the first must not hurt the second.
    let undone = store.release(&name, &holder("a"), None).await;
    assert_eq!(undone.expect("release"), Released::NotOwner);
    let renewed = store
        .renew(&name, &holder("b"), ttl(60_000), settings().command_timeout)
        .await;
    assert_eq!(renewed.expect("renew"), Renewed::Renewed);
}

async fn a_lock_is_free_after_its_ttl_and_not_before(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let before = crate::lease::clock::now();
    let first = store.acquire(&name, &holder("a"), ttl(500), &[]).await;
    let second = until_free(&store, &name, &holder("b")).await;
    let waited = crate::lease::clock::now() - before;
    assert!(waited >= Duration::from_millis(499), "{waited:?}");
    assert!(second > fence_of(&first.expect("acquire")));
}

async fn only_its_holder_renews_a_lock(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let within = settings().command_timeout;
    store
        .acquire(&name, &holder("a"), ttl(5_000), &[])
        .await
        .expect("acquire");
    let foreign = store.renew(&name, &holder("b"), ttl(600_000), within).await;
    assert_eq!(foreign.expect("renew"), Renewed::NotOwner);
    let left = async || match store.acquire(&name, &holder("b"), ttl(500), &[]).await {
        Ok(Acquired::Busy { ttl, .. }) => ttl.expect("ours have a ttl"),
        other => panic!("{other:?}"),
    };
    assert!(left().await <= Duration::from_secs(5), "not extended");
    let own = store.renew(&name, &holder("a"), ttl(600_000), within).await;
    assert_eq!(own.expect("renew"), Renewed::Renewed);
    assert!(left().await > Duration::from_secs(500), "extended");
}

async fn a_renewal_never_brings_a_lost_lock_back(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let within = settings().command_timeout;
    let never = store.renew(&name, &holder("a"), ttl(60_000), within).await;
    assert_eq!(never.expect("renew"), Renewed::NotOwner);
    store
        .acquire(&name, &holder("a"), ttl(60_000), &[])
        .await
        .expect("acquire");
    store
        .release(&name, &holder("a"), None)
        .await
        .expect("release");
    let late = store.renew(&name, &holder("a"), ttl(60_000), within).await;
    assert_eq!(late.expect("renew"), Renewed::NotOwner);
    assert_eq!(store.peek(&name).await.expect("peek").holder, None);
}

async fn only_its_holder_releases_a_lock(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    store
        .acquire(&name, &holder("a"), ttl(60_000), &[])
        .await
        .expect("acquire");
    for hold in [None, Some(Duration::from_millis(1))] {
        let foreign = store.release(&name, &holder("b"), hold).await;
        assert_eq!(foreign.expect("release"), Released::NotOwner);
    }
    let peek = store.peek(&name).await.expect("peek");
    assert_eq!(peek.holder.as_deref(), Some("a"));
    let own = store.release(&name, &holder("a"), None).await;
    assert_eq!(own.expect("release"), Released::Released);
    assert_eq!(store.peek(&name).await.expect("peek").holder, None);
    let again = store.release(&name, &holder("a"), None).await;
    assert_eq!(again.expect("release"), Released::NotOwner);
}

async fn a_minimum_hold_keeps_the_key_and_then_lets_it_go(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    store
        .acquire(&name, &holder("a"), ttl(60_000), &[])
        .await
        .expect("acquire");
    let before = crate::lease::clock::now();
    let hold = Some(Duration::from_millis(300));
    let held = store.release(&name, &holder("a"), hold).await;
    assert_eq!(held.expect("release"), Released::Held);
    until_free(&store, &name, &holder("b")).await;
    let waited = crate::lease::clock::now() - before;
    assert!(waited >= Duration::from_millis(299), "{waited:?}");
}

async fn fences_grow_from_holder_to_holder(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let mut last = 0;
    for n in 0..20 {
        let who = holder(&n.to_string());
        let acquired = store.acquire(&name, &who, ttl(60_000), &[]).await;
        let fence = fence_of(&acquired.expect("acquire"));
        assert!(fence > last, "{fence} after {last}");
        assert!(fence < 1 << 53, "exact in Lua and in JavaScript");
        last = fence;
        store.release(&name, &who, None).await.expect("release");
    }
}

async fn names_do_not_share_locks(store: Store) {
    let long = "x".repeat(300);
    let longer = format!("{long}.y");
    for name in [
        "a", "A", "a.", ".a", "a/b", "a/../b", "..", "%2e", "a%2fb", "a b", "é", &long, &longer,
    ] {
        let name = LockName::new(name).expect("a valid name");
        let acquired = store
            .acquire(&name, &holder(name.as_str()), ttl(60_000), &[])
            .await;
        fence_of(&acquired.expect("acquire"));
    }
}

async fn a_job_without_a_watermark_is_unregistered_and_registers_once(store: Store) {
    let name = LockName::new("job").expect("a valid name");
    let request = ClaimRequest {
        tick: 1,
        grace: GRACE,
        delivery: Delivery::AtLeastOnce,
        max_skew: SKEW,
        retain: GRACE,
    };
    let claimed = store
        .claim(&name, &holder("a"), ttl(60_000), request, &[])
        .await
        .expect("claim");
    assert!(
        matches!(claimed, Claimed::Unregistered { .. }),
        "{claimed:?}"
    );
    let peek = store.peek(&name).await.expect("peek");
    assert_eq!((peek.done, peek.claimed, peek.holder), (None, None, None));
    assert_eq!(store.register(&name, 7, GRACE).await.expect("register"), 7);
    assert_eq!(store.register(&name, 9, GRACE).await.expect("register"), 7);
}

async fn a_claimed_tick_runs_once_and_is_done_when_completed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, fence, attempt, done) = claimed(&job.claim("a").await);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert!(fence > 0);
    let peek = job.peek().await;
    assert_eq!((peek.claimed, peek.attempt), (Some(tick), 1));
    assert_eq!(job.complete("a", tick, None).await, Completed::Completed);
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
    let (first, fence, ..) = claimed(&job.claim("a").await);
    assert_eq!(job.abandon("a").await, Released::Released);
    let mut later = job.request();
    later.tick += 500;
    let (tick, higher, attempt, done) = claimed(&job.claim_as("b", later).await);
    assert_eq!((tick, attempt, done), (first, 2, job.done));
    assert!(higher > fence);
    assert_eq!(job.complete("b", tick, None).await, Completed::Completed);
    let (tick, _, attempt, done) = claimed(&job.claim_as("c", later).await);
    assert_eq!((tick, attempt, done), (later.tick, 1, first));
}

async fn a_claimed_tick_past_its_grace_is_missed_once_and_not_lost_silently(store: Store) {
    let job = Case::registered(&store, "job").await;
    claimed(&job.claim("a").await);
    job.abandon("a").await;
    let mut short = job.request();
    short.grace = Duration::from_millis(500);
    short.tick = job.peek().await.now;
    let too_late = Claimed::TooLate {
        tick: job.tick,
        done: job.done,
    };
    assert_eq!(job.claim_as("b", short).await, too_late);
    // Nothing has changed: whoever does not hear this answer asks again.
    assert_eq!(job.claim_as("c", short).await, too_late);
    let (from, to) = (job.done, job.tick);
    assert_eq!(job.miss("b1", from, to).await, Missed::Marked);
    assert_eq!(job.miss("c1", from, to).await, changed_to(to, true));
    let (tick, _, attempt, done) = claimed(&job.claim_as("b", short).await);
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

async fn a_tick_of_a_clock_that_is_ahead_is_refused(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut ahead = job.request();
    ahead.tick = job.peek().await.now + 60_000;
    let refused = job.claim_as("a", ahead).await;
    assert!(matches!(refused, Claimed::ClockAhead { .. }), "{refused:?}");
    assert_eq!(job.peek().await.holder, None);
    // Within the skew it is not too early.
    ahead.tick = job.peek().await.now + 1_000;
    claimed(&job.claim_as("a", ahead).await);
}

async fn a_claim_is_running_while_its_holder_lives_and_while_a_stranger_holds_the_key(
    store: Store,
) {
    let job = Case::registered(&store, "job").await;
    let stranger = store
        .acquire(&job.name, &holder("node"), ttl(60_000), &[])
        .await;
    fence_of(&stranger.expect("acquire"));
    let running = job.claim("a").await;
    assert!(
        matches!(&running, Claimed::Running { holder, tick: None, .. } if holder == "node"),
        "{running:?}"
    );
    store
        .release(&job.name, &holder("node"), None)
        .await
        .expect("release");

    claimed(&job.claim("a").await);
    let running = job.claim("b").await;
    assert!(
        matches!(&running, Claimed::Running { holder, ttl: Some(_), tick }
            if holder == "a" && *tick == Some(job.tick)),
        "{running:?}"
    );
}

async fn our_own_replicas_take_over_a_minimum_hold(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, fence, ..) = claimed(&job.claim("a").await);
    let hold = Some(Duration::from_secs(60));
    assert_eq!(job.complete("a", tick, hold).await, Completed::Completed);
    let peer = store
        .acquire(&job.name, &holder("node"), ttl(60_000), &[])
        .await;
    assert!(
        matches!(&peer, Ok(Acquired::Busy { holder, ttl: Some(left) })
            if holder == "a" && *left > Duration::from_secs(30)),
        "a peer that knows no watermark is kept out: {peer:?}"
    );
    assert_eq!(job.claim("b").await, Claimed::AlreadyDone { done: tick });
    let mut next = job.request();
    next.tick += 500;
    let (tick, higher, attempt, _) = claimed(&job.claim_as("b", next).await);
    assert_eq!((tick, attempt), (next.tick, 1));
    assert!(higher > fence);
}

async fn a_repeated_claim_is_answered_as_the_first_one(store: Store) {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let job = Case::registered(&store, &format!("{delivery:?}")).await;
        let mut request = job.request();
        request.delivery = delivery;
        let first = job.claim_as("a", request).await;
        assert_eq!(claimed(&first).0, job.tick);
        assert_eq!(job.claim_as("a", request).await, first, "mine already");
    }
}

async fn a_claim_whose_answer_was_lost_is_claimed_again_as_the_same_attempt(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (_, fence, ..) = claimed(&job.claim("a").await);
    let again = store
        .claim(
            &job.name,
            &holder("b"),
            ttl(60_000),
            job.request(),
            &[holder("a")],
        )
        .await
        .expect("claim");
    let (tick, higher, attempt, done) = claimed(&again);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert!(higher > fence);
    // The late undo of the first leaves the second alone.
    let undone = store.unclaim(&job.name, &holder("a")).await;
    assert_eq!(undone.expect("unclaim"), Released::NotOwner);
    assert_eq!(job.peek().await.claimed, Some(job.tick));
}

async fn at_most_once_is_done_when_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut request = job.request();
    request.delivery = Delivery::AtMostOnce;
    let (tick, _, attempt, done) = claimed(&job.claim_as("a", request).await);
    assert_eq!((tick, attempt, done), (job.tick, 1, job.done));
    assert_eq!(job.peek().await.done, Some(tick));
    assert_eq!(
        job.claim_as("b", request).await,
        Claimed::AlreadyDone { done: tick }
    );
    // Its holder died: it is not run again, and the next one is.
    store
        .release(&job.name, &holder("a"), None)
        .await
        .expect("release");
    assert_eq!(
        job.claim_as("b", request).await,
        Claimed::AlreadyDone { done: tick }
    );
    request.tick += 500;
    let (next, _, attempt, done) = claimed(&job.claim_as("b", request).await);
    assert_eq!((next, attempt, done), (request.tick, 1, tick));
    assert_eq!(job.complete("b", next, None).await, Completed::Completed);
}

async fn an_at_most_once_tick_whose_answer_was_lost_is_not_lost(store: Store) {
    let job = Case::registered(&store, "job").await;
    let mut request = job.request();
    request.delivery = Delivery::AtMostOnce;
    let first = job.claim_as("a", request).await;
    let again = store
        .claim(
            &job.name,
            &holder("b"),
            ttl(60_000),
            request,
            &[holder("a")],
        )
        .await
        .expect("claim");
    let (tick, _, attempt, done) = claimed(&again);
    assert_eq!((tick, attempt, done), (job.tick, 1, claimed(&first).3));
    // Or its undo comes first.
    assert_eq!(
        store
            .unclaim(&job.name, &holder("b"))
            .await
            .expect("unclaim"),
        Released::Released
    );
    assert_eq!(job.peek().await.done, Some(job.done));
    assert_eq!(claimed(&job.claim_as("c", request).await).0, job.tick);
}

async fn an_unclaimed_tick_is_as_if_it_had_not_been_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    claimed(&job.claim("a").await);
    let undone = store.unclaim(&job.name, &holder("a")).await;
    assert_eq!(undone.expect("unclaim"), Released::Released);
    let peek = job.peek().await;
    assert_eq!((peek.done, peek.claimed), (Some(job.done), None));
    let (tick, _, attempt, _) = claimed(&job.claim("b").await);
    assert_eq!((tick, attempt), (job.tick, 1));
}

async fn unclaiming_a_takeover_leaves_the_tick_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    claimed(&job.claim("a").await);
    job.abandon("a").await;
    assert_eq!(claimed(&job.claim("b").await).2, 2);
    let undone = store.unclaim(&job.name, &holder("b")).await;
    assert_eq!(undone.expect("unclaim"), Released::Released);
    assert_eq!(claimed(&job.claim("c").await).2, 2);
}

async fn a_stale_holder_completes_nothing(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (tick, ..) = claimed(&job.claim("a").await);
    job.abandon("a").await;
    claimed(&job.claim("b").await);
    assert_eq!(job.complete("a", tick, None).await, Completed::NotOwner);
    let peek = job.peek().await;
    assert_eq!((peek.done, peek.claimed), (Some(job.done), Some(tick)));
    assert_eq!(peek.holder.as_deref(), Some("b"));
}

async fn a_repeated_completion_is_answered_as_the_first_one(store: Store) {
    for hold in [None, Some(Duration::from_secs(60))] {
        let job = Case::registered(&store, &format!("{hold:?}")).await;
        let (tick, ..) = claimed(&job.claim("a").await);
        for _ in 0..2 {
            assert_eq!(job.complete("a", tick, hold).await, Completed::Completed);
        }
        assert_eq!(job.peek().await.done, Some(tick));
    }
}

async fn only_one_reports_the_ticks_that_nobody_claimed(store: Store) {
    let job = Case::registered(&store, "job").await;
    let (from, to) = (job.done, job.done + 2_000);
    let changed = changed_to(to, true);
    assert_eq!(job.miss("a", from, to).await, Missed::Marked);
    assert_eq!(job.miss("b", from, to).await, changed);
    assert_eq!(job.miss("b", to, from).await, changed, "backwards");
    let (tick, ..) = claimed(&job.claim("a").await);
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
    // Also when others have gone on since, and as long as it can be known.
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

async fn a_release_wakes_those_who_wait(store: Store) {
    let name = LockName::new("nightly").expect("a valid name");
    let mut hints = store.hints(&name);
    // A hint may be lost while the subscription is being made: each round releases anew.
    let releases = async {
        loop {
            let who = holder("a");
            let acquired = store.acquire(&name, &who, ttl(60_000), &[]).await;
            fence_of(&acquired.expect("acquire"));
            tokio::time::sleep(Duration::from_millis(250)).await;
            store.release(&name, &who, None).await.expect("release");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::select! {
        () = hints.next() => {}
        () = releases => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("no hint was heard"),
    }
}
