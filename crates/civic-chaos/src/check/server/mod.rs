//! Checks what the server executed: every write of every script, in order, with the server's clock
//! (from MONITOR).
//!
//! Only conventions of the wire are assumed, not which script does what: a script's first argument
//! is the holder on whose behalf it acts, and further arguments may name values that the same
//! process has abandoned.

mod grant;
mod granted;
mod key;
mod replay;
#[cfg(test)]
mod tests;
mod words;

use self::replay::Replay;
use super::verdict::Verdict;
use super::view::View;

pub(super) fn check(view: &View<'_>) -> Vec<Verdict> {
    let mut replay = Replay::new(view);
    for (index, record) in view.records.iter().enumerate() {
        replay.apply(index, record);
    }
    let (granted, told) = (granted::granted(&replay), granted::told(&replay));
    vec![
        told,
        replay.owners,
        replay.takeovers,
        replay.foreign,
        replay.holds,
        granted,
    ]
}
