//! Loss of data and failover: the same two machines, before a server that forgets.

use super::entry::{Entry, Extent, mutations};
use super::tick::at_least_once;
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::rules::Rule;
use crate::{lease, tick};

fn lease_scope(name: &'static str, faults: u8, kinds: &[(Fault, u8)]) -> lease::Scope {
    lease::Scope {
        name,
        callers: &[0, 1],
        acquisitions: 2,
        writes: true,
        horizon: 6,
        budget: Budget::new(faults, kinds),
    }
}

fn leases_lost(faults: u8) -> lease::Scope {
    let kinds = [(Fault::Lose, 1), (Fault::Delay, 1), (Fault::Pause, 1)];
    lease::Scope {
        acquisitions: 1,
        ..lease_scope("leases, data lost", faults, &kinds)
    }
}

fn more_leases_lost() -> lease::Scope {
    lease::Scope {
        name: "more leases, data lost",
        acquisitions: 2,
        ..leases_lost(1)
    }
}

fn leases_failover(faults: u8) -> lease::Scope {
    let kinds = [(Fault::FailOver, 1), (Fault::Delay, 1), (Fault::Crash, 1)];
    lease::Scope {
        acquisitions: 1,
        ..lease_scope("leases, failover", faults, &kinds)
    }
}

fn ticks_lost(faults: u8) -> tick::Scope {
    tick::Scope {
        name: "ticks, data lost",
        horizon: 12,
        budget: Budget::new(
            faults,
            &[(Fault::Lose, 1), (Fault::Crash, 1), (Fault::Delay, 1)],
        ),
        ..at_least_once(0)
    }
}

fn ticks_failover(faults: u8) -> tick::Scope {
    tick::Scope {
        name: "ticks, failover",
        budget: Budget::new(faults, &[(Fault::FailOver, 1), (Fault::Crash, 1)]),
        ..ticks_lost(0)
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let faults = match extent {
        Extent::Quick => 1,
        Extent::Whole => 2,
    };
    let mut scopes: Vec<Box<dyn Subject>> = vec![
        Box::new(leases_lost(faults)),
        Box::new(leases_failover(faults)),
        Box::new(ticks_lost(faults)),
        Box::new(ticks_failover(1)),
    ];
    if extent == Extent::Whole {
        scopes.push(Box::new(more_leases_lost()));
    }
    let leases = [
        (Rule::FenceFollowsTheClock, leases_lost(1), lease::FENCE),
        (Rule::FenceFollowsTheClock, leases_lost(1), lease::STALE),
        (Rule::RenewChecksOwner, leases_lost(1), lease::EXCLUSION),
        (
            Rule::FailoverOutlastsTheClocks,
            leases_failover(1),
            lease::STALE,
        ),
    ];
    let ticks = [
        (Rule::FenceFollowsTheClock, ticks_lost(1), tick::FENCE),
        (
            Rule::KnownWatermarkIsRegistered,
            ticks_lost(1),
            tick::ACCOUNTED,
        ),
        (
            Rule::FailoverOutlastsTheClocks,
            ticks_failover(1),
            tick::FENCE,
        ),
    ];
    Entry {
        name: "loss of data and failover",
        scopes,
        mutations: mutations(&leases).chain(mutations(&ticks)).collect(),
    }
}
