//! How many exchanges of the last seconds failed.

use std::time::Duration;

use tokio::time::Instant;

use crate::balance::outcome::Outcome;

/// How many equal parts the window has. The oldest one is forgotten as a whole.
const BUCKETS: usize = 10;

/// The shortest part.
const MIN_BUCKET: Duration = Duration::from_millis(1);

/// How many exchanges of the last seconds failed: exact counts in a ring of ten.
#[derive(Debug)]
pub(super) struct Window {
    epoch: Instant,
    bucket: Duration,
    /// The number of the part that is counted in now, from the epoch.
    newest: u128,
    counts: [Counts; BUCKETS],
}

/// How exchanges ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) all: u64,
    pub(super) failed: u64,
    /// Those whose answers blame the caller.
    pub(super) blamed: u64,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            epoch: now,
            bucket: (length / BUCKETS as u32).max(MIN_BUCKET),
            newest: 0,
            counts: [Counts::default(); BUCKETS],
        }
    }

    /// Counts an exchange.
    pub(super) fn note(&mut self, outcome: Outcome, now: Instant) {
        self.move_on(now);
        let counts = &mut self.counts[index(self.newest)];
        counts.all += 1;
        match outcome {
            Outcome::Failed | Outcome::Limited => counts.failed += 1,
            Outcome::Blamed => counts.blamed += 1,
            Outcome::Succeeded | Outcome::Begun | Outcome::Abandoned | Outcome::NotMade => {}
        }
    }

    /// Counts as failed an exchange that has counted as a success since `noted`.
    pub(super) fn amend(&mut self, noted: Instant, now: Instant) {
        let length = self.bucket * BUCKETS as u32;
        if now.saturating_duration_since(noted) < length {
            self.move_on(now);
            self.counts[index(self.newest)].failed += 1;
        } else {
            // It counts no longer.
            self.note(Outcome::Failed, now);
        }
    }

    /// Returns the counts of the whole window.
    pub(super) fn sum(&mut self, now: Instant) -> Counts {
        self.move_on(now);
        self.counts
            .iter()
            .fold(Counts::default(), |sum, counts| Counts {
                all: sum.all + counts.all,
                failed: sum.failed + counts.failed,
                blamed: sum.blamed + counts.blamed,
            })
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.counts = [Counts::default(); BUCKETS];
    }

    fn move_on(&mut self, now: Instant) {
        let present = now.saturating_duration_since(self.epoch).as_nanos() / self.bucket.as_nanos();
        let passed = present.saturating_sub(self.newest).min(BUCKETS as u128);
        for number in 0..passed {
            self.counts[index(present - number)] = Counts::default();
        }
        self.newest = self.newest.max(present);
    }
}

fn index(number: u128) -> usize {
    usize::try_from(number % BUCKETS as u128).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_are_exact_and_leave_the_window_after_its_length() {
        let length = Duration::from_secs(10);
        let mut window = Window::new(length, Instant::now());
        for outcome in [Outcome::Failed, Outcome::Limited, Outcome::Succeeded] {
            window.note(outcome, Instant::now());
        }
        tokio::time::advance(Duration::from_millis(5500)).await;
        window.note(Outcome::Blamed, Instant::now());
        let counts = |all, failed, blamed| Counts {
            all,
            failed,
            blamed,
        };
        assert_eq!(window.sum(Instant::now()), counts(4, 2, 1));
        tokio::time::advance(Duration::from_millis(4400)).await;
        assert_eq!(window.sum(Instant::now()), counts(4, 2, 1));
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(window.sum(Instant::now()), counts(1, 0, 1));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(window.sum(Instant::now()), counts(0, 0, 0));
    }
}
