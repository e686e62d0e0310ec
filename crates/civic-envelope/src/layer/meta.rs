//! The optional last member of an envelope.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;

use crate::error::Error;

const BEFORE: &[u8] = br#","meta":"#;

/// The member `meta` of the envelope, if it is in the response's extensions.
///
/// It follows the timestamp: `{"success":true,"data":…,"timestamp":"…","meta":…}`. Clients of the
/// platform ignore it.
///
/// # Example
///
/// ```
/// use civic_envelope::EnvelopeMeta;
/// use http::Response;
///
/// let mut response = Response::new("[1,2]");
/// response.extensions_mut().insert(EnvelopeMeta::new(&["from the archive"])?);
/// # Ok::<(), civic_envelope::Error>(())
/// ```
#[derive(Clone)]
pub struct EnvelopeMeta(Bytes);

impl EnvelopeMeta {
    /// Writes the value of `meta` as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if it cannot be written as JSON.
    pub fn new<T: Serialize + ?Sized>(meta: &T) -> Result<Self, Error> {
        serde_json::to_vec(meta)
            .map(|json| Self(json.into()))
            .map_err(|error| Error::encode(&error))
    }

    /// Returns how many bytes the member adds to an envelope.
    pub(super) fn length(&self) -> u64 {
        (BEFORE.len() + self.0.len()) as u64
    }

    /// Returns the suffix of an envelope with this member in it.
    pub(super) fn after(&self, suffix: &[u8]) -> Bytes {
        let (timestamp, end) = suffix.split_at(suffix.len() - 1);
        let mut bytes = BytesMut::with_capacity(suffix.len() + BEFORE.len() + self.0.len());
        for part in [timestamp, BEFORE, &self.0, end] {
            bytes.put_slice(part);
        }
        bytes.freeze()
    }
}

/// Prints the length only: the contents may be personal.
impl fmt::Debug for EnvelopeMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeMeta({} bytes)", self.0.len())
    }
}
