//! How many retries a peer is worth.

use crate::error::Error;

/// The time over which calls and retries are counted.
const WINDOW_SECONDS: u64 = 10;

/// Parts of a retry in which the shares of calls are counted.
const WHOLE: u64 = 1_000_000;

/// How many retries are made per peer: a share of its calls, and a few more.
///
/// A peer that fails now and then is helped by retries. One that fails all the time only gets more
/// work from them, when it can least bear it. So the retries of ten seconds may be at most this
/// share of the calls of the same ten seconds, plus as many per second as a client with few calls
/// needs. What is over that is not retried: the call ends with its outcome, and
/// [`NotRetried::Budget`](crate::NotRetried::Budget) says why.
///
/// Retries of requests that were never sent cost the peer nothing, and are free.
///
/// Defaults to 20 % of the calls plus 10 retries per second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryBudget {
    /// What a call adds, in millionths of a retry.
    per_call: u64,
    per_second: u32,
}

impl RetryBudget {
    /// Creates a budget of `percent` of the calls, plus `per_second` retries per second.
    ///
    /// The percentage is exact to a ten-thousandth.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `percent` is not a number from 0 to 1000.
    pub fn new(percent: f64, per_second: u32) -> Result<Self, Error> {
        if !(0.0..=1000.0).contains(&percent) {
            return Err(Error::config(format!(
                "the budget for retries is {percent} % of the calls; set it to a number from 0 to \
                 1000, for example 20"
            )));
        }
        Ok(Self {
            per_call: (percent * (WHOLE / 100) as f64).round() as u64,
            per_second,
        })
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            per_call: WHOLE / 5,
            per_second: 10,
        }
    }
}

/// The calls and retries of one peer, second by second.
#[derive(Debug, Default)]
pub(super) struct Balance {
    seconds: [Second; WINDOW_SECONDS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    calls: u64,
    retries: u64,
}

impl Balance {
    /// Counts a call.
    pub(super) fn deposit(&mut self, second: u64) {
        self.at(second).calls += 1;
    }

    /// Counts a retry, if the budget allows another one.
    pub(super) fn withdraw(&mut self, budget: RetryBudget, second: u64) -> bool {
        let window = second.saturating_sub(WINDOW_SECONDS - 1)..=second;
        let (mut calls, mut retries) = (0_u128, 0_u128);
        for counted in &self.seconds {
            if window.contains(&counted.number) {
                calls += u128::from(counted.calls);
                retries += u128::from(counted.retries);
            }
        }
        let whole = u128::from(WHOLE);
        let allowed = calls * u128::from(budget.per_call)
            + u128::from(budget.per_second) * u128::from(WINDOW_SECONDS) * whole;
        let allows = (retries + 1) * whole <= allowed;
        if allows {
            self.at(second).retries += 1;
        }
        allows
    }

    fn at(&mut self, second: u64) -> &mut Second {
        let slot = &mut self.seconds[(second % WINDOW_SECONDS) as usize];
        if slot.number != second {
            *slot = Second {
                number: second,
                ..Second::default()
            };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error_kind::ErrorKind;

    /// How many of `calls` calls, each of which asks for a retry, get one.
    fn granted(budget: RetryBudget, calls: u64) -> u64 {
        let mut balance = Balance::default();
        (0..calls)
            .filter(|_| {
                balance.deposit(3);
                balance.withdraw(budget, 3)
            })
            .count() as u64
    }

    #[test]
    fn every_percentage_is_exact() {
        for (percent, of_ten_thousand) in [
            (0.0, 0),
            (0.01, 1),
            (12.5, 1250),
            (20.0, 2000),
            (30.0, 3000),
            (33.3, 3330),
            (40.0, 4000),
            (75.0, 7500),
            (99.99, 9999),
            (100.0, 10_000),
        ] {
            let budget = RetryBudget::new(percent, 0).unwrap();
            assert_eq!(granted(budget, 10_000), of_ten_thousand, "{percent} %");
        }
    }

    #[test]
    fn the_default_is_a_fifth_of_the_calls_and_ten_per_second() {
        assert_eq!(RetryBudget::default(), RetryBudget::new(20.0, 10).unwrap());
        // The reserve of ten seconds is there from the start.
        let mut balance = Balance::default();
        let granted = |balance: &mut Balance, second| {
            std::iter::repeat_with(|| balance.withdraw(RetryBudget::default(), second))
                .take_while(|granted| *granted)
                .count()
        };
        assert_eq!(granted(&mut balance, 0), 100);
        assert_eq!(granted(&mut balance, 9), 0);
        assert_eq!(granted(&mut balance, 10), 100);
        for _ in 0..50 {
            balance.deposit(11);
        }
        assert_eq!(granted(&mut balance, 12), 10);
    }

    #[test]
    fn a_budget_that_is_no_share_is_refused_in_words() {
        for percent in [-1.0, 1000.1, f64::NAN, f64::INFINITY] {
            let error = RetryBudget::new(percent, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("from 0 to 1000"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_ten_seconds_have_more_retries_than_their_budget(
            percent in 0_u32..=100,
            per_second in 0_u32..20,
            events in prop::collection::vec((0_u64..3, any::<bool>()), 1..600),
        ) {
            let budget = RetryBudget::new(f64::from(percent), per_second).unwrap();
            let mut balance = Balance::default();
            let (mut now, mut calls, mut retries) = (0, Vec::new(), Vec::new());
            for (pause, retry) in events {
                now += pause;
                balance.deposit(now);
                calls.push(now);
                if retry && balance.withdraw(budget, now) {
                    retries.push(now);
                    let since = now.saturating_sub(WINDOW_SECONDS - 1);
                    let within = |seen: &[u64]| seen.iter().filter(|at| **at >= since).count() as f64;
                    let allowed = within(&calls) * f64::from(percent) / 100.0
                        + f64::from(per_second) * 10.0;
                    prop_assert!(within(&retries) <= allowed + 1e-9);
                }
            }
        }
    }
}
