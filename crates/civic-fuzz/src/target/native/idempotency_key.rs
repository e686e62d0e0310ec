//! Any `Idempotency-Key` fields: no panic, and a key is read exactly if a second reading finds one.
//!
//! Each line of the input is a field. The layer is told that it knows no caller, so that it answers
//! before it asks its store.

use std::convert::Infallible;
use std::sync::LazyLock;

use civic_lock::layer::{IdempotencyRequestBody, IdempotencyVerdict};
use civic_lock::{IdempotencyLayer, LockService};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tempfile::TempDir;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use crate::target::support::{End, Frames, block_on};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

static LOCKS: LazyLock<(TempDir, LockService)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder().host_folder(folder.path().join("locks"));
    (folder, locks.build().expect("a lock service"))
});

pub(super) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut fields = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(IDEMPOTENCY_KEY, value);
            fields.push(line);
        }
    }
    let verdict = block_on(send(headers));
    match (&verdict, &fields[..]) {
        (None, []) => {}
        (Some(IdempotencyVerdict::NoScope), [field]) => assert!(is_key(field), "{field:?}"),
        (Some(IdempotencyVerdict::MalformedKey { reason }), [field]) => {
            assert!(!is_key(field), "{reason}: {field:?}");
        }
        (Some(IdempotencyVerdict::MalformedKey { .. }), [_, _, ..]) => {}
        other => panic!("{other:?}"),
    }
}

/// A second reading: a string of RFC 8941, or a bare text.
fn is_key(field: &[u8]) -> bool {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = field.iter().take_while(|byte| blank(byte)).count();
    let end = field.iter().rev().take_while(|byte| blank(byte)).count();
    let field = field.get(start..field.len() - end).unwrap_or_default();
    let length = match field {
        [b'"', inner @ .., b'"'] => {
            let (mut length, mut escaped) = (0, false);
            for byte in inner {
                match (escaped, byte) {
                    (true, b'"' | b'\\') => escaped = false,
                    (false, b'\\') => escaped = true,
                    (false, b'"') | (true, _) => return false,
                    (false, b' '..=b'~') => {}
                    (false, _) => return false,
                }
                length += usize::from(!escaped);
            }
            if escaped {
                return false;
            }
            length
        }
        bare => {
            let legal = |byte: &u8| matches!(byte, b'!'..=b'~') && !b"\",\\".contains(byte);
            if !bare.iter().all(legal) {
                return false;
            }
            bare.len()
        }
    };
    (1..=255).contains(&length)
}

async fn send(headers: HeaderMap) -> Option<IdempotencyVerdict> {
    let handler = service_fn(|_: Request<IdempotencyRequestBody<Frames>>| {
        let response = Response::new(Frames::cut(b"", 0, End::Clean));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let layer = IdempotencyLayer::new(&LOCKS.1, |_| None, |_| {});
    let mut request = Request::new(Frames::cut(b"", 0, End::Clean));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers;
    let response = layer.layer(handler).oneshot(request).await;
    let mut response = response.unwrap_or_else(|never| match never {});
    response.extensions_mut().remove()
}
