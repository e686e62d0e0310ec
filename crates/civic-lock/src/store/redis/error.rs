//! What the client library's errors mean.

use crate::error::{Error, ErrorKind};

/// The text of an error whose answer was MOVED or ASK. Nothing was done.
const MOVING: &str = "the slot of the lock is being moved to another node of the cluster";

pub(super) fn is_unknown_script(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail().starts_with("NOSCRIPT")
}

pub(super) fn is_moving(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail() == MOVING
}

/// Returns what an error of the client library means. Its texts name no URL and no password.
pub(super) fn from_client(error: &fred::error::Error) -> Error {
    use fred::error::ErrorKind as Client;
    let details = error.details().to_owned();
    let kind = match error.kind() {
        Client::Timeout => ErrorKind::Timeout,
        Client::Protocol | Client::Parse => ErrorKind::Corrupt,
        Client::Config | Client::Url => ErrorKind::Config,
        _ if details.starts_with("WRONGTYPE") => ErrorKind::WrongType,
        Client::Auth => ErrorKind::Refused,
        Client::Routing if details == "Too many redirections." => {
            return Error::new(ErrorKind::Refused, MOVING);
        }
        // The same kinds stand for a connection that ended under a command. Only what the server
        // says is known to have changed nothing.
        _ if is_error_reply(&details) => ErrorKind::Refused,
        _ => ErrorKind::Connection,
    };
    Error::new(kind, details)
}

/// Returns whether a text is an error reply of the server, such as `OOM command not allowed…` or
/// `READONLY You can't write…`: a word in capitals comes first.
fn is_error_reply(details: &str) -> bool {
    let word = details.split(' ').next().unwrap_or_default();
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}
