//! Tries every sequence of 6 renewals of a lease, and longer random ones.
//!
//! In the model, the store keeps the key until `expires`, by a clock that runs 1 % faster than that
//! of this process. A renewal is carried out as soon as it was sent, or never; its answer arrives
//! or is lost. The process may be stopped before it reads an answer.

use proptest::prelude::*;

use super::*;
use crate::timing::{Timing, Ttl};

const NEVER: Duration = Duration::MAX;

fn timing(ttl_ms: u64) -> Timing {
    let ttl = Ttl::new(Duration::from_millis(ttl_ms)).expect("a valid ttl");
    Timing::new(ttl, Duration::from_secs(1)).expect("valid timing")
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What happens to one renewal.
#[derive(Clone, Copy, Debug)]
enum RenewalCase {
    /// The store carries it out, and the answer arrives.
    Answered,
    /// The store carries it out, but the answer is lost.
    ReplyLost,
    /// The request is lost before the store carries it out.
    RequestLost,
    /// The store answers that the key is gone or has another holder.
    Refused,
    /// The process is stopped for this percentage of the ttl before it reads the answer.
    Stopped(u64),
}

/// A lease, and when its key expires in the store.
struct Simulation {
    machine: Machine,
    ttl: Duration,
    now: Duration,
    /// When the key expires at the earliest.
    expires: Duration,
    told: Option<Duration>,
}

impl Simulation {
    fn new(ttl_ms: u64, latency: Duration) -> Self {
        let timing = timing(ttl_ms);
        let ttl = timing.ttl.get();
        let sent = ms(1_000_000);
        let mut simulation = Self {
            machine: Machine::new(timing, sent, NEVER),
            ttl,
            now: sent + latency,
            expires: Duration::ZERO,
            told: None,
        };
        // The worst case: the acquire is carried out as soon as it was sent.
        simulation.carry_out(sent);
        simulation.check();
        simulation
    }

    /// Carries out a command at `at`. The store's clock runs 1 % fast.
    fn carry_out(&mut self, at: Duration) {
        self.expires = at + self.ttl * 100 / 101;
    }

    fn check(&self) {
        if self.machine.is_sure(self.now) {
            assert!(
                self.now < self.expires,
                "the lease counts as held at {:?}, but the key may have expired at {:?}",
                self.now,
                self.expires
            );
        }
    }

    /// Runs the machine until it has sent a renewal and got its answer, or is lost.
    fn renewal(&mut self, case: RenewalCase) {
        loop {
            self.check();
            match self.machine.poll(self.now) {
                Action::Wait { until } => {
                    assert!(until > self.now, "the wait ends in the past");
                    self.now = until;
                }
                Action::Renew { within } => {
                    self.meet(case, within);
                    self.check();
                    return;
                }
                Action::Lost(_) => {
                    self.told.get_or_insert(self.now);
                    return;
                }
                Action::Ended => return,
            }
        }
    }

    fn meet(&mut self, case: RenewalCase, within: Duration) {
        let sent = self.now;
        let (answer, took) = match case {
            RenewalCase::Answered => {
                self.carry_out(sent);
                (Answer::Renewed, within / 2)
            }
            RenewalCase::ReplyLost => {
                self.carry_out(sent);
                (Answer::None, within)
            }
            RenewalCase::RequestLost => (Answer::None, within),
            RenewalCase::Refused => {
                self.expires = sent;
                (Answer::NotOwner, within / 2)
            }
            RenewalCase::Stopped(percent) => {
                self.carry_out(sent);
                (
                    Answer::Renewed,
                    self.ttl * u32::try_from(percent).unwrap_or(0) / 100,
                )
            }
        };
        self.now += took;
        self.machine.answered(self.now, answer);
    }
}

#[test]
fn sure_implies_that_the_key_is_there_in_every_interleaving() {
    let cases = [
        RenewalCase::Answered,
        RenewalCase::ReplyLost,
        RenewalCase::RequestLost,
        RenewalCase::Refused,
        RenewalCase::Stopped(60),
        RenewalCase::Stopped(200),
    ];
    let depth = 6;
    let total = cases.len().pow(depth);
    for ttl in [500, 1_000, 30_000] {
        for mut path in 0..total {
            let mut simulation = Simulation::new(ttl, ms(1));
            for _ in 0..depth {
                simulation.renewal(cases[path % cases.len()]);
                path /= cases.len();
            }
        }
    }
}

#[test]
fn a_holder_is_told_before_its_key_expires_when_no_renewal_arrives() {
    for ttl in [500, 1_000, 5_000, 30_000, 600_000] {
        let mut simulation = Simulation::new(ttl, ms(1));
        let expires = simulation.expires;
        while simulation.told.is_none() {
            simulation.renewal(RenewalCase::RequestLost);
        }
        let told = simulation.told.expect("the loop has ended");
        assert!(
            told < expires,
            "ttl {ttl}: told at {told:?}, but the key expires at {expires:?}"
        );
        assert!(
            expires - told >= ms(ttl) * 8 / 100,
            "ttl {ttl}: too little time to stop"
        );
    }
}

#[test]
fn one_lost_answer_does_not_lose_the_lease() {
    for ttl in [500, 1_000, 30_000] {
        let mut simulation = Simulation::new(ttl, ms(1));
        for _ in 0..50 {
            simulation.renewal(RenewalCase::ReplyLost);
            simulation.renewal(RenewalCase::Answered);
            assert_eq!(simulation.told, None, "ttl {ttl}");
        }
    }
}

#[test]
fn a_lost_answer_does_not_move_the_deadline() {
    let mut simulation = Simulation::new(30_000, ms(1));
    let before = simulation.machine.deadline();
    simulation.renewal(RenewalCase::ReplyLost);
    assert_eq!(simulation.machine.deadline(), before);
    assert!(matches!(simulation.machine.state, State::Unsure { .. }));
    simulation.renewal(RenewalCase::Answered);
    assert!(simulation.machine.deadline() > before);
}

#[test]
fn not_owner_is_lost_at_once_and_for_good() {
    let mut simulation = Simulation::new(30_000, ms(1));
    simulation.renewal(RenewalCase::Refused);
    assert_eq!(
        simulation.machine.poll(simulation.now),
        Action::Lost(LostReason::NotOwner)
    );
    simulation.machine.answered(simulation.now, Answer::Renewed);
    assert!(!simulation.machine.is_sure(simulation.now));
}

#[test]
fn an_answer_that_comes_after_the_deadline_does_not_bring_the_lease_back() {
    let mut simulation = Simulation::new(1_000, ms(1));
    simulation.renewal(RenewalCase::Stopped(100));
    assert_eq!(
        simulation.machine.poll(simulation.now),
        Action::Lost(LostReason::Expired)
    );
}

#[test]
fn a_lease_is_not_renewed_beyond_its_maximum() {
    let timing = timing(1_000);
    let mut machine = Machine::new(timing, ms(0), ms(2_000));
    let (mut now, mut renewals) = (ms(0), 0);
    let reason = loop {
        match machine.poll(now) {
            Action::Wait { until } => {
                assert!(until > now, "the wait ends in the past");
                now = until;
            }
            Action::Renew { .. } => {
                assert!(now < ms(2_000), "renewed at {now:?}");
                renewals += 1;
                machine.answered(now, Answer::Renewed);
            }
            Action::Lost(reason) => break reason,
            Action::Ended => unreachable!("the lease was not released"),
        }
    };
    assert_eq!(reason, LostReason::MaxHold);
    assert_eq!(renewals, 6);
    assert!(now < ms(3_000), "lost at {now:?}");
}

#[test]
fn a_released_lease_does_nothing_any_more() {
    let mut machine = Machine::new(timing(1_000), ms(0), NEVER);
    assert!(matches!(machine.poll(ms(400)), Action::Renew { .. }));
    machine.release();
    machine.answered(ms(401), Answer::Renewed);
    assert_eq!(machine.poll(ms(5_000)), Action::Ended);
    assert!(!machine.is_sure(ms(402)));
}

fn case() -> impl Strategy<Value = RenewalCase> {
    prop_oneof![
        4 => Just(RenewalCase::Answered),
        2 => Just(RenewalCase::ReplyLost),
        2 => Just(RenewalCase::RequestLost),
        1 => Just(RenewalCase::Refused),
        2 => (0u64..300).prop_map(RenewalCase::Stopped),
    ]
}

proptest! {
    #[test]
    fn sure_implies_that_the_key_is_there(
        ttl in 500u64..3_600_000,
        latency in 0u64..400,
        cases in prop::collection::vec(case(), 1..60),
    ) {
        let mut simulation = Simulation::new(ttl, ms(latency));
        for case in cases {
            simulation.renewal(case);
        }
    }
}
