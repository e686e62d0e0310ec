//! Leader election: one leader among the replicas that campaign under one name.
//!
//! # What is promised
//!
//! - **One leader**, as long as the store loses no lock: an election is a lease on the lock of the
//!   same name, and adds no command to the store. What is promised of a [`Lease`](crate::Lease) is
//!   promised of a [`Leadership`].
//! - The leader is **told before** its lease can end elsewhere: [`Leadership::lost`] returns and
//!   [`Election::is_leader`] is false by then. Under
//!   [`run_while_leader`](Election::run_while_leader) the work is dropped at that moment.
//! - A leader that **crashes** is followed within its ttl and 250 ms.
//! - A leader that **resigns** is followed at once by a candidate that hears the hint, and by one
//!   that does not within 5 s.
//! - Candidates **wait quietly**: the first one of each process looks when the lease can have
//!   ended, and otherwise once every 2.5 s to 5 s.
//! - While the store is **unavailable no one is elected**, even if the service is told to fail
//!   open; candidates go on as soon as it answers again.
//!
//! # What is not promised
//!
//! - **Not that a process that was stopped does nothing.** A leader that is stopped for longer than
//!   its ttl is told when it goes on. What it writes until then can only be refused by the
//!   resource, by the [fence](Leadership::fence).
//! - **Not that an observer is up to date.** What [`Observer`] shows was true a moment ago.

mod election;
mod leadership;
mod observer;
mod pace;
mod terms;

pub use self::election::{Election, Term};
pub use self::leadership::Leadership;
pub use self::observer::{Leader, Observation, Observer};
