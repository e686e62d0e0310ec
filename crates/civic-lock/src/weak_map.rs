//! Values that live for as long as they are used, by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

const FIRST_SWEEP: usize = 64;

/// Values that live for as long as they are used, by key. The keys of those that are gone are
/// removed when the map has doubled, so that a new key costs the same however many there are.
#[derive(Debug)]
pub(crate) struct WeakMap<K, V> {
    entries: HashMap<K, Weak<V>>,
    sweep_at: usize,
}

impl<K: Clone + Eq + Hash, V> WeakMap<K, V> {
    /// Returns the value of a key if it is usable, and makes one otherwise.
    pub(crate) fn share(
        &mut self,
        key: &K,
        is_usable: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> V,
    ) -> Arc<V> {
        let found = self.entries.get(key).and_then(Weak::upgrade);
        if let Some(value) = found.filter(|value| is_usable(value)) {
            return value;
        }
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, value| value.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(self.entries.len() * 2);
        }
        let value = Arc::new(make());
        self.entries.insert(key.clone(), Arc::downgrade(&value));
        value
    }
}

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_used_is_shared_and_one_that_is_not_is_forgotten() {
        let mut map = WeakMap::default();
        let one = map.share(&1, |_| true, || 10);
        assert!(Arc::ptr_eq(&one, &map.share(&1, |_| true, || 11)));
        assert_eq!(*map.share(&1, |_| false, || 12), 12, "no longer usable");
        for key in 2..10_000 {
            map.share(&key, |_| true, || key);
        }
        assert!(
            map.entries.len() <= 2 * FIRST_SWEEP,
            "{}",
            map.entries.len()
        );
    }

    #[test]
    fn a_new_key_does_not_look_at_all_that_are_used() {
        let mut map = WeakMap::default();
        let mut sweeps = 0;
        let mut used = Vec::new();
        for key in 0..10_000 {
            let before = map.sweep_at;
            used.push(map.share(&key, |_| true, || key));
            sweeps += usize::from(map.sweep_at != before);
        }
        assert!(sweeps < 10, "{sweeps} sweeps");
    }
}
