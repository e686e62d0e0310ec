use super::super::fixture::{Story, at_most_once, ticks};
use super::*;
use crate::fault::Fault;
use crate::history::{Backend, Signal, TickEvent, What};

const LOST: usize = 0;
const AGAIN: usize = 1;
const ONCE: usize = 2;
const CALM: usize = 3;
const ORDER: usize = 4;
const MISSED: usize = 5;

fn verdict(story: &Story, which: usize) -> Verdict {
    let records = story.records();
    check(&View::new(&records)).remove(which)
}

fn holds(story: &Story, which: usize) -> bool {
    verdict(story, which).holds()
}

/// Ticks 10 000 to 14 000, each run once, two replicas in turn.
fn good(group: Group) -> Story {
    let mut story = Story::new(group);
    story.start(1).start(2);
    for n in 0..5 {
        let tick = 10_000 + 1000 * n;
        story.run(tick + 10, 1 + (n % 2) as u32, tick, 100 + n);
    }
    story.push(17_000, What::End);
    story
}

#[test]
fn ticks_that_run_once_and_in_order_keep_all_promises() {
    for group in [ticks(), at_most_once()] {
        let story = good(group);
        for which in [LOST, AGAIN, ONCE, CALM, ORDER, MISSED] {
            let verdict = verdict(&story, which);
            assert!(verdict.holds(), "{verdict:?}");
        }
        assert_eq!(verdict(&story, CALM).checks, 5);
    }
}

#[test]
fn a_tick_that_nobody_ran_is_seen() {
    let mut story = good(ticks());
    story.run(16_000, 1, 16_000, 110);
    assert!(!holds(&story, LOST), "15 000 is not there");
    story.tick(16_500, 1, TickEvent::Missed, 15_000, 0, 0);
    assert!(holds(&story, LOST), "it was reported");
}

#[test]
fn a_replica_may_die_between_giving_a_tick_up_and_saying_so() {
    for (killed, excused) in [(34_000, false), (36_000, true), (41_000, false)] {
        let mut story = good(ticks());
        story.run(16_000, 1, 16_000, 110);
        story.signal(killed, 1, Signal::Kill);
        assert_eq!(holds(&story, LOST), excused, "{killed}");
    }
}

#[test]
fn a_tick_whose_holder_died_and_that_nobody_took_over_is_seen() {
    let mut story = good(ticks());
    story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 1);
    story.signal(15_100, 1, Signal::Kill);
    story.run(16_010, 2, 16_000, 106);
    assert!(!holds(&story, LOST));
    story.tick(15_900, 2, TickEvent::Started, 15_000, 105, 2);
    story.tick(16_200, 2, TickEvent::TookOver, 15_000, 105, 2);
    assert!(holds(&story, LOST));
}

#[test]
fn a_replica_that_dies_with_its_work_done_may_have_recorded_it() {
    let mut story = good(ticks());
    story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 1);
    story.signal(15_311, 1, Signal::Kill);
    story.run(16_010, 2, 16_000, 106);
    assert!(holds(&story, LOST));
}

#[test]
fn a_scheduler_that_stands_still_is_seen() {
    let mut story = good(ticks());
    story.push(60_000, What::End);
    assert!(!holds(&story, LOST));
}

#[test]
fn a_backlog_that_is_worked_off_is_no_standstill_and_one_beyond_the_grace_is() {
    let story = |late: u64| {
        let mut story = good(ticks());
        story.run(15_000 + late, 1, 15_000, 110);
        story.push(17_000 + late, What::End);
        story
    };
    let behind = |late| {
        let verdict = verdict(&story(late), LOST);
        verdict
            .violations
            .iter()
            .any(|violation| violation.text.contains("stands still"))
    };
    assert!(!behind(18_000));
    assert!(behind(60_000));
}

#[test]
fn a_scheduler_that_never_ran_is_seen() {
    let mut story = Story::new(ticks());
    story.start(1);
    assert!(!holds(&story, LOST));
}

#[test]
fn a_second_run_without_a_reason_is_seen() {
    let mut story = good(ticks());
    story.tick(15_010, 2, TickEvent::Started, 14_000, 105, 2);
    assert!(!holds(&story, AGAIN), "the watermark was not looked at");
    assert!(!holds(&story, CALM));
}

#[test]
fn a_second_run_of_what_was_never_confirmed_is_fine() {
    let mut story = good(ticks());
    story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 1);
    story.tick(15_310, 1, TickEvent::Unrecorded, 15_000, 105, 1);
    story.tick(17_400, 2, TickEvent::Started, 15_000, 106, 2);
    story.tick(17_700, 2, TickEvent::TookOver, 15_000, 106, 2);
    // By then it is done, if not by this run.
    story.tick(17_800, 1, TickEvent::Ran, 15_000, 105, 1);
    assert!(holds(&story, AGAIN));
    assert!(holds(&story, LOST));
}

#[test]
fn a_second_run_after_a_lost_data_set_is_excused() {
    let mut story = good(ticks());
    story.loss(14_500, 14_600);
    story.tick(15_010, 2, TickEvent::Started, 14_000, 105, 1);
    let verdict = verdict(&story, AGAIN);
    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!(verdict.excused, 1);
}

#[test]
fn a_takeover_with_the_same_attempt_is_seen() {
    for (attempt, fine) in [(1, false), (2, true)] {
        let mut story = good(ticks());
        story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 1);
        story.signal(15_100, 1, Signal::Kill);
        story.tick(17_200, 2, TickEvent::Started, 15_000, 106, attempt);
        assert_eq!(holds(&story, AGAIN), fine, "{attempt}");
    }
}

#[test]
fn at_most_once_twice_is_seen() {
    let mut story = good(at_most_once());
    story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 1);
    story.signal(15_100, 1, Signal::Kill);
    assert!(holds(&story, ONCE));
    story.tick(17_200, 2, TickEvent::Started, 15_000, 106, 2);
    assert!(!holds(&story, ONCE));
}

#[test]
fn two_replicas_that_run_the_same_tick_in_calm_are_seen() {
    let mut story = good(ticks());
    story.tick(13_400, 1, TickEvent::Started, 13_000, 150, 1);
    story.tick(13_700, 1, TickEvent::Ran, 13_000, 150, 1);
    assert!(!holds(&story, CALM));
    story.fault(12_000, 12_500, Fault::BlackHole, Some(1));
    assert!(holds(&story, CALM), "not calm any more");
}

#[test]
fn a_tick_that_the_end_cuts_off_is_no_violation() {
    let mut story = good(ticks());
    story.tick(16_900, 1, TickEvent::Started, 15_000, 105, 1);
    assert!(holds(&story, CALM));
    let mut story = good(ticks());
    story.tick(14_610, 1, TickEvent::Started, 14_500, 105, 1);
    assert!(!holds(&story, CALM), "there was time enough");
}

#[test]
fn an_attempt_beyond_the_first_in_calm_is_seen() {
    let mut story = good(ticks());
    story.tick(15_010, 1, TickEvent::Started, 15_000, 105, 2);
    story.tick(15_310, 1, TickEvent::TookOver, 15_000, 105, 2);
    story.push(18_000, What::End);
    assert!(!holds(&story, CALM));
}

#[test]
fn a_later_tick_before_an_earlier_one_is_seen() {
    let mut story = good(ticks());
    story
        .run(16_010, 1, 16_000, 105)
        .run(16_500, 1, 15_000, 106);
    assert!(!holds(&story, ORDER));
}

#[test]
fn giving_a_tick_up_too_early_twice_or_in_vain_is_seen() {
    let late = 15_000 + 20_000;
    let mut story = good(ticks());
    story.tick(late + 5, 1, TickEvent::Missed, 15_000, 0, 0);
    assert!(holds(&story, MISSED));
    story.tick(late + 9, 2, TickEvent::Missed, 15_000, 0, 0);
    assert!(!holds(&story, MISSED), "twice");

    let mut story = good(ticks());
    story.tick(late - 500, 1, TickEvent::Missed, 15_000, 0, 0);
    assert!(!holds(&story, MISSED), "too early");

    let mut story = good(ticks());
    story.tick(late + 5, 1, TickEvent::Missed, 15_000, 0, 0);
    story.run(late + 50, 2, 15_000, 120);
    assert!(!holds(&story, MISSED), "run after it");
}

#[test]
fn a_watermark_that_was_deleted_may_repeat_a_tick_and_loses_none() {
    let mut story = good(ticks());
    story.run(12_700, 2, 12_000, 105);
    assert!(!holds(&story, AGAIN));
    story.fault(12_500, 12_501, Fault::ForgetTicks, None);
    assert!(holds(&story, AGAIN));
    // 15 000 is not there.
    story.run(16_000, 1, 16_000, 110);
    story.fault(15_000, 15_001, Fault::ForgetTicks, None);
    assert!(!holds(&story, LOST));
}

#[test]
fn a_dead_letter_is_a_report() {
    let mut story = good(ticks());
    story.run(16_000, 1, 16_000, 110);
    assert!(!holds(&story, LOST), "15 000 is not there");
    story.tick(16_500, 1, TickEvent::DeadLetter, 15_000, 109, 4);
    assert!(holds(&story, LOST));
}

#[test]
fn a_failover_excuses_a_tick_that_is_run_again_and_none_that_is_lost() {
    let on_sentinel = Group {
        backend: Backend::Sentinel,
        ..ticks()
    };
    // The server is replaced at 11.8 s: what was written for 11 000 may be lost, 10 000 is safe.
    for (tick, holds) in [(10_000, false), (11_000, true)] {
        let mut story = good(on_sentinel.clone());
        story.failover(11_800, 15_500, 15_600);
        story.tick(14_500, 2, TickEvent::Started, tick, 120, 1);
        let verdict = verdict(&story, AGAIN);
        assert_eq!(verdict.holds(), holds, "{verdict:?}");
        assert_eq!(verdict.excused, u64::from(holds));
    }
    let mut story = Story::new(on_sentinel);
    story.start(1).failover(11_800, 15_500, 15_600);
    story
        .run(10_010, 1, 10_000, 100)
        .run(12_010, 1, 12_000, 102);
    story.push(17_000, What::End);
    let verdict = verdict(&story, LOST);
    assert!(!verdict.holds(), "{verdict:?}");
}

#[test]
fn a_deleted_watermark_excuses_a_lost_tick_only_if_a_replica_has_not_seen_the_job() {
    for (seen, holds) in [(false, true), (true, false)] {
        let mut story = Story::new(ticks());
        story.start(1).deployed(10_500, 2, 0, 1);
        story.run(9_010, 1, 9000, 99).run(10_010, 1, 10_000, 100);
        story.signal(10_900, 1, Signal::Kill).exit(10_910, 1, false);
        if seen {
            story.tick(10_800, 2, TickEvent::Skipped, 10_000, 0, 0);
        }
        story.fault(11_100, 11_200, Fault::ForgetTicks, None);
        story.run(12_010, 2, 12_000, 102).push(14_000, What::End);
        let verdict = verdict(&story, LOST);
        assert_eq!(verdict.holds(), holds, "{verdict:?}");
    }
}

#[test]
fn a_holder_that_is_killed_at_the_end_of_long_work_was_hit_by_a_fault() {
    let mut story = Story::new(Group {
        job_ms: 2500,
        ..at_most_once()
    });
    story.start(1).start(2);
    story.tick(10_010, 1, TickEvent::Started, 10_000, 100, 1);
    story.fault(12_100, 13_000, Fault::Kill, Some(1));
    story.signal(12_100, 1, Signal::Kill).exit(12_110, 1, false);
    story.push(30_000, What::End);
    let verdict = verdict(&story, CALM);
    assert!(verdict.holds(), "{verdict:?}");
}
