//! Which of two policies did better in a scenario, and by how much.

use crate::measurement::Measurement;
use crate::published::Row;

/// The measure that decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Measure {
    /// The share of calls that succeeded.
    Success,
    /// The mean time of a call, where as many calls succeeded.
    Mean,
    /// The time that servers worked, where neither of the others differs.
    ServerTime,
}

/// Whether the first of two policies did better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It did better.
    Ahead,
    /// There is no difference worth naming.
    Level,
    /// It did worse.
    Behind,
}

/// Which of two policies did better, and by how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether the first one did better.
    pub standing: Standing,
    /// The measure that decided: the first one of [`Measure`] that differs.
    pub measure: Measure,
    /// The difference: percentage points for [`Measure::Success`], else percent of the second one.
    pub difference: f64,
}

/// A mean or a time that differs by less is what another seed gives.
const PERCENT_THAT_COUNTS: f64 = 5.0;

impl Verdict {
    /// Compares two policies: success first, then the mean, then the servers' time per call.
    ///
    /// A difference in success counts if it is larger than two standard errors, so that what
    /// another seed gives is not taken for merit. The others count from 5 % on.
    #[must_use]
    pub fn of(ours: &Measurement, theirs: &Measurement) -> Self {
        Self::between(&Numbers::of(ours), &Numbers::of(theirs))
    }

    /// Compares a policy with what was published, in the same way.
    #[must_use]
    pub fn beside(ours: &Measurement, published: &Row) -> Self {
        Self::between(&Numbers::of(ours), &Numbers::published(published))
    }

    fn between(ours: &Numbers, theirs: &Numbers) -> Self {
        let points = ours.success - theirs.success;
        let chance = 2.0 * (ours.variance() + theirs.variance()).sqrt() * 100.0;
        if points.abs() > chance {
            return Self::new(Measure::Success, points > 0.0, points);
        }
        if let (Some(ours), Some(theirs)) = (ours.mean, theirs.mean) {
            let mean = percent_of(ours, theirs);
            if mean.abs() >= PERCENT_THAT_COUNTS {
                return Self::new(Measure::Mean, mean < 0.0, mean);
            }
        }
        let time = percent_of(ours.server_time, theirs.server_time);
        if time.abs() >= PERCENT_THAT_COUNTS {
            return Self::new(Measure::ServerTime, time < 0.0, time);
        }
        Self {
            standing: Standing::Level,
            measure: Measure::ServerTime,
            difference: 0.0,
        }
    }

    /// Returns the verdict in a few words, such as `ahead by 2.5 points`.
    #[must_use]
    pub fn in_short(&self) -> String {
        let word = match self.standing {
            Standing::Ahead => "ahead",
            Standing::Behind => "behind",
            Standing::Level => return "level".into(),
        };
        match self.measure {
            Measure::Success => format!("{word} by {:.1} points", self.difference),
            Measure::Mean => format!("{word} by {:.0} % of the mean", self.difference),
            Measure::ServerTime => {
                format!("{word} by {:.0} % of the servers' time", self.difference)
            }
        }
    }

    fn new(measure: Measure, better: bool, difference: f64) -> Self {
        Self {
            standing: if better {
                Standing::Ahead
            } else {
                Standing::Behind
            },
            measure,
            difference: difference.abs(),
        }
    }
}

/// What a verdict goes by.
struct Numbers {
    calls: usize,
    /// The share of the calls that succeeded, in percent.
    success: f64,
    /// The mean time of a call, in seconds, if it is known.
    mean: Option<f64>,
    /// For how long servers worked per call, in seconds.
    server_time: f64,
}

impl Numbers {
    fn of(measured: &Measurement) -> Self {
        Self {
            calls: measured.calls,
            success: measured.success_percent(),
            mean: Some(measured.mean.as_secs_f64()),
            server_time: measured.server_time_per_call(),
        }
    }

    fn published(row: &Row) -> Self {
        Self {
            calls: row.calls,
            success: row.success,
            mean: row.mean,
            server_time: row.server_time_per_call(),
        }
    }

    /// The variance of the share of calls that succeed.
    fn variance(&self) -> f64 {
        let share = self.success / 100.0;
        share * (1.0 - share) / self.calls.max(1) as f64
    }
}

/// How many percent of `whole` lie between it and `part`.
fn percent_of(part: f64, whole: f64) -> f64 {
    if whole == 0.0 {
        0.0
    } else {
        (part - whole) * 100.0 / whole
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::network::Traffic;

    fn measured(succeeded: usize, mean: u64, server_time: u64) -> Measurement {
        Measurement {
            calls: 1000,
            succeeded,
            unfinished: 0,
            mean: Duration::from_millis(mean),
            p99: Duration::ZERO,
            traffic: Traffic {
                server_time: Duration::from_secs(server_time),
                ..Traffic::default()
            },
        }
    }

    #[test]
    fn success_counts_before_the_mean_and_the_mean_before_the_servers_time() {
        let cases = [
            (
                (940, 500, 9),
                (890, 1, 1),
                Standing::Ahead,
                Measure::Success,
            ),
            (
                (890, 1, 1),
                (940, 500, 9),
                Standing::Behind,
                Measure::Success,
            ),
            ((900, 500, 9), (900, 600, 1), Standing::Ahead, Measure::Mean),
            (
                (900, 500, 9),
                (900, 501, 1),
                Standing::Behind,
                Measure::ServerTime,
            ),
            (
                (900, 500, 9),
                (900, 500, 9),
                Standing::Level,
                Measure::ServerTime,
            ),
        ];
        for (ours, theirs, standing, measure) in cases {
            let verdict = Verdict::of(
                &measured(ours.0, ours.1, ours.2),
                &measured(theirs.0, theirs.1, theirs.2),
            );
            assert_eq!(
                (verdict.standing, verdict.measure),
                (standing, measure),
                "{ours:?}"
            );
        }
    }

    #[test]
    fn what_another_seed_gives_is_not_taken_for_merit() {
        let cases = [(900, 895, Standing::Level), (1000, 995, Standing::Ahead)];
        for (ours, theirs, standing) in cases {
            let verdict = Verdict::of(&measured(ours, 500, 9), &measured(theirs, 500, 9));
            assert_eq!(verdict.standing, standing, "{ours} and {theirs} of 1000");
        }
    }

    #[test]
    fn what_was_published_is_compared_in_the_same_way_and_server_time_per_call() {
        let published = |success, mean, server_time| Row {
            policy: "theirs",
            calls: 100,
            success,
            mean,
            server_time,
        };
        let ours = measured(900, 500, 9000);
        let cases = [
            (
                published(70.0, Some(0.1), 1.0),
                Standing::Ahead,
                Measure::Success,
            ),
            (
                published(90.0, Some(0.1), 1.0),
                Standing::Behind,
                Measure::Mean,
            ),
            (
                published(90.0, None, 450.0),
                Standing::Behind,
                Measure::ServerTime,
            ),
            (
                published(90.0, Some(0.5), 900.0),
                Standing::Level,
                Measure::ServerTime,
            ),
        ];
        for (row, standing, measure) in cases {
            let verdict = Verdict::beside(&ours, &row);
            assert_eq!(
                (verdict.standing, verdict.measure),
                (standing, measure),
                "{row:?}"
            );
        }
    }

    #[test]
    fn the_difference_is_in_points_or_in_percent_of_the_other() {
        let verdict = Verdict::of(&measured(900, 1, 1), &measured(850, 1, 1));
        assert!((verdict.difference - 5.0).abs() < 1e-9);
        let verdict = Verdict::of(&measured(900, 150, 1), &measured(900, 200, 1));
        assert!((verdict.difference - 25.0).abs() < 1e-9);
    }
}
