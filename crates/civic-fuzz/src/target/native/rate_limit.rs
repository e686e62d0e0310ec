//! Any headers about a rate limit: no panic, no call waits for longer than a caller without a
//! deadline should, and a limit that is used up holds the next call to its route back for exactly
//! as long as a second reading says.
//!
//! The first byte of the input chooses the status. Each line after it is a header:
//! `x-ratelimit-limit`, `x-ratelimit-remaining`, `x-ratelimit-reset` and `retry-after`, in this
//! order.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use civic_client::{Body, ErrorKind, PeerMemory, ServiceClient};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body as _;
use tokio::time::Instant;
use tower::service_fn;

use crate::target::support::{End, Frames, block_on};

const NAMES: [&str; 4] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "retry-after",
];

/// How long a call without a deadline waits at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long a peer's word is believed at most.
const MEMORY: Duration = Duration::from_secs(60);

pub(super) fn run(data: &[u8]) {
    let Some((&choice, lines)) = data.split_first() else {
        return;
    };
    let status = if choice % 2 == 0 { 200 } else { 429 };
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES
        .into_iter()
        .zip(lines.splitn(4, |byte| *byte == b'\n'))
    {
        if let (false, Ok(value)) = (line.is_empty(), HeaderValue::from_bytes(line)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let expected = pause(status, &headers);
    block_on(exchange(status, headers, expected));
}

/// How long the next call has to wait, where it is easy to say.
enum Pause {
    Exactly(Duration),
    /// In words that are left to the parser: a date, a fraction, a number with an exponent.
    Unknown,
}

/// A second reading of the headers.
fn pause(status: u16, headers: &HeaderMap) -> Pause {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| match text(name).map(str::trim) {
        None => Some(None),
        Some(text) if !text.is_empty() && text.len() < 10 => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok())
        }
        Some(_) => None,
    };
    let name = text("x-ratelimit-limit")
        .map(str::trim)
        .filter(|name| name.len() <= 64);
    let (Some(remaining), Some(reset), Some(after)) = (
        number("x-ratelimit-remaining"),
        number("x-ratelimit-reset"),
        number("retry-after"),
    ) else {
        return Pause::Unknown;
    };
    let wait = if status == 429 {
        after.or(reset)
    } else {
        reset.filter(|_| name.is_some() && remaining == Some(0))
    };
    Pause::Exactly(Duration::from_secs(wait.unwrap_or_default()).min(MEMORY))
}

async fn exchange(status: u16, headers: HeaderMap, expected: Pause) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let peer = service_fn(move |request: Request<Body>| {
        assert!(request.body().is_end_stream());
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let mut response = Response::new(Frames::cut(b"{}", 0, End::Clean));
        if first {
            *response.status_mut() = status.try_into().expect("a status");
            *response.headers_mut() = headers.clone();
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let client = ServiceClient::builder("http://peer")
        .anonymous()
        .retries(0)
        .peer_memory(PeerMemory::new().without_budget())
        .build_in_process(peer)
        .expect("a client");
    let first = client.get("/x").send().await;
    assert_eq!(first.is_ok(), status == 200);
    let began = Instant::now();
    let second = client.get("/x").send().await;
    let waited = began.elapsed();
    assert!(waited <= PATIENCE + Duration::from_millis(1), "{waited:?}");
    let pause = match &second {
        Ok(_) => {
            assert_eq!(calls.load(Ordering::SeqCst), 2);
            waited
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
            assert_eq!(calls.load(Ordering::SeqCst), 1, "it was not sent");
            assert_eq!(waited, Duration::ZERO, "it ends at once");
            let pause = error.retry_after().expect("it says how long");
            assert!(pause > PATIENCE && pause <= MEMORY);
            pause
        }
    };
    if let Pause::Exactly(expected) = expected {
        // Timers are exact to 1 ms.
        assert!(
            pause.abs_diff(expected) <= Duration::from_millis(1),
            "{pause:?}, {expected:?}"
        );
    }
}
