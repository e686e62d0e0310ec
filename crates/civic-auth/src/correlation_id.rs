//! New correlation ids. What an id is, and which ids are accepted, is civic-envelope's business.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use civic_envelope::CorrelationId;
use uuid::{Builder, Uuid, Variant};

/// The namespace in which an id that is no UUID becomes one.
const NAMESPACE: Uuid = Uuid::from_u128(0xc416_a4a6_4b3a_4da6_9fa7_d822_1a1b_4be1);

/// Returns a new correlation id: a random UUID (version 4).
///
/// ```
/// let id = civic_auth::new_correlation_id();
/// assert_eq!(id.as_str().len(), 36);
/// ```
#[must_use]
pub fn new_correlation_id() -> CorrelationId {
    of_uuid(Uuid::new_v4())
}

/// Returns a correlation id that is a UUID, for an id that came from outside of the fleet.
///
/// The platform's event schemas accept nothing else. A UUID that they accept (zod's `z.uuid()`) is
/// kept, in lower case. Any other text becomes the UUID of version 5 of its bytes in the namespace
/// `c416a4a6-4b3a-4da6-9fa7-d8221a1b4be1` (RFC 9562 section 5.5): the same text becomes the same id
/// on every service, and so can be searched for.
///
/// ```
/// use civic_auth::uuid_correlation_id;
///
/// let kept = uuid_correlation_id(b"3F0E8A52-6C1E-4A3A-9F63-0B1D3F6F6A10");
/// assert_eq!(kept.as_str(), "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10");
/// let made = uuid_correlation_id(b"3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7");
/// assert_eq!(made, uuid_correlation_id(b"3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7"));
/// assert_ne!(made, kept);
/// ```
#[must_use]
pub fn uuid_correlation_id(sent: &[u8]) -> CorrelationId {
    let uuid = str::from_utf8(sent)
        .ok()
        // A form without dashes, in braces or as a URN is a UUID too, but not one of the schemas.
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
        .filter(|uuid| {
            let known = matches!(uuid.get_version_num(), 1..=8);
            uuid.is_nil() || sent == MAX || (known && uuid.get_variant() == Variant::RFC4122)
        });
    of_uuid(uuid.unwrap_or_else(|| version_5(sent)))
}

/// The only spelling of the largest UUID that the schemas accept.
const MAX: &[u8] = b"ffffffff-ffff-ffff-ffff-ffffffffffff";

fn version_5(name: &[u8]) -> Uuid {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(NAMESPACE.as_bytes());
    context.update(name);
    let digest = context.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

fn of_uuid(uuid: Uuid) -> CorrelationId {
    let mut buffer = Uuid::encode_buffer();
    CorrelationId::parse(uuid.hyphenated().encode_lower(&mut buffer))
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

    #[test]
    fn a_uuid_that_the_schemas_accept_is_kept_in_lower_case() {
        for (sent, kept) in [
            (
                "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10",
                "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10",
            ),
            (
                "3F0E8A52-6C1E-7A3A-BF63-0B1D3F6F6A10",
                "3f0e8a52-6c1e-7a3a-bf63-0b1d3f6f6a10",
            ),
            (
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            ),
            (
                "00000000-0000-0000-0000-000000000000",
                "00000000-0000-0000-0000-000000000000",
            ),
            (
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ),
        ] {
            assert_eq!(uuid_correlation_id(sent.as_bytes()).as_str(), kept);
        }
    }

    #[test]
    fn anything_else_becomes_the_uuid_of_version_5_of_its_bytes() {
        let long = "x".repeat(4000);
        for sent in [
            "req-123",
            "",
            "two words",
            "\u{e9}",
            &long,
            // Kong's form, and UUIDs in forms, versions and variants that the schemas refuse.
            "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7",
            "3f0e8a526c1e4a3a9f630b1d3f6f6a10",
            "{3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10}",
            "urn:uuid:3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10",
            " 3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a1",
            "3f0e8a52-6c1e-0a3a-9f63-0b1d3f6f6a10",
            "3f0e8a52-6c1e-9a3a-9f63-0b1d3f6f6a10",
            "3f0e8a52-6c1e-4a3a-7f63-0b1d3f6f6a10",
            "3f0e8a52-6c1e-4a3a-cf63-0b1d3f6f6a10",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            let id = uuid_correlation_id(sent.as_bytes());
            let uuid = Uuid::parse_str(id.as_str()).unwrap();
            assert_eq!(uuid.get_version_num(), 5, "{sent:.50}");
            assert_ne!(id.as_str(), sent);
            assert_eq!(id, uuid_correlation_id(sent.as_bytes()));
        }
        // Computed with another implementation (Python's uuid.uuid5).
        assert_eq!(
            uuid_correlation_id(b"req-123").as_str(),
            "51aa7215-0dff-5070-b64f-7697c01bd809"
        );
    }
}
