//! What makes a body an envelope: the mode of the unwrap together with the headers.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Recognition {
    /// The body is marked, so it must be an envelope.
    Mark,
    /// The whole shape decides.
    Shape,
    /// The two members `success` and `data` decide.
    TwoKeys,
    /// The body is the payload.
    Never,
}
