//! One request and its answer: between the connection and the router.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use super::activity::{Activity, InFlight};
use super::settings::{Phases, Settings};
use super::timed_body::TimedBody;
#[cfg(feature = "tls")]
use super::tls::ClientCertificate;
use super::unread::{Rest, Unread};

/// The service of one connection.
#[derive(Clone)]
pub(super) struct Exchanges {
    pub(super) app: Router,
    pub(super) peer: SocketAddr,
    pub(super) activity: Arc<Activity>,
    pub(super) phases: Phases,
    pub(super) settings: Arc<Settings>,
    #[cfg(feature = "tls")]
    pub(super) certificate: Option<ClientCertificate>,
}

/// The body of an answer. The request is in flight until it is dropped.
pub(super) struct ExchangeBody {
    inner: Body,
    _in_flight: InFlight,
}

impl hyper::service::Service<Request<Incoming>> for Exchanges {
    type Response = Response<ExchangeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = self.activity.begin();
        let shutdown = self.phases.shutdown.clone();
        let version = request.version();
        let (mut parts, body) = request.into_parts();
        let (unread, body) = Unread::of(&parts.headers, body);
        let body = TimedBody::new(body, self.settings.timeouts.body);
        parts.extensions.insert(ConnectInfo(self.peer));
        parts.extensions.insert(shutdown.clone());
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            parts.extensions.insert(certificate.clone());
        }
        let request = Request::from_parts(parts, Body::new(body));
        let answer = self.app.clone().oneshot(request);
        Box::pin(async move {
            let mut response = answer.await?;
            let status = response.status();
            let rest = if status.is_client_error() || status.is_server_error() {
                unread.drain().await
            } else {
                Rest::Nothing
            };
            // HTTP/2 ends a stream alone, and knows no such header. An upgrade has its own.
            let last = rest == Rest::Unread || shutdown.is_draining();
            if last && version < Version::HTTP_2 && !status.is_informational() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok(response.map(|inner| ExchangeBody {
                inner,
                _in_flight: in_flight,
            }))
        })
    }
}

impl http_body::Body for ExchangeBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanges")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
