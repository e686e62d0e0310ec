//! What is known about one endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::breaker::BreakerPolicy;
use crate::balance::estimate::Estimate;
use crate::balance::outcome::Outcome;
use crate::balance::window::Window;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;

/// How many answers that blame the caller count as one failure.
const BLAMED_PER_FAILURE: f64 = 20.0;

/// Of how many exchanges one may fail before the endpoint comes after the others.
const EXCHANGES_PER_FAILURE: u64 = 20;

/// Differences of less than this say nothing.
const GRAIN: f64 = 0.001;

/// What stands against an endpoint: the larger the sum, the worse.
pub(super) const OPEN: u8 = 8;
pub(super) const PAUSED: u8 = 4;
pub(super) const USED: u8 = 2;
pub(super) const TROUBLED: u8 = 1;

/// What is known about one endpoint.
#[derive(Debug)]
pub(super) struct Record {
    /// The exchanges under way, and when they began. The first one is the oldest.
    in_flight: BTreeMap<u64, Instant>,
    estimate: Estimate,
    window: Window,
    /// How many exchanges in a row have failed.
    consecutive: u32,
    /// What a failure counts as: the timeout of the last attempt that failed.
    penalty: Duration,
    trouble: Option<Trouble>,
    paused_until: Option<Instant>,
}

/// What is known about an endpoint that fails.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    /// When it failed last.
    since: Instant,
    /// Whether its breaker is open.
    is_open: bool,
    failed_probes: u32,
    /// When the next probe may begin.
    due: Instant,
    /// When it has not begun for as long again.
    overdue: Instant,
    /// The probe under way.
    probe: Option<u64>,
}

/// An exchange that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) outcome: Outcome,
    /// What it counts as if it failed.
    pub(super) penalty: Duration,
    /// A random number from 0 to 1.
    pub(super) chance: f64,
}

/// Whether an exchange that has failed counts already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counted {
    NotYet,
    /// Its head was a success.
    AsSuccess,
}

/// What the end of an exchange has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
    /// A probe has proven nothing, or that the endpoint still fails.
    StillOpen,
}

/// How an endpoint stands beside the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) weight: u8,
    /// Whether a probe is due.
    pub(super) is_due: bool,
    /// Whether it has been due for as long again as was waited before.
    pub(super) is_overdue: bool,
    /// How long an exchange takes, in seconds; `None` if nothing is known.
    cost: Option<f64>,
    /// For how long the oldest exchange has been under way, in seconds, at most the penalty.
    age: f64,
    in_flight: usize,
}

// ===== impl Record =====

impl Record {
    pub(super) fn new(policy: &BreakerPolicy, now: Instant) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            estimate: Estimate::default(),
            window: Window::new(policy.window, now),
            consecutive: 0,
            penalty: AttemptTimeoutLayer::DEFAULT,
            trouble: None,
            paused_until: None,
        }
    }

    /// Returns how the endpoint stands now, beside others.
    pub(super) fn view(&mut self, now: Instant) -> View {
        let age = self.in_flight.values().next().map_or(0.0, |began| {
            let age = now.saturating_duration_since(*began);
            age.min(self.penalty).as_secs_f64()
        });
        View {
            cost: self.cost(now),
            age,
            ..self.view_alone(now)
        }
    }

    /// Returns how the endpoint stands now where there is no other one: without what it is compared
    /// by.
    pub(super) fn view_alone(&self, now: Instant) -> View {
        let is_paused = self.paused_until.is_some_and(|until| now < until);
        let against = match self.trouble {
            None => 0,
            Some(trouble) if trouble.is_open => OPEN,
            Some(_) => TROUBLED,
        };
        let unprobed = self.trouble.filter(|trouble| trouble.probe.is_none());
        let unprobed = unprobed.filter(|_| !is_paused);
        View {
            weight: against + if is_paused { PAUSED } else { 0 },
            is_due: unprobed.is_some_and(|trouble| now >= trouble.due),
            is_overdue: unprobed.is_some_and(|trouble| now >= trouble.overdue),
            cost: None,
            age: 0.0,
            in_flight: self.in_flight.len(),
        }
    }

    /// Returns when the next probe is due, if the breaker is open.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        let trouble = self.trouble.filter(|trouble| trouble.is_open);
        trouble.map(|trouble| trouble.due)
    }

    /// Notes that an exchange begins; one that begins while a probe is due may be that.
    pub(super) fn begin(&mut self, id: u64, is_probe: bool, now: Instant) {
        self.in_flight.insert(id, now);
        if let Some(trouble) = &mut self.trouble
            && is_probe
        {
            trouble.probe = Some(id);
        }
    }

    /// Notes that the endpoint asks for time.
    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Notes that an exchange has ended.
    pub(super) fn end(&mut self, ended: Ended, policy: &BreakerPolicy, now: Instant) -> Change {
        let Some(began) = self.in_flight.remove(&ended.id) else {
            return Change::None;
        };
        let is_probe_of_open = self
            .trouble
            .is_some_and(|trouble| trouble.is_open && trouble.probe == Some(ended.id));
        // A body that is read for hours is no measure of what is to be expected.
        let took = now.saturating_duration_since(began).min(ended.penalty);
        let change = match ended.outcome {
            Outcome::Succeeded | Outcome::Begun | Outcome::Blamed => {
                self.succeeded(ended, began, took, now)
            }
            Outcome::Failed | Outcome::Limited => {
                self.failed(ended, began, Counted::NotYet, policy, now)
            }
            Outcome::Abandoned => {
                self.estimate.note_at_least(took, now);
                self.let_another_probe(ended.id);
                Change::None
            }
            Outcome::NotMade => {
                self.let_another_probe(ended.id);
                Change::None
            }
        };
        if change == Change::None && is_probe_of_open {
            return Change::StillOpen;
        }
        change
    }

    /// Notes how the body has ended of an exchange whose head was a success at `head`.
    pub(super) fn settle(
        &mut self,
        ended: Ended,
        head: Instant,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Change {
        if ended.outcome == Outcome::Failed {
            return self.failed(ended, head, Counted::AsSuccess, policy, now);
        }
        if self.opens_at().is_none() {
            self.consecutive = 0;
        }
        Change::None
    }

    fn succeeded(&mut self, ended: Ended, began: Instant, took: Duration, now: Instant) -> Change {
        let is_proof = self.trouble.is_some_and(|trouble| {
            trouble.probe == Some(ended.id) || (trouble.is_open && began >= trouble.since)
        });
        if let Some(trouble) = self.trouble.take_if(|_| is_proof) {
            self.estimate = Estimate::begin_with(took, now);
            // It is another endpoint now: what was before says nothing. The head of a stream does
            // not prove so much.
            if ended.outcome != Outcome::Begun {
                self.window.clear();
                self.consecutive = 0;
            }
            self.window.note(ended.outcome, now);
            return if trouble.is_open {
                Change::Closed
            } else {
                Change::None
            };
        }
        if self.opens_at().is_some() {
            // It was sent before the breaker opened.
            return Change::None;
        }
        self.estimate.note(took, now);
        if ended.outcome != Outcome::Begun {
            self.consecutive = 0;
        }
        self.window.note(ended.outcome, now);
        Change::None
    }

    fn failed(
        &mut self,
        ended: Ended,
        began: Instant,
        counted: Counted,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Change {
        self.penalty = ended.penalty;
        let times = |failed_probes| {
            let wait = policy.wait(failed_probes, ended.chance);
            let due = later(now, wait);
            (due, later(due, wait))
        };
        let was_open = self.opens_at().is_some();
        if let Some(trouble) = &mut self.trouble {
            if trouble.probe == Some(ended.id) {
                trouble.probe = None;
                trouble.failed_probes = trouble.failed_probes.saturating_add(1);
                (trouble.due, trouble.overdue) = times(trouble.failed_probes);
                trouble.since = now;
            } else if began >= trouble.since {
                trouble.since = now;
            }
        }
        if was_open {
            return Change::None;
        }
        self.consecutive = match ended.outcome {
            Outcome::Failed => self.consecutive.saturating_add(1),
            _ => 0,
        };
        match counted {
            Counted::NotYet => self.window.note(ended.outcome, now),
            Counted::AsSuccess => self.window.amend(began, now),
        }
        let counts = self.window.sum(now);
        let trips = policy.trips(self.consecutive, counts.all, counts.failed);
        // A 429 asks for less, and not to be left alone: the others would get what it does not.
        let is_troubled = trips
            || (ended.outcome == Outcome::Failed
                && counts.failed * EXCHANGES_PER_FAILURE > counts.all);
        match &mut self.trouble {
            Some(trouble) if trips => {
                trouble.is_open = true;
                trouble.since = now;
                (trouble.due, trouble.overdue) = times(trouble.failed_probes);
            }
            Some(_) => {}
            None if is_troubled => {
                let (due, overdue) = times(0);
                self.trouble = Some(Trouble {
                    since: now,
                    is_open: trips,
                    failed_probes: 0,
                    due,
                    overdue,
                    probe: None,
                });
            }
            None => {}
        }
        if trips { Change::Opened } else { Change::None }
    }

    fn let_another_probe(&mut self, id: u64) {
        if let Some(trouble) = &mut self.trouble
            && trouble.probe == Some(id)
        {
            trouble.probe = None;
        }
    }

    /// Returns how long a whole exchange is expected to take, in seconds, where a failure counts as
    /// the timeout of its attempt.
    fn cost(&mut self, now: Instant) -> Option<f64> {
        let counts = self.window.sum(now);
        let took = self.estimate.seconds(now);
        if counts.all == 0 {
            return took;
        }
        let failures = counts.failed as f64 + counts.blamed as f64 / BLAMED_PER_FAILURE;
        let penalty = failures / counts.all as f64 * self.penalty.as_secs_f64();
        Some(took.unwrap_or_default() + penalty)
    }
}

// ===== impl View =====

impl View {
    /// How an endpoint stands about which nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        weight: 0,
        is_due: false,
        is_overdue: false,
        cost: None,
        age: 0.0,
        in_flight: 0,
    };

    pub(super) const fn cost(&self) -> Option<f64> {
        self.cost
    }

    /// Returns the load of the endpoint. One about which nothing is known counts as the best.
    pub(super) fn load(&self, best: f64) -> f64 {
        let cost = self.cost.unwrap_or(best).max(self.age).max(GRAIN);
        cost * (self.in_flight + 1) as f64
    }
}

/// `now + wait`, or the far future if that cannot be represented.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait)
        .unwrap_or(now + Duration::from_secs(86_400 * 365 * 30))
}
