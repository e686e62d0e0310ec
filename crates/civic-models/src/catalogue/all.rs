//! The list of all models.

use super::entry::{Entry, Extent};
use super::{lease, loss, once, peer, schedule, tick};

/// Lists every model.
#[must_use]
pub fn all(extent: Extent) -> Vec<Entry> {
    vec![
        lease::entry(extent),
        tick::entry(extent),
        loss::entry(extent),
        peer::entry(extent),
        schedule::entry(extent),
        once::entry(extent),
    ]
}
