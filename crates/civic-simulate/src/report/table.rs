//! The table that a terminal shows.

use std::fmt::Write as _;

use super::number::{percent, seconds, thousands, time};
use super::{Results, Verdict};
use crate::measurement::Measurement;
use crate::policy::Policy;
use crate::published::Published;

/// Renders the results as plain text: a block per scenario, a line per policy.
#[must_use]
pub fn table(results: &[Results]) -> String {
    let mut text = String::new();
    for result in results {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} ({} calls)",
            result.scenario.name,
            thousands(result.scenario.calls() as u64),
        );
        let _ = writeln!(
            text,
            "  {:<24}{:>10}{:>11}{:>11}{:>16}{:>14}{:>15}",
            "", "success", "mean", "p99", "attempts/call", "server time", "perhaps twice"
        );
        for policy in Policy::ALL {
            let _ = writeln!(text, "  {:<24}{}", policy.name(), line(result.of(policy)));
        }
        for (policy, measured) in Policy::BALANCED.into_iter().zip(&result.balanced) {
            let _ = writeln!(text, "  {:<24}{}", policy.name(), line(measured));
        }
        for policy in Policy::OURS {
            let _ = writeln!(
                text,
                "  {} against {}: {}",
                policy.name(),
                Policy::PEER.name(),
                result.verdict(policy).in_short(),
            );
        }
        if let Some(best) = Published::of(result.scenario.name).best() {
            for (policy, measured) in Policy::BALANCED.into_iter().zip(&result.balanced) {
                let _ = writeln!(
                    text,
                    "  {} against {} ({}): {}",
                    policy.name(),
                    best.policy,
                    percent(best.success),
                    Verdict::beside(measured, best).in_short(),
                );
            }
        }
        text.push('\n');
    }
    text
}

fn line(measured: &Measurement) -> String {
    format!(
        "{:>10}{:>11}{:>11}{:>16.2}{:>14}{:>15}",
        percent(measured.success_percent()),
        time(measured.mean),
        time(measured.p99),
        measured.attempts_per_call(),
        seconds(measured.traffic.server_time),
        thousands(measured.traffic.perhaps_twice),
    )
}
