//! The guard in front of a service: verified, or answered.
//!
//! - A request that [`TokenVerifier::verify`] accepts goes on with its [`Principal`] in the extensions.
//! - Any other is answered here and never reaches the inner service.
//! - A request for a public path goes on unread, without a principal. The path is compared whole, as
//!   it was sent: `/health` is neither `/health/`, `/healthz`, `/HEALTH`, `/health;x` nor `/api?x=/health`.
//!   It is the path that this layer sees: inside of a router that strips a prefix, the rest of it.
//!
//! Prefer composition, a guard on a sub-router, to public paths: a router cannot disagree with itself
//! about what a path is.
//!
//! A [`Principal`] that was in the extensions before is removed: only this guard says who is calling.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::body::GuardBody;
use crate::layer::future::GuardFuture;
use crate::verify::{Principal, TokenVerifier};

/// Lets a request in only with an accepted token.
///
/// See the [list of rules](crate#who-may-come-in).
#[derive(Clone, Debug)]
#[doc(alias = "AuthGuard")]
pub struct AuthLayer {
    verifier: TokenVerifier,
    public: Arc<HashSet<String>>,
}

impl AuthLayer {
    /// A guard that asks `verifier`.
    #[must_use]
    pub fn new(verifier: TokenVerifier) -> Self {
        Self {
            verifier,
            public: Arc::default(),
        }
    }

    /// Lets everybody in to these paths, each compared whole and as it is sent on the wire.
    ///
    /// Inside of a router that strips a prefix (axum's `nest`) that is the rest of the path only, so that
    /// `/health` there also lets in to `/prefix/health`.
    ///
    /// Defaults to none. A text that does not begin with `/` is no path and lets nobody in, not even to
    /// `OPTIONS *`.
    #[must_use]
    #[doc(alias = "Public")]
    pub fn public<I>(mut self, paths: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let paths = paths.into_iter().map(Into::into);
        Arc::make_mut(&mut self.public).extend(paths.filter(|path: &String| path.starts_with('/')));
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            inner,
            verifier: self.verifier.clone(),
            public: Arc::clone(&self.public),
        }
    }
}

/// The service of [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    verifier: TokenVerifier,
    public: Arc<HashSet<String>>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Auth<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<GuardBody<ResB>>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        request.extensions_mut().remove::<Principal>();
        if !self.public.contains(request.uri().path()) {
            match self.verifier.verify(request.headers()) {
                Ok(principal) => request.extensions_mut().insert(principal),
                Err(error) => {
                    return GuardFuture::refused(error, &request);
                }
            };
        }
        GuardFuture::inner(self.inner.call(request))
    }
}
