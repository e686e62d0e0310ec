//! What kind of failure ended a call.

use std::fmt;

use crate::transmission::Transmission;

/// What kind of failure ended a call, and what the caller can do about it.
///
/// The list may grow: match with a wildcard arm.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong: a malformed base URL, no minter. Happens only while a client is
    /// built.
    Config,
    /// The request could not be built: a path parameter that is unknown or missing, an illegal
    /// header, a URL that the transport cannot reach. Nothing was sent, unless it is the stream of
    /// the request's body that has failed. This is a defect of the caller.
    Request,
    /// The certificate of the peer was not accepted: it has expired, is made out for another name,
    /// or was issued by an authority that the client does not know. The error says which. Nothing
    /// was sent. Never retried: it would be refused again.
    Certificate,
    /// The peer never received the request: connecting failed, or the connection was gone before
    /// the request was written. Retried with every method.
    Connect,
    /// An attempt took too long, its body included. The peer may have executed the request. Retried
    /// if the call may be replayed.
    Timeout,
    /// The deadline of the whole call passed. The peer may have executed the request.
    Deadline,
    /// The exchange broke off after the request was sent. The peer may have executed the request.
    /// Retried if the call may be replayed.
    Transport,
    /// The peer answered with a status that is not a success: see
    /// [`Error::status`](crate::Error::status) and [`Error::message`](crate::Error::message).
    /// Retried as [`RetryPolicy`](crate::RetryPolicy) says.
    Status,
    /// The peer answered 2xx with `success:false`: it refused. Never retried.
    Refused,
    /// The response breaks the rules of the envelope, or is not HTTP at all: the URL may lead to a
    /// TLS port or to a service of another kind. Never retried.
    Protocol,
    /// The response is not JSON, or not of the expected type. Never retried.
    Decode,
    /// The value in the response breaks the rules of its type. Never retried.
    Validation,
    /// The body of the response is longer than the cap. Never retried.
    BodyTooLarge,
    /// A circuit breaker is open: the caller's own process did not send the request, because the
    /// peer failed too often. Never retried. In the default stack it has to be asked for
    /// ([`WhenAllOpen::FailFast`](crate::balance::WhenAllOpen::FailFast)); the kind is also there
    /// for a breaker of your own.
    CircuitOpen,
    /// The caller's own process did not send the request, because it has too much to do: a limit
    /// was reached or the load was shed. Never retried. It comes from
    /// [`max_in_flight`](crate::ServiceClientBuilder::max_in_flight) or from a limit of your own;
    /// tower's `load_shed` becomes it.
    Overloaded,
    /// The peer's rate limit is used up, as its earlier answers said, for longer than the call may
    /// wait. The request was not sent. [`Error::retry_after`](crate::Error::retry_after) says when
    /// the limit is reset. See [`PeerMemory`](crate::PeerMemory).
    RateLimited,
    /// The request needs credentials that the caller's own process does not have. It was not sent.
    /// Never retried. In the default stack it is the call for a user whose transaction token has
    /// expired meanwhile; the kind is also there for an authentication layer of your own.
    MissingCredentials,
}

impl ErrorKind {
    /// Returns what the kind alone says about whether the peer received the request.
    pub(crate) const fn transmission(self) -> Transmission {
        match self {
            Self::Config
            | Self::Request
            | Self::Certificate
            | Self::Connect
            | Self::CircuitOpen
            | Self::Overloaded
            | Self::RateLimited
            | Self::MissingCredentials => Transmission::NotSent,
            Self::Timeout
            | Self::Deadline
            | Self::Transport
            | Self::Status
            | Self::Refused
            | Self::Protocol
            | Self::Decode
            | Self::Validation
            | Self::BodyTooLarge => Transmission::Unknown,
        }
    }

    /// Returns a stable name in `snake_case`, for logs, metrics and `error.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Request => "request",
            Self::Certificate => "certificate",
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
            Self::CircuitOpen => "circuit_open",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::MissingCredentials => "missing_credentials",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
