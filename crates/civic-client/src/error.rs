//! The one error of this crate: what happened, after how many attempts, and why it was not tried again.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use civic_auth::CorrelationId;
use http::{Method, StatusCode};

use crate::layer::retry::NotRetried;
use crate::transmission::Transmission;

/// The most bytes of a peer's message that an error keeps.
const MAX_MESSAGE_BYTES: usize = 2048;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call failed.
///
/// Promised: [`Error::kind`] says who is to blame; the numbers say what it cost; the source chain holds the
/// cause. `Display` is one line without the cause, without the query string, and without any token or body.
/// The peer's own message is in [`Error::message`], and nowhere else.
///
/// Small to move (one pointer). See [`ErrorKind`] for what to do about it.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    source: Option<BoxError>,
    detail: Option<String>,
    method: Option<Method>,
    template: Option<String>,
    status: Option<StatusCode>,
    message: Option<String>,
    attempts: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    correlation_id: Option<CorrelationId>,
    not_retried: Option<NotRetried>,
}

/// Who is to blame, and what the caller can do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong: a malformed base URL, no minter. Happens at start-up only.
    Config,
    /// The call could not be built: an unknown or missing path parameter, an illegal header. Nothing was
    /// sent. A defect of the caller.
    Request,
    /// The peer never got the request: connecting failed or it was refused before processing. Was retried
    /// with every method.
    Connect,
    /// An attempt took too long, its body included. Was retried if the call may be replayed; the peer may
    /// have executed it.
    Timeout,
    /// The deadline of the whole call passed. The peer may have executed it.
    Deadline,
    /// The exchange broke off after the request was sent. Was retried if the call may be replayed; the peer
    /// may have executed it.
    Transport,
    /// The peer answered with a status that is no success: see [`Error::status`] and [`Error::message`].
    /// 5xx, 429 and 503 were retried by the rules of [`RetryPolicy`](crate::layer::retry::RetryPolicy);
    /// nothing else was.
    Status,
    /// The peer answered 2xx with `success:false`: it refused. Never retried.
    Refused,
    /// The answer breaks the rules of the envelope. Never retried.
    Protocol,
    /// The answer is not JSON, or not of the expected type. Never retried.
    Decode,
    /// The answer is of the expected type and breaks its rules. Never retried.
    Validation,
    /// The answer is longer than the cap. Never retried.
    BodyTooLarge,
}

impl ErrorKind {
    /// A stable name in `snake_case`, for logs, metrics and `error.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Request => "request",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Transport => "transport",
            Self::Status => "status",
            Self::Refused => "refused",
            Self::Protocol => "protocol",
            Self::Decode => "decode",
            Self::Validation => "validation",
            Self::BodyTooLarge => "body_too_large",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// ===== what a caller reads =====

impl Error {
    /// Who is to blame.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The status of the last answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// How many times the request was sent, or tried to be.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long the whole call took, waiting included.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// How long the peer asked to be left alone, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The correlation id of the call, with which its traces on both sides can be found.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// Why there was no further attempt. `None` if the request was never sent.
    #[must_use]
    pub fn not_retried(&self) -> Option<NotRetried> {
        self.0.not_retried
    }

    /// The peer's own words, from the body of its answer. Text of a stranger: do not show it to users
    /// unseen.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Whether time ran out somewhere: this error or any of its causes is a timeout.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        if matches!(self.kind(), ErrorKind::Timeout | ErrorKind::Deadline) {
            return true;
        }
        let mut next = self.source();
        while let Some(cause) = next {
            let io = cause.downcast_ref::<std::io::Error>();
            let hyper = cause.downcast_ref::<hyper::Error>();
            let own = cause.downcast_ref::<Self>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut)
                || hyper.is_some_and(hyper::Error::is_timeout)
                || own.is_some_and(Self::is_timeout)
            {
                return true;
            }
            next = cause.source();
        }
        false
    }

    /// What is known about whether the peer got the request.
    #[must_use]
    pub fn transmission(&self) -> Transmission {
        match (self.0.status, self.kind()) {
            (Some(status), _) => Transmission::Answered(status),
            (None, ErrorKind::Config | ErrorKind::Request | ErrorKind::Connect) => {
                Transmission::NotSent
            }
            (None, _) => Transmission::Unknown,
        }
    }
}

// ===== what a layer writes =====

impl Error {
    /// An error of this kind, without a cause.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Repr {
            kind,
            source: None,
            detail: None,
            method: None,
            template: None,
            status: None,
            message: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            retry_after: None,
            correlation_id: None,
            not_retried: None,
        }))
    }

    /// The error of a transport, classified by walking its chain of causes: [`ErrorKind::Connect`] if the
    /// request was certainly never sent, else [`ErrorKind::Transport`]. An error of this type is returned
    /// as it is.
    pub fn transport(source: impl Into<BoxError>) -> Self {
        let source = match source.into().downcast::<Self>() {
            Ok(own) => return *own,
            Err(source) => source,
        };
        let kind = match Transmission::of(source.as_ref()) {
            Transmission::NotSent => ErrorKind::Connect,
            Transmission::Unknown | Transmission::Answered(_) => ErrorKind::Transport,
        };
        Self::new(kind).with_source(source)
    }

    pub(crate) fn config(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config).with_detail(detail)
    }

    pub(crate) fn request(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Request).with_detail(detail)
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Words of our own for `Display`: never a value that came from outside.
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_call(mut self, method: &Method, template: &str) -> Self {
        self.0.method = Some(method.clone());
        self.0.template = Some(template.to_owned());
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_message(mut self, message: Option<&str>) -> Self {
        // Enough to understand; a stranger does not decide how much we keep.
        self.0.message =
            message.map(|text| text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned());
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

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
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

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repr = &self.0;
        if let (Some(method), Some(template)) = (&repr.method, &repr.template) {
            write!(f, "{method} {template} -> ")?;
        }
        write!(f, "{}", repr.kind)?;
        if let Some(status) = repr.status {
            write!(f, " {}", status.as_u16())?;
        }
        if let Some(detail) = &repr.detail {
            write!(f, ": {detail}")?;
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

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repr = &self.0;
        f.debug_struct("Error")
            .field("kind", &repr.kind)
            .field("method", &repr.method)
            .field("template", &repr.template)
            .field("status", &repr.status)
            .field("detail", &repr.detail)
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
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
