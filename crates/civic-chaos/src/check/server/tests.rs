use super::super::fixture::{Story, hammer, ticks};
use super::*;
use crate::history::{ForeignStep, ServerState, Signal, TickEvent, What};

/// Whether each verdict with this id holds.
fn holds(story: &Story, id: &str) -> bool {
    let records = story.records();
    let verdicts = check(&View::new(&records));
    let mut found = verdicts
        .iter()
        .filter(|verdict| verdict.id == id)
        .peekable();
    assert!(found.peek().is_some(), "there is no {id}");
    found.all(Verdict::holds)
}

fn story() -> Story {
    let mut story = Story::new(hammer());
    story.start(1).start(2);
    story
}

#[test]
fn a_lease_that_is_granted_held_and_released_keeps_all_promises() {
    let mut story = story();
    story.grant(100, "a", 10).enter(101, 1, 10);
    story.script(700, "a", "PEXPIRE lock:it 2000");
    story.leave(900, 1, 10).script(901, "a", "DEL lock:it");
    for id in ["I2", "I4", "I7", "I8", "I12"] {
        assert!(holds(&story, id), "{id}");
    }
}

#[test]
fn a_release_without_the_owner_check_is_seen() {
    for command in ["DEL lock:it", "PEXPIRE lock:it 2000"] {
        let mut story = story();
        story.grant(100, "a", 10).script(500, "b", command);
        assert!(!holds(&story, "I4"), "{command}");
    }
}

#[test]
fn a_lease_without_a_ttl_is_seen() {
    let mut story = story();
    story.script(100, "a", "SET lock:it a");
    assert!(!holds(&story, "I4"));
}

#[test]
fn a_key_that_is_set_over_a_live_one_is_seen() {
    let mut story = story();
    story.grant(100, "a", 10).grant(2000, "b", 11);
    assert!(!holds(&story, "I12"));
    let mut story = self::story();
    story.grant(100, "a", 10).grant(2101, "b", 11);
    assert!(holds(&story, "I12"), "it had expired");
}

#[test]
fn an_abandoned_value_of_the_same_process_may_be_set_over() {
    let mut story = story();
    story.grant(100, "a", 10);
    story.push(
        500,
        What::Write {
            db: 0,
            words: ["SET", "lock:it", "b", "PX", "2000"]
                .map(str::to_owned)
                .into(),
            script: Some(vec!["b".to_owned(), "0".to_owned(), "a".to_owned()]),
        },
    );
    assert!(holds(&story, "I12"));
}

#[test]
fn work_without_a_grant_is_seen() {
    let mut story = story();
    story.enter(3000, 1, 10).leave(3100, 1, 10);
    assert!(!holds(&story, "I8"));
    let mut story = self::story();
    story.enter(3000, 1, 10).grant(3100, "a", 10);
    assert!(!holds(&story, "I8"), "it came later");
}

#[test]
fn what_nobody_watched_proves_nothing() {
    let mut story = story();
    story.push(2000, What::server(ServerState::Unwatched));
    story.push(2500, What::server(ServerState::Watched));
    story.enter(3000, 1, 10);
    assert!(holds(&story, "I8"));
    story.enter(6000, 1, 11);
    assert!(!holds(&story, "I8"));
}

#[test]
fn a_holder_at_work_beyond_its_expiry_is_seen() {
    let mut story = story();
    story
        .grant(100, "a", 10)
        .enter(101, 1, 10)
        .leave(2101, 1, 10);
    assert!(!holds(&story, "I2"));
}

#[test]
fn a_holder_that_is_told_too_late_is_seen() {
    let mut story = story();
    story
        .grant(100, "a", 10)
        .enter(101, 1, 10)
        .leave(5000, 1, 10);
    story.told(2200, 1, 10);
    assert!(!holds(&story, "I2"));
}

#[test]
fn a_holder_that_is_told_in_time_or_was_stopped_is_fine() {
    let mut story = story();
    story
        .grant(100, "a", 10)
        .enter(101, 1, 10)
        .leave(5000, 1, 10);
    story.told(1850, 1, 10);
    assert!(holds(&story, "I2"));
    let mut story = self::story();
    story.grant(100, "a", 10).enter(101, 1, 10);
    story
        .signal(300, 1, Signal::Stop)
        .signal(3000, 1, Signal::Cont);
    story.leave(3001, 1, 10).told(3001, 1, 10);
    assert!(holds(&story, "I2"));
}

#[test]
fn a_renewal_counts_from_when_it_was_executed() {
    let mut story = story();
    story.grant(100, "a", 10).enter(101, 1, 10);
    story.script(1000, "a", "PEXPIRE lock:it 2000");
    story.leave(2900, 1, 10);
    assert!(holds(&story, "I2"));
    story.enter(3100, 2, 11).grant(3099, "b", 11);
    story
        .script(6000, "b", "PEXPIRE lock:it 2000")
        .leave(6500, 2, 11);
    assert!(!holds(&story, "I2"), "the renewal came too late");
}

#[test]
fn a_renewal_counts_also_after_a_restart_that_nobody_watched() {
    let mut story = story();
    story.grant(100, "a", 10).enter(101, 1, 10);
    for (at, state) in [
        (500, ServerState::Away),
        (501, ServerState::Unwatched),
        (900, ServerState::Back),
        (901, ServerState::Watched),
    ] {
        story.push(at, What::server(state));
    }
    story.script(1000, "a", "PEXPIRE lock:it 2000");
    story.leave(2900, 1, 10);
    assert!(holds(&story, "I2"));
    story.script(5000, "a", "PEXPIRE lock:it 2000");
    story.enter(5100, 2, 10).leave(5200, 2, 10);
    assert!(!holds(&story, "I2"), "that came too late");
}

#[test]
fn a_tick_that_gives_its_key_back_too_early_is_seen() {
    for (command, kept) in [
        ("DEL lock:it", false),
        ("PEXPIRE lock:it 100", false),
        ("PEXPIRE lock:it 200", true),
    ] {
        let mut story = Story::new(ticks());
        story.start(1).grant(1000, "a", 10);
        story.script(1300, "a", "HSET {lock:it}:tick done 1000 by a");
        story.script(1300, "a", command);
        assert_eq!(holds(&story, "I7"), kept, "{command}");
    }
}

#[test]
fn a_tick_that_is_handed_over_gives_its_key_back_at_once() {
    let mut story = Story::new(ticks());
    story.start(1).grant(1000, "a", 10);
    story.script(1100, "a", "DEL lock:it");
    assert!(holds(&story, "I7"));
}

#[test]
fn a_key_on_minimum_hold_may_be_taken_by_the_next_tick() {
    let mut story = Story::new(ticks());
    story.start(1).grant(1000, "a", 10);
    story.script(1300, "a", "HSET {lock:it}:tick done 1000 by a");
    story.script(1300, "a", "PEXPIRE lock:it 200");
    story.grant(1400, "b", 11);
    assert!(holds(&story, "I12"));
}

#[test]
fn the_key_of_a_dead_letter_need_not_stay_and_that_of_a_tick_must() {
    let mut story = Story::new(ticks());
    story.start(1).grant(1000, "a", 10);
    story.script(1010, "a", "HSET {lock:it}:tick done 1000 by a");
    story.script(1010, "a", "DEL lock:it");
    assert!(!holds(&story, "I7"));
    story.tick(1011, 1, TickEvent::DeadLetter, 1000, 10, 3);
    assert!(holds(&story, "I7"));
}

#[test]
fn a_peer_that_is_overrun_is_seen() {
    let mut story = story();
    story.peer(3000, "SET lock:it 1:1700000000000 NX EX 10");
    story.foreign(3001, ForeignStep::Taken);
    story.foreign(5000, ForeignStep::Returning);
    assert!(holds(&story, "I4"));
    story.enter(4000, 1, 10).leave(4100, 1, 10);
    assert!(!holds(&story, "I4"));
}

#[test]
fn a_peer_whose_key_is_touched_is_seen() {
    let mut story = story();
    story.peer(3000, "SET lock:it 1:1700000000000 NX EX 10");
    story.foreign(3001, ForeignStep::Taken);
    story.script(3500, "b", "DEL lock:it");
    assert!(!holds(&story, "I4"));
    let mut story = self::story();
    story.foreign(3001, ForeignStep::Damaged);
    assert!(!holds(&story, "I4"));
    let mut story = self::story();
    story.peer(3000, "SET lock:it 1:1700000000000 NX EX 10");
    story.foreign(3001, ForeignStep::Taken).grant(4000, "b", 11);
    assert!(!holds(&story, "I12"));
}

#[test]
fn a_peer_that_got_no_answer_may_give_back_its_key_when_the_one_before_has_expired() {
    for (at, holds) in [(2200, true), (1900, false)] {
        let mut story = story();
        story
            .grant(100, "a", 10)
            .enter(101, 1, 10)
            .leave(1000, 1, 10);
        story.script(at, "1:1700000000000", "DEL lock:it");
        assert_eq!(self::holds(&story, "I4"), holds, "{at}");
    }
}
