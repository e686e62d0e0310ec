//! A peer in this process.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tower_service::Service;

use crate::attempt::Attempt;
use crate::body::Body;
use crate::error::Error;
use crate::phase::Phase;
use crate::transport::Target;

/// A peer in this process, in place of [`Transport`](crate::Transport).
///
/// The peer sees a request as it would come from a socket: with a path instead of a URL, and with
/// `host`, `accept` and `user-agent`. All of it runs in a task of its own, its readiness and its
/// synchronous part too, so it sees neither the [`RequestContext`](civic_auth::RequestContext) nor
/// the span of its caller. The task ends when the call is dropped. A peer that panics is a
/// connection that breaks off.
#[derive(Clone, Debug)]
pub struct InProcess<S> {
    inner: S,
}

impl<S> InProcess<S> {
    /// Creates a transport to this peer.
    pub const fn new(peer: S) -> Self {
        Self { inner: peer }
    }
}

impl<S, B> Service<Request<Body>> for InProcess<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Error;
    type Future = InProcessFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Whether the peer is ready is not known on this side of the wire.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> InProcessFuture<B> {
        match Target::of(&request).and_then(|target| target.host_header()) {
            Ok(host) => Target::complete(&mut request, host),
            Err(error) => return InProcessFuture(State::Refused(Some(error))),
        }
        if let Some(attempt) = Attempt::of(request.extensions()) {
            attempt.progress.advance(Phase::Waiting);
        }
        // What the layers tell each other does not go over a wire.
        request.extensions_mut().clear();
        let peer = self.inner.clone();
        let response = async move { peer.oneshot(request).await.map_err(Error::transport) };
        InProcessFuture(State::UnderWay(tokio::spawn(response)))
    }
}

/// The future of [`InProcess`].
pub struct InProcessFuture<B>(State<B>);

enum State<B> {
    Refused(Option<Error>),
    UnderWay(JoinHandle<Result<Response<B>, Error>>),
}

impl<B> fmt::Debug for InProcessFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcessFuture")
    }
}

impl<B> Future for InProcessFuture<B> {
    type Output = Result<Response<B>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Refused(error) => {
                let error = error.take();
                Poll::Ready(Err(
                    error.expect("a future is not polled after it has completed")
                ))
            }
            State::UnderWay(task) => Pin::new(task).poll(cx).map(|ended| match ended {
                Ok(result) => result,
                Err(panicked) => Err(Error::transport(panicked)),
            }),
        }
    }
}

impl<B> Drop for InProcessFuture<B> {
    fn drop(&mut self) {
        if let State::UnderWay(task) = &self.0 {
            task.abort();
        }
    }
}
