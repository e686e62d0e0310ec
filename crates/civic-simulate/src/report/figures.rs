//! The figures of the page.

use civic_plot::{Chart, Mark, Row, Series, grouped, lines};

use super::number::{percent, time};
use super::{File, Results};
use crate::measurement::Measurement;
use crate::policy::Policy;

/// The scenario of which the traffic over time is shown.
const STORM: &str = "slowdown_and_error_thresholds";

/// The seconds of the traffic that are shown.
const STORM_SECONDS: u64 = 45;

/// Draws the figures of the page.
#[must_use]
pub fn figures(results: &[Results]) -> Vec<File> {
    let mut files = vec![
        File {
            path: "simulation/success.svg",
            contents: success(results),
        },
        File {
            path: "simulation/load.svg",
            contents: load(results),
        },
        File {
            path: "simulation/latency.svg",
            contents: latency(results),
        },
    ];
    files.extend(
        results
            .iter()
            .find(|result| result.scenario.name == STORM)
            .map(|result| File {
                path: "simulation/storm.svg",
                contents: storm(result),
            }),
    );
    files
}

fn legend() -> Vec<(&'static str, &'static str)> {
    Policy::ALL
        .map(|policy| (policy.name(), policy.colour()))
        .into()
}

fn rows(results: &[Results], mark: impl Fn(&Measurement) -> Mark) -> Vec<Row> {
    results
        .iter()
        .map(|result| Row {
            name: result.scenario.name.to_owned(),
            marks: result.measured.iter().map(&mark).collect(),
        })
        .collect()
}

fn success(results: &[Results]) -> String {
    let rows = rows(results, |measured| Mark::Bar {
        value: measured.success_percent(),
        label: percent(measured.success_percent()),
    });
    let chart = Chart {
        title: "How many calls succeed",
        subtitle: "Calls that got a 200, in percent of all calls. Longer is better.",
        legend: &legend(),
        max: 100.0,
        ticks: &[
            (0.0, "0 %"),
            (25.0, "25 %"),
            (50.0, "50 %"),
            (75.0, "75 %"),
            (100.0, "100 %"),
        ],
    };
    grouped(&chart, &rows)
}

fn load(results: &[Results]) -> String {
    let rows = rows(results, |measured| Mark::Bar {
        value: measured.attempts_per_call(),
        label: format!("{:.2}", measured.attempts_per_call()),
    });
    let chart = Chart {
        title: "How many requests the servers get per call",
        subtitle: "1 is a request per call. What is above it, the servers do in addition while they \
                   are in trouble. Shorter is better.",
        legend: &legend(),
        max: 5.0,
        ticks: &[
            (0.0, "0"),
            (1.0, "1"),
            (2.0, "2"),
            (3.0, "3"),
            (4.0, "4"),
            (5.0, "5"),
        ],
    };
    grouped(&chart, &rows)
}

fn latency(results: &[Results]) -> String {
    let rows = rows(results, |measured| Mark::Range {
        from: measured.mean.as_secs_f64(),
        to: measured.p99.as_secs_f64(),
        label: format!("{} – {}", time(measured.mean), time(measured.p99)),
    });
    let chart = Chart {
        title: "How long a call takes",
        subtitle: "From the dot, the mean, to the end of the line, within which 99 of 100 calls end. \
                   Failed calls count. Left is better.",
        legend: &legend(),
        max: 10_000.0,
        ticks: &[
            (0.001, "1 ms"),
            (0.01, "10 ms"),
            (0.1, "100 ms"),
            (1.0, "1 s"),
            (10.0, "10 s"),
            (100.0, "100 s"),
            (1000.0, "1,000 s"),
        ],
    };
    grouped(&chart, &rows)
}

fn storm(result: &Results) -> String {
    let series: Vec<_> = result
        .measured
        .iter()
        .map(|measured| Series {
            values: (0..STORM_SECONDS)
                .map(|second| {
                    let requests = measured.traffic.per_second.get(&second);
                    requests.copied().unwrap_or_default() as f64
                })
                .collect(),
        })
        .collect();
    let chart = Chart {
        title: "What retries do to servers that have too much to do",
        subtitle: "Requests per second that reach the servers in slowdown_and_error_thresholds, where \
                   callers make 500 calls per second for 20 s.",
        legend: &legend(),
        max: 2000.0,
        ticks: &[
            (0.0, "0"),
            (500.0, "500"),
            (1000.0, "1,000"),
            (1500.0, "1,500"),
            (2000.0, "2,000"),
        ],
    };
    lines(&chart, &series)
}
