//! I18: what an operator is shown while faults are injected.

use super::lease::Lease;
use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::fault::Class;
use crate::history::{Asked, Group, MILLI, Seen, TickEvent, What};

/// How far a replica's clock may be ahead, and so a tick that is done.
const MAX_SKEW: u64 = 5000 * MILLI;

/// An answer: what the store had at some instant of the span.
#[derive(Clone, Copy, Debug)]
struct Answer<'v> {
    index: usize,
    group: usize,
    span: Span,
    seen: &'v [Seen],
}

/// Checks that the lists of locks and jobs show what is there.
pub(super) fn operator(view: &View<'_>) -> Vec<Verdict> {
    let mut held = Verdict::new(
        "I18",
        "`civic lock ls` shows a lock that is held, with its fence",
    );
    let mut stale = Verdict::new(
        "I18",
        "`civic lock ls` shows no holder that others followed",
    );
    let mut done = Verdict::new(
        "I18",
        "`civic job ls` shows each job, and no other ticks as done than those that are",
    );
    for (index, record) in view.records.iter().enumerate() {
        let What::Operator {
            group,
            from,
            asked,
            seen: Some(seen),
        } = &record.what
        else {
            continue;
        };
        let answer = Answer {
            index,
            group: *group,
            span: Span {
                from: *from,
                to: record.at,
            },
            seen,
        };
        match asked {
            Asked::Locks => {
                shows_holder(view, answer, &mut held);
                shows_the_last(view, answer, &mut stale);
            }
            Asked::Jobs => shows_done(view, answer, &mut done),
        }
    }
    vec![held, stale, done]
}

fn shows_holder(view: &View<'_>, answer: Answer<'_>, verdict: &mut Verdict) {
    let Span { from, to } = answer.span;
    let throughout = view
        .leases_of(answer.group)
        .filter(|lease| lease.begin <= from && view.at_work_until(lease) >= to)
        // A holder that was told that its lease is lost is none by its own account.
        .filter(|lease| lease.told.is_none_or(|told| told > to));
    for lease in throughout {
        verdict.checks += 1;
        if is_uncertain(view, lease, to) {
            verdict.excused += 1;
            continue;
        }
        // A fence that was deleted is not known; the holder is shown all the same.
        let of_group = answer.of(view.groups[answer.group]);
        let is_shown = of_group
            .is_some_and(|seen| seen.is_held && seen.fence.is_none_or(|f| f == lease.fence));
        if !is_shown {
            verdict.violated(
                format!("{} is not shown", view.describe(lease)),
                [lease.record, answer.index],
            );
        }
    }
}

fn shows_the_last(view: &View<'_>, answer: Answer<'_>, verdict: &mut Verdict) {
    let Some(fence) = answer
        .of(view.groups[answer.group])
        .filter(|seen| seen.is_held)
        .and_then(|seen| seen.fence)
    else {
        return;
    };
    verdict.checks += 1;
    let Some(later) = view
        .leases_of(answer.group)
        .find(|lease| lease.fence > fence && lease.begin < answer.span.from)
    else {
        return;
    };
    if is_uncertain(view, later, answer.span.to) {
        verdict.excused += 1;
    } else {
        verdict.violated(
            format!("fence {fence} is shown after {}", view.describe(later)),
            [later.record, answer.index],
        );
    }
}

fn shows_done(view: &View<'_>, answer: Answer<'_>, verdict: &mut Verdict) {
    let group = view.groups[answer.group];
    if group.interval_ms == 0 {
        return;
    }
    let last = view.records.iter().enumerate().filter(|(_, record)| {
        record.at < answer.span.from
            && matches!(
                record.what,
                What::Tick {
                    life,
                    event: TickEvent::Ran,
                    ..
                } if view.lives[&life].group == answer.group
            )
    });
    let tick_of = |what: &What| match what {
        What::Tick { tick, .. } => *tick,
        _ => 0,
    };
    let Some((ran, record)) = last.max_by_key(|(_, record)| tick_of(&record.what)) else {
        return;
    };
    verdict.checks += 1;
    let tick = tick_of(&record.what);
    let Span { from, to } = Span {
        from: record.at,
        to: answer.span.to,
    };
    if view.was_lost(answer.group, from, to)
        || view.was_undone(answer.group, from, to)
        || view.was_forgotten(answer.group, from, to)
        || is_disturbed(view, answer.group, answer.span)
    {
        verdict.excused += 1;
        return;
    }
    match answer.of(group).map(|seen| seen.done) {
        Some(Some(done)) if tick <= done && view.due(done) <= to + MAX_SKEW => {}
        Some(done) => verdict.violated(
            format!(
                "{} is shown as done until {done:?}, and tick {tick} was run before",
                group.name
            ),
            [ran, answer.index],
        ),
        None => verdict.violated(
            format!("{} is not among the jobs", group.name),
            [ran, answer.index],
        ),
    }
}

/// Whether the store may not have the lease any more, through no fault of what is shown.
fn is_uncertain(view: &View<'_>, lease: &Lease, to: u64) -> bool {
    let group = lease.group;
    let span = Span {
        from: lease.begin,
        to,
    };
    view.was_lost_under(lease, lease, to)
        || view.was_forgotten(group, span.from, to)
        || view.was_paused(lease, to)
        || is_disturbed(view, group, span)
}

/// Whether the store of the group had a fault, or a key of it had.
fn is_disturbed(view: &View<'_>, group: usize, span: Span) -> bool {
    view.faults_on(group, span).any(|fault| {
        matches!(
            fault.fault.class(),
            Class::Server | Class::Key | Class::Clock
        )
    })
}

// ===== impl Answer =====

impl Answer<'_> {
    /// Returns what is shown of the group's lock or job.
    fn of(&self, group: &Group) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.name == group.lock)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, ticks};
    use super::*;
    use crate::fault::Fault;
    use crate::history::ServerState;

    const HELD: usize = 0;
    const STALE: usize = 1;
    const DONE: usize = 2;

    /// Tick 9000 was run with fence 10; tick 10 000 is, with fence 11, from 10.0 s to 10.3 s.
    fn story() -> Story {
        let mut story = Story::new(ticks());
        story.start(1).run(9010, 1, 9000, 10);
        story.run(10_000, 1, 10_000, 11);
        story
    }

    fn asked(story: &mut Story, asked: Asked, seen: Vec<Seen>) {
        story.push(
            10_200,
            What::Operator {
                group: 0,
                from: 10_100 * MILLI,
                asked,
                seen: Some(seen),
            },
        );
    }

    fn lock(is_held: bool, fence: u64) -> Vec<Seen> {
        vec![Seen {
            name: "it".to_owned(),
            is_held,
            fence: Some(fence),
            done: None,
        }]
    }

    fn job(done: u64) -> Vec<Seen> {
        vec![Seen {
            name: "it".to_owned(),
            is_held: false,
            fence: None,
            done: Some(done),
        }]
    }

    fn verdict(story: &Story, which: usize) -> Verdict {
        let records = story.records();
        operator(&View::new(&records)).swap_remove(which)
    }

    #[test]
    fn lists_that_show_what_is_there_are_right() {
        let mut story = story();
        asked(&mut story, Asked::Locks, lock(true, 11));
        asked(&mut story, Asked::Jobs, job(9000));
        for which in [HELD, STALE, DONE] {
            let verdict = verdict(&story, which);
            assert!(verdict.holds(), "{verdict:?}");
            assert_eq!((verdict.checks, verdict.excused), (1, 0), "{which}");
        }
    }

    #[test]
    fn a_holder_that_is_not_shown_is_a_violation() {
        for seen in [vec![], lock(false, 11), lock(true, 10)] {
            let mut story = story();
            asked(&mut story, Asked::Locks, seen);
            assert!(!verdict(&story, HELD).holds());
        }
    }

    #[test]
    fn a_holder_that_others_followed_is_a_violation() {
        let mut story = story();
        asked(&mut story, Asked::Locks, lock(true, 10));
        assert!(!verdict(&story, STALE).holds());
    }

    #[test]
    fn a_job_that_is_not_shown_or_with_a_wrong_watermark_is_a_violation() {
        for seen in [vec![], job(8000), job(16_000)] {
            let mut story = story();
            asked(&mut story, Asked::Jobs, seen);
            assert!(!verdict(&story, DONE).holds());
        }
    }

    #[test]
    fn a_store_that_has_lost_its_data_excuses_and_counts() {
        let mut story = story();
        story.fault(10_050, 10_060, Fault::CrashEmpty, None);
        story.push(10_050, What::server(ServerState::Lost));
        story.push(10_060, What::server(ServerState::Back));
        asked(&mut story, Asked::Locks, vec![]);
        asked(&mut story, Asked::Jobs, vec![]);
        for which in [HELD, DONE] {
            let verdict = verdict(&story, which);
            assert!(verdict.holds(), "{verdict:?}");
            assert_eq!(verdict.excused, 1);
        }
    }
}
