//! What the words of a server mean, whichever client library has read them.

use crate::error::{Error, ErrorKind};

/// The text of an error whose answer was MOVED or ASK. Nothing was done.
const MOVING: &str = "the slot of the lock is being moved to another node of the cluster";

/// The error of a command whose slot is at another node, or on the way to one.
pub(crate) fn moving() -> Error {
    Error::new(ErrorKind::Refused, MOVING)
}

pub(super) fn is_unknown_script(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail().starts_with("NOSCRIPT")
}

pub(super) fn is_moving(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail() == MOVING
}

/// Returns what an error reply of the server means; `None` if the text is none, and comes from the
/// client library. Only what the server says is known to have changed nothing.
pub(crate) fn refusal(details: &str) -> Option<ErrorKind> {
    if is_wrong_type(details) {
        Some(ErrorKind::WrongType)
    } else if is_error_reply(details) {
        Some(ErrorKind::Refused)
    } else {
        None
    }
}

/// Returns whether the server says that a key holds something else. Up to Redis 6.2 the error of a
/// command in a script comes in the words of the script: `ERR Error running script (call to f_…):
/// @user_script:31: WRONGTYPE Operation against a key…`.
fn is_wrong_type(details: &str) -> bool {
    details.starts_with("WRONGTYPE")
        || (details.starts_with("ERR Error running script") && details.contains(": WRONGTYPE "))
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
                Some(ErrorKind::WrongType),
            ),
            (
                "ERR Error running script (call to f_4f1): @user_script:31: WRONGTYPE Operation \
                 against a key holding the wrong kind of value",
                Some(ErrorKind::WrongType),
            ),
            (
                "ERR Error running script (call to f_4f1): @user_script:31: -OOM command not \
                 allowed when used memory > 'maxmemory'.",
                Some(ErrorKind::Refused),
            ),
            ("Connection reset by peer (os error 104)", None),
        ] {
            assert_eq!(refusal(details), kind, "{details}");
        }
    }
}
