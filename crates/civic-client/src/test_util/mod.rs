//! Peers for the tests of your own client.
//!
//! - [`Upstream`]: a scripted peer on a real socket. It can do what no library for servers does:
//!   reset a connection, stop in the middle of a body, speak no HTTP.
//! - [`InProcess`]: a peer in this process, such as an axum `Router`, without a socket:
//!   [`ServiceClientBuilder::build_in_process`](crate::ServiceClientBuilder::build_in_process).
//!
//! They are behind the feature `test-util`, which belongs into `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! civic-client = { version = "0.1", features = ["test-util"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! With `#[tokio::test(start_paused = true)]` the waits between attempts, the timeouts and the
//! delays of a script take no time, and are exact.
//!
//! What is wrong with a test, such as an empty script, panics.

mod in_process;
mod upstream;

pub use self::in_process::{InProcess, InProcessFuture};
pub use self::upstream::{Attempt, Refusing, Step, Upstream};
