//! What is checked of tick and watermark.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::rules::Rule;
use crate::store::{Delivery, Settings};
use crate::tick::{
    ACCOUNTED, AGAIN, AHEAD, ANOTHERS, ATTEMPT, BLOCKED, BOUND, HANDED, MISSED, ONCE, OVERLAP,
    Scope, TWICE,
};

const SETTINGS: Settings = Settings {
    ttl: 3,
    delivery: Delivery::AtLeastOnce,
    grace: 3,
    max_skew: 1,
    attempts: None,
};

pub(super) fn at_least_once(faults: u8) -> Scope {
    Scope {
        name: "at least once",
        ticks: &[1, 3],
        skews: &[0, 1],
        settings: SETTINGS,
        hold: 1,
        work: 2,
        jump: 9,
        registered: true,
        last_fault: 3,
        horizon: 10,
        budget: Budget::new(
            faults,
            &[
                (Fault::Delay, 2),
                (Fault::Crash, 2),
                (Fault::Pause, 1),
                (Fault::Stop, 1),
                (Fault::Fail, 1),
                (Fault::Freeze, 1),
            ],
        ),
    }
}

/// The grace outlasts the horizon: each tick has to be run, however often its holders die.
fn taken_over(faults: u8) -> Scope {
    Scope {
        name: "taken over",
        settings: Settings {
            grace: 14,
            ..SETTINGS
        },
        horizon: 14,
        ..at_least_once(faults)
    }
}

fn three_replicas(faults: u8) -> Scope {
    Scope {
        name: "three replicas, three ticks",
        ticks: &[1, 3, 5],
        skews: &[0, 0, 1],
        last_fault: 5,
        horizon: 12,
        budget: Budget::new(
            faults,
            &[
                (Fault::Delay, 2),
                (Fault::Crash, 2),
                (Fault::Pause, 1),
                (Fault::Stop, 1),
            ],
        ),
        ..at_least_once(faults)
    }
}

fn at_most_once(faults: u8) -> Scope {
    Scope {
        name: "at most once",
        ticks: &[1, 6],
        settings: Settings {
            delivery: Delivery::AtMostOnce,
            ..SETTINGS
        },
        last_fault: 4,
        horizon: 12,
        budget: Budget::new(
            faults,
            &[
                (Fault::Delay, 2),
                (Fault::Crash, 2),
                (Fault::Pause, 1),
                (Fault::Stop, 1),
                (Fault::Fail, 1),
            ],
        ),
        ..at_least_once(faults)
    }
}

/// One replica: no other one takes care of what it passes over.
fn alone() -> Scope {
    Scope {
        name: "at most once, one replica",
        skews: &[0],
        ..at_most_once(2)
    }
}

fn missed(faults: u8) -> Scope {
    Scope {
        name: "missed",
        ticks: &[1, 2, 3],
        settings: Settings {
            grace: 1,
            ..SETTINGS
        },
        work: 4,
        last_fault: 5,
        horizon: 12,
        budget: Budget::new(faults, &[(Fault::Delay, 2), (Fault::Pause, 1)]),
        ..at_least_once(faults)
    }
}

fn bounded(faults: u8) -> Scope {
    Scope {
        name: "bounded attempts",
        ticks: &[1, 8],
        settings: Settings {
            grace: 9,
            attempts: Some(2),
            ..SETTINGS
        },
        last_fault: 8,
        horizon: 18,
        budget: Budget::new(faults, &[(Fault::Crash, 3), (Fault::Fail, 1)]),
        ..at_least_once(faults)
    }
}

fn store_clock() -> Scope {
    Scope {
        name: "store's clock wrong for a while",
        jump: 6,
        last_fault: 5,
        horizon: 14,
        budget: Budget::new(1, &[(Fault::ClockForward, 1), (Fault::ClockBack, 1)]),
        ..at_least_once(0)
    }
}

fn store_clock_at_start() -> Scope {
    Scope {
        name: "store's clock wrong, job unknown",
        registered: false,
        ..store_clock()
    }
}

fn replica_clock() -> Scope {
    Scope {
        name: "clock of one replica wrong",
        skews: &[0, 6],
        budget: Budget::new(1, &[(Fault::Crash, 1), (Fault::Delay, 1)]),
        ..store_clock()
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let mut scopes: Vec<Box<dyn Subject>> = match extent {
        Extent::Quick => vec![
            Box::new(at_least_once(2)),
            Box::new(taken_over(1)),
            Box::new(at_most_once(2)),
            Box::new(missed(1)),
            Box::new(bounded(2)),
        ],
        Extent::Whole => vec![
            Box::new(at_least_once(3)),
            Box::new(taken_over(2)),
            Box::new(three_replicas(1)),
            Box::new(at_most_once(3)),
            Box::new(missed(2)),
            Box::new(bounded(3)),
        ],
    };
    scopes.push(Box::new(store_clock()));
    scopes.push(Box::new(store_clock_at_start()));
    scopes.push(Box::new(replica_clock()));
    let (least, most, missed) = (at_least_once(2), at_most_once(2), missed(2));
    let rows = [
        (Rule::CompleteChecksOwner, least, ANOTHERS),
        (Rule::CompleteChecksOwner, least, OVERLAP),
        (Rule::HeldKeyIsBusy, least, OVERLAP),
        (Rule::HolderHasADeadline, least, OVERLAP),
        (Rule::WatermarkIsAsked, least, ONCE),
        (Rule::WatermarkIsAsked, least, AGAIN),
        (Rule::WatermarkIsAsked, most, TWICE),
        (Rule::TakeoverCountsTheAttempt, least, ATTEMPT),
        (Rule::OpenTickIsRemembered, least, ATTEMPT),
        (Rule::AtMostOnceIsDoneWhenClaimed, most, MISSED),
        (Rule::AtMostOnceIsNotTakenOver, most, TWICE),
        (Rule::MineIsAskedBeforeDone, alone(), ACCOUNTED),
        (Rule::UnclaimRestoresTheWatermark, most, ACCOUNTED),
        (Rule::LateCommandsDoNothing, most, ACCOUNTED),
        (Rule::OrphansTravel, least, BLOCKED),
        (Rule::RunningTickIsNotMissed, missed, MISSED),
        (Rule::MovementsAreRemembered, missed, ACCOUNTED),
        (Rule::MissedTicksAreReported, missed, ACCOUNTED),
        (Rule::HandOverFreesTheKey, least, HANDED),
        (Rule::AttemptsAreBounded, bounded(2), BOUND),
        (Rule::SuspectClockClaimsNothing, store_clock(), MISSED),
        (
            Rule::SuspectClockClaimsNothing,
            store_clock_at_start(),
            AHEAD,
        ),
        (Rule::SuspectAnswerIsIgnored, store_clock(), MISSED),
        (
            Rule::RegisterKeepsTheWatermark,
            store_clock_at_start(),
            AGAIN,
        ),
    ];
    Entry {
        name: "tick and watermark",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
