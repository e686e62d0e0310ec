//! Why an aim is not met, for those of which it is known.

/// Returns why our side costs more than is aimed at.
pub(super) fn reason(what: &str, beside: &str) -> Option<&'static str> {
    REASONS
        .iter()
        .find(|(piece, side, _)| *piece == what && *side == beside)
        .map(|(_, _, why)| *why)
}

const REASONS: &[(&str, &str, &str)] = &[];
