//! Any `X-Fence` fields: no panic, and the fences that reach the handler are exactly those that a
//! second reading finds.
//!
//! Each line of the input is a field.

use std::convert::Infallible;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_lock::FenceLayer;
use civic_lock::layer::{FenceRefusal, Fences};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use crate::target::support::{End, Frames, block_on};

const X_FENCE: HeaderName = HeaderName::from_static("x-fence");

/// So late that no fence is ahead of it.
const NOW: Duration = Duration::from_secs(40_000_000_000_000);

pub(super) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut fields = Vec::new();
    for line in data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(X_FENCE, value);
            fields.push(line);
        }
    }
    let expected = read(&fields);
    let seen = block_on(send(headers));
    match (seen, expected) {
        (Ok(seen), Some(expected)) => assert_eq!(seen, expected),
        (Err(FenceRefusal::Malformed { reason }), None) => {
            assert!(reason.is_ascii() && !reason.is_empty());
        }
        (Err(FenceRefusal::Unprotected { name }), Some(expected)) => {
            let first = expected.iter().find(|(_, fence)| *fence == 0);
            assert_eq!(first.map(|(name, _)| name.as_str()), Some(name.as_str()));
        }
        (seen, expected) => panic!("{seen:?}, and not {expected:?}"),
    }
}

/// A second reading: one fence per lock, 16 at most.
fn read(fields: &[&[u8]]) -> Option<Vec<(String, u64)>> {
    let mut fences: Vec<(String, u64)> = Vec::new();
    for field in fields {
        for item in field.split(|byte| *byte == b',') {
            let item = str::from_utf8(item).ok()?.trim_matches([' ', '\t']);
            let (name, fence) = item.split_once('=')?;
            let digits = !fence.is_empty() && fence.bytes().all(|byte| byte.is_ascii_digit());
            let fence = fence.parse().ok().filter(|_| digits)?;
            let name = String::from_utf8(decoded(name)?).ok()?;
            let is_name = (1..=512).contains(&name.len())
                && !name.contains(|sign: char| sign.is_control() || "{}".contains(sign));
            if !is_name || fences.iter().any(|(other, _)| *other == name) {
                return None;
            }
            fences.push((name, fence));
        }
    }
    (fences.len() <= 16).then_some(fences)
}

fn decoded(name: &str) -> Option<Vec<u8>> {
    let mut parts = name.split('%');
    let plain = |part: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/!'()*".contains(&byte);
        part.bytes().all(legal).then(|| part.as_bytes().to_vec())
    };
    let mut bytes = plain(parts.next()?)?;
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        // `from_str_radix` takes a sign.
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| hex)?);
        bytes.extend(plain(rest)?);
    }
    Some(bytes)
}

async fn send(headers: HeaderMap) -> Result<Vec<(String, u64)>, FenceRefusal> {
    let handler = service_fn(|request: Request<Bytes>| {
        let mut response = Response::new(Frames::cut(b"", 0, End::Clean));
        let fences: Vec<(String, u64)> = request
            .extensions()
            .get::<Fences>()
            .into_iter()
            .flat_map(Fences::iter)
            .map(|(lock, fence)| (lock.to_string(), fence))
            .collect();
        response.extensions_mut().insert(fences);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let layer = FenceLayer::single_replica(|_, _| true).with_clock(|| UNIX_EPOCH + NOW);
    let mut request = Request::new(Bytes::new());
    *request.headers_mut() = headers;
    let response = layer.layer(handler).oneshot(request).await;
    let mut response = response.unwrap_or_else(|never| match never {});
    match response.extensions_mut().remove::<FenceRefusal>() {
        Some(refusal) => Err(refusal),
        None => Ok(response.extensions_mut().remove().unwrap_or_default()),
    }
}
