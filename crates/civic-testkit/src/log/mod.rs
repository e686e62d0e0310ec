//! Capture of log lines, spans and events, for tests that read them.
//!
//! A test starts a [`Capture`], does its work on its own thread, and reads what was said:
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
//! `tracing` remembers, once per process and per callsite, whether any subscriber wants to hear of
//! it. Where a callsite is first reached on a thread without a subscriber, while another test
//! starts or ends a subscriber for its own thread, the remembered answer can be "no one", and the
//! other test misses its event: red in a few runs of a hundred, and only on a busy machine. With a
//! subscriber without any filter as the default of the whole process, the answer is always
//! "someone". [`install`] sets it, once.
//!
//! # What is not captured
//!
//! What other threads say. `#[tokio::test]` runs on one thread unless told otherwise.

mod capture;
mod record;

pub use self::capture::{Capture, install};
pub use self::record::{Event, Fields, Span};
