//! What the errors of the library mean.

use redis::{ErrorKind as Library, RedisError, ServerErrorKind};

use crate::error::{Error, ErrorKind};
use crate::store::redis::error::{moving, refusal};

/// Returns what an error of the library means. Its texts name no URL and no password.
pub(super) fn from_redis(error: &RedisError) -> Error {
    let details = words(error);
    let kind = match error.kind() {
        Library::Server(ServerErrorKind::Ask | ServerErrorKind::Moved) => return moving(),
        Library::Server(_) | Library::Extension => refusal(&details).unwrap_or(ErrorKind::Refused),
        Library::AuthenticationFailed => ErrorKind::Refused,
        Library::Parse | Library::UnexpectedReturnType => ErrorKind::Corrupt,
        Library::InvalidClientConfig => ErrorKind::Config,
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ => ErrorKind::Connection,
    };
    Error::new(kind, details)
}

/// Returns whether a server says that it is not one to write to, now or at all.
pub(super) fn is_wrong_server(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        Library::Server(
            ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        )
    )
}

/// Returns the server's own words, if it is a server that speaks: the library takes them apart.
fn words(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    fn read(reply: &str) -> RedisError {
        let value = parse_redis_value(format!("-{reply}\r\n").as_bytes()).expect("an error reply");
        value.extract_error().expect_err("an error reply")
    }

    #[test]
    fn an_error_reply_keeps_the_words_of_the_server() {
        for (reply, kind) in [
            ("WRONGTYPE Operation against a key", ErrorKind::WrongType),
            ("NOSCRIPT No matching script.", ErrorKind::Refused),
            ("ERR max number of clients reached", ErrorKind::Refused),
            ("OOM command not allowed", ErrorKind::Refused),
            ("NOAUTH Authentication required.", ErrorKind::Refused),
            ("LOADING Redis is loading the dataset", ErrorKind::Refused),
            ("READONLY You can't write", ErrorKind::Refused),
        ] {
            let error = from_redis(&read(reply));
            assert_eq!((error.kind(), error.detail()), (kind, reply));
            assert!(!error.is_ambiguous(), "{reply}: nothing was done");
        }
    }

    #[test]
    fn only_a_server_that_may_be_replaced_makes_the_link_connect_again() {
        for (reply, expected) in [
            ("LOADING Redis is loading the dataset", true),
            ("READONLY You can't write", true),
            ("MASTERDOWN Link with MASTER is down", true),
            ("NOSCRIPT No matching script.", false),
            ("WRONGTYPE Operation against a key", false),
        ] {
            assert_eq!(is_wrong_server(&read(reply)), expected, "{reply}");
        }
    }
}
