//! How attempts are spread over endpoints, and when one is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, StatusCode};
use tokio::time::{Instant, advance, sleep};

use crate::attempt::{Attempt, Progress};
use crate::balance::{Balancer, BreakerPolicy, Exchange, Outcome, WhenAllOpen};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::options::CallOptions;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn balancer() -> Balancer<u8> {
    Balancer::with_seed(BreakerPolicy::new(), 7)
}

/// A balancer that says when all are open.
fn failing_fast() -> Balancer<u8> {
    let policy = BreakerPolicy::new().with_when_all_open(WhenAllOpen::FailFast);
    Balancer::with_seed(policy, 7)
}

/// The extensions of an attempt that may take this long.
fn within(timeout: Duration) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Attempt {
        until: Instant::now() + timeout,
        progress: Arc::<Progress>::default(),
    });
    extensions
}

fn try_begin(balancer: &Balancer<u8>, keys: &[u8], used: &[u8]) -> Result<Exchange<u8>, Error> {
    Exchange::begin(balancer, keys, used, &within(10 * SECOND))
}

fn begin(balancer: &Balancer<u8>, keys: &[u8]) -> Exchange<u8> {
    try_begin(balancer, keys, &[]).expect("an endpoint")
}

fn end(balancer: &Balancer<u8>, keys: &[u8], outcome: Outcome) {
    begin(balancer, keys).end(outcome);
}

/// The wait until the next probe, if the only endpoint is shut.
fn wait(balancer: &Balancer<u8>) -> Option<Duration> {
    match try_begin(balancer, &[1], &[]) {
        Ok(exchange) => {
            exchange.end(Outcome::NotMade);
            None
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CircuitOpen);
            error.retry_after()
        }
    }
}

/// Makes a call each `interval` for `time`, and returns how many exchanges each endpoint got.
/// `ends` says how an exchange with an endpoint ends and after which time; `None` is never.
async fn load(
    balancer: &Balancer<u8>,
    keys: &[u8],
    interval: Duration,
    time: Duration,
    ends: impl Fn(u8, usize) -> Option<(Duration, Outcome)>,
) -> BTreeMap<u8, usize> {
    let start = Instant::now();
    let mut counts = BTreeMap::new();
    let mut number = 0;
    while start.elapsed() < time {
        let exchange = begin(balancer, keys);
        let key = *exchange.key();
        *counts.entry(key).or_default() += 1;
        number += 1;
        let ended = ends(key, number);
        tokio::spawn(async move {
            match ended {
                Some((after, outcome)) => {
                    sleep(after).await;
                    exchange.end(outcome);
                }
                None => sleep(10 * SECOND).await,
            }
        });
        sleep(interval).await;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_with_less_under_way_gets_the_next_exchange() {
    let balancer = balancer();
    let mut under_way = Vec::new();
    for _ in 0..100 {
        under_way.push(begin(&balancer, &[1, 2, 3, 4]));
    }
    let mut counts = BTreeMap::<u8, usize>::new();
    for exchange in &under_way {
        *counts.entry(*exchange.key()).or_default() += 1;
    }
    assert!(
        counts.values().all(|count| (20..30).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_faster_endpoint_gets_more_and_a_slower_one_is_not_forgotten() {
    let counts = load(&balancer(), &[1, 2], 10 * MS, 60 * SECOND, |key, _| {
        let took = if key == 1 { 50 * MS } else { 200 * MS };
        Some((took, Outcome::Succeeded))
    })
    .await;
    assert!(counts[&1] > 3 * counts[&2], "{counts:?}");
    assert!(counts[&2] > 50, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_at_once_attracts_no_load() {
    for (outcome, most) in [(Outcome::Failed, 7), (Outcome::Limited, 12)] {
        let counts = load(&balancer(), &[1, 2], 10 * MS, 60 * SECOND, |key, _| {
            Some(if key == 1 {
                (MS, outcome)
            } else {
                (100 * MS, Outcome::Succeeded)
            })
        })
        .await;
        // The first one, and the probes after 1, 2, 4, 8, 16 and 32 s; or one or two each 10 s,
        // when the last 429 is forgotten.
        assert!(counts[&1] <= most, "{outcome:?}: {counts:?}");
        assert!(counts[&1] >= 4, "it is probed: {counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_calls_seldom_does_not_meet_the_sick_endpoint_more_often_than_by_chance() {
    let mut met = 0;
    for seed in 0..100 {
        let balancer = Balancer::with_seed(BreakerPolicy::new(), seed);
        for _ in 0..6 {
            let exchange = begin(&balancer, &[1, 2, 3]);
            let outcome = match exchange.key() {
                1 => Outcome::Failed,
                _ => Outcome::Succeeded,
            };
            met += usize::from(outcome == Outcome::Failed);
            exchange.end(outcome);
            sleep(5 * SECOND).await;
        }
    }
    // A third of 600 would be chance.
    assert!(met < 200, "{met} of 600");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_blames_every_caller_attracts_little_load() {
    let counts = load(&balancer(), &[1, 2], 10 * MS, 60 * SECOND, |key, _| {
        Some(if key == 1 {
            (MS, Outcome::Blamed)
        } else {
            (50 * MS, Outcome::Succeeded)
        })
    })
    .await;
    assert!(counts[&1] * 20 < counts[&2], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_that_blame_the_caller_say_nothing_where_all_endpoints_give_them() {
    let counts = load(&balancer(), &[1, 2, 3], 5 * MS, 60 * SECOND, |_, number| {
        let outcome = if number % 3 == 0 {
            Outcome::Blamed
        } else {
            Outcome::Succeeded
        };
        Some((20 * MS, outcome))
    })
    .await;
    assert!(counts.values().all(|&count| count > 2000), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_swallows_requests_has_attracted_few_before_the_first_timeout() {
    for others in [50 * MS, 500 * MS] {
        let counts = load(&balancer(), &[1, 2, 3], 10 * MS, 9 * SECOND, |key, _| {
            (key != 1).then_some((others, Outcome::Succeeded))
        })
        .await;
        // As many as are under way at each of the others, and some more.
        let under_way = others.as_millis() as usize / 10 / 2;
        assert!(counts[&1] <= under_way + 5, "{others:?}: {counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rare_failures_leave_each_endpoint_its_share() {
    let counts = load(&balancer(), &[1, 2, 3], MS, 60 * SECOND, |_, number| {
        let outcome = if number % 100 == 0 {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        Some((10 * MS, outcome))
    })
    .await;
    assert!(
        counts
            .values()
            .all(|count| (15_000..25_000).contains(count)),
        "{counts:?}"
    );
}

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

#[tokio::test(start_paused = true)]
async fn a_body_that_lasts_for_hours_does_not_make_its_endpoint_look_slow_for_long() {
    let balancer = balancer();
    let well = |_, _| Some((50 * MS, Outcome::Succeeded));
    load(&balancer, &[1, 2], 10 * MS, SECOND, well).await;
    let stream = begin(&balancer, &[1]);
    advance(3600 * SECOND).await;
    drop(stream);
    load(&balancer, &[1, 2], 10 * MS, 60 * SECOND, well).await;
    let counts = load(&balancer, &[1, 2], 10 * MS, 10 * SECOND, well).await;
    assert!(counts[&1] > 300, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_unless_all_ask_for_one() {
    let balancer = balancer();
    balancer.pause(&1, 5 * SECOND);
    for _ in 0..20 {
        assert_eq!(*begin(&balancer, &[1, 2]).key(), 2);
    }
    // Better one that was used than one that has asked for time.
    assert_eq!(*try_begin(&balancer, &[1, 2], &[2]).unwrap().key(), 2);
    assert_eq!(*begin(&balancer, &[1]).key(), 1);
    // A shorter one does not end the longer one.
    balancer.pause(&1, SECOND);
    advance(4 * SECOND).await;
    assert_eq!(balancer.weights(&[1, 2], &[]), [4, 0]);
    advance(SECOND).await;
    assert_eq!(balancer.weights(&[1, 2], &[2]), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_an_endpoint_that_was_not_used_and_is_well() {
    let balancer = balancer();
    for _ in 0..20 {
        assert_eq!(*try_begin(&balancer, &[1, 2, 3], &[1, 3]).unwrap().key(), 2);
    }
    end(&balancer, &[2], Outcome::Failed);
    for _ in 0..20 {
        assert_eq!(*try_begin(&balancer, &[1, 2, 3], &[1]).unwrap().key(), 3);
    }
    assert_eq!(*try_begin(&balancer, &[1], &[1]).unwrap().key(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_gets_its_share_and_is_not_flooded() {
    let balancer = balancer();
    let well = |_, _| Some((100 * MS, Outcome::Succeeded));
    load(&balancer, &[1, 2], 10 * MS, 5 * SECOND, well).await;
    let counts = load(&balancer, &[1, 2, 3], 10 * MS, 10 * SECOND, well).await;
    assert!((200..500).contains(&counts[&3]), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_endpoints_each_gets_a_share() {
    let balancer = Balancer::with_seed(BreakerPolicy::new(), 7);
    let keys: Vec<u32> = (0..1000).collect();
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..20_000 {
        let exchange = Exchange::begin(&balancer, &keys, &[], &within(SECOND)).unwrap();
        met.insert(*exchange.key());
        exchange.end(Outcome::Succeeded);
    }
    assert!(met.len() > 990, "{}", met.len());
}

#[tokio::test(start_paused = true)]
async fn at_most_1024_endpoints_are_remembered_and_none_that_ends_later_comes_back() {
    let balancer = Balancer::with_seed(BreakerPolicy::new(), 7);
    let begin = |key: u32| Exchange::begin(&balancer, &[key], &[], &within(SECOND)).unwrap();
    let first = begin(0);
    for key in 1..3000 {
        begin(key).end(Outcome::Failed);
    }
    first.end(Outcome::Failed);
    let keys: Vec<_> = (0..3000).collect();
    let known = balancer.weights(&keys, &[]);
    let known = known.iter().filter(|&&weight| weight > 0).count();
    assert_eq!(known, crate::lru::MAX_ENTRIES);
}

#[tokio::test(start_paused = true)]
async fn without_an_endpoint_nothing_is_sent_and_the_error_says_so() {
    let error = try_begin(&balancer(), &[], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(
        error.to_string().contains("no endpoint is known"),
        "{error}"
    );
}
