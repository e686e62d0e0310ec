//! The bytes of a recorded result.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The bytes of a recorded result. Cheap to clone. Both stores keep text, so it is written in
/// base64.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Payload(Arc<[u8]>);

impl Payload {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn to_text(&self) -> String {
        STANDARD.encode(&self.0)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(|bytes| Self(bytes.into()))
    }
}

/// Nothing of the result, which may be about people.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<Payload> for String {
    fn from(payload: Payload) -> Self {
        payload.to_text()
    }
}

impl TryFrom<String> for Payload {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("the result is not base64")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_come_back_from_text_and_none_of_them_is_printed(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let payload = Payload::new(&bytes);
            let read = Payload::read(&payload.to_text());
            prop_assert_eq!(read.as_ref(), Some(&payload));
            prop_assert_eq!(format!("{payload:?}"), format!("{} bytes", bytes.len()));
            let json = serde_json::to_string(&payload).expect("a string");
            prop_assert_eq!(serde_json::from_str::<Payload>(&json).expect("its own text"), payload);
        }
    }

    #[test]
    fn what_is_not_base64_is_no_payload() {
        assert_eq!(Payload::read("~"), None);
        assert!(serde_json::from_str::<Payload>(r#""~""#).is_err());
    }
}
