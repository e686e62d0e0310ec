//! When an endpoint is left alone.

use http::{Extensions, StatusCode};
use tokio::time::{Instant, advance};

use crate::attempt::Unrepeatable;
use crate::balance::tests::{
    MS, SECOND, balancer, begin, end, failing_fast, load, try_begin, wait, within,
};
use crate::balance::{Balancer, BreakerPolicy, Exchange, Outcome, WhenAllOpen};
use crate::options::CallOptions;

#[tokio::test(start_paused = true)]
async fn seven_failures_in_a_row_open_the_breaker_whatever_was_before() {
    let balancer = failing_fast();
    for _ in 0..1000 {
        end(&balancer, &[1], Outcome::Succeeded);
    }
    for _ in 0..6 {
        end(&balancer, &[1], Outcome::Failed);
    }
    assert_eq!(wait(&balancer), None);
    // A success begins a new row.
    end(&balancer, &[1], Outcome::Succeeded);
    for _ in 0..6 {
        end(&balancer, &[1], Outcome::Failed);
        assert_eq!(wait(&balancer), None);
    }
    end(&balancer, &[1], Outcome::Failed);
    let wait = wait(&balancer).expect("it is open");
    assert!((1000..=1500).contains(&wait.as_millis()), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn less_than_80_percent_of_five_open_it_and_429_counts_there_and_ends_a_row() {
    for failure in [Outcome::Failed, Outcome::Limited] {
        let balancer = failing_fast();
        for outcome in [Outcome::Succeeded, failure, Outcome::Succeeded, failure] {
            end(&balancer, &[1], outcome);
            assert_eq!(wait(&balancer), None);
        }
        end(&balancer, &[1], failure);
        assert!(wait(&balancer).is_some(), "{failure:?}");
    }
    let policy = BreakerPolicy::new().with_success_percent(0);
    let policy = policy.with_when_all_open(WhenAllOpen::FailFast);
    let balancer = Balancer::with_seed(policy, 7);
    for outcome in [Outcome::Failed; 6].into_iter().chain([Outcome::Limited]) {
        end(&balancer, &[1], outcome);
    }
    for _ in 0..6 {
        end(&balancer, &[1], Outcome::Failed);
        assert_eq!(wait(&balancer), None);
    }
    end(&balancer, &[1], Outcome::Failed);
    assert!(wait(&balancer).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_has_left_the_window_counts_no_longer() {
    let balancer = failing_fast();
    for _ in 0..4 {
        end(&balancer, &[1], Outcome::Limited);
    }
    advance(11 * SECOND).await;
    for outcome in [Outcome::Succeeded, Outcome::Succeeded, Outcome::Limited] {
        end(&balancer, &[1], outcome);
        assert_eq!(wait(&balancer), None);
    }
}

/// Opens the breaker of endpoint 1, which was not used before.
fn open(balancer: &Balancer<u8>) {
    for _ in 0..5 {
        end(balancer, &[1], Outcome::Failed);
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_one_request_probes_and_its_success_closes_the_breaker_with_an_empty_window() {
    let balancer = failing_fast();
    open(&balancer);
    advance(1500 * MS).await;
    let probe = begin(&balancer, &[1]);
    assert!(wait(&balancer).is_some(), "there is a probe already");
    probe.end(Outcome::Succeeded);
    for outcome in [Outcome::Failed; 3] {
        end(&balancer, &[1], outcome);
        assert_eq!(wait(&balancer), None, "what was before is forgotten");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_or_is_limited_doubles_the_wait_up_to_a_minute() {
    for failure in [Outcome::Failed, Outcome::Limited] {
        let balancer = failing_fast();
        open(&balancer);
        for base in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = wait(&balancer).expect("it is open").as_millis();
            assert!(
                (base * 1000..=(base * 1500).min(60_000)).contains(&wait),
                "{wait}"
            );
            advance(u32::try_from(wait).unwrap() * MS + MS).await;
            end(&balancer, &[1], failure);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_makes_room_for_another_one() {
    let balancer = failing_fast();
    open(&balancer);
    advance(1500 * MS).await;
    drop(begin(&balancer, &[1]));
    begin(&balancer, &[1]).end(Outcome::NotMade);
    begin(&balancer, &[1]).end(Outcome::Succeeded);
    assert_eq!(wait(&balancer), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_breaker_opened_changes_nothing() {
    let balancer = failing_fast();
    let before = [begin(&balancer, &[1]), begin(&balancer, &[1])];
    advance(MS).await;
    open(&balancer);
    let until = wait(&balancer);
    advance(MS).await;
    let [succeeds, fails] = before;
    succeeds.end(Outcome::Succeeded);
    fails.end(Outcome::Failed);
    assert_eq!(wait(&balancer), until.map(|wait| wait - MS));
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_never_a_probe() {
    let balancer = failing_fast();
    open(&balancer);
    advance(60 * SECOND).await;
    for _ in 0..20 {
        let exchange = try_begin(&balancer, &[1, 2], &[2]).unwrap();
        assert_eq!(
            *exchange.key(),
            2,
            "the one that is open is worse than the one used"
        );
    }
    assert!(try_begin(&balancer, &[1], &[2]).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_must_not_be_executed_twice_probes_only_where_no_other_has_for_as_long_again() {
    let meets = |balancer: &Balancer<u8>, extensions: &Extensions| {
        (0..50).any(|_| {
            let exchange = Exchange::begin(balancer, &[1, 2], &[], extensions).unwrap();
            let is_probe = *exchange.key() == 1;
            // The probe of another call takes its place.
            exchange.end(Outcome::NotMade);
            is_probe
        })
    };
    let balancer = balancer();
    open(&balancer);
    end(&balancer, &[2], Outcome::Succeeded);
    let repeatable = within(SECOND);
    let mut unrepeatable = within(SECOND);
    unrepeatable.insert(Unrepeatable);
    // The wait is from 1 s to 1.5 s.
    for (millis, first, second) in [(900, false, false), (600, true, false), (1500, true, true)] {
        advance(millis * MS).await;
        assert_eq!(meets(&balancer, &repeatable), first, "{millis}");
        assert_eq!(meets(&balancer, &unrepeatable), second, "{millis}");
    }

    let balancer = failing_fast();
    open(&balancer);
    advance(1500 * MS).await;
    let alone = Exchange::begin(&balancer, &[1], &[], &unrepeatable);
    alone.expect("no other one is well").end(Outcome::Succeeded);
    assert_eq!(wait(&balancer), None);
}

#[tokio::test(start_paused = true)]
async fn where_all_are_open_the_least_loaded_is_tried_and_its_success_closes_it() {
    let balancer = balancer();
    for key in [1, 2] {
        for _ in 0..7 {
            end(&balancer, &[key], Outcome::Failed);
        }
    }
    advance(MS).await;
    let first = begin(&balancer, &[1, 2]);
    let second = begin(&balancer, &[1, 2]);
    assert_ne!(first.key(), second.key());
    let well = *first.key();
    first.end(Outcome::Succeeded);
    for _ in 0..20 {
        assert_eq!(*begin(&balancer, &[1, 2]).key(), well);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_well_again_is_used_within_the_probe_interval() {
    for outage in [1, 5, 30, 600] {
        let balancer = balancer();
        let fails = |key, _| {
            Some(if key == 1 {
                (MS, Outcome::Failed)
            } else {
                (50 * MS, Outcome::Succeeded)
            })
        };
        load(&balancer, &[1, 2], 10 * MS, outage * SECOND, fails).await;
        let well = |_, _| Some((50 * MS, Outcome::Succeeded));
        // The wait before a probe is at most as long as the outage was, and at most a minute.
        let interval = (2 * outage).clamp(2, 60) * SECOND;
        load(&balancer, &[1, 2], 10 * MS, interval, well).await;
        let counts = load(&balancer, &[1, 2], 10 * MS, 10 * SECOND, well).await;
        assert!(counts[&1] > 300, "{outage} s: {counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure_and_a_deadline_and_a_caller_that_goes_away_are_not() {
    let timed_out = |extensions: Extensions| async move {
        let balancer = failing_fast();
        for _ in 0..5 {
            let exchange = Exchange::begin(&balancer, &[1], &[], &extensions).unwrap();
            advance(SECOND).await;
            drop(exchange);
        }
        wait(&balancer).is_some()
    };
    assert!(timed_out(within(SECOND)).await);
    assert!(!timed_out(within(3600 * SECOND)).await, "it went away");
    let mut by_deadline = within(SECOND);
    let options = CallOptions::new().with_deadline(Instant::now() + SECOND);
    by_deadline.insert(options);
    assert!(!timed_out(by_deadline).await, "the caller had no more time");
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_body_is_dropped_counts_by_its_status() {
    for (status, opens) in [(500, true), (200, false)] {
        let balancer = failing_fast();
        for _ in 0..5 {
            let mut exchange = begin(&balancer, &[1]);
            exchange.note_status(StatusCode::from_u16(status).unwrap());
            drop(exchange);
        }
        assert_eq!(wait(&balancer).is_some(), opens, "{status}");
    }
}
