//! Executions: begun by one holder, finished once, taken over or left in doubt.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::name::LockName;
use crate::store::answer::Ownership;
use crate::store::command::Release;
use crate::store::conformance::support::{acquire, fence_of, holder, peek, renew, ttl};
use crate::store::listing::Listing;
use crate::store::once::{
    Author, Begun, Completed, Detail, Execution, OnceBegin, OnceComplete, OnceForget, OncePeek,
    OncePeeked, OnceResolve, OnceTerms, OnceUnbegin, Phase, Resolution, Resolved,
};
use crate::store::payload::Payload;
use crate::store::store::Store;

conformance! {
    a_finished_execution_is_answered_with_its_result_and_never_begun_again,
    a_begin_is_idempotent_for_its_holder_and_running_for_all_others,
    a_dead_at_least_once_holder_is_taken_over_with_a_larger_fence_and_attempt,
    a_dead_at_most_once_holder_leaves_doubt_whoever_asks,
    a_holder_that_wakes_after_another_has_finished_overwrites_nothing,
    a_holder_that_wakes_before_anyone_else_has_begun_may_still_finish,
    a_completion_whose_answer_was_lost_is_confirmed_and_another_holders_is_not,
    a_completion_lets_go_of_its_own_key_whatever_it_is_answered,
    a_forgotten_execution_is_begun_again_and_its_attempt_counts,
    a_forget_of_another_holder_frees_nothing,
    a_beginning_that_is_taken_back_leaves_nothing_behind,
    an_orphan_of_our_own_is_neither_running_nor_in_doubt,
    another_fingerprint_is_different_whatever_the_state,
    an_operator_ends_the_attempt_that_was_seen_and_no_other,
    a_record_ends_after_its_retention_and_a_look_prolongs_it,
    the_key_of_another_kind_of_holder_keeps_an_execution_out,
    results_of_any_bytes_come_back_whole,
    an_end_without_a_result_is_final_and_is_told_from_an_empty_one,
    executions_are_listed_and_locks_are_not,
}

const MOST: Delivery = Delivery::AtMostOnce;
const LEAST: Delivery = Delivery::AtLeastOnce;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The terms of these cases, with this delivery.
fn terms(delivery: Delivery) -> OnceTerms {
    OnceTerms {
        delivery,
        fingerprint: String::new(),
        retain: DAY,
    }
}

struct Case {
    store: Store,
    name: LockName,
}

impl Case {
    fn new(store: &Store, name: &str) -> Self {
        Self {
            store: store.clone(),
            name: LockName::new(format!("once:{name}")).expect("a valid name"),
        }
    }

    async fn begin(&self, who: &str, delivery: Delivery) -> Begun<u64> {
        self.begin_with(who, terms(delivery), &[]).await
    }

    async fn begin_with(&self, who: &str, terms: OnceTerms, orphans: &[&str]) -> Begun<u64> {
        let begin = OnceBegin {
            holder: holder(who),
            ttl: ttl(60_000),
            keep: terms.retain * 2,
            terms,
            orphans: orphans.iter().map(|orphan| holder(orphan)).collect(),
        };
        self.store.run(&self.name, begin).await.expect("begin")
    }

    async fn complete(&self, who: &str, result: &[u8]) -> Completed {
        let complete = OnceComplete {
            holder: holder(who),
            result: Some(Payload::new(result)),
        };
        let completed = self.store.run(&self.name, complete).await;
        completed.expect("complete")
    }

    async fn complete_without_result(&self, who: &str) -> Completed {
        let complete = OnceComplete {
            holder: holder(who),
            result: None,
        };
        let completed = self.store.run(&self.name, complete).await;
        completed.expect("complete")
    }

    async fn forget(&self, who: &str) -> Ownership {
        let holder = holder(who);
        let forgotten = self.store.run(&self.name, OnceForget { holder }).await;
        forgotten.expect("forget")
    }

    async fn unbegin(&self, who: &str) -> Ownership {
        let holder = holder(who);
        let taken_back = self.store.run(&self.name, OnceUnbegin { holder }).await;
        taken_back.expect("unbegin")
    }

    async fn resolve(&self, who: &str, attempt: u32, to: Resolution) -> Resolved {
        let resolve = OnceResolve {
            holder: who.to_owned(),
            attempt,
            to,
        };
        self.store.run(&self.name, resolve).await.expect("resolve")
    }

    /// What becomes of the key when its holder dies, or is stopped for longer than its ttl.
    async fn let_expire(&self, who: &str) {
        let (holder, hold) = (holder(who), None);
        let released = self.store.run(&self.name, Release { holder, hold }).await;
        assert_eq!(released.expect("release"), Ownership::Ours);
    }

    async fn peek(&self) -> OncePeeked {
        let detail = Detail::Result;
        let peeked = self.store.run(&self.name, OncePeek { detail }).await;
        peeked.expect("peek")
    }

    async fn execution(&self) -> Execution {
        self.peek().await.execution.expect("it has a record")
    }
}

/// Fence and attempt.
#[track_caller]
fn granted(begun: &Begun<u64>) -> (u64, u32) {
    match *begun {
        Begun::Granted { lease, attempt, .. } => (lease, attempt),
        _ => panic!("not begun: {begun:?}"),
    }
}

#[track_caller]
fn done(begun: Begun<u64>) -> Execution {
    match begun {
        Begun::Done(execution) => execution,
        _ => panic!("not done: {begun:?}"),
    }
}

#[track_caller]
fn in_doubt(begun: &Begun<u64>) -> (&str, u32) {
    match begun {
        Begun::InDoubt {
            holder, attempt, ..
        } => (holder, *attempt),
        _ => panic!("not in doubt: {begun:?}"),
    }
}

#[track_caller]
fn recorded(completed: Completed) -> (u64, u64) {
    match completed {
        Completed::Recorded { completed, until } => (completed, until),
        Completed::NotOurs => panic!("not recorded"),
    }
}

#[track_caller]
fn running(begun: &Begun<u64>) -> (&str, Duration) {
    match begun {
        Begun::Running { holder, ttl } => (holder, ttl.expect("ours have a ttl")),
        _ => panic!("not running: {begun:?}"),
    }
}

async fn a_finished_execution_is_answered_with_its_result_and_never_begun_again(store: Store) {
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        let (fence, attempt) = granted(&case.begin("a", delivery).await);
        assert_eq!(attempt, 1);
        let (completed, until) = recorded(case.complete("a", b"result").await);
        assert_eq!(until - completed, DAY.as_millis() as u64);
        for who in ["a", "b"] {
            let execution = done(case.begin(who, delivery).await);
            assert_eq!(execution.result.as_bytes(), b"result");
            assert_eq!(execution.completed, Some(completed));
            assert_eq!((execution.fence, execution.attempt), (fence, 1));
            assert_eq!(execution.holder, "a");
            assert_eq!(execution.author, Author::Holder);
        }
        assert_eq!(case.peek().await.holder, None, "the key is free");
    }
}

async fn an_end_without_a_result_is_final_and_is_told_from_an_empty_one(store: Store) {
    let empty = Case::new(&store, "empty");
    granted(&empty.begin("a", LEAST).await);
    recorded(empty.complete("a", b"").await);
    assert_eq!(done(empty.begin("b", LEAST).await).author, Author::Holder);
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        granted(&case.begin("a", delivery).await);
        let first = recorded(case.complete_without_result("a").await);
        assert_eq!(recorded(case.complete_without_result("a").await), first);
        assert_eq!(case.complete("b", b"late").await, Completed::NotOurs);
        let execution = done(case.begin("b", delivery).await);
        assert_eq!(execution.author, Author::HolderWithoutResult);
        assert_eq!(execution.result, Payload::default());
        assert_eq!(execution.completed, Some(first.0));
        assert_eq!(case.peek().await.holder, None, "the key is free");
    }
}

async fn a_begin_is_idempotent_for_its_holder_and_running_for_all_others(store: Store) {
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        let first = granted(&case.begin("a", delivery).await);
        assert_eq!(granted(&case.begin("a", delivery).await), first);
        let other = case.begin("b", delivery).await;
        let (holder, left) = running(&other);
        assert_eq!(holder, "a");
        assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(30));
        // Its key has expired, and no one has begun since: the work of a begin that is repeated has
        // not begun either.
        case.let_expire("a").await;
        let (fence, attempt) = granted(&case.begin("a", delivery).await);
        assert!(fence > first.0);
        assert_eq!(attempt, 1);
    }
}

async fn a_dead_at_least_once_holder_is_taken_over_with_a_larger_fence_and_attempt(store: Store) {
    let case = Case::new(&store, "migration");
    let mut last = granted(&case.begin("0", LEAST).await);
    for nth in 1..4u32 {
        case.let_expire(&(nth - 1).to_string()).await;
        let begun = case.begin(&nth.to_string(), LEAST).await;
        let Begun::Granted { before, .. } = begun else {
            panic!("{begun:?}")
        };
        assert_eq!(before, Some(Phase::Begun));
        let next = granted(&begun);
        assert!(
            next.0 > last.0 && next.1 == nth + 1,
            "{next:?} after {last:?}"
        );
        last = next;
    }
}

async fn a_dead_at_most_once_holder_leaves_doubt_whoever_asks(store: Store) {
    let case = Case::new(&store, "payment");
    granted(&case.begin("a", MOST).await);
    let begun = case.execution().await.begun;
    case.let_expire("a").await;
    for delivery in [MOST, LEAST, MOST] {
        let answer = case.begin("b", delivery).await;
        assert_eq!(in_doubt(&answer), ("a", 1));
        assert!(matches!(answer, Begun::InDoubt { since, .. } if since == begun));
    }
    assert_eq!(case.peek().await.holder, None, "a look takes no key");
}

async fn a_holder_that_wakes_after_another_has_finished_overwrites_nothing(store: Store) {
    let case = Case::new(&store, "migration");
    granted(&case.begin("a", LEAST).await);
    case.let_expire("a").await;
    granted(&case.begin("b", LEAST).await);
    // While the other one runs, and after it has finished.
    assert_eq!(case.complete("a", b"late").await, Completed::NotOurs);
    assert_eq!(case.forget("a").await, Ownership::NotOurs);
    assert_eq!(case.peek().await.holder.as_deref(), Some("b"));
    recorded(case.complete("b", b"first").await);
    let before = case.execution().await;
    assert_eq!(case.complete("a", b"late").await, Completed::NotOurs);
    assert_eq!(case.forget("a").await, Ownership::NotOurs);
    assert_eq!(case.unbegin("a").await, Ownership::NotOurs);
    assert_eq!(case.execution().await, before);
    assert_eq!(before.result.as_bytes(), b"first");
}

async fn a_holder_that_wakes_before_anyone_else_has_begun_may_still_finish(store: Store) {
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        granted(&case.begin("a", delivery).await);
        case.let_expire("a").await;
        if delivery == MOST {
            in_doubt(&case.begin("b", delivery).await);
        }
        recorded(case.complete("a", b"late").await);
        let execution = done(case.begin("b", delivery).await);
        assert_eq!(execution.result.as_bytes(), b"late");
    }
}

async fn a_completion_whose_answer_was_lost_is_confirmed_and_another_holders_is_not(store: Store) {
    let case = Case::new(&store, "migration");
    assert_eq!(
        case.complete("a", b"").await,
        Completed::NotOurs,
        "no record"
    );
    granted(&case.begin("a", LEAST).await);
    assert_eq!(case.complete("b", b"other").await, Completed::NotOurs);
    let first = recorded(case.complete("a", b"one").await);
    assert_eq!(recorded(case.complete("a", b"two").await), first);
    assert_eq!(case.complete("b", b"other").await, Completed::NotOurs);
    let execution = done(case.begin("c", LEAST).await);
    assert_eq!(execution.result.as_bytes(), b"one");
}

async fn a_completion_lets_go_of_its_own_key_whatever_it_is_answered(store: Store) {
    let case = Case::new(&store, "migration");
    let hold = async || fence_of(&acquire(&store, &case.name, "a").await);
    hold().await;
    assert_eq!(case.complete("b", b"").await, Completed::NotOurs);
    assert_eq!(
        case.peek().await.holder.as_deref(),
        Some("a"),
        "not its own"
    );
    assert_eq!(case.complete("a", b"").await, Completed::NotOurs);
    assert_eq!(case.peek().await.holder, None, "there was no record");
    granted(&case.begin("b", LEAST).await);
    case.let_expire("b").await;
    hold().await;
    assert_eq!(case.complete("a", b"").await, Completed::NotOurs);
    assert_eq!(case.peek().await.holder, None, "the record was another's");
    granted(&case.begin("a", LEAST).await);
    assert_eq!(case.forget("a").await, Ownership::Ours);
    hold().await;
    assert_eq!(case.complete("a", b"").await, Completed::NotOurs);
    assert_eq!(case.peek().await.holder, None, "it was forgotten");
    granted(&case.begin("a", LEAST).await);
    for when in ["recorded", "recorded before"] {
        hold().await;
        recorded(case.complete("a", b"").await);
        assert_eq!(case.peek().await.holder, None, "{when}");
    }
}

async fn a_forgotten_execution_is_begun_again_and_its_attempt_counts(store: Store) {
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        let (fence, _) = granted(&case.begin("a", delivery).await);
        for _ in 0..2 {
            assert_eq!(case.forget("a").await, Ownership::Ours);
        }
        assert_eq!(
            case.complete("a", b"").await,
            Completed::NotOurs,
            "forgotten"
        );
        let begun = case.begin("b", delivery).await;
        assert!(matches!(
            begun,
            Begun::Granted {
                before: Some(Phase::Free),
                ..
            }
        ));
        let next = granted(&begun);
        assert!(next.0 > fence && next.1 == 2, "{next:?}");
    }
}

async fn a_forget_of_another_holder_frees_nothing(store: Store) {
    let case = Case::new(&store, "payment");
    assert_eq!(case.forget("b").await, Ownership::NotOurs, "no record");
    granted(&case.begin("a", MOST).await);
    assert_eq!(case.forget("b").await, Ownership::NotOurs);
    assert_eq!(case.unbegin("b").await, Ownership::NotOurs);
    running(&case.begin("b", MOST).await);
    case.let_expire("a").await;
    assert_eq!(case.forget("b").await, Ownership::NotOurs);
    in_doubt(&case.begin("b", MOST).await);
    recorded(case.complete("a", b"").await);
    assert_eq!(case.forget("a").await, Ownership::NotOurs, "it is finished");
    done(case.begin("b", MOST).await);
}

async fn a_beginning_that_is_taken_back_leaves_nothing_behind(store: Store) {
    let case = Case::new(&store, "payment");
    granted(&case.begin("a", MOST).await);
    assert_eq!(case.unbegin("a").await, Ownership::Ours);
    assert_eq!(case.unbegin("a").await, Ownership::NotOurs, "harmless");
    assert_eq!(case.peek().await.execution, None);
    assert_eq!(case.peek().await.holder, None);
    // Another fingerprint is not different from what has not begun.
    let other = OnceTerms {
        fingerprint: "ff".to_owned(),
        ..terms(MOST)
    };
    assert_eq!(
        granted(&case.begin_with("b", other.clone(), &[]).await).1,
        1
    );
    assert_eq!(case.forget("b").await, Ownership::Ours);
    assert_eq!(
        granted(&case.begin_with("c", other.clone(), &[]).await).1,
        2
    );
    // Even if the key has expired meanwhile.
    case.let_expire("c").await;
    assert_eq!(case.unbegin("c").await, Ownership::Ours);
    let begun = case.begin_with("d", other, &[]).await;
    assert_eq!(granted(&begun).1, 2, "the attempt does not count");
}

async fn an_orphan_of_our_own_is_neither_running_nor_in_doubt(store: Store) {
    for delivery in [LEAST, MOST] {
        let case = Case::new(&store, delivery.as_str());
        let (lost, _) = granted(&case.begin("a", delivery).await);
        let begun = case.begin_with("b", terms(delivery), &["x", "a"]).await;
        let (fence, attempt) = granted(&begun);
        assert!(fence > lost);
        assert_eq!(attempt, 1, "its work has not begun");
        // The late undo of the first must not hurt the second.
        assert_eq!(case.unbegin("a").await, Ownership::NotOurs);
        // Its key has expired.
        case.let_expire("b").await;
        let other = OnceTerms {
            fingerprint: "ff".to_owned(),
            ..terms(delivery)
        };
        let begun = case.begin_with("c", other, &["b"]).await;
        assert_eq!(granted(&begun).1, 1, "its fingerprint has not begun either");
    }
}

async fn another_fingerprint_is_different_whatever_the_state(store: Store) {
    let case = Case::new(&store, "payment");
    let with = |fingerprint: &str| OnceTerms {
        fingerprint: fingerprint.to_owned(),
        ..terms(MOST)
    };
    let different = async |when: &str| {
        for other in ["bb", ""] {
            let answer = case.begin_with("b", with(other), &[]).await;
            assert_eq!(answer, Begun::Different, "{when}, {other:?}");
        }
    };
    granted(&case.begin_with("a", with("aa"), &[]).await);
    different("running").await;
    case.let_expire("a").await;
    different("in doubt").await;
    assert_eq!(case.forget("a").await, Ownership::Ours);
    different("free").await;
    granted(&case.begin_with("c", with("aa"), &[]).await);
    recorded(case.complete("c", b"").await);
    different("done").await;
    done(case.begin_with("b", with("aa"), &[]).await);
}

async fn an_operator_ends_the_attempt_that_was_seen_and_no_other(store: Store) {
    let case = Case::new(&store, "payment");
    let done_by_hand = Resolution::Done;
    assert_eq!(case.resolve("a", 1, done_by_hand).await, Resolved::Unknown);
    granted(&case.begin("a", MOST).await);
    let runs = case.resolve("a", 1, Resolution::Free).await;
    assert!(
        matches!(runs, Resolved::Running { ttl: Some(_) }),
        "{runs:?}"
    );
    case.let_expire("a").await;
    for (who, attempt) in [("b", 1), ("a", 2)] {
        let changed = case.resolve(who, attempt, Resolution::Free).await;
        assert!(matches!(changed, Resolved::Changed(_)), "{changed:?}");
    }
    in_doubt(&case.begin("b", MOST).await);
    let freed = case.resolve("a", 1, Resolution::Free).await;
    assert_eq!(freed, Resolved::Ended);
    assert_eq!(
        case.complete("a", b"").await,
        Completed::NotOurs,
        "it was freed"
    );
    assert_eq!(granted(&case.begin("b", MOST).await).1, 2);
    case.let_expire("b").await;
    // What was meant for the first attempt does not hit the second.
    let changed = case.resolve("a", 1, done_by_hand).await;
    assert!(matches!(changed, Resolved::Changed(now) if now.attempt == 2));
    assert_eq!(case.resolve("b", 2, done_by_hand).await, Resolved::Ended);
    assert_eq!(case.complete("b", b"late").await, Completed::NotOurs);
    let execution = done(case.begin("c", MOST).await);
    assert_eq!(execution.author, Author::Operator);
    assert_eq!(execution.result.as_bytes(), b"");
    // What is finished is not freed.
    let changed = case.resolve("b", 2, Resolution::Free).await;
    assert!(matches!(changed, Resolved::Changed(_)), "{changed:?}");
    done(case.begin("c", MOST).await);
}

async fn a_record_ends_after_its_retention_and_a_look_prolongs_it(store: Store) {
    let case = Case::new(&store, "short");
    let short = OnceTerms {
        retain: Duration::from_secs(1),
        ..terms(MOST)
    };
    granted(&case.begin_with("a", short.clone(), &[]).await);
    let (completed, until) = recorded(case.complete("a", b"").await);
    assert_eq!(until - completed, 1_000);
    let begun = loop {
        match case.begin_with("b", short.clone(), &[]).await {
            Begun::Done(execution) if execution.until == until => {
                // A look that adds next to nothing.
                tokio::task::yield_now().await;
            }
            Begun::Done(execution) => {
                // This look has prolonged it: now let it end.
                assert!(execution.until > until + 10);
                break loop {
                    if case.peek().await.execution.is_none() {
                        break case.begin_with("b", short.clone(), &[]).await;
                    }
                    tokio::task::yield_now().await;
                };
            }
            begun => break begun,
        }
    };
    assert_eq!(granted(&begun).1, 1, "as if it had never been begun");
    assert!(peek(&store, &case.name).await.now >= until);
    // Without an end it ends too.
    case.let_expire("b").await;
    in_doubt(&case.begin_with("c", short.clone(), &[]).await);
    while case.peek().await.execution.is_some() {
        tokio::task::yield_now().await;
    }
    granted(&case.begin_with("c", short, &[]).await);
}

async fn the_key_of_another_kind_of_holder_keeps_an_execution_out(store: Store) {
    let case = Case::new(&store, "migration");
    fence_of(&acquire(&store, &case.name, "4711:1").await);
    let begun = case.begin("a", LEAST).await;
    assert_eq!(running(&begun).0, "4711:1");
    assert_eq!(case.peek().await.execution, None);
    case.let_expire("4711:1").await;
    granted(&case.begin("a", LEAST).await);
    assert_eq!(
        renew(&store, &case.name, "a", ttl(60_000)).await,
        Ownership::Ours
    );
}

async fn results_of_any_bytes_come_back_whole(store: Store) {
    let all: Vec<u8> = (0..=255).collect();
    let long = all.repeat(1024);
    for (nth, result) in [&b""[..], b"\0", "ä\n\u{1f5dd}".as_bytes(), &all, &long]
        .iter()
        .enumerate()
    {
        let case = Case::new(&store, &format!("result-{nth}"));
        granted(&case.begin("a", MOST).await);
        recorded(case.complete("a", result).await);
        let execution = done(case.begin("b", MOST).await);
        assert!(execution.result.as_bytes() == *result, "{nth}");
        assert_eq!(execution, case.execution().await);
        let state = OncePeek {
            detail: Detail::State,
        };
        let peeked = store.run(&case.name, state).await.expect("peek");
        let peeked = peeked.execution.expect("it has a record");
        assert_eq!(peeked.result, Payload::default(), "not asked for");
    }
}

async fn executions_are_listed_and_locks_are_not(store: Store) {
    let mut expected = Vec::new();
    for key in ["begun", "done", "with space"] {
        let case = Case::new(&store, key);
        granted(&case.begin("a", MOST).await);
        if key == "done" {
            recorded(case.complete("a", b"").await);
        }
        expected.push(case.name);
    }
    fence_of(&acquire(&store, &Case::new(&store, "a lock").name, "a").await);
    let mut listed = store.list(Listing::Executions).await.expect("a list");
    listed.sort();
    listed.dedup();
    expected.sort();
    assert_eq!(listed, expected);
}
