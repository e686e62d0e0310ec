//! The keys of one lock.

use super::holder::Holder;

/// The key `lock:<name>`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Held {
    /// The value of the holder.
    pub holder: Holder,
    /// When the key expires, by the server's clock. None means that it never does.
    pub expires: Option<i8>,
}

/// The hash `{lock:<name>}:tick`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticks {
    /// The watermark: this tick and every earlier one are done.
    pub done: i8,
    /// The tick that runs, or whose holder died.
    pub claimed: Option<i8>,
    /// The holder that claimed it.
    pub claimant: Option<Holder>,
    /// How often it was claimed.
    pub attempt: u8,
    /// The watermark before an at-most-once claim.
    pub previous_done: Option<i8>,
    /// The holder that completed the last one.
    pub completed_by: Option<Holder>,
    /// Who moved the watermark over missed ticks, and where to; the latest first.
    pub marks: Vec<(Holder, i8)>,
}

/// All keys of one lock.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Store {
    /// The key itself.
    pub key: Option<Held>,
    /// The last fence; 0 where there is none.
    pub fence: u16,
    /// The watermark and the claim; none before the job was registered.
    pub ticks: Option<Ticks>,
}

/// Fences of one unit of time: more acquisitions than can happen in one.
pub const FENCES_PER_UNIT: u16 = 16;

// ===== impl Ticks =====

impl Ticks {
    /// A job of which only the watermark is known.
    #[must_use]
    pub fn registered(done: i8) -> Self {
        Self {
            done,
            claimed: None,
            claimant: None,
            attempt: 0,
            previous_done: None,
            completed_by: None,
            marks: Vec::new(),
        }
    }

    /// The watermark without an at-most-once tick whose holder has the key: its work may not have
    /// begun, and the claim may be taken back.
    pub(super) fn settled(&self, held: Option<Holder>) -> i8 {
        let runs = held.is_some() && self.claimant == held && self.claimed == Some(self.done);
        match self.previous_done {
            Some(previous) if runs => previous,
            _ => self.done,
        }
    }

    pub(super) fn forget_claim(&mut self) {
        self.claimed = None;
        self.claimant = None;
        self.attempt = 0;
        self.previous_done = None;
    }
}
