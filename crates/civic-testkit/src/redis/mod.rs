//! Real redis-server processes, each on its own port and in its own folder.
//!
//! The program is `$CIVIC_REDIS_SERVER`, or `redis-server` on the `PATH`. Without one the test
//! fails, and names the command that installs it: a lock that was not tested against a server was
//! not tested. A server is killed when its handle is dropped.

mod cluster;
mod ports;
mod resp;
mod sentinel;
mod server;

pub use self::cluster::RedisCluster;
pub use self::ports::free_port;
pub use self::resp::{Reply, command};
pub use self::sentinel::RedisSentinel;
pub use self::server::RedisServer;
