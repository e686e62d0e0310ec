//! A client library that is set up for one URL.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::store::redis::client::link::Link;
use crate::store::redis::client::listener::Listener;
use crate::store::redis::url::ServerUrl;

/// A client library that is set up for one URL.
pub(crate) trait Client: Clone + Send + Sync + 'static {
    /// What commands are sent through.
    type Link: Link;
    /// What hears messages.
    type Listener: Listener;

    /// Sets the library up. Nothing is sent.
    ///
    /// # Errors
    ///
    /// Returns [`Config`](crate::ErrorKind::Config) for a URL that the library cannot serve: one
    /// that asks for TLS is refused if TLS is not built in.
    fn new(url: &ServerUrl, command_timeout: Duration) -> Result<Self, Error>;

    /// Returns the hosts and ports of the URL, for errors: no user and no password.
    fn servers(&self) -> Arc<str>;

    /// Begins to connect, on tasks of the runtime that this is called in.
    fn connect(&self) -> Result<Self::Link, Error>;

    /// Begins to connect a listener, on tasks of the runtime that this is called in.
    fn listen(&self) -> Result<Self::Listener, Error>;

    /// Returns the name by which a server caches a script: the SHA-1 of its text, in hexadecimal
    /// digits.
    fn script_name(text: &str) -> String;
}
