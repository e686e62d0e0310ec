//! What is captured, and that nothing is missed.

use std::process::Command;
use std::sync::Barrier;
use std::thread;

use civic_testkit::log::{Capture, install};
use tracing::{Level, field};

/// Says one thing that is reached for the first time at a place and a moment of its own, so that
/// the callsite is registered while others start and end their captures.
macro_rules! callsites {
    ($($name:ident)*) => {
        [$({
            fn $name(thread: usize, round: usize) {
                tracing::info!(thread, round, concat!("said by ", stringify!($name)));
            }
            $name as fn(usize, usize)
        }),*]
    };
}

#[test]
fn each_of_eight_threads_sees_exactly_its_own_event_in_each_of_two_hundred_captures() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 200;
    let says = callsites!(a b c d e f g h i j k l m n o p q r s t u v w x y z);
    // Before anything is logged, as the first capture would be too late for that.
    install();
    let start = Barrier::new(2 * THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            // As the other tests of a process are: they log, and capture nothing.
            scope.spawn({
                let start = &start;
                move || {
                    start.wait();
                    for round in 0..ROUNDS {
                        says[(round + thread) % says.len()](THREADS + thread, round);
                    }
                }
            });
            scope.spawn({
                let start = &start;
                move || {
                    start.wait();
                    for round in 0..ROUNDS {
                        let capture = Capture::start();
                        says[round % says.len()](thread, round);
                        let events = capture.events();
                        let [event] = &events[..] else {
                            panic!("thread {thread}, round {round}: {events:?}");
                        };
                        assert_eq!(event.fields.get("thread"), Some(&*thread.to_string()));
                        assert_eq!(event.fields.get("round"), Some(&*round.to_string()));
                        assert_eq!(capture.text().lines().count(), 1);
                    }
                }
            });
        }
    });
}

#[test]
fn a_callsite_that_was_first_reached_outside_of_any_capture_is_captured() {
    let say = || tracing::debug!("said twice");
    say();
    let capture = Capture::start();
    say();
    assert_eq!(capture.events().len(), 1);
    assert_eq!(capture.events()[0].message, "said twice");
}

#[test]
fn a_callsite_that_another_thread_reaches_first_while_one_capture_lives_is_captured() {
    const ALONE: &str = "CIVIC_TESTKIT_LOG_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // In a process of its own: the captures of the other tests would hide what goes wrong.
        let name =
            "log::a_callsite_that_another_thread_reaches_first_while_one_capture_lives_is_captured";
        let alone = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success(), "{output}");
        assert!(output.contains("1 passed"), "{output}");
        return;
    }
    let say = || tracing::info!("said first elsewhere");
    let capture = Capture::start();
    thread::scope(|scope| scope.spawn(say).join()).unwrap();
    say();
    assert_eq!(capture.events().len(), 1);
}

#[test]
fn what_is_said_before_and_after_and_on_other_threads_is_not_captured() {
    let say = |when| tracing::error!(when);
    say("before");
    let capture = Capture::start();
    thread::scope(|scope| scope.spawn(|| say("elsewhere")).join()).unwrap();
    say("now");
    {
        let inner = Capture::start();
        say("inside");
        assert_eq!(inner.events().len(), 1);
    }
    say("again");
    let when = capture
        .events()
        .iter()
        .map(|event| event.fields.get("when").unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(when, ["now", "again"]);
}

#[test]
fn spans_have_their_fields_and_events_have_their_spans() {
    let capture = Capture::start();
    let outer = tracing::info_span!("outer", otel.kind = "client", status = field::Empty);
    outer.in_scope(|| {
        let inner = tracing::debug_span!(target: "elsewhere", "inner", attempt = 1, id = %"an id");
        inner.in_scope(|| tracing::warn!(wait = ?Some(1), "no answer"));
        outer.record("status", 503);
        tracing::trace!("later");
    });

    let spans = capture.spans();
    let [outer_span, inner_span] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(outer_span.name, "outer");
    assert_eq!(outer_span.level, Level::INFO);
    assert_eq!(outer_span.target, module_path!());
    let fields = outer_span.fields.iter().collect::<Vec<_>>();
    assert_eq!(fields, [("otel.kind", "client"), ("status", "503")]);
    assert_eq!(inner_span.target, "elsewhere");
    assert_eq!(inner_span.fields.get("attempt"), Some("1"));
    assert_eq!(inner_span.fields.get("id"), Some("an id"));
    assert_eq!(inner_span.fields.get("absent"), None);
    assert!(inner_span.closed && !outer_span.closed);
    drop(outer);
    assert!(capture.spans()[0].closed);

    let events = capture.events();
    let [warning, trace] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(warning.level, Level::WARN);
    assert_eq!(warning.target, module_path!());
    assert_eq!(warning.message, "no answer");
    assert_eq!(warning.fields.get("wait"), Some("Some(1)"));
    let names = warning.spans.iter().map(|span| span.name);
    assert_eq!(names.collect::<Vec<_>>(), ["outer", "inner"]);
    assert_eq!(warning.spans[0].fields.get("status"), None);
    assert_eq!(trace.spans[0].fields.get("status"), Some("503"));

    let text = capture.text();
    let line = text.lines().find(|line| line.contains("no answer"));
    let line = line.expect("the event is a line");
    for said in ["WARN", "outer", "attempt=1", "id=an id", "wait=Some(1)"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    assert!(text.contains("status=503"), "{text}");
}
