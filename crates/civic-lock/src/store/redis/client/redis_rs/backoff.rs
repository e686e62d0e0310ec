//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(500);

/// The pauses between attempts to connect: none before the first one, then twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Backoff(Option<Duration>);

impl Backoff {
    /// Returns the pause before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0.unwrap_or_default();
        self.0 = Some((pause * 2).clamp(FIRST, MOST));
        pause
    }

    /// An attempt has succeeded.
    pub(super) fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_no_pause_is_longer_than_half_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [0, 20, 40, 80, 160, 320, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }
}
