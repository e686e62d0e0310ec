//! A scenario: the servers, the load, and how long it may take.

use std::time::Duration;

use http::Method;

use crate::reasons::Reasons;
use crate::server::Node;

/// How long an attempt may take where a scenario does not say otherwise: the default of
/// civic-client.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls at a steady rate, whether or not the earlier ones have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// The number of calls.
    pub calls: usize,
    /// The time from one call to the next. The first one is made at the start.
    pub interval: Duration,
}

/// What happens in one simulation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name under which the scenario was published.
    pub name: &'static str,
    /// What happens, in one or two sentences.
    pub story: &'static str,
    /// The servers that are called.
    pub nodes: Vec<Node>,
    /// The calls. Several loads run beside each other.
    pub loads: Vec<Load>,
    /// The number of client processes that share the load. Each call is made by one of them at
    /// random.
    pub clients: usize,
    /// The method of every call.
    pub method: Method,
    /// The paths that are called, each call one of them at random.
    pub endpoints: &'static [&'static str],
    /// How long an attempt may take.
    pub attempt_timeout: Duration,
    /// When the simulation ends. Calls that have not ended by then have failed.
    pub ends_at: Duration,
    /// Why our stack is behind the peer here, for as long as it is.
    pub reasons: Reasons,
}

impl Load {
    /// Creates a load of this many calls per second for this time.
    #[must_use]
    pub fn per_second(rate: f64, duration: Duration) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let calls = duration.as_nanos() / interval.as_nanos().max(1);
        Self {
            calls: usize::try_from(calls).unwrap_or(usize::MAX),
            interval,
        }
    }
}

impl Scenario {
    /// Creates a scenario with ten clients that send POSTs to one endpoint, as most of the
    /// published ones do.
    #[must_use]
    pub fn new(name: &'static str, story: &'static str, nodes: Vec<Node>, load: Load) -> Self {
        Self {
            name,
            story,
            nodes,
            loads: vec![load],
            clients: 10,
            method: Method::POST,
            endpoints: &["/"],
            attempt_timeout: ATTEMPT_TIMEOUT,
            ends_at: Duration::from_secs(600),
            reasons: Reasons::default(),
        }
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.loads.iter().map(|load| load.calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_a_duration_give_the_number_of_calls() {
        let cases = [(500.0, 20, 10_000), (11.0, 1200, 13_200), (0.1, 100, 10)];
        for (rate, seconds, calls) in cases {
            let load = Load::per_second(rate, Duration::from_secs(seconds));
            assert!(load.calls.abs_diff(calls) <= 1, "{rate}: {}", load.calls);
        }
    }
}
