//! Leases: one holder, its ttl, its fence.

use std::time::Duration;

use crate::boot_clock;
use crate::name::LockName;
use crate::store::answer::{Acquired, Released, Renewed};
use crate::store::conformance::support::{fence_of, holder, settings, ttl, until_free};
use crate::store::store::Store;

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
    let before = boot_clock::now();
    let first = store.acquire(&name, &holder("a"), ttl(500), &[]).await;
    let second = until_free(&store, &name, &holder("b")).await;
    let waited = boot_clock::now() - before;
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
    let before = boot_clock::now();
    let hold = Some(Duration::from_millis(300));
    let held = store.release(&name, &holder("a"), hold).await;
    assert_eq!(held.expect("release"), Released::Held);
    until_free(&store, &name, &holder("b")).await;
    let waited = boot_clock::now() - before;
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
