//! The body of a response, as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::error::Error;
use crate::error_kind::ErrorKind;

pin_project! {
    /// The body of a response of [`Transport`](super::Transport), as it arrives.
    #[derive(Debug)]
    pub struct TransportBody {
        #[pin]
        pub(super) inner: hyper::body::Incoming,
    }
}

impl http_body::Body for TransportBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.project()
            .inner
            .poll_frame(cx)
            // The head has arrived, so the request was sent, whatever the cause looks like.
            .map_err(|error| Error::new(ErrorKind::Transport).with_source(error))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
