//! Random numbers, good enough to spread load.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a random number.
pub(super) fn random() -> u64 {
    static DRAWS: AtomicU64 = AtomicU64::new(0);
    // Each state has keys of its own, but those of one thread differ only by a counter.
    RandomState::new().hash_one(DRAWS.fetch_add(1, Ordering::Relaxed))
}

/// Puts the items into random order.
pub(super) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = random() % (last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_comes_first_about_as_often_as_any_other() {
        let mut first = [0_u32; 3];
        for _ in 0..3000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items);
            first[items[0]] += 1;
        }
        // Eight standard deviations.
        assert!(
            first.iter().all(|count| (800..1200).contains(count)),
            "{first:?}"
        );
    }
}
