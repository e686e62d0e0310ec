//! Whether a tick may run again after a crash.

/// Whether a tick may run again after a crash.
///
/// No lock can promise "exactly once" when a holder may die between its work and the record of
/// it. Which of the two errors to make is the job's decision.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// A tick whose holder died is run again, with a higher fence and attempt. This is the default.
    #[default]
    AtLeastOnce,
    /// A tick is done as soon as it is claimed: one whose holder died is not run again.
    AtMostOnce,
}
