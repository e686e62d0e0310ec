//! Why there is no connection.

use std::sync::Arc;

use fred::types::Builder;
use fred::types::config::Server;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self};

use crate::error::ErrorKind;
use crate::mutex::Mutex;
use crate::store::redis::error::{from_client, in_words};

/// Why the last attempt to connect has failed.
pub(super) struct ConnectFailure {
    pub(super) kind: ErrorKind,
    pub(super) detail: String,
}

/// Remembers why the last attempt to connect has failed. Ends with the client.
pub(super) async fn record_failures(
    mut errors: broadcast::Receiver<(fred::error::Error, Option<Server>)>,
    mut connections: broadcast::Receiver<Server>,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
) {
    loop {
        let latest = tokio::select! {
            biased;
            error = errors.recv() => match error {
                Ok((error, _)) => {
                    let error = from_client(&error);
                    Some(ConnectFailure {
                        kind: error.kind(),
                        detail: in_words(error.detail()),
                    })
                }
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
            connected = connections.recv() => match connected {
                Ok(_) | Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return,
            },
        };
        *failure.lock() = latest;
    }
}

/// The hosts and ports of the configuration. It holds no user and no password.
pub(super) fn servers(builder: &Builder) -> Arc<str> {
    let hosts = builder.get_config().map(|config| config.server.hosts());
    let hosts = hosts.unwrap_or_default();
    let names: Vec<String> = hosts
        .iter()
        .map(|server| format!("{}:{}", server.host, server.port))
        .collect();
    names.join(" or ").into()
}
