//! The configuration of the library, from a URL.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use fred::types::Builder;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, TcpConfig,
};

use crate::error::Error;
use crate::store::redis::url::{Encryption, ServerUrl, Topology, invalid};

/// How many commands may wait for the connection. Further ones fail at once.
const MAX_QUEUED: usize = 100_000;

pub(super) fn builder(url: &ServerUrl, command_timeout: Duration) -> Result<Builder, Error> {
    let config = config(url)?;
    let mut builder = Builder::from_config(config);
    builder
        .with_connection_config(|connection: &mut ConnectionConfig| {
            connection.connection_timeout = command_timeout.min(Duration::from_secs(2));
            connection.internal_command_timeout = command_timeout.min(Duration::from_secs(2));
            connection.max_command_attempts = 1;
            // The library asks for a moving slot on a connection that others use, takes the next
            // reply for its own, and asks the old node again. So it must not redirect.
            connection.max_redirections = 0;
            connection.max_command_buffer_len = MAX_QUEUED;
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
            connection.reconnect_errors = vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ];
        })
        .with_performance_config(|performance: &mut PerformanceConfig| {
            performance.default_command_timeout = command_timeout;
        });
    // Without an end: a policy that ends makes a client that never comes back. The first delay
    // comes before the first attempt. The longest one bounds how long a server that has come back
    // goes unnoticed.
    let mut policy = ReconnectPolicy::new_exponential(0, 20, 500, 2);
    policy.set_jitter(20);
    builder.set_policy(policy);
    Ok(builder)
}

fn config(url: &ServerUrl) -> Result<Config, Error> {
    let rest = &url.rest;
    let plain = match url.topology {
        Topology::Single => format!("redis://{rest}"),
        Topology::Cluster => format!("redis-cluster://{rest}"),
        Topology::Sentinel => format!("redis-sentinel://{rest}"),
    };
    // Without the parser's error, which might quote the URL.
    let mut config = Config::from_url(&plain).map_err(|_| invalid())?;
    config.fail_fast = false;
    if url.encryption == Encryption::Tls {
        encrypt(&mut config)?;
    }
    Ok(config)
}

#[cfg(not(feature = "tls"))]
fn encrypt(_: &mut Config) -> Result<(), Error> {
    Err(Error::config(
        "the URL of Redis asks for TLS, which is not built in: enable the feature `tls` of civic-lock",
    ))
}

/// Sets up TLS with a named provider of cryptography: the process-wide default panics when the
/// dependency graph has two.
#[cfg(feature = "tls")]
fn encrypt(config: &mut Config) -> Result<(), Error> {
    use fred::rustls::crypto::aws_lc_rs;
    use fred::rustls::{ClientConfig, RootCertStore};

    let mut roots = RootCertStore::empty();
    // One bad certificate of the system does not exclude the others.
    roots.add_parsable_certificates(fred::rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::config(
            "the URL of Redis asks for TLS, and the system has no root certificates: install them, or \
             set SSL_CERT_FILE",
        ));
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS versions").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.tls = Some(fred::types::config::TlsConnector::from(tls).into());
    Ok(())
}
