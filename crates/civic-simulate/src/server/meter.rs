//! The average rate of the last minute.

use std::time::Duration;

/// How often the average is brought up to date.
const TICK: Duration = Duration::from_secs(5);

/// `1 - exp(-5 s / 60 s)`, written out: the last bits of `exp` are the platform's business.
const ALPHA: f64 = 0.079_955_585_370_676_71;

/// An exponentially weighted average of the last minute, in events per second.
///
/// Brought up to date every 5 s, as the meters of the published simulations are; the first 5 s
/// count as they are.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    ticks: u64,
    uncounted: u64,
    rate: Option<f64>,
}

impl Meter {
    /// Counts one event at this time.
    pub fn mark(&mut self, now: Duration) {
        self.advance(now);
        self.uncounted += 1;
    }

    /// Returns the average rate at this time.
    pub fn per_second(&mut self, now: Duration) -> f64 {
        self.advance(now);
        self.rate.unwrap_or_default()
    }

    fn advance(&mut self, now: Duration) {
        let ticks = now.as_secs() / TICK.as_secs();
        while self.ticks < ticks {
            self.ticks += 1;
            let current = self.uncounted as f64 / TICK.as_secs_f64();
            self.uncounted = 0;
            self.rate = Some(match self.rate {
                None => current,
                Some(rate) => rate + ALPHA * (current - rate),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_steady_rate_is_the_average() {
        let mut meter = Meter::default();
        for second in 0..600 {
            meter.mark(seconds(second));
        }
        assert!((meter.per_second(seconds(600)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_minute_of_silence_leaves_about_a_third() {
        let mut meter = Meter::default();
        for second in 0..600 {
            meter.mark(seconds(second));
        }
        let rest = meter.per_second(seconds(660));
        assert!((0.36..0.38).contains(&rest), "{rest}");
    }

    #[test]
    fn what_has_not_been_counted_yet_is_not_in_the_average() {
        let mut meter = Meter::default();
        meter.mark(seconds(4));
        assert!(meter.per_second(seconds(4)).abs() < f64::EPSILON);
        assert!((meter.per_second(seconds(5)) - 0.2).abs() < f64::EPSILON);
    }
}
