//! Why there is no response, or no more of it.

use std::error::Error as StdError;
use std::{fmt, io};

use h2::Reason;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transport::unconnected::unconnected;

/// Why there is no response, or no more of it.
///
/// It holds no text of the peer, which a `GOAWAY` may have.
#[derive(Debug)]
pub(in crate::transport) enum StreamError {
    /// Nothing of the request was written.
    Unwritten,
    /// The peer says that it has not processed the request (RFC 9113, section 8.7).
    Refused,
    /// The peer ends the connection, and says that it has not processed the request and will not
    /// (RFC 9113, section 6.8).
    Unprocessed,
    /// The peer wants HTTP/1.1 for this request.
    WantsHttp1,
    /// The peer broke off the exchange.
    Reset(Reason),
    /// The peer ended the connection because of an error.
    Ended(Reason),
    /// What the peer sent breaks the rules of HTTP/2.
    Invalid(Reason),
    /// The peer gave no sign of life when it was asked for one.
    Silent,
    /// The connection broke.
    Broken(Option<io::ErrorKind>),
    /// The request cannot be sent over HTTP/2.
    Unsendable(Error),
    /// The stream that is the request's body has failed.
    Body(Box<dyn StdError + Send + Sync>),
}

/// What is known besides an error of `h2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether nothing of the request was written.
    pub(super) is_unwritten: bool,
    /// Whether the connection was given up because the peer gave no sign of life.
    pub(super) was_silent: bool,
}

impl StreamError {
    pub(super) fn of(error: &h2::Error, circumstances: Circumstances) -> Self {
        if circumstances.is_unwritten {
            return Self::Unwritten;
        }
        if circumstances.was_silent {
            return Self::Silent;
        }
        let Some(reason) = error.reason() else {
            return Self::Broken(error.get_io().map(io::Error::kind));
        };
        if !error.is_remote() {
            return Self::Invalid(reason);
        }
        // A peer tells of streams that it has not processed with every reason. Only one that is
        // not in trouble is believed.
        match (error.is_go_away(), reason) {
            (true, Reason::NO_ERROR) => Self::Unprocessed,
            (true, reason) => Self::Ended(reason),
            (false, Reason::REFUSED_STREAM) => Self::Refused,
            (false, Reason::HTTP_1_1_REQUIRED) => Self::WantsHttp1,
            (false, reason) => Self::Reset(reason),
        }
    }

    /// Returns whether the peer has certainly not processed the request.
    pub(in crate::transport) const fn is_unsent(&self) -> bool {
        matches!(self, Self::Unwritten | Self::Refused | Self::Unprocessed)
    }

    /// Returns whether it is the caller's own stream that has failed, or its request.
    pub(in crate::transport) const fn is_callers(&self) -> bool {
        matches!(self, Self::Body(_) | Self::Unsendable(_))
    }

    /// Returns whether the connection has ended and not only the exchange.
    pub(super) const fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Unwritten | Self::Unprocessed | Self::Ended(_) | Self::Silent | Self::Broken(_)
        )
    }

    /// Makes it the error of an attempt that has no response.
    pub(in crate::transport) fn into_error(self) -> Error {
        match self {
            Self::Unwritten | Self::Refused | Self::Unprocessed => unconnected(self),
            Self::WantsHttp1 => Error::new(ErrorKind::Protocol)
                .with_detail("the peer wants HTTP/1.1 for this request: leave out with_http2")
                .with_source(self),
            Self::Invalid(_) => Error::new(ErrorKind::Protocol).with_source(self),
            Self::Unsendable(error) => error,
            // A stream that is passed on may fail as the call that it comes from.
            Self::Body(cause) => Error::of_body(cause),
            Self::Reset(_) | Self::Ended(_) | Self::Silent | Self::Broken(_) => {
                Error::new(ErrorKind::Transport).with_source(self)
            }
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritten => f.write_str("the connection ended before the request was written"),
            Self::Refused => f.write_str("the peer refused the request before processing it"),
            Self::Unprocessed => {
                f.write_str("the peer ends the connection and has not processed the request")
            }
            Self::WantsHttp1 => f.write_str("the peer wants HTTP/1.1 for this request"),
            Self::Reset(reason) => write!(f, "the peer broke off the exchange: {reason}"),
            Self::Ended(reason) => write!(f, "the peer ended the connection: {reason}"),
            Self::Invalid(reason) => {
                write!(f, "what the peer sent breaks the rules of HTTP/2: {reason}")
            }
            Self::Silent => f.write_str("the peer gave no sign of life when it was asked for one"),
            Self::Broken(Some(kind)) => write!(f, "the connection broke: {kind}"),
            Self::Broken(None) => f.write_str("the connection broke"),
            Self::Unsendable(_) => f.write_str("the request cannot be sent over HTTP/2"),
            Self::Body(_) => f.write_str("the stream of the request's body failed"),
        }
    }
}

impl StdError for StreamError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Body(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}
