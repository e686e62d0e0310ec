//! The catalogue is complete, and what it lists holds.

use civic_models::catalogue::{Entry, Extent, Mutation, all};
use civic_models::rules::{Rule, Rules};

fn mutations() -> impl Iterator<Item = Mutation> {
    let entries = all(Extent::Quick).into_iter();
    entries.flat_map(|entry: Entry| entry.mutations)
}

#[test]
fn every_promise_holds_in_the_quick_scopes() {
    for entry in all(Extent::Quick) {
        for scope in entry.scopes {
            let explored = scope.explore();
            let broken: Vec<_> = explored.broken.iter().map(|it| it.property).collect();
            assert_eq!(broken, [""; 0], "{}, {}", entry.name, scope.name());
            assert!(explored.states > 0);
        }
    }
}

#[test]
fn what_should_be_possible_is_possible_in_the_quick_scopes() {
    for entry in all(Extent::Quick) {
        for scope in entry.scopes {
            let missing = scope.unreachable();
            assert_eq!(missing, [""; 0], "{}, {}", entry.name, scope.name());
        }
    }
}

#[test]
fn every_rule_that_is_left_out_breaks_the_promise_that_is_listed() {
    for Mutation {
        rule,
        scope,
        property,
    } in mutations()
    {
        let found = scope.find(Rules::without(rule), property);
        assert!(found.is_some(), "{rule:?}, {}: {property}", scope.name());
    }
}

#[test]
fn no_promise_is_broken_where_no_rule_is_left_out() {
    let mut seen = Vec::new();
    for Mutation { scope, .. } in mutations() {
        let bounds = format!("{}: {}", scope.name(), scope.bounds());
        if !seen.contains(&bounds) {
            let broken = scope.explore().broken;
            assert!(broken.is_empty(), "{bounds}: {broken:?}");
            seen.push(bounds);
        }
    }
}

#[test]
fn every_rule_is_left_out_somewhere() {
    let listed: Vec<Rule> = mutations().map(|mutation| mutation.rule).collect();
    for rule in Rule::ALL {
        assert!(listed.contains(&rule), "{rule:?} is never left out");
    }
}

#[test]
fn a_path_has_the_fewest_faults_and_ends_with_the_broken_promise() {
    let mutation = mutations()
        .find(|mutation| mutation.rule == Rule::HolderHasADeadline)
        .expect("it is listed");
    let found = mutation
        .scope
        .find(Rules::without(mutation.rule), mutation.property)
        .expect("it is found");
    assert_eq!(
        found.faults, 0,
        "nothing has to go wrong: {:?}",
        found.steps
    );
    let told = found.steps.join("; ");
    let passes = "time passes: it is 1; time passes: it is 2; time passes: it is 3";
    let possible = [("A", "B"), ("B", "A")].map(|(first, second)| {
        format!("{first} acquires as {first}0; {passes}; {second} acquires as {second}0")
    });
    assert!(possible.contains(&told), "{told}");
}
