//! Renewals of leases on a redis-server.

use std::time::Duration;

use civic_plot::Scale;
use tokio::runtime;

use super::row::row;
use crate::leases::{Cost, Held};
use crate::measure::{Effort, Summary};
use crate::report::{Plot, Report, Table};

pub(super) const NAME: &str = "leases";
pub(super) const TITLE: &str = "Renewing leases";

const ALONE: &str = "one lease alone";
/// How many leases are held, and their ttl in milliseconds.
const CASES: [(usize, u64); 4] = [(1, 500), (100, 6_000), (1_000, 6_000), (10_000, 6_000)];
/// Each lease is renewed twice or more.
const WINDOW: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;
/// How much more a renewal may cost among many.
const AIM: f64 = 1.2;

pub(super) fn run(effort: Effort, report: &mut Report) {
    let quick = effort == Effort::QUICK;
    let (cases, rounds, window) = if quick {
        (&CASES[..2], 1, WINDOW / 2)
    } else {
        (&CASES[..], ROUNDS, WINDOW)
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let mut costs = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((leases, ttl), costs) in cases.iter().zip(&mut costs) {
            let held = Held {
                leases: *leases,
                ttl: Duration::from_millis(*ttl),
            };
            costs.push(runtime.block_on(held.measure(window)));
        }
    }
    let of = |index: usize, pick: fn(&Cost) -> f64| -> Vec<f64> {
        let costs: &Vec<Cost> = &costs[index];
        costs.iter().map(pick).collect()
    };
    let here: fn(&Cost) -> f64 = |cost| cost.process;
    let there: fn(&Cost) -> f64 = |cost| cost.server;
    let alone = of(0, here);
    let rows = cases
        .iter()
        .enumerate()
        .skip(1)
        .map(|(index, (leases, _))| {
            let what = format!("a renewal among {leases} leases");
            row(&what, ALONE, (&of(index, here), &alone), "µs", Some(AIM))
        });
    report.tables.push(Table {
        name: NAME,
        title: TITLE,
        measure: "Processor time of the process per renewal, over one connection to one redis-server.",
        rows: rows.collect(),
    });
    let curve = |pick: fn(&Cost) -> f64| {
        let points = cases.iter().enumerate().map(|(index, (leases, _))| {
            let median = Summary::of(&of(index, pick)).median;
            (*leases as f64, median)
        });
        points.collect::<Vec<_>>()
    };
    let places = cases
        .iter()
        .map(|(leases, _)| (*leases as f64, leases.to_string()));
    report.plots.push(Plot {
        table: NAME,
        path: "performance/leases.svg",
        title: "What it costs to renew a lease, by how many leases a process holds",
        subtitle: "processor time per renewal in µs, one connection; less is better",
        across: "leases held",
        places: places.collect(),
        scale: Scale::Logarithmic,
        sides: vec![
            ("the process that holds them".to_owned(), curve(here)),
            ("the server".to_owned(), curve(there)),
        ],
    });
}
