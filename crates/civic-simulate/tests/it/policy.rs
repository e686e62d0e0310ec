//! What the policies do, seen from the servers.

use std::time::Duration;

use civic_simulate::catalogue;
use civic_simulate::measurement::Measurement;
use civic_simulate::policy::Policy;
use civic_simulate::report::{Measure, Standing, Verdict};
use civic_simulate::scenario::Scenario;
use civic_simulate::server::{Latency, Node, Status};
use civic_simulate::simulation::run;
use http::{Method, StatusCode};

use crate::support::{always, scenario};

fn measure(policy: Policy, method: Method, node: Node) -> Measurement {
    let scenario = Scenario {
        method,
        ..scenario(vec![node])
    };
    run(&scenario, policy, 1).expect("it runs")
}

#[test]
fn the_default_stack_repeats_what_was_not_taken_and_what_is_idempotent_and_nothing_else() {
    let cases = [
        (Method::GET, 500, 3.0),
        (Method::GET, 503, 3.0),
        (Method::POST, 500, 1.0),
        (Method::POST, 503, 3.0),
        (Method::POST, 400, 1.0),
        (Method::POST, 200, 1.0),
    ];
    for (method, code, attempts) in cases {
        let node = always(StatusCode::from_u16(code).expect("a status"));
        let measured = measure(Policy::CivicDefault, method.clone(), node);
        let seen = measured.attempts_per_call();
        assert!((seen - attempts).abs() < 1e-9, "{method} {code}: {seen}");
        assert_eq!(measured.traffic.perhaps_twice, 0, "{method} {code}");
    }
    // How often a 429 is repeated depends on the budget and on what is remembered of the limit.
    let limited = always(StatusCode::TOO_MANY_REQUESTS);
    let measured = measure(Policy::CivicDefault, Method::POST, limited);
    let seen = measured.attempts_per_call();
    assert!(1.5 < seen && seen <= 3.0, "{seen}");
    assert_eq!(measured.traffic.perhaps_twice, 0);
}

#[test]
fn without_the_budget_as_many_calls_succeed_as_with_the_peer_where_the_report_blames_the_budget() {
    let blamed = ["all_nodes_500", "one_big_spike"];
    let scenarios = catalogue::scenarios().into_iter();
    for scenario in scenarios.filter(|scenario| blamed.contains(&scenario.name)) {
        let [with, without, peer] = [
            Policy::CivicEverything,
            Policy::CivicWithoutBudget,
            Policy::PEER,
        ]
        .map(|policy| run(&scenario, policy, 1).expect("it runs"));
        let fails_more = |ours: &Measurement| {
            let verdict = Verdict::of(ours, &peer);
            (verdict.measure, verdict.standing) == (Measure::Success, Standing::Behind)
        };
        assert!(fails_more(&with), "{}", scenario.name);
        assert!(!fails_more(&without), "{}", scenario.name);
        assert!(with.attempts_per_call() < without.attempts_per_call());
    }
}

#[test]
fn the_peer_repeats_every_method_three_times() {
    for (code, attempts) in [(500, 4.0), (503, 4.0), (429, 4.0), (400, 1.0)] {
        let node = always(StatusCode::from_u16(code).expect("a status"));
        let measured = measure(Policy::ReqwestRetry, Method::POST, node);
        let seen = measured.attempts_per_call();
        assert!((seen - attempts).abs() < 1e-9, "{code}: {seen}");
    }
    let failing = always(StatusCode::INTERNAL_SERVER_ERROR);
    let measured = measure(Policy::ReqwestRetry, Method::POST, failing);
    assert_eq!(measured.traffic.perhaps_twice, 100);
}

#[test]
fn a_client_that_knows_the_nodes_sends_little_to_the_one_that_fails() {
    let fails = always(StatusCode::INTERNAL_SERVER_ERROR);
    let nodes = vec![always(StatusCode::OK), fails];
    let scenario = Scenario {
        clients: 1,
        ..scenario(nodes)
    };
    let [behind_one_name, by_endpoint] = [Policy::CivicDefault, Policy::CivicBalanced]
        .map(|policy| run(&scenario, policy, 1).expect("it runs").succeeded);
    assert!(behind_one_name < 70, "{behind_one_name}");
    // The first one fails, and the probes after 1, 2 and 4 s.
    assert!(by_endpoint >= 95, "{by_endpoint}");
}

#[test]
fn a_node_that_joins_later_is_used_and_not_called_before() {
    let node = || always(StatusCode::OK).with_start(Duration::from_secs(5));
    let scenario = Scenario {
        ends_at: Duration::from_secs(60),
        ..scenario(vec![always(StatusCode::OK), node()])
    };
    let measured = run(&scenario, Policy::CivicBalanced, 1).expect("it runs");
    assert_eq!(measured.succeeded, 100);
    assert_eq!(measured.traffic.attempts, 100);
}

#[test]
fn without_retries_there_is_one_attempt_per_call() {
    let failing = always(StatusCode::INTERNAL_SERVER_ERROR);
    let measured = measure(Policy::NoRetry, Method::GET, failing);
    assert_eq!(measured.traffic.attempts, 100);
    assert_eq!(measured.mean, Duration::from_millis(100));
}

#[test]
fn every_policy_gives_an_attempt_up_after_its_timeout() {
    let hole = || {
        Node::steady(
            Status::Always(StatusCode::OK),
            Latency::Constant(Duration::from_secs(86_400)),
        )
    };
    for policy in Policy::ALL.into_iter().chain(Policy::BALANCED) {
        let measured = measure(policy, Method::POST, hole());
        assert_eq!(measured.succeeded, 0, "{}", policy.name());
        assert_eq!(measured.unfinished, 0, "{}", policy.name());
        assert!(
            measured.mean >= Duration::from_secs(10),
            "{}",
            policy.name()
        );
    }
}

#[test]
fn calls_that_have_not_ended_when_the_simulation_does_have_failed() {
    let slow = Node::steady(
        Status::Always(StatusCode::OK),
        Latency::Constant(Duration::from_secs(5)),
    );
    let scenario = Scenario {
        ends_at: Duration::from_secs(10),
        ..scenario(vec![slow])
    };
    let measured = run(&scenario, Policy::NoRetry, 1).expect("it runs");
    assert_eq!(measured.succeeded + measured.unfinished, 100);
    assert!(
        (48..=52).contains(&measured.unfinished),
        "{}",
        measured.unfinished
    );
}
