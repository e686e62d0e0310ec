//! Measures what renewing one lease costs a process that holds 100, 1 000 or 10 000 of them on one
//! connection.
//!
//! The cost is processor time, of this process and of the server, divided by the renewals that the
//! server counted. The cost per renewal must not grow with the number of leases; the work as a
//! whole does. The benchmark fails when a renewal among 10 000 leases costs more than twice what
//! it costs among 1 000, when a lease is lost, or when there is more than one connection for
//! commands.

use std::time::{Duration, Instant};

use civic_bench::measure::process_cpu;
use civic_bench::median;
use civic_lock::{Acquisition, LeaseGuard, LockService};
use civic_testkit::redis::RedisServer;

const COUNTS: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 3;
const TTL: Duration = Duration::from_secs(15);
/// Two renewals of each lease.
const WINDOW: Duration = Duration::from_secs(10);
/// How much more a renewal may cost among 10 000 leases than among 1 000.
const LIMIT: f64 = 2.0;

/// Processor time in µs a renewal.
struct Cost {
    process: f64,
    server: f64,
}

#[tokio::main]
async fn main() {
    println!("   leases   round   renewals   process µs/renewal   server µs/renewal   connections");
    let mut costs = [const { Vec::new() }; COUNTS.len()];
    for round in 1..=ROUNDS {
        for (count, costs) in COUNTS.into_iter().zip(&mut costs) {
            costs.push(measure(count, round).await);
        }
    }
    let of = |index: usize, pick: fn(&Cost) -> f64| median(costs[index].iter().map(pick).collect());
    println!("\nmedians of {ROUNDS} rounds");
    for (index, count) in COUNTS.into_iter().enumerate() {
        println!(
            "{count:>9} leases: {:.1} µs a renewal here, {:.1} µs in the server",
            of(index, |cost| cost.process),
            of(index, |cost| cost.server),
        );
    }
    let ratio = of(2, |cost| cost.process) / of(1, |cost| cost.process);
    println!(
        "a renewal among 10 000 leases costs {ratio:.2} of one among 1 000; the limit is {LIMIT:.2}"
    );
    assert!(
        ratio <= LIMIT,
        "the cost of a renewal grows with the number of leases"
    );
}

async fn measure(count: usize, round: usize) -> Cost {
    let server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("the fixture's URL is valid");
    let leases = acquire(&service, count).await;
    // Every lease has been renewed once: the renewals are spread as they will be from now on.
    tokio::time::sleep(TTL / 3).await;

    let (calls, server_cpu) = server_usage(&server).await;
    let (began, cpu_before) = (Instant::now(), process_cpu());
    tokio::time::sleep(WINDOW).await;
    let process_cpu = process_cpu() - cpu_before;
    let elapsed = began.elapsed();
    let (calls_after, server_cpu_after) = server_usage(&server).await;

    let renewals = calls_after - calls;
    let connections = connections(&server).await;
    for lease in &leases {
        lease
            .lease()
            .check()
            .expect("a lease was lost during the benchmark");
    }
    // Before the server goes: leases that are left would be released in the background of the next
    // measurement.
    for lease in leases {
        lease.release().await;
    }
    assert!(
        renewals >= count as f64 * elapsed.as_secs_f64() / TTL.as_secs_f64(),
        "{renewals} renewals of {count} leases in {elapsed:?} are too few to keep them"
    );
    let cost = Cost {
        process: process_cpu.as_secs_f64() * 1e6 / renewals,
        server: (server_cpu_after - server_cpu) * 1e6 / renewals,
    };
    println!(
        "{count:>9} {round:>7} {renewals:>10} {:>20.1} {:>19.1} {connections:>13}",
        cost.process, cost.server
    );
    cost
}

async fn acquire(service: &LockService, count: usize) -> Vec<LeaseGuard> {
    let mut leases = Vec::with_capacity(count);
    for number in 0..count {
        match service.try_acquire(format!("bench-{number}"), TTL).await {
            Acquisition::Acquired(lease) => leases.push(lease),
            other => panic!("lease {number} could not be taken: {other:?}"),
        }
    }
    leases
}

/// Scripts run and seconds of processor time, since the server started.
async fn server_usage(server: &RedisServer) -> (f64, f64) {
    let stats = server.command(&["INFO", "everything"]).await;
    let stats = stats.text();
    let calls = field(stats, "cmdstat_evalsha:calls=", ",");
    let cpu = field(stats, "used_cpu_user:", "\r") + field(stats, "used_cpu_sys:", "\r");
    (calls, cpu)
}

/// Connections that have sent a script. The fixture's own and the subscription have not.
async fn connections(server: &RedisServer) -> usize {
    let list = server.command(&["CLIENT", "LIST"]).await;
    list.text()
        .lines()
        .filter(|line| line.contains("cmd=evalsha"))
        .count()
}

fn field(text: &str, name: &str, end: &str) -> f64 {
    text.split(name)
        .nth(1)
        .and_then(|rest| rest.split(end).next())
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("INFO has no {name}"))
}
