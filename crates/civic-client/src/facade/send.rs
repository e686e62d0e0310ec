//! The ways to send a request.

use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "garde")]
use garde::Validate;
use http::{Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::facade::request::RequestBuilder;
use crate::options::CallOptions;
use crate::stack::ClientService;
use crate::transmission::Transmission;

// ===== impl RequestBuilder: sending it =====

impl RequestBuilder<'_> {
    /// Sends the request, and returns the response if it is a success.
    ///
    /// The payload may be of any type, or absent; read it with [`Answer::json`] or ignore it. To
    /// get nothing but the payload, call [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// Every [`ErrorKind`] but [`Config`](ErrorKind::Config) and
    /// [`Validation`](ErrorKind::Validation). Any status but 2xx is an error, and so is a 2xx whose
    /// body is neither empty nor JSON, or says `success:false`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call: the attempt that is under way is dropped and its
    /// connection closed, and no retry follows. The peer may have received the request and may
    /// execute it. Nothing is left running in this process.
    pub async fn send(self) -> Result<Answer, Error> {
        let answer = self.exchange().await?.success()?;
        answer.json::<()>()?;
        Ok(answer)
    }

    /// Sends the request, and unwraps the payload of the response into a `T`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). The payload is a [`Decode`](ErrorKind::Decode) error if it is not a
    /// `T`.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.exchange().await?.success()?.json()
    }

    /// Sends the request, and unwraps the payload of the response into a `T`. A 404 that says that
    /// the thing is missing is `None`.
    ///
    /// It says so if its body is a JSON object with `statusCode` 404 and a `message` that is not
    /// the router's (`Cannot GET /…`, `Route GET:/… not found`), or if the request was HEAD. Any
    /// other 404 is an error, because a wrong URL would look like a thing that does not exist; see
    /// [`bare_404_is_none`](Self::bare_404_is_none).
    ///
    /// A payload that is `null` or absent is `None` too, unless a `T` can be made of it: `()` can,
    /// so that a DELETE that found something is `Some(())`.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), except for such a 404.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn fetch_optional<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        match self.exchange().await?.found()? {
            Some(answer) => answer.json_optional(),
            None => Ok(None),
        }
    }

    /// Does what [`fetch`](Self::fetch) does, and checks the rules of the type.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and [`ErrorKind::Validation`] under
    /// [`Validation::Enforce`](crate::Validation::Enforce).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "garde")]
    pub async fn fetch_validated<T>(self) -> Result<T, Error>
    where
        T: DeserializeOwned + Validate,
        T::Context: Default,
    {
        self.exchange().await?.success()?.json_validated()
    }

    /// Does what [`fetch_optional`](Self::fetch_optional) does, and checks the rules of the type.
    ///
    /// # Errors
    ///
    /// As [`fetch_validated`](Self::fetch_validated), except for a 404 that says that the thing is
    /// missing.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "garde")]
    pub async fn fetch_optional_validated<T>(self) -> Result<Option<T>, Error>
    where
        T: DeserializeOwned + Validate,
        T::Context: Default,
    {
        let Some(answer) = self.exchange().await?.found()? else {
            return Ok(None);
        };
        let value = answer.json_optional()?;
        value.map(|value| answer.validate(value)).transpose()
    }

    /// Sends the request, and returns the response as it is, whatever its status.
    ///
    /// The body of a success is whole; that of any other response is as much as
    /// [`CollectBodyLayer`](crate::layer::CollectBodyLayer) reads of it. The extensions contain the
    /// [`Attempts`](crate::Attempts) and the [`CorrelationId`](civic_auth::CorrelationId).
    ///
    /// # Errors
    ///
    /// There was no response, or its body is longer than the cap.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_raw(self) -> Result<Response<Bytes>, Error> {
        self.exchange().await.map(Answer::into_response)
    }

    async fn exchange(self) -> Result<Answer, Error> {
        let started = Instant::now();
        let client = self.client;
        let id = self.correlation_id.clone();
        let error = match self.build(started) {
            Ok((request, call)) => match call_when_ready(client.stack.clone(), request).await {
                Ok(response) => return Ok(Answer::new(response, call)),
                Err(error) => error
                    .with_call(call.method, call.template)
                    .with_authority(client.base.authority().clone()),
            },
            Err(error) => error,
        };
        let error = error.with_elapsed(started.elapsed());
        Err(match id {
            // The call did not get as far as the layer that notes the id.
            Some(id) if error.correlation_id().is_none() => error.with_correlation_id(id),
            _ => error,
        })
    }
}

/// How long after its deadline a call is cut that has not ended by itself. The layers of the
/// default stack end it at the deadline, and say how many attempts were made; this is for layers
/// that know of no deadline.
const GRACE: Duration = Duration::from_millis(1);

/// Waits for the stack and for its response, at most until the deadline.
async fn call_when_ready(
    mut stack: ClientService,
    request: Request<Body>,
) -> Result<Response<Bytes>, Error> {
    let Some(deadline) = CallOptions::of(request.extensions()).deadline() else {
        return stack.ready().await?.call(request).await;
    };
    // A stack that was built by hand may have a limit at its top, where none of its own timeouts
    // covers the wait.
    let stack = timeout_at(deadline, stack.ready())
        .await
        .map_err(|_| Error::new(ErrorKind::Deadline).with_transmission(Transmission::NotSent))??;
    let response = timeout_at(deadline + GRACE, stack.call(request)).await;
    response.unwrap_or_else(|_| Err(Error::new(ErrorKind::Deadline)))
}
