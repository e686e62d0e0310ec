//! A connection that is up, to one server or to a Cluster.

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route as LibraryRoute, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, RedisResult, Value};

use crate::store::redis::client::route::Route;

/// A connection that is logged in. Cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    /// The library opens a connection to each node, and looks after them.
    Cluster(ClusterConnection, Vec<Node>),
}

/// Names one server of several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// Stands for the only server.
    Only,
    /// Names a node of a Cluster.
    At { host: String, port: u16 },
}

impl Connection {
    /// Lists the servers that keep keys; in a Cluster, those of the time at which it was opened.
    pub(super) fn primaries(&self) -> Vec<Node> {
        match self {
            Self::One(_) => vec![Node::Only],
            Self::Cluster(_, primaries) => primaries.clone(),
        }
    }

    /// Sends a command. One whose future is dropped before it was written is not written.
    pub(super) async fn send(&mut self, to: Route<'_, Node>, command: Cmd) -> RedisResult<Value> {
        let connection = match self {
            Self::One(connection) => return command.query_async(connection).await,
            Self::Cluster(connection, _) => connection,
        };
        let to = match to {
            Route::Key(key) => {
                SingleNodeRoutingInfo::SpecificNode(LibraryRoute::with_key(key, SlotAddr::Master))
            }
            Route::Node(Node::At { host, port }) => SingleNodeRoutingInfo::ByAddress {
                host: host.clone(),
                port: *port,
            },
            Route::Node(Node::Only) => SingleNodeRoutingInfo::RandomPrimary,
        };
        let answer = connection
            .route_command(command, RoutingInfo::SingleNode(to))
            .await?;
        answer.extract_error()
    }
}

/// Reads the primaries of the answer to `CLUSTER SLOTS`. One without a name is the one that
/// answers, and is left out: no Cluster of more than one node has such.
pub(super) fn primaries(slots: Value) -> Vec<Node> {
    let mut found = Vec::new();
    let Value::Array(ranges) = slots else {
        return found;
    };
    for range in ranges {
        let Value::Array(range) = range else { continue };
        // The first and the last slot, the primary, its replicas.
        let Some(Value::Array(primary)) = range.into_iter().nth(2) else {
            continue;
        };
        let [Value::BulkString(host), Value::Int(port), ..] = &primary[..] else {
            continue;
        };
        let (Ok(host), Ok(port)) = (String::from_utf8(host.clone()), u16::try_from(*port)) else {
            continue;
        };
        let node = Node::At { host, port };
        if !found.contains(&node) {
            found.push(node);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    #[test]
    fn each_primary_of_a_cluster_is_listed_and_no_replica() {
        let answer = b"*3\r\n\
            *4\r\n:0\r\n:99\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nr\r\n:9\r\n\
            *3\r\n:100\r\n:199\r\n*2\r\n$1\r\nb\r\n:2\r\n\
            *3\r\n:200\r\n:299\r\n*2\r\n$1\r\na\r\n:1\r\n";
        let answer = parse_redis_value(answer).expect("an answer");
        let at = |host: &str, port| Node::At {
            host: host.to_owned(),
            port,
        };
        assert_eq!(primaries(answer), [at("a", 1), at("b", 2)]);
    }
}
