//! The promises of Node's ticks.

/// One side runs a tick, never both.
pub const BOTH: &str = "a tick is run by us or by the Node peer, not by both";
/// A tick is run or reported.
pub const LOST: &str = "no tick is lost silently beside a Node peer";
/// Both sides have their turns.
pub const SHARED: &str = "we run one tick, and the Node peer runs another";
