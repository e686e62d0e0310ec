//! What is wrong with one field of a request.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// What is wrong with one field of a request: `{"field","message"}` on the wire.
///
/// ```
/// use civic_envelope::ErrorDetail;
///
/// let detail = ErrorDetail::new("owner.email", "is not an email address");
/// assert_eq!(detail.field(), "owner.email");
/// assert_eq!(detail.message(), "is not an email address");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ErrorDetail {
    field: String,
    message: String,
}

impl ErrorDetail {
    /// Creates a detail from the path of a field and what is wrong with its value.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Returns the path of the field, for example `owner.email`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns what is wrong with the field's value.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Serialize for ErrorDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut detail = serializer.serialize_struct("ErrorDetail", 2)?;
        detail.serialize_field("field", &self.field)?;
        detail.serialize_field("message", &self.message)?;
        detail.end()
    }
}
