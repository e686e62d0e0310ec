//! The scripts with their arguments.

use std::fmt;

use super::holder::Holder;

/// One script with its arguments.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Command {
    /// Takes the key. The list holds values of the caller's own process that count as absent.
    Acquire(Holder, Vec<Holder>),
    /// Extends the key.
    Renew(Holder),
    /// Deletes the key, or leaves it for the rest of its minimum hold.
    Release(Holder, i8),
    /// Takes the key for a tick, or for an earlier one that is open.
    Claim(Holder, i8, Vec<Holder>),
    /// Moves the watermark to the tick, and releases like [`Command::Release`].
    Complete(Holder, i8, i8),
    /// Releases the key and leaves the tick claimed.
    Abandon(Holder),
    /// Takes a claim back whose work never began.
    Unclaim(Holder),
    /// Moves the watermark from the first instant to the second, over ticks that were missed.
    Miss(Holder, i8, i8),
    /// Sets the watermark if there is none.
    Register(i8),
    /// Reads the watermark, and the server's clock.
    Peek,
}

/// The name of a script.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Takes the key.
    Acquire,
    /// Extends the key.
    Renew,
    /// Gives it back.
    Release,
    /// Takes it for a tick.
    Claim,
    /// Records a tick.
    Complete,
    /// Hands a tick over.
    Abandon,
    /// Takes a claim back.
    Unclaim,
    /// Gives ticks up.
    Miss,
    /// Sets a first watermark.
    Register,
    /// Reads the watermark.
    Peek,
}

// ===== impl Command =====

impl Command {
    /// Which script it runs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Acquire(..) => Kind::Acquire,
            Self::Renew(_) => Kind::Renew,
            Self::Release(..) => Kind::Release,
            Self::Claim(..) => Kind::Claim,
            Self::Complete(..) => Kind::Complete,
            Self::Abandon(_) => Kind::Abandon,
            Self::Unclaim(_) => Kind::Unclaim,
            Self::Miss(..) => Kind::Miss,
            Self::Register(_) => Kind::Register,
            Self::Peek => Kind::Peek,
        }
    }

    /// The value that the command carries, which its reply echoes.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::Acquire(holder, _)
            | Self::Renew(holder)
            | Self::Release(holder, _)
            | Self::Claim(holder, ..)
            | Self::Complete(holder, ..)
            | Self::Abandon(holder)
            | Self::Unclaim(holder)
            | Self::Miss(holder, ..) => Some(*holder),
            Self::Register(_) | Self::Peek => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquire(holder, _) => write!(f, "the acquire of {holder}"),
            Self::Renew(holder) => write!(f, "the renewal of {holder}"),
            Self::Release(holder, _) => write!(f, "the release of {holder}"),
            Self::Claim(holder, tick, _) => write!(f, "the claim of tick {tick} by {holder}"),
            Self::Complete(holder, tick, _) => write!(f, "the record of tick {tick} by {holder}"),
            Self::Abandon(holder) => write!(f, "the hand-over by {holder}"),
            Self::Unclaim(holder) => write!(f, "the take-back of {holder}'s claim"),
            Self::Miss(by, _, to) => write!(f, "the giving-up of tick {to} by {by}"),
            Self::Register(done) => write!(f, "the registration of watermark {done}"),
            Self::Peek => write!(f, "the question for the watermark"),
        }
    }
}
