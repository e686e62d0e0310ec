//! What the errors of the library mean.

use crate::error::{Error, ErrorKind};
use crate::store::redis::error::{moving, refusal};

/// Returns what an error of the library means. Its texts name no URL and no password.
pub(super) fn from_fred(error: &fred::error::Error) -> Error {
    use fred::error::ErrorKind as Fred;
    let details = error.details();
    let kind = match error.kind() {
        Fred::Timeout => ErrorKind::Timeout,
        Fred::Protocol | Fred::Parse => ErrorKind::Corrupt,
        Fred::Config | Fred::Url => ErrorKind::Config,
        Fred::Routing if details == "Too many redirections." => return moving(),
        Fred::Auth => refusal(details).unwrap_or(ErrorKind::Refused),
        // The same kinds stand for a connection that ended under a command.
        _ => refusal(details).unwrap_or(ErrorKind::Connection),
    };
    let not_sent = matches!(error.kind(), Fred::Backpressure);
    let error = Error::new(kind, details);
    if not_sent { error.never_sent() } else { error }
}

/// Returns what the library says about a failed connection, in words: it prints the error of
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

#[cfg(test)]
mod tests {
    use super::*;

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
