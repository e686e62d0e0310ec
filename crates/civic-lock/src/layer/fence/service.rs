//! Compares the fences of a request, and then calls the inner service.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_envelope::inner_accessors;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::layer::fence::admission::Admissions;
use crate::layer::fence::body::FenceBody;
use crate::layer::fence::fences::Fences;
use crate::layer::fence::future::{FenceFuture, State};
use crate::layer::fence::refusal::FenceRefusal;
use crate::layer::fence::settings::Settings;
use crate::name::LockName;
use crate::service::LockService;
use crate::x_fence;

/// Refuses requests whose fences are older than those of a later holder. The service of
/// [`FenceLayer`](super::FenceLayer).
#[derive(Clone)]
pub struct Fence<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Fence<S> {
    /// Wraps `inner`, with the defaults of [`FenceLayer`](super::FenceLayer).
    pub fn new(
        inner: S,
        locks: &LockService,
        accepts: impl Fn(&Parts, &LockName) -> bool + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings::new(Admissions::Store(locks.clone()), accepts);
        Self::with_settings(inner, Arc::new(settings))
    }

    pub(super) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Fence<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<FenceBody<ResB>>;
    type Error = S::Error;
    type Future = FenceFuture<S, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let settings = &self.settings;
        let (head, body) = request.into_parts();
        let fences = known_fences(settings, &head);
        let correlation_id = match &fences {
            Ok(fences) if fences.is_empty() => None,
            _ => (settings.correlation_id)(&head),
        };
        let request = Request::from_parts(head, body);
        let state = match fences {
            Ok(fences) if fences.is_empty() => State::Running {
                running: self.inner.call(request),
            },
            fences => {
                // The instance that was polled ready is the one to be called.
                let clone = self.inner.clone();
                State::Admitting {
                    admitting: admission(settings.admissions.clone(), fences),
                    inner: Some(std::mem::replace(&mut self.inner, clone)),
                    request: Some(request),
                }
            }
        };
        FenceFuture::new(state, correlation_id, settings.retry_after)
    }
}

impl<S: fmt::Debug> fmt::Debug for Fence<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Reads the fences of a request. The route knows all of their locks, and the one that it requires
/// is among them.
fn known_fences(settings: &Settings, head: &Parts) -> Result<Vec<(LockName, u64)>, FenceRefusal> {
    let fences =
        x_fence::read(&head.headers).map_err(|reason| FenceRefusal::Malformed { reason })?;
    for (name, _) in &fences {
        if !(settings.accepts)(head, name) {
            return Err(FenceRefusal::UnknownLock { name: name.clone() });
        }
    }
    if let Some(required) = &settings.required {
        let required = required(head);
        let is_there = fences
            .iter()
            .any(|(name, _)| Some(name) == required.as_ref());
        if !is_there {
            return Err(FenceRefusal::Missing);
        }
    }
    Ok(fences)
}

fn admission(
    admissions: Admissions,
    fences: Result<Vec<(LockName, u64)>, FenceRefusal>,
) -> Pin<Box<dyn Future<Output = Result<Fences, FenceRefusal>> + Send>> {
    Box::pin(async move {
        let fences = fences?;
        admissions.admit(&fences).await?;
        Ok(Fences::new(fences))
    })
}
