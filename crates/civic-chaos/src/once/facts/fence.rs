//! What has become of the writes of holders that were stopped.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// The facts of the part.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fenced {
    /// How many holders had to be stopped for longer than their ttl, and write afterwards.
    pub(crate) wanted: u64,
    /// How often a process with many holders was stopped.
    pub(crate) stops: u64,
    /// What each row has accepted and refused, in its order.
    pub(crate) writes: Vec<Write>,
    /// What the layer has refused, as the holders were told.
    pub(crate) refused: Vec<Refused>,
    /// The answers to a fence that is far ahead, one per replica.
    pub(crate) far_ahead: Vec<u16>,
    /// How many writes were accepted after that.
    pub(crate) accepted_after: u64,
}

/// A write that came to a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Write {
    pub(crate) row: String,
    pub(crate) fence: u64,
    pub(crate) accepted: bool,
}

/// A write that did not come to its row.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Refused {
    pub(crate) row: String,
    pub(crate) fence: u64,
    pub(crate) status: u16,
}

// ===== impl Fenced =====

impl Fenced {
    /// Counts the holders that have written with a fence that was overtaken.
    pub(crate) fn stale_holders(&self) -> u64 {
        let by_layer = self
            .refused
            .iter()
            .filter(|refused| refused.status == 409)
            .map(|refused| (refused.row.as_str(), refused.fence));
        let by_row = self
            .writes
            .iter()
            .filter(|write| !write.accepted)
            .map(|write| (write.row.as_str(), write.fence));
        by_layer.chain(by_row).collect::<HashSet<_>>().len() as u64
    }
}

impl Facts for Fenced {
    fn counts(&self) -> Vec<(String, u64)> {
        let accepted = self.writes.iter().filter(|write| write.accepted).count();
        vec![
            ("processes of holders stopped".to_owned(), self.stops),
            (
                "holders that wrote with a fence that was overtaken".to_owned(),
                self.stale_holders(),
            ),
            (
                "stale writes refused by the layer".to_owned(),
                self.refused
                    .iter()
                    .filter(|refused| refused.status == 409)
                    .count() as u64,
            ),
            (
                "stale writes refused by the row".to_owned(),
                (self.writes.len() - accepted) as u64,
            ),
            ("writes accepted".to_owned(), accepted as u64),
        ]
    }
}
