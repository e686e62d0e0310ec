//! The settings of a source, decided once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use civic_auth::Profile;
use http::uri::Scheme;
use tokio::runtime::Handle;

use super::event::JwksEvent;
use super::fetch::Fetcher;
use super::settings::{MIN_REFRESH, Settings};
use super::shared::Shared;
use super::source::JwksSource;
use super::worker;
use crate::error::Error;
use crate::facade::ServiceClient;
use crate::url_template::UrlTemplate;

/// How often a set is fetched, where it does not ask for more.
const DEFAULT_REFRESH: Duration = Duration::from_secs(5 * 60);

/// How long keys are used after the publisher was last seen to have them.
const DEFAULT_MAX_STALE: Duration = Duration::from_secs(72 * 3600);

/// Builds a [`JwksSource`].
#[must_use = "a builder does nothing until start() is called"]
pub struct JwksSourceBuilder {
    client: ServiceClient,
    path: UrlTemplate,
    settings: Settings,
    plaintext: Plaintext,
}

/// Over which networks a set is fetched without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plaintext {
    /// That of this machine only.
    Loopback,
    Everywhere,
}

impl JwksSourceBuilder {
    /// Starts a source of the keys that speak for `issuer`: a token that one of them made must have
    /// it in `iss`.
    ///
    /// The client should be anonymous: a publisher of keys does not need to know who fetches them.
    pub fn new(client: ServiceClient, issuer: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            path: UrlTemplate::from("/.well-known/jwks.json"),
            settings: Settings {
                issuer: issuer.into(),
                profile: Profile::Service,
                refresh_every: DEFAULT_REFRESH,
                max_stale: DEFAULT_MAX_STALE,
                observer: None,
            },
            plaintext: Plaintext::Loopback,
        }
    }

    /// Sets the path of the set below the client's base URL.
    ///
    /// Defaults to `/.well-known/jwks.json`.
    pub fn path(mut self, path: impl Into<UrlTemplate>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether the keys speak for services or for users.
    ///
    /// Defaults to [`Profile::Service`]. A set for users is that of a login service.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.settings.profile = profile;
        self
    }

    /// Sets the longest time between two fetches. It is shorter where the publisher says so with
    /// `max-age`, and never shorter than 30 s; the moment is a random one in its second half.
    ///
    /// Defaults to 5 minutes.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.settings.refresh_every = interval.max(MIN_REFRESH);
        self
    }

    /// Sets for how long the keys are used when they cannot be fetched. After that, requests are
    /// answered with 503.
    ///
    /// Defaults to 72 hours. It is also how long a key lives at most that was removed during an
    /// outage.
    pub fn max_stale(mut self, limit: Duration) -> Self {
        self.settings.max_stale = limit;
        self
    }

    /// Fetches the set over `http` from another machine as well.
    ///
    /// Someone on the way between the two can then replace the keys and mint tokens for the issuer.
    /// It is for networks that no one else can reach.
    ///
    /// Defaults to `https`, and to `http` for loopback addresses only.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.plaintext = Plaintext::Everywhere;
        self
    }

    /// Tells `observer` what happens to the source, for metrics and alerts. It is called by the
    /// source's task, and must neither block nor panic.
    ///
    /// Defaults to none. The log says the same.
    pub fn observer(mut self, observer: impl Fn(&JwksEvent<'_>) + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Arc::new(observer));
        self
    }

    /// Begins to fetch the set, in a task of the present runtime, and does not wait for it.
    ///
    /// Until the first set has arrived, requests are answered with 503 and `Retry-After`, each
    /// after a wait of at most a second. [`JwksSource::ready`] waits for it, and
    /// [`JwksSource::check`] is for the readiness of a service. The task ends when the last clone
    /// of the source is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): the issuer is empty, the URL is that of
    /// another machine and not `https`, or there is no tokio runtime.
    pub fn start(self) -> Result<JwksSource, Error> {
        if self.settings.issuer.is_empty() {
            return Err(Error::config(
                "the issuer of a key set is empty; name the service whose keys it has, as its \
                 tokens do in iss",
            ));
        }
        let (scheme, authority) = self.client.origin();
        if *scheme != Scheme::HTTPS
            && self.plaintext == Plaintext::Loopback
            && !is_loopback(authority.host())
        {
            return Err(Error::config(
                "a key set that is fetched over http can be replaced on the way; use https, or \
                 call dangerous_allow_http() where no one else can reach the network",
            ));
        }
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::config(
                "a key set is fetched by a task; call start() in a tokio runtime",
            ));
        };
        let shared = Arc::new(Shared::new(self.settings));
        let fetcher = Fetcher::new(self.client, self.path);
        let task = worker::run(fetcher, shared.wake(), Arc::downgrade(&shared));
        shared.own(runtime.spawn(task).abort_handle());
        Ok(JwksSource::new(shared))
    }
}

impl fmt::Debug for JwksSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksSourceBuilder")
            .field("client", &self.client)
            .field("path", &self.path)
            .field("settings", &self.settings)
            .field("plaintext", &self.plaintext)
            .finish()
    }
}

/// Returns whether a host is this machine. A name counts only if it is `localhost`, which does not
/// leave it (RFC 6761 section 6.3).
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
