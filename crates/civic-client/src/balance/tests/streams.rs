//! Responses that are read as they arrive.

use tokio::time::advance;

use crate::balance::tests::{MS, SECOND, begin, end, failing_fast, wait};
use crate::balance::{Balancer, BreakWatch, BreakerPolicy, Outcome, WhenAllOpen};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::streaming::Held as _;

/// A stream whose head is there.
fn head(balancer: &Balancer<u8>) -> BreakWatch {
    begin(balancer, &[1]).complete_head()
}

fn breaks(balancer: &Balancer<u8>) {
    head(balancer).broke(&Error::new(ErrorKind::Transport));
}

/// A balancer with this half of the rule alone.
fn of(half: impl FnOnce(BreakerPolicy) -> BreakerPolicy) -> Balancer<u8> {
    let policy = half(BreakerPolicy::new());
    Balancer::with_seed(policy.with_when_all_open(WhenAllOpen::FailFast), 7)
}

#[tokio::test(start_paused = true)]
async fn seven_streams_in_a_row_that_break_open_the_breaker() {
    let balancer = of(|policy| policy.with_success_percent(0));
    for _ in 0..6 {
        breaks(&balancer);
        assert_eq!(wait(&balancer), None);
    }
    // One that ends well, and one of which the reader has had enough, begin a new row.
    for ends_row in [
        |balancer: &Balancer<u8>| head(balancer).completed(),
        |balancer: &Balancer<u8>| drop(head(balancer)),
    ] {
        ends_row(&balancer);
        for _ in 0..6 {
            breaks(&balancer);
            assert_eq!(wait(&balancer), None);
        }
    }
    breaks(&balancer);
    assert!(wait(&balancer).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_probes_closes_the_breaker_with_its_head_and_opens_it_again_if_it_breaks() {
    let balancer = failing_fast();
    for _ in 0..5 {
        breaks(&balancer);
    }
    for _ in 0..3 {
        assert!(wait(&balancer).is_some());
        advance(2 * SECOND).await;
        let mut probe = head(&balancer);
        assert_eq!(wait(&balancer), None);
        probe.broke(&Error::new(ErrorKind::Transport));
    }
    assert!(wait(&balancer).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_counts_once_in_the_share() {
    // A fifth of the streams may break, and no more.
    for (broken, opens) in [(2, false), (3, true)] {
        let balancer = of(|policy| policy.with_consecutive_failures(0));
        let mut open: Vec<_> = (0..10).map(|_| head(&balancer)).collect();
        for watch in &mut open[..broken] {
            watch.broke(&Error::new(ErrorKind::Timeout));
            // It is told again where several ask.
            watch.broke(&Error::new(ErrorKind::Timeout));
        }
        assert_eq!(wait(&balancer).is_some(), opens, "{broken} of 10");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_long_after_its_head_is_a_failure_of_that_time() {
    let balancer = of(|policy| policy.with_consecutive_failures(0));
    let mut open: Vec<_> = (0..5).map(|_| head(&balancer)).collect();
    advance(3600 * SECOND).await;
    for watch in &mut open[..4] {
        watch.broke(&Error::new(ErrorKind::Transport));
        assert_eq!(wait(&balancer), None);
    }
    open[4].broke(&Error::new(ErrorKind::Transport));
    assert!(wait(&balancer).is_some(), "all of five");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_open_before_the_breaker_opened_does_not_change_when_it_is_probed() {
    let balancer = failing_fast();
    let [mut well, mut broken] = [head(&balancer), head(&balancer)];
    advance(MS).await;
    for _ in 0..3 {
        end(&balancer, &[1], Outcome::Failed);
    }
    let until = wait(&balancer).expect("it is open");
    advance(MS).await;
    well.completed();
    broken.broke(&Error::new(ErrorKind::Transport));
    assert_eq!(wait(&balancer), Some(until - MS));
}
