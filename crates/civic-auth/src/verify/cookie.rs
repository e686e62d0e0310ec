//! The cookie as the source of a token: its name, and from which pages it counts.
//!
//! A browser sends the cookie with every request, even with one that another site's page has made.
//! So a request that could change something (any method but GET, HEAD, OPTIONS and TRACE) is
//! refused with 403 if it came with the cookie and from elsewhere. It is, unless its `Origin` is
//! trusted,
//!
//! - if `Sec-Fetch-Site` is `cross-site`, or
//! - if there is no `Sec-Fetch-Site`, and an `Origin` whose host and port are not those of the
//!   request. The origin `null` never is the request's own.
//!
//! A request without both headers was not made by a browser, and is let in. A token in the
//! `Authorization` header is not concerned: no browser adds one by itself.

use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderName, Method};

use crate::error::{ConfigError, ConfigErrorKind};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The httpOnly cookie in which the platform's web front end keeps a user token.
const COOKIE_NAME: &str = "app_access_token";

/// From which cookie a user's token is taken, and for which requests it counts.
///
/// ```
/// use civic_auth::{CookieRules, Secret, TokenVerifier};
///
/// # fn main() -> Result<(), civic_auth::ConfigError> {
/// let secret = Secret::new("0123456789abcdef0123456789abcdef")?;
/// let rules = CookieRules::named("__Host-token")?
///     .with_trusted_origins(["https://desk.town.example"])?;
/// let verifier = TokenVerifier::new(secret).with_cookie(rules);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CookieRules {
    name: Option<Arc<str>>,
    methods: Methods,
    trusted: Arc<[Origin]>,
    site: Site,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Methods {
    All,
    Safe,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Site {
    NotCross,
    SameOrigin,
}

/// A scheme, a host and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

// ===== impl CookieRules =====

impl Default for CookieRules {
    fn default() -> Self {
        Self {
            name: Some(COOKIE_NAME.into()),
            methods: Methods::All,
            trusted: Arc::default(),
            site: Site::NotCross,
        }
    }
}

impl CookieRules {
    /// Takes the token from the cookie of this name.
    ///
    /// Defaults to `app_access_token`.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidCookieName`] if it is not a name that a cookie can have (RFC 6265
    /// section 4.1.1).
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(ConfigError::new(ConfigErrorKind::InvalidCookieName));
        }
        Ok(Self {
            name: Some(name.into()),
            ..Self::default()
        })
    }

    /// Takes no token from a cookie.
    #[must_use]
    pub fn off() -> Self {
        Self {
            name: None,
            ..Self::default()
        }
    }

    /// Takes the token from the cookie for GET, HEAD, OPTIONS and TRACE only. With any other method
    /// the cookie counts as not sent.
    ///
    /// Defaults to every method.
    #[must_use]
    pub fn with_safe_methods_only(mut self) -> Self {
        self.methods = Methods::Safe;
        self
    }

    /// Trusts the pages of these origins, for example `https://desk.town.example`.
    ///
    /// Defaults to none: only the pages of the service's own host.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidOrigin`] unless each is a scheme, a host and possibly a port, as a
    /// browser sends it in `Origin`.
    pub fn with_trusted_origins<'a>(
        mut self,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let origins = origins.into_iter().map(|origin| {
            Origin::parse(origin.as_bytes())
                .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidOrigin))
        });
        self.trusted = origins.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Also refuses the pages of other hosts of the same site (`Sec-Fetch-Site: same-site`), for
    /// example of `www.town.example` towards `api.town.example`, unless they are trusted.
    ///
    /// Defaults to letting them in.
    #[must_use]
    pub fn same_origin_only(mut self) -> Self {
        self.site = Site::SameOrigin;
        self
    }

    /// Returns the name of the cookie, if one counts for this method.
    pub(super) fn name_for(&self, method: &Method) -> Option<&[u8]> {
        let name = self.name.as_deref()?;
        (self.methods == Methods::All || method.is_safe()).then_some(name.as_bytes())
    }

    /// Returns whether a page of another site may have made this request.
    pub(super) fn refuses(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
        if method.is_safe() {
            return false;
        }
        let mut origins = headers.get_all(ORIGIN).iter().peekable();
        let sent = origins.peek().is_some();
        // Two origins are no origin that could be trusted.
        let origin = origins
            .next()
            .filter(|_| origins.next().is_none())
            .and_then(|origin| Origin::parse(origin.as_bytes()));
        if let Some(origin) = &origin
            && self.trusted.contains(origin)
        {
            return false;
        }
        // A proxy may have joined two fields.
        let mut sites = headers
            .get_all(SEC_FETCH_SITE)
            .iter()
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .peekable();
        if sites.peek().is_none() {
            return sent && !origin.is_some_and(|origin| origin.is_that_of(uri, headers));
        }
        match self.site {
            Site::NotCross => sites.any(|site| site == b"cross-site"),
            Site::SameOrigin => !sites.all(|site| matches!(site, b"same-origin" | b"none")),
        }
    }
}

// ===== impl Origin =====

impl Origin {
    /// Reads `scheme://host[:port]`.
    fn parse(origin: &[u8]) -> Option<Self> {
        let (scheme, authority) = str::from_utf8(origin).ok()?.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority: Authority = authority.parse().ok()?;
        let default = match &*scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let (host, port) = host_and_port(&authority)?;
        Some(Self {
            host,
            port: port.unwrap_or(default),
            scheme,
        })
    }

    /// Returns whether a request to this address is one to this origin. The scheme is not known
    /// behind a proxy that ends TLS.
    fn is_that_of(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let authority = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse().ok()),
            // HTTP/2 has the host in the address.
            (None, None) => uri.authority().cloned(),
            _ => None,
        };
        let Some((host, port)) = authority.as_ref().and_then(host_and_port) else {
            return false;
        };
        let default = if self.scheme == "https" { 443 } else { 80 };
        host == self.host && port.unwrap_or(default) == self.port
    }
}

/// Returns the host in lower case and the port, unless there is a user before them.
fn host_and_port(authority: &Authority) -> Option<(String, Option<u16>)> {
    let text = authority.as_str();
    let port = authority.port_u16();
    let host = authority.host();
    // Neither a user nor a port that is not a number.
    let rest = text.strip_prefix(host)?;
    let whole = rest.is_empty() || (port.is_some() && rest.starts_with(':'));
    (whole && !host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SITE: HeaderName = SEC_FETCH_SITE;

    fn refuses(rules: &CookieRules, method: &Method, fields: &[(HeaderName, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        rules.refuses(method, &Uri::from_static("/x"), &headers)
    }

    #[test]
    fn a_cookie_from_another_site_is_refused_and_one_from_elsewhere_is_not() {
        let own = (HOST, "desk.example");
        let cases: [(&str, &[(HeaderName, &str)], [bool; 3]); 23] = [
            ("neither header", std::slice::from_ref(&own), [false; 3]),
            (
                "cross-site",
                &[(HOST, "desk.example"), (SITE, "cross-site")],
                [true; 3],
            ),
            (
                "cross-site from a trusted origin",
                &[(SITE, "cross-site"), (ORIGIN, "https://ui.example")],
                [true, false, true],
            ),
            (
                "a trusted origin in other letters and with its port",
                &[(SITE, "cross-site"), (ORIGIN, "HTTPS://UI.example:443")],
                [true, false, true],
            ),
            (
                "a trusted host with another scheme",
                &[(SITE, "cross-site"), (ORIGIN, "http://ui.example")],
                [true; 3],
            ),
            (
                "same-origin",
                &[(SITE, "same-origin"), (ORIGIN, "https://x.example")],
                [false; 3],
            ),
            ("none", &[(SITE, "none")], [false; 3]),
            ("same-site", &[(SITE, "same-site")], [false, false, true]),
            (
                "an unknown value",
                &[(SITE, "new-thing")],
                [false, false, true],
            ),
            (
                "two values",
                &[(SITE, "same-origin"), (SITE, "cross-site")],
                [true; 3],
            ),
            (
                "two values in one field",
                &[(SITE, "same-origin, cross-site")],
                [true; 3],
            ),
            (
                "the own origin",
                &[(HOST, "desk.example"), (ORIGIN, "https://desk.example")],
                [false; 3],
            ),
            (
                "the own origin with its port",
                &[(HOST, "desk.example:443"), (ORIGIN, "https://desk.example")],
                [false; 3],
            ),
            (
                "the own origin in capitals",
                &[(HOST, "Desk.Example"), (ORIGIN, "https://desk.example")],
                [false; 3],
            ),
            (
                "another port",
                &[
                    (HOST, "desk.example"),
                    (ORIGIN, "https://desk.example:8443"),
                ],
                [true; 3],
            ),
            (
                "another host",
                &[(HOST, "desk.example"), (ORIGIN, "https://evil.example")],
                [true; 3],
            ),
            (
                "a host that begins like it",
                &[
                    (HOST, "desk.example"),
                    (ORIGIN, "https://desk.example.evil"),
                ],
                [true; 3],
            ),
            (
                "a trusted origin alone",
                &[(ORIGIN, "https://ui.example")],
                [true, false, true],
            ),
            ("null", &[(HOST, "null"), (ORIGIN, "null")], [true; 3]),
            (
                "an empty origin",
                &[(HOST, "desk.example"), (ORIGIN, "")],
                [true; 3],
            ),
            (
                "a user in the origin",
                &[(HOST, "desk.example"), (ORIGIN, "https://x@desk.example")],
                [true; 3],
            ),
            (
                "two origins",
                &[
                    (HOST, "desk.example"),
                    (ORIGIN, "https://desk.example"),
                    (ORIGIN, "https://ui.example"),
                ],
                [true; 3],
            ),
            (
                "two hosts",
                &[
                    (HOST, "desk.example"),
                    (HOST, "evil.example"),
                    (ORIGIN, "https://desk.example"),
                ],
                [true; 3],
            ),
        ];
        let trusting = CookieRules::default()
            .with_trusted_origins(["https://ui.example"])
            .unwrap();
        let rules = [
            CookieRules::default(),
            trusting,
            CookieRules::default().same_origin_only(),
        ];
        for (name, fields, expected) in cases {
            for (rules, expected) in rules.iter().zip(expected) {
                for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    assert_eq!(
                        refuses(rules, &method, fields),
                        expected,
                        "{name}: {rules:?}"
                    );
                }
                for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                    assert!(!refuses(rules, &method, fields), "{name}: {method}");
                }
            }
        }
    }

    #[test]
    fn over_http_2_the_host_is_that_of_the_address() {
        let headers =
            HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://a.example"))]);
        let rules = CookieRules::default();
        let refuses = |uri| rules.refuses(&Method::POST, &Uri::from_static(uri), &headers);
        assert!(!refuses("https://a.example/x"));
        assert!(refuses("https://b.example/x"));
        assert!(refuses("/x"));
    }

    #[test]
    fn names_and_origins_are_checked_when_the_process_starts() {
        for name in ["", "a b", "a=b", "a;b", "é", "a\"b"] {
            let error = CookieRules::named(name).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidCookieName, "{name:?}");
        }
        CookieRules::named("__Host-token").unwrap();
        for origin in [
            "",
            "*",
            "null",
            "desk.example",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://u@a",
        ] {
            let error = CookieRules::default()
                .with_trusted_origins([origin])
                .unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidOrigin, "{origin:?}");
        }
    }
}
