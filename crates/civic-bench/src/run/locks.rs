//! Locks on a redis-server.

use std::sync::Arc;

use tokio::runtime;

use super::row::row;
use crate::locks::{BARE, Locks};
use crate::measure::Effort;
use crate::report::{Report, Table};

pub(super) const NAME: &str = "lock";
pub(super) const TITLE: &str = "Taking and giving back a lock";

/// How many locks are taken at a time, how many pairs are measured, and the aim.
const CASES: [(&str, usize, usize, f64); 2] = [
    ("a pair, one after the other", 1, 2_000, 1.15),
    ("64 keys, a task for each", 64, 12_800, 1.6),
];

pub(super) fn run(effort: Effort, report: &mut Report) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let rows = runtime.block_on(async {
        let locks = Arc::new(Locks::start().await);
        let mut rows = Vec::new();
        for (what, at_a_time, pairs, aim) in CASES {
            let pairs = if effort == Effort::QUICK {
                pairs / 40
            } else {
                pairs
            };
            let taken = locks
                .compare(at_a_time, pairs.max(at_a_time), effort.rounds)
                .await;
            rows.push(row(what, BARE, (&taken.ours, &taken.bare), "µs", Some(aim)));
        }
        locks.stop().await;
        rows
    });
    report.tables.push(Table {
        name: NAME,
        title: TITLE,
        measure: "Time per pair, both sides with one connection to one redis-server.",
        rows,
    });
}
