//! fred, set up for one URL.

use std::sync::Arc;
use std::time::Duration;

use fred::types::Builder;

use crate::error::Error;
use crate::store::redis::client::client::Client;
use crate::store::redis::client::fred::config::builder;
use crate::store::redis::client::fred::error::from_fred;
use crate::store::redis::client::fred::link::FredLink;
use crate::store::redis::client::fred::listener::FredListener;
use crate::store::redis::url::ServerUrl;

/// fred, set up for one URL.
#[derive(Clone)]
pub(crate) struct Fred {
    builder: Builder,
    servers: Arc<str>,
}

impl Client for Fred {
    type Link = FredLink;
    type Listener = FredListener;

    fn new(url: &ServerUrl, command_timeout: Duration) -> Result<Self, Error> {
        let builder = builder(url, command_timeout)?;
        let hosts = builder.get_config().map(|config| config.server.hosts());
        let names: Vec<String> = hosts
            .unwrap_or_default()
            .iter()
            .map(|server| format!("{}:{}", server.host, server.port))
            .collect();
        Ok(Self {
            builder,
            servers: names.join(" or ").into(),
        })
    }

    fn servers(&self) -> Arc<str> {
        self.servers.clone()
    }

    fn connect(&self) -> Result<FredLink, Error> {
        let client = self.builder.build().map_err(|error| from_fred(&error))?;
        Ok(FredLink::open(client))
    }

    fn listen(&self) -> Result<FredListener, Error> {
        let client = self
            .builder
            .build_subscriber_client()
            .map_err(|error| from_fred(&error))?;
        Ok(FredListener::open(client))
    }

    fn script_name(text: &str) -> String {
        fred::util::sha1_hash(text)
    }
}
