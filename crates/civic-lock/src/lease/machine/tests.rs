//! Every interleaving of a lease with its store, up to a depth, and random ones beyond it.
//!
//! The model: the store holds the key until `expires`, by a clock that may run 1 % faster than
//! ours. A renewal is carried out at some moment after it was sent, or never; its answer arrives,
//! or is lost. The process may be stopped at any moment.

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

/// What befalls one renewal.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Carried out and answered.
    Answered,
    /// Carried out; the answer is lost.
    ReplyLost,
    /// Lost before it was carried out.
    RequestLost,
    /// The store says no.
    Refused,
    /// The process is stopped for this part of the ttl, in percent, before it reads the answer.
    Stopped(u64),
}

/// A lease and the truth about its key.
struct World {
    machine: Machine,
    ttl: Duration,
    now: Duration,
    /// When the key expires at the earliest.
    expires: Duration,
    told: Option<Duration>,
}

impl World {
    fn new(ttl_ms: u64, latency: Duration) -> Self {
        let timing = timing(ttl_ms);
        let ttl = timing.ttl.get();
        let sent = ms(1_000_000);
        let mut world = Self {
            machine: Machine::new(timing, sent, NEVER),
            ttl,
            now: sent + latency,
            expires: Duration::ZERO,
            told: None,
        };
        // Carried out as early as can be: as soon as it was sent.
        world.carry_out(sent);
        world.check();
        world
    }

    /// The store's clock is 1 % fast.
    fn carry_out(&mut self, at: Duration) {
        self.expires = at + self.ttl * 100 / 101;
    }

    fn check(&self) {
        if self.machine.is_sure(self.now) {
            assert!(
                self.now < self.expires,
                "sure at {:?}, although the key may be gone since {:?}",
                self.now,
                self.expires
            );
        }
    }

    /// Runs the machine until it has sent a renewal and met its fate, or is lost.
    fn renewal(&mut self, fate: Fate) {
        loop {
            self.check();
            match self.machine.poll(self.now) {
                Action::Wait { until } => {
                    assert!(until > self.now, "it makes progress");
                    self.now = until;
                }
                Action::Renew { within } => {
                    self.meet(fate, within);
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

    fn meet(&mut self, fate: Fate, within: Duration) {
        let sent = self.now;
        let (answer, took) = match fate {
            Fate::Answered => {
                self.carry_out(sent);
                (Answer::Renewed, within / 2)
            }
            Fate::ReplyLost => {
                self.carry_out(sent);
                (Answer::None, within)
            }
            Fate::RequestLost => (Answer::None, within),
            Fate::Refused => {
                self.expires = sent;
                (Answer::NotOwner, within / 2)
            }
            Fate::Stopped(percent) => {
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
    let fates = [
        Fate::Answered,
        Fate::ReplyLost,
        Fate::RequestLost,
        Fate::Refused,
        Fate::Stopped(60),
        Fate::Stopped(200),
    ];
    let depth = 6;
    let total = fates.len().pow(depth);
    for ttl in [500, 1_000, 30_000] {
        for mut path in 0..total {
            let mut world = World::new(ttl, ms(1));
            for _ in 0..depth {
                world.renewal(fates[path % fates.len()]);
                path /= fates.len();
            }
        }
    }
}

#[test]
fn a_holder_is_told_before_its_key_expires_when_no_renewal_arrives() {
    for ttl in [500, 1_000, 5_000, 30_000, 600_000] {
        let mut world = World::new(ttl, ms(1));
        let expires = world.expires;
        while world.told.is_none() {
            world.renewal(Fate::RequestLost);
        }
        let told = world.told.expect("the loop has ended");
        assert!(
            told < expires,
            "ttl {ttl}: told at {told:?}, gone at {expires:?}"
        );
        assert!(
            expires - told >= ms(ttl) * 8 / 100,
            "ttl {ttl}: there is time to stop"
        );
    }
}

#[test]
fn one_lost_answer_does_not_lose_the_lease() {
    for ttl in [500, 1_000, 30_000] {
        let mut world = World::new(ttl, ms(1));
        for _ in 0..50 {
            world.renewal(Fate::ReplyLost);
            world.renewal(Fate::Answered);
            assert_eq!(world.told, None, "ttl {ttl}");
        }
    }
}

#[test]
fn a_lost_answer_does_not_move_the_deadline() {
    let mut world = World::new(30_000, ms(1));
    let before = world.machine.deadline();
    world.renewal(Fate::ReplyLost);
    assert_eq!(world.machine.deadline(), before);
    assert!(matches!(world.machine.state, State::Unsure { .. }));
    world.renewal(Fate::Answered);
    assert!(world.machine.deadline() > before);
}

#[test]
fn not_owner_is_lost_at_once_and_for_good() {
    let mut world = World::new(30_000, ms(1));
    world.renewal(Fate::Refused);
    assert_eq!(
        world.machine.poll(world.now),
        Action::Lost(LostReason::NotOwner)
    );
    world.machine.answered(world.now, Answer::Renewed);
    assert!(!world.machine.is_sure(world.now));
}

#[test]
fn an_answer_that_comes_after_the_deadline_does_not_bring_the_lease_back() {
    let mut world = World::new(1_000, ms(1));
    world.renewal(Fate::Stopped(100));
    assert_eq!(
        world.machine.poll(world.now),
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
                assert!(until > now, "it makes progress");
                now = until;
            }
            Action::Renew { .. } => {
                assert!(now < ms(2_000), "renewed at {now:?}");
                renewals += 1;
                machine.answered(now, Answer::Renewed);
            }
            Action::Lost(reason) => break reason,
            Action::Ended => unreachable!("nobody released it"),
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

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered),
        2 => Just(Fate::ReplyLost),
        2 => Just(Fate::RequestLost),
        1 => Just(Fate::Refused),
        2 => (0u64..300).prop_map(Fate::Stopped),
    ]
}

proptest! {
    #[test]
    fn sure_implies_that_the_key_is_there(
        ttl in 500u64..3_600_000,
        latency in 0u64..400,
        fates in prop::collection::vec(fate(), 1..60),
    ) {
        let mut world = World::new(ttl, ms(latency));
        for fate in fates {
            world.renewal(fate);
        }
    }
}
