//! Where the servers are: at an address, where sentinels say, or where a Cluster says.

use std::fmt;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError};

use crate::error::Error;
use crate::store::redis::client::redis_rs::error::from_redis;
#[cfg(feature = "tls")]
use crate::store::redis::client::redis_rs::tls::Tls;
use crate::store::redis::url::{Encryption, ServerUrl, Topology, invalid};

/// Longer than any command may take: the caller has a deadline.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the servers are, and how to log in there.
#[derive(Clone)]
pub(super) struct Place {
    settings: RedisConnectionInfo,
    known: Vec<ConnectionAddr>,
    kind: Kind,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// What is at the addresses that are known.
#[derive(Clone)]
enum Kind {
    Server,
    Nodes,
    Sentinels(Sentinels),
}

/// What sentinels are asked for, and how to log in there.
#[derive(Clone)]
struct Sentinels {
    service: String,
    user: Option<String>,
    password: Option<String>,
}

impl Place {
    pub(super) fn new(url: &ServerUrl) -> Result<Self, Error> {
        match url.encryption {
            Encryption::None => {}
            Encryption::Tls if cfg!(not(feature = "tls")) => {
                return Err(Error::config(
                    "the URL of Redis asks for TLS, which is not built in: enable the feature \
                     `tls` of civic-lock",
                ));
            }
            Encryption::Tls if url.topology == Topology::Cluster => {
                return Err(Error::config(
                    "the URL of Redis asks for TLS in a Cluster, which is not part of the trial of \
                     redis-rs: build without `--cfg civic_redis_rs`",
                ));
            }
            Encryption::Tls => {}
        }
        // Without the parser's error, which might quote the URL.
        let parsed = |rest: &str| -> Result<ConnectionInfo, Error> {
            format!("redis://{rest}")
                .into_connection_info()
                .map_err(|_| invalid())
        };
        let info = parsed(&url.rest)?;
        let mut known = vec![info.addr().clone()];
        let query = url.rest.split_once('?').map_or("", |(_, query)| query);
        let of = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let of = pairs.filter(|(key, _)| *key == name);
            of.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        if url.topology != Topology::Single {
            for node in of("node") {
                known.push(parsed(&node)?.addr().clone());
            }
        }
        let kind = match url.topology {
            Topology::Single => Kind::Server,
            Topology::Cluster => Kind::Nodes,
            Topology::Sentinel => Kind::Sentinels(Sentinels {
                service: of("sentinelServiceName").pop().ok_or_else(invalid)?,
                user: of("sentinelUsername").pop(),
                password: of("sentinelPassword").pop(),
            }),
        };
        Ok(Self {
            // No name of the library: servers of other makes may know no such command.
            settings: info.redis_settings().clone().set_skip_set_lib_name(),
            known,
            kind,
            #[cfg(feature = "tls")]
            tls: match url.encryption {
                Encryption::None => None,
                Encryption::Tls => Some(Tls::new()?),
            },
        })
    }

    /// How to log in there.
    pub(super) fn settings(&self) -> &RedisConnectionInfo {
        &self.settings
    }

    /// What encrypts a connection, if the URL asks for it.
    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The address of a server now. Sentinels are asked; of a Cluster it is that of a node.
    pub(super) async fn address(&self) -> Result<ConnectionAddr, Error> {
        let Kind::Sentinels(sentinels) = &self.kind else {
            return Ok(self.known[0].clone());
        };
        let asked = async {
            let mut client = self.sentinels(sentinels)?;
            let server = client.async_get_client().await?;
            Ok::<_, RedisError>(server.get_connection_info().addr().clone())
        };
        asked.await.map_err(|error| from_redis(&error))
    }

    /// The client of a Cluster, if there is one. It sends nothing again by itself.
    pub(super) fn cluster(&self, connecting: Duration) -> Result<Option<ClusterClient>, Error> {
        if !matches!(self.kind, Kind::Nodes) {
            return Ok(None);
        }
        let nodes = self.known.iter().cloned().map(|address| {
            let node = address.into_connection_info()?;
            Ok::<_, RedisError>(node.set_redis_settings(self.settings.clone()))
        });
        let client = nodes
            .collect::<Result<Vec<_>, _>>()
            .and_then(|nodes| {
                ClusterClientBuilder::new(nodes)
                    .retries(0)
                    .connection_timeout(connecting)
                    .response_timeout(NO_LIMIT)
                    .build()
            })
            .map_err(|error| from_redis(&error))?;
        Ok(Some(client))
    }

    fn sentinels(&self, sentinels: &Sentinels) -> Result<SentinelClient, RedisError> {
        let mut builder = SentinelClientBuilder::new(
            self.known.iter().cloned(),
            &sentinels.service,
            SentinelServerType::Master,
        )?;
        if let Some(user) = &sentinels.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &sentinels.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        // It asks the server for its role.
        if let Some(user) = self.settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = self.settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        builder.build()
    }
}

/// The hosts and ports: no user and no password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, address) in self.known.iter().enumerate() {
            if nth > 0 {
                f.write_str(" or ")?;
            }
            write!(f, "{address}")?;
        }
        Ok(())
    }
}
