//! Real redis-server processes, each with a port and a folder of its own.
//!
//! The program is `$CIVIC_REDIS_SERVER`, or `redis-server` on the `PATH`. Where there is none the
//! test fails, with the command that installs it: a lock that was not tried against a server was
//! not tried. A server is killed when its handle is dropped.

mod cluster;
mod resp;
mod sentinel;
mod server;

pub use self::cluster::RedisCluster;
pub use self::resp::{Reply, command};
pub use self::sentinel::RedisSentinel;
pub use self::server::RedisServer;
