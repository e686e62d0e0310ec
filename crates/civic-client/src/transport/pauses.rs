//! Which addresses of a peer have asked for time.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::layer::retry::retry_after::retry_after;
use crate::layer::retry::said_no::said_no;
use crate::lru::Lru;

/// The longest time for which an address is believed.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Which addresses of a peer have asked for time, and until when.
///
/// At most [`MAX_ENTRIES`](crate::lru::MAX_ENTRIES) addresses are kept.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<Lru<IpAddr, Instant>>);

impl Pauses {
    /// Notes what an answer of `ip` asks for: 503 with `Retry-After` says that the request was not
    /// taken, and when another one may be.
    ///
    /// With `x-should-retry: false` it is the answer to a call that the peer made itself: another
    /// address would meet the same.
    pub(super) fn note<B>(&self, ip: IpAddr, response: &Response<B>, now: SystemTime) {
        let headers = response.headers();
        if response.status() != StatusCode::SERVICE_UNAVAILABLE || said_no(headers) {
            return;
        }
        let Some(pause) = retry_after(headers, now) else {
            return;
        };
        let until = Instant::now() + pause.min(MAX_PAUSE);
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pauses.or_insert_with(&ip, || until);
        *known = until.max(*known);
    }

    /// Returns the addresses whose time is not over.
    pub(super) fn under_way(&self) -> Vec<IpAddr> {
        let now = Instant::now();
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|until| now < *until);
        pauses.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::header::RETRY_AFTER;

    use super::*;
    use crate::lru::MAX_ENTRIES;

    #[tokio::test(start_paused = true)]
    async fn at_most_1024_addresses_are_remembered_and_none_after_its_time() {
        let pauses = Pauses::default();
        let busy = Response::builder()
            .status(503)
            .header(RETRY_AFTER, "5")
            .body(())
            .unwrap();
        for number in 0..3000 {
            let ip = Ipv4Addr::from_bits(number).into();
            pauses.note(ip, &busy, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(pauses.under_way().len(), MAX_ENTRIES);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pauses.under_way(), Vec::<IpAddr>::new());
    }
}
