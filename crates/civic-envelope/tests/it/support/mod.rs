//! A handler that answers one prepared response, and bodies that misbehave on purpose.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use civic_envelope::EnvelopeLayer;
use civic_envelope::layer::EnvelopeBody;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const PREFIX: &str = r#"{"success":true,"data":"#;
pub(crate) const SUFFIX: &str = r#","timestamp":"2026-02-24T12:00:00.000Z"}"#;

/// The layer with a clock that stands still.
pub(crate) fn layer() -> EnvelopeLayer {
    EnvelopeLayer::new().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_934_400))
}

pub(crate) fn wrapped(data: &str) -> String {
    format!("{PREFIX}{data}{SUFFIX}")
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

pub(crate) fn head(path: &str) -> Request<()> {
    Request::head(path).body(()).unwrap()
}

/// A 200 with these headers.
pub(crate) fn ok<B>(headers: &[(&'static str, &str)], body: B) -> Response<B> {
    let builder = headers
        .iter()
        .fold(Response::builder(), |builder, &(name, value)| {
            builder.header(name, value)
        });
    builder.body(body).unwrap()
}

/// A 200 of JSON.
pub(crate) fn json<B>(body: B) -> Response<B> {
    ok(&[("content-type", "application/json")], body)
}

pub(crate) fn full(body: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(body.as_bytes()))
}

/// What the layer makes of the response.
pub(crate) async fn through<B>(
    layer: &EnvelopeLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<EnvelopeBody<B>>
where
    B: Body<Data = Bytes>,
{
    let mut response = Some(response);
    let handler = service_fn(move |_| {
        let response = response.take().expect("one request");
        async { Ok::<_, Infallible>(response) }
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

pub(crate) async fn text<B>(body: B) -> String
where
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// All frames until the end or an error.
pub(crate) async fn frames<B>(body: B) -> (Vec<Frame<Bytes>>, Option<B::Error>)
where
    B: Body<Data = Bytes>,
{
    let mut body = Box::pin(body);
    let mut frames = Vec::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => frames.push(frame),
            Some(Err(error)) => return (frames, Some(error)),
            None => return (frames, None),
        }
    }
}

pub(crate) fn data_of(frames: &[Frame<Bytes>]) -> String {
    let bytes: Vec<u8> = frames
        .iter()
        .filter_map(Frame::data_ref)
        .flatten()
        .copied()
        .collect();
    String::from_utf8(bytes).unwrap()
}

/// The error of a [`Scripted`] body.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[derive(Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    /// Waits until it is polled again, which it asks for at once.
    Pause,
    /// Waits for ever.
    Hang,
}

impl Step {
    pub(crate) fn data(text: &'static str) -> Self {
        Self::Data(Bytes::from_static(text.as_bytes()))
    }
}

/// A body that follows a script, with the size hint of the script.
#[derive(Debug)]
pub(crate) struct Scripted {
    steps: VecDeque<Step>,
    hint: SizeHint,
    drops: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            hint: SizeHint::new(),
            drops: Arc::default(),
        }
    }

    pub(crate) fn exactly(mut self, length: u64) -> Self {
        self.hint = SizeHint::with_exact(length);
        self
    }

    pub(crate) fn hint(mut self, hint: SizeHint) -> Self {
        self.hint = hint;
        self
    }

    /// How often such a body was dropped.
    pub(crate) fn drops(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.drops)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => {
                let length = data.len() as u64;
                let upper = self.hint.upper().map(|upper| upper.saturating_sub(length));
                let mut hint = SizeHint::new();
                hint.set_lower(self.hint.lower().saturating_sub(length));
                if let Some(upper) = upper {
                    hint.set_upper(upper);
                }
                self.hint = hint;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
