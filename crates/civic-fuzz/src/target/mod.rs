//! The targets, one per file.

mod checked;
mod error_body;
#[cfg(feature = "native")]
mod native;
mod splice;
mod support;
mod unwrap;

use crate::Target;

/// Those of civic-envelope, which are Rust all the way down.
const ENVELOPE: &[Target] = &[
    Target::new("unwrap", unwrap::run),
    Target::new("error_body", error_body::run),
    Target::new("checked", checked::run),
    Target::new("splice", splice::run),
];

#[cfg(feature = "native")]
const NATIVE: &[Target] = native::ALL;

#[cfg(not(feature = "native"))]
const NATIVE: &[Target] = &[];

pub(crate) fn all() -> impl Iterator<Item = &'static Target> {
    NATIVE.iter().chain(ENVELOPE)
}
