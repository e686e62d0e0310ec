//! The list of all models.

use super::entry::{Entry, Extent};
use super::{lease, loss, tick};

/// Lists every model.
#[must_use]
pub fn all(extent: Extent) -> Vec<Entry> {
    vec![
        lease::entry(extent),
        tick::entry(extent),
        loss::entry(extent),
    ]
}
