//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;

const DEFAULT_FIRST: Duration = Duration::from_millis(500);
const DEFAULT_MAX: Duration = Duration::from_secs(10);

/// How waits are randomised, so that callers that failed at the same moment do not retry at the
/// same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Exact waits, for tests and for callers that randomise by themselves.
    None,
    /// A random wait from 0.8 to 1.2 times the exact one, uniformly distributed.
    #[default]
    Proportional,
    /// A random wait from zero to the exact one, uniformly distributed.
    Full,
}

/// How long to wait before the next attempt.
///
/// The wait before the n-th retry is `first * 2^(n-1)`, at most `max`. Each wait is then randomised
/// according to the [`Jitter`]. All clones of a backoff draw from the same sequence of random
/// numbers, so that the calls of one client do not wait equally long.
///
/// Defaults to 500 ms, doubled with each retry up to 10 s, with [`Jitter::Proportional`].
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    jitter: Jitter,
    random: Arc<AtomicU64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::with_waits(DEFAULT_FIRST, DEFAULT_MAX)
    }
}

impl Backoff {
    /// Creates a backoff whose first wait is `first` and whose longest wait is `max`, before
    /// jitter.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use civic_client::Backoff;
    /// let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2))?;
    /// # Ok::<(), civic_client::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `first` is zero, because retries without
    /// a pause can keep a failed peer from recovering, or if `first` is longer than `max`.
    pub fn new(first: Duration, max: Duration) -> Result<Self, Error> {
        if first.is_zero() {
            return Err(Error::config(
                "the first wait of a backoff is zero; set it to a longer pause, for example 500 ms",
            ));
        }
        if first > max {
            return Err(Error::config(format!(
                "the first wait of a backoff, {first:?}, is longer than its longest wait, {max:?}; \
                 swap the two, or raise the longest wait",
            )));
        }
        Ok(Self::with_waits(first, max))
    }

    fn with_waits(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            jitter: Jitter::default(),
            // The random keys of the standard library are random enough here, and need no
            // dependency.
            random: Arc::new(AtomicU64::new(RandomState::new().hash_one(0))),
        }
    }

    /// Sets how the waits are randomised.
    ///
    /// Defaults to [`Jitter::Proportional`].
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the seed of the random numbers, so that every run has the same waits.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Arc::new(AtomicU64::new(seed));
        self
    }

    /// Returns the wait before the `retry`-th retry, counted from 1.
    ///
    /// The wait is never shorter than `at_least`, which is for example a peer's `Retry-After`.
    /// Jitter lengthens `at_least` by up to a tenth, and never shortens it.
    #[must_use]
    pub fn wait(&self, retry: u32, at_least: Duration) -> Duration {
        let doublings = retry.saturating_sub(1).min(31);
        let base = self.first.saturating_mul(1 << doublings).min(self.max);
        let (wait, floor) = match self.jitter {
            Jitter::None => (base, at_least),
            Jitter::Proportional => (times(base, 0.8 + 0.4 * self.draw()), self.later(at_least)),
            Jitter::Full => (times(base, self.draw()), self.later(at_least)),
        };
        wait.max(floor)
    }

    /// Returns a random wait from zero to the first one, for calls that have waited for the same
    /// event; none without jitter.
    pub(super) fn scatter(&self) -> Duration {
        match self.jitter {
            Jitter::None => Duration::ZERO,
            Jitter::Proportional | Jitter::Full => times(self.first, self.draw()),
        }
    }

    fn later(&self, wait: Duration) -> Duration {
        wait.saturating_add(times(wait, self.draw() / 10.0))
    }

    /// Returns a uniformly distributed number from 0 to 1, excluding 1. It is SplitMix64 over a
    /// shared counter, so that clones do not repeat each other's numbers.
    fn draw(&self) -> f64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .random
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // An `f64` holds 53 bits exactly.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns `wait * factor`, or `Duration::MAX` if that overflows. `Duration::mul_f64` would panic.
fn times(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error_kind::ErrorKind;

    fn plain(backoff: &Backoff, retries: u32) -> Vec<Duration> {
        (1..=retries)
            .map(|retry| backoff.wait(retry, Duration::ZERO))
            .collect()
    }

    #[test]
    fn without_jitter_the_waits_are_exactly_500_and_1000_ms_and_double_up_to_10_s() {
        let backoff = Backoff::default().with_jitter(Jitter::None);
        let millis: Vec<_> = plain(&backoff, 7).iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(
            backoff.wait(u32::MAX, Duration::ZERO),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn the_default_jitter_fills_its_whole_range_on_every_wait() {
        let backoff = Backoff::default();
        for (retry, base) in [(1, 0.5), (2, 1.0), (3, 2.0)] {
            let factors: Vec<f64> = (0..1000)
                .map(|_| backoff.wait(retry, Duration::ZERO).as_secs_f64() / base)
                .collect();
            let min = factors.iter().copied().fold(f64::MAX, f64::min);
            let max = factors.iter().copied().fold(f64::MIN, f64::max);
            assert!((0.8..0.81).contains(&min), "{retry}: {min}");
            assert!((1.19..=1.2).contains(&max), "{retry}: {max}");
        }
    }

    #[test]
    fn clones_never_repeat_each_others_draws() {
        let backoff = Backoff::default();
        let waits = [
            plain(&backoff.clone(), 3),
            plain(&backoff.clone(), 3),
            plain(&backoff, 3),
        ];
        assert_ne!(waits[0], waits[1]);
        assert_ne!(waits[1], waits[2]);
        assert_ne!(waits[0], waits[2]);
    }

    #[test]
    fn two_backoffs_of_their_own_draw_differently_and_equal_seeds_draw_alike() {
        assert_ne!(plain(&Backoff::default(), 3), plain(&Backoff::default(), 3));
        let seeded = |seed| plain(&Backoff::default().with_seed(seed), 3);
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
    }

    #[test]
    fn a_backoff_whose_waits_make_no_sense_is_refused_in_words() {
        let second = Duration::from_secs(1);
        let cases = [
            (Duration::ZERO, second, "zero"),
            (Duration::ZERO, Duration::ZERO, "zero"),
            (
                2 * second,
                second,
                "2s, is longer than its longest wait, 1s",
            ),
        ];
        for (first, max, why) in cases {
            let error = Backoff::new(first, max).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{error}");
        }
        let same = Backoff::new(second, second)
            .unwrap()
            .with_jitter(Jitter::None);
        assert_eq!(plain(&same, 3), [second; 3]);
    }

    #[test]
    fn the_longest_wait_there_is_does_not_overflow() {
        for jitter in [Jitter::None, Jitter::Proportional, Jitter::Full] {
            let backoff = Backoff::new(Duration::MAX, Duration::MAX)
                .unwrap()
                .with_jitter(jitter);
            for retry in 1..100 {
                assert!(backoff.wait(retry, Duration::ZERO) > Duration::ZERO);
                assert_eq!(backoff.wait(retry, Duration::MAX), Duration::MAX);
            }
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked_for(
            seed: u64,
            retry in 1_u32..40,
            millis in 0_u64..100_000,
            jitter in prop_oneof![Just(Jitter::None), Just(Jitter::Proportional), Just(Jitter::Full)],
        ) {
            let at_least = Duration::from_millis(millis);
            let wait = Backoff::default().with_seed(seed).with_jitter(jitter).wait(retry, at_least);
            prop_assert!(wait >= at_least);
            prop_assert!(wait <= at_least.mul_f64(1.1).max(Duration::from_secs(12)) + Duration::from_nanos(1));
        }
    }
}
