//! What an answer says about its data.

use axum::response::{IntoResponseParts, ResponseParts};
use civic_envelope::{EnvelopeMeta, Failure};
use serde::Serialize;

/// The member `meta` of an answer's envelope.
///
/// A handler returns it before its body:
///
/// ```
/// use civic_server::{Json, Meta};
///
/// async fn handler() -> (Meta<&'static str>, Json<[u8; 2]>) {
///     (Meta("from the archive"), Json([1, 2]))
/// }
/// ```
///
/// It has no effect on an answer without an envelope. A value that cannot be serialized is answered
/// with 500.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<T>(pub T);

impl<T: Serialize> IntoResponseParts for Meta<T> {
    type Error = Failure;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Failure> {
        let meta = EnvelopeMeta::new(&self.0).map_err(Failure::internal)?;
        parts.extensions_mut().insert(meta);
        Ok(parts)
    }
}
