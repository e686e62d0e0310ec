//! What is checked of lease and fence.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::lease::{ANOTHERS, BLOCKED, EXCLUSION, EXPIRES, FENCE, SENT, STALE, Scope, TOLD};
use crate::rules::Rule;

const NETWORK: &[(Fault, u8)] = &[
    (Fault::Delay, 2),
    (Fault::Crash, 1),
    (Fault::Pause, 1),
    (Fault::Refuse, 1),
];

fn two_processes(faults: u8) -> Scope {
    Scope {
        name: "two processes",
        callers: &[0, 1],
        acquisitions: 2,
        writes: true,
        horizon: 6,
        budget: Budget::new(faults, NETWORK),
    }
}

fn three_processes() -> Scope {
    Scope {
        name: "three processes",
        callers: &[0, 1, 2],
        acquisitions: 1,
        horizon: 7,
        ..two_processes(2)
    }
}

fn two_callers(acquisitions: u8, faults: u8) -> Scope {
    Scope {
        name: "two callers of one process",
        callers: &[0, 0, 1],
        acquisitions,
        writes: false,
        horizon: 5,
        budget: Budget::new(faults, &[(Fault::Delay, 2), (Fault::Crash, 1)]),
    }
}

fn mixed_up() -> Scope {
    Scope {
        name: "replies mixed up",
        writes: false,
        budget: Budget::new(3, &[(Fault::Delay, 2), (Fault::Misdeliver, 1)]),
        ..two_processes(0)
    }
}

fn server_stopped(faults: u8) -> Scope {
    Scope {
        name: "server stopped",
        writes: false,
        horizon: 5,
        budget: Budget::new(faults, &[(Fault::Freeze, 1), (Fault::Delay, 1)]),
        ..two_processes(0)
    }
}

fn server_clock(faults: u8) -> Scope {
    Scope {
        name: "server's clock set",
        acquisitions: 2,
        budget: Budget::new(
            faults,
            &[
                (Fault::ClockBack, 1),
                (Fault::ClockForward, 1),
                (Fault::Delay, 1),
                (Fault::Crash, 1),
            ],
        ),
        ..two_processes(0)
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let scopes: Vec<Box<dyn Subject>> = match extent {
        Extent::Quick => vec![
            Box::new(two_processes(2)),
            Box::new(two_callers(1, 2)),
            Box::new(mixed_up()),
            Box::new(server_stopped(1)),
            Box::new(server_clock(1)),
        ],
        Extent::Whole => vec![
            Box::new(two_processes(3)),
            Box::new(three_processes()),
            Box::new(two_callers(2, 2)),
            Box::new(mixed_up()),
            Box::new(server_stopped(2)),
            Box::new(server_clock(2)),
        ],
    };
    let (two, callers, mixed) = (two_processes(2), two_callers(1, 2), mixed_up());
    let rows = [
        (Rule::ReleaseChecksOwner, two, ANOTHERS),
        (Rule::ReleaseChecksOwner, two, EXCLUSION),
        (Rule::RenewNeverSets, two, EXCLUSION),
        (Rule::HoldersAreCompared, two, EXCLUSION),
        (Rule::HeldKeyIsBusy, two, EXCLUSION),
        (Rule::KeyLivesForItsTtl, two, TOLD),
        (Rule::KeyLivesForItsTtl, two, EXCLUSION),
        (Rule::KeyHasTtl, two, EXPIRES),
        (Rule::HolderHasADeadline, two, EXCLUSION),
        (Rule::DeadlineCountsFromSending, two, EXCLUSION),
        (Rule::EchoIsCompared, mixed, EXCLUSION),
        (Rule::EveryCommandHasItsOwnEcho, mixed, EXCLUSION),
        (Rule::LateCommandsDoNothing, two, BLOCKED),
        (Rule::LateCommandsDoNothing, server_stopped(1), BLOCKED),
        (Rule::OrphansTravel, two, BLOCKED),
        (Rule::LiveValuesAreNoOrphans, callers, EXCLUSION),
        (Rule::NeverSentIsNoOrphan, two, SENT),
        (Rule::FenceGrows, two, FENCE),
        (Rule::FenceGrows, two, STALE),
        (Rule::ResourceCompares, two, STALE),
    ];
    Entry {
        name: "lease and fence",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
