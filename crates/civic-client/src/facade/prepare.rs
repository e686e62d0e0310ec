//! A call between its description and its response.

use std::time::Duration;

use bytes::Bytes;
use civic_auth::{CorrelationId, RequestContext};
use http::header::ACCEPT;
use http::uri::Authority;
use http::{HeaderValue, Request, Response};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::facade::call::Call;
use crate::facade::path;
use crate::facade::request::RequestBuilder;
use crate::options::CallOptions;
use crate::stack::ClientService;
use crate::streaming::Arrivals;
use crate::transmission::Transmission;

/// A call that is ready to be sent. It borrows nothing.
pub(super) struct Prepared {
    stack: ClientService,
    authority: Authority,
    request: Request<Body>,
    call: Call,
    id: Option<CorrelationId>,
}

impl RequestBuilder<'_> {
    /// Returns another call that is described in the same way. What was wrong with this one is not
    /// repeated.
    pub(super) fn another(&self) -> Self {
        Self {
            client: self.client,
            draft: Box::new(self.draft.another()),
        }
    }

    /// Makes the call ready to be sent.
    pub(super) fn prepare(self) -> Result<Prepared, Error> {
        let started = Instant::now();
        let client = self.client;
        let id = self.draft.correlation_id.clone();
        match self.build(started) {
            Ok((request, call)) => Ok(Prepared {
                stack: client.stack.clone(),
                authority: client.base.authority().clone(),
                request,
                call,
                id,
            }),
            Err(error) => Err(identified(error.with_elapsed(started.elapsed()), id)),
        }
    }

    /// Returns the request as it is sent, and what is known about the call.
    fn build(self, started: Instant) -> Result<(Request<Body>, Call), Error> {
        let draft = *self.draft;
        let mut parts = draft.parts?;
        let call = Call {
            method: parts.method.clone(),
            template: draft.template,
            started,
            #[cfg(feature = "garde")]
            validation: draft.validation,
            unwrap_mode: draft.unwrap_mode,
            max_body: self.client.max_body,
            bare_404_is_none: draft.bare_404_is_none,
        };
        let uri = path::expand(call.template.as_str(), &draft.params)
            .and_then(|path| self.client.base.join(path, &draft.query));
        parts.uri = match uri {
            Ok(uri) => uri,
            Err(error) => return Err(error.with_call(call.method, call.template)),
        };
        // A deadline that is too far away to be represented is none.
        let deadline = draft.deadline.and_then(|limit| started.checked_add(limit));
        let options = match deadline {
            Some(deadline) => draft.options.with_deadline(deadline),
            None => draft.options,
        };
        // The wait for the stack, above all layers, ends by the deadline of the request being
        // served too.
        let serving = RequestContext::try_current();
        let options = match serving.and_then(|context| context.deadline()) {
            Some(deadline) => options.by(deadline),
            None => options,
        };
        if options.has_any() {
            parts.extensions.insert(options);
        }
        parts.extensions.insert(call.template.clone());
        if let Some(id) = draft.correlation_id {
            parts.extensions.insert(id);
        }
        Ok((Request::from_parts(parts, draft.body), call))
    }
}

impl Prepared {
    /// Returns the same call, which begins now.
    pub(super) fn another(&self) -> Self {
        let mut call = self.call.clone();
        call.started = Instant::now();
        Self {
            stack: self.stack.clone(),
            authority: self.authority.clone(),
            request: self.request.clone(),
            call,
            id: self.id.clone(),
        }
    }

    /// Asks for the body of a success as a stream. What arrives is kept as long as what is
    /// returned.
    pub(super) fn want_stream(&mut self) -> Arrivals {
        let arrivals = Arrivals::default();
        self.request.extensions_mut().insert(arrivals.wanted());
        self.request
            .headers_mut()
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        arrivals
    }

    /// Sends the request, and returns the response whatever its status.
    pub(super) async fn exchange(self) -> Result<Answer, Error> {
        match call_when_ready(self.stack, self.request).await {
            Ok(response) => Ok(Answer::new(response, self.call)),
            Err(error) => {
                let elapsed = self.call.started.elapsed();
                let error = error
                    .with_call(self.call.method, self.call.template)
                    .with_authority(self.authority)
                    .with_elapsed(elapsed);
                Err(identified(error, self.id))
            }
        }
    }
}

/// Adds the id to the error of a call that did not get as far as the layer that notes it.
fn identified(error: Error, id: Option<CorrelationId>) -> Error {
    match id {
        Some(id) if error.correlation_id().is_none() => error.with_correlation_id(id),
        _ => error,
    }
}

/// How long after its deadline a call is cut that has not ended by itself. The layers of the
/// default stack end it at the deadline, and say how many attempts were made; this is for layers
/// that know of no deadline.
const GRACE: Duration = Duration::from_millis(1);

/// Waits for the stack and for its response, at most until the deadline.
async fn call_when_ready(
    mut stack: ClientService,
    request: Request<Body>,
) -> Result<Response<Bytes>, Error> {
    let Some(deadline) = CallOptions::of(request.extensions()).deadline() else {
        return stack.ready().await?.call(request).await;
    };
    // A stack that was built by hand may have a limit at its top, where none of its own timeouts
    // covers the wait.
    let stack = timeout_at(deadline, stack.ready())
        .await
        .map_err(|_| Error::new(ErrorKind::Deadline).with_transmission(Transmission::NotSent))??;
    let response = timeout_at(deadline + GRACE, stack.call(request)).await;
    response.unwrap_or_else(|_| Err(Error::new(ErrorKind::Deadline)))
}
