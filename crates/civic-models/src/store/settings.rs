//! What is configured.

/// What is configured, and the same on every replica.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// Time to live of the key.
    pub ttl: i8,
    /// What becomes of a tick whose holder died.
    pub delivery: Delivery,
    /// How long after its instant a tick may begin.
    pub grace: i8,
    /// How far in the server's future a tick may lie.
    pub max_skew: i8,
    /// How often a tick is begun at most. None means as often as its grace allows.
    pub attempts: Option<u8>,
}

/// What becomes of a tick whose holder died.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// Another replica runs it again.
    AtLeastOnce,
    /// It counts as done since its claim.
    AtMostOnce,
}
