//! Whether a tick may run again after a crash.

/// Whether a tick may run again after a crash.
///
/// No lock can promise "exactly once" when a holder may die between its work and the record of
/// it. Each job decides which of the two errors to make.
///
/// Exhaustive on purpose: there is no third choice.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// Runs a tick again if its holder died, with a higher fence and attempt number. This is the
    /// default.
    #[default]
    AtLeastOnce,
    /// Counts a tick as done as soon as it is claimed. A tick whose holder died is not run again.
    AtMostOnce,
}
