//! Where a service is, checked once.

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::error::Error;
use crate::facade::path;

/// Where a service is: `http://host[:port][/prefix]`, or the same with `https`, and nothing else.
///
/// Refused are another scheme, a missing host, a user and password, a query, a fragment and dot
/// segments: they would be dropped silently, would leak, or would mean something else than what was
/// meant.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end; empty if there is none.
    prefix: String,
}

impl BaseUrl {
    /// Parses `text`. An error calls it `name` and never quotes it: it may contain a password.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Err(Error::config(format!(
                "{name} {why}. Write it as http://host[:port][/prefix], for example \
                 http://localhost:3020"
            )))
        };
        if text.is_empty() {
            return refuse("is empty");
        }
        // The parser drops a fragment silently.
        if text.contains('#') {
            return refuse("must not have a fragment");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("is malformed");
        };
        // The parser lower-cases it.
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => scheme.clone(),
            Some(_) => return refuse("has a scheme that is neither http nor https"),
            None => return refuse("has no scheme"),
        };
        let Some(authority) = uri.authority().cloned() else {
            return refuse("has no host");
        };
        if authority.host().is_empty() {
            return refuse("has no host");
        }
        if authority.as_str().contains('@') {
            return refuse("must not have a user or a password");
        }
        // "http://host:" and "http://host:99999" parse as an authority.
        let port = authority.as_str().strip_prefix(authority.host());
        if port.is_some_and(|port| !port.is_empty()) && authority.port_u16().is_none() {
            return refuse("has a port that is not a number from 0 to 65535");
        }
        if uri.query().is_some() {
            return refuse("must not have a query");
        }
        if path::has_dot_segment(uri.path()) {
            return refuse("must not have dot segments");
        }
        if !path::is_encoded(uri.path()) {
            return refuse("has a character in its path that must be percent-encoded");
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            scheme,
            authority,
            prefix,
        })
    }

    /// Returns the URL of a path and its query parameters.
    pub(super) fn join(&self, path: String, query: &[(String, String)]) -> Result<Uri, Error> {
        let mut target = path;
        target.insert_str(0, &self.prefix);
        if !query.is_empty() {
            target.push('?');
            target.push_str(&path::encoded_pairs(query));
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
            .map_err(|error| Error::request("the URL is too long").with_source(error))
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_kind::ErrorKind;

    #[test]
    fn a_base_url_is_http_with_a_host_and_perhaps_a_prefix() {
        let cases = [
            ("http://localhost:3020", "http://localhost:3020/x"),
            ("HTTP://localhost:3020", "http://localhost:3020/x"),
            ("http://localhost:3020/", "http://localhost:3020/x"),
            ("http://[::1]:80", "http://[::1]:80/x"),
            ("http://gateway/roll/v1/", "http://gateway/roll/v1/x"),
            ("http://gateway/a%20b/~c", "http://gateway/a%20b/~c/x"),
            ("https://gateway:8443/v1", "https://gateway:8443/v1/x"),
            ("HTTPS://gateway", "https://gateway/x"),
        ];
        for (text, joined) in cases {
            assert_eq!(
                BaseUrl::parse("the URL", text)
                    .unwrap()
                    .join("/x".to_owned(), &[])
                    .unwrap(),
                joined,
                "{text}"
            );
        }
    }

    #[test]
    fn a_malformed_url_is_an_error_that_says_why_and_never_quotes_it() {
        let cases = [
            ("", "is empty"),
            ("localhost:3020", "scheme"),
            ("localhost", "scheme"),
            ("/api", "scheme"),
            ("//host/api", "scheme"),
            ("http://", "malformed"),
            ("http:///api", "malformed"),
            ("http://:80", "host"),
            ("http://host:", "port"),
            ("http://host:99999", "port"),
            ("http://host:http", "port"),
            ("http://ho st", "malformed"),
            ("http://host/ü ", "malformed"),
            ("ftp://host", "scheme"),
            ("unix:/var/run/x", "malformed"),
            ("http://user:hunter2@host", "user or a password"),
            ("http://host?key=hunter2", "query"),
            ("http://host/?", "query"),
            ("http://host/#top", "fragment"),
            ("http://host/a/../b", "dot segments"),
            ("http://host/%zz", "percent-encoded"),
            ("http://host/%4", "percent-encoded"),
            ("http://host/{x}", "percent-encoded"),
            ("http://host/\"x\"", "percent-encoded"),
            ("http://host/a|b", "percent-encoded"),
            ("http://host/%2E%2e/b", "dot segments"),
        ];
        let mut wrong = Vec::new();
        for (text, why) in cases {
            let error = BaseUrl::parse("the URL", text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
            if !error.to_string().contains(why) {
                wrong.push(format!("{text}: {error}"));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }
}
