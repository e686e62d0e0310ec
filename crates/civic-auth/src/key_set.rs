//! The public keys of a service, as others fetch them.
//!
//! [`KeySetService`] answers `GET` and `HEAD` with a JSON Web Key Set (RFC 7517 section 5):
//!
//! - `content-type: application/jwk-set+json` (RFC 7517 section 8.5.2). The clients of Node
//!   (`jose`, `jwks-rsa`) look at the status and the JSON only, and a response envelope, which is
//!   for `application/json`, leaves it alone.
//! - `cache-control: public, max-age=300`, and an `etag` of the content, so that a client that has
//!   it already is answered with 304 and no body.
//! - Any other method is answered with 405. While its source has no keys, it answers 503 with
//!   `Retry-After`.
//!
//! A shared secret is never part of it, whatever is in the source. The source is asked for each
//! request, so a rotated set is seen at once.
//!
//! It is not promised that a client sees a new key before it looks again: publish a key for as long
//! as `max-age` before signing with it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use bytes::Bytes;
use civic_envelope::ErrorBody;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::context::RequestContext;
use crate::key::{KeySet, KeySource, fingerprint};

/// Serves the public keys of a [`KeySource`] as a JSON Web Key Set.
///
/// Put it outside of the guard, under a path such as `/.well-known/jwks.json`: public keys are no
/// secret, and a service that needs them has no way to be admitted before it has them. The
/// fetching half is `JwksSource` of `civic-client`.
///
/// ```
/// use std::time::Duration;
///
/// use civic_auth::{Algorithm, KeySet, KeySetService, SharedKeySet, SigningKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pem = SigningKey::generate_pem(Algorithm::EdDsa)?;
/// let key = SigningKey::from_pem(pem.as_str())?.with_id("billing-1")?;
/// let public = key.public_key().ok_or("a shared secret has no public half")?;
///
/// let published = SharedKeySet::new(public);
/// let service = KeySetService::new(published).with_max_age(Duration::from_secs(60));
/// // In an axum router: .route_service("/.well-known/jwks.json", service)
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeySetService {
    source: Arc<dyn KeySource>,
    issuer: Option<Arc<str>>,
    cache_control: HeaderValue,
    latest: Arc<RwLock<Option<Rendered>>>,
}

/// A set as it is sent.
#[derive(Clone)]
struct Rendered {
    /// The set from which it was made, which is kept so that no other one can be at its address.
    keys: Arc<KeySet>,
    json: Bytes,
    etag: HeaderValue,
}

/// The response body of [`KeySetService`].
#[derive(Debug, Default)]
pub struct KeySetBody(Bytes);

// ===== impl KeySetService =====

impl KeySetService {
    /// Creates a service that serves the public keys of `source`.
    pub fn new(source: impl KeySource + 'static) -> Self {
        Self {
            source: Arc::new(source),
            issuer: None,
            cache_control: HeaderValue::from_static("public, max-age=300"),
            latest: Arc::default(),
        }
    }

    /// Serves only keys that are bound to `issuer` and those that are bound to none.
    ///
    /// Set it where the source has the keys of other services as well, such as a `KeyFile` that a
    /// verifier reads: who fetches the set of a service takes every key in it for one of that
    /// service.
    ///
    /// Defaults to all public keys.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self.latest = Arc::default();
        self
    }

    /// Sets for how long clients may use the set before they look again, in whole seconds.
    ///
    /// Defaults to 5 minutes.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        let value = format!("public, max-age={}", max_age.as_secs());
        if let Ok(value) = HeaderValue::try_from(value) {
            self.cache_control = value;
        }
        self
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<KeySetBody> {
        let is_head = *request.method() == Method::HEAD;
        if !is_head && *request.method() != Method::GET {
            let allowed = (ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal(
                request,
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
                allowed,
            );
        }
        let Some(rendered) = self.rendered() else {
            let wait = (RETRY_AFTER, HeaderValue::from_static("1"));
            return refusal(
                request,
                StatusCode::SERVICE_UNAVAILABLE,
                "No keys are available",
                wait,
            );
        };
        let mut response = Response::new(KeySetBody::default());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        headers.insert(ETAG, rendered.etag.clone());
        if has_already(request.headers(), &rendered.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let json = HeaderValue::from_static("application/jwk-set+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CONTENT_LENGTH, rendered.json.len().into());
        if !is_head {
            *response.body_mut() = KeySetBody(rendered.json);
        }
        response
    }

    /// Returns the present set as it is sent, made anew only if it is another one than before.
    fn rendered(&self) -> Option<Rendered> {
        let keys = self.source.current()?;
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(rendered) = &*latest
            && Arc::ptr_eq(&rendered.keys, &keys)
        {
            return Some(rendered.clone());
        }
        drop(latest);
        let issuer = self.issuer.as_deref();
        let is_own = |bound: Option<&str>| issuer.is_none() || bound.is_none() || bound == issuer;
        let own: KeySet = keys
            .iter()
            .filter(|key| is_own(key.issuer()))
            .cloned()
            .collect();
        let json = own.to_jwks_json();
        let rendered = Rendered {
            etag: HeaderValue::try_from(format!("\"{}\"", fingerprint(json.as_bytes()))).ok()?,
            json: json.into(),
            keys,
        };
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(rendered.clone());
        Some(rendered)
    }
}

impl<B> Service<Request<B>> for KeySetService {
    type Response = Response<KeySetBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl fmt::Debug for KeySetService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetService")
            .field("issuer", &self.issuer)
            .field("cache_control", &self.cache_control)
            .finish_non_exhaustive()
    }
}

/// Returns an error in the platform's shape, with one header more.
fn refusal<B>(
    request: &Request<B>,
    status: StatusCode,
    message: &'static str,
    (name, value): (HeaderName, HeaderValue),
) -> Response<KeySetBody> {
    let id = RequestContext::correlation_id_for(request.headers(), request.extensions());
    let response: Response<Bytes> = ErrorBody::new(status, message)
        .with_correlation_id(id)
        .into_response();
    let is_head = *request.method() == Method::HEAD;
    let mut response = response.map(|body| KeySetBody(if is_head { Bytes::new() } else { body }));
    let headers = response.headers_mut();
    headers.insert(name, value);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns whether the client has this very set, by the weak comparison of RFC 9110 section 13.1.2.
fn has_already(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

// ===== impl KeySetBody =====

impl Body for KeySetBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = mem::take(&mut self.0);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
