//! How a connection is opened.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{AsyncConnectionConfig, ConnectionAddr, RedisConnectionInfo, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::error::{Error, ErrorKind};
use crate::store::redis::client::redis_rs::connection::{Connection, primaries};
use crate::store::redis::client::redis_rs::error::from_redis;
use crate::store::redis::client::redis_rs::place::Place;

/// How many commands may wait until they can be written.
const MAX_QUEUED: usize = 10_000;

/// A socket, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that is logged in.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// What has to be polled for it to work. Ends with the connection.
    pub(super) driver: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Connects, logs in, and waits until the server answers.
pub(super) async fn open(place: &Place, limit: Duration) -> Result<Opened, Error> {
    match place.cluster(limit)? {
        None => open_one(place).await,
        Some(cluster) => open_cluster(&cluster)
            .await
            .map_err(|error| from_redis(&error)),
    }
}

/// Its nodes are connected again by the library, so it ends only with its last clone.
async fn open_cluster(cluster: &ClusterClient) -> RedisResult<Opened> {
    let mut connection = cluster.get_async_connection().await?;
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    let slots = connection.route_command(command, any).await?;
    let primaries = primaries(slots.extract_error()?);
    Ok(Opened {
        connection: Connection::Cluster(connection, primaries),
        driver: Box::pin(pending()),
    })
}

async fn open_one(place: &Place) -> Result<Opened, Error> {
    let config = AsyncConnectionConfig::new()
        // The caller has a deadline.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(MAX_QUEUED);
    // Without a login: the library would drop the words with which it is refused.
    let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
    let stream = stream(place).await?;
    let (mut connection, driver) = MultiplexedConnection::new_with_config(&nothing, stream, config)
        .await
        .map_err(|error| from_redis(&error))?;
    let mut driver: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(driver);
    tokio::select! {
        biased;
        logged_in = log_in(&mut connection, place) => logged_in?,
        () = &mut driver => {
            return Err(Error::new(ErrorKind::Connection, "the server closed the connection"));
        }
    }
    Ok(Opened {
        connection: Connection::One(connection),
        driver,
    })
}

/// Logs in, and waits until the server answers: one that is loading does not yet.
async fn log_in(connection: &mut MultiplexedConnection, place: &Place) -> Result<(), Error> {
    let settings = place.settings();
    let mut commands = Vec::new();
    if let Some(password) = settings.password() {
        let mut auth = redis::cmd("AUTH");
        if let Some(user) = settings.username() {
            auth.arg(user);
        }
        auth.arg(password);
        commands.push(auth);
    }
    if settings.db() != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(settings.db());
        commands.push(select);
    }
    commands.push(redis::cmd("PING"));
    for command in commands {
        let answer: Result<Value, _> = command.query_async(connection).await;
        match answer.map_err(|error| from_redis(&error)) {
            Ok(_) => {}
            // An account that may not ask is answered, and that is enough.
            Err(error) if error.detail().starts_with("NOPERM") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A connection that can listen to channels, logged in.
pub(super) async fn open_listening(place: &Place) -> Result<PubSub, Error> {
    let stream = stream(place).await?;
    PubSub::new(place.settings(), stream)
        .await
        .map_err(|error| from_redis(&error))
}

async fn stream(place: &Place) -> Result<Box<dyn Stream>, Error> {
    let ConnectionAddr::Tcp(host, port) = place.address().await? else {
        return Err(Error::config("the address is none of TCP"));
    };
    let failed = |error: io::Error| Error::new(ErrorKind::Connection, error.to_string());
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    #[cfg(feature = "tls")]
    if let Some(tls) = place.tls() {
        let stream = tls.encrypt(host, stream).await.map_err(failed)?;
        return Ok(Box::new(stream));
    }
    Ok(Box::new(stream))
}
