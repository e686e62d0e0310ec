//! What a run is judged by.

use std::time::Duration;

use crate::network::Traffic;

/// A call that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Whether the caller got a 200.
    pub succeeded: bool,
    /// The time from the call to its end, waits included.
    pub took: Duration,
}

/// What a run is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The calls that were made.
    pub calls: usize,
    /// The calls that got a 200.
    pub succeeded: usize,
    /// The calls that had not ended when the simulation did. They count as failed, and not in the
    /// times.
    pub unfinished: usize,
    /// The mean time of the calls that ended, successful or not.
    pub mean: Duration,
    /// The time within which 99 of 100 calls ended, successful or not.
    pub p99: Duration,
    /// What the servers saw.
    pub traffic: Traffic,
}

impl Measurement {
    /// Sums up a run.
    #[must_use]
    pub fn new(calls: usize, ended: &[Ended], traffic: Traffic) -> Self {
        let mut times: Vec<Duration> = ended.iter().map(|call| call.took).collect();
        times.sort_unstable();
        let total: Duration = times.iter().sum();
        // The nearest rank: the smallest time that at least 99 % of the calls did not exceed.
        let rank = (times.len() * 99).div_ceil(100);
        Self {
            calls,
            succeeded: ended.iter().filter(|call| call.succeeded).count(),
            unfinished: calls - ended.len(),
            mean: total
                .checked_div(u32::try_from(times.len()).unwrap_or(u32::MAX))
                .unwrap_or_default(),
            p99: rank
                .checked_sub(1)
                .and_then(|index| times.get(index).copied())
                .unwrap_or_default(),
            traffic,
        }
    }

    /// Returns the share of the calls that got a 200, in percent.
    #[must_use]
    pub fn success_percent(&self) -> f64 {
        ratio(self.succeeded as f64 * 100.0, self.calls)
    }

    /// Returns how many requests reached the servers per call.
    #[must_use]
    pub fn attempts_per_call(&self) -> f64 {
        ratio(self.traffic.attempts as f64, self.calls)
    }

    /// Returns for how long servers worked per call, in seconds.
    #[must_use]
    pub fn server_time_per_call(&self) -> f64 {
        ratio(self.traffic.server_time.as_secs_f64(), self.calls)
    }
}

fn ratio(part: f64, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(millis: u64) -> Ended {
        Ended {
            succeeded: millis <= 50,
            took: Duration::from_millis(millis),
        }
    }

    #[test]
    fn the_mean_the_99th_percentile_and_the_share_are_those_of_the_calls() {
        let calls: Vec<_> = (1..=100).rev().map(ended).collect();
        let measured = Measurement::new(200, &calls, Traffic::default());
        assert_eq!(measured.p99, Duration::from_millis(99));
        assert_eq!(measured.mean, Duration::from_micros(50_500));
        assert_eq!(measured.unfinished, 100);
        assert!((measured.success_percent() - 25.0).abs() < f64::EPSILON);
    }

    #[test]
    fn of_few_calls_the_99th_percentile_is_the_slowest() {
        let measured = Measurement::new(3, &[ended(1), ended(9), ended(5)], Traffic::default());
        assert_eq!(measured.p99, Duration::from_millis(9));
    }

    #[test]
    fn without_calls_there_is_nothing_to_divide_by() {
        let measured = Measurement::new(0, &[], Traffic::default());
        assert_eq!(measured.p99, Duration::ZERO);
        assert!(measured.attempts_per_call().abs() < f64::EPSILON);
    }
}
