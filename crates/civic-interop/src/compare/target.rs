//! One of the two services.

use std::net::SocketAddr;

use http::Uri;
use tokio::net::lookup_host;

use crate::wire::{Answer, Request, send};

/// A service that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    host: String,
    port: u16,
    /// What is put before each path.
    base: String,
    address: Option<SocketAddr>,
}

// ===== impl Target =====

impl Target {
    /// Reads `http://host[:port][/base]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what}: a service is named as http://localhost:3020");
        let uri: Uri = url
            .parse()
            .map_err(|_| wrong("one of the URLs cannot be read"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "https is not spoken here: forward a plain port of the service, for example \
                     with kubectl port-forward, and name that"
                        .into(),
                );
            }
            _ => return Err(wrong("a URL without http://")),
        }
        let authority = uri
            .authority()
            .ok_or_else(|| wrong("a URL without a host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a URL with a user name or a password"));
        }
        if uri.query().is_some() {
            return Err(wrong("a URL with a query"));
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            base: uri.path().trim_end_matches('/').to_owned(),
            address: None,
        })
    }

    /// A service at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
            base: String::new(),
            address: Some(address),
        }
    }

    /// The service with its address looked up.
    pub(super) async fn reached(mut self) -> Result<Self, String> {
        let name = self.host.trim_matches(['[', ']']).to_owned();
        let mut addresses = lookup_host((name.as_str(), self.port))
            .await
            .map_err(|error| format!("{}: {error}", self.host))?;
        self.address = addresses.next();
        Ok(self)
    }

    /// Sends one request on a connection of its own.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<Answer, String> {
        let to = self
            .address
            .ok_or_else(|| format!("{} has no address", self.host))?;
        let path = format!("{}{}", self.base, request.path);
        let host = format!("{}:{}", self.host, self.port);
        let mut headers = request.headers.to_vec();
        headers.push(("host", host.as_str()));
        let request = Request {
            path: &path,
            headers: &headers,
            ..request.clone()
        };
        send(to, &request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_a_plain_url() {
        let target = Target::parse("http://roll.local:3020/base/").expect("valid");
        assert_eq!(
            (target.host.as_str(), target.port, target.base.as_str()),
            ("roll.local", 3020, "/base")
        );
        assert_eq!(Target::parse("http://[::1]").expect("valid").port, 80);
        for (url, words) in [
            ("https://roll.local", "https is not spoken here"),
            ("roll.local:3020", "http://localhost:3020"),
            ("http://", "http://localhost:3020"),
            ("http://user:secret@host", "a user name or a password"),
            ("http://host/?a=b", "a query"),
        ] {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
