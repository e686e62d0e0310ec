//! What is checked of `once`.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::once::{DONE, ERROR, FENCE, FINAL, ONE_EFFECT, Scope};
use crate::rules::Rule;
use crate::store::Delivery;

fn at_most_once(processes: u8, faults: u8) -> Scope {
    Scope {
        name: "at most once",
        processes,
        delivery: Delivery::AtMostOnce,
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

pub(super) fn entry(extent: Extent) -> Entry {
    let (processes, faults) = match extent {
        Extent::Quick => (2, 2),
        Extent::Whole => (3, 2),
    };
    let mut scopes: Vec<Box<dyn Subject>> = vec![
        Box::new(at_most_once(processes, faults)),
        Box::new(at_least_once(processes, faults)),
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
        (Rule::OnceFenceGrows, least, FENCE),
        (Rule::ErrorIsNoCompletion, least, ERROR),
    ];
    Entry {
        name: "once",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
