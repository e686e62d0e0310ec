//! The scripted HTTP peer of civic-client's feature `test-util`, for tests that read what was
//! logged.

use std::net::SocketAddr;
use std::ops::Deref;

use civic_client::test_util;
pub use civic_client::test_util::{Attempt, Refusing, Step};

/// A scripted peer, which stops when it is dropped.
///
/// It is [`test_util::Upstream`]; before it starts, it makes [`Capture`](crate::log::Capture)
/// reliable for the tests that run beside this one.
#[derive(Debug)]
pub struct Upstream(test_util::Upstream);

impl Upstream {
    /// Listens on a free port of 127.0.0.1 and follows `script`.
    ///
    /// # Panics
    ///
    /// Panics if the script is empty or no port is free.
    pub async fn start(script: impl IntoIterator<Item = Step>) -> Self {
        // Before the code under test logs for the first time: another test may capture.
        crate::log::install();
        Self(test_util::Upstream::start(script).await)
    }

    /// Listens on `addr`, for example on another address of the loopback network, and follows
    /// `script`.
    ///
    /// # Panics
    ///
    /// Panics if the script is empty or the address cannot be had.
    pub async fn start_on(addr: SocketAddr, script: impl IntoIterator<Item = Step>) -> Self {
        crate::log::install();
        Self(test_util::Upstream::start_on(addr, script).await)
    }

    /// Returns an address on which no one listens: connecting to it is refused as long as the value
    /// lives.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    pub async fn refusing() -> Refusing {
        test_util::Upstream::refusing().await
    }
}

impl Deref for Upstream {
    type Target = test_util::Upstream;

    fn deref(&self) -> &test_util::Upstream {
        &self.0
    }
}
