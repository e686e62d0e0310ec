//! Many calls at a time, and what they cost the thread that makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::{self, Runtime};

use super::client::{Client, Kind};
use super::peer::Peer;
use crate::measure::thread_cpu;

/// How many calls a profile consists of.
const PROFILED: usize = 50_000;

/// What a call cost in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Processor time of the client per call, in µs.
    pub cpu: f64,
    /// The median latency, in µs.
    pub latency: f64,
}

/// Calls with each client in turn, `rounds` times, and returns a sample per client and round.
///
/// # Panics
///
/// If a call fails.
#[must_use]
pub fn compare(
    clients: &[Client],
    rows: usize,
    at_a_time: usize,
    calls: usize,
    rounds: usize,
) -> Vec<Vec<Sample>> {
    // Each client keeps its runtime, to which its connections belong.
    let runtimes: Vec<Runtime> = clients
        .iter()
        .map(|_| {
            runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made")
        })
        .collect();
    for (client, runtime) in clients.iter().zip(&runtimes) {
        // Opens as many connections as the measured calls need.
        for _ in 0..2 {
            runtime.block_on(drive(client, rows, at_a_time, at_a_time * 2));
        }
    }
    let mut samples = vec![Vec::with_capacity(rounds); clients.len()];
    for round in 0..rounds {
        for step in 0..clients.len() {
            let index = if round % 2 == 0 {
                step
            } else {
                clients.len() - 1 - step
            };
            let sample = runtimes[index].block_on(drive(&clients[index], rows, at_a_time, calls));
            samples[index].push(sample);
        }
    }
    samples
}

/// Calls with a new client of this kind, and returns the processor time per call in µs.
///
/// # Panics
///
/// If a call fails.
#[must_use]
pub fn profile(kind: Kind, at_a_time: usize) -> f64 {
    let peer = Peer::start(&[1]);
    let client = Client::new(kind, &peer.url());
    let samples = compare(&[client], 1, at_a_time, PROFILED, 1);
    samples[0][0].cpu
}

async fn drive(client: &Client, rows: usize, at_a_time: usize, calls: usize) -> Sample {
    let left = Arc::new(AtomicUsize::new(calls));
    let before = thread_cpu();
    let callers: Vec<_> = (0..at_a_time)
        .map(|_| {
            let (client, left) = (client.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok()
                {
                    let began = Instant::now();
                    assert_eq!(client.rows(rows).await, rows);
                    latencies.push(began.elapsed().as_secs_f64() * 1e6);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(calls);
    for caller in callers {
        latencies.extend(caller.await.expect("the call succeeds"));
    }
    let cpu = thread_cpu() - before;
    Sample {
        cpu: cpu.as_secs_f64() * 1e6 / calls as f64,
        latency: crate::median(latencies),
    }
}
