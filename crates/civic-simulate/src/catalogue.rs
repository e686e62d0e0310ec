//! The scenarios, as they were published with the simulations of dialogue and conjure.
//!
//! Numbers and names are those of the publication, so that its results can stand beside ours. What
//! differs is said on the page that the report writes.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::reasons::{
    ASKS_ONCE, BUDGET_OF_A_BURST, FEWER_RETRIES, NOT_REPEATED, Reasons, WAITS_AS_ASKED,
    WITHIN_BUDGET,
};
use crate::scenario::{Load, Scenario};
use crate::server::{Handler, Latency, Node, Status};

/// Returns every scenario, in the order of the report.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    vec![
        simplest_possible_case(),
        slowdown_and_error_thresholds(),
        slow_503s_then_revert(),
        fast_503s_then_revert(),
        fast_400s_then_revert(),
        short_outage_on_one_node(),
        drastic_slowdown(),
        all_nodes_500(),
        black_hole(),
        one_endpoint_dies_on_each_server(),
        live_reloading(),
        uncommon_flakes(),
        one_big_spike(),
        server_side_rate_limits(),
        steady_and_bursty(),
        fairness(),
    ]
}

const OK: Status = Status::Always(StatusCode::OK);
const FAILS: Status = Status::Always(StatusCode::INTERNAL_SERVER_ERROR);
const UNAVAILABLE: Status = Status::Always(StatusCode::SERVICE_UNAVAILABLE);
const BAD_REQUEST: Status = Status::Always(StatusCode::BAD_REQUEST);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn after(millis: u64) -> Latency {
    Latency::Constant(ms(millis))
}

const fn linear(best: u64, capacity: u32) -> Latency {
    Latency::Linear {
        best: ms(best),
        capacity,
    }
}

const fn up_to(capacity: u32, above: StatusCode) -> Status {
    Status::UntilCapacity { capacity, above }
}

fn simplest_possible_case() -> Scenario {
    Scenario {
        ends_at: s(180),
        ..Scenario::new(
            "simplest_possible_case",
            "Nothing fails. Three nodes answer in 600, 800 and 1000 ms.",
            [600, 800, 1000]
                .map(|millis| Node::steady(OK, after(millis)))
                .into(),
            Load::per_second(11.0, s(120)),
        )
    }
}

fn slowdown_and_error_thresholds() -> Scenario {
    let fails = up_to(40, StatusCode::INTERNAL_SERVER_ERROR);
    Scenario {
        method: Method::GET,
        ..Scenario::new(
            "slowdown_and_error_thresholds",
            "Far more load than three nodes can take. Each node gets slower with every request in \
             flight, and answers 500 when there are more than 40. The only scenario with GET.",
            [600, 800, 1000]
                .map(|best| Node::steady(fails, linear(best, 30)))
                .into(),
            Load::per_second(500.0, s(20)),
        )
    }
}

fn slow_503s_then_revert() -> Scenario {
    let healthy = Handler::new(OK, linear(60, 60));
    Scenario {
        reasons: Reasons {
            default_stack: Some(WAITS_AS_ASKED),
            everything: Some(WAITS_AS_ASKED),
        },
        ..Scenario::new(
            "slow_503s_then_revert",
            "One of two nodes answers 503, slowly, from 3 s to 10 s.",
            vec![
                Node::steady(OK, linear(60, 60)),
                Node::new()
                    .with_phase(s(3), [healthy])
                    .with_phase(s(10), [Handler::new(UNAVAILABLE, linear(1000, 60))])
                    .with_last([Handler::new(OK, linear(10, 60))]),
            ],
            Load::per_second(100.0, s(15)),
        )
    }
}

fn fast_503s_then_revert() -> Scenario {
    let healthy = Handler::new(OK, after(120));
    Scenario {
        reasons: Reasons {
            default_stack: Some(WITHIN_BUDGET),
            everything: Some(WITHIN_BUDGET),
        },
        ..Scenario::new(
            "fast_503s_then_revert",
            "One of two nodes answers 503 within 10 ms, from 1 s to 20 s of 30 s.",
            vec![
                Node::steady(OK, after(120)),
                Node::new()
                    .with_phase(s(1), [healthy])
                    .with_phase(s(20), [Handler::new(UNAVAILABLE, after(10))])
                    .with_last([healthy]),
            ],
            Load::per_second(250.0, s(30)),
        )
    }
}

fn fast_400s_then_revert() -> Scenario {
    let healthy = Handler::new(OK, after(120));
    Scenario::new(
        "fast_400s_then_revert",
        "One of two nodes answers 400 within 20 ms, from 3 s to 30 s.",
        vec![
            Node::steady(OK, after(120)),
            Node::new()
                .with_phase(s(3), [healthy])
                .with_phase(s(30), [Handler::new(BAD_REQUEST, after(20))])
                .with_last([healthy]),
        ],
        Load::per_second(100.0, s(60)),
    )
}

fn short_outage_on_one_node() -> Scenario {
    let healthy = Handler::new(OK, after(2000));
    Scenario {
        ends_at: s(180),
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            ..Reasons::default()
        },
        ..Scenario::new(
            "short_outage_on_one_node",
            "Answers take 2 s. One of two nodes answers 500 at once, from 30 s to 50 s.",
            vec![
                Node::steady(OK, after(2000)),
                Node::new()
                    .with_phase(s(30), [healthy])
                    .with_phase(s(50), [Handler::new(FAILS, after(1))])
                    .with_last([healthy]),
            ],
            Load::per_second(20.0, s(80)),
        )
    }
}

fn drastic_slowdown() -> Scenario {
    let healthy = Handler::new(OK, linear(60, 60));
    Scenario {
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            ..Reasons::default()
        },
        ..Scenario::new(
            "drastic_slowdown",
            "One of two nodes takes 10 s and more instead of 60 ms, from 3 s to 10 s.",
            vec![
                Node::steady(OK, linear(60, 60)),
                Node::new()
                    .with_phase(s(3), [healthy])
                    .with_phase(s(10), [Handler::new(OK, linear(10_000, 60))])
                    .with_last([healthy]),
            ],
            Load::per_second(200.0, s(20)),
        )
    }
}

fn all_nodes_500() -> Scenario {
    let node = Node::new()
        .with_phase(s(10), [Handler::new(FAILS, after(600))])
        .with_last([Handler::new(OK, after(600))]);
    Scenario {
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            everything: Some(WITHIN_BUDGET),
        },
        ..Scenario::new(
            "all_nodes_500",
            "Both nodes answer 500 for the first 10 s of 20 s.",
            vec![node.clone(), node],
            Load::per_second(100.0, s(20)),
        )
    }
}

fn black_hole() -> Scenario {
    Scenario {
        ends_at: s(30),
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            ..Reasons::default()
        },
        ..Scenario::new(
            "black_hole",
            "From 3 s on, one of two nodes takes requests and never answers.",
            vec![
                Node::steady(OK, after(600)),
                Node::new()
                    .with_phase(s(3), [Handler::new(OK, after(600))])
                    .with_last([Handler::new(OK, Latency::Constant(s(86_400)))]),
            ],
            Load::per_second(200.0, s(10)),
        )
    }
}

fn one_endpoint_dies_on_each_server() -> Scenario {
    let healthy = Handler::new(OK, after(600));
    let breaks = |endpoint| {
        let broken = Handler::new(FAILS, after(600)).with_endpoint(endpoint);
        Node::new()
            .with_phase(s(3), [healthy])
            .with_last([broken, healthy])
    };
    Scenario {
        endpoints: &["/e1", "/e2"],
        ends_at: s(60),
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            everything: Some(WITHIN_BUDGET),
        },
        ..Scenario::new(
            "one_endpoint_dies_on_each_server",
            "From 3 s on, one node answers 500 on the first endpoint and the other node on the second.",
            vec![breaks("/e1"), breaks("/e2")],
            Load::per_second(250.0, s(10)),
        )
    }
}

fn live_reloading() -> Scenario {
    Scenario {
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            everything: Some(WITHIN_BUDGET),
        },
        ..Scenario::new(
            "live_reloading",
            "One node is well, one answers 500 throughout, and a third one, which is well, joins at 5 s.",
            vec![
                Node::steady(OK, linear(600, 60)),
                Node::steady(FAILS, linear(600, 60)),
                Node::steady(OK, linear(600, 60)).with_start(s(5)),
            ],
            Load::per_second(250.0, s(10)),
        )
    }
}

fn uncommon_flakes() -> Scenario {
    let node = Node::steady(Status::Flaky(0.01), after(1));
    Scenario {
        ends_at: s(20),
        reasons: Reasons {
            default_stack: Some(NOT_REPEATED),
            ..Reasons::default()
        },
        ..Scenario::new(
            "uncommon_flakes",
            "Two nodes answer 500 to one request in a hundred, at random.",
            vec![node.clone(), node],
            Load::per_second(1000.0, s(5)),
        )
    }
}

fn one_big_spike() -> Scenario {
    let node = Node::steady(up_to(100, StatusCode::TOO_MANY_REQUESTS), after(150));
    Scenario {
        clients: 1,
        ends_at: s(10),
        reasons: Reasons {
            default_stack: Some(BUDGET_OF_A_BURST),
            everything: Some(BUDGET_OF_A_BURST),
        },
        ..Scenario::new(
            "one_big_spike",
            "A thousand calls at once, from one client. Two nodes take 100 each at a time and answer \
             429 to the rest.",
            vec![node.clone(), node],
            Load {
                calls: 1000,
                interval: Duration::from_nanos(33_333),
            },
        )
    }
}

fn server_side_rate_limits() -> Scenario {
    let limited = Status::RateLimited { per_second: 0.025 };
    let node = Node::steady(limited, Latency::Constant(s(200)));
    Scenario {
        clients: 2,
        attempt_timeout: s(600),
        ends_at: s(1_000 * 60 + 3 * 3600),
        reasons: Reasons {
            default_stack: Some(FEWER_RETRIES),
            ..Reasons::default()
        },
        ..Scenario::new(
            "server_side_rate_limits",
            "Four nodes whose answers take 200 s each allow one request per 40 s, and 429 also takes \
             200 s. The load is exactly what all four allow together.",
            vec![node; 4],
            Load::per_second(0.1, s(1_000 * 60)),
        )
    }
}

fn steady_and_bursty() -> Scenario {
    let one_at_a_time = up_to(1, StatusCode::TOO_MANY_REQUESTS);
    let burst = Load {
        calls: 5_000,
        interval: Duration::from_nanos(100),
    };
    Scenario {
        clients: 2,
        loads: vec![Load::per_second(1.0, s(60)), burst],
        ends_at: s(120),
        reasons: Reasons {
            default_stack: Some(ASKS_ONCE),
            everything: Some(ASKS_ONCE),
        },
        ..Scenario::new(
            "steady_and_bursty",
            "Five thousand calls at once, and beside them one per second for a minute, to a node that \
             takes one request at a time for 5 ms and answers 429 to the rest.",
            vec![Node::steady(one_at_a_time, after(5))],
            burst,
        )
    }
}

fn fairness() -> Scenario {
    let two_at_a_time = up_to(2, StatusCode::TOO_MANY_REQUESTS);
    Scenario {
        ends_at: s(120),
        ..Scenario::new(
            "fairness",
            "More than twice as many calls as one node can take for a minute. It works on two at a \
             time for 150 ms and answers 429 to the rest.",
            vec![Node::steady(two_at_a_time, after(150))],
            Load::per_second(30.0, s(60)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_that_of_the_publication_or_a_stated_part_of_it() {
        let published = [
            ("simplest_possible_case", 13_200, 10),
            ("slowdown_and_error_thresholds", 10_000, 1),
            ("slow_503s_then_revert", 1500, 1),
            ("fast_503s_then_revert", 45_000, 6),
            ("fast_400s_then_revert", 6000, 1),
            ("short_outage_on_one_node", 1600, 1),
            ("drastic_slowdown", 4000, 1),
            ("all_nodes_500", 2000, 1),
            ("black_hole", 2000, 1),
            ("one_endpoint_dies_on_each_server", 2500, 1),
            ("live_reloading", 2500, 1),
            ("uncommon_flakes", 10_000, 2),
            ("one_big_spike", 1000, 1),
            ("server_side_rate_limits", 150_000, 25),
            ("steady_and_bursty", 10_060, 2),
            ("fairness", 1800, 1),
        ];
        let ours = scenarios();
        assert_eq!(ours.len(), published.len());
        for (scenario, (name, calls, part)) in ours.iter().zip(published) {
            assert_eq!(scenario.name, name);
            // The 60 steady calls beside the burst are all there.
            let steady = if name == "steady_and_bursty" { 30 } else { 0 };
            let expected = calls / part + steady;
            let calls = scenario.calls();
            assert!(
                calls.abs_diff(expected) <= 1,
                "{name}: {calls} and not {expected}"
            );
        }
    }
}
