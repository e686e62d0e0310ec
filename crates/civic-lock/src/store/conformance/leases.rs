//! Leases: one holder, its ttl, its fence.

use std::time::Duration;

use crate::boot_clock;
use crate::name::LockName;
use crate::store::answer::{Acquired, Ownership};
use crate::store::command::Acquire;
use crate::store::conformance::support::{
    acquire, acquire_for, fence_of, holder, peek, release, renew, ttl, until_free,
};
use crate::store::store::Store;

conformance! {
    acquire_is_idempotent_for_its_holder_and_busy_for_all_others,
    an_orphan_of_our_own_never_keeps_us_out,
    a_lock_is_free_after_its_ttl_and_not_before,
    only_its_holder_renews_a_lock,
    a_renewal_never_brings_a_lost_lock_back,
    only_its_holder_releases_a_lock,
    a_minimum_hold_keeps_the_key_and_then_lets_it_go,
    fences_grow_from_holder_to_holder,
    names_do_not_share_locks,
    a_release_wakes_those_who_wait,
}

fn nightly() -> LockName {
    LockName::new("nightly").expect("a valid name")
}

async fn acquire_is_idempotent_for_its_holder_and_busy_for_all_others(store: Store) {
    let name = nightly();
    let first = fence_of(&acquire(&store, &name, "a").await);
    assert_eq!(fence_of(&acquire(&store, &name, "a").await), first);

    let other = acquire(&store, &name, "b").await;
    let Acquired::Busy { holder, ttl } = other else {
        panic!("{other:?}")
    };
    assert_eq!(holder, "a");
    let left = ttl.expect("ours have a ttl");
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(30));
}

async fn an_orphan_of_our_own_never_keeps_us_out(store: Store) {
    let name = nightly();
    let lost = acquire(&store, &name, "a").await;
    let next = Acquire {
        holder: holder("b"),
        ttl: ttl(60_000),
        orphans: vec![holder("x"), holder("a")],
    };
    let next = store.run(&name, next).await.expect("acquire");
    assert!(fence_of(&next) > fence_of(&lost));
    // The late undo of the first must not hurt the second.
    let undone = release(&store, &name, "a", None).await;
    assert_eq!(undone, Ownership::NotOurs);
    let renewed = renew(&store, &name, "b", ttl(60_000)).await;
    assert_eq!(renewed, Ownership::Ours);
}

async fn a_lock_is_free_after_its_ttl_and_not_before(store: Store) {
    let name = nightly();
    let before = boot_clock::now();
    let first = acquire_for(&store, &name, "a", ttl(500)).await;
    let second = until_free(&store, &name, "b").await;
    let waited = boot_clock::now() - before;
    assert!(waited >= Duration::from_millis(499), "{waited:?}");
    assert!(second > fence_of(&first));
}

async fn only_its_holder_renews_a_lock(store: Store) {
    let name = nightly();
    fence_of(&acquire_for(&store, &name, "a", ttl(5_000)).await);
    let foreign = renew(&store, &name, "b", ttl(600_000)).await;
    assert_eq!(foreign, Ownership::NotOurs);
    let left = async || match acquire_for(&store, &name, "b", ttl(500)).await {
        Acquired::Busy { ttl, .. } => ttl.expect("ours have a ttl"),
        other @ Acquired::Granted(_) => panic!("{other:?}"),
    };
    assert!(left().await <= Duration::from_secs(5), "not extended");
    let own = renew(&store, &name, "a", ttl(600_000)).await;
    assert_eq!(own, Ownership::Ours);
    assert!(left().await > Duration::from_secs(500), "extended");
}

async fn a_renewal_never_brings_a_lost_lock_back(store: Store) {
    let name = nightly();
    let never = renew(&store, &name, "a", ttl(60_000)).await;
    assert_eq!(never, Ownership::NotOurs);
    fence_of(&acquire(&store, &name, "a").await);
    assert_eq!(release(&store, &name, "a", None).await, Ownership::Ours);
    let late = renew(&store, &name, "a", ttl(60_000)).await;
    assert_eq!(late, Ownership::NotOurs);
    assert_eq!(peek(&store, &name).await.holder, None);
}

async fn only_its_holder_releases_a_lock(store: Store) {
    let name = nightly();
    fence_of(&acquire(&store, &name, "a").await);
    for hold in [None, Some(Duration::from_millis(1))] {
        let foreign = release(&store, &name, "b", hold).await;
        assert_eq!(foreign, Ownership::NotOurs);
    }
    assert_eq!(peek(&store, &name).await.holder.as_deref(), Some("a"));
    assert_eq!(release(&store, &name, "a", None).await, Ownership::Ours);
    assert_eq!(peek(&store, &name).await.holder, None);
    assert_eq!(release(&store, &name, "a", None).await, Ownership::NotOurs);
}

async fn a_minimum_hold_keeps_the_key_and_then_lets_it_go(store: Store) {
    let name = nightly();
    fence_of(&acquire(&store, &name, "a").await);
    let before = boot_clock::now();
    let hold = Some(Duration::from_millis(300));
    assert_eq!(release(&store, &name, "a", hold).await, Ownership::Ours);
    until_free(&store, &name, "b").await;
    let waited = boot_clock::now() - before;
    assert!(waited >= Duration::from_millis(299), "{waited:?}");
}

async fn fences_grow_from_holder_to_holder(store: Store) {
    let name = nightly();
    let mut last = 0;
    for n in 0..20 {
        let who = n.to_string();
        let fence = fence_of(&acquire(&store, &name, &who).await);
        assert!(fence > last, "{fence} after {last}");
        assert!(fence < 1 << 53, "exact in Lua and in JavaScript");
        last = fence;
        assert_eq!(release(&store, &name, &who, None).await, Ownership::Ours);
    }
}

async fn names_do_not_share_locks(store: Store) {
    let long = "x".repeat(300);
    let longer = format!("{long}.y");
    for name in [
        "a", "A", "a.", ".a", "a/b", "a/../b", "..", "%2e", "a%2fb", "a b", "é", &long, &longer,
    ] {
        let name = LockName::new(name).expect("a valid name");
        fence_of(&acquire(&store, &name, name.as_str()).await);
    }
}

async fn a_release_wakes_those_who_wait(store: Store) {
    let name = nightly();
    let mut hints = store.hints(&name);
    // A hint may be lost while the subscription is being made: each round releases anew.
    let releases = async {
        loop {
            fence_of(&acquire(&store, &name, "a").await);
            tokio::time::sleep(Duration::from_millis(250)).await;
            assert_eq!(release(&store, &name, "a", None).await, Ownership::Ours);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::select! {
        () = hints.next() => {}
        () = releases => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("no hint was heard"),
    }
}
