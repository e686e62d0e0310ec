//! What becomes of ticks that are due at the same time.

use crate::scheduler::tick::Tick;

/// What becomes of the ticks of a job when several are due at once: after an outage, or because the
/// work takes longer than the interval.
///
/// A tick that was begun and not finished is taken over first, whichever of these is chosen. Ticks
/// that are not run are reported as one [`missed`](super::Event::Missed) event.
///
/// Exhaustive on purpose: there is no fourth choice.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Coalesce {
    /// Runs each of them that is within its misfire grace, oldest first.
    Every,
    /// Runs the latest of them, and reports the others as missed. This is the default.
    #[default]
    Latest,
    /// Runs none of them, reports all as missed, and goes on with the next.
    Skip,
}

/// What to do about the ticks that are due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    /// Claims this tick. Those before it are passed over by the claim.
    Claim(Tick),
    /// Gives up all ticks up to and including this one.
    GiveUp(Tick),
}

impl Coalesce {
    /// Chooses among the ticks that are due, from `next`, the oldest that is not done, to `latest`.
    pub(super) fn choose(self, next: Tick, latest: Tick) -> Choice {
        match self {
            Self::Skip if latest > next => Choice::GiveUp(latest),
            Self::Every | Self::Skip => Choice::Claim(next),
            Self::Latest => Choice::Claim(latest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_due_ticks_every_runs_the_oldest_latest_the_last_and_skip_none() {
        let (next, latest) = (Tick::from_millis(20), Tick::from_millis(70));
        for (coalesce, expected) in [
            (Coalesce::Every, Choice::Claim(next)),
            (Coalesce::Latest, Choice::Claim(latest)),
            (Coalesce::Skip, Choice::GiveUp(latest)),
        ] {
            assert_eq!(coalesce.choose(next, latest), expected);
            // The only tick that is due runs, however late.
            assert_eq!(coalesce.choose(next, next), Choice::Claim(next));
        }
    }
}
