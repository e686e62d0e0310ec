//! The task that fetches.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::fetch::Fetcher;
use super::pace::unit;
use super::settings::SPREAD;
use super::shared::Shared;

/// Fetches the set at once, and then again and again, until the last handle is dropped.
///
/// It holds nothing that keeps a handle alive while it waits.
pub(super) async fn run(fetcher: Fetcher, wake: Arc<Notify>, shared: Weak<Shared>) {
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(due) => {}
            () = wake.notified() => {
                match shared.upgrade() {
                    None => return,
                    // It has begun by itself meanwhile.
                    Some(shared) if !shared.is_requested() => continue,
                    Some(_) => {}
                }
                // Every process of the fleet may see a new key at the same moment.
                sleep(SPREAD.mul_f64(unit())).await;
            }
        }
        let Some(etag) = shared.upgrade().map(|shared| shared.begin()) else {
            return;
        };
        let fetched = fetcher.fetch(etag).await;
        let Some(wait) = shared.upgrade().map(|shared| shared.end(fetched)) else {
            return;
        };
        due = Instant::now() + wait;
    }
}
