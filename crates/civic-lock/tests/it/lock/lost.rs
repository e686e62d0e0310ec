//! A fenced resource, and holders that do not know yet that they are too late.

use std::time::Duration;

use civic_lock::Lease;
use civic_testkit::redis::{RedisServer, Reply};
use rustix::process::Signal;

use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, acquired, until_acquired};
use crate::support::store::Fixture;

/// The checking half of a fence, for a resource that is in Redis: it takes a write only with a
/// token that is not smaller than any it has seen.
const FENCED_WRITE: &str = r#"
local seen = tonumber(redis.call("HGET", KEYS[1], "fence") or "0")
if tonumber(ARGV[1]) < seen then return 0 end
redis.call("HSET", KEYS[1], "fence", ARGV[1], "value", ARGV[2])
return 1
"#;

async fn write(server: &RedisServer, fence: u64, value: &str) -> bool {
    let fence = fence.to_string();
    let reply = server
        .command(&["EVAL", FENCED_WRITE, "1", "resource", &fence, value])
        .await;
    assert!(matches!(reply, Reply::Int(_)), "{reply:?}");
    reply == Reply::Int(1)
}

#[tokio::test]
async fn the_late_write_of_a_stopped_holder_is_refused_after_the_takeover() {
    let store = Fixture::redis().await;
    let Fixture::Redis(server) = &store else {
        unreachable!("it was just made")
    };
    let (holder, stale) = HolderProcess::holding(&store, Duration::from_secs(1)).await;
    assert!(write(server, stale, "first").await);
    holder.signal(Signal::STOP);
    let (guard, _) = until_acquired(&store.replica(), "nightly").await;
    assert!(write(server, guard.lease().fence(), "second").await);
    // What it would send on waking, before it looks at its clock.
    assert!(!write(server, stale, "too late").await);
    holder.signal(Signal::CONT);
    let (_holder, lost) = holder.line("lost ").await;
    assert!(lost.ends_with("false"));
    let value = server.command(&["HGET", "resource", "value"]).await;
    assert_eq!(value.text(), "second");
}

#[tokio::test]
async fn an_unprotected_run_is_refused_by_every_fenced_resource() {
    let server = RedisServer::start().await;
    assert!(write(&server, 1, "protected").await);
    let service = civic_lock::LockService::builder()
        .redis_url("redis://127.0.0.1:1")
        .on_unavailable(civic_lock::OnUnavailable::FailOpen)
        .build()
        .expect("valid settings");
    let guard = acquired(service.try_acquire("nightly", MINUTE).await);
    let lease: &Lease = guard.lease();
    assert!(!write(&server, lease.fence(), "unprotected").await);
}
