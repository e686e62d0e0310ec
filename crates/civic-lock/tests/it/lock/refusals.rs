//! What becomes of a lock when the server is there and says no.
//!
//! Each refusal is a real one. While it lasts no work runs, each call returns within its timeout,
//! and its error repeats the server's own words, which tell the operator what to do. When it is
//! over, everything works again, and nothing is left of what was refused.

use std::fs;
use std::time::{Duration, Instant};

use civic_lock::{ErrorKind, LeaseEnd, LeaseGuard, LockService, LostReason, Outcome};
use civic_testkit::redis::{RedisServer, Reply};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::lock::{MINUTE, acquired, busy, eventually, lost, say, until_acquired};

/// Long enough for a busy machine to connect and be told why not.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What a busy machine may add to a timeout.
const SLACK: Duration = Duration::from_secs(20);

fn service(url: &str) -> LockService {
    LockService::builder()
        .redis_url(url)
        .command_timeout(TIMEOUT)
        .build()
        .expect("valid settings")
}

/// One whose connection is up, whose clock is read, and whose scripts are known.
async fn warm(server: &RedisServer) -> LockService {
    let service = service(&server.url());
    acquired(service.try_acquire("warm", MINUTE).await)
        .release()
        .await;
    service
}

/// Asks for the lock twice, and is refused in these words.
async fn is_refused(service: &LockService, words: &str) {
    for _ in 0..2 {
        let began = Instant::now();
        let outcome = service
            .with_lock("nightly", MINUTE, async |_| unreachable!())
            .await;
        let took = began.elapsed();
        assert!(took < TIMEOUT + SLACK, "{words}: {took:?}");
        let Outcome::Unavailable(error) = outcome else {
            panic!("{words}: {outcome:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("the lock store refused: {words}")),
            "{text}"
        );
        for secret in ["secret", "127.0.0.1", "redis://", "operator"] {
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
    }
}

/// The release is not confirmed, and does not wait for it.
async fn is_released_in_time(guard: LeaseGuard) {
    let began = Instant::now();
    assert_eq!(guard.release().await, LeaseEnd::Kept);
    assert!(began.elapsed() < TIMEOUT + SLACK, "{:?}", began.elapsed());
}

/// Neither what was refused nor what was released meanwhile is there, and both can be taken.
async fn works_again(server: &RedisServer, services: &[&LockService], released: &str) {
    let key = format!("lock:{released}");
    eventually("the release was repeated", async || {
        server.command(&["EXISTS", &key]).await == Reply::Int(0)
    })
    .await;
    assert_eq!(
        server.command(&["EXISTS", "lock:nightly"]).await,
        Reply::Int(0)
    );
    for service in services {
        for name in ["nightly", released] {
            let (guard, _) = until_acquired(service, name).await;
            assert_eq!(guard.release().await, LeaseEnd::Kept);
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_save_refuses_and_a_holder_is_told_in_time() {
    let server = RedisServer::start().await;
    let (warm, new) = (warm(&server).await, service(&server.url()));
    // It is told more than a second before the key expires.
    let ttl = Duration::from_secs(10);
    let held = acquired(warm.try_acquire("held", ttl).await);
    let released = acquired(warm.try_acquire("released", MINUTE).await);
    // Its file cannot be renamed over a folder.
    let obstacle = server.folder().join("dump.rdb");
    fs::create_dir(&obstacle).expect("the server's folder is writable");
    server
        .command(&["CONFIG", "SET", "save", "3600 1000000"])
        .await;
    server.command(&["BGSAVE"]).await;
    server
        .until_info("the snapshot fails", |info| {
            info.contains("rdb_last_bgsave_status:err")
        })
        .await;

    let words = "MISCONF Redis is configured to save RDB snapshots";
    is_refused(&warm, words).await;
    is_released_in_time(released).await;
    assert_eq!(lost(held.lease()).await, LostReason::Expired);
    let left = server.command(&["PTTL", "lock:held"]).await;
    assert!(left.int() > 0, "the key is there: {left:?}");
    is_refused(&new, words).await;

    fs::remove_dir(&obstacle).expect("it is empty");
    server.command(&["BGSAVE"]).await;
    server
        .until_info("the snapshot succeeds", |info| {
            info.contains("rdb_last_bgsave_status:ok")
        })
        .await;
    works_again(&server, &[&warm, &new], "released").await;
}

#[tokio::test]
async fn a_server_that_is_busy_with_a_script_refuses_until_that_is_killed() {
    let server = RedisServer::start().await;
    let (warm, new) = (warm(&server).await, service(&server.url()));
    let released = acquired(warm.try_acquire("released", MINUTE).await);
    server
        .command(&["CONFIG", "SET", "busy-reply-threshold", "20"])
        .await;
    let mut script = TcpStream::connect(server.addr()).await.expect("it listens");
    script
        .write_all(b"EVAL \"while true do end\" 0\r\n")
        .await
        .expect("it reads");
    eventually("it is busy", async || {
        matches!(server.command(&["PING"]).await, Reply::Error(error) if error.starts_with("BUSY"))
    })
    .await;

    for service in [&warm, &new] {
        is_refused(service, "BUSY Redis is busy running a script").await;
    }
    is_released_in_time(released).await;

    let killed = server.command(&["SCRIPT", "KILL"]).await;
    assert_eq!(killed.text(), "OK");
    works_again(&server, &[&warm, &new], "released").await;
}

#[tokio::test]
async fn without_the_right_password_nothing_runs_and_the_error_says_so_without_it() {
    let server = RedisServer::start().await;
    let (warm, new) = (warm(&server).await, service(&server.url()));
    let mut operator = TcpStream::connect(server.addr()).await.expect("it listens");
    let set = say(&mut operator, "CONFIG SET requirepass right").await;
    assert_eq!(set, "+OK");
    let with = |login: &str| service(&format!("redis://{login}@{}", server.addr()));

    is_refused(&new, "NOAUTH Authentication required.").await;
    for login in [":secret", "operator:secret"] {
        is_refused(&with(login), "WRONGPASS").await;
    }
    // Connections that were there before stay.
    drop(acquired(warm.try_acquire("released", MINUTE).await));
    let knows = with(":right");
    let (guard, _) = until_acquired(&knows, "nightly").await;
    guard.release().await;

    let set = say(&mut operator, "CONFIG SET requirepass \"\"").await;
    assert_eq!(set, "+OK");
    works_again(&server, &[&warm, &new, &knows], "released").await;
}

#[tokio::test]
async fn a_user_that_may_not_do_what_a_lock_needs_gets_none_and_leaves_none() {
    let server = RedisServer::start().await;
    let url = format!("redis://operator:secret@{}", server.addr());
    let user = async |rules: &str| {
        let words = format!("ACL SETUSER operator {rules}");
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(server.command(&words).await.text(), "OK", "{rules}");
    };
    user("on >secret allkeys allchannels +@all").await;
    let warm = service(&url);
    let released = acquired(warm.try_acquire("released", MINUTE).await);

    user("-@scripting").await;
    for service in [&warm, &service(&url)] {
        is_refused(service, "NOPERM this user has no permissions to run").await;
    }
    is_released_in_time(released).await;
    user("+@scripting").await;
    works_again(&server, &[&warm], "released").await;

    // The companion keys are forgotten easily.
    user("resetkeys ~lock:*").await;
    is_refused(&warm, "NOPERM this user has no permissions to access").await;
    // Refused inside of the script, when it has already written the fence.
    user("allkeys -set").await;
    is_refused(&warm, "ERR The user executing the script can't run").await;
    user("+set").await;
    works_again(&server, &[&warm], "released").await;
}

#[tokio::test]
async fn a_lock_whose_replicas_may_not_be_asked_is_undone() {
    let server = RedisServer::start().await;
    let words = "ACL SETUSER operator on >secret allkeys allchannels +@all -wait";
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(server.command(&words).await.text(), "OK");
    let service = LockService::builder()
        .redis_url(format!("redis://operator:secret@{}", server.addr()))
        .replica_acks(1)
        .build()
        .expect("valid settings");
    let outcome = service
        .with_lock("nightly", MINUTE, async |_| unreachable!())
        .await;
    let Outcome::Unavailable(error) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.kind(), ErrorKind::NotReplicated);
    assert!(error.to_string().contains("NOPERM"), "{error}");
    eventually("it is undone", async || {
        server.command(&["EXISTS", "lock:nightly"]).await == Reply::Int(0)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_takes_no_more_clients_refuses_new_ones_and_keeps_the_leases_of_others() {
    let server = RedisServer::start().await;
    let (warm, new) = (warm(&server).await, service(&server.url()));
    let released = acquired(warm.try_acquire("released", Duration::from_secs(6)).await);
    server.command(&["CONFIG", "SET", "maxclients", "8"]).await;
    let mut others = Vec::new();
    // The last connection of the test itself may still count.
    eventually("it is full", async || {
        let mut other = TcpStream::connect(server.addr()).await.expect("it listens");
        let answer = say(&mut other, "PING").await;
        let is_full = answer == "-ERR max number of clients reached";
        assert!(is_full || answer == "+PONG", "{answer}");
        if !is_full {
            others.push(other);
        }
        is_full && others.len() == 7
    })
    .await;

    is_refused(&new, "ERR max number of clients reached").await;
    let before = released.lease().remaining();
    eventually("it is renewed", async || {
        released.lease().remaining() > before
    })
    .await;
    is_released_in_time(released).await;

    drop(others);
    eventually("there is room", async || {
        let mut other = TcpStream::connect(server.addr()).await.expect("it listens");
        say(&mut other, "PING").await == "+PONG"
    })
    .await;
    works_again(&server, &[&warm, &new], "released").await;
}

#[tokio::test]
async fn a_server_that_loads_its_data_refuses_and_knows_its_locks_afterwards() {
    // 10 ms a key, and it listens in between.
    let mut server = RedisServer::start_with(&[
        "--key-load-delay",
        "10000",
        "--loading-process-events-interval-bytes",
        "1024",
    ])
    .await;
    let (warm, new) = (warm(&server).await, service(&server.url()));
    let held = acquired(new.try_acquire("held", MINUTE).await);
    let released = acquired(warm.try_acquire("released", MINUTE).await);
    server
        .command(&["DEBUG", "POPULATE", "20000", "data", "1100"])
        .await;
    assert_eq!(server.command(&["SAVE"]).await.text(), "OK");
    server.restart().await;

    for service in [&warm, &new, &service(&server.url())] {
        is_refused(service, "LOADING Redis is loading the dataset in memory").await;
    }
    is_released_in_time(released).await;
    assert_eq!(held.lease().check(), Ok(()), "it has most of a minute left");

    let quick = server
        .command(&["CONFIG", "SET", "key-load-delay", "0"])
        .await;
    assert_eq!(quick.text(), "OK");
    server
        .until_info("it has loaded", |info| info.contains("\nloading:0"))
        .await;
    let holder = held.lease().holder().to_owned();
    let key = server.command(&["GET", "lock:held"]).await;
    assert_eq!(key.text(), holder);
    works_again(&server, &[&warm, &new], "released").await;
    assert_eq!(busy(warm.try_acquire("held", MINUTE).await).0, holder);
    assert_eq!(held.release().await, LeaseEnd::Kept);
}
