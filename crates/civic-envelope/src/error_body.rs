//! What an error looks like on the wire.
//!
//! Errors are not enveloped. They have the platform's own shape,
//! `{"statusCode","message","correlationId","timestamp"}`, in this order. Writing is strict.
//! Reading is lenient, because an error may come from any proxy or gateway between two services.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::Value;

use crate::correlation_id::CorrelationId;
use crate::wire::{JSON, MAX_ERROR_BYTES, Timestamp, parse_timestamp, without_bom};

/// What the platform prints if no correlation id is known.
const UNKNOWN: &str = "unknown";

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
/// let read = ErrorBody::from_json(answer.body()).expect("it is one");
/// assert_eq!(read.message(), "Property with ID 7 not found");
/// assert_eq!(read.correlation_id(), Some(&id));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorBody {
    status: StatusCode,
    message: String,
    correlation_id: Option<CorrelationId>,
    timestamp: SystemTime,
}

impl ErrorBody {
    /// Creates an error with the present time as its timestamp, and without a correlation id.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            correlation_id: None,
            timestamp: SystemTime::now(),
        }
    }

    /// Sets the id of the request that failed.
    ///
    /// Takes an id or an `Option` of one. Defaults to none, which is `"unknown"` on the wire.
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

    /// Returns the status code that the body names.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the message: what went wrong, in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
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

    /// Reads an error in any of these shapes: the platform's own, with a `message` that may also be
    /// a list (joined with `"; "`); `title` and `detail` of problem details (RFC 9457); or only
    /// `error`, which is a string or an object with a `message`.
    ///
    /// The status is 500 if the body names none. The timestamp is the present time if the body has
    /// none that can be read. Returns `None` if the body is not a JSON object in UTF-8, has no
    /// message, or is larger than [`MAX_ERROR_BYTES`].
    #[must_use]
    pub fn from_json(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_ERROR_BYTES {
            return None;
        }
        // The parser does not look at the encoding of what it skips.
        let text = std::str::from_utf8(without_bom(body)).ok()?;
        serde_json::from_str(text).ok()
    }
}

impl Serialize for ErrorBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("ErrorBody", 4)?;
        body.serialize_field("statusCode", &self.status.as_u16())?;
        body.serialize_field("message", &self.message)?;
        body.serialize_field(
            "correlationId",
            self.correlation_id
                .as_ref()
                .map_or(UNKNOWN, CorrelationId::as_str),
        )?;
        body.serialize_field("timestamp", Timestamp::from(self.timestamp).as_str())?;
        body.end()
    }
}

impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dialect = deserializer.deserialize_map(ObjectVisitor)?;
        let message = dialect
            .words()
            .ok_or_else(|| D::Error::missing_field("message"))?;
        let status = [&dialect.status_code, &dialect.status]
            .into_iter()
            .find_map(|member| u16::try_from(member.as_u64()?).ok())
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = Self::new(status, message);
        body = body.with_correlation_id(
            dialect
                .correlation_id
                .as_str()
                .and_then(|id| CorrelationId::parse(id).ok()),
        );
        if let Some(timestamp) = dialect.timestamp.as_str().and_then(parse_timestamp) {
            body = body.with_timestamp(timestamp);
        }
        Ok(body)
    }
}

/// Accepts objects only: a derived implementation would also read a list of the members' values.
struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Dialect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dialect, A::Error> {
        Dialect::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The members that are looked at. Each may have any type, so that one odd member does not hide the
/// others.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Dialect {
    status_code: Value,
    message: Value,
    correlation_id: Value,
    timestamp: Value,
    status: Value,
    title: Value,
    detail: Value,
    error: Value,
}

impl Dialect {
    fn words(&self) -> Option<String> {
        message_words(&self.message)
            .or_else(|| match (self.title.as_str(), self.detail.as_str()) {
                (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
                (Some(words), None) | (None, Some(words)) => Some(words.to_owned()),
                (None, None) => None,
            })
            .or_else(|| message_words(&self.error))
            .or_else(|| message_words(self.error.get("message")?))
    }
}

/// Returns the words of a `message` member: a string, or Nest's list of strings.
pub(crate) fn message_words(message: &Value) -> Option<String> {
    match message {
        Value::String(words) => Some(words.clone()),
        Value::Array(list) => {
            let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            (!words.is_empty()).then(|| words.join("; "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_absent_correlation_id_is_printed_as_unknown() {
        let body = ErrorBody::new(StatusCode::UNAUTHORIZED, "Missing authentication token")
            .with_timestamp(UNIX_EPOCH);
        assert_eq!(
            body.to_json(),
            r#"{"statusCode":401,"message":"Missing authentication token","correlationId":"unknown","timestamp":"1970-01-01T00:00:00.000Z"}"#
        );
        assert_eq!(ErrorBody::from_json(&body.to_json()), Some(body));
    }

    #[test]
    fn an_error_response_names_its_status_and_is_json() {
        let response = ErrorBody::new(StatusCode::FORBIDDEN, "no").into_response::<Bytes>();
        assert_eq!(response.status(), 403);
        assert_eq!(
            response.headers()["content-type"],
            "application/json; charset=utf-8"
        );
        assert_eq!(response.headers().len(), 1);
    }

    #[test]
    fn errors_of_every_dialect_are_read() {
        for (name, json, expected) in [
            (
                "the platform's",
                r#"{"statusCode":404,"message":"gone","correlationId":"c-1","timestamp":"2026-11-22T10:12:26.563Z"}"#,
                Some((404, "gone", Some("c-1"))),
            ),
            (
                "Nest's list",
                r#"{"statusCode":400,"message":["a is odd","b is even"],"error":"Bad Request"}"#,
                Some((400, "a is odd; b is even", None)),
            ),
            (
                "problem details",
                r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no such page"}"#,
                Some((404, "Not Found: no such page", None)),
            ),
            (
                "a title alone",
                r#"{"title":"Teapot","status":418}"#,
                Some((418, "Teapot", None)),
            ),
            (
                "error alone",
                r#"{"error":"overloaded"}"#,
                Some((500, "overloaded", None)),
            ),
            (
                "an error object",
                r#"{"error":{"code":404,"message":"Not found"}}"#,
                Some((500, "Not found", None)),
            ),
            (
                "unknown id",
                r#"{"message":"x","correlationId":"unknown"}"#,
                Some((500, "x", None)),
            ),
            (
                "an invalid id",
                r#"{"message":"x","correlationId":"two words"}"#,
                Some((500, "x", None)),
            ),
            (
                "odd members",
                r#"{"message":"x","statusCode":"404","correlationId":7,"timestamp":{}}"#,
                Some((500, "x", None)),
            ),
            (
                "impossible status",
                r#"{"message":"x","statusCode":70000}"#,
                Some((500, "x", None)),
            ),
            ("BOM", "\u{feff}{\"message\":\"x\"}", Some((500, "x", None))),
            ("an empty list", r#"{"message":[]}"#, None),
            ("no words", r#"{"statusCode":500}"#, None),
            ("not an object", r#"["message"]"#, None),
            ("a list in the order of the members", r#"[500,"x"]"#, None),
            ("HTML", "<html>502</html>", None),
            ("nothing", "", None),
        ] {
            let read = ErrorBody::from_json(json.as_bytes());
            let read = read.as_ref().map(|body| {
                (
                    body.status().as_u16(),
                    body.message(),
                    body.correlation_id().map(CorrelationId::as_str),
                )
            });
            assert_eq!(read, expected, "{name}");
        }
    }

    #[test]
    fn an_error_body_that_is_not_utf_8_is_not_read_wherever_the_byte_stands() {
        // The parser does not look at the encoding of what it skips.
        for body in [
            &b"{\"message\":\"\xff\"}"[..],
            b"{\"message\":\"x\",\"path\":\"\xff\"}",
        ] {
            assert_eq!(ErrorBody::from_json(body), None);
        }
    }

    #[test]
    fn an_error_body_over_64_kib_is_not_read() {
        let fitting = |length: usize| {
            let frame = r#"{"message":""}"#.len();
            format!(r#"{{"message":"{}"}}"#, "x".repeat(length - frame))
        };
        assert!(ErrorBody::from_json(fitting(MAX_ERROR_BYTES).as_bytes()).is_some());
        assert!(ErrorBody::from_json(fitting(MAX_ERROR_BYTES + 1).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn an_error_body_survives_the_wire(code in 100u16..1000, message: String, id in "[A-Za-z0-9._:#/=+@~-]{1,128}", seconds in 0u64..200_000_000_000) {
            let body = ErrorBody::new(StatusCode::from_u16(code).unwrap(), message)
                .with_correlation_id(CorrelationId::parse(&id).unwrap())
                .with_timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert_eq!(ErrorBody::from_json(&body.to_json()), Some(body));
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = ErrorBody::from_json(&body);
        }
    }
}
