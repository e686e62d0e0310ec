//! What happens if the value in a response breaks the rules of its type.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;

use civic_auth::CorrelationId;
use garde::{Report, Validate};
use http::Method;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::url_template::UrlTemplate;

/// How many broken rules a log line contains.
const MAX_LOGGED: usize = 20;

/// How many bytes of each rule. A path may contain the key of a map, which can be as long as the
/// whole response.
const MAX_RULE_BYTES: usize = 200;

/// What happens if the value in a response breaks the rules of its type.
///
/// The structure of a value is the business of serde, and one of another structure is always an
/// error. The rules beyond that are garde's. In development, a broken rule is an error. In
/// production, it is logged (paths and messages, **never values**) and the value is returned,
/// because a value that is slightly wrong serves a user better than none. The call is not retried
/// in either mode: the same value would come again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Validation {
    /// The call fails with [`ErrorKind::Validation`].
    Enforce,
    /// The broken rules are logged, and the value is returned.
    Warn,
}

impl Validation {
    /// Returns [`Warn`](Self::Warn) if `NODE_ENV` is exactly `production`, else
    /// [`Enforce`](Self::Enforce).
    #[must_use]
    pub fn from_env() -> Self {
        Self::of_node_env(env::var_os("NODE_ENV").as_deref())
    }

    fn of_node_env(value: Option<&OsStr>) -> Self {
        if value == Some(OsStr::new("production")) {
            Self::Warn
        } else {
            Self::Enforce
        }
    }

    /// Returns `value` if it keeps its rules, or if they are not enforced.
    pub(crate) fn check<T>(
        self,
        value: T,
        method: &Method,
        template: &UrlTemplate,
        id: Option<&CorrelationId>,
    ) -> Result<T, Error>
    where
        T: Validate,
        T::Context: Default,
    {
        match value.validate() {
            Ok(()) => Ok(value),
            Err(report) if self == Self::Enforce => {
                Err(Error::new(ErrorKind::Validation).with_source(report))
            }
            Err(report) => {
                tracing::event!(
                    target: "civic_client::validation",
                    tracing::Level::WARN,
                    http.request.method = method.as_str(),
                    url.template = template.as_str(),
                    correlation_id = id.map(CorrelationId::as_str),
                    broken = report.iter().count(),
                    rules = summary(&report),
                    "the value in the response breaks the rules of its type"
                );
                Ok(value)
            }
        }
    }
}

/// The broken rules, each quoted: a path may contain the keys of a map, which are the peer's.
fn summary(report: &Report) -> String {
    let mut text = String::new();
    for (path, error) in report.iter().take(MAX_LOGGED) {
        let separator = if text.is_empty() { "" } else { ", " };
        let mut rule = format!("{path}: {error}");
        rule.truncate(rule.floor_char_boundary(MAX_RULE_BYTES));
        let _ = write!(text, "{separator}{rule:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_peers_does_not_decide_how_long_a_log_line_is() {
        let mut report = Report::new();
        for _ in 0..100 {
            let path = garde::Path::new("é".repeat(100_000));
            report.append(path, garde::Error::new("too long"));
        }
        let text = summary(&report);
        assert!(text.len() <= 8192, "{}", text.len());
        assert!(text.starts_with("\"éé"));
    }

    #[test]
    fn only_node_env_exactly_production_warns() {
        let of = |value: &str| Validation::of_node_env(Some(OsStr::new(value)));
        assert_eq!(of("production"), Validation::Warn);
        for value in [
            "",
            "Production",
            "PRODUCTION",
            "production ",
            "prod",
            "development",
            "test",
        ] {
            assert_eq!(of(value), Validation::Enforce, "{value:?}");
        }
        assert_eq!(Validation::of_node_env(None), Validation::Enforce);
    }
}
