//! The head of a request in the form of HTTP/2.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use crate::error::Error;

/// What is about an HTTP/1.1 connection, and has no place in a request of HTTP/2 (RFC 9113, section
/// 8.2.2); and `Expect`, because the body is not held back.
const LEFT_OUT: [HeaderName; 6] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Gives the head of a request the form of HTTP/2. `length` is that of its body, if it is known.
pub(super) fn head_of(
    mut parts: Parts,
    scheme: Scheme,
    length: Option<u64>,
) -> Result<Request<()>, Error> {
    let host = parts.headers.remove(HOST);
    let authority = host.as_ref().and_then(|host| {
        let authority = Authority::try_from(host.as_bytes()).ok()?;
        (!authority.host().is_empty()).then_some(authority)
    });
    let Some(authority) = authority else {
        return Err(Error::request(
            "the header Host of the request is not host[:port]",
        ));
    };
    let path = parts.uri.path_and_query().cloned();
    let path = path.unwrap_or(PathAndQuery::from_static("/"));
    parts.uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| {
            Error::request("the URL of the request is malformed").with_source(error)
        })?;
    leave_out(&mut parts.headers);
    let expects_body = matches!(parts.method, Method::PATCH | Method::POST | Method::PUT);
    if let Some(length) = length.filter(|length| *length > 0 || expects_body) {
        let headers = &mut parts.headers;
        headers
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    parts.version = Version::HTTP_2;
    Ok(Request::from_parts(parts, ()))
}

fn leave_out(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .collect();
    for name in named.iter().chain(&LEFT_OUT) {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|value| value != "trailers") {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: Request<()>, length: Option<u64>) -> Result<Request<()>, Error> {
        let (parts, ()) = request.into_parts();
        head_of(parts, Scheme::HTTP, length)
    }

    #[test]
    fn what_belongs_to_http_1_1_is_left_out_and_the_host_is_the_authority() {
        let request = Request::get("/a/b?c=d")
            .header("host", "roll.test:8080")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "h2c")
            .header("expect", "100-continue")
            .header("te", "gzip")
            .header("accept", "text/csv");
        let head = head(request.body(()).unwrap(), Some(0)).unwrap();
        assert_eq!(head.uri(), "http://roll.test:8080/a/b?c=d");
        assert_eq!(head.version(), Version::HTTP_2);
        let names: Vec<_> = head.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["accept"]);
    }

    #[test]
    fn trailers_may_be_asked_for() {
        let request = Request::get("/")
            .header("host", "h")
            .header("te", "trailers");
        let head = head(request.body(()).unwrap(), None).unwrap();
        assert_eq!(head.headers()["te"], "trailers");
    }

    #[test]
    fn the_length_of_a_body_is_told_where_there_is_one_or_could_be_one() {
        for (method, length, expected) in [
            ("GET", Some(0), None),
            ("DELETE", Some(0), None),
            ("POST", Some(0), Some("0")),
            ("PUT", Some(4), Some("4")),
            ("GET", Some(4), Some("4")),
            ("POST", None, None),
        ] {
            let request = Request::builder().method(method).header("host", "h");
            let head = head(request.body(()).unwrap(), length).unwrap();
            let told = head.headers().get("content-length");
            let told = told.map(|value| value.to_str().unwrap());
            assert_eq!(told, expected, "{method} {length:?}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in ["", "a b", "a/b", ":80"] {
            let request = Request::get("/").header("host", host);
            let error = head(request.body(()).unwrap(), None).unwrap_err();
            assert!(error.to_string().contains("Host"), "{host:?}: {error}");
        }
    }
}
