//! An address that says when it takes requests again is left alone until then.

use std::time::{Duration, SystemTime};

use civic_client::{RetryPolicy, ServiceClient};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::names::{Names, by_name, client, peers, received};
use crate::support::{call, ends};

const SECOND: Duration = Duration::from_secs(1);

fn busy(seconds: u32) -> Step {
    Step::status(503).header("retry-after", &seconds.to_string())
}

fn well() -> Step {
    Step::status(204)
}

/// Calls until `peer` has received another request, or `most` times.
async fn call_until_met(client: &ServiceClient, peer: &Upstream, most: usize) {
    let before = peer.attempts().len();
    for _ in 0..most {
        if peer.attempts().len() > before {
            return;
        }
        // A call without a deadline does not wait for longer than 10 s: it ends at once.
        let _ = ends(client.get("/").retries(0).send()).await;
    }
}

/// Makes 40 calls at once, and returns how many succeeded.
async fn at_once(client: &ServiceClient) -> usize {
    let calls = (0..40).map(|_| {
        let client = client.clone();
        async move { client.post("/").retries(0).send().await }
    });
    let ended = calls.collect::<JoinSet<_>>().join_all().await;
    ended.iter().filter(|result| result.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn one_sick_process_of_twenty_is_left_alone_and_the_calls_go_to_the_others() {
    let each = well().delay(Duration::from_millis(5));
    // Connections are used again, or each request opens one.
    for each in [each.clone(), each.close()] {
        let mut script: [Step; 20] = std::array::from_fn(|_| each.clone());
        script[7] = busy(30).delay(Duration::from_millis(5));
        let peers = peers(script).await;
        let client = client(&peers[0], &Names::local(1..=20));
        while received(&peers)[7] == 0 {
            at_once(&client).await;
        }
        let met = received(&peers)[7];
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(at_once(&client).await, 40);
        }
        assert_eq!(received(&peers)[7], met, "it was left alone");
        assert!(start.elapsed() < SECOND, "no call waited");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_called_again_after_the_time_that_it_asked_for() {
    let peers = peers([busy(30), well().close()]).await;
    let client = client(&peers[0], &Names::local([1, 2]));
    call_until_met(&client, &peers[0], 200).await;
    sleep(29 * SECOND).await;
    for _ in 0..50 {
        call(&client, &Method::GET).await.unwrap();
    }
    assert_eq!(received(&peers)[0], 1);
    sleep(2 * SECOND).await;
    call_until_met(&client, &peers[0], 200).await;
    assert_eq!(received(&peers)[0], 2);
}

#[tokio::test(start_paused = true)]
async fn an_address_is_believed_for_a_minute_at_most() {
    let peers = peers([busy(86_400), well().close()]).await;
    let client = client(&peers[0], &Names::local([1, 2]));
    call_until_met(&client, &peers[0], 200).await;
    for (wait, met) in [(59, 1), (2, 2)] {
        sleep(wait * SECOND).await;
        call_until_met(&client, &peers[0], 200).await;
        assert_eq!(received(&peers)[0], met);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_a_date_goes_by_the_clock_of_the_policy() {
    let until = Step::status(503).header("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
    let peers = peers([until, well().close()]).await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let client = by_name(&peers[0], &Names::local([1, 2]))
        .retry(RetryPolicy::new().with_clock(move || now))
        .build()
        .unwrap();
    call_until_met(&client, &peers[0], 200).await;
    for (wait, met) in [(29, 1), (2, 2)] {
        sleep(wait * SECOND).await;
        call_until_met(&client, &peers[0], 200).await;
        assert_eq!(received(&peers)[0], met);
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_other_address_the_calls_of_others_go_there_all_the_same() {
    // One address may be a balancer in front of many processes.
    let alone = Upstream::start([busy(30), well()]).await;
    let client = client(&alone, &Names::local([1]));
    let start = Instant::now();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(30 * SECOND));
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_every_address_has_asked_for_time_the_calls_of_others_go_there_all_the_same() {
    let peers = peers([busy(30), busy(40)]).await;
    let client = client(&peers[0], &Names::local([1, 2]));
    let start = Instant::now();
    for _ in 0..10 {
        call(&client, &Method::POST).await.unwrap_err();
    }
    assert_eq!(received(&peers).iter().sum::<usize>(), 10);
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_a_503_with_retry_after_and_without_x_should_retry_is_about_the_address() {
    let relayed = busy(30).header("x-should-retry", "false");
    let limited = Step::status(500).header("retry-after", "30");
    for other in [relayed, limited, Step::status(503)] {
        let peers = peers([other, well().close()]).await;
        let client = client(&peers[0], &Names::local([1, 2]));
        for met in 1..=3 {
            call_until_met(&client, &peers[0], 200).await;
            assert_eq!(received(&peers)[0], met);
            // Not the 30 s that it has named, but the longest wait before the second probe.
            sleep(3 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_that_was_asked_to_wait_waits_and_goes_to_another_address() {
    let peers = peers([busy(5), well().close()]).await;
    let client = client(&peers[0], &Names::local([1, 2]));
    let mut waited = 0;
    while waited == 0 {
        let start = Instant::now();
        call(&client, &Method::POST).await.unwrap();
        waited = start.elapsed().as_secs();
    }
    assert_eq!(waited, 5);
    assert_eq!(received(&peers)[0], 1);
}
