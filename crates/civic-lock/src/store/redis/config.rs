//! The configuration of the client library, from a URL.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use fred::types::Builder;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, TcpConfig,
};

use crate::error::Error;

/// How many commands may wait for the connection. Further ones fail at once.
const MAX_QUEUED: usize = 100_000;

pub(super) fn builder(url: &str, command_timeout: Duration) -> Result<Builder, Error> {
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

fn config(url: &str) -> Result<Config, Error> {
    let invalid = || {
        Error::config(
            "the URL of Redis must be redis[s]://…, redis[s]-cluster://… or \
             redis[s]-sentinel://…?sentinelServiceName=…, or the same with valkey",
        )
    };
    let wrong = |what: &str| Error::config(format!("the URL of Redis {what}"));
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
    let scheme = scheme.to_ascii_lowercase();
    let (base, topology) = scheme
        .split_once('-')
        .map_or((scheme.as_str(), None), |(base, topology)| {
            (base, Some(topology))
        });
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(invalid()),
    };
    let plain = match topology {
        None => format!("redis://{rest}"),
        Some("cluster") => format!("redis-cluster://{rest}"),
        Some("sentinel") => format!("redis-sentinel://{rest}"),
        Some(_) => return Err(invalid()),
    };
    check_address(rest).map_err(wrong)?;
    // Without the parser's error, which might quote the URL.
    let mut config = Config::from_url(&plain).map_err(|_| invalid())?;
    config.fail_fast = false;
    if tls {
        encrypt(&mut config)?;
    }
    Ok(config)
}

/// Says what is wrong with the host or the port: the parser's error does not.
fn check_address(rest: &str) -> Result<(), &'static str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority
        .rsplit_once('@')
        .map_or(authority, |(_, address)| address);
    let (host, port) = match address.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6
                .split_once(']')
                .ok_or("has an IPv6 address without a `]`")?;
            (host, after.strip_prefix(':'))
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    if host.is_empty() {
        return Err("names no host, as in redis://localhost:6379");
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(Ok(0) | Err(_)) => Err("has a port that is not a number from 1 to 65535"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_wrong_host_or_port_is_refused_by_saying_which() {
        for (url, says) in [
            ("redis://localhost:99999", "port"),
            ("redis://localhost:0", "port"),
            ("redis://localhost:x", "port"),
            ("redis://user:hunter2@localhost:99999/1", "port"),
            ("redis://[::1]:99999", "port"),
            ("redis://:1", "names no host"),
            ("redis://", "names no host"),
            ("redis://user:hunter2@:6379", "names no host"),
            ("redis-cluster:///0", "names no host"),
            ("redis://[::1", "`]`"),
        ] {
            let error = config(url).expect_err(url).to_string();
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for url in [
            "redis://localhost",
            "redis://[::1]:6379",
            "redis://u:p@h:1/3",
        ] {
            config(url).expect(url);
        }
    }
}
