//! The promises of `once`.

/// At most once: one effect.
pub const ONE_EFFECT: &str = "an at-most-once key has one effect at most";
/// A finished execution stays as it is.
pub const FINAL: &str = "what is recorded as finished is never changed";
/// A finished execution is not begun again.
pub const DONE: &str = "a finished execution is not begun again";
/// Who begins again has a larger fence.
pub const FENCE: &str = "an execution that is begun again has a larger fence";
/// An error is no completion.
pub const ERROR: &str = "what is recorded as finished had its effect";
/// Another call under the same key is told so.
pub const CROSSED: &str = "no call is answered with the result of another one";
/// An error frees the execution of its own holder.
pub const CONFINED: &str = "no holder gives back the execution of another one";
/// An operator's word is about one attempt.
pub const RESOLVED: &str = "an operator ends the attempt that was seen and no other";
/// The record of a run outlives its lease.
pub const RECORDED: &str = "the last holder to begin can record its result";
/// At least once: it is finished in the end.
pub const COMPLETED: &str = "in the end the execution is finished, in doubt, or was given up";
/// Without faults there is no doubt.
pub const CALM: &str = "without faults no execution is in doubt";
/// It can be finished.
pub const FINISHED: &str = "the execution is finished";
/// A second process can finish it.
pub const TAKEN_OVER: &str = "the execution is begun by one process and finished by another";
