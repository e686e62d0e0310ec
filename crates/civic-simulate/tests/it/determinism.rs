//! The same seed gives the same bytes.

use civic_simulate::Reasons;
use civic_simulate::policy::Policy;
use civic_simulate::report::{files, run_all, table};
use civic_simulate::scenario::Scenario;
use civic_simulate::server::{Latency, Node, Status};
use civic_simulate::simulation::run;
use http::StatusCode;

use crate::support::{always, scenario};

/// Every kind of chance at once: the balancer, flaky servers, jitter, clients and endpoints.
fn by_chance() -> Scenario {
    let flaky = Node::steady(
        Status::Flaky(0.3),
        Latency::Constant(std::time::Duration::from_millis(50)),
    );
    Scenario {
        endpoints: &["/e1", "/e2"],
        reasons: Reasons {
            default_stack: Some("It is."),
            everything: Some("It is."),
        },
        ..scenario(vec![
            flaky,
            always(StatusCode::SERVICE_UNAVAILABLE),
            always(StatusCode::OK),
        ])
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let report = || {
        let results = run_all(&[by_chance()], 7).expect("it runs");
        let mut bytes = table(&results);
        for file in files(&results, 7).expect("every reason is given") {
            bytes.push_str(&file.contents);
        }
        bytes
    };
    assert_eq!(report(), report());
}

#[test]
fn another_seed_gives_another_run() {
    for policy in Policy::ALL.into_iter().chain(Policy::BALANCED) {
        let run = |seed| run(&by_chance(), policy, seed).expect("it runs");
        assert_ne!(run(7), run(8), "{}", policy.name());
    }
}

#[test]
fn a_policy_that_draws_more_does_not_change_the_load_of_the_others() {
    // Nothing fails, so what is left to differ is the load.
    let calm = scenario(vec![always(StatusCode::OK)]);
    let runs = Policy::ALL.map(|policy| run(&calm, policy, 7).expect("it runs"));
    for (policy, measured) in Policy::ALL.into_iter().zip(&runs) {
        assert_eq!(measured, &runs[0], "{}", policy.name());
    }
}
