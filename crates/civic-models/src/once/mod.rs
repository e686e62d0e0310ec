//! Once: work that is executed under a key, and never again once it is finished.
//!
//! Processes begin the execution of one key, do its effect, and record
//! that it is finished. A holder that dies leaves it to the next process (at least once), or in
//! doubt (at most once), which an operator may end. A holder that was only stopped may still record
//! its result, as long as no other has begun since. An error of the work is no completion: the key
//! is free again. A record ends with its retention.

mod actions;
mod model;
mod properties;
mod record;
mod scope;
mod state;
mod transitions;

pub use self::actions::Action;
pub use self::model::OnceModel;
pub use self::properties::{
    CALM, COMPLETED, CONFINED, CROSSED, DONE, ERROR, FENCE, FINAL, FINISHED, ONE_EFFECT, RECORDED,
    RESOLVED, TAKEN_OVER,
};
pub use self::record::{Answer, Author, Command, Phase, Record};
pub(crate) use self::scope::FOR_EVER;
pub use self::scope::Scope;
pub use self::state::{Message, Process, Run, State, Work};
