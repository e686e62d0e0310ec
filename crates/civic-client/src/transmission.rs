//! Whether the peer got the request, as far as an error can tell.

use std::error::Error as StdError;
use std::io;

use http::StatusCode;
use hyper_util::client::legacy;

use crate::error::Error;

/// What is known about whether the peer got the request.
///
/// | what the chain of causes holds | verdict |
/// |---|---|
/// | a connect error of the pool (refused, unreachable, connect timeout, a reset while accepting) | never sent |
/// | hyper's `is_canceled`: the connection was gone before the request was written to it | never sent |
/// | a reset before the headers (no predicate of hyper knows it, only `io::ConnectionReset` in the chain) | unknown |
/// | the connection closed before the answer was complete, in head or body | unknown |
/// | anything else | unknown |
///
/// "Never sent" is only said when it is proven: a request that is wrongly believed unsent is executed twice.
/// In particular hyper's `is_incomplete_message` proves nothing of the kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transmission {
    /// It certainly did not: sending it again cannot execute it twice.
    NotSent,
    /// It may or may not have.
    Unknown,
    /// It did, and answered this.
    Answered(StatusCode),
}

impl Transmission {
    /// Judges a transport's error by its chain of causes. The rules are [above](Transmission).
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(own) = cause.downcast_ref::<Error>() {
                return own.transmission();
            }
            let connect = cause.downcast_ref::<legacy::Error>();
            let hyper = cause.downcast_ref::<hyper::Error>();
            let io = cause.downcast_ref::<io::Error>();
            if connect.is_some_and(legacy::Error::is_connect)
                || hyper.is_some_and(hyper::Error::is_canceled)
                // Only connecting can be refused: data on a connection that is gone is reset.
                || io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
            {
                return Self::NotSent;
            }
            next = cause.source();
        }
        Self::Unknown
    }
}
