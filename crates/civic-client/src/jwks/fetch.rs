//! One fetch of a set: what is asked, and what is believed of the answer.

use std::time::Duration;

use civic_auth::KeySet;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;

use super::freshness::max_age;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::{ServiceClient, StreamedAnswer};
use crate::url_template::UrlTemplate;

/// The largest set that is read: what [`KeySet::from_jwks`] reads.
const MAX_BYTES: usize = 64 * 1024;

/// How long a fetch may take, with all of its attempts.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an attempt may take. Two of them fit into a fetch.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Fetches a set.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: ServiceClient,
    path: UrlTemplate,
}

/// What a fetch has found.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The set is the one that has this tag.
    Unchanged { max_age: Option<Duration> },
    /// A set, whose keys are bound to no one.
    Set {
        keys: KeySet,
        etag: Option<HeaderValue>,
        max_age: Option<Duration>,
    },
}

// ===== impl Fetcher =====

impl Fetcher {
    pub(super) const fn new(client: ServiceClient, path: UrlTemplate) -> Self {
        Self { client, path }
    }

    /// Fetches the set, unless it is still the one with this tag.
    pub(super) async fn fetch(&self, etag: Option<HeaderValue>) -> Result<Fetched, Error> {
        timeout(FETCH_TIMEOUT, self.exchange(etag))
            .await
            .unwrap_or_else(|_| {
                let detail = format!("the key set did not arrive within {FETCH_TIMEOUT:?}");
                Err(Error::new(ErrorKind::Timeout).with_detail(detail))
            })
    }

    async fn exchange(&self, etag: Option<HeaderValue>) -> Result<Fetched, Error> {
        let mut request = self
            .client
            .get(self.path.clone())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .timeout(ATTEMPT_TIMEOUT)
            .deadline(FETCH_TIMEOUT);
        if let Some(etag) = &etag {
            request = request.header(IF_NONE_MATCH, etag.clone());
        }
        let mut answer = match request.send_stream().await {
            Ok(answer) => answer,
            Err(error) if error.status() == Some(StatusCode::NOT_MODIFIED) => {
                if etag.is_none() {
                    return Err(unfit("the answer is 304, and no etag was sent"));
                }
                let max_age = error.headers().and_then(max_age);
                return Ok(Fetched::Unchanged { max_age });
            }
            Err(error) => return Err(error),
        };
        if answer.status() != StatusCode::OK {
            return Err(unfit("a key set is the whole of an answer with status 200"));
        }
        check_type(answer.headers())?;
        let json = read(&mut answer).await?;
        let keys = KeySet::from_jwks(&json)
            .map_err(|error| Error::new(ErrorKind::Decode).with_source(error))?;
        Ok(Fetched::Set {
            keys,
            etag: answer.headers().get(ETAG).cloned(),
            max_age: max_age(answer.headers()),
        })
    }
}

/// Reads the body up to its cap. Beyond it, the connection is closed.
async fn read(answer: &mut StreamedAnswer) -> Result<Vec<u8>, Error> {
    let mut json = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if json.len() + chunk.len() > MAX_BYTES {
            let detail = format!("a key set has at most {MAX_BYTES} bytes");
            return Err(Error::new(ErrorKind::BodyTooLarge).with_detail(detail));
        }
        json.extend_from_slice(&chunk);
    }
    Ok(json)
}

fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(one), None) => one.as_bytes().split(|byte| *byte == b';').next(),
        _ => None,
    };
    let is_set = essence.is_some_and(|essence| {
        let essence = essence.trim_ascii();
        essence.eq_ignore_ascii_case(b"application/jwk-set+json")
            || essence.eq_ignore_ascii_case(b"application/json")
    });
    if !is_set {
        return Err(unfit(
            "the content type of the answer is neither application/jwk-set+json nor \
             application/json; check the URL",
        ));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(unfit("the key set is compressed, which was not asked for"));
    }
    Ok(())
}

fn unfit(detail: &str) -> Error {
    Error::new(ErrorKind::Protocol).with_detail(detail)
}
