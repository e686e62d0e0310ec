//! What has become of POSTs with keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::injected::Injected;

/// The facts of the part.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Posts {
    /// How many were to be sent: the numbers from 0 on.
    pub(crate) posts: u64,
    /// Whether the store may lose what it has acknowledged.
    pub(crate) loses: bool,
    /// How many starts of a service have warned of it, and how many have not.
    pub(crate) warned: u64,
    pub(crate) silent: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) ends: Vec<End>,
    /// The answers when everything was asked again, after the faults.
    pub(crate) again: Vec<End>,
    pub(crate) callers: Injected,
    pub(crate) proxies: Injected,
    pub(crate) services: Injected,
    pub(crate) server_kills: u64,
}

/// An effect that a service has made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Effect {
    /// The number of the request.
    pub(crate) n: u64,
    /// The name of the effect, which no other one has.
    pub(crate) effect: String,
}

/// How a caller's call has ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct End {
    pub(crate) n: u64,
    pub(crate) how: How,
    /// How often it was asked, beside the retries of the client.
    #[serde(default)]
    pub(crate) asked: u32,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub(crate) enum How {
    /// An answer of the handler, which names the request and the effect.
    Answer {
        of: u64,
        effect: String,
        replayed: bool,
    },
    /// 409, for good.
    InDoubt { code: String },
    /// An error with a type.
    Error { kind: String, status: Option<u16> },
    /// The answer to another body under the same key.
    OtherBody { status: Option<u16> },
}

// ===== impl Posts =====

impl Facts for Posts {
    fn counts(&self) -> Vec<(String, u64)> {
        let ended =
            |is: fn(&How) -> bool| self.ends.iter().filter(|end| is(&end.how)).count() as u64;
        let mut counts = vec![
            ("POSTs".to_owned(), self.posts),
            ("effects".to_owned(), self.effects.len() as u64),
            (
                "ended with the answer".to_owned(),
                ended(|how| matches!(how, How::Answer { .. })),
            ),
            (
                "… of these replayed".to_owned(),
                ended(|how| matches!(how, How::Answer { replayed: true, .. })),
            ),
            (
                "ended in doubt".to_owned(),
                ended(|how| matches!(how, How::InDoubt { .. })),
            ),
        ];
        let mut errors = BTreeMap::<String, u64>::new();
        for end in &self.ends {
            if let How::Error { kind, status } = &end.how {
                let status = status
                    .map(|status| format!(" {status}"))
                    .unwrap_or_default();
                *errors.entry(format!("{kind}{status}")).or_default() += 1;
            }
        }
        let of_errors = errors
            .into_iter()
            .map(|(error, times)| (format!("ended with an error: {error}"), times));
        counts.extend(of_errors);
        counts.extend([
            (
                "other bodies under a key, refused".to_owned(),
                ended(|how| matches!(how, How::OtherBody { .. })),
            ),
            ("asked again afterwards".to_owned(), self.again.len() as u64),
            ("callers killed".to_owned(), self.callers.kills),
            ("proxies killed".to_owned(), self.proxies.kills),
            ("services killed".to_owned(), self.services.kills),
            ("services stopped".to_owned(), self.services.stops),
            ("server killed".to_owned(), self.server_kills),
            (
                "services that warned of lost writes".to_owned(),
                self.warned,
            ),
        ]);
        counts
    }
}
