//! The tower contract, as a test that any layer can be put through.
//!
//! [`assert_ready_before_call`] wraps a service that **panics when it is called without having been
//! polled ready on that very instance**, whose clones start unready, and whose readiness is used up
//! by one call. It then drives the layered service in the ways in which real stacks drive it. A
//! layer that clones its inner service in `call` and calls the clone (the most frequent mistake in
//! hand-written middleware) panics here and works by luck everywhere else, until a limit is put
//! below it.
//!
//! Not promised: that the layer is otherwise correct, nor that it propagates back pressure. A layer
//! that takes a clone and polls *the clone* ready inside its future passes.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

/// Drives `layer` over a service that insists on being ready before each call, and that answers
/// `200` with an empty body.
///
/// `request` has to be one that the layer lets through; it is cloned for each call.
///
/// # Panics
///
/// Panics if the layer calls an instance that was not polled ready, or never calls the inner
/// service at all (the test would then show nothing).
pub async fn assert_ready_before_call<L, B>(layer: L, request: Request<B>)
where
    L: Layer<ReadyOnce<Response<Full<Bytes>>, Infallible>>,
    L::Service: Service<Request<B>> + Clone,
    B: Clone,
{
    assert_ready_before_call_with(layer, request, || Ok(Response::new(Full::default()))).await;
}

/// [`assert_ready_before_call`] with answers of the caller's choice, for layers that need another
/// response or error type, or that call the inner service more than once (a retry layer is only
/// tested when some answers make it retry).
///
/// # Panics
///
/// Panics as [`assert_ready_before_call`].
pub async fn assert_ready_before_call_with<L, Req, Res, E>(
    layer: L,
    request: Req,
    answer: impl Fn() -> Result<Res, E> + Send + Sync + 'static,
) where
    L: Layer<ReadyOnce<Res, E>>,
    L::Service: Service<Req> + Clone,
    Req: Clone,
{
    let inner = ReadyOnce::new(answer);
    let counts = inner.counts.clone();
    let drive = Drive { request, counts };
    let mut service = layer.layer(inner);

    drive.call("the first call", &mut service).await;
    drive
        .call("a second call of the same instance", &mut service)
        .await;

    let mut clone = service.clone();
    drive
        .call("a clone of a service that was used", &mut clone)
        .await;
    drive
        .call("the original, after its clone", &mut service)
        .await;

    // A clone taken from a ready service is not ready, and must not take the original's readiness
    // away.
    ready_once(&mut service).await;
    let mut clone = service.clone();
    let before = drive.counts.called();
    let _ = service.call(drive.request.clone()).await;
    drive.must_have_called("a ready service that was cloned before the call", before);
    drive.call("the clone of a ready service", &mut clone).await;

    // Two calls in flight: the second starts before the future of the first was ever polled.
    let before = drive.counts.called();
    ready_once(&mut service).await;
    let first = service.call(drive.request.clone());
    ready_once(&mut service).await;
    let second = service.call(drive.request.clone());
    let _ = second.await;
    let _ = first.await;
    drive.must_have_called("two calls in flight", before + 1);

    // A panic in a task that the layer spawned does not reach this one.
    assert_eq!(drive.counts.violations(), 0, "{UNREADY}");
}

const UNREADY: &str =
    "the layer called a service that had not been polled ready on that very instance";

struct Drive<Req> {
    request: Req,
    counts: Arc<Counts>,
}

impl<Req: Clone> Drive<Req> {
    async fn call<S: Service<Req>>(&self, what: &str, service: &mut S) {
        let before = self.counts.called();
        ready_once(service).await;
        let _ = service.call(self.request.clone()).await;
        self.must_have_called(what, before);
    }

    fn must_have_called(&self, what: &str, before: usize) {
        assert_eq!(self.counts.violations(), 0, "{what}: {UNREADY}");
        assert!(
            self.counts.called() > before,
            "{what}: the layer did not call the inner service, so nothing was tested"
        );
    }
}

async fn ready_once<Req, S: Service<Req>>(service: &mut S) {
    assert!(
        service.ready().await.is_ok(),
        "the layer failed in poll_ready though the inner service was willing"
    );
}

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicUsize,
    violations: AtomicUsize,
}

impl Counts {
    fn called(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn violations(&self) -> usize {
        self.violations.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Readiness {
    Unready,
    Woken,
    Ready,
}

/// A service that panics when called without having been polled ready.
///
/// Readiness takes two polls, belongs to one instance (a clone starts unready), and is used up by a
/// call.
pub struct ReadyOnce<Res, E> {
    answer: Arc<dyn Fn() -> Result<Res, E> + Send + Sync>,
    counts: Arc<Counts>,
    readiness: Readiness,
}

impl<Res, E> ReadyOnce<Res, E> {
    fn new(answer: impl Fn() -> Result<Res, E> + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            counts: Arc::default(),
            readiness: Readiness::Unready,
        }
    }
}

impl<Res, E> Clone for ReadyOnce<Res, E> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            counts: self.counts.clone(),
            readiness: Readiness::Unready,
        }
    }
}

impl<Res, E> fmt::Debug for ReadyOnce<Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyOnce")
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

impl<Req, Res, E> Service<Req> for ReadyOnce<Res, E> {
    type Response = Res;
    type Error = E;
    type Future = Ready<Result<Res, E>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        match self.readiness {
            // Pending once, so that a layer which ignores Pending is seen.
            Readiness::Unready => {
                self.readiness = Readiness::Woken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Readiness::Woken | Readiness::Ready => {
                self.readiness = Readiness::Ready;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: Req) -> Self::Future {
        if self.readiness != Readiness::Ready {
            self.counts.violations.fetch_add(1, Ordering::SeqCst);
            panic!("{UNREADY}");
        }
        self.readiness = Readiness::Unready;
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        ready((self.answer)())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::mem;
    use std::pin::Pin;

    use tower_layer::layer_fn;

    use super::*;

    /// What a layer may do with its inner service in `call`.
    #[derive(Clone, Copy)]
    enum Habit {
        PassOn,
        TakeTheReadyOne,
        CloneAndCall,
        CallTwice,
        IgnorePending,
        SpawnAndForget,
        AnswerAlone,
    }

    #[derive(Clone)]
    struct Middleware<S> {
        inner: S,
        habit: Habit,
    }

    impl<S> Service<Request<()>> for Middleware<S>
    where
        S: Service<Request<()>, Error = Infallible> + Clone + Send + 'static,
        S::Response: Default + Send,
        S::Future: Send,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            match (self.habit, self.inner.poll_ready(cx)) {
                (Habit::IgnorePending, _) => Poll::Ready(Ok(())),
                (_, poll) => poll,
            }
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            match self.habit {
                Habit::PassOn | Habit::IgnorePending => Box::pin(self.inner.call(request)),
                Habit::TakeTheReadyOne => {
                    let clone = self.inner.clone();
                    let mut ready = mem::replace(&mut self.inner, clone);
                    Box::pin(async move { ready.call(request).await })
                }
                Habit::CloneAndCall => {
                    let mut clone = self.inner.clone();
                    Box::pin(async move { clone.call(request).await })
                }
                Habit::CallTwice => {
                    let first = self.inner.call(request.clone());
                    let clone = self.inner.clone();
                    let mut used = mem::replace(&mut self.inner, clone);
                    Box::pin(async move {
                        let _ = first.await;
                        used.call(request).await
                    })
                }
                Habit::SpawnAndForget => {
                    let mut clone = self.inner.clone();
                    let task = tokio::spawn(async move { clone.call(request).await });
                    Box::pin(async move {
                        let _ = task.await;
                        Ok(S::Response::default())
                    })
                }
                Habit::AnswerAlone => Box::pin(async { Ok(S::Response::default()) }),
            }
        }
    }

    async fn drive(habit: Habit) {
        let layer = layer_fn(move |inner| Middleware { inner, habit });
        assert_ready_before_call(layer, Request::new(())).await;
    }

    #[tokio::test]
    async fn layers_that_call_the_instance_they_polled_pass() {
        drive(Habit::PassOn).await;
        drive(Habit::TakeTheReadyOne).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not been polled ready")]
    async fn a_layer_that_clones_and_calls_the_clone_is_caught() {
        drive(Habit::CloneAndCall).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not been polled ready")]
    async fn a_layer_that_calls_twice_on_one_readiness_is_caught() {
        drive(Habit::CallTwice).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not been polled ready")]
    async fn a_layer_that_claims_to_be_ready_while_its_inner_service_is_not_is_caught() {
        drive(Habit::IgnorePending).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not been polled ready")]
    async fn a_violation_inside_a_spawned_task_is_caught() {
        drive(Habit::SpawnAndForget).await;
    }

    #[tokio::test]
    #[should_panic(expected = "nothing was tested")]
    async fn a_layer_that_never_reaches_the_inner_service_is_not_a_pass() {
        drive(Habit::AnswerAlone).await;
    }
}
