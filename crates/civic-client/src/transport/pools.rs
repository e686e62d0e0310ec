//! The pools of all peers.

use std::sync::{Arc, Mutex, PoisonError};

use http::uri::{Authority, Scheme};

use crate::lru::Lru;
use crate::observe::{Observer, Teller};
use crate::transport::config::TransportConfig;
use crate::transport::pool::Pool;
use crate::transport::target::Target;

/// The pools of all peers. Beyond 1024 authorities, the connections of the least recently used one
/// are closed.
#[derive(Debug, Default)]
pub(super) struct Pools(Mutex<Lru<Key, Arc<Pool>>>);

/// What a connection is good for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    scheme: Scheme,
    authority: Authority,
    /// By which name the other side is spoken to, if it is not the host: its certificate was
    /// checked for that. In lower case.
    name: Option<Arc<str>>,
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
            name: target.other_name(),
        };
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.or_insert_with(&key, || {
            Arc::new(Pool::new(config, Teller::new(&target.authority, observer)))
        });
        Arc::clone(pool)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::transport::server_name::ServerName;

    #[tokio::test(start_paused = true)]
    async fn at_most_1024_authorities_have_connections_and_the_least_recently_used_one_loses_them()
    {
        let (pools, config) = (Pools::default(), TransportConfig::new());
        let target = |place: &str| {
            let request = Request::get(format!("http://{place}/")).body(()).unwrap();
            Target::of(&request).unwrap()
        };
        let always = pools.of(&target("always:80"), &config, None);
        let mut others = Vec::new();
        for number in 0..3000 {
            let other = pools.of(&target(&format!("host-{number}:80")), &config, None);
            others.push(Arc::downgrade(&other));
            // A host is the same host in capitals.
            assert!(Arc::ptr_eq(
                &always,
                &pools.of(&target("ALWAYS:80"), &config, None)
            ));
        }
        let kept: Vec<_> = others.iter().map(|pool| pool.strong_count() > 0).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 1023);
        assert!(!kept[0] && kept[2999]);
    }

    #[tokio::test]
    async fn another_name_is_another_pool_in_whatever_letters() {
        let (pools, config) = (Pools::default(), TransportConfig::new());
        let pool = |name: Option<&str>| {
            let mut request = Request::get("http://roll:80/").body(()).unwrap();
            if let Some(name) = name {
                request.extensions_mut().insert(ServerName(name.into()));
            }
            pools.of(&Target::of(&request).unwrap(), &config, None)
        };
        let own = pool(None);
        assert!(Arc::ptr_eq(&own, &pool(Some("Roll"))));
        let other = pool(Some("other"));
        assert!(!Arc::ptr_eq(&own, &other));
        assert!(Arc::ptr_eq(&other, &pool(Some("OTHER"))));
    }
}
