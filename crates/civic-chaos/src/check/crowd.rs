//! I15: many callers of one lock in one process, during and after an outage of the server.

use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::history::{SECOND, What};

/// How long after an outage everything is as it was before: two seconds, and one for a command that
/// was under way.
const RECOVERY: u64 = 3 * SECOND;
/// Of so many answers one may be of another kind, on a machine that is busy.
const NEARLY_ALL: u64 = 10;
/// What an allocator may keep for itself.
const SLACK_KB: u64 = 8 * 1024;

/// Checks that all callers get their answers again at once, and that the process has not grown.
pub(super) fn crowd(view: &View<'_>) -> Vec<Verdict> {
    let mut speed = Verdict::new(
        "I15",
        "200 callers of one lock are answered as before, three seconds after an outage",
    );
    let mut memory = Verdict::new(
        "I15",
        "a process with 200 callers does not grow by an outage",
    );
    let mut before = None;
    let mut largest = 0;
    for (index, record) in view.records.iter().enumerate() {
        let What::Crowd {
            life,
            answered,
            unavailable,
            memory_kb,
        } = record.what
        else {
            continue;
        };
        let group = view.lives[&life].group;
        let from = record.at.saturating_sub(SECOND + RECOVERY);
        let span = Span {
            from,
            to: record.at,
        };
        let begins = from < view.lives[&life].started;
        if begins || view.faults_on(group, span).next().is_some() {
            continue;
        }
        speed.checks += 1;
        memory.checks += 1;
        let before = *before.get_or_insert(memory_kb);
        largest = largest.max(memory_kb);
        if memory_kb > before + before / 10 + SLACK_KB {
            memory.violated(
                format!("{memory_kb} KB, and {before} KB before the first outage"),
                [index],
            );
        }
        let mut stalls = view.stalls.iter().chain(&view.slow);
        if stalls.any(|stall| stall.meets(span)) {
            speed.excused += 1;
        } else if answered == 0 || unavailable > answered / NEARLY_ALL {
            speed.violated(
                format!("{unavailable} of {answered} answers say that the store is unavailable"),
                [index],
            );
        }
    }
    if let Some(before) = before {
        memory.note = Some(format!("{before} KB before, {largest} KB at most"));
    }
    vec![speed, memory]
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, hammer};
    use super::*;
    use crate::fault::Fault;
    use crate::history::{Group, Kind, MILLI};

    const SPEED: usize = 0;
    const MEMORY: usize = 1;

    /// The server is away from 10 s to 20 s.
    fn outage() -> Story {
        let mut story = Story::new(Group {
            kind: Kind::Crowd,
            ..hammer()
        });
        story.start(1);
        second(&mut story, 8000, 400, 0, 20_000);
        story.fault(10_000, 20_000, Fault::CrashKeep, None);
        story
    }

    fn second(story: &mut Story, at: u64, answered: u64, unavailable: u64, memory_kb: u64) {
        story.push(
            at,
            What::Crowd {
                life: 1,
                answered,
                unavailable,
                memory_kb,
            },
        );
    }

    fn holds(story: &Story, which: usize) -> bool {
        let records = story.records();
        crowd(&View::new(&records))[which].holds()
    }

    #[test]
    fn a_crowd_that_is_answered_as_before_is_right() {
        let mut story = outage();
        second(&mut story, 15_000, 200, 200, 60_000);
        second(&mut story, 22_000, 200, 150, 60_000);
        second(&mut story, 24_100, 400, 3, 21_000);
        assert!(holds(&story, SPEED));
        assert!(holds(&story, MEMORY));
    }

    #[test]
    fn a_crowd_whose_lock_stays_unavailable_is_a_violation() {
        for (answered, unavailable) in [(93, 87), (0, 0)] {
            let mut story = outage();
            second(&mut story, 24_100, answered, unavailable, 21_000);
            assert!(!holds(&story, SPEED), "{unavailable} of {answered}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_the_driver_either_excuses_and_counts() {
        let mut story = outage();
        story.push(
            24_000,
            What::Slow {
                from: 23_000 * MILLI,
            },
        );
        second(&mut story, 24_100, 200, 200, 21_000);
        let records = story.records();
        let speed = &crowd(&View::new(&records))[SPEED];
        assert!(speed.holds(), "{speed:?}");
        assert_eq!(speed.excused, 1);
    }

    #[test]
    fn a_process_that_has_grown_is_a_violation() {
        let mut story = outage();
        second(&mut story, 24_100, 400, 0, 31_000);
        assert!(!holds(&story, MEMORY));
    }
}
