//! I17: a server that may delete keys that are in use.

use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::fault::{Class, Fault};
use crate::history::{Kind, SECOND, Version};

/// How long a replica that has just been started needs to connect, to ask and to say so.
const SAYS_SO: u64 = 4 * SECOND;

/// Checks that a replica that is started meanwhile says that locks are not safe there.
pub(super) fn eviction(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I17",
        "a replica that is started says if its server may evict keys",
    );
    let evictions = view
        .faults
        .iter()
        .filter(|fault| fault.fault == Fault::Evict);
    for fault in evictions {
        for life in view.lives.values() {
            let group = view.groups[life.group];
            let span = Span {
                from: life.started,
                to: life.started + SAYS_SO,
            };
            let knows = life.version == Version::This;
            let in_time = fault.span.from <= span.from && span.to <= fault.span.to;
            // A crowd does not log.
            if !knows || !in_time || !group.backend.is_main() || group.kind == Kind::Crowd {
                continue;
            }
            verdict.checks += 1;
            let hindered = view
                .faults_on(life.group, span)
                .any(|other| other.fault.class() == Class::Link);
            let stalled = view.stalls.iter().any(|stall| stall.meets(span));
            if life.unsafe_servers > 0 {
            } else if hindered || stalled || !life.is_well(span) || life.exit.is_none() {
                verdict.excused += 1;
            } else {
                verdict.violated(
                    format!(
                        "{} does not say that its server may evict keys",
                        life.replica
                    ),
                    [],
                );
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, ticks};
    use super::*;
    use crate::history::What;

    /// A replica that is started 100 ms after the server may evict.
    fn verdict(unsafe_servers: u64) -> Verdict {
        let mut story = Story::new(ticks());
        story.fault(10_000, 15_000, Fault::Evict, None);
        story.deployed(10_100, 1, 0, 1).exit(20_000, 1, false).push(
            20_000,
            What::Logged {
                life: 1,
                other_schedules: 0,
                unsafe_servers,
            },
        );
        let records = story.records();
        eviction(&View::new(&records))
    }

    #[test]
    fn a_warning_is_right_and_silence_is_a_violation() {
        for (said, holds) in [(1, true), (0, false)] {
            let verdict = verdict(said);
            assert_eq!(verdict.checks, 1);
            assert_eq!(verdict.holds(), holds, "{verdict:?}");
        }
    }
}
