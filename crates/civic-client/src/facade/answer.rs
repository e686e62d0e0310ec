//! A response, and what is made of it.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use civic_auth::CorrelationId;
use civic_envelope::{ErrorBody, ErrorKind as EnvelopeErrorKind, UnwrapMode};
#[cfg(feature = "garde")]
use garde::Validate;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::call::Call;
use crate::layer::retry::attempts::Attempts;
use crate::layer::retry::retry_after::retry_after;
use crate::not_retried::NotRetried;
use crate::streaming::{Arrivals, STREAMED, StreamSlot, Streaming};
use crate::transmission::Transmission;

/// The successful response to a call: its status, its headers, and the payload of its body.
///
/// [`RequestBuilder::send`](super::RequestBuilder::send) returns it. To get nothing but the
/// payload, call [`fetch`](super::RequestBuilder::fetch) instead.
///
/// ```
/// # use civic_client::{Error, ServiceClient};
/// # use serde::Deserialize;
/// # #[derive(Deserialize)]
/// # struct Bill { id: String }
/// # async fn example(client: &ServiceClient) -> Result<(), Error> {
/// let answer = client.post("/bills").json(&["prop-001"]).send().await?;
/// let location = answer.headers().get("location");
/// let bill: Bill = answer.json()?;
/// # let _ = (location, bill.id);
/// # Ok(())
/// # }
/// ```
pub struct Answer {
    response: Response<Bytes>,
    call: Call,
}

// ===== impl Answer: what a caller reads =====

impl Answer {
    /// Returns the status, which is a success.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns how many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let attempts = self.response.extensions().get::<Attempts>();
        attempts.map_or(1, |attempts| attempts.made())
    }

    /// Returns the correlation id of the call.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.response.extensions().get()
    }

    /// Unwraps the payload into a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`], [`ErrorKind::Protocol`] or [`ErrorKind::Decode`]: the payload is not
    /// a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let (headers, body) = (self.response.headers(), self.response.body());
        let mode = if self.has_no_body() {
            // Its mark is that of the answer to GET.
            UnwrapMode::Raw
        } else {
            self.call.unwrap_mode
        };
        mode.response_within(headers, body, self.call.max_body)
            .map_err(|error| {
                let kind = match error.kind() {
                    EnvelopeErrorKind::Refused => ErrorKind::Refused,
                    EnvelopeErrorKind::Protocol => ErrorKind::Protocol,
                    EnvelopeErrorKind::TooLarge => ErrorKind::BodyTooLarge,
                    _ => ErrorKind::Decode,
                };
                let annotated = match (coding(headers), other_type(headers)) {
                    (Some(coding), _) => Error::new(kind).with_detail(format!(
                        "the body is compressed ({coding}), which this client does not undo; do \
                         not send accept-encoding, or build the client with gzip()"
                    )),
                    (None, Some(other)) if kind == ErrorKind::Decode => Error::new(kind)
                        .with_detail(format!(
                            "the body is {other} and not JSON; read it with send_raw(), or check \
                             that the URL is that of the service itself"
                        )),
                    _ => Error::new(kind).with_message(error.message()),
                };
                // A refusal has no cause but the peer's words, which are not for every log.
                let annotated = match kind {
                    ErrorKind::Refused => annotated,
                    _ => annotated.with_source(error),
                };
                self.annotate(annotated)
            })
    }

    /// Unwraps the payload into a `T` and checks the rules of its type.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json), and [`ErrorKind::Validation`] under
    /// [`Validation::Enforce`](crate::Validation::Enforce).
    #[cfg(feature = "garde")]
    pub fn json_validated<T>(&self) -> Result<T, Error>
    where
        T: DeserializeOwned + Validate,
        T::Context: Default,
    {
        self.validate(self.json()?)
    }

    /// Returns the response as it is, with its whole body. Its extensions contain the [`Attempts`]
    /// and the [`CorrelationId`].
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        self.response
    }
}

impl fmt::Debug for Answer {
    /// Without headers and body: they may contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("method", &self.call.method)
            .field("template", &self.call.template)
            .field("status", &self.status())
            .field("attempts", &self.attempts())
            .field("correlation_id", &self.correlation_id())
            .finish_non_exhaustive()
    }
}

// ===== impl Answer: what the facade makes of it =====

impl Answer {
    pub(super) const fn new(response: Response<Bytes>, call: Call) -> Self {
        Self { response, call }
    }

    /// Makes an error of every status that is not a success.
    pub(super) fn success(self) -> Result<Self, Error> {
        if self.status().is_success() {
            return Ok(self);
        }
        let body = ErrorBody::from_json(self.status(), self.response.body());
        let mut error =
            Error::new(ErrorKind::Status).with_message(body.as_ref().and_then(ErrorBody::words));
        let attempts = self.response.extensions().get::<Attempts>();
        let wait = match attempts {
            Some(attempts) => attempts.retry_after(),
            None => retry_after(self.headers(), SystemTime::now()),
        };
        if let Some(wait) = wait {
            error = error.with_retry_after(wait);
        }
        let error = self.annotate(error);
        let (head, body) = self.response.into_parts();
        Err(error.with_response(head.headers, body))
    }

    /// Makes `None` of a 404 that says that the thing is missing, and an error of every other
    /// status that is not a success.
    pub(super) fn found(self) -> Result<Option<Self>, Error> {
        if self.status() != StatusCode::NOT_FOUND {
            return self.success().map(Some);
        }
        if self.call.method == Method::HEAD
            || self.call.bare_404_is_none
            || says_not_found(self.response.body())
        {
            return Ok(None);
        }
        let error = self.success().map(Some);
        error.map_err(|error| {
            error.with_detail(
                "this 404 is that of a route or a service that is not there, and not that of a \
                 thing; check the URL and the path, or call bare_404_is_none()",
            )
        })
    }

    /// Whether a body cannot be there, whatever the headers announce.
    fn has_no_body(&self) -> bool {
        self.call.method == Method::HEAD
            || matches!(
                self.status(),
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT
            )
    }

    pub(super) fn json_optional<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.json() {
            Ok(value) => Ok(Some(value)),
            // It is not a `T`. If it is not `null` either, the first error says more than the
            // second.
            Err(error) if error.kind() == ErrorKind::Decode => match self.json::<Option<T>>() {
                Ok(None) => Ok(None),
                Ok(Some(_)) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    #[cfg(feature = "garde")]
    pub(super) fn validate<T>(&self, value: T) -> Result<T, Error>
    where
        T: Validate,
        T::Context: Default,
    {
        let Call {
            method,
            template,
            validation,
            ..
        } = &self.call;
        validation
            .check(value, method, template, self.correlation_id())
            .map_err(|error| self.annotate(error))
    }

    /// Returns the body as it arrives: one of `arrivals`. One that is in memory comes at once.
    pub(super) fn take_stream(&mut self, arrivals: &Arrivals) -> Result<Streaming, Error> {
        let is_marked = self.response.headers_mut().remove(STREAMED).is_some();
        let slot: Option<StreamSlot> = self.response.extensions_mut().remove();
        match slot {
            Some(slot) => slot.take().ok_or_else(|| self.annotate(kept())),
            None if is_marked || self.lacks(arrivals) => Err(self.annotate(kept())),
            None => {
                let read = std::mem::take(self.response.body_mut());
                Ok(Streaming::new(Body::from(read)))
            }
        }
    }

    /// Whether the body has arrived and is in none of the places where it can be.
    fn lacks(&self, arrivals: &Arrivals) -> bool {
        self.response.body().is_empty() && !self.has_no_body() && arrivals.are_there()
    }

    /// Refuses the response of a stream, whose body is not here.
    pub(super) fn whole(self) -> Result<Self, Error> {
        if StreamSlot::of(self.response.extensions()).is_some()
            || self.headers().contains_key(STREAMED)
        {
            return Err(self.annotate(kept()));
        }
        Ok(self)
    }

    /// Adds to an error what is known about the call.
    pub(super) fn annotate(&self, error: Error) -> Error {
        let attempts = self.response.extensions().get::<Attempts>();
        // A success that cannot be used would be the same the next time.
        let not_retried = attempts
            .and_then(|attempts| attempts.not_retried())
            .or(Some(NotRetried::NotRetryable));
        let error = error
            .with_call(self.call.method.clone(), self.call.template.clone())
            .with_transmission(Transmission::Answered(self.status()))
            .with_elapsed(self.call.started.elapsed())
            .with_attempts(self.attempts())
            .with_not_retried(not_retried);
        match self.correlation_id() {
            Some(id) => error.with_correlation_id(id.clone()),
            None => error,
        }
    }
}

/// A layer of the user's has kept or rebuilt a response whose body was not in it.
fn kept() -> Error {
    Error::new(ErrorKind::Protocol).with_detail(
        "a layer has answered with the response of another call, which was read as a stream, or \
         has rebuilt the response without its extensions; a layer that keeps or rebuilds \
         responses must pass on those to requests with WantsStream as they are",
    )
}

/// The part of an error body that says what was not found.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotFound {
    status_code: u16,
    message: String,
}

/// Whether a handler wrote this 404, and not the router of a service that has no such route.
fn says_not_found(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(body).is_ok_and(
        |NotFound {
             status_code,
             message,
         }| { status_code == 404 && !is_of_a_router(&message) },
    )
}

/// Whether these are the words of a router: `Cannot GET /x` (Nest, Express, civic-server) or `Route
/// GET:/x not found` (Fastify).
fn is_of_a_router(message: &str) -> bool {
    let method = |text: &str| {
        // One of them has a hyphen: M-SEARCH.
        let is_of_a_name = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        !text.is_empty() && text.bytes().all(is_of_a_name)
    };
    let cannot = message
        .strip_prefix("Cannot ")
        .and_then(|rest| rest.split_once(" /"));
    let route = message
        .strip_prefix("Route ")
        .and_then(|rest| rest.strip_suffix(" not found")?.split_once(':'));
    [cannot, route]
        .into_iter()
        .flatten()
        .any(|(named, _)| method(named))
}

/// How a body is compressed; `None` if it is not. Of a name that is not a usual one, nothing is
/// repeated.
fn coding(headers: &HeaderMap) -> Option<&'static str> {
    let coding = headers.get(CONTENT_ENCODING)?.as_bytes();
    if coding.eq_ignore_ascii_case(b"identity") {
        return None;
    }
    let usual = ["gzip", "deflate", "br", "zstd"];
    let named = usual
        .into_iter()
        .find(|name| coding.eq_ignore_ascii_case(name.as_bytes()));
    Some(named.unwrap_or("in another way"))
}

/// What a body is if it says that it is not JSON; `None` if it says nothing. Of a type that is not
/// a usual one, nothing is repeated.
fn other_type(headers: &HeaderMap) -> Option<&'static str> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let essence = essence.to_ascii_lowercase();
    if essence == b"application/json" || essence.ends_with(b"+json") {
        return None;
    }
    let usual = [
        "text/plain",
        "text/html",
        "text/csv",
        "text/xml",
        "application/xml",
        "application/octet-stream",
        "application/pdf",
    ];
    let named = usual.into_iter().find(|name| essence == name.as_bytes());
    Some(named.unwrap_or("of another type"))
}
