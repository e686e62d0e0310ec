//! Everything that is decided once for all calls.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use civic_auth::TokenMinter;
use civic_envelope::Unwrap;
use http::{Request, Response};
use tower_service::Service;

use super::base_url::BaseUrl;
use super::client::ServiceClient;
use crate::body::Body;
use crate::error::Error;
use crate::layer::retry::{Jitter, RetryPolicy, RetryScope};
use crate::layer::{AttemptTimeoutLayer, CollectBodyLayer, RetryLayer};
use crate::stack::Stack;
use crate::transport::{Transport, TransportConfig};
use crate::validate::Validation;

/// Builds a [`ServiceClient`].
#[derive(Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct ServiceClientBuilder {
    base: Result<BaseUrl, Error>,
    identity: Identity,
    retry: RetryPolicy,
    attempt_timeout: Duration,
    max_body: usize,
    transport: TransportConfig,
    validation: Option<Validation>,
    unwrap: Unwrap,
}

#[derive(Debug)]
enum Identity {
    Undecided,
    Anonymous,
    Service(TokenMinter),
}

impl ServiceClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self::over_url(BaseUrl::parse("the base URL", url))
    }

    fn over_url(base: Result<BaseUrl, Error>) -> Self {
        Self {
            base,
            identity: Identity::Undecided,
            retry: RetryPolicy::new(),
            attempt_timeout: AttemptTimeoutLayer::DEFAULT,
            max_body: civic_envelope::MAX_SUCCESS_BYTES,
            transport: TransportConfig::new(),
            validation: None,
            unwrap: Unwrap::default(),
        }
    }

    pub(super) fn from_env(variable: &str, default: &str) -> Result<Self, Error> {
        let base = match env::var(variable) {
            Ok(url) => BaseUrl::parse(variable, &url)?,
            Err(env::VarError::NotPresent) => BaseUrl::parse("the default URL", default)?,
            Err(env::VarError::NotUnicode(_)) => {
                return Err(Error::config(format!("{variable} is not Unicode")));
            }
        };
        Ok(Self::over_url(Ok(base)))
    }

    /// Who the client is: every attempt carries a fresh token of this minter.
    ///
    /// There is no default: a client has to have either a minter or [`anonymous`](Self::anonymous).
    pub fn minter(mut self, minter: TokenMinter) -> Self {
        self.identity = Identity::Service(minter);
        self
    }

    /// Sends no token, for peers that are public.
    pub fn anonymous(mut self) -> Self {
        self.identity = Identity::Anonymous;
        self
    }

    /// Whether and when calls are tried again.
    ///
    /// Defaults to [`RetryPolicy::new`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How often a call is tried again at most.
    ///
    /// Defaults to 2.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry = self.retry.with_retries(retries);
        self
    }

    /// Which calls may be executed twice.
    ///
    /// Defaults to [`RetryScope::Idempotent`].
    pub fn retry_scope(mut self, scope: RetryScope) -> Self {
        self.retry = self.retry.with_scope(scope);
        self
    }

    /// How the waits before retries are scattered.
    ///
    /// Defaults to [`Jitter::Proportional`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.retry = self.retry.with_jitter(jitter);
        self
    }

    /// How long each attempt may take, its body included.
    ///
    /// Defaults to 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The longest body of a success, in bytes.
    ///
    /// Defaults to 16 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How connections are made and kept.
    ///
    /// Defaults to [`TransportConfig::new`].
    pub fn transport(mut self, config: TransportConfig) -> Self {
        self.transport = config;
        self
    }

    /// What happens when an answer breaks the rules of its type.
    ///
    /// Defaults to [`Validation::from_env`], which is read when the client is built.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = Some(validation);
        self
    }

    /// How an envelope is told from a payload.
    ///
    /// Defaults to [`Unwrap::Strict`].
    pub fn envelope(mut self, unwrap: Unwrap) -> Self {
        self.unwrap = unwrap;
        self
    }

    /// The client, over the default stack.
    ///
    /// # Errors
    ///
    /// The base URL is malformed or asks for something that this client cannot do, or neither
    /// [`minter`](Self::minter) nor [`anonymous`](Self::anonymous) was called.
    pub fn build(mut self) -> Result<ServiceClient, Error> {
        let minter = match std::mem::replace(&mut self.identity, Identity::Undecided) {
            Identity::Service(minter) => Some(minter),
            Identity::Anonymous => None,
            Identity::Undecided => {
                return Err(Error::config(
                    "a client needs a minter, or to be called anonymous()",
                ));
            }
        };
        let stack = Stack::standard(
            RetryLayer::new(self.retry.clone()),
            AttemptTimeoutLayer::new(self.attempt_timeout),
            minter,
            CollectBodyLayer::new().with_max_success(self.max_body),
            Transport::new(self.transport),
        );
        self.over(stack)
    }

    /// The client over a stack of one's own, which does everything itself that layers do: retries, timeouts
    /// and tokens of this builder are not used.
    ///
    /// # Errors
    ///
    /// The base URL is malformed.
    pub fn build_over<S>(self, service: S) -> Result<ServiceClient, Error>
    where
        S: Service<Request<Body>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send + 'static,
    {
        self.over(Stack::new(service))
    }

    fn over(self, stack: Stack) -> Result<ServiceClient, Error> {
        Ok(ServiceClient {
            base: Arc::new(self.base?),
            stack,
            validation: self.validation.unwrap_or_else(Validation::from_env),
            unwrap: self.unwrap,
            max_body: self.max_body,
        })
    }
}
