//! The settings that only the default stack uses.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use tower_service::Service;

use crate::balance::Discover;
use crate::body::Body;
use crate::error::Error;
use crate::facade::identity::Identity;
use crate::layer::attempt_span::AttemptSpanLayer;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;
use crate::layer::balance::BalanceLayer;
use crate::layer::collect_body::CollectBodyLayer;
use crate::layer::idempotency_key::IdempotencyKeyLayer;
use crate::layer::in_flight_limit::InFlightLimitLayer;
use crate::layer::retry::{RetryLayer, RetryPolicy};
use crate::observe::Observer;
use crate::stack::{ClientService, Parts, UserLayer};
#[cfg(feature = "tls")]
use crate::transport::TlsConfig;
use crate::transport::{DynResolve, SystemResolver, Transport, TransportConfig};

/// The settings that only the default stack uses, and which of them were made.
///
/// They are changed through [`set`](Self::set) alone, so that none can be made without being noted:
/// a stack of the user's own would silently not use it.
#[derive(Debug)]
pub(super) struct StackSettings {
    values: StackValues,
    made: BTreeSet<&'static str>,
}

/// What the default stack is made of.
pub(super) struct StackValues {
    pub(super) identity: Identity,
    pub(super) retry: RetryPolicy,
    pub(super) attempt_timeout: Duration,
    pub(super) span: AttemptSpanLayer,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) collect: CollectBodyLayer,
    pub(super) max_in_flight: Option<usize>,
    pub(super) endpoints: Option<Arc<dyn Discover>>,
    pub(super) transport: TransportConfig,
    pub(super) resolver: Arc<dyn DynResolve>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsConfig>,
    pub(super) idempotency_keys: bool,
    pub(super) call_layers: Vec<UserLayer>,
    pub(super) attempt_layers: Vec<UserLayer>,
}

// ===== impl StackSettings =====

impl StackSettings {
    pub(super) fn new() -> Self {
        Self {
            values: StackValues {
                identity: Identity::Undecided,
                retry: RetryPolicy::new(),
                attempt_timeout: AttemptTimeoutLayer::DEFAULT,
                span: AttemptSpanLayer::new(),
                observer: None,
                collect: CollectBodyLayer::new(),
                max_in_flight: None,
                endpoints: None,
                transport: TransportConfig::new(),
                resolver: Arc::new(SystemResolver::new()),
                #[cfg(feature = "tls")]
                tls: None,
                idempotency_keys: true,
                call_layers: Vec::new(),
                attempt_layers: Vec::new(),
            },
            made: BTreeSet::new(),
        }
    }

    /// Makes the setting that the builder's method `name` stands for.
    pub(super) fn set(&mut self, name: &'static str, change: impl FnOnce(&mut StackValues)) {
        self.made.insert(name);
        change(&mut self.values);
    }

    /// Fails if a setting was made, and names it.
    pub(super) fn check_unused(&self) -> Result<(), Error> {
        if self.made.is_empty() {
            return Ok(());
        }
        let made: Vec<_> = self.made.iter().copied().collect();
        Err(Error::config(format!(
            "build_over() does not use what was set with {}: that belongs to the default stack. Put \
             it into the stack that you give, or call build()",
            made.join(", ")
        )))
    }

    /// Puts the default stack together. `scheme` is that of the URLs that are called.
    pub(super) fn stack(self, max_body: usize, scheme: &Scheme) -> Result<ClientService, Error> {
        let transport = transport(&self.values, scheme)?;
        self.stack_to(max_body, transport)
    }

    /// Puts the default stack together, with this service in place of the transport.
    pub(super) fn stack_to<T, B>(
        self,
        max_body: usize,
        transport: T,
    ) -> Result<ClientService, Error>
    where
        T: Service<Request<Body>, Response = Response<B>, Error = Error>,
        T: Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let values = self.values;
        let balance = values.endpoints.map(|endpoints| {
            let clock = values.retry.clock().clone();
            BalanceLayer::over(endpoints, values.transport.breaker(), clock)
                .observed(values.observer.clone())
        });
        let retry = match &values.observer {
            Some(observer) => values.retry.or_observer(observer),
            None => values.retry,
        };
        let parts = Parts {
            minter: values.identity.minter()?,
            idempotency_key: values.idempotency_keys.then(IdempotencyKeyLayer::new),
            call_layers: values.call_layers,
            limit: values.max_in_flight.map(InFlightLimitLayer::new),
            retry: RetryLayer::new(retry),
            span: values.span,
            observer: values.observer,
            timeout: AttemptTimeoutLayer::new(values.attempt_timeout),
            attempt_layers: values.attempt_layers,
            balance,
            collect: values.collect.with_max_success(max_body),
        };
        Ok(parts.stack(transport))
    }
}

#[cfg(feature = "tls")]
fn transport(values: &StackValues, scheme: &Scheme) -> Result<Transport, Error> {
    let clock = values.retry.clock().clone();
    let (resolver, observer) = (Arc::clone(&values.resolver), values.observer.clone());
    let transport = Transport::over(values.transport, resolver, clock, observer);
    Ok(match &values.tls {
        Some(tls) => transport.with_tls(tls.clone()),
        None if *scheme == Scheme::HTTPS => transport.with_tls(TlsConfig::from_platform()?),
        None => transport,
    })
}

#[cfg(not(feature = "tls"))]
fn transport(values: &StackValues, scheme: &Scheme) -> Result<Transport, Error> {
    if *scheme == Scheme::HTTPS {
        return Err(Error::config(
            "the base URL asks for https, and the feature tls of civic-client is off; switch it on, \
             use http://, or give build_over() a stack whose transport has TLS",
        ));
    }
    let clock = values.retry.clock().clone();
    Ok(Transport::over(
        values.transport,
        Arc::clone(&values.resolver),
        clock,
        values.observer.clone(),
    ))
}

// ===== impl StackValues =====

impl StackValues {
    /// Changes the policy for retries.
    pub(super) fn change_retry(&mut self, change: impl FnOnce(RetryPolicy) -> RetryPolicy) {
        self.retry = change(std::mem::take(&mut self.retry));
    }
}

impl fmt::Debug for StackValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackValues")
            .field("identity", &self.identity)
            .field("retry", &self.retry)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
