//! Which endpoint an attempt goes to.

use std::collections::{BTreeMap, BTreeSet};

use http::Extensions;
use tokio::time::{advance, sleep};

use crate::balance::tests::{MS, SECOND, balancer, begin, end, load, try_begin, within};
use crate::balance::{Balancer, BreakerPolicy, Exchange, Outcome};
use crate::error_kind::ErrorKind;
use crate::lru::MAX_ENTRIES;

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
    for seed in 0..1000 {
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
    // A third of 6000 would be chance, give or take a hundred.
    assert!(met < 2100, "{met} of 6000");
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
async fn a_body_that_lasts_for_hours_does_not_make_its_endpoint_look_slow_for_long() {
    let balancer = balancer();
    let well = |_, _| Some((50 * MS, Outcome::Succeeded));
    load(&balancer, &[1, 2], 10 * MS, SECOND, well).await;
    // A stack without a timeout for its attempts.
    let extensions = Extensions::new();
    let long = Exchange::begin(&balancer, &[1], &[], &extensions).unwrap();
    advance(3600 * SECOND).await;
    long.end(Outcome::Succeeded);
    load(&balancer, &[1, 2], 10 * MS, 60 * SECOND, well).await;
    let counts = load(&balancer, &[1, 2], 10 * MS, 10 * SECOND, well).await;
    assert!(counts[&1] > 300, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_gives_up_takes_at_least_as_long_as_it_has_waited() {
    let counts = load(&balancer(), &[1, 2], 10 * MS, 10 * SECOND, |key, _| {
        Some(if key == 1 {
            (500 * MS, Outcome::Abandoned)
        } else {
            (50 * MS, Outcome::Succeeded)
        })
    })
    .await;
    assert!(counts[&1] * 4 < counts[&2], "{counts:?}");
    let balancer = balancer();
    let extensions = within(SECOND);
    for key in [1, 2] {
        let exchange = Exchange::begin(&balancer, &[key], &[], &extensions).unwrap();
        advance(10 * MS).await;
        exchange.end(Outcome::Succeeded);
    }
    let given_up = begin(&balancer, &[1]);
    advance(5 * SECOND).await;
    given_up.end(Outcome::Abandoned);
    for _ in 0..20 {
        assert_eq!(*begin(&balancer, &[1, 2]).key(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_left_for_another_one_comes_after_it() {
    let balancer = balancer();
    let moved = begin(&balancer, &[1]).moved_to(&2);
    assert_eq!(*moved.key(), 2);
    moved.end(Outcome::Succeeded);
    assert_eq!(balancer.weights(&[1, 2], &[]), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn two_slow_endpoints_of_three_are_no_choice_between_themselves() {
    let counts = load(&balancer(), &[1, 2, 3], 20 * MS, 20 * SECOND, |key, _| {
        let took = if key == 3 { 10 * MS } else { 500 * MS };
        Some((took, Outcome::Succeeded))
    })
    .await;
    // A third of 1000 would be chance.
    assert!(counts[&1] + counts[&2] < 100, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_well_again_is_as_fast_as_its_probe() {
    let balancer = balancer();
    for (key, took) in [(1, 5 * SECOND), (2, 50 * MS)] {
        let exchange = begin(&balancer, &[key]);
        advance(took).await;
        exchange.end(Outcome::Succeeded);
    }
    for _ in 0..7 {
        end(&balancer, &[1], Outcome::Failed);
    }
    advance(2 * SECOND).await;
    let probe = begin(&balancer, &[1]);
    advance(10 * MS).await;
    probe.end(Outcome::Succeeded);
    for _ in 0..20 {
        let exchange = begin(&balancer, &[1, 2]);
        assert_eq!(*exchange.key(), 1);
        exchange.end(Outcome::NotMade);
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_puts_an_endpoint_after_the_others_and_one_429_does_not() {
    for (outcome, weight) in [(Outcome::Failed, 1), (Outcome::Limited, 0)] {
        let balancer = balancer();
        end(&balancer, &[1], outcome);
        assert_eq!(balancer.weights(&[1], &[]), [weight], "{outcome:?}");
    }
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
    let mut met = BTreeSet::new();
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
    assert_eq!(known, MAX_ENTRIES);
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
