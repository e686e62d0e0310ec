//! What the layers of a client cost a call whose answer is there at once.

use std::future::{Ready, ready as at_once};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::{InternalHeadersLayer, Secret, TokenMinter};
use civic_client::layer::{
    AttemptHeadersLayer, AttemptSpanLayer, AttemptTimeoutLayer, CollectBodyLayer,
    IdempotencyKeyLayer, PropagateContextLayer, RetryLayer,
};
use civic_client::{Body, Error, ServiceClient};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower_layer::Layer as _;
use tower_service::Service;

use super::envelope::{Declared, Property, rows};
use super::piece::{OURS, Piece};
use super::poll::{entered, ready};
use crate::measure::Side;

const SECRET: &str = "a secret for benchmarks, 32 bytes or more";
const BY_HAND: &str = "a request by hand, with a token made before";

pub(super) fn pieces() -> Vec<Piece> {
    let answers = Answers(Bytes::from(rows(1)));
    let (client, mut bare) = (client(answers.clone()), answers);
    let minter = TokenMinter::new(secret());
    let token = minter.mint().to_header_value();
    vec![Piece {
        name: "a call without a connection",
        sides: vec![
            Side::new(OURS, move || {
                let _entered = entered();
                let call = client.get("/rows/{number}").param("number", 1);
                ready(call.fetch::<Vec<Property>>()).expect("the call succeeds")
            }),
            Side::new(BY_HAND, move || {
                let request = Request::get("http://peer:80/rows/1")
                    .header(AUTHORIZATION, token.clone())
                    .body(Body::empty())
                    .expect("the request is valid");
                ready(async {
                    let response = bare.call(request).await.expect("it answers");
                    let body = response.into_body().collect().await.expect("it is whole");
                    serde_json::from_slice::<Declared<Vec<Property>>>(&body.to_bytes())
                        .expect("it is an envelope")
                        .data
                })
            }),
        ],
        aims: Vec::new(),
        adds: None,
    }]
}

/// Puts the layers of the default stack around a peer.
fn client(peer: Answers) -> ServiceClient {
    let stack = (
        PropagateContextLayer::new(),
        IdempotencyKeyLayer::new(),
        RetryLayer::default(),
        AttemptSpanLayer::new(),
        AttemptTimeoutLayer::default(),
        AttemptHeadersLayer::new(),
        InternalHeadersLayer::new(TokenMinter::new(secret())),
        CollectBodyLayer::new(),
    );
    ServiceClient::builder("http://peer:80")
        .build_over(stack.layer(peer))
        .expect("the URL is valid")
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is long enough")
}

/// Answers every request with the same envelope.
#[derive(Clone)]
struct Answers(Bytes);

impl Service<Request<Body>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Full::new(self.0.clone()));
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        at_once(Ok(response))
    }
}
