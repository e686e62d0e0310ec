//! What a source was told when it was built, and its bounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use civic_auth::Profile;

use super::event::JwksEvent;

/// The shortest time between two fetches that tokens have caused.
pub(super) const MIN_GAP: Duration = Duration::from_secs(10);

/// The shortest time after which a set is fetched again, whatever its `max-age`. Its half is longer
/// than [`MIN_GAP`]: while tokens cause fetches, there are no others.
pub(super) const MIN_REFRESH: Duration = Duration::from_secs(30);

/// Over how long the fetches of many processes are spread that see a new key at the same time. With
/// the fetch itself it has to fit into the second for which a request waits.
pub(super) const SPREAD: Duration = Duration::from_millis(500);

/// The most requests that wait for one fetch.
pub(super) const MAX_WAITING: usize = 1024;

/// Settings that never change.
pub(super) struct Settings {
    pub(super) issuer: Arc<str>,
    pub(super) profile: Profile,
    /// How often the set is fetched, where it does not ask for more.
    pub(super) refresh_every: Duration,
    /// How long the keys are used after the publisher was last seen to have them.
    pub(super) max_stale: Duration,
    pub(super) observer: Option<Arc<dyn Fn(&JwksEvent<'_>) + Send + Sync>>,
}

impl Settings {
    pub(super) fn tell(&self, event: &JwksEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("profile", &self.profile)
            .field("refresh_every", &self.refresh_every)
            .field("max_stale", &self.max_stale)
            .finish_non_exhaustive()
    }
}
