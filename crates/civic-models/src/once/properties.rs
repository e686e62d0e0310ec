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
/// At least once: it is finished in the end.
pub const COMPLETED: &str = "in the end the execution is finished, in doubt, or was given up";
/// Without faults there is no doubt.
pub const CALM: &str = "without faults no execution is in doubt";
/// It can be finished.
pub const FINISHED: &str = "the execution is finished";
/// A second process can finish it.
pub const TAKEN_OVER: &str = "the execution is begun by one process and finished by another";
