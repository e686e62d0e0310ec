//! What the models promise of themselves: that they find what is broken, and that their store does
//! what the scripts of civic-lock do.

mod broken_builds;
mod catalogue;
mod program;
mod scripts;
mod support;
