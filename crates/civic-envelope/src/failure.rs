//! An error answer as a value: what a handler returns when it cannot do what was asked.
//!
//! A [`Failure`] holds what the caller is told (status, [`ErrorBody`], headers) and, apart from it,
//! what only this service's log may show (the source).

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::correlation_id::CorrelationId;
use crate::error_body::{ErrorBody, ErrorDetail};

/// Says whether a caller that repeats the request may have more success.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A failed request: the answer for the caller, and the reason for the log.
///
/// The caller sees the status, the message, the headers and the correlation id. The
/// [source](StdError::source) never reaches the caller.
///
/// With the feature `axum` a handler returns it as it is:
///
/// ```
/// use civic_envelope::Failure;
/// use http::StatusCode;
///
/// fn property(id: &str) -> Result<&'static str, Failure> {
///     let row = std::str::from_utf8(b"prop-001").map_err(Failure::internal)?;
///     if id == row {
///         Ok(row)
///     } else {
///         Err(Failure::new(StatusCode::NOT_FOUND, format!("Property {id} not found")))
///     }
/// }
///
/// let failure = property("prop-7").unwrap_err();
/// assert_eq!(failure.status(), StatusCode::NOT_FOUND);
/// assert_eq!(failure.message(), "Property prop-7 not found");
/// ```
///
/// # The correlation id
///
/// A handler need not pass the id along. [`into_response`](Self::into_response) puts the
/// [`ErrorBody`] into the response's extensions as well, so that a layer further out that knows the
/// id can [write it](ErrorBody::with_correlation_id) and render the body again.
pub struct Failure(Box<Parts>);

/// The error that caused a [`Failure`], in the extensions of its answer, for a layer that logs it.
///
/// It is for the log of this service and never for its caller.
#[derive(Clone, Debug)]
pub struct FailureSource(Arc<dyn StdError + Send + Sync>);

struct Parts {
    body: ErrorBody,
    headers: HeaderMap,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// Creates a failure with this status and these words for the caller.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::from(ErrorBody::new(status, message))
    }

    /// Creates a 500 whose cause only the log sees: the caller reads `Internal server error`.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").with_source(source)
    }

    /// Creates the failure of a request that failed because a peer answered with this error.
    ///
    /// A peer's 400, 404, 409 and 422 are about what the caller asked for: status, words, `error`
    /// and details are passed on. Any other answer is a 502 that tells the caller nothing of it.
    ///
    /// The answer always has `x-should-retry: false`: the retries were made here, and a caller that
    /// repeats the request multiplies them.
    #[must_use]
    pub fn relay(answer: &ErrorBody) -> Self {
        let failure = match answer.status() {
            StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY => {
                let mut body = ErrorBody::new(answer.status(), answer.message())
                    .with_details(answer.details().iter().cloned());
                if let Some(error) = answer.error() {
                    body = body.with_error(error);
                }
                Self::from(body)
            }
            status => Self::new(
                StatusCode::BAD_GATEWAY,
                "A service that this one depends on has failed",
            )
            .with_source(format!("the peer answered {status}")),
        };
        failure.with_header(SHOULD_RETRY, HeaderValue::from_static("false"))
    }

    /// Sets the short name of the error, for programs.
    ///
    /// Defaults to none: the member `error` is then absent.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.0.body = self.0.body.with_error(error);
        self
    }

    /// Adds what is wrong with fields of the request.
    ///
    /// Defaults to none: the member `details` is then absent.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = ErrorDetail>) -> Self {
        self.0.body = self.0.body.with_details(details);
        self
    }

    /// Adds a header to the answer. Another value of the same name is replaced.
    ///
    /// `Content-Type` is always that of the error body.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Sets the error that caused this one, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the id of the request that failed.
    ///
    /// Defaults to the id that a layer further out writes, see [above](Self#the-correlation-id).
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<Option<CorrelationId>>) -> Self {
        self.0.body = self.0.body.with_correlation_id(id);
        self
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.body.status()
    }

    /// Returns the words for the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.body.message()
    }

    /// Returns the body of the answer.
    #[must_use]
    pub fn body(&self) -> &ErrorBody {
        &self.0.body
    }

    /// Returns the headers of the answer, without `Content-Type`.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Turns the failure into the answer, with the [`ErrorBody`] and, if there is a source, the
    /// [`FailureSource`] in its extensions.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let Parts {
            body,
            headers,
            source,
        } = *self.0;
        let mut response = body.clone().into_response();
        for (name, value) in &headers {
            response
                .headers_mut()
                .entry(name)
                .or_insert_with(|| value.clone());
        }
        response.extensions_mut().insert(body);
        if let Some(source) = source {
            let source = FailureSource(source.into());
            response.extensions_mut().insert(source);
        }
        response
    }
}

impl FailureSource {
    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

/// Prints the error and its causes, each once.
impl fmt::Display for FailureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self(Box::new(Parts {
            body,
            headers: HeaderMap::new(),
            source: None,
        }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status(), self.message())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("body", &self.0.body)
            .field("headers", &self.0.headers)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, RETRY_AFTER};

    use super::*;

    #[test]
    fn the_caller_reads_status_words_and_headers_and_never_the_source() {
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "Try again")
            .with_header(RETRY_AFTER, HeaderValue::from_static("3"))
            .with_header(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            .with_source("password of the database");
        assert_eq!(
            failure.to_string(),
            "503 Service Unavailable: Try again",
            "Display does not repeat the source"
        );
        assert_eq!(
            failure.source().unwrap().to_string(),
            "password of the database"
        );

        let response = failure.into_response::<Bytes>();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        let text = std::str::from_utf8(response.body()).unwrap();
        assert!(
            text.starts_with(
                r#"{"statusCode":503,"message":"Try again","correlationId":"unknown""#
            ),
            "{text}"
        );
        assert!(!text.contains("password"), "{text}");
        let source: &FailureSource = response.extensions().get().unwrap();
        assert_eq!(source.to_string(), "password of the database");
    }

    #[test]
    fn the_source_for_the_log_names_each_cause_once() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the roll cannot be read")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let outer = Outer(std::io::Error::other("disk full"));
        let response = Failure::internal(outer).into_response::<Bytes>();
        let source: &FailureSource = response.extensions().get().unwrap();
        assert_eq!(source.to_string(), "the roll cannot be read: disk full");
        assert!(source.error().is::<Outer>());
    }

    #[test]
    fn an_internal_failure_tells_the_caller_nothing_of_its_cause() {
        let failure = Failure::internal(std::io::Error::other("disk full"));
        assert_eq!(
            (failure.status().as_u16(), failure.message()),
            (500, "Internal server error")
        );
        assert_eq!(failure.source().unwrap().to_string(), "disk full");
    }

    #[test]
    fn a_layer_further_out_finds_the_body_and_writes_the_correlation_id() {
        let mut response = Failure::new(StatusCode::CONFLICT, "no").into_response::<Bytes>();
        let body: ErrorBody = response.extensions_mut().remove().unwrap();
        let id = CorrelationId::parse("req-1").unwrap();
        let again = body.with_correlation_id(id.clone()).to_json();
        assert_eq!(
            ErrorBody::from_json(StatusCode::CONFLICT, &again)
                .unwrap()
                .correlation_id(),
            Some(&id)
        );
    }
}
