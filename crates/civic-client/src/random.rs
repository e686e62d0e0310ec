//! Random numbers, good enough to spread load.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a random number.
pub(crate) fn random() -> u64 {
    static DRAWS: AtomicU64 = AtomicU64::new(0);
    // Each state has keys of its own, but those of one thread differ only by a counter.
    RandomState::new().hash_one(DRAWS.fetch_add(1, Ordering::Relaxed))
}

/// Puts the items into random order.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = random() % (last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

/// A sequence of random numbers that its seed decides: SplitMix64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to 1, excluding 1.
    pub(crate) fn unit(&mut self) -> f64 {
        // An `f64` holds 53 bits exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
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

    #[test]
    fn a_sequence_is_that_of_its_seed_and_fills_its_range() {
        let draws = |seed| {
            let mut sequence = Sequence::new(seed);
            let mut counts = [0_u32; 4];
            for _ in 0..4000 {
                assert!((0.0..1.0).contains(&sequence.unit()));
                counts[sequence.below(4)] += 1;
            }
            counts
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert!(draws(7).iter().all(|count| (850..1150).contains(count)));
        assert_eq!(Sequence::new(7).below(0), 0);
    }
}
