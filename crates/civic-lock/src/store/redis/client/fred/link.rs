//! What commands are sent through.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::{Options, Server};
use fred::types::{ClusterHash, ConnectHandle, CustomCommand, Value as FredValue};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::error::Error;
use crate::mutex::Mutex;
use crate::store::redis::client::connect_failure::ConnectFailure;
use crate::store::redis::client::fred::error::{from_fred, in_words};
use crate::store::redis::client::link::Link;
use crate::store::redis::client::route::Route;
use crate::store::redis::client::value::Value;

pub(crate) struct FredLink {
    client: Client,
    task: ConnectHandle,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
}

impl FredLink {
    pub(super) fn open(client: Client) -> Self {
        let failure = Arc::default();
        tokio::spawn(record_failures(
            client.error_rx(),
            client.reconnect_rx(),
            Arc::clone(&failure),
        ));
        let task = client.connect();
        Self {
            client,
            task,
            failure,
        }
    }
}

impl Link for FredLink {
    /// `None` stands for the only one, if there is no Cluster.
    type Node = Option<Server>;

    fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    async fn connected(&self) -> Result<(), Error> {
        while !self.client.is_connected() {
            tokio::select! {
                biased;
                connected = self.client.wait_for_connect() => {
                    connected.map_err(|error| from_fred(&error))?;
                }
                // It may have connected between the question and the subscription.
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        Ok(())
    }

    fn failure(&self) -> Option<ConnectFailure> {
        self.failure.lock().clone()
    }

    fn primaries(&self) -> Vec<Option<Server>> {
        if !self.client.is_clustered() {
            return vec![None];
        }
        let nodes = self.client.active_connections();
        nodes.into_iter().map(Some).collect()
    }

    async fn send(
        &self,
        to: Route<'_, Option<Server>>,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let (slot, node) = match to {
            // Without it, the library would hash the first argument.
            Route::Key(key) => (ClusterHash::from(key), None),
            Route::Node(node) => (ClusterHash::FirstKey, node.clone()),
        };
        let options = Options {
            max_attempts: Some(1),
            // It takes a command that was not sent out of the library's queue.
            timeout: Some(deadline.saturating_duration_since(Instant::now())),
            cluster_node: node,
            ..Options::default()
        };
        let client = self.client.with_options(&options);
        let command = CustomCommand::new_static(command, slot, false);
        // Boxed, or the library's deep futures would overflow the compiler's depth limit in crates
        // that use this one.
        let answer: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(client.custom::<FredValue, String>(command, args));
        answer
            .await
            .map(from_value)
            .map_err(|error| from_fred(&error))
    }

    fn close(&self) {
        self.task.abort();
    }
}

impl Drop for FredLink {
    fn drop(&mut self) {
        // Dropping the client does not end its task.
        self.close();
    }
}

/// Remembers why the last attempt to connect has failed. Ends with the client.
async fn record_failures(
    mut errors: broadcast::Receiver<(fred::error::Error, Option<Server>)>,
    mut connections: broadcast::Receiver<Server>,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
) {
    loop {
        let latest = tokio::select! {
            biased;
            error = errors.recv() => match error {
                Ok((error, _)) => {
                    let error = from_fred(&error);
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

fn from_value(value: FredValue) -> Value {
    match value {
        FredValue::Integer(number) => Value::Integer(number),
        FredValue::Array(items) => Value::List(items.into_iter().map(from_value).collect()),
        other => other.into_string().map_or(Value::Nothing, Value::Text),
    }
}
