//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a wait is scattered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Exact waits, for tests and for callers who scatter by themselves.
    None,
    /// Uniformly between 0.8 and 1.2 times the wait.
    #[default]
    Proportional,
    /// Uniformly between zero and the wait.
    Full,
}

/// How long to wait before the next attempt.
///
/// The n-th retry waits `500 ms * 2^(n-1)`, at most 10 s, times a factor that is drawn anew for
/// every single wait. All clones of a backoff draw from one source, so that no two requests of a client
/// share their jitter; a herd that was scattered once stays scattered.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    jitter: Jitter,
    random: Arc<AtomicU64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// 500 ms, doubled each time up to 10 s, with [`Jitter::Proportional`] and a seed of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(10),
            jitter: Jitter::default(),
            // The standard library's own random keys: enough to scatter, and no dependency.
            random: Arc::new(AtomicU64::new(RandomState::new().hash_one(0))),
        }
    }

    /// The wait before the first retry, without jitter.
    ///
    /// Defaults to 500 ms.
    #[must_use]
    pub const fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// No wait is longer, before jitter.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How the waits are scattered.
    ///
    /// Defaults to [`Jitter::Proportional`].
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same draws in every run.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Arc::new(AtomicU64::new(seed));
        self
    }

    /// The wait before the `retry`-th retry (from 1); never shorter than `at_least`, which is scattered
    /// upwards only, by up to a tenth.
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

    fn later(&self, wait: Duration) -> Duration {
        wait.saturating_add(times(wait, self.draw() / 10.0))
    }

    /// Uniform in [0, 1): SplitMix64 over a shared counter, so that each draw is a different one.
    fn draw(&self) -> f64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .random
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // 53 bits are what a double can hold.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `wait * factor`, or the longest time there is: `Duration::mul_f64` panics.
fn times(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(backoff: &Backoff, retries: u32) -> Vec<Duration> {
        (1..=retries)
            .map(|retry| backoff.wait(retry, Duration::ZERO))
            .collect()
    }

    #[test]
    fn without_jitter_the_waits_are_exactly_500_and_1000_ms_and_double_up_to_10_s() {
        let backoff = Backoff::new().with_jitter(Jitter::None);
        let millis: Vec<_> = plain(&backoff, 7).iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(
            backoff.wait(u32::MAX, Duration::ZERO),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn the_default_jitter_fills_its_whole_range_on_every_wait() {
        let backoff = Backoff::new();
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
        let backoff = Backoff::new();
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
        assert_ne!(plain(&Backoff::new(), 3), plain(&Backoff::new(), 3));
        let seeded = |seed| plain(&Backoff::new().with_seed(seed), 3);
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
    }

    #[test]
    fn the_longest_wait_there_is_does_not_overflow() {
        for jitter in [Jitter::None, Jitter::Proportional, Jitter::Full] {
            let backoff = Backoff::new()
                .with_first(Duration::MAX)
                .with_max(Duration::MAX)
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
            let wait = Backoff::new().with_seed(seed).with_jitter(jitter).wait(retry, at_least);
            prop_assert!(wait >= at_least);
            prop_assert!(wait <= at_least.mul_f64(1.1).max(Duration::from_secs(12)) + Duration::from_nanos(1));
        }
    }
}
