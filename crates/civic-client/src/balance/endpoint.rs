//! One process of a service.

use std::fmt;

use http::Uri;
use http::uri::Authority;

use crate::error::Error;

/// One process of a service: where it is, and by which name it is spoken to.
///
/// ```
/// use civic_client::balance::Endpoint;
///
/// let endpoint = Endpoint::new("10.0.0.7:3020")?;
/// assert_eq!(endpoint.authority(), "10.0.0.7:3020");
/// # Ok::<(), civic_client::Error>(())
/// ```
///
/// An endpoint decides where a request goes and nothing else. Its scheme, its path and its `Host`
/// are those of the URL that is called: the name of the service, which the other side routes by and
/// which certificates are made out for. Where each endpoint is a host of its own right, with a name
/// that it insists on, use [`with_own_host`](Self::with_own_host).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Endpoint {
    authority: Authority,
    host: HostName,
}

/// Which name an endpoint is spoken to by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum HostName {
    /// It is spoken to by that of the service.
    Service,
    /// It is spoken to by its own.
    Own,
}

impl Endpoint {
    /// Creates an endpoint from `host:port`, where the host is an address or a name. A name with
    /// several addresses is balanced over them. Without a port, it is the one of the scheme.
    ///
    /// `http://host:port` is read as well, for lists of base URLs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): there is no host, or there is something
    /// that an endpoint does not decide: another scheme, a user, a path, a query. The error does
    /// not quote the text.
    pub fn new(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Err(Error::config(format!(
                "an endpoint {why}; expected host:port"
            )))
        };
        let text = text.trim();
        let authority = if text.contains("://") {
            let Ok(uri) = text.parse::<Uri>() else {
                return refuse("is malformed");
            };
            if uri.scheme_str() != Some("http") {
                return refuse("has a scheme other than http, and the base URL decides the scheme");
            }
            if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
                return refuse("has a path or a query, and the base URL decides both");
            }
            uri.authority().cloned()
        } else {
            text.parse().ok()
        };
        let Some(authority) = authority.filter(|authority| !authority.host().is_empty()) else {
            return refuse("has no host or is malformed");
        };
        if authority.as_str().contains('@') {
            return refuse("must not have a user or a password");
        }
        // "host:" and "host:99999" parse as an authority.
        let port = authority.as_str().strip_prefix(authority.host());
        if port.is_some_and(|port| !port.is_empty()) && authority.port_u16().is_none() {
            return refuse("has a port that is not a number from 0 to 65535");
        }
        Ok(Self {
            authority,
            host: HostName::Service,
        })
    }

    /// Makes requests to this endpoint carry its own host and port in `Host`, instead of the name
    /// of the service.
    #[must_use]
    pub fn with_own_host(mut self) -> Self {
        self.host = HostName::Own;
        self
    }

    /// Returns host and port, as they were given.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    pub(crate) const fn place(&self) -> &Authority {
        &self.authority
    }

    pub(crate) const fn host_name(&self) -> HostName {
        self.host
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_kind::ErrorKind;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let cases = [
            ("10.0.0.7:3020", "10.0.0.7:3020"),
            (" roll-1.roll:3020 ", "roll-1.roll:3020"),
            ("[::1]:3020", "[::1]:3020"),
            ("roll", "roll"),
            ("http://roll-1:3020", "roll-1:3020"),
            ("http://roll-1:3020/", "roll-1:3020"),
        ];
        for (text, authority) in cases {
            assert_eq!(Endpoint::new(text).unwrap().authority(), authority);
        }
    }

    #[test]
    fn what_an_endpoint_does_not_decide_is_refused_and_not_quoted() {
        let cases = [
            ("", "no host"),
            (":3020", "no host"),
            ("roll:", "port"),
            ("roll:99999", "port"),
            ("roll:http", "port"),
            ("roll/v1", "malformed"),
            ("ro ll:1", "malformed"),
            ("hunter2@roll:1", "user or a password"),
            ("http://user:hunter2@roll:1", "user or a password"),
            ("https://roll:1", "scheme"),
            ("http://roll:1/v1", "path"),
            ("http://roll:1/?key=hunter2", "query"),
        ];
        for (text, why) in cases {
            let error = Endpoint::new(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }
}
