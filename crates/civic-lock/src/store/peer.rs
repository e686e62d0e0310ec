//! Ticks that a peer has run which knows no watermark: a Node service.
//!
//! Such a peer leaves nothing behind but the key while it runs. Its value says when it came if it
//! has the form `<pid>:<epoch ms>`. A value of any other form, if the job counts it at all, says
//! nothing, so the first sight of it stands for its time.

use serde::{Deserialize, Serialize};

/// When the key of a peer counts as a run of the tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct PeerTerms {
    #[serde(rename = "peers")]
    pub(crate) policy: PeerPolicy,
    /// The peer must have come at this instant or later, in milliseconds since the epoch: the tick,
    /// less how far the clocks may differ.
    #[serde(rename = "peer_from")]
    pub(crate) from: u64,
    /// The peer must have come before this instant: it belongs to the next tick otherwise.
    #[serde(rename = "peer_before")]
    pub(crate) before: u64,
    /// Whether any value that is not of this crate's form may be a peer's.
    #[serde(rename = "foreign")]
    pub(crate) any_form: bool,
}

/// What counts as a run by a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PeerPolicy {
    /// The key itself, even if it expires later without a release.
    Count,
    /// The key, once the peer has released it before its time.
    CountReleased,
}

/// A foreign holder that was seen while a tick was due. Times are milliseconds since the epoch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct PeerSighting {
    pub(crate) first: u64,
    /// When its key expires. `None` if it has no ttl.
    pub(crate) expires: Option<u64>,
    /// The tick that was due.
    pub(crate) tick: u64,
    pub(crate) holder: String,
}

// ===== impl PeerTerms =====

impl PeerTerms {
    /// Whether the value of a peer that was first seen at `first` stands for a run of the tick.
    pub(crate) fn counts(&self, holder: &str, first: u64) -> bool {
        let came = node_time(holder).or_else(|| self.any_form.then_some(first));
        came.is_some_and(|came| self.from <= came && came < self.before)
    }
}

// ===== impl PeerSighting =====

impl PeerSighting {
    /// Reads the field of the Redis hash, see `claim.lua`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        Some(Self {
            first: parts.next()?.parse().ok()?,
            expires: Some(parts.next()?.parse().ok()?).filter(|&expires| expires > 0),
            tick: parts.next()?.parse().ok()?,
            holder: parts.next()?.to_owned(),
        })
    }
}

/// When a holder of the form `<pid>:<epoch ms>` came.
pub(crate) fn node_time(holder: &str) -> Option<u64> {
    let (pid, millis) = holder.split_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(pid) && is_number(millis)).then(|| millis.parse().ok())?
}

/// Whether a holder has this crate's form, `<host>:<pid>:<uuid>:<n>`.
pub(crate) fn is_own_form(holder: &str) -> bool {
    let mut parts = holder.rsplitn(4, ':');
    let (n, uuid, pid, host) = (parts.next(), parts.next(), parts.next(), parts.next());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_uuid =
        |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    n.is_some_and(is_number)
        && uuid.is_some_and(is_uuid)
        && pid.is_some_and(is_number)
        && host.is_some_and(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pid_and_a_time_are_a_nodes_value_and_only_four_parts_are_ours() {
        assert_eq!(node_time("4711:1795668820000"), Some(1_795_668_820_000));
        for other in [
            "4711",
            ":1",
            "1:",
            "a:1",
            "1:a",
            "1:2:3",
            "1:99999999999999999999999",
            "",
        ] {
            assert_eq!(node_time(other), None, "{other:?}");
        }
        let uuid = "0123456789abcdef0123456789abcdef";
        assert!(is_own_form(&format!("web-1:7:{uuid}:12")));
        assert!(is_own_form(&format!("a:b:7:{uuid}:12")));
        for other in [
            format!(":7:{uuid}:12"),
            format!("web:7:{uuid}:"),
            format!("web:x:{uuid}:1"),
            format!("web:7:{}:1", &uuid[1..]),
            "4711:1795668820000".to_owned(),
        ] {
            assert!(!is_own_form(&other), "{other:?}");
        }
    }

    #[test]
    fn a_peer_counts_for_the_tick_that_it_came_for_only() {
        let terms = PeerTerms {
            policy: PeerPolicy::Count,
            from: 95,
            before: 195,
            any_form: false,
        };
        for (holder, counts) in [
            ("1:94", false),
            ("1:95", true),
            ("1:194", true),
            ("1:195", false),
        ] {
            assert_eq!(terms.counts(holder, 100), counts, "{holder}");
        }
        assert!(!terms.counts("worker-7", 100));
        let any = PeerTerms {
            any_form: true,
            ..terms
        };
        assert!(any.counts("worker-7", 100));
        assert!(!any.counts("worker-7", 94));
        assert!(!any.counts("1:94", 100), "its own time is better than ours");
    }
}
