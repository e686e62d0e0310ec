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
        _ if is_wrong_type(&details) => ErrorKind::WrongType,
        Client::Auth => ErrorKind::Refused,
        Client::Routing if details == "Too many redirections." => {
            return Error::new(ErrorKind::Refused, MOVING);
        }
        // The same kinds stand for a connection that ended under a command. Only what the server
        // says is known to have changed nothing.
        _ if is_error_reply(&details) => ErrorKind::Refused,
        _ => ErrorKind::Connection,
    };
    let not_sent = matches!(error.kind(), Client::Backpressure);
    let error = Error::new(kind, details);
    if not_sent { error.never_sent() } else { error }
}

/// Returns whether the server says that a key holds something else. Up to Redis 6.2 the error of a
/// command in a script comes in the words of the script: `ERR Error running script (call to f_…):
/// @user_script:31: WRONGTYPE Operation against a key…`.
fn is_wrong_type(details: &str) -> bool {
    details.starts_with("WRONGTYPE")
        || (details.starts_with("ERR Error running script") && details.contains(": WRONGTYPE "))
}

/// Returns what the client library says about a failed connection, in words: it prints the error of
/// the operating system as a structure.
pub(super) fn in_words(details: &str) -> String {
    let between = |before: &str, after: &str| {
        let rest = details.split_once(before)?.1;
        Some(rest.split_once(after)?.0)
    };
    if details.starts_with("Os {")
        && let Some(code) = between("code: ", ",").and_then(|code| code.parse().ok())
    {
        return std::io::Error::from_raw_os_error(code).to_string();
    }
    match between("error: ", " }") {
        Some(error) if details.starts_with("Custom {") => error.trim_matches('"').to_owned(),
        _ => details.to_owned(),
    }
}

/// Returns whether a text is an error reply of the server, such as `OOM command not allowed…` or
/// `READONLY You can't write…`: a word in capitals comes first.
fn is_error_reply(details: &str) -> bool {
    let word = details.split(' ').next().unwrap_or_default();
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_holds_no_lock_is_told_apart_in_every_version_of_redis() {
        for (details, kind) in [
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value script: 4f1, on \
                 @user_script:31.",
                ErrorKind::WrongType,
            ),
            (
                "ERR Error running script (call to f_4f1): @user_script:31: WRONGTYPE Operation \
                 against a key holding the wrong kind of value",
                ErrorKind::WrongType,
            ),
            (
                "ERR Error running script (call to f_4f1): @user_script:31: -OOM command not \
                 allowed when used memory > 'maxmemory'.",
                ErrorKind::Refused,
            ),
        ] {
            let error = fred::error::Error::new(fred::error::ErrorKind::Unknown, details);
            assert_eq!(from_client(&error).kind(), kind, "{details}");
        }
    }

    #[test]
    fn a_failed_connection_is_told_in_words() {
        for (details, words) in [
            (
                "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }",
                "Connection refused (os error 111)",
            ),
            (
                "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }",
                "InvalidCertificate(UnknownIssuer)",
            ),
            (
                "Custom { kind: Other, error: \"failed to lookup address\" }",
                "failed to lookup address",
            ),
            ("Unable to connect", "Unable to connect"),
        ] {
            assert_eq!(in_words(details), words);
        }
    }
}
