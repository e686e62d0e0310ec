//! What is checked of `once`.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::once::{
    CONFINED, CROSSED, DONE, ERROR, FENCE, FINAL, FOR_EVER, ONE_EFFECT, RECORDED, RESOLVED, Scope,
};
use crate::rules::Rule;
use crate::store::Delivery;

fn at_most_once(processes: u8, faults: u8) -> Scope {
    Scope {
        name: "at most once",
        processes,
        delivery: Delivery::AtMostOnce,
        others: 0,
        retain: FOR_EVER,
        looks: 0,
        last_fault: 5,
        horizon: 14,
        budget: Budget::new(
            faults,
            &[
                (Fault::Delay, 2),
                (Fault::Crash, 2),
                (Fault::Pause, 1),
                (Fault::Fail, 1),
            ],
        ),
    }
}

fn at_least_once(processes: u8, faults: u8) -> Scope {
    Scope {
        name: "at least once",
        delivery: Delivery::AtLeastOnce,
        ..at_most_once(processes, faults)
    }
}

/// Two calls that share a key by mistake.
fn two_calls() -> Scope {
    Scope {
        name: "two calls under one key",
        others: 1,
        ..at_most_once(3, 1)
    }
}

/// Doubts that an operator ends.
fn operator(faults: u8) -> Scope {
    Scope {
        name: "an operator ends doubts",
        looks: 2,
        last_fault: 8,
        budget: Budget::new(faults, &[(Fault::Delay, 1), (Fault::Crash, 2)]),
        ..at_most_once(2, faults)
    }
}

/// A retention that ends while processes still come.
fn retention() -> Scope {
    Scope {
        name: "the retention ends",
        retain: 2,
        budget: Budget::new(2, &[(Fault::Delay, 1), (Fault::Crash, 1)]),
        ..at_most_once(2, 2)
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let (processes, faults) = match extent {
        Extent::Quick => (2, 2),
        Extent::Whole => (3, 2),
    };
    let mut scopes: Vec<Box<dyn Subject>> = vec![
        Box::new(at_most_once(processes, faults)),
        Box::new(at_least_once(processes, faults)),
        Box::new(two_calls()),
        Box::new(operator(3)),
        Box::new(retention()),
    ];
    if extent == Extent::Whole {
        scopes.push(Box::new(at_most_once(2, 3)));
        scopes.push(Box::new(at_least_once(2, 3)));
    }
    let (most, least) = (at_most_once(2, 2), at_least_once(2, 2));
    let rows = [
        (Rule::InDoubtIsNotRepeated, most, ONE_EFFECT),
        (Rule::FinishedIsNotRepeated, most, ONE_EFFECT),
        (Rule::FinishedIsNotRepeated, least, DONE),
        (Rule::OnceFinishChecksHolder, least, FINAL),
        (Rule::OnceForgetChecksHolder, least, CONFINED),
        (Rule::OnceFenceGrows, least, FENCE),
        (Rule::ErrorIsNoCompletion, least, ERROR),
        (Rule::FingerprintIsCompared, two_calls(), CROSSED),
        (Rule::ResolveHitsWhatWasSeen, operator(3), RESOLVED),
        (Rule::ResolveHitsWhatWasSeen, operator(3), ONE_EFFECT),
        (Rule::RecordOutlivesTheLease, retention(), RECORDED),
    ];
    Entry {
        name: "once",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
