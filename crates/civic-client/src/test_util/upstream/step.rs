//! A step of a script: what the peer does with one request.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What the peer does with one request.
///
/// All steps but [`Step::reset_at_accept`] read the whole request first.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) delay: Duration,
    pub(super) close: Close,
    pub(super) length: bool,
    pub(super) act: Act,
}

/// Whether the connection is closed after a complete answer, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Close {
    Never,
    Announced,
    Silent,
}

/// How the answer goes wrong, if it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Answer,
    ResetAtAccept,
    Reset,
    Fin,
    HalfHead,
    Garbage,
    ResetInBody,
    FinInBody,
    Drip { every: Duration },
    Hang,
    HangInBody,
}

impl Step {
    /// Sends a complete answer with this status and an empty body.
    ///
    /// # Panics
    ///
    /// Panics if the status is outside 100 to 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status has three digits"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            close: Close::Never,
            length: true,
            act: Act::Answer,
        }
    }

    /// Sends `200` with this JSON text.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::status(200).with_json(body)
    }

    /// Sends `200` with this JSON text as the data of the platform's envelope.
    #[must_use]
    pub fn envelope(data: &str) -> Self {
        Self::json(format!(
            r#"{{"success":true,"data":{data},"timestamp":"2026-02-24T12:00:00.000Z"}}"#
        ))
    }

    /// Resets the connection as soon as it is accepted, without reading anything.
    #[must_use]
    pub fn reset_at_accept() -> Self {
        Self::acting(Act::ResetAtAccept)
    }

    /// Reads the request, then resets the connection (RST) before any byte of an answer.
    #[must_use]
    pub fn reset() -> Self {
        Self::acting(Act::Reset)
    }

    /// Reads the request, then closes the connection (FIN) before any byte of an answer.
    #[must_use]
    pub fn fin() -> Self {
        Self::acting(Act::Fin)
    }

    /// Sends half a status line, then closes the connection.
    #[must_use]
    pub fn half_a_head() -> Self {
        Self::acting(Act::HalfHead)
    }

    /// Sends something that is not HTTP, then closes the connection.
    #[must_use]
    pub fn garbage() -> Self {
        Self::acting(Act::Garbage)
    }

    /// Announces more than `sent`, sends `sent`, then resets the connection.
    #[must_use]
    pub fn reset_in_body(sent: impl Into<Bytes>) -> Self {
        Self::acting(Act::ResetInBody).body(sent)
    }

    /// Announces more than `sent`, sends `sent`, then closes the connection.
    #[must_use]
    pub fn truncated_body(sent: impl Into<Bytes>) -> Self {
        Self::acting(Act::FinInBody).body(sent)
    }

    /// Sends the body one byte at a time, with this pause before each.
    #[must_use]
    pub fn drip(body: impl Into<Bytes>, every: Duration) -> Self {
        Self::acting(Act::Drip { every }).body(body)
    }

    /// Never answers; waits until the caller closes the connection.
    #[must_use]
    pub fn hang() -> Self {
        Self::acting(Act::Hang)
    }

    /// Sends the head and the first bytes of a body, then waits until the caller closes the
    /// connection.
    #[must_use]
    pub fn hang_in_body() -> Self {
        Self::acting(Act::HangInBody).body("{\"success\":true,")
    }

    fn acting(act: Act) -> Self {
        Self {
            act,
            ..Self::status(200)
        }
    }

    /// Sets the status of the answer, if the step begins one before it breaks.
    ///
    /// # Panics
    ///
    /// Panics if the status is outside 100 to 999.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Self::status(status).status;
        self
    }

    /// Adds a header field to the answer.
    ///
    /// # Panics
    ///
    /// Panics if it is not a legal header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a legal header name");
        let value = HeaderValue::from_str(value).expect("a legal header value");
        self.headers.append(name, value);
        self
    }

    /// Sets the body of the answer.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn with_json(mut self, body: impl Into<Bytes>) -> Self {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        self.headers.insert(CONTENT_TYPE, json);
        self.body(body)
    }

    /// Waits this long, once the request has been read, before the first byte of the answer.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Closes the connection after the answer, and says so in it.
    #[must_use]
    pub const fn close(mut self) -> Self {
        self.close = Close::Announced;
        self
    }

    /// Closes the connection after the answer without announcing it, as a peer does whose idle
    /// timeout has passed.
    #[must_use]
    pub const fn close_silently(mut self) -> Self {
        self.close = Close::Silent;
        self
    }

    /// Leaves `Content-Length` out, for a body that is framed by hand or by the end of the
    /// connection.
    #[must_use]
    pub const fn without_length(mut self) -> Self {
        self.length = false;
        self
    }

    pub(super) fn is_at_accept(&self) -> bool {
        self.act == Act::ResetAtAccept
    }
}
