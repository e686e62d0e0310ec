//! Random numbers that are the same in every run and on every machine.

/// Draws numbers from one seed.
///
/// SplitMix64, written out so that no dependency can change the stream and with it the report.
/// Streams of different purposes come from [`Random::stream`], so that a policy that draws more
/// often does not shift the load that the others see.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates the stream number `stream` of a seed.
    #[must_use]
    pub fn stream(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed ^ stream.wrapping_mul(0xA24B_AED4_963E_E407));
        Self(mixed.bits())
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double can hold.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number in `0..bound`, or 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The bias of a remainder is below 2^-50 for the bounds that are used here.
        (self.bits() % (bound.max(1) as u64)) as usize
    }
}
