//! The address of a request, and whom it speaks to.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};

use crate::balance::{Endpoint, HostName};
use crate::error::Error;
use crate::transport::ServerName;

/// Points a request at an endpoint, and keeps the name of the service in its `Host`.
pub(super) fn address<B>(request: &mut Request<B>, endpoint: &Endpoint) -> Result<(), Error> {
    let mut parts = request.uri().clone().into_parts();
    if let (Some(service), HostName::Service) = (&parts.authority, endpoint.host_name())
        && !request.headers().contains_key(HOST)
    {
        let host = host_of(service, parts.scheme.as_ref());
        let name = service.host().trim_start_matches('[').trim_end_matches(']');
        request.extensions_mut().insert(ServerName(name.into()));
        let host = HeaderValue::try_from(host)
            .map_err(|error| Error::request("the URL has a malformed host").with_source(error))?;
        request.headers_mut().insert(HOST, host);
    }
    parts.authority = Some(endpoint.place().clone());
    parts.scheme.get_or_insert(Scheme::HTTP);
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts)
        .map_err(|error| Error::request("the URL is malformed").with_source(error))?;
    Ok(())
}

/// The name of a service as `Host` says it: without the port that its scheme implies.
fn host_of(service: &Authority, scheme: Option<&Scheme>) -> String {
    let implied = if scheme == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    match service.port_u16() {
        Some(port) if port != implied => format!("{}:{port}", service.host()),
        _ => service.host().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_changes_where_a_request_goes_and_not_whom_it_speaks_to() {
        let cases = [
            (
                "http://roll:3020/a?b=c",
                "http://10.0.0.7:1/a?b=c",
                "roll:3020",
            ),
            ("http://roll/", "http://10.0.0.7:1/", "roll"),
            ("http://roll:80/", "http://10.0.0.7:1/", "roll"),
            ("https://roll:443/", "https://10.0.0.7:1/", "roll"),
            ("https://roll:80/", "https://10.0.0.7:1/", "roll:80"),
            ("http://[::1]:3020/", "http://10.0.0.7:1/", "[::1]:3020"),
        ];
        let endpoint = Endpoint::new("10.0.0.7:1").unwrap();
        for (url, moved, host) in cases {
            let mut request = Request::get(url).body(()).unwrap();
            address(&mut request, &endpoint).unwrap();
            assert_eq!(request.uri(), moved);
            assert_eq!(request.headers()[HOST], host, "{url}");
        }
    }

    #[test]
    fn a_host_of_the_callers_own_stays_and_one_of_the_endpoints_own_is_left_to_the_transport() {
        let request = Request::get("http://roll/").header(HOST, "chosen");
        let mut request = request.body(()).unwrap();
        address(&mut request, &Endpoint::new("10.0.0.7:1").unwrap()).unwrap();
        assert_eq!(request.headers()[HOST], "chosen");

        let mut request = Request::get("http://roll/").body(()).unwrap();
        let own = Endpoint::new("roll-7:1").unwrap().with_own_host();
        address(&mut request, &own).unwrap();
        assert_eq!(request.uri(), "http://roll-7:1/");
        assert!(!request.headers().contains_key(HOST));
    }
}
