//! [`Failure`] as an answer and [`CorrelationId`] as an argument of an axum handler.

use std::convert::Infallible;
use std::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::correlation_id::CorrelationId;
use crate::error_body::ErrorBody;
use crate::failure::Failure;

/// The rejection of a handler that wants a [`CorrelationId`] where no layer has set one.
///
/// It answers 500, because the service lacks a `civic_auth::CorrelationIdLayer`. Ask for
/// `Option<CorrelationId>` where a request may have no id.
#[derive(Clone, Copy, Debug)]
pub struct MissingCorrelationId(());

impl IntoResponse for MissingCorrelationId {
    fn into_response(self) -> Response {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl fmt::Display for MissingCorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the request has no correlation id: put a civic_auth::CorrelationIdLayer around the router",
        )
    }
}

impl std::error::Error for MissingCorrelationId {}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.into_response::<Body>()
    }
}

impl IntoResponse for ErrorBody {
    fn into_response(self) -> Response {
        Failure::from(self).into_response()
    }
}

/// Extracts the id that `civic_auth::CorrelationIdLayer` gave to the request.
impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = MissingCorrelationId;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingCorrelationId> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or(MissingCorrelationId(()))
    }
}

/// Extracts the id of the request, where it has one.
impl<S: Sync> OptionalFromRequestParts<S> for CorrelationId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use http::Request;

    use super::*;

    /// Returns the output of an extractor, which reads an extension and never waits.
    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("an extractor of an extension does not wait"),
        }
    }

    #[test]
    fn an_id_that_no_layer_has_set_is_a_500_that_names_the_layer() {
        let mut parts = Request::new(()).into_parts().0;
        parts
            .headers
            .insert("x-correlation-id", "unchecked".parse().unwrap());
        let rejection = now(<CorrelationId as FromRequestParts<()>>::from_request_parts(
            &mut parts,
            &(),
        ))
        .unwrap_err();
        assert!(rejection.to_string().contains("CorrelationIdLayer"));
        assert_eq!(rejection.into_response().status(), 500);
        assert_eq!(
            now(
                <CorrelationId as OptionalFromRequestParts<()>>::from_request_parts(
                    &mut parts,
                    &()
                )
            ),
            Ok(None)
        );
    }

    #[test]
    fn a_handler_receives_the_id_that_a_layer_has_set() {
        let id = CorrelationId::parse("req-1").unwrap();
        let mut parts = Request::new(()).into_parts().0;
        parts.extensions.insert(id.clone());
        assert_eq!(
            now(<CorrelationId as FromRequestParts<()>>::from_request_parts(
                &mut parts,
                &()
            ))
            .unwrap(),
            id
        );
    }

    #[test]
    fn an_error_body_and_a_failure_are_the_same_answer() {
        let body = ErrorBody::new(StatusCode::CONFLICT, "no");
        let [one, other] = [
            IntoResponse::into_response(body.clone()),
            IntoResponse::into_response(Failure::from(body.clone())),
        ];
        for response in [one, other] {
            assert_eq!(response.status(), 409);
            assert_eq!(response.extensions().get(), Some(&body));
        }
    }
}
