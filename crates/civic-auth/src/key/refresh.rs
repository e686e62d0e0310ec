//! The wait for newer keys, bounded.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

/// A wait for newer keys. Made by [`KeySource::refresh`](crate::KeySource::refresh).
///
/// It ends when the source has looked for them, and after a second at the latest. Dropping it stops
/// the wait, and not what others wait for as well.
#[must_use = "nothing is waited for until it is polled"]
pub struct KeyRefresh(Pin<Box<dyn Future<Output = ()> + Send>>);

impl KeyRefresh {
    /// The longest time for which a request waits for newer keys: 1 s.
    pub const MAX_WAIT: Duration = Duration::from_secs(1);

    /// Creates a wait for `looked`, which ends when the source has looked for newer keys.
    pub fn new(looked: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(async move {
            let _ = timeout(Self::MAX_WAIT, looked).await;
        }))
    }
}

impl Future for KeyRefresh {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for KeyRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRefresh")
    }
}
