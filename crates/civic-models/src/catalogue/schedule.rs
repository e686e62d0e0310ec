//! What is checked of a changed schedule.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::rules::Rule;
use crate::schedule::{DROPPED, FORGOTTEN, PHANTOM, Scope};

fn rolling(replicas: u8, kills: u8) -> Scope {
    Scope {
        name: "rolling deployment",
        old: &[4, 8, 12, 16],
        new: &[2, 5, 6, 9, 10, 13, 14],
        replicas,
        seen_before: true,
        done: 4,
        outage: None,
        silence: 4,
        grace: 3,
        start: 6,
        last_fault: 14,
        horizon: 24,
        budget: Budget::new(
            replicas + kills,
            &[(Fault::Deploy, replicas), (Fault::Crash, kills)],
        ),
    }
}

/// All replicas are down for longer than a schedule may be silent.
fn outage(replicas: u8) -> Scope {
    Scope {
        name: "unchanged schedule, long outage",
        new: &[4, 8, 12, 16],
        outage: Some((6, 15)),
        last_fault: 17,
        start: 5,
        budget: Budget::new(1, &[(Fault::Crash, 1)]),
        ..rolling(replicas, 0)
    }
}

fn first_version(replicas: u8) -> Scope {
    Scope {
        name: "upgrade from a version without schedules",
        new: &[4, 8, 12, 16],
        seen_before: false,
        start: 9,
        budget: Budget::new(1, &[(Fault::Crash, 1)]),
        ..rolling(replicas, 0)
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let replicas = match extent {
        Extent::Quick => 2,
        Extent::Whole => 3,
    };
    let scopes: Vec<Box<dyn Subject>> = vec![
        Box::new(rolling(replicas, 1)),
        Box::new(outage(replicas)),
        Box::new(first_version(replicas)),
    ];
    let rolling = rolling(2, 1);
    let rows = [
        (Rule::ScheduleBeginsAtItsFirstSight, rolling, PHANTOM),
        (Rule::ScheduleKeepsTheWatermark, rolling, FORGOTTEN),
        (Rule::OpenTickComesFirst, rolling, DROPPED),
        (Rule::PassedInstantsAreReported, rolling, FORGOTTEN),
        (Rule::SilentScheduleIsKept, outage(2), FORGOTTEN),
        (
            Rule::FirstScheduleBeginsAtTheWatermark,
            first_version(2),
            FORGOTTEN,
        ),
    ];
    Entry {
        name: "changed schedule",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
