//! The report: which faults were injected and which promises held, as two tables.

use std::collections::BTreeMap;

use crate::check::{Verdict, View};
use crate::fault::{Class, Fault};
use crate::history::{Backend, Group, Phase, Record, SECOND, What};
use crate::inject::name;
use crate::topology::Topology;

/// How many lines of a history are shown per violation.
const SHOWN_RECORDS: usize = 8;
const SHOWN_VIOLATIONS: usize = 5;

pub(crate) fn print(records: &[Record], verdicts: &[Verdict]) {
    println!("\n| fault | what | injected |\n|---|---|---:|");
    let injected = injected(records);
    let groups = View::new(records).groups;
    for fault in Fault::ALL {
        let times = match injected.get(&fault) {
            Some(times) => times.to_string(),
            None => not_injected(fault, &groups).to_owned(),
        };
        println!("| {} | {} | {times} |", name(fault), fault.describe());
    }
    let skewed = records
        .iter()
        .filter(|record| matches!(record.what, What::Start { skew_ms, .. } if skew_ms != 0))
        .count();
    println!(
        "| clock-skew | replica: started with a clock that is wrong by up to 2 s | {skewed} |"
    );

    println!(
        "\n| invariant | promise | checks | excused | violations | measured |\n|---|---|---:|---:|---:|---|"
    );
    for verdict in verdicts {
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            verdict.id,
            verdict.promise,
            verdict.checks,
            verdict.excused,
            verdict.violations.len(),
            verdict.note.as_deref().unwrap_or("")
        );
    }
    let view = View::new(records);
    let end = view.end.unwrap_or_default();
    for (is_of_all, what) in [
        (true, "all data was lost, or any key might be evicted"),
        (false, "the last writes might be lost in a failover"),
    ] {
        let lengths = view
            .losses
            .iter()
            .filter(|loss| loss.is_of_all() == is_of_all);
        let (times, length) = lengths.fold((0, 0), |(times, length), loss| {
            (times + 1, length + loss.length(end))
        });
        println!(
            "\n{what}: {times} times, {:.1} s of {:.1} s",
            length as f64 / SECOND as f64,
            view.since_start(end)
        );
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.holds()) {
        println!("\n{} is broken: {}", verdict.id, verdict.promise);
        for violation in verdict.violations.iter().take(SHOWN_VIOLATIONS) {
            println!("  {}", violation.text);
            for &index in violation.records.iter().take(SHOWN_RECORDS) {
                let record = &records[index];
                let line = serde_json::to_string(record).unwrap_or_default();
                println!("    {:>9.3} s  {line}", view.since_start(record.at));
            }
        }
        let more = verdict.violations.len().saturating_sub(SHOWN_VIOLATIONS);
        if more > 0 {
            println!("  and {more} more");
        }
    }
}

/// Why a fault was never injected, if it could not be.
fn not_injected(fault: Fault, groups: &[&Group]) -> &'static str {
    let has = |backend| groups.iter().any(|group| group.backend == backend);
    let main = Topology::ALL
        .into_iter()
        .find(|&topology| has(Backend::of(topology)));
    match (fault.class(), main) {
        (Class::Clock, Some(_)) if !has(Backend::Stepped) => "0: there is no library for it",
        (Class::Server | Class::Link | Class::Key | Class::Clock, None) => "0: not without Redis",
        (_, Some(topology)) if !fault.is_possible(topology) => "0: not with these servers",
        _ => "0",
    }
}

fn injected(records: &[Record]) -> BTreeMap<Fault, usize> {
    let mut injected = BTreeMap::new();
    for record in records {
        if let What::Fault {
            fault,
            phase: Phase::Begin,
            ..
        } = record.what
        {
            *injected.entry(fault).or_default() += 1;
        }
    }
    injected
}
