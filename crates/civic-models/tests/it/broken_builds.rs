//! The broken builds of `crates/civic-chaos/README.md`, each found by a model.

use std::path::Path;

use civic_models::catalogue::{Extent, all};
use civic_models::rules::Rule;

/// Words by which each row of the page is known, and the rule that it leaves out.
const ROWS: &[(&[&str], Rule)] = &[
    (&["release", "owner check"], Rule::ReleaseChecksOwner),
    (&["complete", "owner check"], Rule::CompleteChecksOwner),
    (&["held", "free"], Rule::HeldKeyIsBusy),
    (&["watermark"], Rule::WatermarkIsAsked),
    (&["fence does not grow"], Rule::FenceGrows),
    (&["fence grows by one"], Rule::FenceFollowsTheClock),
    (&["minimum hold"], Rule::MinimumHold),
    (&["count the attempt"], Rule::TakeoverCountsTheAttempt),
    (&["claim is forgotten"], Rule::OpenTickIsRemembered),
    (
        &["at-most-once", "taken over"],
        Rule::AtMostOnceIsNotTakenOver,
    ),
    (&["without a ttl"], Rule::KeyHasTtl),
    (&["never told by its own clock"], Rule::HolderHasADeadline),
    (
        &["files:", "counts as the holder"],
        Rule::HoldersAreCompared,
    ),
    (&["files:", "expired at once"], Rule::KeyLivesForItsTtl),
    // Below the table: chaos did not notice these three.
    (&["renewal without the owner check"], Rule::RenewChecksOwner),
    (&["echo is not compared"], Rule::EchoIsCompared),
    (&["without `not_after`"], Rule::LateCommandsDoNothing),
];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../civic-chaos/README.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn is_known(text: &str, words: &[&str]) -> bool {
    words.iter().all(|word| text.contains(word))
}

#[test]
fn a_model_finds_every_broken_build_that_chaos_was_tried_on() {
    let page = page();
    let table = page
        .split_once("| what was broken |")
        .expect("the page has the table of broken builds")
        .1;
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.filter_map(|line| line.split('|').nth(1)).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let known = ROWS.iter().any(|(words, _)| is_known(row, words));
        assert!(known, "no model is known to find this broken build: {row}");
    }
}

#[test]
fn the_rules_that_broken_builds_break_are_left_out_by_a_model() {
    let text: Vec<&str> = ROWS
        .iter()
        .flat_map(|(words, _)| words.iter().copied())
        .collect();
    let page = page().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(is_known(&page, &text), "the page has all of {text:?}");
    let entries = all(Extent::Quick).into_iter();
    let mutations = entries.flat_map(|entry| entry.mutations);
    let listed: Vec<Rule> = mutations.map(|mutation| mutation.rule).collect();
    for (row, rule) in ROWS {
        assert!(listed.contains(rule), "{row:?}: {rule:?}");
    }
}
