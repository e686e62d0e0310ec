//! Calls over sockets.

use civic_plot::Scale;

use super::row::row;
use crate::calls::{CALLS, Client, KINDS, Kind, Peer, Sample, compare, memory};
use crate::measure::{Effort, Summary};
use crate::report::{Plot, Report, Table};

pub(super) const NAME: &str = "calls";
pub(super) const TITLE: &str = "Calls";

/// How many calls are in flight.
const AT_A_TIME: [usize; 6] = [1, 4, 16, 64, 256, 1024];
/// The same over HTTP/2, which is there for many at once.
const OVER_HTTP2: [usize; 3] = [64, 256, 1024];
/// How many rows of about 140 bytes an answer has.
const ROWS: [usize; 4] = [1, 10, 100, 1_000];
/// The table's number of calls in flight, for which there are aims.
const USUAL: usize = 64;
/// Memory is steadier than time.
const HELD_ROUNDS: usize = 3;

pub(super) fn run(effort: Effort, report: &mut Report) {
    let peer = Peer::start(&ROWS);
    let clients = KINDS.map(|kind| Client::new(kind, &peer.url()));
    let quick = effort == Effort::QUICK;
    let (calls, rounds) = if quick {
        (300, 3)
    } else {
        (6_000, effort.rounds)
    };

    let mut rows = Vec::new();
    let mut cpu = curves();
    let mut latency = curves();
    for at_a_time in AT_A_TIME {
        let calls = calls.max(at_a_time * 2);
        let samples = compare(&clients, 1, at_a_time, calls, rounds);
        for (index, samples) in samples.iter().enumerate() {
            cpu[index]
                .1
                .push((at_a_time as f64, median(samples, |sample| sample.cpu)));
            latency[index]
                .1
                .push((at_a_time as f64, median(samples, |sample| sample.latency)));
        }
        let of =
            |index: usize| -> Vec<f64> { samples[index].iter().map(|sample| sample.cpu).collect() };
        let ours = of(0);
        for (index, kind) in KINDS.into_iter().enumerate().skip(1) {
            let what = format!("a call, {at_a_time} at a time");
            let both = (ours.as_slice(), of(index));
            let aim = aim(kind, at_a_time);
            rows.push(row(&what, kind.name(), (both.0, &both.1), "µs", aim));
        }
    }

    let mut sizes = curves();
    for number in ROWS {
        let calls = (calls / number.isqrt()).max(USUAL);
        let samples = compare(&clients, number, USUAL, calls, rounds);
        for (index, samples) in samples.iter().enumerate() {
            sizes[index]
                .1
                .push((number as f64 * 0.14, median(samples, |sample| sample.cpu)));
        }
    }

    report.tables.push(Table {
        name: NAME,
        title: TITLE,
        measure: "Processor time of the client's thread per call.",
        rows,
    });
    over_http2(&peer, (calls, rounds), report);
    if !quick {
        held(&peer, report);
    }
    let places = |values: &[f64]| -> Vec<(f64, String)> {
        values
            .iter()
            .map(|&value| (value, value.to_string()))
            .collect()
    };
    let at_a_time = places(&AT_A_TIME.map(|at_a_time| at_a_time as f64));
    report.plots.extend([
        Plot {
            table: NAME,
            path: "performance/calls-cpu.svg",
            title: "What a call costs the client",
            subtitle: "processor time per call in µs; an answer of 0.2 KB; less is better",
            across: "calls in flight",
            places: at_a_time.clone(),
            scale: Scale::Logarithmic,
            sides: cpu,
        },
        Plot {
            table: NAME,
            path: "performance/calls-latency.svg",
            title: "How long a call takes when the peer does nothing",
            subtitle: "median latency in µs, client and peer on two cores; less is better",
            across: "calls in flight",
            places: at_a_time,
            scale: Scale::Logarithmic,
            sides: latency,
        },
        Plot {
            table: NAME,
            path: "performance/calls-size.svg",
            title: "What a call costs the client, by the size of the answer",
            subtitle: "processor time per call in µs, 64 calls in flight; less is better",
            across: "size of the answer in KB",
            places: places(&ROWS.map(|number| number as f64 * 0.14)),
            scale: Scale::Logarithmic,
            sides: sizes,
        },
    ]);
}

/// Measures calls over HTTP/2 beside those over HTTP/1.1.
fn over_http2(peer: &Peer, (calls, rounds): (usize, usize), report: &mut Report) {
    let clients = [Kind::CivicHttp2, Kind::Civic].map(|kind| Client::new(kind, &peer.url()));
    let rows = OVER_HTTP2.map(|at_a_time| {
        let samples = compare(&clients, 1, at_a_time, calls.max(at_a_time * 2), rounds);
        let of =
            |index: usize| -> Vec<f64> { samples[index].iter().map(|sample| sample.cpu).collect() };
        let what = format!("a call over HTTP/2, {at_a_time} at a time");
        row(&what, "over HTTP/1.1", (&of(0), &of(1)), "µs", Some(1.0))
    });
    report.tables.push(Table {
        name: NAME,
        title: "Calls over HTTP/2",
        measure: "Processor time of the client's thread per call, of our client on both sides.",
        rows: rows.into(),
    });
}

/// Measures the memory of calls in flight.
fn held(peer: &Peer, report: &mut Report) {
    let taken =
        KINDS.map(|kind| -> Vec<f64> { (0..HELD_ROUNDS).map(|_| memory(kind, peer)).collect() });
    let what = format!("a call in flight, of {CALLS}");
    let rows = KINDS.into_iter().zip(&taken).skip(1).map(|(kind, theirs)| {
        let aim = (kind == Kind::Hyper).then_some(1.3);
        row(&what, kind.name(), (&taken[0], theirs), "KB", aim)
    });
    report.tables.push(Table {
        name: NAME,
        title: "Memory of calls in flight",
        measure: "Growth of a process of its own, per call.",
        rows: rows.collect(),
    });
}

/// The largest ratio that is aimed at.
fn aim(kind: Kind, at_a_time: usize) -> Option<f64> {
    match kind {
        Kind::Hyper if at_a_time == USUAL => Some(1.25),
        Kind::Assembled if at_a_time == USUAL => Some(0.6),
        Kind::Reqwest => Some(1.0),
        _ => None,
    }
}

fn curves() -> Vec<(String, Vec<(f64, f64)>)> {
    KINDS
        .map(|kind| (kind.name().to_owned(), Vec::new()))
        .into()
}

fn median(samples: &[Sample], pick: impl Fn(&Sample) -> f64) -> f64 {
    Summary::of(&samples.iter().map(pick).collect::<Vec<_>>()).median
}
