//! The one error of this crate.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, iter};

use bytes::Bytes;
use civic_auth::{CorrelationId, MissingCredentials};
use civic_envelope::ErrorBody;
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::error_kind::ErrorKind;
use crate::not_retried::NotRetried;
use crate::phase::Phase;
use crate::transmission::Transmission;
use crate::url_template::UrlTemplate;

/// The most bytes of a peer's message that an error keeps.
const MAX_MESSAGE_BYTES: usize = 2048;

/// The most bytes of it that `Display` prints.
const MAX_DISPLAYED_BYTES: usize = 200;

/// Why a call failed: what happened, after how many attempts, and why it was not retried.
///
/// [`kind`](Self::kind) says what kind of failure it was, and [`ErrorKind`] what to do about it.
/// The numbers say what the call cost, and the source chain holds the cause. `Display` is one line:
/// method and template, the kind, the status with the start of the peer's message, host and port
/// where connecting failed, and the cost. It contains no path, query, body or token of the call and
/// does not repeat the cause:
///
/// ```text
/// GET /users/{id} -> connect to localhost:3020 after 3 attempts in 1.497 s
/// POST /bills -> status 422: "amount must be positive" after 1 attempt in 0.012 s
/// ```
///
/// An error is as small to move as a pointer.
///
/// # Errors of other layers
///
/// A layer of your own creates an error from its kind, and adds what it knows:
///
/// ```
/// use civic_client::{Error, ErrorKind, Transmission};
///
/// // An open circuit breaker. Nothing was sent: the kind implies it.
/// let open = Error::new(ErrorKind::CircuitOpen).with_detail("5 of the last 5 attempts failed");
/// assert_eq!(open.transmission(), Transmission::NotSent);
///
/// // A transport that can prove that its request was never written.
/// let error = std::io::Error::other("the connection was closed");
/// let unsent = Error::new(ErrorKind::Transport)
///     .with_source(error)
///     .with_transmission(Transmission::NotSent);
/// assert_eq!(unsent.transmission(), Transmission::NotSent);
/// ```
///
/// The boxed errors of tower's own layers convert with `From`, as [`Error::transport`] describes.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    transmission: Transmission,
    source: Option<Box<dyn StdError + Send + Sync>>,
    detail: Option<String>,
    call: Option<(Method, UrlTemplate)>,
    authority: Option<Authority>,
    message: Option<String>,
    response: Option<(HeaderMap, Bytes)>,
    phase: Option<Phase>,
    attempts: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    correlation_id: Option<CorrelationId>,
    not_retried: Option<NotRetried>,
}

// ===== impl Error: what a caller reads =====

impl Error {
    /// Returns the kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the status of the last response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.transmission {
            Transmission::Answered(status) => Some(status),
            Transmission::NotSent | Transmission::Unknown => None,
        }
    }

    /// Returns how many attempts were made; 0 if the request was never passed on.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns how long the whole call took, with the waits between its attempts.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Returns how long the peer asked the caller to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the correlation id of the call, by which the logs on both sides can be found.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// Returns why there was no further attempt; `None` if the request was never passed on.
    #[must_use]
    pub fn not_retried(&self) -> Option<NotRetried> {
        self.0.not_retried
    }

    /// Returns the peer's own message, from the body of its response, cut to 2 KiB.
    ///
    /// Untrusted text: do not show it to users as it is.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Returns the headers of the last response, if it was one with a status that is no success.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.response.as_ref().map(|(headers, _)| headers)
    }

    /// Returns the body of a response with a status that is no success as a `T`, if it is one.
    ///
    /// It is the body as it arrived, without looking for an envelope, cut to the cap of
    /// [`CollectBodyLayer`](crate::layer::CollectBodyLayer). Neither `Display` nor `Debug` shows
    /// it.
    #[must_use]
    pub fn body<T: DeserializeOwned>(&self) -> Option<T> {
        let (_, body) = self.0.response.as_ref()?;
        serde_json::from_slice(body).ok()
    }

    /// Returns the error that the peer sent with a status that is no success, in the platform's
    /// shape.
    #[must_use]
    pub fn error_body(&self) -> Option<ErrorBody> {
        let (_, body) = self.0.response.as_ref()?;
        ErrorBody::from_json(self.status()?, body)
    }

    /// Returns how far the last attempt had come when it failed.
    ///
    /// `None` if it was answered, and over a transport that does not note it.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// Returns what is known about whether the peer received the request.
    #[must_use]
    pub fn transmission(&self) -> Transmission {
        self.0.transmission
    }
}

// ===== impl Error: what a layer writes =====

impl Error {
    /// Creates an error of this kind.
    ///
    /// Its [`transmission`](Self::transmission) follows from the kind: [`Transmission::NotSent`]
    /// for `Config`, `Request`, `Certificate`, `Connect`, `CircuitOpen`, `Overloaded`,
    /// `RateLimited` and `MissingCredentials`, else [`Transmission::Unknown`].
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Repr {
            kind,
            transmission: kind.transmission(),
            source: None,
            detail: None,
            call: None,
            authority: None,
            message: None,
            response: None,
            phase: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            retry_after: None,
            correlation_id: None,
            not_retried: None,
        }))
    }

    /// Sets the cause, which [`source`](StdError::source) returns.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets what is known about whether the peer received the request.
    ///
    /// Say [`Transmission::NotSent`] only if it is proven: the request may then be sent again
    /// whatever its method.
    #[must_use]
    pub fn with_transmission(mut self, transmission: Transmission) -> Self {
        self.0.transmission = transmission;
        self
    }

    /// Sets words of your own for `Display`.
    ///
    /// They end in logs: put no text into them that came from the peer or from a user.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets how long the caller should wait before it calls again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    pub(crate) fn config(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config).with_detail(detail)
    }

    /// Makes a defect of a request one of the configuration, where the request is part of it.
    pub(crate) fn into_config(mut self) -> Self {
        self.0.kind = ErrorKind::Config;
        self
    }

    pub(crate) fn request(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Request).with_detail(detail)
    }

    pub(crate) fn with_call(mut self, method: Method, template: UrlTemplate) -> Self {
        self.0.call = Some((method, template));
        self
    }

    pub(crate) fn with_authority(mut self, authority: Authority) -> Self {
        self.0.authority.get_or_insert(authority);
        self
    }

    pub(crate) fn with_message(mut self, message: Option<&str>) -> Self {
        // The peer does not decide how much is kept.
        self.0.message = message.map(|text| cut(text, MAX_MESSAGE_BYTES).to_owned());
        self
    }

    pub(crate) fn with_response(mut self, headers: HeaderMap, body: Bytes) -> Self {
        self.0.response = Some((headers, body));
        self
    }

    pub(crate) fn with_phase(mut self, phase: Option<Phase>) -> Self {
        self.0.phase = phase;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.0.elapsed = elapsed;
        self
    }

    pub(crate) fn with_correlation_id(mut self, id: CorrelationId) -> Self {
        self.0.correlation_id = Some(id);
        self
    }

    pub(crate) fn with_not_retried(mut self, reason: Option<NotRetried>) -> Self {
        self.0.not_retried = reason;
        self
    }
}

/// At most the first `max` bytes of `text`, in whole characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The call is for a user whose transaction token has expired.
impl From<MissingCredentials> for Error {
    fn from(missing: MissingCredentials) -> Self {
        Self::new(ErrorKind::MissingCredentials).with_source(missing)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_line(f, self.0.message.as_deref())
    }
}

impl Error {
    /// Writes the line of `Display`, with this message of the peer.
    fn write_line(&self, f: &mut fmt::Formatter<'_>, message: Option<&str>) -> fmt::Result {
        let repr = &self.0;
        if let Some((method, template)) = &repr.call {
            write!(f, "{method} {template} -> ")?;
        }
        write!(f, "{}", repr.kind)?;
        if let (ErrorKind::Connect, Some(authority)) = (repr.kind, &repr.authority) {
            write!(f, " to {authority}")?;
        }
        if let Some(status) = self.status() {
            write!(f, " {}", status.as_u16())?;
        }
        if let (ErrorKind::Timeout | ErrorKind::Deadline, Some(phase)) = (repr.kind, repr.phase) {
            write!(f, " while {phase}")?;
        }
        if let Some(detail) = &repr.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(message) = message {
            let start = cut(message, MAX_DISPLAYED_BYTES);
            let more = if start == message { "" } else { "..." };
            // Quoted and escaped: it must not be able to begin a log line of its own.
            write!(f, ": {start:?}{more}")?;
        }
        if repr.attempts > 0 {
            let plural = if repr.attempts == 1 { "" } else { "s" };
            let seconds = repr.elapsed.as_secs_f64();
            write!(
                f,
                " after {} attempt{plural} in {seconds:.3} s",
                repr.attempts
            )?;
        }
        Ok(())
    }
}

/// The line of `Display` without the peer's message, and the causes: what a `main` that returns the
/// error prints. `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repr = &self.0;
        if !f.alternate() {
            self.write_line(f, None)?;
            for cause in iter::successors(StdError::source(self), |&error| error.source()) {
                write!(f, ": {cause}")?;
            }
            if let Some(id) = &repr.correlation_id {
                write!(f, " (correlation id {id})")?;
            }
            return Ok(());
        }
        f.debug_struct("Error")
            .field("kind", &repr.kind)
            .field("transmission", &repr.transmission)
            .field("call", &repr.call)
            .field("authority", &repr.authority)
            .field("detail", &repr.detail)
            .field("phase", &repr.phase)
            .field("attempts", &repr.attempts)
            .field("elapsed", &repr.elapsed)
            .field("retry_after", &repr.retry_after)
            .field("correlation_id", &repr.correlation_id)
            .field("not_retried", &repr.not_retried)
            // As text: a parser's own Debug may quote the body.
            .field("source", &repr.source.as_ref().map(ToString::to_string))
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
