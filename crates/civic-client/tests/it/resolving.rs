//! How names become addresses, and which address a request goes to.

use std::time::Duration;

use civic_client::{ErrorKind, Phase, Transmission};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::names::{Names, Says, by_name, client, peers, received};
use crate::support::{call, ends, exact, swallowing};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn calls_at_once_share_one_look_up() {
    let peer = Upstream::start([Step::status(204)]).await;
    let names = Names::local([1]).delay(SECOND);
    let client = client(&peer, &names);
    let mut calls = JoinSet::new();
    for _ in 0..600 {
        let client = client.clone();
        calls.spawn(async move { call(&client, &Method::POST).await });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(names.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn six_hundred_calls_while_the_resolver_hangs_are_one_look_up_and_leave_nothing_behind() {
    let peer = Upstream::start([Step::status(204)]).await;
    let names = Names::new(Says::Nothing);
    let client = by_name(&peer, &names).retries(0).build().unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let mut calls = JoinSet::new();
    for _ in 0..600 {
        let client = client.clone();
        calls.spawn(async move { call(&client, &Method::POST).await });
    }
    while let Some(ended) = calls.join_next().await {
        let error = ended.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.transmission()),
            (ErrorKind::Connect, Transmission::NotSent)
        );
    }
    assert_eq!(names.asked(), 1);
    // A look-up is given up after 10 s.
    sleep(10 * SECOND).await;
    assert_eq!(tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn connecting_may_take_3_seconds_the_look_up_included() {
    for names in [
        Names::new(Says::Nothing),
        Names::local([1]).delay(4 * SECOND),
    ] {
        let peer = Upstream::start([Step::status(204)]).await;
        let client = by_name(&peer, &names).retries(0).build().unwrap();
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.is_timeout(), "the cause is a timeout: {error:?}");
        assert_eq!(error.elapsed().as_millis(), 3000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_look_up_leaves_less_time_to_connect() {
    let (_full, addr) = swallowing().await;
    let names = Names::local([1]).delay(2 * SECOND);
    let client = exact(&format!("http://roll.test:{}", addr.port()))
        .resolver(names)
        .retries(0)
        .build()
        .unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.elapsed().as_millis(), 3000);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_while_the_name_is_resolved_was_never_sent_and_is_retried_for_every_method() {
    for method in [Method::GET, Method::POST] {
        let peer = Upstream::start([Step::status(204)]).await;
        let names = Names::new(Says::Nothing);
        let client = by_name(&peer, &names).timeout(SECOND).build().unwrap();
        let error = call(&client, &method).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.phase(), Some(Phase::Resolving));
        assert_eq!(error.attempts(), 3, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_while_connecting_was_never_sent_and_is_retried_for_every_method() {
    for method in [Method::GET, Method::POST] {
        let (_full, addr) = swallowing().await;
        let client = exact(&format!("http://{addr}"))
            .timeout(SECOND)
            .build()
            .unwrap();
        let error = call(&client, &method).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.phase(), Some(Phase::Connecting));
        assert_eq!(error.attempts(), 3, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_connecting_says_that_nothing_was_sent() {
    let (_full, addr) = swallowing().await;
    let client = exact(&format!("http://{addr}")).build().unwrap();
    let call = client.post("/").deadline(2 * SECOND).json(&true).send();
    let error = ends(call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.phase(), Some(Phase::Connecting));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_after_the_request_was_written_says_so_and_is_not_repeated_for_a_post() {
    for (step, phase) in [
        (Step::hang(), Phase::Waiting),
        (Step::hang_in_body(), Phase::Body),
    ] {
        let peer = Upstream::start([step]).await;
        let client = client(&peer, &Names::local([1]));
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.transmission(), Transmission::Unknown);
        assert_eq!((error.phase(), error.attempts()), (Some(phase), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_used_for_its_ttl() {
    let peer = Upstream::start([Step::status(204).close()]).await;
    let names = Names::local([1]).ttl(30 * SECOND);
    let client = client(&peer, &names);
    for (wait, asked) in [(0, 1), (29, 1), (2, 2), (28, 2), (3, 3)] {
        sleep(wait * SECOND).await;
        call(&client, &Method::GET).await.unwrap();
        // What is fetched beside the call is there now.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(names.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_ttl_is_used_for_10_seconds_and_no_answer_for_longer_than_5_minutes() {
    for (names, seconds) in [
        (Names::local([1]), 10),
        (Names::local([1]).ttl(86_400 * SECOND), 300),
    ] {
        let peer = Upstream::start([Step::status(204).close()]).await;
        let client = client(&peer, &names);
        call(&client, &Method::GET).await.unwrap();
        sleep((seconds - 1) * SECOND).await;
        call(&client, &Method::GET).await.unwrap();
        assert_eq!(names.asked(), 1);
        sleep(2 * SECOND).await;
        call(&client, &Method::GET).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(names.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_addresses_is_followed_within_the_ttl_and_a_second() {
    let [old, new] = peers([Step::status(204), Step::status(204)]).await;
    for pause in [100, 900, 3500] {
        let names = Names::local([1]).ttl(5 * SECOND);
        let client = client(&old, &names);
        call(&client, &Method::GET).await.unwrap();
        names.now_say(Says::Local(vec![2]));
        let changed = Instant::now();
        let before = received(std::slice::from_ref(&new))[0];
        while changed.elapsed() < 20 * SECOND {
            sleep(Duration::from_millis(pause)).await;
            call(&client, &Method::GET).await.unwrap();
        }
        let last = old.attempts().last().unwrap().at;
        assert!(last <= changed + 6 * SECOND, "{:?}", last - changed);
        assert!(new.attempts().len() > before);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_serves_for_a_day_while_the_resolver_fails() {
    let peer = Upstream::start([Step::status(204).close()]).await;
    let names = Names::local([1]).ttl(SECOND);
    let client = client(&peer, &names);
    call(&client, &Method::POST).await.unwrap();
    names.now_say(Says::Error);
    for wait in [2, 60, 3600, 20 * 3600] {
        sleep(wait * SECOND).await;
        let start = Instant::now();
        call(&client, &Method::POST).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(10));
    }
    sleep(5 * 3600 * SECOND).await;
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);

    names.now_say(Says::Local(vec![1]));
    sleep(SECOND).await;
    call(&client, &Method::POST).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_serves_while_the_resolver_is_slow_and_costs_half_a_second_once() {
    let peer = Upstream::start([Step::status(204).close()]).await;
    for says in [Says::Nothing, Says::Local(vec![1])] {
        let names = Names::local([1]).ttl(SECOND);
        let client = client(&peer, &names);
        call(&client, &Method::POST).await.unwrap();
        names.now_say(says);
        names.now_take(8 * SECOND);
        sleep(3 * SECOND).await;
        let mut waited = Vec::new();
        // As long as a look-up may take, and a second one.
        for _ in 0..150 {
            let start = Instant::now();
            call(&client, &Method::POST).await.unwrap();
            waited.push(start.elapsed().as_millis());
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(waited.remove(0), 500);
        assert!(waited.iter().all(|&millis| millis < 10), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_look_up_is_not_remembered_until_the_first_retry() {
    let peer = Upstream::start([Step::status(204)]).await;
    for says in [Says::Error, Says::Local(Vec::new()), Says::Panic] {
        let names = Names::new(says);
        let client = client(&peer, &names);
        let calling = tokio::spawn({
            let client = client.clone();
            async move { call(&client, &Method::POST).await }
        });
        sleep(Duration::from_millis(100)).await;
        let asked = names.asked();
        names.now_say(Says::Local(vec![1]));
        calling.await.unwrap().unwrap();
        assert_eq!(names.asked(), asked + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_not_looked_up() {
    let peer = Upstream::start([Step::status(204)]).await;
    let names = Names::new(Says::Error);
    let client = exact(&peer.url()).resolver(names.clone()).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(names.asked(), 0);
}

#[tokio::test]
async fn load_is_spread_over_all_addresses() {
    let close = || Step::status(204).close();
    let peers = peers([close(), close(), close()]).await;
    let client = client(&peers[0], &Names::local([1, 2, 3]));
    for _ in 0..90 {
        call(&client, &Method::GET).await.unwrap();
    }
    // One of them being left out has a probability of 3 times (2/3) to the power of 90.
    let received = received(&peers);
    assert!(received.iter().all(|&count| count > 0), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_address() {
    for sick in [Step::status(503), Step::fin(), Step::hang(), Step::reset()] {
        let peers = peers([sick, Step::status(204)]).await;
        let client = client(&peers[0], &Names::local([1, 2]));
        for _ in 0..20 {
            call(&client, &Method::GET).await.unwrap();
            // The connection to the one that is well is not used again.
            sleep(5 * SECOND).await;
        }
        let received = received(&peers);
        assert_eq!(received[1], 20);
        assert!(received[0] > 0, "the sick one was met");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_accept_is_passed_over_within_the_attempt() {
    let peer = Upstream::start([Step::status(204).close()]).await;
    // Nothing listens at the others.
    let names = Names::local([1, 2, 3]);
    let client = by_name(&peer, &names).retries(0).build().unwrap();
    for _ in 0..20 {
        call(&client, &Method::POST).await.unwrap();
    }
}
