//! Unwrapping and wrapping, over bodies from 150 bytes to 750 KB.

use std::convert::Infallible;
use std::future::{Ready, ready as at_once};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_envelope::{EnvelopeLayer, unwrap_envelope};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tower_layer::Layer as _;
use tower_service::Service;

use super::piece::{OURS, Piece, addition, aim};
use super::poll::ready;
use crate::measure::Side;

const TEXT: &str = "serde_json::from_str::<T> of the data, validated";
const SLICE: &str = "serde_json::from_slice of the envelope";
const VALUE: &str = "through serde_json::Value";
const SONIC: &str = "sonic_rs::from_slice of the envelope";
const SIMD: &str = "simd_json::from_slice of the envelope";
const BARE: &str = "the same service without the layer";
const RAW: &str = "serde_json over a RawValue";

/// A row of a list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    id: String,
    owner: String,
    address: String,
    assessed_value: f64,
    year: u32,
    exempt: bool,
}

/// The envelope as a program beside ours declares it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Declared<T> {
    /// Whether it is an answer.
    pub success: bool,
    /// What was asked for.
    pub data: T,
    /// When it was written.
    pub timestamp: String,
}

pub(super) fn pieces() -> Vec<Piece> {
    vec![
        unwrap_one("unwrap 0.2 KB"),
        unwrap_list("unwrap 14 KB", 100),
        unwrap_list("unwrap 750 KB", 5_300),
        wrap("wrap 0.15 KB", 1),
        wrap("wrap 14 KB", 100),
        wrap("wrap 750 KB", 5_300),
    ]
}

/// Returns the property of this number.
pub(super) fn property(number: usize) -> Property {
    Property {
        id: format!("prop-{number:06}"),
        owner: "Ada Lovelace".into(),
        address: "12 St James's Square, Springfield".into(),
        assessed_value: 500_000.5,
        year: 2026,
        exempt: number.is_multiple_of(7),
    }
}

/// Returns an envelope around a list of so many rows.
#[must_use]
pub fn rows(number: usize) -> Vec<u8> {
    enveloped(&(0..number).map(property).collect::<Vec<_>>())
}

/// Returns an envelope around this data, as a Node service writes it.
fn enveloped(data: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Declared {
        success: true,
        data,
        timestamp: "2026-11-26T12:00:00.000Z".into(),
    })
    .expect("it can be written")
}

fn unwrap_one(name: &'static str) -> Piece {
    unwrap::<Property>(name, &property(1))
}

fn unwrap_list(name: &'static str, rows: usize) -> Piece {
    let list: Vec<Property> = (0..rows).map(property).collect();
    unwrap::<Vec<Property>>(name, &list)
}

fn unwrap<T>(name: &'static str, value: &T) -> Piece
where
    T: for<'de> Deserialize<'de> + Serialize + 'static,
{
    let body = Bytes::from(enveloped(value));
    let data = Bytes::from(serde_json::to_vec(value).expect("it can be written"));
    let (sliced, through, sonic, simd) = (body.clone(), body.clone(), body.clone(), body.clone());
    let mut copy = Vec::with_capacity(body.len());
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || {
                unwrap_envelope::<T>(&body).expect("it is an envelope")
            }),
            Side::new(TEXT, move || {
                let text = std::str::from_utf8(&data).expect("it is text");
                serde_json::from_str::<T>(text).expect("it is a value")
            }),
            Side::new(SLICE, move || {
                serde_json::from_slice::<Declared<T>>(&sliced)
                    .expect("it is an envelope")
                    .data
            }),
            Side::new(VALUE, move || {
                let mut whole: Value = serde_json::from_slice(&through).expect("it is JSON");
                serde_json::from_value::<T>(whole["data"].take()).expect("it is a value")
            }),
            Side::new(SONIC, move || {
                sonic_rs::from_slice::<Declared<T>>(&sonic)
                    .expect("it is an envelope")
                    .data
            }),
            // It writes into its input, so that it needs one of its own each time.
            Side::new(SIMD, move || {
                copy.clear();
                copy.extend_from_slice(&simd);
                simd_json::serde::from_slice::<Declared<T>>(&mut copy)
                    .expect("it is an envelope")
                    .data
            }),
        ],
        aims: vec![aim(TEXT, 1.02), aim(SONIC, 1.0), aim(SIMD, 1.0)],
        adds: None,
    }
}

/// Answers every request with the same JSON.
#[derive(Clone)]
struct Answers(Bytes);

impl Service<Request<()>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut response = Response::new(Full::new(self.0.clone()));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        at_once(Ok(response))
    }
}

fn wrap(name: &'static str, rows: usize) -> Piece {
    let data = if rows == 1 {
        serde_json::to_vec(&property(1))
    } else {
        serde_json::to_vec(&(0..rows).map(property).collect::<Vec<_>>())
    };
    let data = Bytes::from(data.expect("it can be written"));
    let raw: Box<RawValue> = serde_json::from_slice(&data).expect("it is JSON");
    let mut bare = Answers(data);
    let mut wrapped = EnvelopeLayer::new().layer(bare.clone());
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || drain(&mut wrapped)),
            Side::new(BARE, move || drain(&mut bare)),
            Side::new(RAW, move || enveloped(&raw)),
        ],
        aims: Vec::new(),
        adds: Some(addition(BARE, 500.0, "0.5 µs")),
    }
}

/// Takes an answer frame by frame, as a server does, and returns the number of its bytes.
fn drain<S, B>(service: &mut S) -> usize
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    ready(async {
        let response = service.call(Request::new(())).await.expect("infallible");
        let mut body = std::pin::pin!(response.into_body());
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.unwrap_or_else(|_| panic!("the body does not fail"));
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        bytes
    })
}
