//! The body of an error.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::detail::ErrorDetail;
use super::read::{self, Members};
use crate::correlation_id::CorrelationId;
use crate::json::{Json, JsonKind};
use crate::wire::{JSON, MAX_ERROR_BYTES, Timestamp, parse_timestamp, without_bom};

/// What the platform prints if no correlation id is known.
const UNKNOWN: &str = "unknown";

/// More bytes than any spelling of an instant has.
const MAX_TIMESTAMP_BYTES: usize = 64;

/// The body of an error answer.
///
/// # Example
///
/// ```
/// use civic_envelope::{CorrelationId, ErrorBody};
/// use http::StatusCode;
///
/// let id = CorrelationId::parse("3f0e8a52").unwrap();
/// let answer = ErrorBody::new(StatusCode::NOT_FOUND, "Property with ID 7 not found")
///     .with_correlation_id(id.clone())
///     .into_response::<bytes::Bytes>();
/// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
///
/// let read = ErrorBody::from_json(answer.status(), answer.body()).expect("it is one");
/// assert_eq!(read.message(), "Property with ID 7 not found");
/// assert_eq!(read.correlation_id(), Some(&id));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorBody {
    status: StatusCode,
    /// `None` if the peer sent no words.
    message: Option<String>,
    correlation_id: Option<CorrelationId>,
    timestamp: SystemTime,
    error: Option<String>,
    details: Vec<ErrorDetail>,
}

impl ErrorBody {
    /// Creates an error with the present time as its timestamp, and without a correlation id.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: Some(message.into()),
            correlation_id: None,
            timestamp: SystemTime::now(),
            error: None,
            details: Vec::new(),
        }
    }

    /// Sets the id of the request that failed.
    ///
    /// Takes an id or an `Option` of one.
    ///
    /// Defaults to none, which is `"unknown"` on the wire.
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<Option<CorrelationId>>) -> Self {
        self.correlation_id = id.into().filter(|id| id.as_str() != UNKNOWN);
        self
    }

    /// Sets the timestamp, which is printed to the millisecond.
    ///
    /// Defaults to the time at which [`new`](Self::new) was called.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: SystemTime) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Sets the short name of the error, for programs: `Not Found`, or a code of the service's own.
    ///
    /// Defaults to none: the member `error` is then absent.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Adds what is wrong with fields of the request.
    ///
    /// Defaults to none: the member `details` is then absent.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = ErrorDetail>) -> Self {
        self.details.extend(details);
        self
    }

    /// Returns the status code that the body names, or else that of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the message: what went wrong, in words.
    ///
    /// If the peer sent no words, it is the reason phrase of the status, for example `Not Found`.
    #[must_use]
    pub fn message(&self) -> &str {
        self.words()
            .or_else(|| self.status.canonical_reason())
            .unwrap_or("Unknown error")
    }

    /// Returns the message, if the body has one: a body that was read may name nothing but its
    /// status.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the short name of the error, which is the member `error` or `code`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns what is wrong with each field of the request, as far as the body says so.
    #[must_use]
    pub fn details(&self) -> &[ErrorDetail] {
        &self.details
    }

    /// Returns the id of the request that failed.
    ///
    /// `None` if it is absent, invalid or `"unknown"`.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.correlation_id.as_ref()
    }

    /// Returns the timestamp.
    #[must_use]
    pub fn timestamp(&self) -> SystemTime {
        self.timestamp
    }

    /// Returns the body's bytes.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("strings and a number are always JSON"))
    }

    /// Returns a response with this body, its status and its content type, and without any other
    /// header.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_json()));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        response
    }

    /// Reads the error that a response with this status has as its body, in any usual shape.
    ///
    /// The words are those of the first of these that has any: `message`, `title` and `detail`
    /// (RFC 9457), `error_description`, `errors`, `details`, `error`. Each may be a text, a list
    /// (joined with `"; "`), or an object with any of them inside, as the usual exception filters
    /// of NestJS, Spring, FastAPI and others write them. A member of another type hides none of the
    /// others. At most 64 [details](Self::details) are kept.
    ///
    /// The status is `status` if the body names none. The timestamp is the present time if the body
    /// has none that can be read. Returns `None` if the body is not a JSON object in UTF-8, or is
    /// larger than [`MAX_ERROR_BYTES`].
    #[must_use]
    pub fn from_json(status: StatusCode, body: &[u8]) -> Option<Self> {
        if body.len() > MAX_ERROR_BYTES {
            return None;
        }
        // The parser does not look at the encoding of what it skips.
        let text = std::str::from_utf8(without_bom(body)).ok()?;
        let object = Json::parse(text)
            .ok()
            .filter(|value| value.kind() == JsonKind::Object)?;
        let members = Members::of(object);
        let named = [members.status_code, members.status]
            .into_iter()
            .flatten()
            .find_map(|number| StatusCode::from_u16(number.as_u16()?).ok());
        let timestamp = members
            .timestamp
            .and_then(|timestamp| parse_timestamp(&timestamp.text(MAX_TIMESTAMP_BYTES)?));
        Some(Self {
            status: named.unwrap_or(status),
            message: read::words(object, MAX_ERROR_BYTES),
            correlation_id: members.correlation_id().filter(|id| id.as_str() != UNKNOWN),
            timestamp: timestamp.unwrap_or_else(SystemTime::now),
            error: members.error(),
            details: members.details(),
        })
    }
}

impl Serialize for ErrorBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct(
            "ErrorBody",
            4 + usize::from(self.error.is_some()) + usize::from(!self.details.is_empty()),
        )?;
        body.serialize_field("statusCode", &self.status.as_u16())?;
        body.serialize_field("message", self.message())?;
        body.serialize_field(
            "correlationId",
            self.correlation_id
                .as_ref()
                .map_or(UNKNOWN, CorrelationId::as_str),
        )?;
        body.serialize_field("timestamp", Timestamp::from(self.timestamp).as_str())?;
        if let Some(error) = &self.error {
            body.serialize_field("error", error)?;
        }
        if !self.details.is_empty() {
            body.serialize_field("details", &self.details)?;
        }
        body.end()
    }
}
