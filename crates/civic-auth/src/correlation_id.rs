//! New correlation ids. What an id is, and which ids are accepted, is civic-envelope's business.

use civic_envelope::CorrelationId;
use uuid::Uuid;

/// Returns a new correlation id: a random UUID (version 4).
///
/// ```
/// let id = civic_auth::new_correlation_id();
/// assert_eq!(id.as_str().len(), 36);
/// ```
#[must_use]
pub fn new_correlation_id() -> CorrelationId {
    let mut buffer = Uuid::encode_buffer();
    CorrelationId::parse(Uuid::new_v4().hyphenated().encode_lower(&mut buffer))
        .expect("a UUID is 36 hexadecimal digits and dashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_uuid_of_version_4() {
        let id = new_correlation_id();
        assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 4);
        assert_ne!(id, new_correlation_id());
    }
}
