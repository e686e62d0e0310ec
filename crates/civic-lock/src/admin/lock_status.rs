//! A lock as an operator sees it.

use std::time::Duration;

use crate::name::LockName;
use crate::scheduler::Tick;
use crate::store::answer::Peeked;

/// A lock as it was a moment ago.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LockStatus {
    /// Its name, without the namespace.
    pub name: LockName,
    /// The value under the key. `None` if the lock is free.
    pub holder: Option<String>,
    /// How long the key stays unless it is renewed. A foreign key may have no ttl.
    pub ttl: Option<Duration>,
    /// The last fencing token that was given out. `None` if none is known.
    pub fence: Option<u64>,
    /// The store's clock.
    pub store_time: Tick,
}

impl LockStatus {
    pub(super) fn new(name: LockName, peeked: &Peeked) -> Self {
        Self {
            name,
            holder: peeked.holder.clone(),
            ttl: peeked.ttl,
            fence: Some(peeked.fence).filter(|&fence| fence > 0),
            store_time: Tick::from_millis(peeked.now),
        }
    }
}
