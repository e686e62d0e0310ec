use super::super::fixture::{Story, hammer, ticks};
use super::*;
use crate::fault::Fault;
use crate::history::{Signal, TickEvent};

const TAKEOVER: usize = 0;
const HANDOVER: usize = 1;
const ACQUIRES: usize = 2;
const LEFTOVERS: usize = 3;
const PROCESSES: usize = 4;

fn verdict(story: &Story, which: usize) -> Verdict {
    let records = story.records();
    check(&View::new(&records)).remove(which)
}

/// A holder that is killed in mid-tick, and an heir that starts so much later.
fn killed(after: Option<u64>) -> Story {
    let mut story = Story::new(ticks());
    story.start(1).start(2);
    story.tick(10_000, 1, TickEvent::Started, 10_000, 10, 1);
    story.fault(10_100, 11_000, Fault::Kill, Some(1));
    story.signal(10_100, 1, Signal::Kill).exit(10_101, 1, false);
    if let Some(after) = after {
        story.tick(10_100 + after, 2, TickEvent::Started, 10_000, 11, 2);
    }
    story
}

#[test]
fn a_takeover_that_is_late_or_never_comes_is_seen() {
    let in_time = verdict(&killed(Some(2250)), TAKEOVER);
    assert!(in_time.holds(), "{in_time:?}");
    assert_eq!(in_time.note.as_deref(), Some("the slowest after 2250 ms"));
    assert!(!verdict(&killed(Some(5300)), TAKEOVER).holds());
    assert!(!verdict(&killed(None), TAKEOVER).holds());
}

#[test]
fn a_takeover_is_excused_only_by_what_is_in_its_way() {
    let mut story = killed(None);
    story.fault(12_000, 13_000, Fault::FreezeLong, None);
    assert!(verdict(&story, TAKEOVER).holds());
    let mut story = killed(None);
    story.signal(9_000, 2, Signal::Stop);
    assert!(verdict(&story, TAKEOVER).holds(), "nobody could");
    let mut story = killed(None);
    story.fault(30_000, 31_000, Fault::FreezeLong, None);
    assert!(!verdict(&story, TAKEOVER).holds(), "long after");
}

#[test]
fn a_handover_that_never_comes_is_seen() {
    let story = |after: Option<u64>| {
        let mut story = Story::new(ticks());
        story.start(1).start(2);
        story.tick(10_000, 1, TickEvent::Started, 10_000, 10, 1);
        story.signal(10_100, 1, Signal::Term);
        story.tick(10_101, 1, TickEvent::HandedOver, 10_000, 10, 1);
        if let Some(after) = after {
            story.tick(10_100 + after, 2, TickEvent::Started, 10_000, 11, 2);
        }
        verdict(&story, HANDOVER)
    };
    assert!(story(Some(5)).holds());
    assert!(!story(Some(9000)).holds());
    assert!(!story(None).holds());
}

#[test]
fn an_acquire_that_hangs_is_seen() {
    let mut story = Story::new(hammer());
    story.start(1).acquire(9000, 1, 1010);
    assert!(verdict(&story, ACQUIRES).holds());
    story.acquire(15_000, 1, 4100);
    assert!(!verdict(&story, ACQUIRES).holds());
    story
        .signal(11_000, 1, Signal::Stop)
        .signal(14_500, 1, Signal::Cont);
    assert!(verdict(&story, ACQUIRES).holds(), "it was stopped");
}

#[test]
fn a_key_that_is_left_is_seen() {
    let mut story = Story::new(hammer());
    assert!(verdict(&story, LEFTOVERS).holds());
    story.push(
        9000,
        What::Left {
            db: 0,
            key: "lock:it".to_owned(),
            pttl: -1,
        },
    );
    assert!(!verdict(&story, LEFTOVERS).holds());
}

#[test]
fn a_process_that_stays_crashes_or_hoards_is_seen() {
    let mut good = Story::new(hammer());
    good.start(1).signal(50, 1, Signal::Term).exit(60, 1, false);
    good.push(70, What::End);
    assert!(verdict(&good, PROCESSES).holds());

    good.start(2);
    assert!(!verdict(&good, PROCESSES).holds(), "2 is still there");
    good.exit(60, 2, false);
    assert!(!verdict(&good, PROCESSES).holds(), "2 died by itself");
    good.signal(55, 2, Signal::Term);
    assert!(verdict(&good, PROCESSES).holds());
    good.push(
        58,
        What::Resources {
            life: 2,
            files_at_start: 10,
            files_at_end: 60,
        },
    );
    assert!(!verdict(&good, PROCESSES).holds(), "2 hoards");

    let mut forced = Story::new(hammer());
    forced
        .start(1)
        .signal(50, 1, Signal::Term)
        .exit(60, 1, true);
    assert!(!verdict(&forced, PROCESSES).holds());
}
