//! Asks a server, once, whether it keeps what it has acknowledged.

use std::time::Duration;

use tokio::time::Instant;

use crate::durability::Durability;
use crate::error::{Error, ErrorKind};
use crate::store::redis::client::client::Client;
use crate::store::redis::client::route::Route;
use crate::store::redis::connection::Connector;

/// The settings that decide it.
const SETTINGS: [&str; 2] = ["appendonly", "appendfsync"];

impl<C: Client> Connector<C> {
    /// Asks every primary for its settings. One that refuses to tell them is unknown.
    pub(super) async fn durability(&self, timeout: Duration) -> Result<Durability, Error> {
        let connection = self.connection()?;
        connection.connected(Instant::now() + timeout).await?;
        let mut servers = Vec::new();
        for node in connection.primaries() {
            let mut values = [None, None];
            for (value, setting) in values.iter_mut().zip(SETTINGS) {
                let node = Route::Node(&node);
                let args = vec!["GET".to_owned(), setting.to_owned()];
                let deadline = Instant::now() + timeout;
                let asked = self
                    .dispatch(&connection, node, "CONFIG", args, deadline)
                    .await;
                match asked {
                    // The name of the setting, and its value.
                    Ok(answer) => *value = answer.into_texts().into_iter().nth(1),
                    Err(error) if error.kind() == ErrorKind::Refused => {
                        tracing::debug!(%error, "Redis does not tell whether it keeps its writes");
                    }
                    Err(error) => return Err(error),
                }
            }
            servers.push(of_server(values.each_ref().map(Option::as_deref)));
        }
        Ok(of_all(servers))
    }
}

/// What one server's values of [`SETTINGS`] mean. `None` stands for a value that it does not tell.
fn of_server(values: [Option<&str>; 2]) -> Durability {
    match values {
        [Some("yes"), Some("always")] => Durability::Kept,
        [Some(_), Some(_)] | [Some("no"), None] => Durability::MayLose,
        _ => Durability::Unknown,
    }
}

/// What the answers of all servers come to: the worst of them.
fn of_all(servers: impl IntoIterator<Item = Durability>) -> Durability {
    let mut all = Durability::Unknown;
    for (nth, server) in servers.into_iter().enumerate() {
        all = match (all, server) {
            (_, Durability::MayLose) | (Durability::MayLose, _) => Durability::MayLose,
            (Durability::Kept, Durability::Kept) => Durability::Kept,
            (_, Durability::Kept) if nth == 0 => Durability::Kept,
            _ => Durability::Unknown,
        };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_log_that_is_synced_at_each_write_keeps_what_was_acknowledged() {
        for (values, expected) in [
            ([Some("yes"), Some("always")], Durability::Kept),
            ([Some("yes"), Some("everysec")], Durability::MayLose),
            ([Some("yes"), Some("no")], Durability::MayLose),
            ([Some("no"), Some("always")], Durability::MayLose),
            ([Some("no"), None], Durability::MayLose),
            ([Some("yes"), None], Durability::Unknown),
            ([None, Some("always")], Durability::Unknown),
            ([None, None], Durability::Unknown),
        ] {
            assert_eq!(of_server(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_cluster_is_as_durable_as_its_worst_node() {
        use Durability::{Kept, MayLose, Unknown};
        for (servers, expected) in [
            (&[][..], Unknown),
            (&[Kept, Kept], Kept),
            (&[Kept, MayLose, Kept], MayLose),
            (&[Unknown, MayLose], MayLose),
            (&[Kept, Unknown], Unknown),
            (&[Unknown, Kept], Unknown),
        ] {
            assert_eq!(of_all(servers.iter().copied()), expected, "{servers:?}");
        }
    }
}
