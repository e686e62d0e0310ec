//! The rate limit of a peer, as its answers tell it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::DATE;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::layer::retry::retry_after::retry_after;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The longest time for which a peer's word is believed. After it, one call probes.
const MAX_MEMORY: Duration = Duration::from_secs(60);

/// How long the others wait for the call that probes, before another one does.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// A larger `x-ratelimit-reset` is a date: seconds since 1970.
const FIRST_EPOCH: f64 = 1e9;

/// A new window ends later than the old one by more than what rounding to seconds explains.
const ROUNDING: Duration = Duration::from_secs(1);

/// The longest name of a limit. A longer one is none.
const MAX_NAME: usize = 64;

/// What an answer says about the limit that its route belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// The value of `x-ratelimit-limit`. Routes with the same value share a limit.
    pub(super) name: Option<String>,
    remaining: u64,
    /// How long it holds.
    pub(super) reset: Duration,
}

impl Told {
    /// Reads a response. `None` if it says nothing of a limit, or not until when it holds.
    pub(super) fn by<B>(response: &Response<B>, now: SystemTime) -> Option<Self> {
        let headers = response.headers();
        let is_refusal = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let name = text(headers, &LIMIT)
            .filter(|name| name.len() <= MAX_NAME)
            .map(str::to_owned);
        if name.is_none() && !is_refusal {
            // It is the limit of no route.
            return None;
        }
        let reset = text(headers, &RESET).and_then(|reset| {
            let reset = reset.parse::<f64>().ok().filter(|reset| *reset >= 0.0)?;
            let seconds = if reset > FIRST_EPOCH {
                let now = text(headers, &DATE)
                    .and_then(|date| httpdate::parse_http_date(date).ok())
                    .unwrap_or(now);
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                (reset - now.as_secs_f64()).max(0.0)
            } else {
                reset
            };
            Duration::try_from_secs_f64(seconds).ok()
        });
        if is_refusal {
            return Some(Self {
                name,
                remaining: 0,
                reset: retry_after(headers, now).or(reset)?,
            });
        }
        Some(Self {
            name,
            remaining: text(headers, &REMAINING)?.parse().ok()?,
            reset: reset?,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// One limit of a peer, and the calls that count towards it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window: Option<Window>,
    in_flight: u64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    /// The smallest number that was told.
    remaining: u64,
    until: Instant,
    /// Until when the others wait for the call that probes.
    probe: Option<Instant>,
}

/// A route, as a call finds it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The limit that its last answer named.
    pub(super) limit: Option<Arc<Limit>>,
    /// Its calls under way that began before a limit was known.
    pub(super) unassigned: Arc<AtomicU64>,
    /// Wakes the calls that wait, when something may have changed for them.
    pub(super) changed: Arc<Notify>,
}

/// Whether a call may go out.
pub(super) enum Admission {
    Go(Ticket),
    /// The limit is used up until then.
    UsedUp(Instant),
    /// As many calls are under way as the limit has left. Their answers may tell another number.
    Busy(Instant),
}

impl Route {
    pub(super) fn admit(&self) -> Admission {
        let Some(limit) = &self.limit else {
            self.unassigned.fetch_add(1, Ordering::Relaxed);
            let count = Count::Unassigned(Arc::clone(&self.unassigned));
            return Admission::Go(self.ticket(count, false));
        };
        let now = Instant::now();
        let mut state = limit.state();
        let in_flight = state.in_flight + self.unassigned.load(Ordering::Relaxed);
        let mut probes = false;
        if let Some(window) = &mut state.window {
            if window.until > now {
                if window.remaining == 0 {
                    return Admission::UsedUp(window.until);
                }
                if window.remaining <= in_flight {
                    return Admission::Busy(window.until);
                }
            } else if window.remaining == 0 {
                if let Some(until) = window.probe.filter(|until| *until > now) {
                    return Admission::Busy(until);
                }
                window.probe = Some(now + PROBE_TIME);
                probes = true;
            } else {
                state.window = None;
            }
        }
        let is_counted = state.window.is_some();
        state.in_flight += 1;
        drop(state);
        let count = Count::Limit {
            limit: Arc::clone(limit),
            probes,
        };
        Admission::Go(self.ticket(count, is_counted))
    }

    fn ticket(&self, count: Count, is_counted: bool) -> Ticket {
        Ticket {
            count,
            is_counted,
            changed: Arc::clone(&self.changed),
        }
    }
}

impl Limit {
    pub(super) fn note(&self, told: &Told) {
        let now = Instant::now();
        let until = now + told.reset.min(MAX_MEMORY);
        let mut state = self.state();
        let same = state
            .window
            .filter(|window| window.until > now && until <= window.until + ROUNDING);
        state.window = Some(match same {
            Some(window) => Window {
                remaining: window.remaining.min(told.remaining),
                until: if told.remaining == 0 {
                    window.until.max(until)
                } else {
                    window.until
                },
                probe: None,
            },
            None => Window {
                remaining: told.remaining,
                until,
                probe: None,
            },
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    count: Count,
    /// Whether the peer said how many calls may go out, this one being among them.
    is_counted: bool,
    changed: Arc<Notify>,
}

/// Where a call counts.
#[derive(Debug)]
enum Count {
    Unassigned(Arc<AtomicU64>),
    Limit { limit: Arc<Limit>, probes: bool },
}

impl Ticket {
    /// Returns whether the peer said how many calls may go out, this one being among them.
    pub(super) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Notes that the call was answered, and that the answer said nothing of a limit: one that was
    /// known before holds no longer.
    pub(super) fn not_limited(&self) {
        if let Count::Limit {
            limit,
            probes: true,
        } = &self.count
        {
            limit.state().window = None;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match &self.count {
            Count::Unassigned(count) => drop(count.fetch_sub(1, Ordering::Relaxed)),
            Count::Limit { limit, probes } => {
                let mut state = limit.state();
                state.in_flight -= 1;
                if *probes && let Some(window) = &mut state.window {
                    window.probe = None;
                }
            }
        }
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000;

    fn told(status: u16, headers: &[(&str, &str)]) -> Option<(Option<String>, u64, u64)> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let told = Told::by(&response.body(()).expect("a response"), now)?;
        Some((told.name, told.remaining, told.reset.as_secs()))
    }

    #[test]
    fn a_reset_is_seconds_or_above_a_thousand_million_a_date() {
        let limited = |reset| {
            told(
                200,
                &[
                    ("x-ratelimit-limit", "100"),
                    ("x-ratelimit-remaining", "7"),
                    ("x-ratelimit-reset", reset),
                ],
            )
        };
        let is = |seconds| Some((Some("100".to_owned()), 7, seconds));
        assert_eq!(limited("0"), is(0));
        assert_eq!(limited("59"), is(59));
        assert_eq!(limited("12.5"), is(12));
        assert_eq!(limited("1000000000"), is(1_000_000_000));
        assert_eq!(limited("1795000030"), is(30));
        assert_eq!(limited("1794999999"), is(0), "it has passed");
        for reset in ["", "-1", "soon", "NaN", "inf", "1e400"] {
            assert_eq!(limited(reset), None, "{reset:?}");
        }
    }

    #[test]
    fn only_a_429_or_a_whole_set_of_headers_says_anything() {
        let name = ("x-ratelimit-limit", "100");
        let remaining = ("x-ratelimit-remaining", "7");
        let reset = ("x-ratelimit-reset", "30");
        assert_eq!(told(200, &[]), None);
        assert_eq!(told(200, &[name, remaining]), None);
        assert_eq!(told(200, &[name, reset]), None);
        assert_eq!(told(200, &[remaining, reset]), None);
        assert_eq!(told(503, &[("retry-after", "9")]), None);
        assert_eq!(told(429, &[]), None);
        assert_eq!(told(429, &[("retry-after", "9")]), Some((None, 0, 9)));
        assert_eq!(told(429, &[reset]), Some((None, 0, 30)));
        let both = [("retry-after", "9"), name, remaining, reset];
        assert_eq!(told(429, &both), Some((Some("100".to_owned()), 0, 9)));
    }

    fn says(remaining: u64, seconds: u64) -> Told {
        Told {
            name: None,
            remaining,
            reset: Duration::from_secs(seconds),
        }
    }

    fn goes(limit: &Arc<Limit>) -> Option<Ticket> {
        let route = Route {
            limit: Some(Arc::clone(limit)),
            unassigned: Arc::default(),
            changed: Arc::default(),
        };
        match route.admit() {
            Admission::Go(ticket) => Some(ticket),
            Admission::UsedUp(_) | Admission::Busy(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_smallest_number_of_a_window_wins_and_a_new_window_begins_anew() {
        let limit = Arc::new(Limit::default());
        limit.note(&says(1, 10));
        limit.note(&says(5, 10));
        let one = goes(&limit).expect("one is left");
        assert!(goes(&limit).is_none(), "it is under way");
        drop(one);
        limit.note(&says(0, 10));
        limit.note(&says(3, 10));
        assert!(goes(&limit).is_none());
        limit.note(&says(2, 30));
        let (one, two) = (goes(&limit), goes(&limit));
        assert!(one.is_some() && two.is_some() && goes(&limit).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_began_before_a_limit_was_known_counts_too() {
        let mut route = Route {
            limit: None,
            unassigned: Arc::default(),
            changed: Arc::default(),
        };
        let admitted = |route: &Route| matches!(route.admit(), Admission::Go(_));
        let Admission::Go(first) = route.admit() else {
            panic!("nothing is known");
        };
        let limit = Arc::new(Limit::default());
        limit.note(&says(1, 10));
        route.limit = Some(limit);
        assert!(!admitted(&route));
        drop(first);
        assert!(admitted(&route));
    }

    #[tokio::test(start_paused = true)]
    async fn after_60_s_at_the_latest_one_call_probes_and_the_others_wait_for_it() {
        let limit = Arc::new(Limit::default());
        limit.note(&says(0, 3600));
        tokio::time::advance(MAX_MEMORY - Duration::from_millis(1)).await;
        assert!(goes(&limit).is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        let probe = goes(&limit).expect("one probes");
        assert!(goes(&limit).is_none());
        // It is given up, or takes too long: another one probes.
        drop(probe);
        // An answer that says nothing of a limit ends it.
        let probe = goes(&limit).expect("another one probes");
        probe.not_limited();
        drop(probe);
        assert!(goes(&limit).is_some() && goes(&limit).is_some());
        limit.note(&says(0, 3600));
        tokio::time::advance(MAX_MEMORY).await;
        let _slow = goes(&limit).expect("another one probes");
        assert!(goes(&limit).is_none());
        tokio::time::advance(PROBE_TIME).await;
        let _third = goes(&limit).expect("a third one probes");
        limit.note(&says(9, 60));
        assert!(goes(&limit).is_some());
    }
}
