//! Helpers of the tests of elections.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use civic_lock::{
    Election, Leadership, LockEvent, LockService, LockServiceBuilder, Observation, Observer,
};

use crate::support::lock::eventually;
use crate::support::store::Fixture;

pub(crate) const NAME: &str = "nightly";

/// A candidate in a replica of its own.
pub(crate) fn candidate(store: &Fixture, ttl: Duration) -> Election {
    store.replica().election(NAME, ttl).expect("a valid name")
}

/// Waits until it is elected. One that never is fails the test.
pub(crate) async fn elected(election: &Election) -> Leadership {
    tokio::time::timeout(Duration::from_secs(60), election.campaign())
        .await
        .expect("it is elected")
        .expect("the store answers")
}

/// Counts events of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    /// A service whose events of this kind are counted.
    pub(crate) fn of(
        builder: LockServiceBuilder,
        is_counted: impl Fn(&LockEvent) -> bool + Send + Sync + 'static,
    ) -> (LockService, Self) {
        let count = Self::default();
        let seen = count.clone();
        let builder = builder.on_event(move |event| {
            seen.0
                .fetch_add(usize::from(is_counted(event)), Ordering::SeqCst);
        });
        (builder.build().expect("valid settings"), count)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn reaches(&self, least: usize) {
        eventually(&format!("{least} of them"), async || self.get() >= least).await;
    }
}

/// Polls a campaign once.
pub(crate) async fn is_pending<F: Future + ?Sized>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Waits until the observer shows what is looked for.
pub(crate) async fn observed(
    observer: &mut Observer,
    what: &str,
    is_so: impl Fn(&Observation) -> bool,
) -> Observation {
    let looking = async {
        loop {
            let current = observer.current();
            if is_so(&current) {
                return current;
            }
            observer.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking)
        .await
        .unwrap_or_else(|_| panic!("never seen: {what}"))
}
