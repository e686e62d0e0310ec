//! What commands are sent through.

use tokio::time::Instant;

use crate::error::Error;
use crate::store::redis::client::connect_failure::ConnectFailure;
use crate::store::redis::client::route::Route;
use crate::store::redis::client::value::Value;

/// A connection to the servers of one URL, which connects again when it breaks, for as long as its
/// runtime lives and until it is closed. The longest pause between two attempts bounds how long a
/// server that is back goes unnoticed: 500 ms.
///
/// Dropping it closes it.
pub(crate) trait Link: Send + Sync + 'static {
    /// One server of several.
    type Node: Send + Sync;

    /// Returns whether it will never connect again: it was closed, or its runtime has ended.
    fn is_finished(&self) -> bool;

    /// Returns whether a command can be sent now, as far as is known. A connection that has broken
    /// without a word counts as connected until it is closed.
    fn is_connected(&self) -> bool;

    /// Waits until it is connected: logged in, and answering.
    ///
    /// # Errors
    ///
    /// Returns why, when it never will be. Attempts that failed are in [`failure`](Self::failure).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    fn connected(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns why the last attempt to connect has failed, in the server's own words if it has said
    /// any; `None` once one has succeeded.
    fn failure(&self) -> Option<ConnectFailure>;

    /// Lists the servers that keep keys.
    fn primaries(&self) -> Vec<Self::Node>;

    /// Sends one command, at most once, and returns its answer.
    ///
    /// One that was not sent when `deadline` has come, or when the future is dropped, is never
    /// sent. Nothing is sent again, whatever the answer: a slot that has moved is an error, and by
    /// the time at which it is returned the new owner of a slot that was MOVED is known.
    ///
    /// # Errors
    ///
    /// An error reply of the server is [`Refused`](crate::ErrorKind::Refused) or
    /// [`WrongType`](crate::ErrorKind::WrongType), with the server's words from the first letter
    /// on. One that says that the server is not one to write to (it is loading, or a replica) makes
    /// the link connect again.
    fn send(
        &self,
        to: Route<'_, Self::Node>,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Value, Error>> + Send;

    /// Ends it, with all commands that wait for an answer.
    fn close(&self);
}
