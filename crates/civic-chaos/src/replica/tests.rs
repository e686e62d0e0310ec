use serde_json::json;

use super::*;

#[test]
fn a_line_of_a_hammer_is_understood() {
    let line = |event: &str, took: u64| {
        let line = json!({"event":event,"key":"lock:x","holder":"h","fence":7,"tookMs":took});
        understand(&line, 3)
    };
    let acquire = |outcome, took_ms| {
        Some(What::Acquire {
            life: 3,
            outcome,
            took_ms,
        })
    };
    assert_eq!(line("acquired", 2), acquire(Acquire::Acquired, 2));
    assert_eq!(line("unavailable", 2), acquire(Acquire::Unavailable, 2));
    assert_eq!(line("busy", 2), None, "one of thousands");
    assert_eq!(line("busy", 2000), acquire(Acquire::Busy, 2000));
    assert_eq!(line("lost", 0), Some(What::Told { life: 3, fence: 7 }));
    assert_eq!(line("released", 0), None);
}

#[test]
fn a_line_of_a_candidate_is_understood() {
    let line = |event: &str| understand(&json!({"event":event,"fence":7,"monoNs":1}), 3);
    let hold = |edge| {
        Some(What::Hold {
            life: 3,
            edge,
            fence: 7,
        })
    };
    assert_eq!(line("elected"), hold(Edge::Enter));
    assert_eq!(line("resigning"), hold(Edge::Leave));
    assert_eq!(line("deposed"), Some(What::Told { life: 3, fence: 7 }));
}

#[test]
fn a_line_of_a_crowd_is_understood() {
    let line = json!({"event":"crowd","answered":4,"unavailable":3,"memoryKb":2,"monoNs":1});
    let what = What::Crowd {
        life: 5,
        answered: 4,
        unavailable: 3,
        memory_kb: 2,
    };
    assert_eq!(understand(&line, 5), Some(what));
}

#[test]
fn every_event_of_a_scheduler_is_known() {
    for event in [
        "started",
        "ran",
        "took-over",
        "skipped",
        "missed",
        "dead-letter",
        "ran-by-peer",
        "lost",
        "failed",
        "handed-over",
        "unrecorded",
        "unavailable",
        "clock-ahead",
        "clock-suspect",
    ] {
        assert!(
            understand(&json!({"event":event,"tick":1}), 3).is_some(),
            "{event}"
        );
    }
}

#[test]
fn a_range_of_ticks_is_one_event_per_tick() {
    let line = json!({"event":"missed","tick":1000,"until":3000,"count":3});
    let what = understand(&line, 3).expect("a known event");
    let ticks = each_tick(what, &line).into_iter().map(|what| match what {
        What::Tick {
            event: TickEvent::Missed,
            tick,
            ..
        } => tick,
        other => panic!("{other:?}"),
    });
    assert_eq!(ticks.collect::<Vec<_>>(), [1000, 2000, 3000]);
}

#[test]
fn a_line_of_a_scheduler_is_understood() {
    let line = json!({"event":"handed-over","tick":1000,"replica":"a","fence":7,"attempt":2});
    assert_eq!(
        understand(&line, 3),
        Some(What::Tick {
            life: 3,
            event: TickEvent::HandedOver,
            tick: 1000,
            fence: 7,
            attempt: 2
        })
    );
}
