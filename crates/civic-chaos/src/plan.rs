//! The plan of a run: which faults come when. It is made from the seed alone, before anything runs.
//!
//! Faults of the server, of replicas and of links come side by side. Each kind is drawn from its
//! own shuffled bag, which is refilled when it is empty, so that even a short run sees all of them.
//! From time to time there is a pause with one fault only: a holder of each store is killed or
//! stopped in the middle of its work, so that nothing hinders the replica that takes over.

use crate::fault::{Class, Fault};
use crate::history::{Backend, Kind};
use crate::random::Random;
use crate::topology::Topology;

/// The time before the first fault: all replicas have started, and have seen a tick or two.
pub(crate) const WARM_UP_MS: u64 = 5000;
/// The time after the last fault: longer than the replicas need to catch up.
pub(crate) const SETTLE_MS: u64 = 12_000;
/// The time from the beginning of one pause to that of the next.
const PERIOD_MS: u64 = 24_000;
const FIRST_PAUSE_MS: u64 = 19_000;
/// Every third pause is longer, and has no fault at all.
const PAUSE_MS: u64 = 9_000;
const CALM_MS: u64 = 15_000;
/// How long after the beginning of its pause a kill comes, so that earlier faults are over.
const KILL_AFTER_MS: u64 = 2_500;

/// How long a clock that was wrong is right: replicas look at it as often as they poll.
const RIGHT_MS: u64 = 11_000;
/// How long the first step of a clock lasts, which is forward: longer than the grace of the job, so
/// that every tick is late by the right clock too when it is over.
const LONG_STEP_MS: u64 = 35_000;

/// A fault that is going to be injected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    /// When it begins, since the start.
    pub(crate) at_ms: u64,
    pub(crate) fault: Fault,
    /// How long it lasts, or for a replica that ends, how long until the next one is started.
    pub(crate) lasts_ms: u64,
    /// The group that it hits. A fault of the server ignores it.
    pub(crate) group: usize,
    /// The replica of the group that it hits, if not the holder.
    pub(crate) replica: usize,
    /// Whether to wait until a replica of the group holds the lock, and to hit that one.
    pub(crate) holder: bool,
    /// By how much the clock of a replica that is started again is wrong.
    pub(crate) skew_ms: i64,
    /// Chooses among variants of the fault, such as the length of a delay.
    pub(crate) variant: u64,
}

/// The possible targets of faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) backend: Backend,
    pub(crate) kind: Kind,
    pub(crate) replicas: usize,
    pub(crate) ttl_ms: u64,
    /// Whether a tick is given up after a few crashes, so that a crash loop ends.
    pub(crate) gives_up: bool,
    /// Whether its replicas go from one version of the programs to the other and back.
    pub(crate) is_upgraded: bool,
}

pub(crate) fn plan(seed: u64, length_ms: u64, topology: Topology, groups: &[Shape]) -> Vec<Step> {
    let mut random = Random::new(seed);
    let end_ms = length_ms.saturating_sub(SETTLE_MS);
    let pauses = pauses(end_ms);
    let mut steps = Vec::new();
    for (nth, pause) in pauses.iter().enumerate() {
        if !pause.is_calm {
            kill_holders(&mut random, pause, nth, groups, &mut steps);
        }
    }
    let redis = groups.iter().any(|group| group.backend.is_main());
    let classes: &[&[Class]] = if redis {
        &[
            &[Class::Server, Class::Key],
            &[Class::Replica],
            &[Class::Link],
            &[Class::Work],
            &[Class::Deployment],
            &[Class::Version],
        ]
    } else {
        &[&[Class::Replica], &[Class::Work], &[Class::Deployment]]
    };
    for classes in classes {
        let faults = faults(classes, topology, groups);
        lane(&mut random, &faults, &pauses, end_ms, groups, &mut steps);
    }
    // A server of its own: the pauses of the others are not disturbed.
    let faults = faults(&[Class::Clock], topology, groups);
    let first = steps.len();
    lane(&mut random, &faults, &[], end_ms, groups, &mut steps);
    lengthen(&mut steps, first, end_ms);
    steps.retain(|step| step.at_ms + step.lasts_ms <= end_ms);
    steps.sort_by_key(|step| step.at_ms);
    steps
}

// ===== impl Shape =====

impl Shape {
    /// Returns whether the group is there for faults of every kind.
    fn is_ordinary(&self) -> bool {
        !matches!(self.kind, Kind::Crowd | Kind::Deployed)
    }

    fn has_ticks(&self) -> bool {
        !matches!(self.kind, Kind::Candidate | Kind::Crowd | Kind::Hammer)
    }

    /// Returns whether faults of this class are meant for the group.
    fn can_have(&self, class: Class) -> bool {
        match class {
            Class::Replica => self.backend != Backend::Stepped && self.is_ordinary(),
            Class::Link | Class::Key => self.backend.is_main() && self.is_ordinary(),
            Class::Deployment => self.kind == Kind::Deployed,
            Class::Version => self.is_upgraded,
            Class::Server => self.backend.is_main(),
            Class::Work => self.gives_up,
            Class::Clock => self.backend == Backend::Stepped,
        }
    }
}

/// A time without faults, or with one kill only.
#[derive(Clone, Copy, Debug)]
struct Pause {
    from_ms: u64,
    to_ms: u64,
    is_calm: bool,
}

fn pauses(end_ms: u64) -> Vec<Pause> {
    let mut pauses = Vec::new();
    let mut from_ms = FIRST_PAUSE_MS;
    while from_ms < end_ms {
        let is_calm = pauses.len() % 3 == 2;
        let length_ms = if is_calm { CALM_MS } else { PAUSE_MS };
        let to_ms = from_ms + length_ms;
        pauses.push(Pause {
            from_ms,
            to_ms,
            is_calm,
        });
        from_ms += PERIOD_MS + length_ms - PAUSE_MS;
    }
    pauses
}

/// Hits one holder of each store: alternately it is killed and told to stop.
fn kill_holders(
    random: &mut Random,
    pause: &Pause,
    nth: usize,
    groups: &[Shape],
    steps: &mut Vec<Step>,
) {
    for (group, shape) in groups.iter().enumerate() {
        let is_followed = matches!(shape.kind, Kind::AtLeastOnce | Kind::Candidate);
        if !is_followed || shape.backend == Backend::Stepped {
            continue;
        }
        let kill = (nth + usize::from(shape.backend == Backend::Host)).is_multiple_of(2);
        let fault = if kill { Fault::Kill } else { Fault::Terminate };
        steps.push(Step {
            holder: true,
            ..step(random, fault, group, pause.from_ms + KILL_AFTER_MS, groups)
        });
    }
}

/// Plans faults one after the other, outside of the pauses.
fn lane(
    random: &mut Random,
    faults: &[Fault],
    pauses: &[Pause],
    end_ms: u64,
    groups: &[Shape],
    steps: &mut Vec<Step>,
) {
    // A server, a key and the work of a job can have one fault at a time.
    let one_at_a_time = !faults
        .iter()
        .any(|fault| matches!(fault.class(), Class::Replica | Class::Link));
    let mut bag = Vec::new();
    let mut at_ms = WARM_UP_MS + random.between(0, 800);
    while at_ms < end_ms {
        if bag.is_empty() {
            bag = faults.to_vec();
            random.shuffle(&mut bag);
        }
        let Some(fault) = bag.pop() else {
            return;
        };
        let group = target(random, fault, groups);
        let mut step = step(random, fault, group, at_ms, groups);
        if let Some(pause) = pauses
            .iter()
            .find(|pause| step.at_ms < pause.to_ms && pause.from_ms < step.at_ms + step.lasts_ms)
        {
            step.at_ms = pause.to_ms + random.between(0, 800);
        }
        let busy_ms = if one_at_a_time { step.lasts_ms } else { 0 };
        let right_ms = if fault.class() == Class::Clock {
            RIGHT_MS
        } else {
            0
        };
        at_ms = step.at_ms + busy_ms + right_ms + random.between(300, 1500);
        steps.push(step);
    }
}

/// Makes the first step of a clock the long one, if there is time for it, and moves the others.
fn lengthen(steps: &mut [Step], first: usize, end_ms: u64) {
    let Some(long) = steps.get_mut(first) else {
        return;
    };
    if long.at_ms + LONG_STEP_MS > end_ms {
        return;
    }
    let later_ms = LONG_STEP_MS - long.lasts_ms;
    long.fault = Fault::StepForward;
    long.lasts_ms = LONG_STEP_MS;
    for step in &mut steps[first + 1..] {
        step.at_ms += later_ms;
    }
}

fn step(random: &mut Random, fault: Fault, group: usize, at_ms: u64, groups: &[Shape]) -> Step {
    let shape = &groups[group];
    Step {
        at_ms,
        fault,
        lasts_ms: length_of(random, fault, shape.ttl_ms),
        group,
        replica: random.index(shape.replicas),
        holder: shape.kind != Kind::Hammer && !random.one_in(4),
        skew_ms: skew(random),
        variant: random.next(),
    }
}

/// Returns by how much a clock is wrong: at most 2 s in either direction.
pub(crate) fn skew(random: &mut Random) -> i64 {
    random.between(0, 4000) as i64 - 2000
}

/// Returns the faults of these classes that can come in this run.
fn faults(classes: &[Class], topology: Topology, groups: &[Shape]) -> Vec<Fault> {
    Fault::ALL
        .into_iter()
        .filter(|fault| classes.contains(&fault.class()) && fault.is_possible(topology))
        .filter(|fault| groups.iter().any(|shape| shape.can_have(fault.class())))
        .collect()
}

fn target(random: &mut Random, fault: Fault, groups: &[Shape]) -> usize {
    let possible: Vec<_> = (0..groups.len())
        .filter(|&group| groups[group].can_have(fault.class()))
        .filter(|&group| fault != Fault::ForgetTicks || groups[group].has_ticks())
        .filter(|&group| fault != Fault::Evict || groups[group].is_ordinary())
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
        Fault::FlushScripts | Fault::CutClients | Fault::ForgetFence | Fault::ForgetTicks => 0,
        Fault::PauseClients => random.between(300, 3000),
        Fault::OutOfMemory | Fault::ReadOnly => random.between(500, 3000),
        // As long as a replica that is started meanwhile needs to say so.
        Fault::Evict => random.between(4500, 6000),
        Fault::Delay
        | Fault::BlackHole
        | Fault::Reset
        | Fault::HalfOpen
        | Fault::DropReply
        | Fault::SkipReply => random.between(500, 3500),
        Fault::Foreign => random.between(500, 2500),
        // At most: it is over when the tick was given up.
        Fault::CrashLoop => 12_000,
        // How long the old primary stays away after the failover.
        Fault::Failover | Fault::FailoverFrozen => random.between(100, 1500),
        // How long each key of the slot may be at either node.
        Fault::Reshard => random.between(0, 300),
        Fault::Deploy | Fault::Upgrade => 4000,
        Fault::TwoSchedules => random.between(9000, 12_000),
        Fault::StepForward | Fault::StepBack => random.between(12_000, 24_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [Shape; 6] = [
        Shape {
            backend: Backend::Redis,
            kind: Kind::AtLeastOnce,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: false,
            is_upgraded: true,
        },
        Shape {
            backend: Backend::Redis,
            kind: Kind::Hammer,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: false,
            is_upgraded: false,
        },
        Shape {
            backend: Backend::Redis,
            kind: Kind::Deployed,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: false,
            is_upgraded: false,
        },
        Shape {
            backend: Backend::Stepped,
            kind: Kind::AtLeastOnce,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: false,
            is_upgraded: false,
        },
        Shape {
            backend: Backend::Host,
            kind: Kind::AtLeastOnce,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: false,
            is_upgraded: false,
        },
        Shape {
            backend: Backend::Host,
            kind: Kind::AtLeastOnce,
            replicas: 3,
            ttl_ms: 2000,
            gives_up: true,
            is_upgraded: false,
        },
    ];
    /// The groups whose holders are killed in a pause.
    const KILLED: usize = 3;

    #[test]
    fn the_same_seed_plans_the_same_faults() {
        let first = plan(7, 600_000, Topology::Single, &GROUPS);
        assert_eq!(first, plan(7, 600_000, Topology::Single, &GROUPS));
        assert_ne!(first, plan(8, 600_000, Topology::Single, &GROUPS));
    }

    #[test]
    fn ten_minutes_see_every_fault_often() {
        let steps = plan(1, 600_000, Topology::Single, &GROUPS);
        for fault in Fault::ALL {
            if !fault.is_possible(Topology::Single) {
                continue;
            }
            let times = steps.iter().filter(|step| step.fault == fault).count();
            assert!(times >= 8, "{fault:?} {times}");
        }
    }

    #[test]
    fn each_arrangement_of_servers_has_the_faults_that_are_its_own() {
        for (topology, backend) in Topology::ALL.map(|topology| (topology, Backend::of(topology))) {
            let groups = GROUPS.map(|shape| Shape {
                backend: if shape.backend == Backend::Redis {
                    backend
                } else {
                    shape.backend
                },
                ..shape
            });
            let planned: Vec<_> = plan(1, 600_000, topology, &groups)
                .iter()
                .map(|step| step.fault)
                .collect();
            for fault in Fault::ALL {
                assert_eq!(
                    planned.contains(&fault),
                    fault.is_possible(topology),
                    "{topology:?} {fault:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_planned_for_the_warm_up_nor_for_the_end() {
        for seed in 0..50 {
            for step in plan(seed, 60_000, Topology::Single, &GROUPS) {
                assert!(step.at_ms >= WARM_UP_MS);
                assert!(step.at_ms + step.lasts_ms + SETTLE_MS <= 60_000);
                assert!(step.skew_ms.abs() <= 2000);
            }
        }
    }

    #[test]
    fn the_server_has_one_fault_at_a_time() {
        for seed in 0..50 {
            let steps = plan(seed, 120_000, Topology::Single, &GROUPS);
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
    fn in_a_pause_there_is_nothing_but_the_kills() {
        for seed in 0..50 {
            let steps = plan(seed, 120_000, Topology::Single, &GROUPS);
            for pause in pauses(120_000 - SETTLE_MS) {
                let inside: Vec<_> = steps
                    .iter()
                    .filter(|step| {
                        step.at_ms < pause.to_ms && pause.from_ms < step.at_ms + step.lasts_ms
                    })
                    .filter(|step| step.fault.class() != Class::Clock)
                    .collect();
                let kills = if pause.is_calm { 0 } else { KILLED };
                assert!(inside.len() <= kills, "{inside:?}");
                assert!(inside.iter().all(|step| step.holder));
            }
        }
    }

    #[test]
    fn three_quarters_of_a_minute_are_enough_for_a_kill_that_can_be_measured() {
        for seed in 0..50 {
            let steps = plan(seed, 45_000, Topology::Single, &GROUPS);
            let alone = FIRST_PAUSE_MS + KILL_AFTER_MS;
            let kills = steps.iter().filter(|step| step.at_ms == alone).count();
            assert_eq!(kills, KILLED);
        }
    }

    #[test]
    fn a_clock_is_ahead_for_thirty_five_seconds_once_if_there_is_time_for_it() {
        for seed in 0..50 {
            for (length_ms, times) in [(45_000, 0), (60_000, 1), (600_000, 1)] {
                let steps = plan(seed, length_ms, Topology::Single, &GROUPS);
                let clock: Vec<_> = steps
                    .iter()
                    .filter(|step| step.fault.class() == Class::Clock)
                    .collect();
                let long = |step: &&&Step| {
                    step.fault == Fault::StepForward && step.lasts_ms == LONG_STEP_MS
                };
                assert_eq!(clock.iter().filter(long).count(), times, "{clock:#?}");
                for pair in clock.windows(2) {
                    assert!(pair[0].at_ms + pair[0].lasts_ms + RIGHT_MS <= pair[1].at_ms);
                }
            }
        }
    }

    #[test]
    fn without_redis_only_replicas_are_hit() {
        let host = &GROUPS[4..];
        let classes = [Class::Replica, Class::Work];
        assert!(
            plan(3, 120_000, Topology::Single, host)
                .iter()
                .all(|step| classes.contains(&step.fault.class()))
        );
    }
}
