//! One request with a key: asks the store, and executes it or answers what is known.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower_service::Service;
use tracing::Instrument;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::layer::fence::FenceRefusal;
use crate::layer::idempotency::body::IdempotencyBody;
use crate::layer::idempotency::collect::{Collected, End};
use crate::layer::idempotency::digest::{optional, sha256};
use crate::layer::idempotency::execution::{Execution, NothingDone};
use crate::layer::idempotency::request_body::IdempotencyRequestBody;
use crate::layer::idempotency::settings::Settings;
use crate::layer::idempotency::stored;
use crate::layer::idempotency::verdict::IdempotencyVerdict;
use crate::layer::lock::LockRefusal;
use crate::once::outcome::OnceBegun;
use crate::once::run::OnceRun;
use crate::work::caught;

/// The longest request body.
const MAX_REQUEST: usize = 1024 * 1024;

/// For how long an answer is stored and a key is remembered.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// One request with a key.
pub(super) struct Exchange {
    pub(super) settings: Arc<Settings>,
    /// The name of the record of its key.
    pub(super) record: String,
    pub(super) correlation_id: Option<CorrelationId>,
}

/// What became of an execution.
enum Executed<B, E> {
    Answered(Response<Collected<B>>, IdempotencyVerdict),
    Failed(E),
    Panicked(Box<dyn Any + Send>),
    TimedOut,
}

impl Exchange {
    /// Answers a request, executing it if it is the first one with its key.
    pub(super) async fn answer<S, ReqB, ResB>(
        self,
        inner: S,
        head: Parts,
        body: ReqB,
    ) -> Result<Response<IdempotencyBody<ResB>>, S::Error>
    where
        S: Service<Request<IdempotencyRequestBody<ReqB>>, Response = Response<ResB>>
            + Send
            + 'static,
        S::Error: Send + 'static,
        S::Future: Send,
        ReqB: Body<Data = Bytes> + Send + 'static,
        ReqB::Error: Into<Box<dyn StdError + Send + Sync>>,
        ResB: Body<Data = Bytes> + Send + 'static,
        ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let read = Collected::read(body, MAX_REQUEST).await;
        let body = match read.end {
            End::Ended => read.data(),
            End::Failed => return Ok(self.refuse(IdempotencyVerdict::BodyUnreadable)),
            End::TooLong(_) => return Ok(self.refuse(IdempotencyVerdict::BodyTooLarge)),
        };
        let once = self.settings.locks.once(self.record.as_str());
        let begun = once
            .delivery(Delivery::AtMostOnce)
            .retain(RETENTION)
            .fingerprint(fingerprint(&head, &body))
            .begin()
            .await;
        let run = match begun {
            OnceBegun::Started(run) => run,
            OnceBegun::Done(record) => {
                return Ok(
                    match stored::replay(record.result(), self.correlation_id.clone()) {
                        Some(mut answer) => {
                            answer.extensions_mut().insert(IdempotencyVerdict::Replayed);
                            answer.map(IdempotencyBody::generated)
                        }
                        None => self.refuse(IdempotencyVerdict::AnswerNotKept),
                    },
                );
            }
            OnceBegun::Running { .. } => return Ok(self.refuse(IdempotencyVerdict::Running)),
            OnceBegun::InDoubt { .. } => return Ok(self.refuse(IdempotencyVerdict::InDoubt)),
            OnceBegun::Different => return Ok(self.refuse(IdempotencyVerdict::KeyReused)),
            OnceBegun::Unavailable(error) | OnceBegun::Invalid(error) => {
                return Ok(self.refuse(IdempotencyVerdict::Unavailable(Arc::new(error))));
            }
        };
        let mut request = Request::from_parts(head, IdempotencyRequestBody::buffered(body));
        let execution = Execution::new(self.record.clone(), run.lease().clone(), run.attempt());
        request.extensions_mut().insert(execution);
        // No await since the key was taken: from here on the caller may go away.
        let (sender, receiver) = oneshot::channel();
        let settings = self.settings.clone();
        let execution = execute(inner, request, run, settings.timeout);
        let detached = async move {
            // Without its caller the answer is stored all the same.
            let _ = sender.send(execution.await);
            settings.warn_of_lost_writes().await;
        };
        (self.settings.spawn)(Box::pin(detached.in_current_span()));
        match receiver.await {
            Ok(Executed::Answered(mut response, verdict)) => {
                response.extensions_mut().insert(verdict);
                Ok(response.map(IdempotencyBody::collected))
            }
            Ok(Executed::Failed(error)) => Err(error),
            Ok(Executed::Panicked(panic)) => resume_unwind(panic),
            Ok(Executed::TimedOut) | Err(_) => Ok(self.refuse(IdempotencyVerdict::InDoubt)),
        }
    }

    fn refuse<B>(&self, verdict: IdempotencyVerdict) -> Response<IdempotencyBody<B>> {
        verdict.into_response(self.settings.retry_after, self.correlation_id.clone())
    }
}

/// Calls the inner service and records its answer. A run that is dropped without a record leaves
/// the key in doubt.
async fn execute<S, ReqB, ResB>(
    mut inner: S,
    request: Request<IdempotencyRequestBody<ReqB>>,
    run: OnceRun,
    bound: Duration,
) -> Executed<ResB, S::Error>
where
    S: Service<Request<IdempotencyRequestBody<ReqB>>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let work = async move {
        let (head, body) = inner.call(request).await?.into_parts();
        let body = Collected::read(body, stored::MAX_BODY).await;
        Ok(Response::from_parts(head, body))
    };
    match timeout(bound, caught(work)).await {
        Ok(Ok(Ok(response))) => {
            // Not the answer itself: its body may not be shared between threads.
            let recording = Recording::of(&response);
            let verdict = recording.write(run).await;
            Executed::Answered(response, verdict)
        }
        Ok(Ok(Err(error))) => Executed::Failed(error),
        Ok(Err(panic)) => Executed::Panicked(panic),
        Err(_) => {
            tracing::warn!(
                after = ?bound,
                "an execution was dropped: it took too long, and its Idempotency-Key is in doubt"
            );
            Executed::TimedOut
        }
    }
}

/// What is to be recorded of an answer.
enum Recording {
    Answer(Vec<u8>),
    NothingDone,
    /// Half an answer cannot be given again.
    Broken,
}

impl Recording {
    fn of<B>(response: &Response<Collected<B>>) -> Self
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        match response.body().end {
            End::Failed => Self::Broken,
            _ if is_nothing_done(response) => Self::NothingDone,
            _ => Self::Answer(stored::record(response, &response.body().data())),
        }
    }

    async fn write(self, run: OnceRun) -> IdempotencyVerdict {
        let (written, verdict) = match self {
            Self::Answer(record) => (
                run.complete(&record).await.map(drop).map_err(Error::from),
                IdempotencyVerdict::Executed,
            ),
            Self::NothingDone => (run.forget().await, IdempotencyVerdict::NothingDone),
            Self::Broken => return IdempotencyVerdict::InDoubt,
        };
        match written {
            Ok(()) => verdict,
            Err(error) => {
                tracing::warn!(%error, "an answer was not recorded: its Idempotency-Key is in doubt");
                IdempotencyVerdict::NotRecorded(Arc::new(error))
            }
        }
    }
}

/// Whether it was declared that nothing was done: by the handler, or by a layer of this crate that
/// has not called it. Status and headers declare nothing: a handler that has done half of its work
/// may pass on the `503` of a peer.
fn is_nothing_done<B>(response: &Response<B>) -> bool {
    let extensions = response.extensions();
    let refused_by_lock = extensions
        .get()
        .is_some_and(LockRefusal::is_before_the_work);
    extensions.get::<NothingDone>().is_some()
        || extensions.get::<FenceRefusal>().is_some()
        || refused_by_lock
}

/// What must be equal in all requests with one key.
fn fingerprint(head: &Parts, body: &Bytes) -> [u8; 32] {
    let path = head.uri.path_and_query();
    let content_type = head.headers.get(CONTENT_TYPE);
    let [has_type, content_type] = optional(content_type.map(HeaderValue::as_bytes));
    sha256([
        b"civic idempotency request v1".as_slice(),
        head.method.as_str().as_bytes(),
        path.map_or("", |path| path.as_str()).as_bytes(),
        has_type,
        content_type,
        body,
    ])
}
