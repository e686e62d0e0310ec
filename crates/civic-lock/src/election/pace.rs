//! How often candidates and observers look.

use std::time::Duration;

use crate::timing::jitter;

/// One that waits looks at least this often, and at most twice as often: a hint can be lost.
pub(super) const MAX_LOOK: Duration = Duration::from_secs(5);
/// What waiting adds to the end of a lease, so that not all come at once.
const MAX_JITTER: Duration = Duration::from_millis(250);
/// Every process hears a hint at the same moment.
const HINT_JITTER: Duration = Duration::from_millis(20);

/// Returns how long to wait until the next look at a lease that ends after `left` unless it is
/// renewed. A key without a ttl has no end.
///
/// A leader renews at a third of its ttl, so the end of its lease is rarely near: then it has died,
/// or its store is slow, and the look comes right after the end.
pub(super) fn next_look(left: Option<Duration>, ttl: Duration) -> Duration {
    match left.filter(|left| *left < MAX_LOOK) {
        Some(left) => left + jitter(MAX_JITTER.min(ttl / 10)),
        None => MAX_LOOK / 2 + jitter(MAX_LOOK / 2),
    }
}

/// Returns how long to wait after a hint.
pub(super) fn after_hint() -> Duration {
    jitter(HINT_JITTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_right_after_the_end_of_the_lease_and_seldom_before_it() {
        let ttl = Duration::from_secs(15);
        for _ in 0..1000 {
            for millis in [0, 1, 999, 4999] {
                let left = Duration::from_millis(millis);
                let look = next_look(Some(left), ttl);
                assert!(left <= look && look <= left + MAX_JITTER, "{look:?}");
            }
            for left in [None, Some(MAX_LOOK), Some(ttl)] {
                let look = next_look(left, ttl);
                assert!(MAX_LOOK / 2 <= look && look <= MAX_LOOK, "{look:?}");
            }
            let short = next_look(Some(Duration::ZERO), Duration::from_millis(500));
            assert!(short <= Duration::from_millis(50), "{short:?}");
        }
    }
}
