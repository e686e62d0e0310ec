//! What the URL of a store says, whichever client library speaks to it.

use crate::error::Error;

/// A checked URL.
pub(crate) struct ServerUrl {
    pub(crate) topology: Topology,
    pub(crate) encryption: Encryption,
    /// What stands behind `://`. It may hold a user and a password.
    pub(crate) rest: String,
}

/// What the servers of a URL are to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topology {
    /// One server, which may have replicas that no one asks.
    Single,
    Cluster,
    Sentinel,
}

/// Whether a URL asks for TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encryption {
    None,
    Tls,
}

impl ServerUrl {
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::config(format!("the URL of Redis {what}"));
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
        let scheme = scheme.to_ascii_lowercase();
        let (base, topology) = scheme
            .split_once('-')
            .map_or((scheme.as_str(), None), |(base, topology)| {
                (base, Some(topology))
            });
        let encryption = match base {
            "redis" | "valkey" => Encryption::None,
            "rediss" | "valkeys" => Encryption::Tls,
            _ => return Err(invalid()),
        };
        let topology = match topology {
            None => Topology::Single,
            Some("cluster") => Topology::Cluster,
            Some("sentinel") => Topology::Sentinel,
            Some(_) => return Err(invalid()),
        };
        check_address(rest).map_err(wrong)?;
        Ok(Self {
            topology,
            encryption,
            rest: rest.to_owned(),
        })
    }
}

/// The error of a URL that cannot be understood. It says nothing of the URL, which may hold a
/// password.
pub(crate) fn invalid() -> Error {
    Error::config(
        "the URL of Redis must be redis[s]://…, redis[s]-cluster://… or \
         redis[s]-sentinel://…?sentinelServiceName=…, or the same with valkey",
    )
}

/// Says what is wrong with the host or the port: the parsers' errors do not.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::redis::client::Library;
    use crate::store::redis::client::client::Client;

    /// The whole way of a URL: the library's parser, too.
    fn read(url: &str) -> Result<Library, Error> {
        Library::new(&ServerUrl::new(url)?, Duration::from_secs(1))
    }

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
            let Err(error) = read(url).map_err(|error| error.to_string()) else {
                panic!("{url} was accepted")
            };
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        read("redis://[::1]:6379").expect("an address of IPv6");
        for (url, servers) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://user:hunter2@h:1/3", "h:1"),
        ] {
            let library = read(url).expect(url);
            assert_eq!(&*library.servers(), servers);
        }
    }
}
