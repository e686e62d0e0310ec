//! What a replica does next.

use super::state::{Phase, Replica};
use crate::server::Fate;

/// What a replica does next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Duty {
    /// Asks for the watermark, registers the job, or gives a tick up, as its phase says.
    Ask(Fate),
    /// Claims its next tick.
    Claim(Fate),
    /// Asks for the time, because its clock is suspect.
    Measure(Fate),
    /// Extends its lease.
    Renew(Fate),
    /// Its work returns: the tick is recorded.
    Return(Fate),
    /// Its work returns an error: the tick is tried again, or recorded.
    Fail(Fate),
    /// It was told to end: the tick is handed over.
    HandOver(Fate),
    /// Its lease is over: the work is dropped.
    Drop,
    /// No answer comes.
    TimeOut,
    /// The process ends, and another one starts in its place.
    Exit,
}

// ===== impl Duty =====

impl Duty {
    pub(super) fn fate(self) -> Option<Fate> {
        match self {
            Self::Ask(fate)
            | Self::Claim(fate)
            | Self::Measure(fate)
            | Self::Renew(fate)
            | Self::Return(fate)
            | Self::Fail(fate)
            | Self::HandOver(fate) => Some(fate),
            Self::Drop | Self::TimeOut | Self::Exit => None,
        }
    }

    pub(super) fn describe(self, replica: &Replica) -> String {
        match self {
            Self::Ask(_) => match replica.phase {
                Phase::Registering { done, .. } => format!("registers the watermark {done}"),
                Phase::GivingUp { to, .. } => format!("gives tick {to} up"),
                _ => "asks where to begin".to_owned(),
            },
            Self::Claim(_) => format!("claims its next tick after {}", replica.known),
            Self::Measure(_) => "asks for the time".to_owned(),
            Self::Renew(_) => "renews".to_owned(),
            Self::Return(_) => "has run its tick, and records it".to_owned(),
            Self::Fail(_) => "has failed".to_owned(),
            Self::HandOver(_) => "hands its tick over".to_owned(),
            Self::Drop => "is told that its lease is lost".to_owned(),
            Self::TimeOut => "gets no answer".to_owned(),
            Self::Exit => "ends, and is replaced".to_owned(),
        }
    }
}
