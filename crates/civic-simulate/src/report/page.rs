//! The page `docs/simulation.md`.

use std::fmt::Write as _;

use super::number::{percent, seconds, thousands, time};
use super::wrap::wrapped;
use super::{Measure, Results, Standing, Verdict, balanced};
use crate::measurement::Measurement;
use crate::policy::Policy;

/// What the reader has to know before the results.
const INTRODUCTION: &str = include_str!("introduction.md");

/// What the reader can do with the results.
const END: &str = include_str!("end.md");

/// Renders the page.
///
/// # Errors
///
/// Our default stack is behind the peer somewhere, and the scenario does not say why.
pub fn page(results: &[Results], seed: u64) -> Result<String, String> {
    let mut page = String::new();
    page.push_str(INTRODUCTION);
    page.push_str("\n## Who is compared\n\n| column | policy |\n|---|---|\n");
    let waiting = [Policy::CivicWaiting];
    for policy in Policy::ALL
        .into_iter()
        .chain(Policy::BALANCED)
        .chain(waiting)
    {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} | {} |", policy.name(), policy.description());
    }
    page.push_str("\n## All scenarios at a glance\n\n");
    page.push_str(
        "Calls that succeed, and how civic's two stacks stand against reqwest-retry: success counts\n\
         first, then the mean, then the servers' time. A difference in success counts if it is larger\n\
         than two standard errors, the others from 5 % on.\n\n",
    );
    summary(&mut page, results);
    page.push_str(FIGURES);
    let balanced: Vec<_> = results
        .iter()
        .map(|result| (&result.scenario, result.balanced.as_slice()))
        .collect();
    balanced::summary(&mut page, &balanced);
    page.push_str("\n## Scenario by scenario\n");
    for result in results {
        scenario(&mut page, result)?;
    }
    page.push_str(&END.replace("{seed}", &seed.to_string()));
    Ok(page)
}

const FIGURES: &str = "\n![How many calls succeed](simulation/success.svg)\n
![How many requests the servers get per call](simulation/load.svg)\n
![How long a call takes](simulation/latency.svg)\n
![What retries do to servers that have too much to do](simulation/storm.svg)\n";

fn header(page: &mut String, first: &str, last: &[&str]) {
    let names = Policy::ALL.map(Policy::name);
    let cells: Vec<_> = [first].iter().chain(&names).chain(last).copied().collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
    let _ = writeln!(
        page,
        "|---|{}{}",
        "---:|".repeat(names.len()),
        "---|".repeat(last.len())
    );
}

fn summary(page: &mut String, results: &[Results]) {
    header(page, "scenario", &["civic stands", "civic, all on, stands"]);
    for result in results {
        let _ = write!(page, "| [{0}](#{0}) |", result.scenario.name);
        for measured in &result.measured {
            let _ = write!(page, " {} |", percent(measured.success_percent()));
        }
        for policy in Policy::OURS {
            let _ = write!(page, " {} |", result.verdict(policy).in_short());
        }
        page.push('\n');
    }
}

fn scenario(page: &mut String, result: &Results) -> Result<(), String> {
    let scenario = &result.scenario;
    let calls = thousands(scenario.calls() as u64);
    let clients = match scenario.clients {
        1 => "one client".to_owned(),
        clients => format!("{clients} clients"),
    };
    let about = format!(
        "{} {calls} calls ({}) by {clients}, at most {} per attempt.",
        scenario.story,
        scenario.method,
        time(scenario.attempt_timeout)
    );
    let _ = writeln!(page, "\n### {}\n\n{}\n", scenario.name, wrapped(&about));
    header(page, "", &[]);
    row(page, "success", result, |measured| {
        percent(measured.success_percent())
    });
    row(page, "mean", result, |measured| time(measured.mean));
    row(page, "p99", result, |measured| time(measured.p99));
    row(page, "attempts per call", result, |measured| {
        format!("{:.2}", measured.attempts_per_call())
    });
    row(page, "server time", result, |measured| {
        seconds(measured.traffic.server_time)
    });
    row(page, "perhaps executed twice", result, |measured| {
        thousands(measured.traffic.perhaps_twice)
    });
    let reasons = scenario.reasons;
    let ours = [reasons.default_stack, reasons.everything];
    for (policy, reason) in Policy::OURS.into_iter().zip(ours) {
        let _ = writeln!(page, "\n{}", sentence(result, policy, reason)?);
    }
    balanced::scenario(page, scenario, &result.balanced, result.waiting.as_ref())
}

fn row(page: &mut String, name: &str, result: &Results, cell: impl Fn(&Measurement) -> String) {
    let _ = write!(page, "| {name} |");
    for measured in &result.measured {
        let _ = write!(page, " {} |", cell(measured));
    }
    page.push('\n');
}

/// How one of our policies stands against the peer, by how much, at what price, and why if it is
/// behind.
fn sentence(
    result: &Results,
    policy: Policy,
    reason: Option<&'static str>,
) -> Result<String, String> {
    let Verdict {
        standing,
        measure,
        difference,
    } = result.verdict(policy);
    let place = match standing {
        Standing::Level => "**level** with",
        Standing::Ahead => "**ahead** of",
        Standing::Behind => "**behind**",
    };
    let by = match (standing, measure) {
        (Standing::Level, _) => String::new(),
        (Standing::Ahead, Measure::Success) => {
            format!(": {difference:.1} points more calls succeed")
        }
        (Standing::Behind, Measure::Success) => {
            format!(": {difference:.1} points fewer calls succeed")
        }
        (Standing::Ahead, Measure::Mean) => {
            format!(": as many calls succeed, and the mean is {difference:.0} % shorter")
        }
        (Standing::Behind, Measure::Mean) => {
            format!(": as many calls succeed, and the mean is {difference:.0} % longer")
        }
        (Standing::Ahead, Measure::ServerTime) => {
            format!(": as many calls succeed, and the servers work {difference:.0} % less")
        }
        (Standing::Behind, Measure::ServerTime) => {
            format!(": as many calls succeed, and the servers work {difference:.0} % more")
        }
    };
    let mut text = format!(
        "*{}* is {place} {}{by}.",
        policy.name(),
        Policy::PEER.name()
    );
    if standing == Standing::Behind {
        let reason = reason.ok_or_else(|| {
            format!(
                "{} is behind {} in {} ({}), and the scenario does not say why: give it a reason",
                policy.name(),
                Policy::PEER.name(),
                result.scenario.name,
                result.verdict(policy).in_short(),
            )
        })?;
        let _ = write!(text, "\n{reason}");
    }
    let twice = [policy, Policy::PEER].map(|policy| result.of(policy).traffic.perhaps_twice);
    if twice[1] > 0 && twice[0] == 0 {
        let _ = write!(
            text,
            "\nThe peer's price: {} POSTs were sent again that may have been executed already, and \
             none of civic's.",
            thousands(twice[1]),
        );
    }
    Ok(wrapped(&text))
}
