//! The ways to send a request.

use bytes::Bytes;
#[cfg(feature = "garde")]
use garde::Validate;
use http::Response;
use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::facade::request::RequestBuilder;
use crate::facade::streamed::StreamedAnswer;

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

    /// Sends the request, and returns the response as a stream if it is a success.
    ///
    /// For what does not fit into memory, or is to be passed on while it arrives: there is no cap
    /// on its size, and no more of it is in memory than has arrived and was not read yet. Any
    /// status but 2xx is an error, as with [`send`](Self::send), and its body is read as there.
    ///
    /// The timeout of the attempt and the deadline of the call end with the head. From then on, the
    /// peer may be silent for the [`idle_timeout`](Self::idle_timeout) while the stream is read. A
    /// call is retried until the head has arrived; a stream that breaks off is an error of the
    /// stream.
    ///
    /// The request carries `accept: */*`, unless it has an `accept` of its own. The body comes as
    /// the peer sent it: no envelope is looked for, and nothing is decompressed.
    ///
    /// Over a stack of your own ([`build_over`](super::ServiceClientBuilder::build_over)) it is
    /// [`CollectBodyLayer`](crate::layer::CollectBodyLayer) that lets the body through as it
    /// arrives. A stack without it has read the body by itself: the stream then is of one piece,
    /// which is in memory, and the timeout of the attempt covers it.
    ///
    /// ```
    /// # use civic_client::{Error, ServiceClient};
    /// # async fn example(client: &ServiceClient, file: &mut Vec<u8>) -> Result<(), Error> {
    /// let mut export = client.get("/exports/{id}").param("id", 7).send_stream().await?;
    /// while let Some(chunk) = export.chunk().await? {
    ///     file.extend_from_slice(&chunk);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_raw`](Self::send_raw), and every status but 2xx.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send). Dropping the answer before its end closes its connection.
    pub async fn send_stream(self) -> Result<StreamedAnswer, Error> {
        let idle_timeout = self.draft.idle_timeout;
        let mut prepared = self.prepare()?;
        let arrivals = prepared.want_stream();
        let answer = prepared.exchange().await?.success()?;
        StreamedAnswer::new(answer, &arrivals, idle_timeout)
    }

    async fn exchange(self) -> Result<Answer, Error> {
        self.prepare()?.exchange().await?.whole()
    }
}
