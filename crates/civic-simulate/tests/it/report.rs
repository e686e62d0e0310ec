//! The report is made from what was measured.

use std::time::Duration;

use civic_simulate::Reasons;
use civic_simulate::measurement::Measurement;
use civic_simulate::network::Traffic;
use civic_simulate::policy::Policy;
use civic_simulate::report::{Results, files, page, table};
use civic_simulate::scenario::Scenario;
use http::StatusCode;

use crate::support::{always, scenario};

fn measured(succeeded: usize, mean_millis: u64, perhaps_twice: u64) -> Measurement {
    Measurement {
        calls: 1000,
        succeeded,
        unfinished: 0,
        mean: Duration::from_millis(mean_millis),
        p99: Duration::from_secs(9),
        traffic: Traffic {
            attempts: 1230,
            server_time: Duration::from_secs(4321),
            perhaps_twice,
            ..Traffic::default()
        },
    }
}

fn measured_of(succeeded: usize) -> Measurement {
    measured(succeeded, 100, 0)
}

/// The peer has 90 % and 456 duplicates, ours the given share.
fn results(succeeded: usize, reasons: Reasons) -> Results {
    let scenario = Scenario {
        reasons,
        ..scenario(vec![always(StatusCode::OK)])
    };
    let measured = Policy::ALL
        .map(|policy| match policy {
            Policy::PEER => measured(900, 100, 456),
            _ => measured(succeeded, 100, 0),
        })
        .into();
    let balanced = Policy::BALANCED.map(|_| measured_of(succeeded)).into();
    Results {
        scenario,
        measured,
        balanced,
        waiting: None,
    }
}

const REASONS: Reasons = Reasons {
    default_stack: Some("The first reason."),
    everything: Some("The second reason."),
};

#[test]
fn every_policy_has_its_own_measurement() {
    let results = results(500, REASONS);
    for policy in Policy::ALL {
        let expected = if policy == Policy::PEER { 900 } else { 500 };
        assert_eq!(results.of(policy).succeeded, expected, "{}", policy.name());
    }
}

#[test]
fn the_table_and_the_page_show_what_was_measured() {
    let results = [results(987, REASONS)];
    let page = page(&results, 77).expect("nothing is unexplained");
    let cells = [
        "98.7 %", "90.0 %", "100 ms", "9.00 s", "1.23", "4,321 s", "456",
    ];
    for cell in cells {
        assert!(table(&results).contains(cell), "the table lacks {cell}");
        assert!(
            page.contains(&format!("| {cell} |")),
            "the page lacks {cell}"
        );
    }
    assert!(page.contains("8.7 points more calls succeed"), "{page}");
    assert!(page.contains("456 POSTs were sent again"), "{page}");
    assert!(page.contains("seed 77"), "{page}");
    assert!(
        !page.contains("The first reason."),
        "a reason where ours is ahead"
    );
}

#[test]
fn where_ours_is_behind_the_page_says_by_how_much_and_why() {
    let page = page(&[results(800, REASONS)], 77).expect("every reason is given");
    assert!(page.contains("10.0 points fewer calls succeed"), "{page}");
    assert!(page.contains("The first reason."), "{page}");
    assert!(page.contains("The second reason."), "{page}");
}

#[test]
fn a_page_that_does_not_say_why_ours_is_behind_is_refused() {
    let error = page(&[results(800, Reasons::default())], 77).expect_err("a reason is missing");
    assert!(
        error.contains("civic is behind reqwest-retry in a_hundred_calls"),
        "{error}"
    );
    assert!(error.contains("give it a reason"), "{error}");
}

/// Results in a scenario whose best published success is 91.5 %.
fn black_hole(succeeded: usize) -> [Results; 1] {
    let mut results = results(987, REASONS);
    results.scenario.name = "black_hole";
    results.balanced = Policy::BALANCED.map(|_| measured_of(succeeded)).into();
    [results]
}

#[test]
fn what_the_nodes_as_endpoints_give_stands_beside_what_was_published() {
    let page = page(&black_hole(987), 77).expect("ours is ahead");
    for text in [
        "| civic, endpoints | 98.7 % | 100 ms | 4.32 s | 1.23 |",
        "| dialogue, RR+L | 91.5 % | 600 ms | 549 ms | |",
        "| conjure, PIN+L | 44.8 % | 601 ms | 268 ms | |",
        "91.5 % (dialogue, RR+L) | ahead by 7.2 points | ahead by 7.2 points |",
        "*civic, all on, endpoints* is **ahead by 7.2 points** of *dialogue, RR+L*.",
    ] {
        assert!(page.contains(text), "the page lacks {text}: {page}");
    }
}

#[test]
fn where_calls_wait_in_front_of_a_limit_the_page_shows_what_that_gives() {
    let mut results = results(987, REASONS);
    results.scenario.name = "one_big_spike";
    results.waiting = Some(measured(1000, 400, 0));
    let page = page(&[results], 77).expect("every reason is given");
    for text in [
        "| civic, waiting, endpoints | 100.0 % | 400 ms | 4.32 s | 1.23 |",
        "with at most 190 of the calls of each client under way, is",
    ] {
        assert!(page.contains(text), "the page lacks {text}: {page}");
    }
}

#[test]
fn a_page_that_does_not_say_why_ours_is_behind_what_was_published_is_refused() {
    let error = page(&black_hole(800), 77).expect_err("no reason is known");
    assert!(
        error.contains("civic, endpoints is behind dialogue, RR+L in black_hole"),
        "{error}"
    );
    assert!(error.contains("give it a reason"), "{error}");
}

#[test]
fn every_figure_that_the_page_shows_is_written() {
    let mut storm = results(987, REASONS);
    storm.scenario.name = "slowdown_and_error_thresholds";
    let files = files(&[storm], 77).expect("nothing is unexplained");
    let page = &files[0].contents;
    for file in &files[1..] {
        assert!(
            page.contains(&format!("]({})", file.path)),
            "{} is not shown",
            file.path
        );
        assert!(
            file.contents.contains("reqwest-retry"),
            "{} has no legend",
            file.path
        );
    }
    assert_eq!(page.matches("](simulation/").count(), files.len() - 1);
}
