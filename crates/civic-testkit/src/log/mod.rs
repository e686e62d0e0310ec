//! Capture of log lines, spans and events, for tests that read them.
//!
//! A test starts a [`Capture`], does its work on its own thread, and reads what was logged:
//!
//! ```
//! use civic_testkit::log::Capture;
//!
//! let capture = Capture::start();
//! tracing::warn!(attempt = 2, "trying again");
//! assert!(capture.text().contains("trying again"));
//! assert_eq!(capture.events()[0].fields.get("attempt"), Some("2"));
//! ```
//!
//! # Why not `tracing::subscriber::set_default` alone
//!
//! `tracing` remembers, once per process and callsite, whether any subscriber is interested in it.
//! If a callsite is first reached on a thread without a subscriber while another thread captures,
//! the remembered answer can be "none", and the other thread misses its events: a test that fails
//! in a few runs of a hundred. With a subscriber without a filter as the default of the whole
//! process, there always is an interested one. [`install`] sets it once.
//!
//! # What is not captured
//!
//! What other threads log. `#[tokio::test]` runs on one thread unless told otherwise.

mod capture;
mod record;

pub use self::capture::{Capture, install};
pub use self::record::{Event, Fields, Span};
