//! Any `x-request-timeout-ms` and `x-retry-attempt`: no panic, and each is believed exactly if it
//! is well formed, by a second statement of the rule.
//!
//! Each line of the input is a field: `T` and a time, or the mark of a retry. The first byte is how
//! long the handler takes, in tenths of a second.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{AdoptDeadlineLayer, CorrelationIdLayer, RequestContext};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::target::support::block_on;

const TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const ATTEMPT: HeaderName = HeaderName::from_static("x-retry-attempt");

pub(super) fn run(data: &[u8]) {
    let Some((&tenths, lines)) = data.split_first() else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let (name, value) = match line {
            [b'T', value @ ..] => (TIMEOUT, value),
            value => (ATTEMPT, value),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let only = |name: &HeaderName| {
        let mut fields = headers.get_all(name).iter();
        let first = fields.next().map(HeaderValue::as_bytes);
        first.filter(|_| fields.next().is_none())
    };
    let timeout = only(&TIMEOUT).and_then(milliseconds);
    let attempt = match only(&ATTEMPT) {
        Some([digit @ b'1'..=b'9']) => Some(digit - b'0'),
        _ => None,
    };
    block_on(serve(headers, u64::from(tenths) * 100, timeout, attempt));
}

/// One to 600 000, in digits, however many zeroes there are before them.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    (1..=600_000).contains(&number).then_some(number)
}

async fn serve(headers: HeaderMap, takes: u64, timeout: Option<u64>, attempt: Option<u8>) {
    let began = Instant::now();
    let until = timeout.map(|millis| began + Duration::from_millis(millis));
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AdoptDeadlineLayer::new())
        .service_fn(|_: Request<()>| async move {
            let context = RequestContext::current();
            assert_eq!(context.retry_attempt(), attempt);
            assert_eq!(context.deadline(), until);
            sleep(Duration::from_millis(takes)).await;
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        });
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let response = service.oneshot(request).await;
    let response = response.unwrap_or_else(|never| match never {});
    // The answer counts if it is there when the time is over.
    let status = if timeout.is_some_and(|millis| millis < takes) {
        504
    } else {
        200
    };
    assert_eq!(response.status(), status);
    let took = takes.min(timeout.unwrap_or(u64::MAX));
    // Timers are exact to 1 ms.
    assert!(began.elapsed().abs_diff(Duration::from_millis(took)) <= Duration::from_millis(1));
    assert!(response.headers().contains_key("x-correlation-id"));
}
