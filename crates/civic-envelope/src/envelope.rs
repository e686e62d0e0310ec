//! A success, wrapped by hand.
//!
//! The layer wraps what handlers answer; this type is for code that writes an envelope itself.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::Error;
use crate::wire::{ENVELOPE_HEADER, JSON, MARK, Timestamp};

/// A success: `{"success":true,"data":…,"timestamp":"…"}`.
///
/// The serialized members have the order and the spelling of the platform's Node services. The
/// value of `data` is written by `serde_json`, which spells some numbers differently from
/// JavaScript (`1.0` and `1e21` for `1` and `1e+21`).
///
/// Inside an `EnvelopeLayer`, answer with [`to_response`](Self::to_response), which is marked. The
/// layer treats the same bytes in an unmarked response as a payload, and wraps them again.
///
/// # Example
///
/// ```
/// use civic_envelope::Envelope;
/// use std::time::{Duration, SystemTime};
///
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_934_400);
/// let json = Envelope::new([1, 2]).with_timestamp(noon).to_json()?;
/// assert_eq!(json, r#"{"success":true,"data":[1,2],"timestamp":"2026-02-24T12:00:00.000Z"}"#);
/// # Ok::<(), civic_envelope::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope<T> {
    /// The payload, which is the value of `data`.
    pub data: T,
    timestamp: SystemTime,
}

/// Marks a response that this process wrapped, in the response's extensions. Unlike the header, no
/// upstream can set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enveloped;

impl<T> Envelope<T> {
    /// Wraps `data`, with the present time as the timestamp.
    #[must_use]
    pub fn new(data: T) -> Self {
        Self {
            data,
            timestamp: SystemTime::now(),
        }
    }

    /// Sets the timestamp, which is printed to the millisecond.
    ///
    /// Defaults to the time at which [`new`](Self::new) was called.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: SystemTime) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Returns the timestamp.
    #[must_use]
    pub fn timestamp(&self) -> SystemTime {
        self.timestamp
    }
}

impl<T: Serialize> Envelope<T> {
    /// Returns the envelope's bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if the payload cannot be written as JSON.
    pub fn to_json(&self) -> Result<Bytes, Error> {
        serde_json::to_vec(self)
            .map(Bytes::from)
            .map_err(|error| Error::encode(&error))
    }

    /// Returns a `200 OK` with the envelope as its body, marked, so that no layer wraps it again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if the payload cannot be written as JSON.
    pub fn to_response<B: From<Bytes>>(&self) -> Result<Response<B>, Error> {
        let mut response = Response::new(B::from(self.to_json()?));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ENVELOPE_HEADER, HeaderValue::from_static(MARK));
        response.extensions_mut().insert(Enveloped);
        Ok(response)
    }
}

impl<T: Serialize> Serialize for Envelope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Envelope", 3)?;
        envelope.serialize_field("success", &true)?;
        envelope.serialize_field("data", &self.data)?;
        envelope.serialize_field("timestamp", Timestamp::from(self.timestamp).as_str())?;
        envelope.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_payload_that_is_not_json_is_an_encode_error() {
        let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
        let error = Envelope::new(keyed_by_pairs).to_json().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
    }

    #[test]
    fn a_response_made_by_hand_is_marked() {
        let response = Envelope::new(1).to_response::<Bytes>().unwrap();
        assert_eq!(response.headers()[ENVELOPE_HEADER], "1");
        assert_eq!(
            response.headers()["content-type"],
            "application/json; charset=utf-8"
        );
        assert!(
            response
                .body()
                .starts_with(br#"{"success":true,"data":1,"timestamp":""#)
        );
    }
}
