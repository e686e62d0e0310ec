//! Many callers of one name in one process, while Redis is away and when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civic_lock::{Acquisition, LockService};
use civic_testkit::redis::RedisServer;
use tokio::task::JoinSet;

use crate::support::lock::eventually;

/// As many as a busy machine serves within their command timeout. `cargo xtask bench outage` has
/// 500.
const CALLERS: u64 = 100;
const TTL: Duration = Duration::from_secs(30);
/// Longer than a command timeout, so that every caller has asked more than once meanwhile.
const OUTAGE: Duration = Duration::from_secs(3);

/// Callers that ask for one lock again and again.
struct Crowd {
    answers: Arc<AtomicU64>,
    _callers: JoinSet<()>,
}

impl Crowd {
    fn start(service: &LockService) -> Self {
        let answers = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (service, answers) = (service.clone(), answers.clone());
            callers.spawn(async move {
                loop {
                    match service.try_acquire("hot", TTL).await {
                        Acquisition::Acquired(guard) => {
                            guard.release().await;
                        }
                        Acquisition::Busy { .. } => {}
                        Acquisition::Unavailable(_) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            continue;
                        }
                        Acquisition::Invalid(error) => panic!("{error}"),
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        Self {
            answers,
            _callers: callers,
        }
    }

    /// Waits until the callers together had as many answers as four rounds of them have.
    async fn is_served(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        eventually("the callers are answered again", async || {
            self.answers.load(Ordering::Relaxed) >= before + 4 * CALLERS
        })
        .await;
    }
}

/// The bytes that the server has received, and the scripts that it has run.
async fn received(server: &RedisServer) -> (u64, u64) {
    let number = |text: &str, before: &str| {
        let rest = text.split_once(before).map_or("0", |(_, rest)| rest);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    let stats = server.command(&["INFO", "stats"]).await;
    let calls = server.command(&["INFO", "commandstats"]).await;
    (
        number(stats.text(), "total_net_input_bytes:"),
        number(calls.text(), "cmdstat_evalsha:calls="),
    )
}

/// The callers are served again, and their commands do not carry what the outage has left behind.
async fn is_served_with_short_commands(crowd: &Crowd, server: &RedisServer) {
    // The first commands bring the scripts, which a new server does not have.
    crowd.is_served().await;
    let before = received(server).await;
    crowd.is_served().await;
    let (bytes, calls) = received(server).await;
    let each = (bytes - before.0) / (calls - before.1).max(1);
    assert!(each < 1_000, "{each} bytes per command");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contended_name_is_served_again_after_redis_was_killed() {
    let mut server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("a valid URL");
    let crowd = Crowd::start(&service);
    crowd.is_served().await;
    server.kill();
    tokio::time::sleep(OUTAGE).await;
    server.restart().await;
    is_served_with_short_commands(&crowd, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contended_name_is_served_again_after_redis_was_stopped() {
    let server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("a valid URL");
    let crowd = Crowd::start(&service);
    crowd.is_served().await;
    server.stop();
    tokio::time::sleep(OUTAGE).await;
    server.cont();
    is_served_with_short_commands(&crowd, &server).await;
}
