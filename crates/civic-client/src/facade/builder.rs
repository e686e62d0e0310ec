//! The settings of a client, decided once for all of its calls.

#[cfg(feature = "test-util")]
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt, mem};

use bytes::Bytes;
use civic_auth::TokenMinter;
use civic_envelope::UnwrapMode;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tower_service::Service;

use crate::balance::Discover;
use crate::body::Body;
use crate::error::Error;
use crate::facade::base_url::BaseUrl;
use crate::facade::client::ServiceClient;
use crate::facade::header;
use crate::facade::identity::Identity;
use crate::facade::stack_settings::StackSettings;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;
use crate::layer::retry::{Jitter, PeerMemory, RetryPolicy, RetryScope};
use crate::stack::ClientService;
#[cfg(feature = "test-util")]
use crate::test_util::InProcess;
use crate::transport::{Resolve, TransportConfig};
#[cfg(feature = "garde")]
use crate::validate::Validation;

/// For how long a peer may be silent while a stream is read: as long as an attempt may take.
const DEFAULT_IDLE_TIMEOUT: Duration = AttemptTimeoutLayer::DEFAULT;

/// Builds a [`ServiceClient`].
#[must_use = "a builder does nothing until build() is called"]
pub struct ServiceClientBuilder {
    base: Result<BaseUrl, Error>,
    pub(super) stack: StackSettings,
    max_body: usize,
    idle_timeout: Duration,
    default_headers: Result<HeaderMap, Error>,
    #[cfg(feature = "garde")]
    validation: Option<Validation>,
    unwrap_mode: UnwrapMode,
}

impl fmt::Debug for ServiceClientBuilder {
    /// Without the values of default headers: they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClientBuilder")
            .field("base", &self.base)
            .field("stack", &self.stack)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl ServiceClientBuilder {
    /// Starts a client for the service at `url`: `http://host[:port][/prefix]`.
    ///
    /// A malformed URL is an error of [`build`](Self::build).
    pub fn new(url: &str) -> Self {
        Self::over_url(BaseUrl::parse("the base URL", url))
    }

    /// Starts a client for the service at the URL in the environment variable `variable`, or at
    /// `default` if the variable is not set.
    ///
    /// A variable that is set to nothing is malformed; the default does not replace it. A malformed
    /// URL is an error of [`build`](Self::build), so that it is found at start-up and not by the
    /// first call.
    pub fn from_env(variable: &str, default: &str) -> Self {
        Self::over_url(match env::var(variable) {
            Ok(url) => BaseUrl::parse(variable, &url),
            Err(env::VarError::NotPresent) => BaseUrl::parse("the default URL", default),
            Err(env::VarError::NotUnicode(_)) => Err(Error::config(format!(
                "{variable} is not Unicode. Write it as http://host[:port][/prefix], for \
                     example http://localhost:3020"
            ))),
        })
    }

    fn over_url(base: Result<BaseUrl, Error>) -> Self {
        Self {
            base,
            stack: StackSettings::new(),
            max_body: civic_envelope::MAX_SUCCESS_BYTES,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            default_headers: Ok(HeaderMap::new()),
            #[cfg(feature = "garde")]
            validation: None,
            unwrap_mode: UnwrapMode::default(),
        }
    }

    /// Sets who the client is: each attempt carries a token that this minter mints for it.
    ///
    /// There is no default: a client needs either a minter or [`anonymous`](Self::anonymous).
    pub fn minter(mut self, minter: TokenMinter) -> Self {
        self.stack
            .set("minter", |stack| stack.identity = Identity::Service(minter));
        self
    }

    /// Makes the client send no token, for peers that are public.
    pub fn anonymous(mut self) -> Self {
        self.stack
            .set("anonymous", |stack| stack.identity = Identity::Anonymous);
        self
    }

    /// Sets whether and when calls are retried.
    ///
    /// Defaults to [`RetryPolicy::new`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.stack.set("retry", |stack| stack.retry = policy);
        self
    }

    /// Sets the largest number of retries per call.
    ///
    /// Defaults to 2.
    pub fn retries(mut self, retries: u32) -> Self {
        self.stack.set("retries", |stack| {
            stack.change_retry(|retry| retry.with_retries(retries));
        });
        self
    }

    /// Sets which calls may be executed twice.
    ///
    /// Defaults to [`RetryScope::Idempotent`].
    pub fn retry_scope(mut self, scope: RetryScope) -> Self {
        self.stack.set("retry_scope", |stack| {
            stack.change_retry(|retry| retry.with_scope(scope));
        });
        self
    }

    /// Sets how the waits before retries are randomised.
    ///
    /// Defaults to [`Jitter::Proportional`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.stack.set("jitter", |stack| {
            stack.change_retry(|retry| retry.with_jitter(jitter));
        });
        self
    }

    /// Sets whether the answer of a Fastify that is closing counts as "never executed".
    ///
    /// Defaults to `true`. [`RetryPolicy::with_trust_closing_answer`] says what it is, and when to
    /// switch it off.
    pub fn trust_closing_answer(mut self, trust: bool) -> Self {
        self.stack.set("trust_closing_answer", |stack| {
            stack.change_retry(|retry| retry.with_trust_closing_answer(trust));
        });
        self
    }

    /// Makes the client generate no `Idempotency-Key`, for peers that refuse the header.
    ///
    /// A key that a call sets is sent all the same. Without a key, a peer cannot recognise a POST
    /// that reaches it twice.
    pub fn without_idempotency_keys(mut self) -> Self {
        self.stack.set("without_idempotency_keys", |stack| {
            stack.idempotency_keys = false;
        });
        self
    }

    /// Sets what is remembered about peers, to share it with another client or to change the budget
    /// for retries.
    ///
    /// Defaults to a memory of the client's own, which its clones share.
    pub fn peer_memory(mut self, memory: PeerMemory) -> Self {
        self.stack.set("peer_memory", |stack| {
            stack.change_retry(|retry| retry.with_peer_memory(memory));
        });
        self
    }

    /// Sets how long each attempt may take, its body included.
    ///
    /// Defaults to 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.stack
            .set("timeout", |stack| stack.attempt_timeout = timeout);
        self
    }

    /// Sets the largest body of a success, in bytes.
    ///
    /// Defaults to 16 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Asks for compressed responses and decompresses them, as
    /// [`CollectBodyLayer::with_gzip`](crate::CollectBodyLayer::with_gzip) describes. The cap of
    /// [`max_body`](Self::max_body) counts decompressed bytes.
    ///
    /// Defaults to responses as they are.
    #[cfg(feature = "gzip")]
    pub fn gzip(mut self) -> Self {
        self.stack
            .set("gzip", |stack| stack.collect = stack.collect.with_gzip());
        self
    }

    /// Sets for how long the peer may be silent while a stream is read
    /// ([`send_stream`](super::RequestBuilder::send_stream)).
    ///
    /// Defaults to 10 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how many calls may be under way at once, over all clones of the client. Others wait, in
    /// the order of arrival, until their deadline and at most for 10 s, as
    /// [`InFlightLimitLayer`](crate::layer::InFlightLimitLayer) describes.
    ///
    /// Defaults to no limit but that on connections
    /// ([`TransportConfig::with_max_connections`]).
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.stack
            .set("max_in_flight", |stack| stack.max_in_flight = Some(calls));
        self
    }

    /// Sets how connections are made and kept.
    ///
    /// Defaults to [`TransportConfig::new`].
    pub fn transport(mut self, config: TransportConfig) -> Self {
        self.stack
            .set("transport", |stack| stack.transport = config);
        self
    }

    /// Sets which endpoints the service has. Each attempt goes to one of them, by the rules of
    /// [`balance`](crate::balance), and a retry to another one.
    ///
    /// The base URL still names the service: requests carry its host in `Host`, the retry budget
    /// and rate limits are kept for it, and its scheme and prefix hold for every endpoint. It need
    /// not be a name that can be resolved.
    ///
    /// ```
    /// use civic_client::balance::StaticEndpoints;
    /// use civic_client::{Error, ServiceClient};
    ///
    /// # fn main() -> Result<(), Error> {
    /// let client = ServiceClient::builder("http://assessment-roll")
    ///     .anonymous()
    ///     .endpoints(StaticEndpoints::parse("10.0.0.7:3020, 10.0.0.8:3020")?)
    ///     .build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Defaults to the addresses of the base URL's host, over which the same rules balance.
    pub fn endpoints(mut self, endpoints: impl Discover) -> Self {
        self.stack.set("endpoints", |stack| {
            stack.endpoints = Some(Arc::new(endpoints));
        });
        self
    }

    /// Sets who is asked for the addresses of a name.
    ///
    /// Defaults to [`SystemResolver`](crate::transport::SystemResolver).
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.stack
            .set("resolver", |stack| stack.resolver = Arc::new(resolver));
        self
    }

    /// Sets what happens if the value in a response breaks the rules of its type.
    ///
    /// Defaults to [`Validation::from_env`], which is read when the client is built.
    #[cfg(feature = "garde")]
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = Some(validation);
        self
    }

    /// Sets how an envelope is told from a payload.
    ///
    /// Defaults to [`UnwrapMode::Strict`].
    pub fn unwrap_mode(mut self, mode: UnwrapMode) -> Self {
        self.unwrap_mode = mode;
        self
    }

    /// Sets a header that every request carries unless the call sets one of the same name.
    ///
    /// A header that a call may not set either is an error of [`build`](Self::build).
    pub fn default_header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        if let Ok(headers) = &mut self.default_headers {
            match header::checked(name, value) {
                Ok((name, value)) => drop(headers.insert(name, value)),
                Err(error) => self.default_headers = Err(error),
            }
        }
        self
    }

    /// Builds the client, over the default stack.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): the base URL is malformed or asks for
    /// something that this client cannot do, a default header is illegal, or neither
    /// [`minter`](Self::minter) nor [`anonymous`](Self::anonymous) was called.
    pub fn build(mut self) -> Result<ServiceClient, Error> {
        let settings = mem::replace(&mut self.stack, StackSettings::new());
        let base = self.base.as_ref().map_or(&Scheme::HTTP, BaseUrl::scheme);
        let stack = settings.stack(self.max_body, base)?;
        self.over(stack)
    }

    /// Builds the client with a peer in this process in place of the network, for a test: an axum
    /// `Router`, for example, or a `tower::service_fn`.
    ///
    /// Everything else is as with [`build`](Self::build): retries, timeouts, tokens, the envelope
    /// and the layers of your own. No socket is opened, so a test with a paused clock is exact.
    /// What was set with [`transport`](Self::transport) and [`resolver`](Self::resolver) is not
    /// used. See [`InProcess`](crate::test_util::InProcess) and the crate's documentation on
    /// testing a client.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    #[cfg(feature = "test-util")]
    pub fn build_in_process<S, B>(mut self, peer: S) -> Result<ServiceClient, Error>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let settings = mem::replace(&mut self.stack, StackSettings::new());
        let stack = settings.stack_to(self.max_body, InProcess::new(peer))?;
        self.over(stack)
    }

    /// Builds the client over a stack of your own.
    ///
    /// That stack does everything that layers do: retries, timeouts, tokens and connections are its
    /// business, and a setting of this builder that it would not use is an error. The base URL may
    /// ask for `https`: whether there is TLS is for the transport to say. The error of the stack
    /// may be that of any tower layer: see [`Error::transport`] for what becomes of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): the base URL is malformed, a default header
    /// is illegal, or a setting of the default stack was made.
    pub fn build_over<S>(self, service: S) -> Result<ServiceClient, Error>
    where
        S: Service<Request<Body>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send + 'static,
    {
        self.stack.check_unused()?;
        self.over(ClientService::new(service))
    }

    fn over(self, stack: ClientService) -> Result<ServiceClient, Error> {
        Ok(ServiceClient {
            base: Arc::new(self.base?),
            stack,
            default_headers: self.default_headers.map_err(Error::into_config)?,
            #[cfg(feature = "garde")]
            validation: self.validation.unwrap_or_else(Validation::from_env),
            unwrap_mode: self.unwrap_mode,
            max_body: self.max_body,
            idle_timeout: self.idle_timeout,
        })
    }
}
