//! Which addresses of a peer an attempt had better not go to.

use std::net::IpAddr;

/// Which addresses of a peer an attempt had better not go to. It goes there all the same if the
/// peer has no better one.
#[derive(Debug)]
pub(super) struct Avoided {
    /// Those that have asked for time.
    pub(super) paused: Vec<IpAddr>,
    /// Those that earlier attempts of the call used.
    pub(super) used: Vec<IpAddr>,
}

impl Avoided {
    /// Returns how much is against an address: the less, the better.
    pub(super) fn weight(&self, ip: IpAddr) -> u8 {
        // What an address says about itself weighs more than how one attempt ended.
        2 * u8::from(self.paused.contains(&ip)) + u8::from(self.used.contains(&ip))
    }

    /// Returns whether less is against another one of `ips`.
    pub(super) fn leaves_better(&self, ip: IpAddr, ips: &[IpAddr]) -> bool {
        let weight = self.weight(ip);
        weight > 0 && ips.iter().any(|&other| self.weight(other) < weight)
    }
}
