//! What commands are sent through.

use std::sync::Arc;
use std::time::Duration;

use redis::Value as RedisValue;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::mutex::Mutex;
use crate::store::redis::client::connect_failure::ConnectFailure;
use crate::store::redis::client::link::Link;
use crate::store::redis::client::redis_rs::backoff::Backoff;
use crate::store::redis::client::redis_rs::connection::{Connection, Node};
use crate::store::redis::client::redis_rs::error::{from_redis, is_wrong_server};
use crate::store::redis::client::redis_rs::opening::{Opened, open};
use crate::store::redis::client::redis_rs::place::Place;
use crate::store::redis::client::route::Route;
use crate::store::redis::client::value::Value;

pub(crate) struct RedisRsLink {
    open: watch::Receiver<Option<Open>>,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
    task: JoinHandle<()>,
    command_timeout: Duration,
}

/// A connection that is up.
#[derive(Clone)]
struct Open {
    connection: Connection,
    /// Told to end it and to open another.
    useless: Arc<Notify>,
}

impl RedisRsLink {
    pub(super) fn open(place: Place, command_timeout: Duration) -> Self {
        let (opened, open) = watch::channel(None);
        let failure = Arc::default();
        Self {
            open,
            task: tokio::spawn(keep_open(
                place,
                command_timeout.min(Duration::from_secs(2)),
                opened,
                Arc::clone(&failure),
            )),
            failure,
            command_timeout,
        }
    }
}

impl Link for RedisRsLink {
    type Node = Node;

    fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    fn is_connected(&self) -> bool {
        self.open.borrow().is_some()
    }

    async fn connected(&self) -> Result<(), Error> {
        match self.open.clone().wait_for(Option::is_some).await {
            Ok(_) => Ok(()),
            Err(_) => Err(closed()),
        }
    }

    fn failure(&self) -> Option<ConnectFailure> {
        self.failure.lock().clone()
    }

    fn primaries(&self) -> Vec<Node> {
        let open = self.open.borrow();
        open.as_ref()
            .map(|open| open.connection.primaries())
            .unwrap_or_default()
    }

    async fn send(
        &self,
        to: Route<'_, Node>,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let open = self.open.borrow().clone();
        let Some(Open {
            mut connection,
            useless,
        }) = open
        else {
            return Err(closed().never_sent());
        };
        let mut command = redis::cmd(command);
        for arg in args {
            command.arg(arg);
        }
        let answer = timeout_at(deadline, connection.send(to, command)).await;
        match answer {
            Ok(Ok(value)) => Ok(from_value(value)),
            Ok(Err(error)) => {
                if is_wrong_server(&error) {
                    useless.notify_one();
                }
                Err(from_redis(&error))
            }
            Err(_) => Err(Error::timeout(self.command_timeout)),
        }
    }

    fn close(&self) {
        self.task.abort();
    }
}

impl Drop for RedisRsLink {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens a connection, polls it until it ends, and opens another.
async fn keep_open(
    place: Place,
    limit: Duration,
    opened: watch::Sender<Option<Open>>,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
) {
    let mut backoff = Backoff::default();
    loop {
        sleep(backoff.next()).await;
        let Opened { connection, driver } = match timeout(limit, open(&place, limit)).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                *failure.lock() = Some(ConnectFailure {
                    kind: error.kind(),
                    detail: error.detail().to_owned(),
                });
                continue;
            }
            Err(_) => {
                *failure.lock() = Some(ConnectFailure {
                    kind: ErrorKind::Timeout,
                    detail: "it does not answer".to_owned(),
                });
                continue;
            }
        };
        *failure.lock() = None;
        backoff.reset();
        let useless = Arc::new(Notify::new());
        opened.send_replace(Some(Open {
            connection,
            useless: useless.clone(),
        }));
        tokio::select! {
            () = driver => {}
            () = useless.notified() => {}
        }
        opened.send_replace(None);
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the connection was closed")
}

fn from_value(value: RedisValue) -> Value {
    match value {
        RedisValue::Int(number) => Value::Integer(number),
        RedisValue::BulkString(bytes) => {
            String::from_utf8(bytes).map_or(Value::Nothing, Value::Text)
        }
        RedisValue::SimpleString(text) => Value::Text(text),
        RedisValue::Okay => Value::Text("OK".to_owned()),
        RedisValue::Array(items) => Value::List(items.into_iter().map(from_value).collect()),
        // The others are of a protocol that is not spoken here.
        _ => Value::Nothing,
    }
}
