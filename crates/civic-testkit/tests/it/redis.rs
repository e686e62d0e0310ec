//! The fixtures do what they say: the fault suites of other crates rest on them.

use std::time::Duration;

use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::{RedisServer, Reply, command};

/// A fault that shows only by silence has shown itself after this long.
const SILENCE: Duration = Duration::from_millis(200);

async fn increment(proxy: &FaultProxy) -> Option<Reply> {
    let answer = command(proxy.addr(), &["INCR", "n"]);
    tokio::time::timeout(SILENCE, answer).await.ok()?.ok()
}

#[tokio::test]
async fn a_server_keeps_its_port_over_a_restart_and_forgets_its_data() {
    let mut server = RedisServer::start().await;
    assert_eq!(server.command(&["INCR", "n"]).await.int(), 1);
    let port = server.port();
    server.restart().await;
    assert_eq!(server.port(), port);
    assert_eq!(server.command(&["INCR", "n"]).await.int(), 1);
}

#[tokio::test]
async fn each_fault_does_what_its_name_says_and_is_counted() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let seen = async || server.command(&["GET", "n"]).await;

    assert_eq!(increment(&proxy).await, Some(Reply::Int(1)));

    proxy.set(Fault::Delay(Duration::from_millis(1)));
    assert_eq!(increment(&proxy).await, Some(Reply::Int(2)));
    assert_eq!(proxy.injected().delayed, 1);

    proxy.set(Fault::DropReply);
    assert_eq!(increment(&proxy).await, None);
    assert_eq!(seen().await.text(), "3", "executed without a reply");
    assert_eq!(proxy.injected().replies_lost, 1);

    proxy.set(Fault::HalfOpen);
    assert_eq!(increment(&proxy).await, None);
    assert!(proxy.injected().half_opened >= 1);

    proxy.set(Fault::BlackHole);
    assert_eq!(increment(&proxy).await, None);

    proxy.set(Fault::Reset);
    assert_eq!(increment(&proxy).await, None);
    assert!(proxy.injected().resets >= 1);
    assert_eq!(seen().await.text(), "3", "none of the last three arrived");

    proxy.set(Fault::Pass);
    assert_eq!(increment(&proxy).await, Some(Reply::Int(4)));
}
