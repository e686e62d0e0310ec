//! Holders that die, and holders that are stopped.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, acquired, busy, until_acquired};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    a_holder_that_is_killed_is_followed_within_its_ttl,
    a_holder_that_is_stopped_past_its_ttl_is_followed_and_told,
    a_holder_that_is_stopped_for_less_than_its_ttl_keeps_the_lock,
}

async fn a_holder_that_is_killed_is_followed_within_its_ttl(store: Fixture) {
    let ttl = Duration::from_secs(4);
    let (holder, fence) = HolderProcess::holding(&store, ttl).await;
    let ours = store.replica();
    busy(ours.try_acquire("nightly", MINUTE).await);
    holder.signal(Signal::KILL);
    let killed = Instant::now();
    let (guard, _) = until_acquired(&ours, "nightly").await;
    // A busy machine may add to that, but nothing waits for longer than a minute.
    assert!(killed.elapsed() < MINUTE / 2);
    assert!(guard.lease().fence() > fence);
}

async fn a_holder_that_is_stopped_past_its_ttl_is_followed_and_told(store: Fixture) {
    let ttl = Duration::from_secs(3);
    let (holder, fence) = HolderProcess::holding(&store, ttl).await;
    let ours = store.replica();
    busy(ours.try_acquire("nightly", MINUTE).await);
    holder.signal(Signal::STOP);
    let (guard, _) = until_acquired(&ours, "nightly").await;
    assert!(guard.lease().fence() > fence, "its late writes are refused");
    holder.signal(Signal::CONT);
    let (holder, lost) = holder.line("lost ").await;
    assert!(lost.ends_with("false"), "told, and no longer sure: {lost}");
    // What it sends when it ends does not touch another holder's lock.
    drop(holder.output().await);
    assert_eq!(guard.lease().check(), Ok(()));
    let (held_by, _) = busy(store.replica().try_acquire("nightly", MINUTE).await);
    assert_eq!(held_by, guard.lease().holder());
}

async fn a_holder_that_is_stopped_for_less_than_its_ttl_keeps_the_lock(store: Fixture) {
    let ttl = Duration::from_secs(20);
    let (holder, _) = HolderProcess::holding(&store, ttl).await;
    holder.signal(Signal::STOP);
    let ours = store.replica();
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_secs(1) {
        busy(ours.try_acquire("nightly", MINUTE).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder.signal(Signal::CONT);
    busy(ours.try_acquire("nightly", MINUTE).await);
}

/// A dead process is seen at once: its alive file can be locked.
#[tokio::test]
async fn on_the_host_a_killed_holder_is_followed_at_once() {
    let store = Fixture::host();
    let (holder, _) = HolderProcess::holding(&store, MINUTE * 60).await;
    let ours = store.replica();
    busy(ours.try_acquire("nightly", MINUTE).await);
    holder.signal(Signal::KILL);
    drop(holder);
    drop(acquired(ours.try_acquire("nightly", MINUTE).await));
}
