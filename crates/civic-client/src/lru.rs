//! A map that forgets what was not used for longest.

use std::collections::HashMap;
use std::hash::Hash;

/// How many entries a map keeps: peers, routes, rate limits or endpoints.
pub(crate) const MAX_ENTRIES: usize = 1024;

/// A map of at most [`MAX_ENTRIES`] entries. The one that was not used for longest makes room.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, (u64, V)>,
    uses: u64,
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            uses: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// Returns the value of `key`, and inserts a new one if there is none.
    pub(crate) fn or_insert_with(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        self.uses += 1;
        if !self.entries.contains_key(key) && self.entries.len() >= MAX_ENTRIES {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let (used, value) = self
            .entries
            .entry(key.clone())
            .or_insert_with(|| (0, new()));
        *used = self.uses;
        value
    }

    /// Returns the value of `key`, if there is one. That is no use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_was_not_used_for_longest_makes_room() {
        let mut map = Lru::default();
        for key in 0..MAX_ENTRIES {
            map.or_insert_with(&key, || key);
        }
        map.or_insert_with(&0, || unreachable!("it is there"));
        map.or_insert_with(&MAX_ENTRIES, || 7);
        assert_eq!(map.entries.len(), MAX_ENTRIES);
        assert!(map.entries.contains_key(&0));
        assert!(!map.entries.contains_key(&1));
    }
}
