//! When a set is fetched: at random moments, and not too often.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::{MIN_GAP, MIN_REFRESH};
use crate::error::Error;
use crate::random::{Sequence, random};
use crate::transmission::Transmission;

/// The longest time between two fetches while they fail.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The time between two fetches while the publisher was never reached and there are no keys: as a
/// rule both are starting.
const STARTING: Duration = Duration::from_secs(2);

/// Whether a fetch is under way, and when the last one began that a token has caused.
///
/// The other ones do not count: among many processes there is always one that has just fetched the
/// set when a key is added to it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    phase: Phase,
    caused: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    #[default]
    Idle,
    /// A token has caused a fetch, which will begin.
    Requested,
    Fetching(After),
}

/// What follows a fetch that is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    Nothing,
    /// Nothing yet. It was time for the fetch, so it may have begun before a key was published
    /// whose token comes now.
    Anything,
    /// A fetch that a token has caused.
    Another,
}

/// What a token that names an unknown key causes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// A fetch, which has to be begun.
    Begins,
    /// Nothing more than the fetch that is under way.
    Joins,
    /// A fetch after the one that is under way.
    Follows,
    /// Nothing: the last fetch that a token has caused was a moment ago.
    TooSoon,
}

impl Pace {
    pub(super) fn request(&mut self, now: Instant) -> Request {
        let is_soon = |caused| now.saturating_duration_since(caused) < MIN_GAP;
        let is_soon = self.caused.is_some_and(is_soon);
        match self.phase {
            Phase::Requested | Phase::Fetching(After::Nothing) => Request::Joins,
            Phase::Fetching(After::Another) => Request::Follows,
            Phase::Fetching(After::Anything) if is_soon => Request::Joins,
            Phase::Fetching(After::Anything) => {
                self.phase = Phase::Fetching(After::Another);
                Request::Follows
            }
            Phase::Idle if is_soon => Request::TooSoon,
            Phase::Idle => {
                self.phase = Phase::Requested;
                Request::Begins
            }
        }
    }

    pub(super) fn is_requested(&self) -> bool {
        self.phase == Phase::Requested
    }

    pub(super) fn begin(&mut self, now: Instant) {
        let after = match self.is_requested() {
            true => After::Nothing,
            false => After::Anything,
        };
        if after == After::Nothing {
            self.caused = Some(now);
        }
        self.phase = Phase::Fetching(after);
    }

    /// Takes note that the fetch has ended. Another one may be requested then.
    pub(super) fn end(&mut self) {
        self.phase = match self.phase {
            Phase::Fetching(After::Another) => Phase::Requested,
            _ => Phase::Idle,
        };
    }
}

/// Returns when to fetch again after a success: from the half to the whole of the time for which
/// the set may be used, within its bounds.
pub(super) fn after_success(max_age: Option<Duration>, refresh_every: Duration) -> Duration {
    let interval = max_age.unwrap_or(refresh_every).min(refresh_every);
    spread(interval.max(MIN_REFRESH))
}

/// Returns when to fetch again after this many failures.
pub(super) fn after_failure(failures: u32, error: &Error, has_keys: bool) -> Duration {
    if !has_keys && error.transmission() == Transmission::NotSent {
        return spread(STARTING);
    }
    let doubled = MIN_GAP.saturating_mul(2_u32.saturating_pow(failures.min(10)));
    spread(doubled.min(MAX_BACKOFF))
}

/// Returns a random time from the half to the whole of `longest`.
fn spread(longest: Duration) -> Duration {
    longest.mul_f64(unit().midpoint(1.0))
}

/// Returns a random number from 0 to 1.
pub(super) fn unit() -> f64 {
    Sequence::new(random()).unit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_kind::ErrorKind;

    /// The shortest and the longest of many waits, in seconds.
    fn range(wait: impl Fn() -> Duration) -> (f64, f64) {
        let waits: Vec<f64> = (0..2000).map(|_| wait().as_secs_f64()).collect();
        let fold = |pick: fn(f64, f64) -> f64, from| waits.iter().copied().fold(from, pick);
        (fold(f64::min, f64::MAX), fold(f64::max, 0.0))
    }

    #[test]
    fn the_next_fetch_is_at_a_random_moment_within_the_bounds() {
        let every = Duration::from_secs(300);
        let success =
            |max_age: Option<u64>| range(|| after_success(max_age.map(Duration::from_secs), every));
        let error = Error::new(ErrorKind::Timeout);
        let unsent = Error::new(ErrorKind::Connect);
        for (name, (shortest, longest), at_most) in [
            ("no max-age", success(None), 300.0),
            ("a day", success(Some(86_400)), 300.0),
            ("a minute", success(Some(60)), 60.0),
            ("zero", success(Some(0)), 30.0),
            (
                "one failure",
                range(|| after_failure(1, &error, true)),
                20.0,
            ),
            ("two", range(|| after_failure(2, &error, true)), 40.0),
            (
                "very many",
                range(|| after_failure(u32::MAX, &error, true)),
                60.0,
            ),
            (
                "unreached, with keys",
                range(|| after_failure(1, &unsent, true)),
                20.0,
            ),
            ("no keys", range(|| after_failure(1, &error, false)), 20.0),
            (
                "unreached, no keys",
                range(|| after_failure(9, &unsent, false)),
                2.0,
            ),
        ] {
            // 2000 draws: the ends are missed by a twentieth once in 10^43 runs.
            assert!(
                shortest >= at_most * 0.5 && shortest < at_most * 0.55,
                "{name}: {shortest}"
            );
            assert!(
                longest <= at_most && longest > at_most * 0.95,
                "{name}: {longest}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_causes_one_fetch_and_none_soon_after_another() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.request(at(0)), Request::Begins);
        assert_eq!(pace.request(at(0)), Request::Joins);
        pace.begin(at(1));
        assert_eq!(pace.request(at(20)), Request::Joins);
        pace.end();
        assert_eq!(pace.request(at(10)), Request::TooSoon);
        assert_eq!(pace.request(at(11)), Request::Begins);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_comes_during_a_fetch_for_which_it_was_time_causes_the_next_one() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        pace.begin(at(0));
        assert_eq!(pace.request(at(0)), Request::Follows);
        assert_eq!(pace.request(at(1)), Request::Follows);
        pace.end();
        assert!(pace.is_requested());
        pace.begin(at(2));
        pace.end();
        assert!(!pace.is_requested());
        // Not if there was one a moment ago.
        pace.begin(at(3));
        assert_eq!(pace.request(at(3)), Request::Joins);
        pace.end();
        assert!(!pace.is_requested());
    }
}
