//! Which keys of services without this crate count as a run of a tick.

/// Whether a tick that a Node service has run counts as done.
///
/// A Node service that shares the name of the job leaves nothing behind but the key while it runs.
/// A run that began and ended between two looks of all replicas cannot be seen, and the tick is run
/// again.
///
/// Exhaustive on purpose: there is no fourth choice.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Peers {
    /// A tick counts as done once a replica has seen the key of a peer that came for it. This is
    /// the default: nothing is run twice. What a peer that died has not done is not done.
    #[default]
    Count,
    /// A tick counts as done if the peer has released the key before its ttl was over. What a peer
    /// that died may have done is done again.
    CountReleased,
    /// Keys of peers only keep the tick waiting, and it is run when they are gone.
    Ignore,
}

/// How the value of a peer's key looks.
///
/// Exhaustive on purpose: there is no third form.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PeerForm {
    /// `<pid>:<epoch ms>`, as the Node services of the platform write it: it says when the peer
    /// came. This is the default.
    #[default]
    PidAndTime,
    /// Any value that is not of this crate's form. The first sight of it stands for its time.
    Any,
}
