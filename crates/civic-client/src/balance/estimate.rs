//! How long a whole exchange takes.

use std::time::Duration;

use tokio::time::Instant;

/// How fast the past is forgotten: after this time, what was measured before counts for a third. It
/// is twice what an exchange takes, if that is longer: otherwise it would be forgotten before it
/// can be measured again.
const DECAY: Duration = Duration::from_secs(10);

/// How long a whole exchange takes: a mean that gives more weight to what is recent and that
/// follows a rise at once (peak EWMA).
///
/// It falls while nothing is measured, so that an endpoint that was slow is tried again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate(Option<Measured>);

#[derive(Clone, Copy, Debug)]
struct Measured {
    seconds: f64,
    at: Instant,
}

impl Estimate {
    /// Takes one measurement for the truth, whatever was measured before.
    pub(super) fn begin_with(took: Duration, now: Instant) -> Self {
        Self(Some(Measured {
            seconds: took.as_secs_f64(),
            at: now,
        }))
    }

    /// Returns how long an exchange takes, in seconds; `None` if none has ended.
    pub(super) fn seconds(&self, now: Instant) -> Option<f64> {
        let measured = self.0?;
        Some(measured.seconds * measured.weight(now))
    }

    /// Notes how long an exchange took.
    pub(super) fn note(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let seconds = match self.0 {
            Some(measured) if took < measured.seconds => {
                let weight = measured.weight(now);
                measured.seconds * weight + took * (1.0 - weight)
            }
            _ => took,
        };
        self.0 = Some(Measured { seconds, at: now });
    }

    /// Notes that an exchange takes at least this long.
    pub(super) fn note_at_least(&mut self, took: Duration, now: Instant) {
        if self
            .seconds(now)
            .is_some_and(|seconds| took.as_secs_f64() > seconds)
        {
            *self = Self::begin_with(took, now);
        }
    }
}

impl Measured {
    /// Returns how much of what was measured counts now.
    fn weight(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let decay = DECAY.as_secs_f64().max(2.0 * self.seconds);
        (-passed / decay).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_rise_is_followed_at_once_and_a_fall_slowly() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.seconds(Instant::now()), None);
        estimate.note(100 * MS, Instant::now());
        estimate.note(900 * MS, Instant::now());
        assert_eq!(estimate.seconds(Instant::now()), Some(0.9));
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            estimate.note(100 * MS, Instant::now());
        }
        let seconds = estimate.seconds(Instant::now()).unwrap();
        assert!((0.38..0.41).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_measured_is_forgotten() {
        let mut estimate = Estimate::begin_with(Duration::from_secs(1), Instant::now());
        tokio::time::advance(DECAY).await;
        let seconds = estimate.seconds(Instant::now()).unwrap();
        assert!((0.36..0.37).contains(&seconds), "{seconds}");
        estimate.note_at_least(100 * MS, Instant::now());
        assert_eq!(estimate.seconds(Instant::now()), Some(seconds));
        estimate.note_at_least(500 * MS, Instant::now());
        assert_eq!(estimate.seconds(Instant::now()), Some(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_minutes_is_not_forgotten_before_it_can_be_measured_again() {
        let estimate = Estimate::begin_with(Duration::from_secs(200), Instant::now());
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(estimate.seconds(Instant::now()).unwrap() > 180.0);
    }
}
