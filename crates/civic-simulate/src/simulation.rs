//! One run: a scenario and a policy, on paused time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep_until};

use crate::measurement::{Ended, Measurement};
use crate::network::Network;
use crate::policy::{Call, Client, Policy, Setting};
use crate::published::Published;
use crate::random::Random;
use crate::scenario::{Load, Scenario};

/// Runs a scenario with a policy. The same arguments give the same result, on every machine.
///
/// # Errors
///
/// The runtime cannot be built, or a client refuses its settings.
pub fn run(scenario: &Scenario, policy: Policy, seed: u64) -> Result<Measurement, String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("cannot build a runtime: {error}"))?;
    runtime.block_on(simulate(scenario, policy, seed))
}

async fn simulate(scenario: &Scenario, policy: Policy, seed: u64) -> Result<Measurement, String> {
    let started = Instant::now();
    let network = Network::new(&scenario.nodes, policy.topology(), seed);
    let clients = (0..scenario.clients)
        .map(|index| {
            policy.client(Setting {
                network: network.clone(),
                attempt_timeout: scenario.attempt_timeout,
                seed: Random::stream(seed, 1000 + index as u64).bits(),
                max_in_flight: Published::of(scenario.name).waiting.unwrap_or(usize::MAX),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;

    let ended = Arc::new(Mutex::new(Vec::with_capacity(scenario.calls())));
    let mut random = Random::stream(seed, 2000);
    for (number, due) in schedule(&scenario.loads) {
        sleep_until(started + due).await;
        let client = clients[random.below(clients.len())].clone();
        let endpoint = scenario.endpoints[random.below(scenario.endpoints.len())];
        let method = scenario.method.clone();
        let ended = Arc::clone(&ended);
        tokio::spawn(async move {
            let status = one_call(
                &client,
                Call {
                    number,
                    method: &method,
                    endpoint,
                },
            )
            .await;
            ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(status);
        });
    }
    // The servers end their work even where the callers have gone.
    sleep_until(started + scenario.ends_at).await;
    let ended = std::mem::take(&mut *ended.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Measurement::new(
        scenario.calls(),
        &ended,
        network.traffic(),
    ))
}

async fn one_call(client: &Client, call: Call<'_>) -> Ended {
    let begun = Instant::now();
    let status = client.call(call).await;
    Ended {
        succeeded: status == Some(StatusCode::OK),
        took: begun.elapsed(),
    }
}

/// When each call is due, in order of time, with its number.
fn schedule(loads: &[Load]) -> impl Iterator<Item = (usize, Duration)> {
    let mut due: Vec<Duration> = loads
        .iter()
        .flat_map(|load| {
            (0..load.calls).map(|index| {
                let nanos = load.interval.as_nanos() * index as u128;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            })
        })
        .collect();
    due.sort_unstable();
    due.into_iter().enumerate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_several_loads_are_made_in_order_of_time() {
        let load = |calls, millis| Load {
            calls,
            interval: Duration::from_millis(millis),
        };
        let due: Vec<_> = schedule(&[load(3, 10), load(2, 15)])
            .map(|(number, due)| (number, due.as_millis()))
            .collect();
        assert_eq!(due, [(0, 0), (1, 0), (2, 10), (3, 15), (4, 20)]);
    }
}
