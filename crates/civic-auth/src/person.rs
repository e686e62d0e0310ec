//! What is read in the same way of everyone for whom a request is made.

/// Defines the getters of the fields `user_id`, `role`, `municipality_id`, `name` and `expires_at`.
macro_rules! person_getters {
    () => {
        /// Returns the id of the user; the nil UUID for a service.
        #[must_use]
        pub fn user_id(&self) -> &str {
            &self.user_id
        }

        /// Returns the role, which may be one that this version does not know.
        #[must_use]
        pub fn role(&self) -> &RoleClaim {
            &self.role
        }

        /// Returns the municipality, if there is one; `internal` for a service.
        #[must_use]
        pub fn municipality_id(&self) -> Option<&str> {
            self.municipality_id.as_deref()
        }

        /// Returns the name to show.
        #[must_use]
        pub fn name(&self) -> &str {
            &self.name
        }

        /// Returns the second since 1970 at which the token expires.
        #[must_use]
        pub fn expires_at(&self) -> u64 {
            self.expires_at
        }

        /// Returns whether the role is this one or a higher one. An unknown role is neither.
        #[must_use]
        pub fn has_at_least(&self, role: Role) -> bool {
            self.role
                .known()
                .is_some_and(|own| own.level() >= role.level())
        }
    };
}

pub(crate) use person_getters;

/// Returns whether an id could be taken for the nil UUID, which is that of every service.
///
/// Readers of UUIDs differ in where they allow hyphens and braces, and some take `urn:uuid:`
/// before them: what has 32 zeros and nothing else but these is the nil UUID for one of them.
pub(crate) fn is_nil(id: &str) -> bool {
    const URN: &str = "urn:uuid:";
    let id = match id.get(..URN.len()) {
        Some(start) if start.eq_ignore_ascii_case(URN) => &id[URN.len()..],
        _ => id,
    };
    let zeros = id.bytes().filter(|byte| *byte == b'0').count();
    zeros == 32 && id.bytes().all(|byte| b"0-{}".contains(&byte))
}
