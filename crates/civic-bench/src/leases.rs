//! Renewing leases: what one renewal costs, by how many leases the process holds.

use std::time::{Duration, Instant};

use civic_lock::{Acquisition, LeaseGuard, LockService};
use civic_testkit::redis::RedisServer;

use crate::measure::process_cpu;

/// How many leases are held, and for how long they live without a renewal. One lease alone is
/// renewed as often as a lease can be, or there would be nothing to measure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Held {
    /// How many leases the process holds.
    pub leases: usize,
    /// The ttl of each. It is renewed after a third of it.
    pub ttl: Duration,
}

/// What one renewal costs, in µs of processor time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// In the process that holds the leases.
    pub process: f64,
    /// In the server.
    pub server: f64,
}

impl Held {
    /// Holds the leases on a server of its own, over one connection, and measures their renewals.
    ///
    /// # Panics
    ///
    /// If there is no redis-server, if a lease is lost, if there are too few renewals to keep the
    /// leases, or if more than one connection is used for them.
    pub async fn measure(self, window: Duration) -> Cost {
        let server = RedisServer::start().await;
        let service = LockService::redis(server.url()).expect("the fixture's URL is valid");
        let guards = self.acquire(&service).await;
        // Every lease has been renewed once: the renewals are spread as they will be from now on.
        tokio::time::sleep(self.ttl / 3).await;

        let (calls, server_cpu) = usage(&server).await;
        let (began, cpu) = (Instant::now(), process_cpu());
        tokio::time::sleep(window).await;
        let cpu = process_cpu() - cpu;
        let elapsed = began.elapsed();
        let (calls_after, server_cpu_after) = usage(&server).await;

        let renewals = calls_after - calls;
        let due = self.leases as f64 * elapsed.as_secs_f64() / self.ttl.as_secs_f64();
        assert!(renewals >= due, "{renewals} renewals are too few: {self:?}");
        assert_eq!(connections(&server).await, 1, "one is enough");
        for guard in guards {
            guard.lease().check().expect("no lease is lost");
            // Before the server goes: it would be released in the background of the next one.
            guard.release().await;
        }
        Cost {
            process: cpu.as_secs_f64() * 1e6 / renewals,
            server: (server_cpu_after - server_cpu) * 1e6 / renewals,
        }
    }

    async fn acquire(self, service: &LockService) -> Vec<LeaseGuard> {
        let mut guards = Vec::with_capacity(self.leases);
        for number in 0..self.leases {
            match service
                .try_acquire(format!("bench-{number}"), self.ttl)
                .await
            {
                Acquisition::Acquired(guard) => guards.push(guard),
                other => panic!("lease {number} is not free: {other:?}"),
            }
        }
        guards
    }
}

/// Scripts run and seconds of processor time, since the server started.
async fn usage(server: &RedisServer) -> (f64, f64) {
    let stats = server.command(&["INFO", "everything"]).await;
    let stats = stats.text();
    let calls = field(stats, "cmdstat_evalsha:calls=", ",");
    let cpu = field(stats, "used_cpu_user:", "\r") + field(stats, "used_cpu_sys:", "\r");
    (calls, cpu)
}

/// Connections that have sent a script. The fixture's own has not.
async fn connections(server: &RedisServer) -> usize {
    let list = server.command(&["CLIENT", "LIST"]).await;
    let lines = list.text().lines();
    lines.filter(|line| line.contains("cmd=evalsha")).count()
}

fn field(text: &str, name: &str, end: &str) -> f64 {
    text.split(name)
        .nth(1)
        .and_then(|rest| rest.split(end).next())
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("INFO has no {name}"))
}
