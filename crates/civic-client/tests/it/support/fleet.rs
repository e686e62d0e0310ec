//! Endpoints in this process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_client::balance::{Endpoint, StaticEndpoints};
use civic_client::layer::{AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer, RetryLayer};
use civic_client::{Body, Error, ErrorKind, RetryPolicy, ServiceClient};
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body::Frame;
use tokio::time::sleep;
use tower::{ServiceBuilder, service_fn};

use crate::support::bare;
use crate::support::in_process::answer;

/// What an endpoint in this process does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    Answer(u16, Duration),
    /// It takes the request and never answers.
    Swallow,
    /// It answers with this status at once, and with a `Retry-After` of so many seconds.
    Pause(u16, u32),
    /// It answers 200 at once and never ends the body.
    Drip,
    /// It cannot be reached, which is known after this time.
    Refuse(Duration),
}

/// Endpoints in this process, by their hosts `a`, `b` and so on.
#[derive(Clone, Debug)]
pub(crate) struct Fleet(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    does: BTreeMap<String, Does>,
    received: BTreeMap<String, usize>,
}

impl Fleet {
    pub(crate) fn new(does: impl IntoIterator<Item = (&'static str, Does)>) -> Self {
        let does = does.into_iter().map(|(name, does)| (name.to_owned(), does));
        Self(Arc::new(Mutex::new(State {
            does: does.collect(),
            received: BTreeMap::new(),
        })))
    }

    pub(crate) fn now(&self, name: &str, does: Does) {
        self.0.lock().unwrap().does.insert(name.to_owned(), does);
    }

    pub(crate) fn received(&self, name: &str) -> usize {
        let state = self.0.lock().unwrap();
        state.received.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn endpoints(&self) -> StaticEndpoints {
        let state = self.0.lock().unwrap();
        StaticEndpoints::new(state.does.keys().map(|name| Endpoint::new(name).unwrap())).unwrap()
    }

    pub(crate) async fn answer(self, request: Request<Body>) -> Result<Response<Dripping>, Error> {
        let name = request.uri().host().unwrap().to_owned();
        let does = {
            let mut state = self.0.lock().unwrap();
            *state.received.entry(name.clone()).or_default() += 1;
            state.does[&name]
        };
        Ok(match does {
            Does::Answer(status, after) => {
                sleep(after).await;
                answer(status).map(Dripping::Whole)
            }
            Does::Swallow => std::future::pending().await,
            Does::Refuse(after) => {
                sleep(after).await;
                return Err(Error::new(ErrorKind::Connect));
            }
            Does::Pause(status, seconds) => {
                let mut paused = answer(status).map(Dripping::Whole);
                paused.headers_mut().insert(RETRY_AFTER, seconds.into());
                paused
            }
            Does::Drip => answer(200).map(|_| Dripping::Never),
        })
    }
}

/// A body that may never end.
#[derive(Debug)]
pub(crate) enum Dripping {
    Whole(Body),
    Never,
}

impl http_body::Body for Dripping {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Never => Poll::Pending,
        }
    }
}

/// The layers of the default stack that endpoints need, over a fleet.
pub(crate) fn client(fleet: &Fleet, layer: BalanceLayer) -> ServiceClient {
    let peer = fleet.clone();
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new()))
        .layer(AttemptTimeoutLayer::default())
        .layer(layer.with_seed(2026))
        .layer(CollectBodyLayer::new())
        .service(service_fn(move |request| peer.clone().answer(request)));
    bare("http://service").build_over(stack).unwrap()
}
