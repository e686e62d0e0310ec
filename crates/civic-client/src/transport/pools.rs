//! The pools of all peers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::{Authority, Scheme};
use tokio::time::Instant;

use crate::observe::{Observer, Teller};
use crate::transport::config::TransportConfig;
use crate::transport::pool::Pool;
use crate::transport::target::Target;

/// For how many authorities connections are kept; beyond it those of the least recently used one
/// are closed.
const MAX_POOLS: usize = 1024;

/// The pools of all peers.
#[derive(Debug, Default)]
pub(super) struct Pools(Mutex<HashMap<Key, Entry>>);

/// What a connection is good for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    scheme: Scheme,
    authority: Authority,
    /// By which name the other side is spoken to: its certificate was checked for that.
    name: String,
}

#[derive(Debug)]
struct Entry {
    used: Instant,
    pool: Arc<Pool>,
}

impl Pools {
    /// Returns the pool of connections to `target`.
    pub(super) fn of(
        &self,
        target: &Target,
        config: &TransportConfig,
        observer: Option<&Arc<dyn Observer>>,
    ) -> Arc<Pool> {
        let key = Key {
            scheme: target.scheme.clone(),
            authority: target.authority.clone(),
            name: target.server_name().to_ascii_lowercase(),
        };
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        if let Some(entry) = pools.get_mut(&key) {
            entry.used = used;
            return Arc::clone(&entry.pool);
        }
        while pools.len() >= MAX_POOLS {
            let oldest = pools.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            pools.remove(&oldest);
        }
        let pool = Arc::new(Pool::new(config, Teller::new(&target.authority, observer)));
        let entry = Entry {
            used,
            pool: Arc::clone(&pool),
        };
        pools.insert(key, entry);
        pool
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_1024_authorities_have_connections_and_the_least_recently_used_one_loses_them()
    {
        let (pools, config) = (Pools::default(), TransportConfig::new());
        let target = |place: &str| {
            let request = Request::get(format!("http://{place}/")).body(()).unwrap();
            Target::of(&request).unwrap()
        };
        let always = pools.of(&target("always:80"), &config, None);
        for number in 0..3000 {
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
            pools.of(&target(&format!("host-{number}:80")), &config, None);
            // A host is the same host in capitals.
            assert!(Arc::ptr_eq(
                &always,
                &pools.of(&target("ALWAYS:80"), &config, None)
            ));
        }
        let kept = pools.0.lock().unwrap();
        assert_eq!(kept.len(), MAX_POOLS);
        assert!(kept.keys().all(|key| key.name != "host-0"));
    }
}
