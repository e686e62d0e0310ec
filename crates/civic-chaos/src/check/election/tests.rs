use super::super::fixture::{Story, candidates};
use super::*;
use crate::fault::Fault;
use crate::history::{Signal, What};

const ACCEPTED: usize = 0;
const SURE: usize = 1;
const CRASH: usize = 2;
const RESIGNATION: usize = 3;
const AT_ONCE_VERDICT: usize = 4;

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

/// Twenty resignations, the first ones of which are followed late.
fn twenty(late: u64, late_after: u64) -> Story {
    let mut story = Story::new(candidates());
    story.start(1).start(2).start(3);
    let mut at = 10_000;
    for nth in 0..20 {
        let life = 1 + nth as u32 % 2;
        let fence = 10 + nth;
        story.enter(at, life, fence).leave(at + 100, life, fence);
        at += 100 + if nth < late { late_after } else { 50 };
    }
    story.enter(at, 3, 30);
    story.push(80_000, What::End);
    story
}

#[test]
fn more_than_a_tenth_of_resignations_that_are_followed_late_is_a_violation() {
    let few = verdicts(&twenty(2, 510)).remove(AT_ONCE_VERDICT);
    assert!(few.holds(), "{few:?}");
    assert_eq!((few.checks, few.excused), (20, 0));
    assert_eq!(
        few.note.as_deref(),
        Some("election: half after 50 ms, 2 later than 500 ms")
    );
    assert!(!verdicts(&twenty(3, 510))[AT_ONCE_VERDICT].holds());
    assert!(verdicts(&twenty(20, 500))[AT_ONCE_VERDICT].holds());
}

#[test]
fn a_leader_that_follows_itself_is_a_violation() {
    let mut story = Story::new(candidates());
    story.start(1).start(2);
    for nth in 0..3 {
        let at = 10_000 + 200 * nth;
        story.enter(at, 1, 10 + nth).leave(at + 100, 1, 10 + nth);
    }
    story.push(80_000, What::End);
    assert!(!verdicts(&story)[AT_ONCE_VERDICT].holds());
}

#[test]
fn a_late_follower_is_excused_only_by_a_fault_that_is_near() {
    let late = |inject: &dyn Fn(&mut Story)| {
        let mut story = Story::new(candidates());
        story.start(1).start(2).start(3);
        for nth in 0..4 {
            let (at, life) = (10_000 + 1100 * nth, 1 + nth as u32 % 2);
            story
                .enter(at, life, 10 + nth)
                .leave(at + 100, life, 10 + nth);
        }
        story.push(80_000, What::End);
        inject(&mut story);
        let verdict = verdicts(&story).remove(AT_ONCE_VERDICT);
        (verdict.excused, verdict.holds())
    };
    assert_eq!(late(&|_| ()), (0, false));
    // The candidates may not hear of it, for a while.
    for fault in [Fault::FreezeLong, Fault::BlackHole, Fault::Foreign] {
        let near = late(&|story| {
            story.fault(9000, 10_000, fault, Some(3));
        });
        assert_eq!(near, (4, true), "{fault:?}");
        let before = late(&|story| {
            story.fault(4000, 5000, fault, Some(3));
        });
        assert_eq!(before, (0, false), "{fault:?}");
    }
    // One that was killed may have been elected before.
    let killed = late(&|story| {
        story.fault(10_300, 10_400, Fault::Kill, Some(3));
    });
    assert_eq!(killed, (1, false));
    // No one is there to hear of it.
    let stopped = late(&|story| {
        for life in [1, 2, 3] {
            story.signal(9900, life, Signal::Stop);
            story.signal(9950, life, Signal::Cont);
        }
    });
    assert_eq!(stopped, (4, true));
}
