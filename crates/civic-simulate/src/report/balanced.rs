//! The part of the page that shows the nodes as endpoints, beside what was published.

use std::fmt::Write as _;
use std::time::Duration;

use super::number::{percent, time};
use super::verdict::{Standing, Verdict};
use super::wrap::wrapped;
use crate::measurement::Measurement;
use crate::policy::Policy;
use crate::published::{ABOUT, Published, Row};
use crate::reasons::Reasons;
use crate::scenario::Scenario;

/// What the reader has to know before the table.
const INTRODUCTION: &str = include_str!("balanced.md");

/// Writes how our stacks stand in all scenarios, if they choose the node by themselves.
pub(super) fn summary(page: &mut String, results: &[(&Scenario, &[Measurement])]) {
    // Writing to a string cannot fail.
    let _ = write!(page, "\n{INTRODUCTION}\n{}\n\n", wrapped(ABOUT));
    page.push_str(
        "| scenario | civic, endpoints | civic, all on, endpoints | best published | civic stands \
         | civic, all on, stands |\n|---|---:|---:|---:|---|---|\n",
    );
    for (scenario, measured) in results {
        let Some(best) = Published::of(scenario.name).best() else {
            continue;
        };
        let _ = write!(page, "| [{0}](#{0}) |", scenario.name);
        for ours in *measured {
            let _ = write!(page, " {} |", percent(ours.success_percent()));
        }
        let _ = write!(page, " {} ({}) |", percent(best.success), best.policy);
        for ours in *measured {
            let _ = write!(page, " {} |", Verdict::beside(ours, best).in_short());
        }
        page.push('\n');
    }
}

/// Writes the results of a scenario beside the published ones, and why ours are behind the best of
/// those, where they are.
///
/// # Errors
///
/// Ours are behind, and nothing says why.
pub(super) fn scenario(
    page: &mut String,
    scenario: &Scenario,
    measured: &[Measurement],
    waiting: Option<&Measurement>,
) -> Result<(), String> {
    let published = Published::of(scenario.name);
    let Some(best) = published.best() else {
        return Ok(());
    };
    page.push_str(
        "\nWith the nodes as endpoints:\n\n\
         |  | success | mean | server time per call | attempts per call |\n|---|---:|---:|---:|---:|\n",
    );
    let waiting = waiting.map(|measured| (Policy::CivicWaiting, measured));
    let balanced = Policy::BALANCED.into_iter().zip(measured).chain(waiting);
    for (policy, ours) in balanced {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {:.2} |",
            policy.name(),
            percent(ours.success_percent()),
            time(ours.mean),
            time(Duration::from_secs_f64(ours.server_time_per_call())),
            ours.attempts_per_call(),
        );
    }
    for row in published.rows {
        let _ = writeln!(page, "{}", line(row));
    }
    let Reasons {
        default_stack,
        everything,
    } = published.reasons;
    let reasons = [default_stack, everything];
    for ((policy, ours), reason) in Policy::BALANCED.into_iter().zip(measured).zip(reasons) {
        let verdict = Verdict::beside(ours, best);
        let name = policy.name();
        let mut text = format!(
            "*{name}* is **{}** of *{}*.",
            verdict.in_short(),
            best.policy
        );
        match (verdict.standing, reason) {
            (Standing::Level, _) => {
                text = format!("*{name}* is **level** with *{}*.", best.policy);
            }
            (Standing::Ahead, _) => {}
            (Standing::Behind, Some(reason)) => {
                text = format!(
                    "*{name}* is **{}**, compared with *{}*. {reason}",
                    verdict.in_short(),
                    best.policy
                );
            }
            (Standing::Behind, None) => {
                return Err(format!(
                    "{name} is behind {} in {} ({}), and nothing says why: give it a reason",
                    best.policy,
                    scenario.name,
                    verdict.in_short(),
                ));
            }
        }
        let _ = writeln!(page, "\n{}", wrapped(&text));
    }
    if let (Some((policy, ours)), Some(limit)) = (waiting, published.waiting) {
        let verdict = Verdict::beside(ours, best);
        let place = match verdict.standing {
            Standing::Ahead => format!("**{}** of", verdict.in_short()),
            Standing::Level => "**level** with".into(),
            Standing::Behind => format!("**{}**, compared with", verdict.in_short()),
        };
        let text = format!(
            "*{}*, with at most {limit} of the calls of each client under way, is {place} *{}*.{}",
            policy.name(),
            best.policy,
            why_waiting(scenario.name),
        );
        let _ = writeln!(page, "\n{}", wrapped(&text));
    }
    Ok(())
}

/// Says why calls that wait in front of a limit are behind, where the paragraph above does not.
fn why_waiting(scenario: &str) -> &'static str {
    match scenario {
        "slowdown_and_error_thresholds" => {
            " A call that fails has used up its two retries or the budget; the published clients have \
             no budget, and repeat a call up to four times."
        }
        "one_big_spike" => {
            " The limit spares the servers, which work less than half as long per call, and the wait \
             in front of it is what the mean shows."
        }
        _ => "",
    }
}

fn line(row: &Row) -> String {
    let mean = row.mean.map_or_else(
        || "not published".into(),
        |mean| time(Duration::from_secs_f64(mean)),
    );
    format!(
        "| {} | {} | {mean} | {} | |",
        row.policy,
        percent(row.success),
        time(Duration::from_secs_f64(row.server_time_per_call())),
    )
}
