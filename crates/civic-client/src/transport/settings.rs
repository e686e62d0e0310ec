//! What a transport was made with.

use std::sync::Arc;

use crate::observe::Observer;
use crate::transport::config::TransportConfig;
use crate::transport::resolve::DynResolve;
use crate::transport::security::Security;
use crate::wall_clock::WallClock;

/// What a transport was made with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: TransportConfig,
    pub(super) resolver: Arc<dyn DynResolve>,
    pub(super) clock: WallClock,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) security: Security,
}
