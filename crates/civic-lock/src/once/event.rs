//! What happens to executions, for the metrics of a process.

/// What happened to an execution in this process, see [`LockEvent::Once`](crate::LockEvent::Once).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OnceEvent {
    /// This process begins the work.
    Begun,
    /// This process begins the work that another holder had begun, and whose holder is gone.
    TakenOver,
    /// The work has ended, and its result is recorded.
    Completed,
    /// A call was answered with the recorded result.
    Replayed,
    /// A call was answered that another holder runs the work.
    Running,
    /// A call was answered that no one knows what became of the work. Alarm when this grows.
    InDoubt,
    /// A call was refused, because the key belongs to another one.
    Different,
    /// The work has failed or has done nothing: it may be begun again.
    Forgotten,
    /// This process leaves at-least-once work without an end: the next one begins it again.
    Abandoned,
    /// This process leaves at-most-once work without an end, and so in doubt.
    LeftInDoubt,
    /// The work has ended, and the store has not confirmed its result.
    Unrecorded,
    /// An operator has ended an execution.
    Resolved,
}

impl OnceEvent {
    /// Returns a stable name in `kebab-case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::TakenOver => "taken-over",
            Self::Completed => "completed",
            Self::Replayed => "replayed",
            Self::Running => "running",
            Self::InDoubt => "in-doubt",
            Self::Different => "different",
            Self::Forgotten => "forgotten",
            Self::Abandoned => "abandoned",
            Self::LeftInDoubt => "left-in-doubt",
            Self::Unrecorded => "unrecorded",
            Self::Resolved => "resolved",
        }
    }
}
