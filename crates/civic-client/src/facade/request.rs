//! One call: what is asked, and what is made of the answer.

use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::CorrelationId;
use civic_envelope::{ErrorBody, ErrorKind as EnvelopeErrorKind, Unwrap};
use garde::Validate;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use tower_service::Service;

use super::client::ServiceClient;
use super::path;
use crate::body::Body;
use crate::error::{Error, ErrorKind};
use crate::layer::idempotency_key::{IDEMPOTENCY_KEY, quoted};
use crate::layer::retry::{Attempts, NotRetried, retry_after};
use crate::options::{CallOptions, UrlTemplate};
use crate::stack::Stack;
use crate::validate::Validation;

/// One call, in the making. The first mistake in it is the error of `send`.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder<'a> {
    client: &'a ServiceClient,
    method: Method,
    template: &'a str,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Body,
    options: CallOptions,
    deadline: Option<Duration>,
    correlation_id: Option<CorrelationId>,
    validation: Validation,
    unwrap: Unwrap,
    mistake: Option<Error>,
}

impl fmt::Debug for RequestBuilder<'_> {
    /// Without parameters, query, headers and body: they may hold personal data and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("method", &self.method)
            .field("template", &self.template)
            .field("options", &self.options)
            .field("mistake", &self.mistake)
            .finish_non_exhaustive()
    }
}

/// The framing of the message and the connection are the transport's business: a caller who could set them
/// could make two requests out of one.
const RESERVED: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

// ===== what is asked =====

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a ServiceClient, method: Method, template: &'a str) -> Self {
        Self {
            client,
            method,
            template,
            params: Vec::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::empty(),
            options: CallOptions::new(),
            deadline: None,
            correlation_id: None,
            validation: client.validation,
            unwrap: client.unwrap,
            mistake: None,
        }
    }

    /// The value of `{name}` in the template. It is percent-encoded and stays one path segment, whatever it
    /// contains. One that is empty, or that would make the segment `.` or `..`, is an error.
    pub fn param(mut self, name: &str, value: impl Display) -> Self {
        self.params.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a query parameter. The same name may be added again.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// The body, as JSON: `0`, `false`, `""` and `null` are bodies too.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => {
                self.body = Body::from(json);
                self.headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
            }
            Err(error) => self
                .mistake(Error::request("the body cannot be written as JSON").with_source(error)),
        }
        self
    }

    /// Sets a header field. Those that belong to the connection, such as `Host` and `Content-Length`, are an
    /// error; `Authorization` is replaced if the client has a minter.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(_)) if RESERVED.contains(&name) => {
                self.mistake(Error::request(format!(
                    "the header {name} cannot be set by a caller"
                )));
            }
            (Ok(name), Ok(mut value)) => {
                if name == AUTHORIZATION || name == COOKIE {
                    value.set_sensitive(true);
                }
                self.headers.insert(name, value);
            }
            (Ok(name), Err(_)) => self.mistake(Error::request(format!(
                "the value of header {name} is illegal"
            ))),
            (Err(_), _) => self.mistake(Error::request("the name of a header is illegal")),
        }
        self
    }

    /// How long each attempt may take, its body included.
    ///
    /// Defaults to the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.with_attempt_timeout(timeout);
        self
    }

    /// How long the whole call may take, from sending it: attempts and waits together.
    ///
    /// Defaults to no limit of its own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How often the call is tried again at most.
    ///
    /// Defaults to the client's.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options = self.options.with_retries(retries);
        self
    }

    /// Whether executing the call twice does the same as executing it once.
    ///
    /// Defaults to what the method says, or to true with an [`idempotency_key`](Self::idempotency_key).
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options = self.options.with_idempotent(idempotent);
        self
    }

    /// The `Idempotency-Key`, without quotes; says that the peer honours it, so that the call may be
    /// replayed.
    ///
    /// Defaults to a new UUID for POST and PATCH, which says nothing of the kind.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        match quoted(key) {
            Some(key) => drop(self.headers.insert(IDEMPOTENCY_KEY, key)),
            None => self.mistake(Error::request(
                "an idempotency key must be printable ASCII and not empty",
            )),
        }
        self
    }

    /// The correlation id.
    ///
    /// Defaults to that of the request being served, else to a new one.
    pub fn correlation_id(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// What happens when the answer breaks the rules of its type.
    ///
    /// Defaults to the client's.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// How an envelope is told from a payload.
    ///
    /// Defaults to the client's.
    pub fn envelope(mut self, unwrap: Unwrap) -> Self {
        self.unwrap = unwrap;
        self
    }

    fn mistake(&mut self, error: Error) {
        self.mistake.get_or_insert(error);
    }
}

// ===== what is made of the answer =====

impl RequestBuilder<'_> {
    /// Sends it, and unwraps the payload of the answer into a `T`. `()` takes any payload.
    ///
    /// # Errors
    ///
    /// Every kind of [`ErrorKind`] but [`Config`](ErrorKind::Config) and
    /// [`Validation`](ErrorKind::Validation). Any status but 2xx is an error.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.exchange().await?.success()?.decode()
    }

    /// As [`send`](Self::send), with 404 as `None`. So is a payload that is `null` or absent, unless a `T` can
    /// be made of it: `()` can, so that a DELETE which found something is `Some(())`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for 404.
    pub async fn send_optional<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        match self.exchange().await?.unless_not_found()? {
            Some(answer) => answer.decode_optional(),
            None => Ok(None),
        }
    }

    /// As [`send`](Self::send), and holds the value against the rules of its type.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`ErrorKind::Validation`] where [`Validation::Enforce`] holds.
    pub async fn send_validated<T>(self) -> Result<T, Error>
    where
        T: DeserializeOwned + Validate,
        T::Context: Default,
    {
        let answer = self.exchange().await?.success()?;
        let value = answer.decode()?;
        answer.validate(value)
    }

    /// As [`send_optional`](Self::send_optional), and holds the value against the rules of its type.
    ///
    /// # Errors
    ///
    /// As [`send_validated`](Self::send_validated), but for 404.
    pub async fn send_optional_validated<T>(self) -> Result<Option<T>, Error>
    where
        T: DeserializeOwned + Validate,
        T::Context: Default,
    {
        let Some(answer) = self.exchange().await?.unless_not_found()? else {
            return Ok(None);
        };
        let value = answer.decode_optional()?;
        value.map(|value| answer.validate(value)).transpose()
    }

    /// Sends it, and returns the answer as it is, whatever its status, with its body: the whole of it for a
    /// success, else as much as [`CollectBodyLayer`](crate::layer::CollectBodyLayer) reads of an error.
    ///
    /// Its extensions hold the [`Attempts`] and the [`CorrelationId`].
    ///
    /// # Errors
    ///
    /// There was no answer, or one that is too long.
    pub async fn send_raw(self) -> Result<Response<Bytes>, Error> {
        Ok(self.exchange().await?.response)
    }

    async fn exchange(mut self) -> Result<Answer, Error> {
        let started = Instant::now();
        let built = self.mistake.take().map_or_else(|| self.build(started), Err);
        let method = self.method;
        let template = self.template.to_owned();
        let sent = match built {
            Ok(request) => {
                let stack = self.client.stack.clone();
                through(stack, request, self.options.deadline()).await
            }
            Err(error) => Err(error),
        };
        match sent {
            Ok(response) => Ok(Answer {
                response,
                method,
                template,
                started,
                validation: self.validation,
                unwrap: self.unwrap,
                max_body: self.client.max_body,
            }),
            Err(error) => {
                let error = match self.correlation_id {
                    // What never came to the layer that notes it.
                    Some(id) if error.correlation_id().is_none() => error.with_correlation_id(id),
                    _ => error,
                };
                Err(error
                    .with_call(&method, &template)
                    .with_elapsed(started.elapsed()))
            }
        }
    }

    fn build(&mut self, started: Instant) -> Result<Request<Body>, Error> {
        if matches!(self.method, Method::CONNECT | Method::TRACE) {
            let method = &self.method;
            return Err(Error::request(format!("{method} cannot be sent")));
        }
        let path = path::expand(self.template, &self.params)?;
        let uri = self.client.base.join(&(path + &path::query(&self.query)))?;
        // One that is too far away to be represented is no deadline.
        if let Some(deadline) = self.deadline.and_then(|limit| started.checked_add(limit)) {
            self.options = self.options.clone().with_deadline(deadline);
        }
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let extensions = request.extensions_mut();
        extensions.insert(self.options.clone());
        extensions.insert(UrlTemplate::new(self.template));
        if let Some(id) = self.correlation_id.clone() {
            extensions.insert(id);
        }
        Ok(request)
    }
}

/// Waits for the stack only until the deadline: a stack of somebody else's may have a limit at its top, where
/// none of its own timeouts sees the wait.
async fn through(
    mut stack: Stack,
    request: Request<Body>,
    deadline: Option<Instant>,
) -> Result<Response<Bytes>, Error> {
    let ready = stack.ready();
    let stack = match deadline {
        Some(deadline) => timeout_at(deadline, ready)
            .await
            .map_err(|_| Error::new(ErrorKind::Deadline))??,
        None => ready.await?,
    };
    stack.call(request).await
}

/// An answer, and what is known about the call that it answers.
struct Answer {
    response: Response<Bytes>,
    method: Method,
    template: String,
    started: Instant,
    validation: Validation,
    unwrap: Unwrap,
    max_body: usize,
}

impl Answer {
    fn success(self) -> Result<Self, Error> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let body = ErrorBody::from_json(self.response.body());
        let error = Error::new(ErrorKind::Status)
            .with_message(body.as_ref().map(ErrorBody::message))
            .with_retry_after(retry_after(self.response.headers()));
        Err(self.blame(error))
    }

    fn unless_not_found(self) -> Result<Option<Self>, Error> {
        if self.response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.success().map(Some)
    }

    fn decode_optional<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.decode() {
            Ok(value) => Ok(Some(value)),
            // Not a `T`; the only other thing that it may be is `null`, and else the error is as good.
            Err(error) if error.kind() == ErrorKind::Decode => match self.decode::<Option<T>>() {
                Ok(None) => Ok(None),
                Ok(Some(_)) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let (headers, body) = (self.response.headers(), self.response.body());
        self.unwrap
            .response_within(headers, body, self.max_body)
            .map_err(|error| {
                let kind = match error.kind() {
                    EnvelopeErrorKind::Refused => ErrorKind::Refused,
                    EnvelopeErrorKind::Protocol => ErrorKind::Protocol,
                    EnvelopeErrorKind::TooLarge => ErrorKind::BodyTooLarge,
                    _ => ErrorKind::Decode,
                };
                self.blame(
                    Error::new(kind)
                        .with_message(error.message())
                        .with_source(error),
                )
            })
    }

    fn validate<T>(&self, value: T) -> Result<T, Error>
    where
        T: Validate,
        T::Context: Default,
    {
        let id = self.response.extensions().get::<CorrelationId>();
        self.validation
            .check(value, &self.method, &self.template, id)
            .map_err(|error| self.blame(error))
    }

    /// Completes an error with what is known about the call.
    fn blame(&self, error: Error) -> Error {
        let extensions = self.response.extensions();
        let attempts = extensions.get::<Attempts>();
        let error = error
            .with_call(&self.method, &self.template)
            .with_status(self.response.status())
            .with_elapsed(self.started.elapsed())
            .with_attempts(attempts.map_or(1, |attempts| attempts.made()))
            // A success that turns out to be unusable would be the same the next time.
            .with_not_retried(attempts.map_or(Some(NotRetried::NotRetryable), |attempts| {
                attempts.not_retried().or(Some(NotRetried::NotRetryable))
            }));
        match extensions.get::<CorrelationId>() {
            Some(id) => error.with_correlation_id(id.clone()),
            None => error,
        }
    }
}
