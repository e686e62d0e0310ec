//! O7 to O10: a migration that many processes come for.

use std::collections::{HashMap, HashSet};

use crate::check::Verdict;
use crate::history::{MILLI, SECOND};
use crate::once::facts::migration::{Migration, Outcome, Stage, Step};

/// How late an answer may be on a busy machine, in milliseconds.
const SLACK_MS: u64 = 5000;

pub(crate) fn migration(migration: &Migration) -> Vec<Verdict> {
    let begun: Vec<&Step> = migration
        .steps
        .iter()
        .filter(|step| step.step == Stage::Begun)
        .collect();
    vec![
        completed_once(migration, &begun),
        one_at_a_time(migration, &begun),
        fences_grow(&begun),
        everyone_is_told(migration),
    ]
}

fn completed_once(migration: &Migration, begun: &[&Step]) -> Verdict {
    let mut verdict = Verdict::new("O7", "completed once, and not begun afterwards");
    let mut by = HashSet::new();
    let mut ran = 0;
    for came in &migration.processes {
        match came.told.as_ref().map(|told| &told.outcome) {
            Some(Outcome::Ran) => {
                ran += 1;
                by.insert(came.pid);
            }
            Some(Outcome::AlreadyDone { by: pid }) => {
                by.insert(*pid);
            }
            _ => {}
        }
    }
    verdict.checks = migration.processes.len() as u64;
    if ran > 1 || by.len() != 1 {
        verdict.violated(
            format!("{ran} processes were told that they had done it, and {by:?} are named"),
            [],
        );
    }
    let worked = migration
        .steps
        .iter()
        .find(|step| step.step == Stage::Worked && by.contains(&step.pid));
    match (worked, begun.last()) {
        (None, _) => verdict.violated("the work was never done by the process that is named", []),
        (Some(worked), Some(last)) if last.at > worked.at => verdict.violated(
            format!(
                "attempt {} was begun after the work was recorded",
                last.attempt
            ),
            [],
        ),
        _ => {}
    }
    verdict
}

fn one_at_a_time(migration: &Migration, begun: &[&Step]) -> Verdict {
    let mut verdict = Verdict::new(
        "O8",
        "an attempt is begun when the one before it is dead, and soon",
    );
    let killed: HashMap<u32, u64> = migration
        .processes
        .iter()
        .filter_map(|came| Some((came.pid, came.killed?)))
        .collect();
    let last_kill_before = |at: u64| {
        killed
            .values()
            .copied()
            .filter(|&killed| killed <= at)
            .max()
    };
    let within = (migration.ttl_ms + SLACK_MS) * MILLI;
    let mut longest = 0;
    for pair in begun.windows(2) {
        verdict.checks += 1;
        match killed.get(&pair[0].pid) {
            None => verdict.violated(
                format!(
                    "attempt {} was begun while process {} lived",
                    pair[1].attempt, pair[0].pid
                ),
                [],
            ),
            Some(&at) if pair[1].at < at => verdict.violated(
                format!(
                    "attempt {} was begun {} ms before process {} was killed",
                    pair[1].attempt,
                    (at - pair[1].at) / MILLI,
                    pair[0].pid
                ),
                [],
            ),
            Some(&at) => {
                // One in between may have been killed before it noted anything.
                let is_next = pair[1].attempt == pair[0].attempt + 1;
                let at = if is_next {
                    at
                } else {
                    last_kill_before(pair[1].at).unwrap_or(at)
                };
                longest = longest.max(pair[1].at - at);
                if pair[1].at - at > within {
                    verdict.violated(
                        format!(
                            "attempt {} was begun {} s after process {} was killed",
                            pair[1].attempt,
                            (pair[1].at - at) / SECOND,
                            pair[0].pid
                        ),
                        [],
                    );
                }
            }
        }
    }
    verdict.note = Some(format!("longest takeover {} ms", longest / MILLI));
    verdict
}

fn fences_grow(begun: &[&Step]) -> Verdict {
    let mut verdict = Verdict::new(
        "O9",
        "fences and attempts grow from one attempt to the next",
    );
    for pair in begun.windows(2) {
        verdict.checks += 1;
        // One that was killed before it could note anything counts too.
        if pair[0].attempt >= pair[1].attempt || pair[0].fence >= pair[1].fence {
            verdict.violated(
                format!(
                    "attempt {} with fence {} is followed by attempt {} with fence {}",
                    pair[0].attempt, pair[0].fence, pair[1].attempt, pair[1].fence
                ),
                [],
            );
        }
    }
    if begun.first().is_none_or(|first| first.fence == 0) {
        verdict.violated("nothing was begun with a fence", []);
    }
    verdict
}

fn everyone_is_told(migration: &Migration) -> Verdict {
    let mut verdict = Verdict::new(
        "O10",
        "each process that lives is told within its wait that it is done, or that another one is \
         at work",
    );
    let mut longest = 0;
    for came in &migration.processes {
        let Some(told) = &came.told else {
            if came.killed.is_none() {
                verdict.violated(format!("process {} was told nothing", came.pid), []);
            }
            continue;
        };
        verdict.checks += 1;
        let is_an_answer = matches!(
            told.outcome,
            Outcome::Ran | Outcome::AlreadyDone { .. } | Outcome::Running
        );
        if !is_an_answer {
            verdict.violated(
                format!("process {} was told {:?}", came.pid, told.outcome),
                [],
            );
        }
        // One that has done the work itself was at work for longer.
        if told.outcome != Outcome::Ran {
            longest = longest.max(told.took_ms);
            if told.took_ms > migration.wait_ms + SLACK_MS {
                verdict.violated(
                    format!("process {} was told after {} ms", came.pid, told.took_ms),
                    [],
                );
            }
        }
    }
    verdict.note = Some(format!("longest wait {longest} ms"));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::facts::migration::{Came, Told};

    fn step(step: Stage, pid: u32, attempt: u32, at_s: u64) -> Step {
        Step {
            step,
            pid,
            attempt,
            fence: u64::from(attempt) + 100,
            at: at_s * SECOND,
        }
    }

    fn came(pid: u32, killed_s: Option<u64>, outcome: Option<Outcome>) -> Came {
        Came {
            pid,
            killed: killed_s.map(|at| at * SECOND),
            told: outcome.map(|outcome| Told {
                outcome,
                took_ms: 3000,
            }),
        }
    }

    /// The first process is killed at 5 s, the second one does the work, the third one waits.
    fn good() -> Migration {
        Migration {
            wait_ms: 10_000,
            ttl_ms: 2000,
            steps: vec![
                step(Stage::Begun, 1, 1, 2),
                step(Stage::Begun, 2, 2, 7),
                step(Stage::Worked, 2, 2, 12),
            ],
            processes: vec![
                came(1, Some(5), None),
                came(2, None, Some(Outcome::Ran)),
                came(3, None, Some(Outcome::AlreadyDone { by: 2 })),
                came(4, None, Some(Outcome::Running)),
            ],
            killed_at_work: 1,
        }
    }

    fn broken(facts: &Migration) -> Vec<&'static str> {
        migration(facts)
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| verdict.id)
            .collect()
    }

    #[test]
    fn one_completion_after_a_takeover_is_right() {
        assert_eq!(broken(&good()), [""; 0]);
        assert!(migration(&good()).iter().all(|verdict| verdict.checks > 0));
    }

    #[test]
    fn two_completions_are_a_violation_and_so_is_none() {
        let mut two = good();
        two.processes[2] = came(3, None, Some(Outcome::Ran));
        assert_eq!(broken(&two), ["O7"]);
        let mut none = good();
        none.processes[1] = came(2, None, Some(Outcome::Running));
        none.processes[2] = came(3, None, Some(Outcome::Running));
        assert_eq!(broken(&none), ["O7"]);
        let mut invented = good();
        invented.steps.pop();
        assert_eq!(broken(&invented), ["O7"]);
    }

    #[test]
    fn an_attempt_after_the_completion_is_a_violation() {
        let mut after = good();
        after.steps.push(step(Stage::Begun, 3, 3, 14));
        assert_eq!(broken(&after), ["O7", "O8"]);
    }

    #[test]
    fn two_at_work_at_a_time_are_a_violation_and_so_is_a_late_takeover() {
        let mut both = good();
        both.processes[0].killed = Some(8 * SECOND);
        assert_eq!(broken(&both), ["O8"]);
        let mut late = good();
        late.steps[1].at = 13 * SECOND;
        late.steps[2].at = 14 * SECOND;
        assert_eq!(broken(&late), ["O8"]);
    }

    #[test]
    fn a_fence_or_an_attempt_that_does_not_grow_is_a_violation() {
        let mut fence = good();
        fence.steps[1].fence = 101;
        assert_eq!(broken(&fence), ["O9"]);
        let mut attempt = good();
        attempt.steps[1].attempt = 1;
        assert_eq!(broken(&attempt), ["O9"]);
    }

    #[test]
    fn a_process_that_is_told_nothing_or_too_late_is_a_violation() {
        let mut silent = good();
        silent.processes[3].told = None;
        assert_eq!(broken(&silent), ["O10"]);
        let mut odd = good();
        odd.processes[3] = came(4, None, Some(Outcome::Other("unavailable".to_owned())));
        assert_eq!(broken(&odd), ["O10"]);
        let mut late = good();
        if let Some(told) = &mut late.processes[2].told {
            told.took_ms = 16_000;
        }
        assert_eq!(broken(&late), ["O10"]);
    }
}
