//! Which faults come when: made from the seed alone, before anything runs.
//!
//! The faults come from a shuffled bag that holds each kind once and is refilled when it is empty,
//! so that a short run sees all of them too. Some kills have the stage to themselves: only then
//! can the time of the takeover be measured. A long run has calm stretches.

use std::collections::VecDeque;

use crate::fault::{Class, Fault};
use crate::history::Backend;
use crate::random::Random;

/// Before the first fault: everybody has started, and has seen a tick or two.
pub(crate) const WARM_UP_MS: u64 = 5000;
/// After the last fault: longer than what is left over takes to be caught up with.
pub(crate) const SETTLE_MS: u64 = 12_000;
/// How long a kill that is to be measured is alone, before and after.
const ALONE_BEFORE_MS: u64 = 1500;
const ALONE_AFTER_MS: u64 = 6500;

/// One fault that is going to be injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Since the start.
    pub(crate) at_ms: u64,
    pub(crate) fault: Fault,
    /// How long it lasts; for a replica that ends, how long until the next one is started.
    pub(crate) lasts_ms: u64,
    /// The group that it hits; no matter for the server.
    pub(crate) group: usize,
    /// The replica of the group that it hits, if not the holder.
    pub(crate) replica: usize,
    /// Wait for somebody of the group to hold the lock, and hit that one.
    pub(crate) holder: bool,
    /// By how much the clock of a replica that is started again is wrong.
    pub(crate) skew_ms: i64,
    /// Chooses among variants of the fault, such as the length of a delay.
    pub(crate) variant: u64,
}

/// What there is to hit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) backend: Backend,
    pub(crate) replicas: usize,
    /// Whether it reports when it holds the lock.
    pub(crate) reports: bool,
    pub(crate) ttl_ms: u64,
}

pub(crate) fn plan(seed: u64, length_ms: u64, groups: &[Shape]) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut bag = VecDeque::new();
    let mut steps = Vec::new();
    let mut at_ms = WARM_UP_MS;
    let mut calm_at_ms = 35_000;
    // A server can have one fault at a time.
    let mut server_free_ms = 0;
    loop {
        if bag.is_empty() {
            bag = refill(&mut random, groups);
        }
        let Some(fault) = bag.pop_front() else {
            return steps;
        };
        let alone = matches!(fault, Fault::Kill | Fault::Terminate) && random.one_in(2);
        if alone {
            let busy_until = steps
                .iter()
                .map(|step: &Step| step.at_ms + step.lasts_ms)
                .max()
                .unwrap_or(at_ms);
            at_ms = at_ms.max(busy_until + ALONE_BEFORE_MS);
        }
        if fault.class() == Class::Server {
            at_ms = at_ms.max(server_free_ms);
        }
        let group = target(&mut random, fault, groups);
        let step = Step {
            at_ms,
            fault,
            lasts_ms: length_of(&mut random, fault, groups[group].ttl_ms),
            group,
            replica: random.index(groups[group].replicas),
            holder: groups[group].reports && !random.one_in(4),
            skew_ms: skew(&mut random),
            variant: random.next(),
        };
        if at_ms + step.lasts_ms + SETTLE_MS > length_ms {
            return steps;
        }
        if fault.class() == Class::Server {
            server_free_ms = at_ms + step.lasts_ms + random.between(300, 1200);
        }
        at_ms += if alone {
            ALONE_AFTER_MS
        } else {
            random.between(200, 1300)
        };
        steps.push(step);
        if at_ms > calm_at_ms {
            at_ms += 9000;
            calm_at_ms = at_ms + 30_000;
        }
    }
}

/// By how much a clock is wrong: at most 2 s in either direction.
pub(crate) fn skew(random: &mut Random) -> i64 {
    random.between(0, 4000) as i64 - 2000
}

fn refill(random: &mut Random, groups: &[Shape]) -> VecDeque<Fault> {
    let redis = groups.iter().any(|group| group.backend == Backend::Redis);
    let mut bag: Vec<_> = Fault::ALL
        .into_iter()
        .filter(|fault| redis || fault.class() == Class::Replica)
        // Death is what a lock is for: twice as often as anything else.
        .flat_map(|fault| {
            let times = if fault == Fault::Kill { 2 } else { 1 };
            std::iter::repeat_n(fault, times)
        })
        .collect();
    random.shuffle(&mut bag);
    bag.into()
}

fn target(random: &mut Random, fault: Fault, groups: &[Shape]) -> usize {
    let possible: Vec<_> = (0..groups.len())
        .filter(|&group| fault.class() == Class::Replica || groups[group].backend == Backend::Redis)
        .collect();
    possible[random.index(possible.len())]
}

fn length_of(random: &mut Random, fault: Fault, ttl_ms: u64) -> u64 {
    match fault {
        Fault::Kill | Fault::Terminate => random.between(200, 1500),
        Fault::PauseShort => random.between(200, ttl_ms / 2),
        Fault::PauseLong => random.between(ttl_ms + 500, 2 * ttl_ms + 500),
        Fault::FreezeShort => random.between(200, 800),
        Fault::FreezeLong => random.between(1500, 4000),
        Fault::CrashKeep | Fault::CrashEmpty => random.between(100, 1500),
        // Nothing to take back.
        Fault::FlushScripts | Fault::CutClients => 0,
        Fault::PauseClients => random.between(300, 3000),
        Fault::OutOfMemory | Fault::ReadOnly => random.between(500, 3000),
        Fault::Delay
        | Fault::BlackHole
        | Fault::Reset
        | Fault::HalfOpen
        | Fault::DropReply
        | Fault::SkipReply => random.between(500, 3500),
        Fault::Foreign => random.between(500, 2500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [Shape; 2] = [
        Shape {
            backend: Backend::Redis,
            replicas: 3,
            reports: true,
            ttl_ms: 2000,
        },
        Shape {
            backend: Backend::Host,
            replicas: 3,
            reports: true,
            ttl_ms: 2000,
        },
    ];

    #[test]
    fn the_same_seed_plans_the_same_faults() {
        let first = plan(7, 600_000, &GROUPS);
        assert_eq!(first, plan(7, 600_000, &GROUPS));
        assert_ne!(first, plan(8, 600_000, &GROUPS));
    }

    #[test]
    fn ten_minutes_see_every_fault_several_times() {
        let steps = plan(1, 600_000, &GROUPS);
        for fault in Fault::ALL {
            let times = steps.iter().filter(|step| step.fault == fault).count();
            assert!(times >= 5, "{fault:?} {times}");
        }
    }

    #[test]
    fn nothing_is_planned_for_the_warm_up_nor_for_the_end() {
        for seed in 0..50 {
            for step in plan(seed, 60_000, &GROUPS) {
                assert!(step.at_ms >= WARM_UP_MS);
                assert!(step.at_ms + step.lasts_ms + SETTLE_MS <= 60_000);
                assert!(step.skew_ms.abs() <= 2000);
            }
        }
    }

    #[test]
    fn the_server_has_one_fault_at_a_time() {
        for seed in 0..50 {
            let steps = plan(seed, 120_000, &GROUPS);
            let server: Vec<_> = steps
                .iter()
                .filter(|step| step.fault.class() == Class::Server)
                .collect();
            for pair in server.windows(2) {
                assert!(pair[0].at_ms + pair[0].lasts_ms <= pair[1].at_ms);
            }
        }
    }

    #[test]
    fn without_redis_only_replicas_are_hit() {
        let host = &GROUPS[1..];
        assert!(
            plan(3, 120_000, host)
                .iter()
                .all(|step| step.fault.class() == Class::Replica)
        );
    }
}
