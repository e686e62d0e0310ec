//! The process that runs a transition.

/// The process that runs a transition, as a state records it beside its holder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    /// The boot of the machine: a lease of another boot has ended.
    pub(crate) boot: String,
    /// The name of the file that the process keeps locked for as long as it lives.
    pub(crate) liveness_file: String,
}
