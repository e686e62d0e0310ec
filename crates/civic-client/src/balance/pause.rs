//! What an answer says about when its endpoint takes requests again.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::layer::retry::retry_after::retry_after;
use crate::layer::retry::said_no::said_no;
use crate::wall_clock::WallClock;

/// The longest time for which an endpoint is believed.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Says of a response that its endpoint did not take the request, and that another one is well: in
/// its extensions, for the retry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnotherIsWell;

/// Returns for how long an endpoint asks to be left alone: 503 with `Retry-After` says that the
/// request was not taken, and when another one may be.
///
/// With `x-should-retry: false` it is the answer to a call that the peer made itself: another
/// endpoint would meet the same.
pub(crate) fn pause_asked<B>(response: &Response<B>, clock: &WallClock) -> Option<Duration> {
    let headers = response.headers();
    if response.status() != StatusCode::SERVICE_UNAVAILABLE || said_no(headers) {
        return None;
    }
    Some(retry_after(headers, clock.now())?.min(MAX_PAUSE))
}
