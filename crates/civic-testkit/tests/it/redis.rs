//! The fixtures do what they say: the fault suites of other crates rest on them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use civic_testkit::proxy::{Fault, FaultProxy, Injected};
use civic_testkit::redis::{RedisServer, Reply, command, free_port};
use tokio::time::sleep;

/// A fault that shows only by silence has shown itself after this long.
const SILENCE: Duration = Duration::from_millis(200);

async fn increment(proxy: &FaultProxy) -> Reply {
    let answer = command(proxy.addr(), &["INCR", "n"]).await;
    answer.expect("an answer")
}

/// Sends a command that gets no answer before the fault shows in the counters, nor for a while
/// after.
async fn is_not_answered(proxy: &FaultProxy, shows: impl Fn(Injected) -> bool) {
    let shown = async {
        while !shows(proxy.injected()) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let silence = async {
        tokio::join!(shown, sleep(SILENCE));
    };
    let answer = command(proxy.addr(), &["INCR", "n"]);
    tokio::select! {
        answer = answer => assert!(answer.is_err(), "{answer:?}"),
        () = silence => {}
    }
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

    assert_eq!(increment(&proxy).await, Reply::Int(1));

    proxy.set(Fault::Delay(Duration::from_millis(1)));
    assert_eq!(increment(&proxy).await, Reply::Int(2));
    assert_eq!(proxy.injected().delayed, 1);

    proxy.set(Fault::DropReply);
    is_not_answered(&proxy, |injected| injected.replies_lost == 1).await;
    assert_eq!(seen().await.text(), "3", "executed without a reply");
    assert_eq!(proxy.injected().replies_lost, 1);

    proxy.set(Fault::HalfOpen);
    is_not_answered(&proxy, |injected| injected.half_opened >= 1).await;

    proxy.set(Fault::BlackHole);
    is_not_answered(&proxy, |_| true).await;

    proxy.set(Fault::Reset);
    is_not_answered(&proxy, |injected| injected.resets >= 1).await;
    assert_eq!(seen().await.text(), "3", "none of the last three arrived");

    proxy.set(Fault::Pass);
    assert_eq!(increment(&proxy).await, Reply::Int(4));
}

#[test]
fn no_port_is_handed_out_twice_and_none_that_is_taken() {
    let ports: BTreeSet<u16> = (0..100).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 100);
    // The next one is taken by someone who has not asked.
    let next = ports.last().expect("a hundred") + 1;
    let Ok(_taken) = TcpListener::bind((Ipv4Addr::LOCALHOST, next)) else {
        return;
    };
    assert_ne!(free_port(), next);
}
