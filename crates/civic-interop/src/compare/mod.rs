//! `--compare`: replays reads against a Node service and against the Rust service that takes its
//! place, and reports every difference.
//!
//! | part | what it does |
//! |---|---|
//! | `options` | the command line |
//! | `reads` | which requests are replayed |
//! | `caller` | who asks |
//! | `target` | one of the two services |
//! | `comparison` | the replay |
//! | `masked` | an answer without what is different each time: times and made-up ids |
//! | `differences` | what is different between two answers |
//!
//! Only reads are replayed. Nothing of a body is printed, unless `--show-values` asks for it: what
//! a service answers may be about a person.

mod caller;
mod comparison;
mod differences;
mod masked;
mod options;
mod reads;
mod target;

pub(crate) use self::caller::{Caller, MINTED_BEFORE};
pub(crate) use self::comparison::{compare, run};
pub(crate) use self::differences::Values;
pub(crate) use self::options::CompareOptions;
pub(crate) use self::reads::{Read, roll_reads, variants};
pub(crate) use self::target::Target;
