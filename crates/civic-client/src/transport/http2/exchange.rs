//! An exchange on an HTTP/2 connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use http::uri::Scheme;
use http::{Request, Response};
use http_body::Body as _;

use crate::attempt::Progress;
use crate::body::Body;
use crate::error::Error;
use crate::phase::Phase;
use crate::transport::http2::head::head_of;
use crate::transport::http2::received::Received;
use crate::transport::http2::session::Seat;
use crate::transport::http2::stream_error::StreamError;
use crate::transport::http2::upload::{Upload, UploadEnd};

impl Seat {
    /// Sends a request, and waits for the head of the response. Its body is sent meanwhile.
    /// `progress` is that of its attempt.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped, the exchange is cancelled, and the connection goes on.
    pub(in crate::transport) async fn send(
        &mut self,
        request: Request<Body>,
        progress: Option<&Arc<Progress>>,
        scheme: &Scheme,
    ) -> Result<Response<Received>, StreamError> {
        let advance = |phase| {
            if let Some(progress) = progress {
                progress.advance(phase);
            }
        };
        if let Some(progress) = progress {
            // Nothing is held back here, whatever was on another connection.
            progress.hold(None);
        }
        let (parts, body) = request.into_parts();
        let head = head_of(parts, scheme.clone(), body.size_hint().exact())
            .map_err(StreamError::Unsendable)?;
        let is_whole = body.is_end_stream();
        let sent = self.sender.send_request(head, is_whole);
        let (response, stream) = match sent {
            Ok(sent) => sent,
            Err(error) if error.is_io() || error.reason().is_some() => {
                self.session.close();
                return Err(StreamError::Unwritten);
            }
            Err(error) => {
                // All numbers of streams are used up, perhaps.
                self.session.close();
                let refused = Error::request("the request cannot be sent over HTTP/2");
                return Err(StreamError::Unsendable(refused.with_source(error)));
            }
        };
        advance(Phase::Sending);
        self.note_sent();
        let id = stream.stream_id().as_u32();
        let mut response = response;
        let mut upload = (!is_whole).then(|| Upload::new(body, stream));
        if upload.is_none() {
            advance(Phase::Waiting);
        }
        let outcome = poll_fn(|cx| {
            if let Some(under_way) = &mut upload
                && let Poll::Ready(end) = under_way.poll(cx)
            {
                upload = None;
                match end {
                    UploadEnd::Complete => advance(Phase::Waiting),
                    UploadEnd::Stopped => {}
                    UploadEnd::Failed(cause) => {
                        return Poll::Ready(Err(StreamError::Body(cause)));
                    }
                }
            }
            let response = Pin::new(&mut response).poll(cx);
            response.map_err(|error| self.shared().judge(&error, id))
        })
        .await;
        self.note_outcome();
        match outcome {
            Ok(response) => {
                let shared = Arc::clone(self.shared());
                let (parts, stream) = response.into_parts();
                let rest = upload.map(Upload::go_on);
                let body = Received::new(stream, &parts.headers, shared, rest);
                Ok(Response::from_parts(parts, body))
            }
            Err(error) => {
                if error.ends_connection() {
                    self.session.close();
                }
                Err(error)
            }
        }
    }
}
