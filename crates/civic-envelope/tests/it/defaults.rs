//! Every default that the documentation names, and what pins it.
//!
//! A sentence `Defaults to …` without a row here, and a row without such a sentence, fail the test.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use civic_envelope::{
    CorrelationId, ENVELOPE_HEADER, Envelope, EnvelopeLayer, ErrorBody, Failure, UnwrapMode,
};
use civic_testkit::defaults::documented;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::support::{full, get, json, text, through};

/// A default: the file and the function whose documentation names it, and whether it is so.
struct Default {
    at: &'static str,
    holds: fn() -> bool,
}

const DEFAULTS: &[Default] = &[
    Default {
        at: "envelope.rs with_timestamp",
        holds: || is_now(Envelope::new(()).timestamp()),
    },
    Default {
        at: "error_body/body.rs with_correlation_id",
        holds: || members(error().to_json().as_ref())["correlationId"] == "unknown",
    },
    Default {
        at: "error_body/body.rs with_details",
        holds: || members(error().to_json().as_ref()).get("details").is_none(),
    },
    Default {
        at: "error_body/body.rs with_error",
        holds: || members(error().to_json().as_ref()).get("error").is_none(),
    },
    Default {
        at: "error_body/body.rs with_timestamp",
        holds: || {
            let read = ErrorBody::from_json(StatusCode::NOT_FOUND, &error().to_json());
            read.is_some_and(|error| is_now(error.timestamp()))
        },
    },
    Default {
        at: "failure.rs with_correlation_id",
        holds: || {
            // A layer further out takes the body from the extensions, and writes the id.
            let mut response = failure().into_response::<Bytes>();
            let body: ErrorBody = response.extensions_mut().remove().expect("a body");
            let id = CorrelationId::parse("req-1").expect("an id");
            body.correlation_id().is_none()
                && members(&body.with_correlation_id(id).to_json())["correlationId"] == "req-1"
        },
    },
    Default {
        at: "failure.rs with_details",
        holds: || members(&failure_body()).get("details").is_none(),
    },
    Default {
        at: "failure.rs with_error",
        holds: || members(&failure_body()).get("error").is_none(),
    },
    Default {
        at: "layer/layer.rs with_body_check",
        holds: || wraps(&EnvelopeLayer::new(), "/x", "no JSON at all"),
    },
    Default {
        at: "layer/layer.rs with_clock",
        holds: || {
            let body = answer(&EnvelopeLayer::new(), get("/x"), "1").1;
            let timestamp = members(body.as_bytes())["timestamp"].clone();
            let timestamp: jiff::Timestamp = timestamp
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a time");
            is_now(timestamp.into())
        },
    },
    Default {
        at: "layer/layer.rs with_excluded_paths",
        holds: || {
            let layer = EnvelopeLayer::new();
            !wraps(&layer, "/health", "1")
                && !wraps(&layer, "/health/ready", "1")
                && wraps(&layer, "/health/live", "1")
        },
    },
    Default {
        at: "layer/layer.rs without_excluded_paths",
        holds: || {
            let layer = EnvelopeLayer::new();
            !wraps(&layer, "/health", "1") && !wraps(&layer, "/health/ready", "1")
        },
    },
];

#[test]
fn every_default_of_the_documentation_is_as_it_says() {
    let pinned: BTreeSet<String> = DEFAULTS.iter().map(|row| row.at.to_owned()).collect();
    let documented = documented(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(documented, pinned, "left: documented, right: pinned here");
    for Default { at, holds } in DEFAULTS {
        assert!(holds(), "{at}");
    }
}

#[test]
fn the_mode_is_strict_by_default_and_16_mib_and_64_kib_are_the_caps() {
    assert_eq!(UnwrapMode::default(), UnwrapMode::Strict);
    assert_eq!(civic_envelope::MAX_SUCCESS_BYTES, 16 * 1024 * 1024);
    assert_eq!(civic_envelope::MAX_ERROR_BYTES, 64 * 1024);
}

fn error() -> ErrorBody {
    ErrorBody::new(StatusCode::NOT_FOUND, "Property 7 not found")
}

fn failure() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "Property 7 not found")
}

fn failure_body() -> Bytes {
    failure().into_response::<Bytes>().into_body()
}

fn members(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

fn is_now(time: SystemTime) -> bool {
    let apart = match SystemTime::now().duration_since(time) {
        Ok(ago) => ago,
        Err(ahead) => ahead.duration(),
    };
    apart <= Duration::from_secs(600)
}

fn wraps(layer: &EnvelopeLayer, path: &str, body: &'static str) -> bool {
    answer(layer, get(path), body).0
}

/// Whether the answer is marked, and its body.
fn answer(layer: &EnvelopeLayer, request: Request<()>, body: &'static str) -> (bool, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let body: Full<Bytes> = full(body);
        let response = through(layer, request, json(body)).await;
        let marked = response.headers().contains_key(ENVELOPE_HEADER);
        (marked, text(response.into_body()).await)
    })
}
