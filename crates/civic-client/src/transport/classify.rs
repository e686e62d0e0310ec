//! What an error of a transport, or of a foreign layer, says about the call.

use std::error::Error as StdError;
use std::io;

use civic_auth::MissingCredentials;
use hyper_util::client::legacy;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transmission::Transmission;

// ===== impl Transmission =====

impl Transmission {
    /// Judges an error by its chain of causes.
    ///
    /// | what the chain of causes holds | verdict |
    /// |---|---|
    /// | an [`Error`] of this crate | its own [`transmission`](Error::transmission) |
    /// | a connect error of the pool (refused, unreachable, connect timeout, a reset while accepting) | never sent |
    /// | hyper's `is_canceled`: the connection was gone before the request was written to it | never sent |
    /// | tower's `Overloaded`: the request was shed | never sent |
    /// | [`MissingCredentials`] of civic-auth: the call was not made | never sent |
    /// | `REFUSED_STREAM` from an HTTP/2 peer, with the feature `http2` | never sent |
    /// | a reset before the headers (hyper has no predicate for it, only `io::ConnectionReset` in the chain) | unknown |
    /// | the connection closed before the response was complete, in its head or its body | unknown |
    /// | anything else | unknown |
    ///
    /// "Never sent" is the verdict only when it is proven: a request that is wrongly believed
    /// unsent is executed twice. In particular, hyper's `is_incomplete_message` proves nothing of
    /// the kind.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        verdict(error).1
    }
}

// ===== impl Error =====

impl Error {
    /// Creates an error from that of a transport or of a foreign layer, judged by its chain of
    /// causes.
    ///
    /// | what the chain of causes holds | kind |
    /// |---|---|
    /// | an [`Error`] of this crate | its own; it is returned as it is where it is the error itself |
    /// | tower's or tokio's `Elapsed` | [`ErrorKind::Timeout`] |
    /// | tower's `Overloaded` | [`ErrorKind::Overloaded`] |
    /// | what proves that the request was never sent (see [`Transmission::of`]) | [`ErrorKind::Connect`] |
    /// | what no HTTP/1.1 peer sends: the answer of a TLS port, another protocol | [`ErrorKind::Protocol`] |
    /// | a request that no peer can be sent | [`ErrorKind::Request`] |
    /// | the body of the request, a stream, has failed with an [`Error`] of this crate | its kind; the transmission is unknown |
    /// | anything else | [`ErrorKind::Transport`] |
    ///
    /// `From<Box<dyn Error + Send + Sync>>` does the same, so that tower's own layers compose with
    /// those of this crate:
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use civic_client::{Body, Error, ServiceClient};
    /// # use http::{Request, Response};
    /// # use std::time::Duration;
    /// # use tower::{ServiceBuilder, service_fn};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let stack = ServiceBuilder::new()
    ///     .timeout(Duration::from_millis(20))
    ///     .service(service_fn(|_: Request<Body>| async {
    ///         std::future::pending::<Result<Response<Bytes>, Error>>().await
    ///     }));
    /// let client = ServiceClient::builder("http://localhost").build_over(stack)?;
    /// let error = client.get("/").send().await.unwrap_err();
    /// assert!(error.is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    pub fn transport(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match source.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => {
                let (kind, transmission) = verdict(source.as_ref());
                Self::new(kind)
                    .with_transmission(transmission)
                    .with_source(source)
            }
        }
    }

    /// Creates the error of an attempt whose body, a stream, has failed.
    #[cfg(feature = "http2")]
    pub(super) fn of_body(cause: Box<dyn StdError + Send + Sync>) -> Self {
        let kind = kind_of_body(cause.as_ref());
        Self::new(kind)
            .with_transmission(Transmission::Unknown)
            .with_source(cause)
    }

    /// Returns whether time ran out somewhere: this error or any of its causes is a timeout.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        causes(self).any(|cause| {
            let own = cause.downcast_ref::<Self>();
            let io = cause.downcast_ref::<io::Error>();
            let hyper = cause.downcast_ref::<hyper::Error>();
            own.is_some_and(|own| matches!(own.kind(), ErrorKind::Timeout | ErrorKind::Deadline))
                || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
                || hyper.is_some_and(hyper::Error::is_timeout)
                || is_elapsed(cause)
        })
    }
}

impl From<Box<dyn StdError + Send + Sync>> for Error {
    /// Judges the error by its chain of causes, as [`Error::transport`] does.
    fn from(source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::transport(source)
    }
}

fn verdict(error: &(dyn StdError + 'static)) -> (ErrorKind, Transmission) {
    for cause in causes(error) {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return (own.kind(), own.transmission());
        }
        if cause.is::<MissingCredentials>() {
            return (ErrorKind::MissingCredentials, Transmission::NotSent);
        }
        if is_elapsed(cause) {
            return (ErrorKind::Timeout, Transmission::Unknown);
        }
        if cause.is::<tower::load_shed::error::Overloaded>() {
            return (ErrorKind::Overloaded, Transmission::NotSent);
        }
        let connect = cause.downcast_ref::<legacy::Error>();
        let hyper = cause.downcast_ref::<hyper::Error>();
        let io = cause.downcast_ref::<io::Error>();
        if connect.is_some_and(legacy::Error::is_connect)
            || hyper.is_some_and(hyper::Error::is_canceled)
            // Only connecting can be refused: data on a connection that is gone is reset.
            || io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
        {
            return (ErrorKind::Connect, Transmission::NotSent);
        }
        if hyper.is_some_and(hyper::Error::is_parse) {
            return (ErrorKind::Protocol, Transmission::Unknown);
        }
        if hyper.is_some_and(hyper::Error::is_user) {
            return (kind_of_body(cause), Transmission::Unknown);
        }
        #[cfg(feature = "http2")]
        if cause.downcast_ref::<h2::Error>().is_some_and(|error| {
            error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
        }) {
            return (ErrorKind::Connect, Transmission::NotSent);
        }
    }
    (ErrorKind::Transport, Transmission::Unknown)
}

/// The kind of an error of the stream that is a request's body. One that is passed on may fail as
/// the call that it comes from.
fn kind_of_body(error: &(dyn StdError + 'static)) -> ErrorKind {
    let own = causes(error).find_map(|cause| cause.downcast_ref::<Error>());
    own.map_or(ErrorKind::Request, Error::kind)
}

fn is_elapsed(cause: &(dyn StdError + 'static)) -> bool {
    cause.is::<tower::timeout::error::Elapsed>() || cause.is::<tokio::time::error::Elapsed>()
}

/// The error and all of its causes, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}
