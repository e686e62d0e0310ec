//! A map that forgets what was not used for longest.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// How many entries a map keeps: peers, pools, routes, rate limits or endpoints.
pub(crate) const MAX_ENTRIES: usize = 1024;

/// A map of at most [`MAX_ENTRIES`] entries. The one that was not used for longest makes room.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    /// Where the entry of each key is.
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    /// Where the entry is that was used last. Most often it is used again, and then no key is
    /// hashed.
    last: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    used: u64,
    value: V,
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            entries: Vec::new(),
            last: 0,
            uses: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// Returns the value of `key`, and inserts a new one if there is none.
    pub(crate) fn or_insert_with(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        let place = match self.place(key) {
            Some(place) => place,
            None => self.insert(key, new()),
        };
        self.last = place;
        self.uses += 1;
        let entry = &mut self.entries[place];
        entry.used = self.uses;
        &mut entry.value
    }

    /// Returns the value of `key`, if there is one. That is no use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key)?;
        Some(&mut self.entries[place].value)
    }

    fn place(&self, key: &K) -> Option<usize> {
        let last = self.entries.get(self.last);
        if last.is_some_and(|entry| entry.key == *key) {
            return Some(self.last);
        }
        self.places.get(key).copied()
    }

    /// Inserts an entry, and returns where it is.
    fn insert(&mut self, key: &K, value: V) -> usize {
        let entry = Entry {
            key: key.clone(),
            used: 0,
            value,
        };
        let mut place = self.entries.len();
        if place < MAX_ENTRIES {
            self.entries.push(entry);
        } else {
            let oldest = self.entries.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, entry)| entry.used);
            place = oldest.map_or(0, |(place, _)| place);
            let forgotten = mem::replace(&mut self.entries[place], entry);
            self.places.remove(&forgotten.key);
        }
        self.places.insert(key.clone(), place);
        place
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
        assert_eq!(map.places.len(), MAX_ENTRIES);
        assert_eq!(map.get_mut(&0), Some(&mut 0));
        assert_eq!(map.get_mut(&1), None);
        assert_eq!(map.get_mut(&MAX_ENTRIES), Some(&mut 7));
        assert_eq!(*map.or_insert_with(&1, || 8), 8);
        assert_eq!(map.get_mut(&2), None);
    }
}
