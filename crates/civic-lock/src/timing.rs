//! The durations of a lease, all derived from its ttl, checked once.
//!
//! ```text
//! 0          ttl/3       + attempt        lose                         ttl
//! |-- held --|-- renew --|-- retry ... --|-- margin --|-- drift --|
//! sent                                   told lost                 expiry on the server,
//!                                                                  at the earliest
//! ```
//!
//! The inequality that everything rests on: `renew + attempt + retry < lose < ttl`. At least one
//! renewal that gets no answer is followed by another one before the holder is told that the
//! lease is lost, and it is told before the server lets anyone else in.

use std::time::Duration;

use crate::error::Error;

/// Shorter leases would be lost to ordinary scheduling delays.
const MIN_TTL: Duration = Duration::from_millis(500);
/// The fence key lives for 7 days, or for twice the ttl if that is longer.
const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A holder that is told needs some time to stop, however short the lease.
const MIN_MARGIN: Duration = Duration::from_millis(50);

/// A checked time to live: 500 ms to 7 days, in whole milliseconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ttl(Duration);

impl Ttl {
    pub(crate) fn new(ttl: Duration) -> Result<Self, Error> {
        if ttl < MIN_TTL || ttl > MAX_TTL {
            return Err(Error::config(format!(
                "the ttl is {ttl:?}; it must be 500 ms to 7 days"
            )));
        }
        Ok(Self(Duration::from_millis(ttl.as_millis() as u64)))
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }

    pub(crate) fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }
}

/// When a lease is renewed, and when its holder is told that it is lost. Counted from the moment at
/// which the last confirmed acquire or renewal was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Timing {
    /// The time to live itself.
    pub(crate) ttl: Ttl,
    /// When to send a renewal: ttl/3.
    pub(crate) renew: Duration,
    /// How long to wait for the answer to one renewal: the command timeout, but never more than
    /// ttl/4, so that a second one fits.
    pub(crate) attempt: Duration,
    /// How long to wait before a renewal that failed is sent again.
    pub(crate) retry: Duration,
    /// When to tell the holder that the lease is lost: ttl − drift − margin. Drift is how far the
    /// two clocks may diverge within one ttl, 1 % + 2 ms; margin is ttl/10, at least 50 ms.
    pub(crate) lose: Duration,
}

impl Timing {
    pub(crate) fn new(ttl: Ttl, command_timeout: Duration) -> Result<Self, Error> {
        let whole = ttl.get();
        let drift = whole / 100 + Duration::from_millis(2);
        let margin = (whole / 10).max(MIN_MARGIN);
        let timing = Self {
            ttl,
            renew: whole / 3,
            attempt: command_timeout.min(whole / 4),
            retry: (whole / 30).clamp(Duration::from_millis(10), Duration::from_millis(500)),
            lose: whole.saturating_sub(drift + margin),
        };
        if timing.renew + timing.attempt + timing.retry >= timing.lose {
            return Err(Error::config(format!(
                "the ttl of {whole:?} leaves no time for a second renewal; make it longer"
            )));
        }
        Ok(timing)
    }
}

/// Returns a random part of `most`, evenly distributed. It keeps waiters from coming all at once.
pub(crate) fn jitter(most: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// The waits between attempts at a command that the store does not answer: 100 ms, doubling up to a
/// cap, each times uniform(0.5, 1). If a process with ten thousand leases loses its store, each of
/// them must not retry ten times per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);

    pub(crate) fn new(cap: Duration) -> Self {
        Self {
            base: Self::FIRST.min(cap),
            cap,
        }
    }

    pub(crate) fn wait(&mut self) -> Duration {
        let base = self.base;
        self.base = (base * 2).min(self.cap);
        base / 2 + jitter(base / 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ttl_outside_of_its_bounds_is_refused_at_construction() {
        for millis in [0, 1, 499, 7 * 24 * 60 * 60 * 1000 + 1] {
            assert!(Ttl::new(Duration::from_millis(millis)).is_err(), "{millis}");
        }
        for millis in [500, 1000, 30_000, 7 * 24 * 60 * 60 * 1000] {
            assert!(Ttl::new(Duration::from_millis(millis)).is_ok(), "{millis}");
        }
    }

    #[test]
    fn a_lease_of_30_s_is_renewed_at_10_s_and_given_up_at_26_698_ms() {
        let ttl = Ttl::new(Duration::from_secs(30)).expect("a valid ttl");
        let timing = Timing::new(ttl, Duration::from_secs(1)).expect("valid timing");
        assert_eq!(timing.renew, Duration::from_secs(10));
        assert_eq!(timing.attempt, Duration::from_secs(1));
        assert_eq!(timing.retry, Duration::from_millis(500));
        assert_eq!(timing.lose, Duration::from_millis(26_698));
    }

    proptest! {
        #[test]
        fn one_renewal_without_an_answer_is_always_followed_by_another(
            ttl in 500u64..=7 * 24 * 60 * 60 * 1000,
            command_timeout in 1u64..60_000,
        ) {
            let ttl = Ttl::new(Duration::from_millis(ttl)).expect("within the bounds");
            let timing = Timing::new(ttl, Duration::from_millis(command_timeout))
                .expect("every ttl within the bounds leaves time");
            prop_assert!(timing.renew + timing.attempt + timing.retry < timing.lose);
            prop_assert!(timing.lose + ttl.get() / 10 + ttl.get() / 100 < ttl.get());
        }
    }

    #[test]
    fn the_waits_double_up_to_the_cap_and_are_scattered() {
        let mut backoff = Backoff::new(Duration::from_millis(350));
        for base in [100, 200, 350, 350] {
            let (base, wait) = (Duration::from_millis(base), backoff.wait());
            assert!(base / 2 <= wait && wait <= base, "{wait:?} of {base:?}");
        }
    }
}
