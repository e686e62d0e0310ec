//! What is to be done next with a body that is read.

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The next piece of the body is needed.
    More,
    /// Others should have their turn before the rest is decompressed.
    #[cfg(feature = "gzip")]
    Yield,
    /// The body is longer than the cap.
    TooLarge,
    /// The body is not what its headers say.
    #[cfg(feature = "gzip")]
    Corrupt,
}
