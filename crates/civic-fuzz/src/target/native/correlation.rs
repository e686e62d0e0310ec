//! Any correlation id, `traceparent` and `tracestate`: no panic, and each is accepted exactly if it
//! is well formed, by a second statement of the rule.
//!
//! Each line of the input is a field: `P` and a `traceparent`, `S` and a `tracestate`, or a
//! correlation id.

use civic_auth::{CORRELATION_ID, CorrelationId, RequestContext};
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

pub(super) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value) = match line {
            [b'P', value @ ..] => (TRACEPARENT, value),
            [b'S', value @ ..] => (TRACESTATE, value),
            value => (CORRELATION_ID, value),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let all = |name: &HeaderName| -> Vec<&[u8]> {
        headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect()
    };

    let id = CorrelationId::from_headers(&headers);
    let expected = match all(&CORRELATION_ID)[..] {
        [only] if is_id(only) => Some(only),
        _ => None,
    };
    assert_eq!(id.as_ref().map(|id| id.as_str().as_bytes()), expected);
    if let Some(id) = id {
        assert_eq!(id.to_header_value().as_bytes(), id.as_str().as_bytes());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
    }

    let context = RequestContext::default().with_trace_of(&headers);
    let parent = match all(&TRACEPARENT)[..] {
        [only] if is_traceparent(only) => Some(only),
        _ => None,
    };
    assert_eq!(context.traceparent().map(HeaderValue::as_bytes), parent);
    let state = all(&TRACESTATE).join(&b","[..]);
    let state = Some(state).filter(|state| parent.is_some() && (1..=512).contains(&state.len()));
    assert_eq!(
        context.tracestate().map(HeaderValue::as_bytes),
        state.as_deref()
    );
}

fn is_id(bytes: &[u8]) -> bool {
    const ALLOWED: &[u8] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:#/=+@~-";
    !bytes.is_empty() && bytes.len() < 129 && bytes.iter().all(|byte| ALLOWED.contains(byte))
}

fn is_traceparent(bytes: &[u8]) -> bool {
    let parts: Vec<&[u8]> = bytes.splitn(5, |byte| *byte == b'-').collect();
    let [version, trace, parent, flags, ref later @ ..] = parts[..] else {
        return false;
    };
    let hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|byte| b"0123456789abcdef".contains(byte))
    };
    let some = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    hex(version, 2)
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && version != b"ff"
        && some(trace)
        && some(parent)
        && (later.is_empty() || version != b"00")
        && bytes.len() <= 512
}
