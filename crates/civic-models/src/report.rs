//! Prints what was found, as tables.

use std::time::{Duration, Instant};

use crate::catalogue::{Entry, Mutation};
use crate::check::{Counterexample, Explored, Subject};
use crate::rules::Rules;

/// What is printed beside the tables.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Paths {
    /// The paths of promises that do not hold.
    #[default]
    OfFailures,
    /// Also the paths that break a promise once a rule is left out.
    All,
}

/// What went wrong, one line each.
#[derive(Clone, Debug, Default)]
pub struct Failures(Vec<String>);

// ===== impl Failures =====

impl Failures {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Checks one model, and prints its tables as it goes.
pub fn run(entry: &Entry, paths: Paths, failures: &mut Failures) {
    println!("## Model: {}\n", entry.name);
    println!("| scope | bounds | states | depth | time |");
    println!("|---|---|---:|---:|---:|");
    let mut broken = Vec::new();
    for scope in &entry.scopes {
        broken.extend(explore(entry.name, scope.as_ref(), failures));
    }
    for found in &broken {
        print_path(&format!("Broken: {}", found.property), found);
    }
    println!("\n| what is left out or changed | scope | broken promise | faults | steps | time |");
    println!("|---|---|---|---:|---:|---:|");
    let mut found = Vec::new();
    for mutation in &entry.mutations {
        found.extend(find(entry.name, mutation, failures));
    }
    if paths == Paths::All {
        for (rule, found) in &found {
            print_path(&format!("{rule}: {}", found.property), found);
        }
    }
    println!();
}

fn explore(model: &str, scope: &dyn Subject, failures: &mut Failures) -> Vec<Counterexample> {
    let Explored {
        states,
        depth,
        took,
        broken,
    } = scope.explore();
    let name = scope.name();
    println!(
        "| {name} | {} | {states} | {depth} | {} |",
        scope.bounds(),
        seconds(took)
    );
    for goal in scope.unreachable() {
        failures
            .0
            .push(format!("{model}, {name}: this never happens: {goal}"));
    }
    for found in &broken {
        let property = found.property;
        failures
            .0
            .push(format!("{model}, {name}: this does not hold: {property}"));
    }
    broken
}

fn find(
    model: &str,
    mutation: &Mutation,
    failures: &mut Failures,
) -> Option<(String, Counterexample)> {
    let Mutation {
        rule,
        scope,
        property,
    } = mutation;
    let begun = Instant::now();
    let found = scope.find(Rules::without(*rule), property);
    let took = seconds(begun.elapsed());
    let name = scope.name();
    match &found {
        Some(found) => println!(
            "| {rule} | {name} | {property} | {} | {} | {took} |",
            found.faults,
            found.steps.len()
        ),
        None => {
            println!("| {rule} | {name} | {property} | | not found | {took} |");
            failures.0.push(format!(
                "{model}, {name}: not found with {rule:?} left out: {property}"
            ));
        }
    }
    found.map(|found| (rule.to_string(), found))
}

fn print_path(title: &str, found: &Counterexample) {
    println!("\n{title}\n");
    for (number, step) in (1..).zip(&found.steps) {
        println!("{number:4}. {step}");
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
