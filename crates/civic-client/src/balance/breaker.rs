//! When an endpoint is left alone, and when it is tried again.

use std::time::Duration;

/// How much longer than it has to be a wait before a probe may be: half as long again. Processes
/// that shut the same endpoint at the same moment do not try it again at the same moment.
const JITTER: f64 = 0.5;

/// When an endpoint is left alone, and when it is tried again: the rule of linkerd's unified
/// breaker.
///
/// A breaker opens when
///
/// - 7 exchanges in a row have failed: they were answered with 5xx (but 501 and 505), broke off,
///   took too long, or the endpoint could not be reached; or
/// - of at least 5 exchanges in the last 10 s, fewer than 80 % succeeded. Here 429 counts as
///   failed too. It does not count as one of the row, and ends it.
///
/// A response that is read as a stream counts once: as a success from its head on, and as a failure
/// instead if it breaks off or falls silent after that. In the row it counts at its end. A probe
/// that is a stream closes the breaker with its head, and what was before is not forgotten: if the
/// stream breaks off, it is open again. Other 4xx are successes, and what the caller gave up or its
/// deadline cut short is neither.
///
/// An open breaker lets nothing through for a second. Then exactly one request is let through as a
/// probe; of several endpoints, each call is that with the probability of a random choice, so that
/// a client that calls now and then does not send all of its calls to the sick one. If it succeeds
/// the breaker closes and has forgotten what was before; if it fails (429 included), the next probe
/// waits twice as long, up to a minute. Each wait is longer by up to half, at random, within that
/// minute. What was sent before the breaker opened changes nothing when it ends. Only first
/// attempts are probes: a retry goes where it is most likely to succeed. A call that must not be
/// executed twice would fail with its probe, and so others come first: it is one only if the probe
/// has been due for as long again, or if no other endpoint is well.
///
/// Below the 5 exchanges of the second half, an endpoint of which more than one exchange in twenty
/// failed (429 does not count here) is not shut, but it comes after all others, and probes bring it
/// back in the same way. So a client that makes few calls need not fail five times.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerPolicy {
    pub(super) consecutive: u32,
    pub(super) success_percent: u8,
    pub(super) min_requests: u32,
    pub(super) window: Duration,
    first_wait: Duration,
    longest_wait: Duration,
    pub(super) when_all_open: WhenAllOpen,
}

/// What happens to an attempt when the breakers of all endpoints are open.
///
/// Exhaustive on purpose: either it is made or it is not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenAllOpen {
    /// It goes to the endpoint with the least load, and closes that breaker if it succeeds.
    ///
    /// The breakers decide where an attempt goes and not whether it is made. That is left to what
    /// knows the whole peer: the [`RetryBudget`](crate::RetryBudget), rate limits and deadlines. An
    /// address is often that of a balancer in front of many processes, some of which are well: a
    /// breaker that shuts it would make an outage of a disturbance.
    #[default]
    TryLeastLoaded,
    /// The call ends at once with [`ErrorKind::CircuitOpen`](crate::ErrorKind::CircuitOpen). It was
    /// never sent, and [`Error::retry_after`](crate::Error::retry_after) says when the next probe
    /// is due.
    ///
    /// It suits a caller that has a better use of its time than to ask, such as an answer from a
    /// cache, and endpoints that are one process each.
    FailFast,
}

impl BreakerPolicy {
    /// Creates the rule with its defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            consecutive: 7,
            success_percent: 80,
            min_requests: 5,
            window: Duration::from_secs(10),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            when_all_open: WhenAllOpen::TryLeastLoaded,
        }
    }

    /// Sets how many exchanges in a row have to fail. Zero switches this half of the rule off.
    ///
    /// Defaults to 7.
    #[must_use]
    pub const fn with_consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive = failures;
        self
    }

    /// Sets how many of the exchanges of the window have to succeed, in percent. Zero switches this
    /// half of the rule off; more than 100 counts as 100.
    ///
    /// Defaults to 80.
    #[must_use]
    pub const fn with_success_percent(mut self, percent: u8) -> Self {
        self.success_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// Sets how many exchanges the window has to hold before their share is judged. Zero counts as
    /// one.
    ///
    /// Defaults to 5.
    #[must_use]
    pub const fn with_min_requests(mut self, requests: u32) -> Self {
        self.min_requests = if requests == 0 { 1 } else { requests };
        self
    }

    /// Sets how long the window is. Less than 10 ms count as 10 ms.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long the first probe waits, and how long each one waits at most. A first wait of
    /// less than a millisecond counts as one, and a longest one that is shorter counts as the
    /// first.
    ///
    /// Defaults to 1 s and 60 s.
    #[must_use]
    pub fn with_probe_waits(mut self, first: Duration, longest: Duration) -> Self {
        self.first_wait = first.max(Duration::from_millis(1));
        self.longest_wait = longest.max(self.first_wait);
        self
    }

    /// Sets what happens when the breakers of all endpoints are open.
    ///
    /// Defaults to [`WhenAllOpen::TryLeastLoaded`].
    #[must_use]
    pub const fn with_when_all_open(mut self, when: WhenAllOpen) -> Self {
        self.when_all_open = when;
        self
    }

    /// Returns how long the next probe waits. `chance` is a random number from 0 to 1.
    pub(super) fn wait(&self, failed_probes: u32, chance: f64) -> Duration {
        let doublings = failed_probes.min(31);
        let base = self.first_wait.saturating_mul(1 << doublings);
        let base = base.min(self.longest_wait).as_secs_f64();
        let wait = Duration::try_from_secs_f64(base * (1.0 + JITTER * chance));
        wait.unwrap_or(Duration::MAX).min(self.longest_wait)
    }

    /// Returns whether an endpoint with these counts is to be shut.
    pub(super) fn trips(&self, consecutive: u32, all: u64, failed: u64) -> bool {
        let in_a_row = self.consecutive > 0 && consecutive >= self.consecutive;
        let enough = all >= u64::from(self.min_requests);
        let succeeded = all.saturating_sub(failed);
        in_a_row || (enough && succeeded * 100 < all * u64::from(self.success_percent))
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_linkerds_unified_breaker() {
        let policy = BreakerPolicy::default();
        assert_eq!(policy, BreakerPolicy::new());
        assert_eq!(policy.consecutive, 7);
        assert_eq!(policy.success_percent, 80);
        assert_eq!(policy.min_requests, 5);
        assert_eq!(policy.window, Duration::from_secs(10));
        assert_eq!(policy.when_all_open, WhenAllOpen::TryLeastLoaded);
        let waits: Vec<_> = (0..8)
            .map(|failed| {
                let wait = |chance| policy.wait(failed, chance).as_millis();
                (wait(0.0), wait(1.0))
            })
            .collect();
        let expected = [
            (1000, 1500),
            (2000, 3000),
            (4000, 6000),
            (8000, 12_000),
            (16_000, 24_000),
            (32_000, 48_000),
            (60_000, 60_000),
            (60_000, 60_000),
        ];
        assert_eq!(waits, expected);
        assert_eq!(policy.wait(u32::MAX, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn seven_in_a_row_or_less_than_80_percent_of_five_trip_it() {
        let policy = BreakerPolicy::new();
        let cases = [
            ((6, 6, 1), false),
            ((7, 1000, 7), true),
            ((4, 4, 4), false),
            ((1, 5, 1), false),
            ((1, 5, 2), true),
            ((1, 100, 20), false),
            ((1, 100, 21), true),
        ];
        for ((consecutive, all, failed), trips) in cases {
            assert_eq!(
                policy.trips(consecutive, all, failed),
                trips,
                "{consecutive} in a row, {failed} of {all}"
            );
        }
    }

    #[test]
    fn each_half_can_be_switched_off_and_out_of_range_values_are_taken_for_the_nearest() {
        let off = BreakerPolicy::new()
            .with_consecutive_failures(0)
            .with_success_percent(0);
        assert!(!off.trips(u32::MAX, 1000, 1000));
        let strict = BreakerPolicy::new()
            .with_success_percent(200)
            .with_min_requests(0);
        assert!(strict.trips(1, 1, 1));
        assert!(!strict.trips(0, 0, 0));
        assert!(!strict.trips(0, 1, 0));
        let waits = off.with_probe_waits(Duration::ZERO, Duration::ZERO);
        assert_eq!(waits.wait(9, 1.0), Duration::from_millis(1));
        let longest = off.with_probe_waits(Duration::MAX, Duration::MAX);
        assert_eq!(longest.wait(9, 1.0), Duration::MAX);
    }
}
