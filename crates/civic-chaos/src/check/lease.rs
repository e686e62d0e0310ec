//! A lease, as its holder saw it.

/// A lease, as its holder saw it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) group: usize,
    pub(crate) life: u32,
    pub(crate) fence: u64,
    /// The tick and the attempt, if it is the lease of a tick.
    pub(crate) tick_attempt: Option<(u64, u32)>,
    /// The record with which it begins.
    pub(crate) record: usize,
    pub(crate) begin: u64,
    /// The record with which it ends, and when.
    pub(crate) end: Option<(usize, u64)>,
    pub(crate) ended: Ended,
    /// The instant at which its holder was told that it is lost.
    pub(crate) told: Option<u64>,
}

/// How a lease ended, by the account of its holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// The work was done, and for a tick the store has confirmed it.
    Done,
    /// The work was done, or failed, and the store did not confirm it.
    Unconfirmed,
    /// The store did not confirm it; later the tick turned out to be done, by this run or another.
    ConfirmedLate,
    HandedOver,
    Lost,
    /// The holder reported nothing more.
    Silent,
}
