//! Histories for the tests of the checker. Instants are in milliseconds.

use crate::fault::Fault;
use crate::history::{
    Acquire, Backend, Edge, ForeignStep, Group, Kind, MILLI, Phase, Record, ServerState, Signal,
    TickEvent, Version, What,
};

/// A history under construction.
#[derive(Debug)]
pub(super) struct Story {
    records: Vec<Record>,
    faults: usize,
}

/// Returns a group of hammers on Redis: ttl 2 s.
pub(super) fn hammer() -> Group {
    Group {
        group: 0,
        name: "hammer".to_owned(),
        kind: Kind::Hammer,
        backend: Backend::Redis,
        db: 0,
        lock: "it".to_owned(),
        replicas: 3,
        ttl_ms: 2000,
        job_ms: 0,
        interval_ms: 0,
        grace_ms: 0,
        max_attempts: 1000,
        command_timeout_ms: 1000,
        poll_cap_ms: 5000,
    }
}

/// Returns a group of schedulers on Redis: a tick each second, work of 300 ms, ttl 2 s, grace 20 s.
pub(super) fn ticks() -> Group {
    Group {
        name: "ticks".to_owned(),
        kind: Kind::AtLeastOnce,
        job_ms: 300,
        interval_ms: 1000,
        grace_ms: 20_000,
        ..hammer()
    }
}

/// Returns a group of candidates on Redis: ttl 2 s.
pub(super) fn candidates() -> Group {
    Group {
        name: "election".to_owned(),
        kind: Kind::Candidate,
        replicas: 5,
        ..hammer()
    }
}

/// Returns the same group, but a tick whose holder died is given up.
pub(super) fn at_most_once() -> Group {
    Group {
        kind: Kind::AtMostOnce,
        ..ticks()
    }
}

impl Story {
    pub(super) fn new(group: Group) -> Self {
        let mut story = Self {
            records: Vec::new(),
            faults: 0,
        };
        story.push(0, What::Clock { wall_offset: 0 });
        story.push(0, What::Group(group));
        story.push(0, What::server(ServerState::Watched));
        story
    }

    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = self.records.clone();
        records.sort_by_key(|record| record.at);
        records
    }

    pub(super) fn push(&mut self, at_ms: u64, what: What) -> &mut Self {
        self.records.push(Record {
            at: at_ms * MILLI,
            what,
        });
        self
    }

    pub(super) fn start(&mut self, life: u32) -> &mut Self {
        self.push(
            1,
            What::Start {
                life,
                replica: format!("replica-{life}"),
                group: 0,
                pid: life,
                skew_ms: 0,
                deployment: 0,
                interval_ms: 1000,
                version: Version::This,
            },
        )
    }

    /// Starts a replica of a deployment whose schedule has this interval, in seconds.
    pub(super) fn deployed(&mut self, at: u64, life: u32, number: u32, seconds: u64) -> &mut Self {
        self.push(
            at,
            What::Start {
                life,
                replica: format!("replica-{life}"),
                group: 0,
                pid: life,
                skew_ms: 0,
                deployment: number,
                interval_ms: 1000 * seconds,
                version: Version::This,
            },
        )
    }

    pub(super) fn signal(&mut self, at: u64, life: u32, signal: Signal) -> &mut Self {
        self.push(at, What::Signal { life, signal })
    }

    pub(super) fn exit(&mut self, at: u64, life: u32, forced: bool) -> &mut Self {
        self.push(at, What::Exit { life, forced })
    }

    pub(super) fn enter(&mut self, at: u64, life: u32, fence: u64) -> &mut Self {
        self.push(
            at,
            What::Hold {
                life,
                edge: Edge::Enter,
                fence,
            },
        )
    }

    pub(super) fn leave(&mut self, at: u64, life: u32, fence: u64) -> &mut Self {
        self.push(
            at,
            What::Hold {
                life,
                edge: Edge::Leave,
                fence,
            },
        )
    }

    pub(super) fn told(&mut self, at: u64, life: u32, fence: u64) -> &mut Self {
        self.push(at, What::Told { life, fence })
    }

    pub(super) fn written(
        &mut self,
        at: u64,
        life: u32,
        fence: u64,
        (is_leader, is_accepted): (bool, bool),
    ) -> &mut Self {
        self.push(
            at,
            What::Written {
                life,
                fence,
                is_leader,
                is_accepted,
            },
        )
    }

    pub(super) fn acquire(&mut self, at: u64, life: u32, took_ms: u64) -> &mut Self {
        self.push(
            at,
            What::Acquire {
                life,
                outcome: Acquire::Unavailable,
                took_ms,
            },
        )
    }

    pub(super) fn tick(
        &mut self,
        at: u64,
        life: u32,
        event: TickEvent,
        tick: u64,
        fence: u64,
        attempt: u32,
    ) -> &mut Self {
        self.push(
            at,
            What::Tick {
                life,
                event,
                tick,
                fence,
                attempt,
            },
        )
    }

    /// Adds a tick that runs from `at` to `at + 310`.
    pub(super) fn run(&mut self, at: u64, life: u32, tick: u64, fence: u64) -> &mut Self {
        self.tick(at, life, TickEvent::Started, tick, fence, 1)
            .tick(at + 310, life, TickEvent::Ran, tick, fence, 1)
    }

    pub(super) fn loss(&mut self, from: u64, to: u64) -> &mut Self {
        for (at, state) in [
            (from, ServerState::Lost),
            (to, ServerState::Back),
            (to, ServerState::Watched),
        ] {
            self.push(at, What::server(state));
        }
        self
    }

    /// Another server takes the place of the first one, which is stopped at `from` and goes on from
    /// `stale` to `to`.
    pub(super) fn failover(&mut self, from: u64, stale: u64, to: u64) -> &mut Self {
        self.push(from, What::server(ServerState::Replaced))
            .push(stale, What::server(ServerState::Stale))
            .push(to, What::server(ServerState::Back))
    }

    pub(super) fn fault(
        &mut self,
        from: u64,
        to: u64,
        fault: Fault,
        life: Option<u32>,
    ) -> &mut Self {
        self.faults += 1;
        let number = self.faults;
        for (at, phase) in [(from, Phase::Begin), (to, Phase::End)] {
            self.push(
                at,
                What::Fault {
                    number,
                    fault,
                    phase,
                    life,
                    group: Some(0),
                },
            );
        }
        self
    }

    /// Adds a write of a script that was called with these arguments.
    pub(super) fn script(&mut self, at: u64, caller: &str, words: &str) -> &mut Self {
        self.push(
            at,
            What::Write {
                db: 0,
                words: words.split(' ').map(str::to_owned).collect(),
                script: Some(vec![caller.to_owned()]),
            },
        )
    }

    /// Adds a whole acquire for 2 s.
    pub(super) fn grant(&mut self, at: u64, holder: &str, fence: u64) -> &mut Self {
        self.script(at, holder, &format!("SET {{lock:it}}:fence {fence} PX 9"))
            .script(at, holder, &format!("SET lock:it {holder} PX 2000"))
    }

    pub(super) fn peer(&mut self, at: u64, words: &str) -> &mut Self {
        self.push(
            at,
            What::Write {
                db: 0,
                words: words.split(' ').map(str::to_owned).collect(),
                script: None,
            },
        )
    }

    pub(super) fn foreign(&mut self, at: u64, step: ForeignStep) -> &mut Self {
        self.push(
            at,
            What::Foreign {
                group: 0,
                value: "1:1700000000000".to_owned(),
                step,
            },
        )
    }
}
