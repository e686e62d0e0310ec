//! Redis' scripts and the pure step of the host store decide alike, on random histories.
//!
//! Each command is run by a real server first. Its reply says what the server's clock showed, and
//! the step is given the same moment. Nothing expires meanwhile: that the key and its minimum hold
//! end is in the other cases.

use std::fmt;
use std::time::Duration;

use crate::delivery::Delivery;
use crate::name::LockName;
use crate::store::command::{
    Abandon, Acquire, AdmitFence, Claim, ClaimDue, ClaimRequest, ClaimTerms, ClockTerms, Complete,
    CompleteDue, HandOver, Miss, Peek, Record, Register, Release, Renew, Sight, Unclaim,
};
use crate::store::conformance::support::{holder, ttl};
use crate::store::history::RunRecord;
use crate::store::holder::Holder;
use crate::store::host::{Moment, Process, State, Transition, step};
use crate::store::once::{
    Detail, OnceBegin, OnceComplete, OnceForget, OncePeek, OnceResolve, OnceTerms, OnceUnbegin,
    Resolution,
};
use crate::store::operator::{Break, History, Pause, Reset, Resume, RunNow};
use crate::store::payload::Payload;
use crate::store::peer::{PeerPolicy, PeerTerms};
use crate::store::redis::{RedisStore, Scripted};
use crate::store::sighting::Fingerprint;

const HISTORIES: u64 = 150;
const COMMANDS: usize = 60;
const SILENCE: Duration = Duration::from_millis(2);

/// Numbers that look random, from a seed: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn one<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// One lock in both stores.
struct Both<'a> {
    redis: &'a RedisStore,
    name: LockName,
    state: State,
    process: Process,
    history: Vec<String>,
    /// The server's clock at the last command, in milliseconds since the epoch.
    now: u64,
}

impl<'a> Both<'a> {
    fn new(redis: &'a RedisStore, name: LockName, seed: u64) -> Self {
        Self {
            redis,
            state: State::named(&name),
            name,
            process: Process {
                boot: "boot".to_owned(),
                liveness_file: "file".to_owned(),
            },
            history: vec![format!("history {seed}")],
            now: 0,
        }
    }

    async fn run<C>(&mut self, command: C)
    where
        C: Clone + fmt::Debug + Scripted + Transition,
        C::Answer: fmt::Debug,
    {
        self.history.push(format!("{command:?}"));
        let (answer, server_us) = self
            .redis
            .run_timed(Duration::from_secs(10), &self.name, command.clone())
            .await
            .expect("the server answers");
        self.now = server_us / 1000;
        let moment = Moment::at(self.now, server_us);
        let (next, expected) = step(&self.state, moment, &self.process, command);
        assert_eq!(
            comparable(&answer),
            comparable(&expected),
            "the scripts, then the step, after\n{}\non {:?}",
            self.history.join("\n"),
            self.state
        );
        self.state = next;
    }
}

/// The text of an answer, without what is left of a ttl: it is counted from two clocks.
fn comparable(answer: &dyn fmt::Debug) -> String {
    let text = format!("{answer:?}");
    let mut out = String::new();
    let mut rest = text.as_str();
    loop {
        let found = ["ttl: Some(", "expires: Some("]
            .iter()
            .filter_map(|mark| rest.find(mark).map(|at| at + mark.len()))
            .min();
        let Some(at) = found else { break };
        out.push_str(&rest[..at]);
        rest = &rest[at..][rest[at..].find(')').unwrap_or(0)..];
    }
    out + rest
}

fn run_record(random: &mut Random, now: u64) -> Option<RunRecord> {
    (random.below(2) == 0).then(|| RunRecord {
        tick: now,
        until: None,
        count: None,
        attempt: 1,
        fence: 7,
        by: "a \"quoted\" name".to_owned(),
        started: now,
        ended: now + 5,
        outcome: "ran".to_owned(),
    })
}

/// Runs one random command. Ticks are mostly about now, so that they are due.
async fn random_command(both: &mut Both<'_>, random: &mut Random) {
    let now = both.now;
    let own = |n: usize| holder(&format!("web:7:0123456789abcdef0123456789abcdef:{n}"));
    let who = own(random.below(3));
    let orphans: Vec<Holder> = match random.below(4) {
        0 => vec![own(random.below(3)), own(random.below(3))],
        _ => Vec::new(),
    };
    let tick = now - random.one(&[9_000, 3_000, 2_000, 1_000, 10, 0]) + random.below(3) as u64;
    let hold = random.one(&[None, None, Some(Duration::from_secs(600))]);
    let schedule = Fingerprint::new(random.one(&["0 2 * * * UTC", "b", "c", "d", "e", "f"]));
    let generation = random.one(&[None, Some(both.state.generation()), Some(0)]);
    let run = run_record(random, now);
    match random.below(36) {
        0 => {
            let holder = random.one(&[
                who,
                holder(&format!("4711:{tick}")),
                holder(&format!("12:{now}")),
                holder("someone else"),
            ]);
            let ttl = ttl(600_000);
            both.run(Acquire {
                holder,
                ttl,
                orphans,
            })
            .await;
        }
        1 => {
            both.run(Renew {
                holder: who,
                ttl: ttl(600_000),
            })
            .await;
        }
        2 => {
            let holder = both.state.holder().map_or(who, |held| holder(&held));
            both.run(Release { holder, hold }).await;
        }
        3..14 => {
            let peers = PeerTerms {
                policy: random.one(&[PeerPolicy::Count, PeerPolicy::CountReleased]),
                from: tick - random.one(&[0, 5_000]),
                before: tick + random.one(&[1, 20_000]),
                any_form: random.below(2) == 0,
            };
            let clock = ClockTerms {
                local: now - random.one(&[0, 120_000]),
                most: 60_000,
            };
            let terms = ClaimTerms {
                clock: random.one(&[None, None, Some(clock)]),
                generation,
                schedule: random.one(&[None, Some(schedule)]),
                attempts: random.one(&[None, Some(2)]),
                peers: random.one(&[None, Some(peers)]),
            };
            let request = ClaimRequest {
                tick: tick + random.one(&[0, 0, 0, 60_000]),
                grace: random.one(&[Duration::from_secs(3600), Duration::from_secs(2)]),
                delivery: random.one(&[Delivery::AtLeastOnce, Delivery::AtMostOnce]),
                max_skew: Duration::from_secs(5),
                retain: Duration::ZERO,
            };
            both.run(Claim {
                holder: who,
                ttl: ttl(600_000),
                request,
                terms: if random.below(2) == 0 {
                    ClaimTerms::default()
                } else {
                    terms
                },
                orphans,
            })
            .await;
        }
        14..18 => {
            let tick = both.state.claimed().unwrap_or(tick);
            both.run(Complete {
                holder: who,
                tick,
                hold,
                generation,
                run,
            })
            .await;
        }
        18 => both.run(Abandon { holder: who }).await,
        19 => both.run(HandOver { holder: who }).await,
        20 | 21 => both.run(Unclaim { holder: who }).await,
        22 | 23 => {
            let from = both.state.done().unwrap_or(tick);
            let by = random.one(&[who, holder("a"), holder("b")]);
            let to = both.state.claimed().unwrap_or(from) + random.one(&[0, 1, 500]);
            both.run(Miss { by, from, to, run }).await;
        }
        24 => {
            let schedule = random.one(&[None, Some(schedule)]);
            let retain = Duration::ZERO;
            let first = random.one(&[0, tick, tick + 500]);
            both.run(Register {
                done: tick,
                retain,
                schedule,
                first,
            })
            .await;
        }
        25 => {
            let (silence, retain) = (SILENCE, Duration::ZERO);
            both.run(Sight {
                schedule,
                silence,
                retain,
            })
            .await;
        }
        26 => {
            both.run(RunNow {
                tick: random.one(&[None, Some(tick)]),
            })
            .await;
        }
        27 => {
            both.run(ClaimDue {
                holder: who,
                ttl: ttl(600_000),
                retain: Duration::ZERO,
                attempts: random.one(&[None, Some(2)]),
                orphans,
            })
            .await;
        }
        28 => {
            both.run(CompleteDue {
                holder: who,
                hold,
                run,
            })
            .await;
        }
        29 => match random.below(5) {
            0 => both.run(Pause).await,
            1 => both.run(Reset { done: tick }).await,
            _ => both.run(Resume).await,
        },
        30 => {
            let seen = both.state.holder();
            let holder = random
                .one(&[seen, None])
                .unwrap_or_else(|| "gone".to_owned());
            both.run(Break { holder }).await;
        }
        31 => {
            if let Some(run) = run {
                both.run(Record { run }).await;
            }
        }
        32 => {
            both.run(History {
                limit: 1 + random.below(5),
            })
            .await;
        }
        33 | 34 => {
            let ahead = Duration::from_secs(1);
            let fence = match random.below(8) {
                0 => random.one(&[0, 1, 9_000_000_000_000_000_000, u64::MAX]),
                1 => now * 1000 + random.one(&[999_000, 1_000_000, 1_500_000, 60_000_000]),
                _ => now * 1000 - random.below(2_000_000) as u64,
            };
            both.run(AdmitFence { fence, ahead }).await;
        }
        _ => both.run(Peek).await,
    }
}

/// Runs one random command about an execution. Holders come and go, and some of them lose the key.
async fn random_once_command(both: &mut Both<'_>, random: &mut Random) {
    let who = random.one(&["a", "b", "c"].map(holder));
    let seen = both.state.execution().cloned();
    let mut random_or_seen = |seen: Option<String>| {
        let seen = seen.map_or_else(|| who.clone(), |seen| holder(&seen));
        random.one(&[who.clone(), seen.clone(), seen])
    };
    let who_begun = random_or_seen(seen.as_ref().map(|seen| seen.holder.clone()));
    match random.below(16) {
        0..5 => {
            let orphans = match random.below(3) {
                0 => ["a", "b"].map(holder).to_vec(),
                _ => Vec::new(),
            };
            let terms = OnceTerms {
                delivery: random.one(&[Delivery::AtLeastOnce, Delivery::AtMostOnce]),
                fingerprint: random.one(&["", "", "", "ff"]).to_owned(),
                retain: Duration::from_secs(random.one(&[600, 601, 6_000])),
            };
            both.run(OnceBegin {
                holder: who,
                ttl: ttl(600_000),
                keep: terms.retain * 2,
                terms,
                orphans,
            })
            .await;
        }
        5 | 6 => {
            let result = Some(Payload::new(&[7; 3][..random.below(4)]));
            let result = result.filter(|_| random.one(&[true, true, false]));
            both.run(OnceComplete {
                holder: who_begun,
                result,
            })
            .await;
        }
        7 | 8 => both.run(OnceForget { holder: who_begun }).await,
        9 => both.run(OnceUnbegin { holder: who_begun }).await,
        // The holder dies: the record stays.
        10..13 => {
            let holder = both.state.holder().map_or(who, |held| holder(&held));
            both.run(Release { holder, hold: None }).await;
        }
        13 => {
            let attempt = seen.map_or(1, |seen| seen.attempt) + random.one(&[0, 0, 1]);
            let to = random.one(&[Resolution::Done, Resolution::Free]);
            both.run(OnceResolve {
                holder: who_begun.as_str().to_owned(),
                attempt,
                to,
            })
            .await;
        }
        14 => {
            let seen = both.state.holder();
            let holder = seen.unwrap_or_else(|| "gone".to_owned());
            both.run(Break { holder }).await;
        }
        _ => {
            both.run(Acquire {
                holder: random.one(&[who, holder("4711:1")]),
                ttl: ttl(600_000),
                orphans: Vec::new(),
            })
            .await;
        }
    }
    let detail = random.one(&[Detail::State, Detail::Result]);
    both.run(OncePeek { detail }).await;
}

#[cfg(test)]
mod tests;
