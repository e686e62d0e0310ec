//! I19: the leaders of an election, and the writes that they make with their fences.

use super::lease::{Ended, Lease};
use super::limits::{JITTER, SLACK, could_be_followed, followed};
use super::span::AFTERMATH;
use super::verdict::Verdict;
use super::view::View;
use crate::history::{Group, Kind, MILLI, What};

/// How long after a resignation the next leader is elected, if the hint is heard: a look at a file
/// comes every 200 ms.
const AT_ONCE: u64 = 500 * MILLI;
/// How many resignations it takes to judge what is usual.
const ENOUGH: usize = 8;

/// A write of a leader.
#[derive(Clone, Copy, Debug)]
struct Write {
    index: usize,
    at: u64,
    life: u32,
    fence: u64,
    is_leader: bool,
    is_accepted: bool,
}

/// Checks the elections.
pub(super) fn election(view: &View<'_>) -> Vec<Verdict> {
    let mut accepted = Verdict::new(
        "I19",
        "no two leaders whose fenced writes are both accepted: one after the other only",
    );
    let mut sure = Verdict::new(
        "I19",
        "no write is stale whose writer is sure that it leads",
    );
    let mut crash = Verdict::new(
        "I19",
        "a leader that was killed is followed within ttl + jitter",
    );
    let mut resignation = Verdict::new("I19", "a leader that resigned is followed");
    let mut usual = Verdict::new("I19", "half of the resignations are followed at once");
    for group in &view.groups {
        if group.kind != Kind::Candidate {
            continue;
        }
        let writes = writes_of(view, group);
        one_after_the_other(group, &writes, &mut accepted);
        stale(view, &writes, &mut sure);
        followers(view, group, &mut crash, &mut resignation, &mut usual);
    }
    vec![
        accepted,
        sure,
        crash.with_note(),
        resignation.with_note(),
        usual,
    ]
}

fn writes_of(view: &View<'_>, group: &Group) -> Vec<Write> {
    let writes = view.records.iter().enumerate();
    let writes = writes.filter_map(|(index, record)| match record.what {
        What::Written {
            life,
            fence,
            is_leader,
            is_accepted,
        } if view.lives.get(&life)?.group == group.group => Some(Write {
            index,
            at: record.at,
            life,
            fence,
            is_leader,
            is_accepted,
        }),
        _ => None,
    });
    writes.collect()
}

/// Checks the writes in the order in which they were let in or refused.
fn one_after_the_other(group: &Group, writes: &[Write], verdict: &mut Verdict) {
    let mut last: Option<Write> = None;
    let mut refused: u64 = 0;
    for &write in writes {
        verdict.checks += 1;
        let describe = |write: Write| format!("life {} with fence {}", write.life, write.fence);
        let before = last.map_or(0, |last| last.fence);
        if !write.is_accepted {
            refused += 1;
            if write.fence >= before {
                verdict.violated(
                    format!("refused, and not stale: {}", describe(write)),
                    [write.index],
                );
            }
            continue;
        }
        if let Some(last) = last
            && (write.fence < last.fence || write.fence == last.fence && write.life != last.life)
        {
            verdict.violated(
                format!(
                    "both accepted: {}, and then {}",
                    describe(last),
                    describe(write)
                ),
                [last.index, write.index],
            );
        }
        last = Some(write);
    }
    if last.is_none() {
        verdict.violated(
            format!(
                "no leader of {} ever wrote: nothing was checked",
                group.name
            ),
            [],
        );
    }
    let before = verdict.note.as_ref().and_then(|note| {
        let (number, _) = note.split_once(' ')?;
        number.parse::<u64>().ok()
    });
    let refused = refused + before.unwrap_or(0);
    verdict.note = Some(format!("{refused} stale writes were refused"));
}

/// Checks the writes of those that were sure to lead when they wrote.
fn stale(view: &View<'_>, writes: &[Write], verdict: &mut Verdict) {
    for write in writes.iter().filter(|write| write.is_leader) {
        verdict.checks += 1;
        if write.is_accepted {
            continue;
        }
        let group = view.lives[&write.life].group;
        // It may have been stopped between the look at its clock and the write.
        let paused = view.life_was_paused(write.life, write.at.saturating_sub(AFTERMATH), write.at);
        let own = view
            .leases_of(group)
            .find(|lease| lease.life == write.life && lease.fence == write.fence);
        let newer = view
            .leases_of(group)
            .filter(|lease| lease.fence > write.fence);
        let lost = own.is_some_and(|own| {
            let mut newer = newer.filter(|newer| newer.begin <= write.at + AFTERMATH);
            newer.any(|newer| view.was_lost_under(own, newer, write.at))
        });
        if paused || lost {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "life {} was sure to lead with fence {}, and was refused",
                    write.life, write.fence
                ),
                own.map(|own| own.record).into_iter().chain([write.index]),
            );
        }
    }
}

fn followers(
    view: &View<'_>,
    group: &Group,
    crash: &mut Verdict,
    resignation: &mut Verdict,
    usual: &mut Verdict,
) {
    let mut took = Vec::new();
    let leases: Vec<&Lease> = view.leases_of(group.group).collect();
    for (nth, lease) in leases.iter().enumerate() {
        let heir = leases[nth + 1..].first().copied();
        let killed = view.lives[&lease.life].killed;
        if lease.ended == Ended::Silent
            && let Some(from) = killed
        {
            let limit = group.ttl_ms * MILLI + JITTER + SLACK;
            followed(view, lease, heir, from, limit, crash);
        } else if lease.ended == Ended::Done
            && let Some((_, from)) = lease.end
            // One that is killed while it resigns may not have resigned.
            && killed.is_none_or(|at| at > from + AT_ONCE)
        {
            let limit = group.poll_cap_ms * MILLI + JITTER + SLACK;
            followed(view, lease, heir, from, limit, resignation);
            if could_be_followed(view, lease, from, limit) {
                took.push(heir.map_or(u64::MAX, |heir| heir.begin.saturating_sub(from)));
            }
        }
    }
    took.sort_unstable();
    usual.checks += took.len() as u64;
    if took.len() < ENOUGH {
        usual.excused += took.len() as u64;
        return;
    }
    let median = took[took.len() / 2];
    let note = format!("{} after {} ms", group.name, median / MILLI);
    if median > AT_ONCE {
        usual.violated(
            format!("half of the resignations were followed later than that: {note}"),
            [],
        );
    }
    usual.note = Some(match usual.note.take() {
        Some(before) => format!("{before}; {note}"),
        None => note,
    });
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, candidates};
    use super::*;
    use crate::history::Signal;

    const ACCEPTED: usize = 0;
    const SURE: usize = 1;
    const CRASH: usize = 2;
    const RESIGNATION: usize = 3;
    const USUAL: usize = 4;

    const LET_IN: (bool, bool) = (true, true);
    const REFUSED: (bool, bool) = (false, false);
    const REFUSED_THOUGH_SURE: (bool, bool) = (true, false);

    fn verdicts(story: &Story) -> Vec<Verdict> {
        let records = story.records();
        election(&View::new(&records))
    }

    /// Two leaders, one after the other.
    fn two() -> Story {
        let mut story = Story::new(candidates());
        story.start(1).start(2);
        story.enter(5000, 1, 10).written(5010, 1, 10, LET_IN);
        story.leave(6000, 1, 10);
        story.enter(6010, 2, 11).written(6020, 2, 11, LET_IN);
        story
    }

    #[test]
    fn leaders_that_write_one_after_the_other_are_right() {
        for verdict in verdicts(&two()) {
            assert!(verdict.holds(), "{verdict:?}");
        }
    }

    #[test]
    fn a_write_of_an_earlier_leader_that_is_accepted_is_a_violation() {
        let mut story = two();
        story.written(6030, 1, 10, REFUSED);
        let verdict = &verdicts(&story)[ACCEPTED];
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.note.as_deref(), Some("1 stale writes were refused"));
        story.written(6040, 1, 10, (false, true));
        assert!(!verdicts(&story)[ACCEPTED].holds());
    }

    #[test]
    fn two_leaders_with_one_fence_are_a_violation() {
        let mut story = two();
        story.enter(6030, 1, 11).written(6040, 1, 11, LET_IN);
        assert!(!verdicts(&story)[ACCEPTED].holds());
    }

    #[test]
    fn a_resource_that_refuses_its_leader_proves_nothing() {
        let mut story = two();
        story.written(6030, 2, 11, REFUSED_THOUGH_SURE);
        assert!(!verdicts(&story)[ACCEPTED].holds());
    }

    #[test]
    fn an_election_in_which_no_one_wrote_proves_nothing() {
        let mut story = Story::new(candidates());
        story.start(1);
        assert!(!verdicts(&story)[ACCEPTED].holds());
    }

    #[test]
    fn one_that_is_sure_to_lead_when_another_one_does_is_a_violation() {
        let mut story = two();
        story.written(6030, 1, 10, REFUSED_THOUGH_SURE);
        assert!(!verdicts(&story)[SURE].holds());
        // Stopped between its look at the clock and the write.
        story.signal(5500, 1, Signal::Stop);
        story.signal(6029, 1, Signal::Cont);
        let verdict = &verdicts(&story)[SURE];
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.excused, 1);
    }

    #[test]
    fn a_store_that_has_lost_its_data_excuses_one_that_is_sure() {
        let mut story = two();
        story.loss(5900, 5950);
        story.written(6030, 1, 10, REFUSED_THOUGH_SURE);
        let verdict = &verdicts(&story)[SURE];
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.excused, 1);
    }

    /// A leader that is killed, or resigns, and one that follows after so long.
    fn followed_after(after: Option<u64>, ends: impl Fn(&mut Story)) -> Vec<Verdict> {
        let mut story = Story::new(candidates());
        story.start(1).start(2).start(3);
        story.enter(10_000, 1, 10).written(10_001, 1, 10, LET_IN);
        ends(&mut story);
        if let Some(after) = after {
            story.enter(11_000 + after, 2, 11);
        }
        story.push(60_000, What::End);
        verdicts(&story)
    }

    #[test]
    fn a_leader_that_was_killed_and_is_followed_late_or_never_is_a_violation() {
        let killed = |after| {
            let verdicts = followed_after(after, |story| {
                story.signal(11_000, 1, Signal::Kill);
            });
            (verdicts[CRASH].checks, verdicts[CRASH].holds())
        };
        assert_eq!(killed(Some(2240)), (1, true));
        assert_eq!(killed(Some(5300)), (1, false));
        assert_eq!(killed(None), (1, false));
    }

    #[test]
    fn a_leader_that_resigned_and_is_followed_late_or_never_is_a_violation() {
        let resigned = |after| {
            let verdicts = followed_after(after, |story| {
                story.leave(11_000, 1, 10);
            });
            (verdicts[RESIGNATION].checks, verdicts[RESIGNATION].holds())
        };
        assert_eq!(resigned(Some(10)), (1, true));
        assert_eq!(resigned(Some(8300)), (1, false));
        assert_eq!(resigned(None), (1, false));
    }

    #[test]
    fn resignations_that_are_mostly_followed_late_are_a_violation() {
        let with = |late: u64| {
            let mut story = Story::new(candidates());
            story.start(1).start(2).start(3);
            let mut at = 10_000;
            for nth in 0..20 {
                let life = 1 + nth as u32 % 2;
                story
                    .enter(at, life, 10 + nth)
                    .leave(at + 100, life, 10 + nth);
                at += if nth < late { 1200 } else { 150 };
            }
            story.push(80_000, What::End);
            verdicts(&story).remove(USUAL)
        };
        let few = with(5);
        assert!(few.holds(), "{few:?}");
        assert_eq!(few.note.as_deref(), Some("election after 50 ms"));
        assert!(!with(15).holds());
    }
}
