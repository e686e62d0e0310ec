//! The name by which the other side of a connection is spoken to.

use std::sync::Arc;

/// The name by which the other side of a connection is spoken to, and which its certificate has to
/// be made out for, in the extensions of a request. Without it, that is the host of the URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerName(pub(crate) Arc<str>);
