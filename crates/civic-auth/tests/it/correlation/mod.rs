//! One correlation id per request, on everything that the request causes.

mod followers;
mod ids;
mod scope;

use bytes::Bytes;
use civic_auth::{CORRELATION_ID, RequestContext};
use http::Request;
use http_body_util::Empty;

fn request(id: &str) -> Request<Empty<Bytes>> {
    Request::builder()
        .header(CORRELATION_ID, id)
        .body(Empty::new())
        .expect("a request")
}

fn current() -> Option<String> {
    RequestContext::current()
        .correlation_id()
        .map(ToString::to_string)
}
