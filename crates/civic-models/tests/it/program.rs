//! The program as it is called.

use std::process::{Command, Output};
use std::time::Duration;

use civic_models::catalogue::{self, Entry, Extent};
use civic_models::faults::{Budget, Fault};
use civic_models::report::{Paths, Report};
use civic_models::rules::Rule;
use civic_models::schedule::{FORGOTTEN, Scope};

fn models(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_civic-models"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn a_model_whose_promises_hold_ends_with_zero_and_prints_its_tables() {
    let output = models(&["--quick", "--model", "schedule", "--paths"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in [
        "## Model: changed schedule",
        "| scope | bounds | states | depth | time |",
        "| what is left out or changed | scope | broken promise | faults | steps | time |",
        "   1. A is replaced by one whose schedule is",
        "Every promise holds, and each broken rule is found.",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn usage_errors_end_with_two_and_say_what_is_possible() {
    for (arguments, words) in [
        (&["--fast"][..], "there is no option `--fast`"),
        (&["--model"], "--model needs a name"),
        (&["--model", "paxos"], "the models are: lease and fence, "),
    ] {
        let output = models(arguments);
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(text.contains("Usage: cargo xtask models"), "{text}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn a_rule_that_goes_unnoticed_is_reported() {
    let mut entries = catalogue::all(Extent::Quick);
    let entry = entries
        .iter_mut()
        .find(|entry| entry.name == "Node's ticks")
        .expect("it is listed");
    // Without this rule nothing changes in this model.
    entry.mutations.truncate(1);
    entry.mutations[0].rule = Rule::InDoubtIsNotRepeated;
    let mut text = Vec::new();
    let mut report = Report::new(&mut text, Paths::OfFailures);
    report.check(entry).expect("written");
    let failures = report.finish(Duration::ZERO).expect("written");
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("not found without InDoubtIsNotRepeated"));
    assert!(text.contains("| not found |"), "{text}");
    assert!(text.contains("After 0.0 s:"), "{text}");
}

#[test]
fn a_promise_that_does_not_hold_is_reported_with_its_path() {
    // The last moment comes before a killed holder's key is gone.
    let too_short = Scope {
        name: "too short",
        old: &[2],
        new: &[2],
        replicas: 1,
        seen_before: true,
        done: 1,
        outage: None,
        silence: 4,
        grace: 3,
        start: 2,
        last_fault: 2,
        horizon: 3,
        budget: Budget::new(1, &[(Fault::Crash, 1)]),
    };
    let entry = Entry {
        name: "broken",
        scopes: vec![Box::new(too_short)],
        mutations: Vec::new(),
    };
    let mut text = Vec::new();
    let mut report = Report::new(&mut text, Paths::OfFailures);
    report.check(&entry).expect("written");
    let failures = report.finish(Duration::ZERO).expect("written");
    let text = String::from_utf8(text).expect("UTF-8");
    let failure = format!("broken, too short: this does not hold: {FORGOTTEN}");
    assert_eq!(failures, [failure], "{text}");
    assert!(text.contains(&format!("Broken: {FORGOTTEN}")), "{text}");
    assert!(text.contains("A is killed and started again"), "{text}");
}
