use super::*;

fn every(seconds: u64) -> Job {
    Job::every("job", Duration::from_secs(seconds)).expect("a job")
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let nightly = Job::cron("nightly", "0 2 * * *").expect("a job");
    let tick = nightly
        .schedule()
        .next_after(Tick::from_millis(1_772_000_000_000))
        .expect("another night");
    assert_eq!(nightly.ttl, Duration::from_secs(30));
    assert_eq!(nightly.delivery, Delivery::AtLeastOnce);
    assert_eq!(nightly.on_error, OnError::Consume);
    assert_eq!(nightly.max_hold, Duration::from_secs(6 * 3600));
    assert_eq!(nightly.coalesce, Coalesce::Latest);
    assert_eq!(nightly.timeout, None);
    assert_eq!(nightly.peers, Peers::Count);
    assert_eq!(nightly.peer_form, PeerForm::PidAndTime);
    assert_eq!(nightly.attempt_limit(), 10);
    assert_eq!(nightly.delay_of(tick), Duration::ZERO);
    assert_eq!(nightly.hold_of(tick), Duration::from_secs(60));
    assert_eq!(nightly.grace_of(tick), Duration::from_secs(3600));
    assert_eq!(nightly.retain_of(tick), Duration::from_secs(4 * 86_400));

    let tick = Tick::from_millis(1_772_000_400_000);
    assert_eq!(every(10).hold_of(tick), Duration::from_secs(5));
    assert_eq!(every(10).grace_of(tick), Duration::from_secs(60));
    assert_eq!(
        every(10).ttl(Duration::from_secs(100)).grace_of(tick),
        Duration::from_secs(200)
    );
    assert_eq!(every(600).grace_of(tick), Duration::from_secs(300));
}

#[test]
fn the_jitter_of_a_tick_is_the_same_everywhere_and_differs_from_tick_to_tick() {
    let jitter = Duration::from_secs(60);
    let job = |name: &str| {
        let job = Job::every(name, Duration::from_secs(3600)).expect("a job");
        job.jitter(jitter)
    };
    let hours = (1..200).map(|hour| Tick::from_millis(hour * 3_600_000));
    let delays: Vec<_> = hours.clone().map(|tick| job("a").delay_of(tick)).collect();
    let again: Vec<_> = hours.clone().map(|tick| job("a").delay_of(tick)).collect();
    let other: Vec<_> = hours.map(|tick| job("b").delay_of(tick)).collect();
    assert_eq!(delays, again);
    assert_ne!(delays, other);
    assert!(delays.iter().all(|delay| *delay < jitter));
    let early = delays.iter().filter(|delay| **delay < jitter / 2).count();
    assert!(
        (60..140).contains(&early),
        "{early} of 199 in the first half"
    );
}

#[test]
fn a_tick_whose_jitter_is_not_over_is_not_the_latest_that_is_due() {
    let at = Tick::from_millis;
    let job = every(10).jitter(Duration::from_secs(5));
    let (next, last) = (at(20_000), at(30_000));
    let delay = job.delay_of(last).as_millis() as u64;
    assert!((1..5000).contains(&delay), "{delay}");
    assert_eq!(job.latest_due(next, at(30_000 + delay - 1)), next);
    assert_eq!(job.latest_due(next, at(30_000 + delay)), last);
    assert_eq!(every(10).latest_due(next, at(75_000)), at(70_000));
    assert_eq!(every(10).latest_due(next, at(29_999)), next);
}

#[test]
fn what_is_remembered_outlives_the_pause_before_the_next_tick() {
    let burst = Job::cron("burst", "0-5 0 1 1 *").expect("a job");
    let last = Tick::from_millis(1_767_225_900_000); // 2026-01-01T00:05:00Z
    assert!(burst.retain_of(last) > Duration::from_secs(4 * 364 * 86_400));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let retry = |attempts| OnError::Retry {
        attempts,
        delay: Duration::ZERO,
    };
    for (name, job) in [
        ("ttl too short", every(1).ttl(Duration::from_millis(1))),
        (
            "max_hold below the ttl",
            every(1).max_hold(Duration::from_secs(1)),
        ),
        (
            "a retry without a second attempt",
            every(1).on_error(retry(1)),
        ),
        ("no attempt at all", every(1).max_attempts(0)),
        (
            "two bounds that differ",
            every(1).on_error(retry(3)).max_attempts(4),
        ),
        ("no time to work", every(1).timeout(Duration::ZERO)),
        (
            "a jitter beyond the grace",
            every(1)
                .jitter(Duration::from_secs(9))
                .misfire_grace(Duration::from_secs(9)),
        ),
        (
            "a retry of what may run at most once",
            every(1).on_error(retry(3)).delivery(Delivery::AtMostOnce),
        ),
    ] {
        assert!(job.checked().is_err(), "{name}");
    }
    assert!(every(1).on_error(retry(3)).checked().is_ok());
    assert!(Job::every("a{b}", Duration::from_secs(1)).is_err());
}
