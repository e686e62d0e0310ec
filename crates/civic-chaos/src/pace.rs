//! How far a run is, on a terminal.

use std::sync::Arc;
use std::time::Duration;

use civic_progress::Progress;
use tokio::time::{Instant, interval};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_secs(1);

/// Shows how much of `length` is over, until it is dropped.
pub(crate) async fn show(progress: Arc<Progress>, length: Duration) {
    let begun = Instant::now();
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        let over = begun.elapsed().as_secs().min(length.as_secs());
        progress.show(over, length.as_secs(), "seconds");
    }
}
