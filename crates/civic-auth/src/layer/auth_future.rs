//! The response future of the guard, which may have to wait before it decides.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admission::{Deciding, Wait};
use super::audit::Audit;
use super::body::AuthBody;
use super::guard::Guard;
use super::verdict::VerdictFuture;

pin_project! {
    /// The response future of [`Auth`](super::Auth).
    pub struct AuthFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Waiting {
            deciding: Deciding,
            // `None` once it is decided.
            waiting: Option<Waiting<S, B>>,
        },
        Decided {
            #[pin]
            verdict: VerdictFuture<S::Future, B>,
        },
    }
}

/// The parts of a call that has not been made yet.
struct Waiting<S, B> {
    inner: S,
    guard: Guard,
    body: B,
    audit: Option<Audit>,
}

impl<S, B> AuthFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn decided(verdict: VerdictFuture<S::Future, B>) -> Self {
        Self {
            state: State::Decided { verdict },
        }
    }

    /// Waits, and then calls `inner`, which is ready.
    pub(super) fn waiting(
        inner: S,
        guard: Guard,
        request: Request<B>,
        audit: Option<Audit>,
        wait: Wait,
    ) -> Self {
        let (head, body) = request.into_parts();
        let deciding = guard
            .admission
            .decide_later(wait, Request::from_parts(head, ()));
        Self {
            state: State::Waiting {
                deciding,
                waiting: Some(Waiting {
                    inner,
                    guard,
                    body,
                    audit,
                }),
            },
        }
    }
}

impl<S, ReqB, ResB> Future for AuthFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
{
    type Output = Result<Response<AuthBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let verdict = match state.as_mut().project() {
                StateProjection::Decided { verdict } => return verdict.poll(cx),
                StateProjection::Waiting { deciding, waiting } => {
                    let decided = ready!(Pin::new(deciding).poll(cx));
                    let Waiting {
                        mut inner,
                        guard,
                        body,
                        audit,
                    } = waiting.take().expect("a call is made once");
                    let request = decided.head.map(|()| body);
                    guard.conclude(&mut inner, request, audit, decided.verdict)
                }
            };
            state.set(State::Decided { verdict });
        }
    }
}

impl<S, B> fmt::Debug for AuthFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}
