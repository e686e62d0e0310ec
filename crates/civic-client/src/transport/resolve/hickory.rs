//! A resolver that speaks DNS itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fmt, io};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::transport::resolve::addresses::Addresses;
use crate::transport::resolve::resolver::Resolve;

/// How long a name server may take, and how often a question is repeated.
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 2;
/// Longer TTLs count as this one; hickory's own limit is a day.
const MAX_TTL: Duration = Duration::from_secs(300);
/// For how long the absence of a name is believed.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(1);

/// Asks the name servers of `resolv.conf` itself, without a thread and with their TTLs.
///
/// It reads `/etc/hosts` and `/etc/resolv.conf` once, when it is made, and knows nothing of
/// `nsswitch.conf`: a name that only another source of the system knows (mDNS, LDAP) is not found.
/// [`SystemResolver`](super::SystemResolver) finds it.
///
/// Needs the feature `hickory`.
#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
#[derive(Clone)]
pub struct HickoryResolver {
    inner: TokioResolver,
}

impl HickoryResolver {
    /// Creates a resolver that asks the name servers of the system's configuration.
    ///
    /// # Errors
    ///
    /// The configuration cannot be read or understood.
    pub fn from_system() -> io::Result<Self> {
        let mut builder = TokioResolver::builder_tokio().map_err(io::Error::other)?;
        limit(builder.options_mut());
        let inner = builder.build().map_err(io::Error::other)?;
        Ok(Self { inner })
    }

    /// Creates a resolver that asks these name servers, by UDP and, for long answers, by TCP.
    ///
    /// # Errors
    ///
    /// There is no name server.
    pub fn with_name_servers(servers: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let servers: Vec<_> = servers
            .into_iter()
            .map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            })
            .collect();
        if servers.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a resolver needs at least one name server",
            ));
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        limit(builder.options_mut());
        let inner = builder.build().map_err(io::Error::other)?;
        Ok(Self { inner })
    }
}

fn limit(options: &mut ResolverOpts) {
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.positive_max_ttl = Some(MAX_TTL);
    options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
}

impl fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HickoryResolver").finish_non_exhaustive()
    }
}

impl Resolve for HickoryResolver {
    async fn resolve(&self, host: &str) -> io::Result<Addresses> {
        let found = self.inner.lookup_ip(host).await.map_err(io::Error::other)?;
        let ttl = found
            .valid_until()
            .saturating_duration_since(Instant::now());
        Ok(Addresses::new(found.iter()).with_ttl(ttl))
    }
}
