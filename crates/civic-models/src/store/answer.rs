//! What the scripts answer.

use super::holder::Holder;

/// What a script answers.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// The caller is too late: nothing was done.
    Expired,
    /// The key is the caller's, with this fence.
    Granted(u16),
    /// Another holder has the key.
    Busy(Holder),
    /// Renewed, released, completed: the key was the caller's until now.
    Ours,
    /// The key is gone or another holder's.
    NotOurs,
    /// The tick is the caller's.
    Claimed {
        /// Which tick: the one asked for, or an earlier one that was open.
        tick: i8,
        /// The fence of the claim.
        fence: u16,
        /// How often the tick was claimed.
        attempt: u8,
    },
    /// The watermark has passed the tick.
    AlreadyDone(i8),
    /// Another holder has the key.
    Running(Holder),
    /// The tick lies in the server's future.
    ClockAhead,
    /// The tick is past its grace. Nothing was done.
    TooLate {
        /// The tick that it is about.
        tick: i8,
        /// The watermark as it is.
        done: i8,
    },
    /// The tick was begun as often as it may be. Nothing was done.
    Exhausted {
        /// The tick that it is about.
        tick: i8,
        /// The watermark as it is.
        done: i8,
    },
    /// There is no watermark.
    Unregistered,
    /// The caller's movement of the watermark has happened.
    Marked,
    /// It has not: the watermark is elsewhere, or the tick is being run.
    Changed(Option<i8>),
    /// The watermark as it is now.
    Registered(i8),
    /// The watermark as it is now; none where the job is unknown.
    Peeked(Option<i8>),
}
