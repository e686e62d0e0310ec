//! redis-rs, set up for one URL.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use crate::error::Error;
use crate::store::redis::client::client::Client;
use crate::store::redis::client::redis_rs::link::RedisRsLink;
use crate::store::redis::client::redis_rs::listener::RedisRsListener;
use crate::store::redis::client::redis_rs::place::Place;
use crate::store::redis::url::ServerUrl;

/// redis-rs, set up for one URL.
#[derive(Clone)]
pub(crate) struct RedisRs {
    place: Place,
    command_timeout: Duration,
}

impl Client for RedisRs {
    type Link = RedisRsLink;
    type Listener = RedisRsListener;

    fn new(url: &ServerUrl, command_timeout: Duration) -> Result<Self, Error> {
        Ok(Self {
            place: Place::new(url)?,
            command_timeout,
        })
    }

    fn servers(&self) -> Arc<str> {
        self.place.to_string().into()
    }

    fn connect(&self) -> Result<RedisRsLink, Error> {
        Ok(RedisRsLink::open(self.place.clone(), self.command_timeout))
    }

    fn listen(&self) -> Result<RedisRsListener, Error> {
        Ok(RedisRsListener::open(
            self.place.clone(),
            self.command_timeout,
        ))
    }

    fn script_name(text: &str) -> String {
        Script::new(text).get_hash().to_owned()
    }
}
