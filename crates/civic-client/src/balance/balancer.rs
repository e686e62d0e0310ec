//! What is known about the endpoints of a list or of a name, and the choice between them.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::breaker::{BreakerPolicy, WhenAllOpen};
use crate::balance::record::{Change, Ended, OPEN, Record, USED, View};
use crate::lru::Lru;
use crate::observe::BreakerState;
use crate::random::{Sequence, random};

/// The target of the events.
const TARGET: &str = "civic_client::balance";

/// How many endpoints are looked at for one choice: all of a short list, and so many random ones
/// of a long one.
const LOOKED_AT: usize = 16;

/// How many times the least load an endpoint may have that is a choice at all.
const FIT: f64 = 2.0;

/// Loads that differ by less than this factor are the same.
const SAME: f64 = 1.1;

/// What is known about the endpoints of a list or of a name. Clones share it.
pub(crate) struct Balancer<K>(Arc<Inner<K>>);

struct Inner<K> {
    policy: BreakerPolicy,
    watcher: Option<Watcher<K>>,
    state: Mutex<State<K>>,
}

/// Is told when the breaker of an endpoint has changed its state.
pub(crate) struct Watcher<K>(Arc<dyn Fn(&K, BreakerState) + Send + Sync>);

struct State<K> {
    records: Lru<K, Record>,
    random: Sequence,
    exchanges: u64,
}

/// The endpoint of an exchange that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<K> {
    pub(super) key: K,
    pub(super) id: u64,
}

/// An endpoint of those that were looked at.
#[derive(Clone, Copy, Debug)]
struct Pick {
    index: usize,
    view: View,
    is_probe: bool,
}

/// Why no endpoint was chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unchosen {
    /// There is none.
    NoEndpoint,
    /// The breakers of all are open, and the policy says not to try. The next probe is due after
    /// this time.
    AllOpen(Duration),
}

/// Whether an attempt may be the probe of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Probing {
    Allowed,
    /// It must not be executed twice, and so is not repeated at another endpoint if this one fails:
    /// others come first.
    IfOverdue,
    /// It is a retry: it goes where it is most likely to succeed.
    Forbidden,
}

// ===== impl Balancer =====

impl<K> Balancer<K> {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self::with_seed(policy, random())
    }

    pub(crate) fn with_seed(policy: BreakerPolicy, seed: u64) -> Self {
        Self::watched(policy, seed, None)
    }

    pub(crate) fn watched(policy: BreakerPolicy, seed: u64, watcher: Option<Watcher<K>>) -> Self {
        Self(Arc::new(Inner {
            policy,
            watcher,
            state: Mutex::new(State {
                records: Lru::default(),
                random: Sequence::new(seed),
                exchanges: 0,
            }),
        }))
    }

    pub(crate) fn policy(&self) -> &BreakerPolicy {
        &self.0.policy
    }

    fn tell(&self, key: &K, state: BreakerState) {
        if let Some(Watcher(watcher)) = &self.0.watcher {
            watcher(key, state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + fmt::Debug + Hash> Balancer<K> {
    /// Begins an exchange with one of `keys`. Those that are `used` by earlier attempts of the call
    /// come after the others.
    pub(super) fn choose(
        &self,
        keys: &[K],
        used: &[K],
        probing: Probing,
    ) -> Result<Choice<K>, Unchosen> {
        let now = Instant::now();
        let mut state = self.state();
        let picked = match keys {
            [only] => Some(state.pick_only(only, used, probing, now)),
            _ => {
                let views = state.look(keys, used, now);
                state.pick(&views, probing)
            }
        };
        let Some(Pick {
            index,
            view,
            is_probe,
        }) = picked
        else {
            return Err(Unchosen::NoEndpoint);
        };
        if view.weight >= OPEN && !is_probe && self.0.policy.when_all_open == WhenAllOpen::FailFast
        {
            let due = keys
                .iter()
                .filter_map(|key| state.records.get_mut(key)?.opens_at())
                .min();
            let wait = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
            return Err(Unchosen::AllOpen(wait));
        }
        let choice = state.begin(&keys[index], is_probe, &self.0.policy, now);
        drop(state);
        if is_probe && view.weight >= OPEN {
            self.tell(&choice.key, BreakerState::Probing);
        }
        Ok(choice)
    }

    /// Begins an exchange with this endpoint, whatever is known about it.
    pub(super) fn begin(&self, key: &K) -> Choice<K> {
        self.state()
            .begin(key, false, &self.0.policy, Instant::now())
    }

    /// Notes that an exchange has ended.
    pub(super) fn end(&self, key: &K, ended: Ended) {
        self.note(key, ended, Record::end);
    }

    /// Notes how the body has ended of an exchange whose head was a success at `head`.
    pub(super) fn settle(&self, key: &K, ended: Ended, head: Instant) {
        self.note(key, ended, |record, ended, policy, now| {
            record.settle(ended, head, policy, now)
        });
    }

    fn note(
        &self,
        key: &K,
        mut ended: Ended,
        note: impl FnOnce(&mut Record, Ended, &BreakerPolicy, Instant) -> Change,
    ) {
        let change = {
            let mut state = self.state();
            ended.chance = state.random.unit();
            match state.records.get_mut(key) {
                Some(record) => note(record, ended, &self.0.policy, Instant::now()),
                // There was no room for it.
                None => Change::None,
            }
        };
        match change {
            Change::None => {}
            Change::Opened => {
                tracing::warn!(
                    target: TARGET,
                    endpoint = ?key,
                    "an endpoint failed too often: it is left alone until a probe succeeds"
                );
                self.tell(key, BreakerState::Open);
            }
            Change::StillOpen => self.tell(key, BreakerState::Open),
            Change::Closed => {
                tracing::info!(target: TARGET, endpoint = ?key, "an endpoint works again");
                self.tell(key, BreakerState::Closed);
            }
        }
    }

    /// Notes that an endpoint asks to be left alone for this long.
    pub(crate) fn pause(&self, key: &K, pause: Duration) {
        let now = Instant::now();
        let policy = &self.0.policy;
        let mut state = self.state();
        let record = state
            .records
            .or_insert_with(key, || Record::new(policy, now));
        record.pause(now + pause);
    }

    /// Returns how much stands against each of `keys`, in their order: the less, the better.
    pub(crate) fn weights(&self, keys: &[K], used: &[K]) -> Vec<u8> {
        let now = Instant::now();
        let mut state = self.state();
        keys.iter()
            .map(|key| state.view(key, used, now).weight)
            .collect()
    }

    /// Returns those of `keys` that are not `used`, have not asked for time and are not shut.
    pub(crate) fn well(&self, keys: &[K], used: &[K]) -> Vec<K> {
        let weights = self.weights(keys, used).into_iter();
        let of_each = keys.iter().zip(weights);
        of_each
            .filter(|(_, weight)| *weight < USED)
            .map(|(key, _)| key.clone())
            .collect()
    }
}

impl<K> Watcher<K> {
    pub(crate) fn new(watcher: impl Fn(&K, BreakerState) + Send + Sync + 'static) -> Self {
        Self(Arc::new(watcher))
    }
}

impl<K> Clone for Balancer<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for Balancer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

// ===== impl Probing =====

impl Probing {
    /// Returns whether an attempt is the probe of an endpoint, where `least` stands against the
    /// best one.
    const fn allows(self, view: &View, least: u8) -> bool {
        match self {
            Self::Allowed => view.is_due,
            // Where there is no better one, it goes to one that fails in any case.
            Self::IfOverdue if least >= OPEN => view.is_due,
            Self::IfOverdue => view.is_overdue,
            Self::Forbidden => false,
        }
    }
}

// ===== impl State =====

impl<K: Clone + Eq + Hash> State<K> {
    /// Looks at the endpoints that one may be chosen from.
    fn look(&mut self, keys: &[K], used: &[K], now: Instant) -> Vec<(usize, View)> {
        let mut indices: Vec<_> = if keys.len() <= LOOKED_AT {
            (0..keys.len()).collect()
        } else {
            (0..LOOKED_AT)
                .map(|_| self.random.below(keys.len()))
                .collect()
        };
        indices.sort_unstable();
        indices.dedup();
        indices
            .into_iter()
            .map(|index| (index, self.view(&keys[index], used, now)))
            .collect()
    }

    fn view(&mut self, key: &K, used: &[K], now: Instant) -> View {
        let mut view = match self.records.get_mut(key) {
            Some(record) => record.view(now),
            None => View::UNKNOWN,
        };
        if used.contains(key) {
            view.weight += USED;
        }
        view
    }

    /// Picks the one endpoint that there is.
    fn pick_only(&mut self, key: &K, used: &[K], probing: Probing, now: Instant) -> Pick {
        let mut view = match self.records.get_mut(key) {
            Some(record) => record.view_alone(now),
            None => View::UNKNOWN,
        };
        if used.contains(key) {
            view.weight += USED;
        }
        Pick {
            index: 0,
            view,
            is_probe: probing.allows(&view, view.weight),
        }
    }

    fn pick(&mut self, views: &[(usize, View)], probing: Probing) -> Option<Pick> {
        let least = views.iter().map(|(_, view)| view.weight).min()?;
        let pick = |(index, view): (usize, View)| Pick {
            index,
            view,
            is_probe: probing.allows(&view, least),
        };
        let picks = views.iter().map(|of| pick(*of));
        let probes: Vec<_> = picks.filter(|pick| pick.is_probe).collect();
        if !probes.is_empty() {
            // Its share and no more: a client that calls now and then would send all of its calls
            // to the one endpoint that is sick.
            let has_turn = least >= OPEN || self.random.below(views.len()) < probes.len();
            if has_turn {
                return Some(probes[self.random.below(probes.len())]);
            }
        }
        let best = views
            .iter()
            .filter_map(|(_, view)| view.cost())
            .fold(f64::INFINITY, f64::min);
        let best = if best.is_finite() { best } else { 0.0 };
        let loads: Vec<_> = views
            .iter()
            .filter(|(_, view)| view.weight == least)
            .map(|chosen| (chosen, chosen.1.load(best)))
            .collect();
        let lowest = loads
            .iter()
            .map(|(_, load)| *load)
            .fold(f64::INFINITY, f64::min);
        let fit: Vec<_> = loads
            .into_iter()
            .filter(|(_, load)| *load <= lowest * FIT)
            .collect();
        let first = self.random.below(fit.len());
        let second = (first + 1 + self.random.below(fit.len().saturating_sub(1))) % fit.len();
        let ((one, load), (other, other_load)) = (fit[first], fit[second]);
        // The order of the two is random: where they are the same, so is the choice.
        Some(pick(if load <= other_load * SAME {
            *one
        } else {
            *other
        }))
    }

    fn begin(
        &mut self,
        key: &K,
        is_probe: bool,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Choice<K> {
        self.exchanges += 1;
        let id = self.exchanges;
        let record = self
            .records
            .or_insert_with(key, || Record::new(policy, now));
        record.begin(id, is_probe, now);
        Choice {
            key: key.clone(),
            id,
        }
    }
}
