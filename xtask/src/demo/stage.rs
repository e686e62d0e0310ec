//! The running services that the scenes play with.

use std::net::SocketAddr;

use super::process::Fleet;
use super::tap::Tap;
use super::token;

/// The running services and what the scenes need of them.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    /// Credentials that were used: no log may hold their signatures.
    pub(super) signatures: Vec<String>,
    pub(super) billing: SocketAddr,
    pub(super) roll: SocketAddr,
    /// Between `billing` and `assessment-roll`.
    pub(super) tap: Tap,
}

// ===== impl Stage =====

impl Stage {
    /// Mints a token with the operator's tool, and remembers that no log may hold it.
    pub(super) fn mint(&mut self, arguments: &[&str]) -> Result<String, String> {
        let fleet = self.fleet.clone();
        self.mint_with(&fleet, arguments)
    }

    /// [`mint`](Self::mint) with another environment: another secret, say.
    pub(super) fn mint_with(
        &mut self,
        fleet: &Fleet,
        arguments: &[&str],
    ) -> Result<String, String> {
        let minted = fleet.civic(&[&["token", "mint"], arguments].concat())?;
        if !minted.status.success() {
            return Err(format!("token mint {arguments:?}: {}", minted.stderr));
        }
        let token = minted.stdout.trim().to_owned();
        self.signatures.push(token::signature(&token).to_owned());
        Ok(token)
    }
}
