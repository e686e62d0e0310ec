//! Which headers a caller may set.

use civic_auth::CORRELATION_ID;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderName, HeaderValue};

use crate::error::Error;
use crate::layer::idempotency_key::IDEMPOTENCY_KEY;

/// The framing of the message and the connection are the business of the transport: a caller that
/// could set these headers could make two requests out of one.
const RESERVED: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers of which a request has one value.
const SINGLE: [HeaderName; 8] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_TYPE,
    USER_AGENT,
    IDEMPOTENCY_KEY,
    CORRELATION_ID,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Returns whether a request has one value of this header.
pub(super) fn is_single(name: &HeaderName) -> bool {
    SINGLE.contains(name)
}

/// Returns the header, with the value of a credential marked as sensitive.
pub(super) fn checked<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue), Error>
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
{
    let Ok(name) = name.try_into() else {
        return Err(Error::request("the name of a header is illegal"));
    };
    let Ok(mut value) = value.try_into() else {
        return Err(Error::request(format!(
            "the value of header {name} is illegal"
        )));
    };
    if RESERVED.contains(&name) {
        return Err(Error::request(format!(
            "the header {name} cannot be set by a caller"
        )));
    }
    if name == AUTHORIZATION || name == COOKIE {
        value.set_sensitive(true);
    }
    Ok((name, value))
}
