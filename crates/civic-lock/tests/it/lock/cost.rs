//! What an acquire and a release cost, counted and not timed.

use std::collections::BTreeMap;

use civic_testkit::redis::RedisServer;
use tokio::runtime::Handle;

use crate::support::lock::{MINUTE, acquired};
use crate::support::store::locks_at;

/// How often the server was asked for each command, by name. Those of scripts count as well.
async fn asked(server: &RedisServer) -> BTreeMap<String, u64> {
    let stats = server.command(&["INFO", "commandstats"]).await;
    let lines = stats
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"));
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once(":calls=")?;
            let (calls, _) = rest.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        })
        .collect()
}

#[tokio::test]
async fn an_acquire_and_a_release_are_one_script_each_of_five_and_four_commands() {
    let server = RedisServer::start().await;
    let locks = locks_at(server.url());
    // The first ones bring the connection and the scripts.
    for _ in 0..2 {
        acquired(locks.try_acquire("nightly", MINUTE).await)
            .release()
            .await;
    }
    let before = asked(&server).await;
    let guard = acquired(locks.try_acquire("nightly", MINUTE).await);
    guard.release().await;
    let after = asked(&server).await;
    let more = |(name, calls): (String, u64)| {
        let more = calls - before.get(&name).copied().unwrap_or(0);
        (more > 0 && !["info", "config"].contains(&name.as_str())).then_some((name, more))
    };
    let more: Vec<(String, u64)> = after.into_iter().filter_map(more).collect();
    let expected = [
        ("del", 1),
        ("evalsha", 2),
        ("get", 3),
        ("publish", 1),
        ("set", 2),
        ("time", 2),
    ];
    assert_eq!(more, expected.map(|(name, calls)| (name.to_owned(), calls)));
}

#[tokio::test]
async fn a_lease_has_no_task_before_its_first_renewal_is_due() {
    let server = RedisServer::start().await;
    let locks = locks_at(server.url());
    // It brings the connection, and the one task that waits for the first renewals of all leases.
    let first = acquired(locks.try_acquire("first", MINUTE).await);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut guards = Vec::new();
    for number in 0..100 {
        guards.push(acquired(
            locks.try_acquire(format!("{number}"), MINUTE).await,
        ));
        assert!(tasks() <= before, "{} after {number}", tasks());
    }
    for guard in guards {
        guard.release().await;
        assert!(tasks() <= before, "{}", tasks());
    }
    first.release().await;
}
