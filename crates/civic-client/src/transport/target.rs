//! Where a request goes.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{ACCEPT, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

use crate::error::Error;
use crate::transport::server_name::ServerName;

const HTTP_PORT: u16 = 80;

const HTTPS_PORT: u16 = 443;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!(
    env!("CARGO_PKG_NAME"),
    "/",
    env!("CARGO_PKG_VERSION")
));

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) port: u16,
    /// The name by which the other side is spoken to, if it is not the host.
    name: Option<ServerName>,
}

impl Target {
    /// Reads where `request` goes. What this transport cannot do is an error of the request, which
    /// no retry mends.
    pub(crate) fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        let refuse = |why| Err(Error::request(why));
        if request.method() == Method::CONNECT {
            return refuse("CONNECT is not supported");
        }
        if !matches!(request.version(), Version::HTTP_10 | Version::HTTP_11) {
            return refuse("the request asks for a version of HTTP other than 1.1");
        }
        let scheme = match request.uri().scheme() {
            Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => scheme.clone(),
            Some(_) => return refuse("the URL has a scheme that is not supported; use http://"),
            None => return refuse("the URL is relative; expected http://host[:port]/path"),
        };
        let authority = match request.uri().authority() {
            Some(authority) if !authority.host().is_empty() => authority.clone(),
            _ => return refuse("the URL has no host"),
        };
        let port = authority
            .port_u16()
            .unwrap_or_else(|| default_port(&scheme));
        Ok(Self {
            scheme,
            authority,
            port,
            name: request.extensions().get().cloned(),
        })
    }

    /// Returns the host, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(host)
    }

    /// Returns the name by which the other side is spoken to.
    #[cfg(feature = "tls")]
    pub(super) fn server_name(&self) -> &str {
        match &self.name {
            Some(ServerName(name)) => name,
            None => self.host(),
        }
    }

    /// Returns that name in lower case, if it is not the host.
    pub(super) fn other_name(&self) -> Option<Arc<str>> {
        let ServerName(name) = self.name.as_ref()?;
        if name.eq_ignore_ascii_case(self.host()) {
            return None;
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Some(name.to_ascii_lowercase().into());
        }
        Some(Arc::clone(name))
    }

    /// Returns the host if it is an address and no name.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Returns the value of `Host`.
    pub(crate) fn host_header(&self) -> Result<HeaderValue, Error> {
        let host = match self.port {
            port if port == default_port(&self.scheme) => self.authority.host().to_owned(),
            port => format!("{}:{port}", self.authority.host()),
        };
        HeaderValue::try_from(host)
            .map_err(|error| Error::request("the URL has a malformed host").with_source(error))
    }

    /// Gives a request the form in which it is written: its path, and the headers that it lacks.
    pub(crate) fn complete<B>(request: &mut Request<B>, host: HeaderValue) {
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(host);
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        headers.entry(USER_AGENT).or_insert(USER_AGENT_VALUE);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    }
}

fn default_port(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTPS {
        HTTPS_PORT
    } else {
        HTTP_PORT
    }
}
