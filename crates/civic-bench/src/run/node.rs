//! The platform's own services beside ours.

use std::env;
use std::path::PathBuf;

use tokio::runtime;

use super::row::row;
use crate::measure::Effort;
use crate::node::{FETCH, NEST, compare};
use crate::report::{Report, Table};

pub(super) const NAME: &str = "node";
pub(super) const TITLE: &str = "The Node platform";

/// At least eight times the calls per second of processor time.
const AIM: f64 = 0.125;

pub(super) fn run(effort: Effort, report: &mut Report) {
    let folder = |variable| env::var_os(variable).map(PathBuf::from);
    let (Some(peers), Some(payloads)) = (folder("CIVIC_NODE_PEERS"), folder("CIVIC_PAYLOADS"))
    else {
        eprintln!("  no Node peers: `cargo xtask bench` installs them where Node is");
        return;
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let (calls, rounds) = if effort == Effort::QUICK {
        (320, 3)
    } else {
        (6_400, effort.rounds)
    };
    let costs = runtime.block_on(compare(&peers, &payloads, calls, rounds));
    report.tables.push(Table {
        name: NAME,
        title: TITLE,
        measure: "Processor time per call: of the callee's process, and of the caller's.",
        rows: vec![
            row(
                "serve a call",
                NEST,
                (&costs.serving, &costs.nest),
                "µs",
                Some(AIM),
            ),
            row(
                "make a call",
                FETCH,
                (&costs.calling, &costs.fetch),
                "µs",
                Some(AIM),
            ),
        ],
    });
}
