//! Whether locks are safe on a server, by what it says of itself.

use crate::error::Error;
use crate::store::redis::client::value::Value;

/// The first version whose scripts may read the clock before they write.
const OLDEST_MAJOR: u32 = 5;

/// Warns of what the answer to `INFO` shows. A server that does not answer is not judged: an
/// account may not be allowed to ask.
pub(super) fn report(info: Result<Value, Error>) {
    match info {
        Ok(info) => {
            for finding in findings(&info.into_text().unwrap_or_default()) {
                tracing::warn!("locks are not safe on this Redis: {finding}");
            }
        }
        Err(error) => {
            tracing::debug!(%error, "cannot ask Redis whether locks are safe on it");
        }
    }
}

/// What is wrong with a server, in words, by its answer to `INFO`.
pub(super) fn findings(info: &str) -> Vec<String> {
    let value = |name: &str| {
        let mut values = info.lines().filter_map(|line| line.split_once(':'));
        values.find_map(|(key, value)| (key == name).then_some(value.trim()))
    };
    let mut findings = Vec::new();
    let policy = value("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && value("maxmemory").is_some_and(|limit| limit != "0") {
        findings.push(format!(
            "maxmemory-policy is {policy}, so it may evict a lock that is held, and then two \
             holders have it. Set maxmemory-policy to noeviction, or use another Redis for locks"
        ));
    }
    if value("role") == Some("slave") {
        findings.push(
            "it is a replica, which accepts no lock. Use the URL of its primary, or one of Sentinel"
                .to_owned(),
        );
    }
    let version = value("redis_version").unwrap_or_default();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST_MAJOR) {
        findings.push(format!(
            "its version is {version}, and {OLDEST_MAJOR} is the oldest"
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use civic_testkit::log::Capture;
    use civic_testkit::redis::RedisServer;
    use tracing::Level;

    use super::*;
    use crate::service::LockService;

    #[test]
    fn what_makes_locks_unsafe_is_said_and_nothing_else() {
        let healthy = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\n\
                       maxmemory_policy:allkeys-lru\r\n";
        assert_eq!(
            findings(healthy),
            Vec::<String>::new(),
            "without a limit nothing is evicted"
        );
        for (before, after, says) in [
            ("maxmemory:0", "maxmemory:3000000", "allkeys-lru"),
            ("role:master", "role:slave", "replica"),
            ("7.0.15", "4.0.14", "4.0.14"),
        ] {
            let found = findings(&healthy.replace(before, after));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(says), "{found:?}");
        }
        assert_eq!(findings(""), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_redis_that_may_evict_a_lock_is_warned_about() {
        let server = RedisServer::start().await;
        for setting in [["maxmemory", "100mb"], ["maxmemory-policy", "volatile-ttl"]] {
            server
                .command(&["CONFIG", "SET", setting[0], setting[1]])
                .await;
        }
        let log = Capture::start();
        let warnings = || {
            let events = log.events().into_iter();
            let warnings = events.filter(|event| event.level == Level::WARN);
            warnings
                .filter(|event| format!("{event:?}").contains("volatile-ttl"))
                .count()
        };
        let service = LockService::builder()
            .redis_url(server.url())
            // A connection that a busy machine keeps from answering would be replaced.
            .command_timeout(Duration::from_secs(10))
            .build()
            .expect("a valid URL");
        service.ping().await.expect("it answers");
        while warnings() == 0 {
            tokio::task::yield_now().await;
        }
        service.ping().await.expect("it answers");
        assert_eq!(warnings(), 1, "once per connection");
    }
}
