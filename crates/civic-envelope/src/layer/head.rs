//! What becomes of a response. Its head alone decides.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, response};
use http_body::SizeHint;

use super::meta::EnvelopeMeta;
use super::settings::Settings;
use crate::correlation_id::CorrelationId;
use crate::envelope::Enveloped;
use crate::wire::{ENVELOPE_HEADER, JSON, MARK, NULL, OVERHEAD};

/// Keeps the layer from wrapping a response, if it is in the response's extensions.
///
/// It is an extension and not a header, so that no peer can set it.
///
/// # Example
///
/// ```
/// use civic_envelope::SkipEnvelope;
/// use http::Response;
///
/// let mut response = Response::new("{}");
/// response.extensions_mut().insert(SkipEnvelope);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SkipEnvelope;

/// What the response's treatment needs to know about the request.
#[derive(Debug)]
pub(super) struct Exchange {
    kind: Kind,
    /// The id for the error body of the checked mode. It is looked up in that mode only.
    pub(super) correlation_id: Option<CorrelationId>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The path is excluded, or the connection becomes a tunnel.
    Bypass,
    Head,
    Body,
}

/// What becomes of the response.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Plan {
    Pass,
    Wrap,
    /// The answer to a `HEAD` whose `GET` would be wrapped: the headers without a body.
    WrapHead {
        length: Option<u64>,
    },
    /// The answer to a `HEAD` whose `GET` may be an empty success or anything else. It passes
    /// without a length.
    PassHead,
}

impl Exchange {
    pub(super) fn of<B>(request: &Request<B>, settings: &Settings) -> Self {
        let kind = match *request.method() {
            // A 2xx to CONNECT has no body: the tunnel's bytes follow.
            Method::CONNECT => Kind::Bypass,
            _ if settings.excludes(request.uri().path()) => Kind::Bypass,
            Method::HEAD => Kind::Head,
            _ => Kind::Body,
        };
        let correlation_id = match settings.max_checked_bytes {
            Some(_) => CorrelationId::of_request(request.headers(), request.extensions()),
            None => None,
        };
        Self {
            kind,
            correlation_id,
        }
    }

    /// Returns whether the answer may be wrapped.
    pub(super) fn may_wrap(&self) -> bool {
        self.kind != Kind::Bypass
    }

    pub(super) fn plan(&self, parts: &response::Parts, body: &SizeHint) -> Plan {
        let headers = &parts.headers;
        if self.kind == Kind::Bypass
            || !may_wrap(parts.status)
            || parts.extensions.get::<SkipEnvelope>().is_some()
            || parts.extensions.get::<Enveloped>().is_some()
            || headers.contains_key(ENVELOPE_HEADER)
            || headers.contains_key(header::CONTENT_ENCODING)
            || headers.contains_key(header::CONTENT_RANGE)
        {
            return Plan::Pass;
        }
        let empty = body.exact() == Some(0);
        match (content(headers), self.kind) {
            (Content::Json, Kind::Head) => Plan::WrapHead {
                length: wrapped_length(parts, body),
            },
            (Content::Json, _) => Plan::Wrap,
            (Content::Unnamed, Kind::Head) if empty => match announced_length(headers) {
                Some(0) => Plan::WrapHead {
                    length: wrapped_length(parts, body),
                },
                Some(_) => Plan::Pass,
                None => Plan::PassHead,
            },
            (Content::Unnamed, _) if empty => Plan::Wrap,
            (Content::Unnamed | Content::Other, _) => Plan::Pass,
        }
    }
}

fn may_wrap(status: StatusCode) -> bool {
    status.is_success()
        && !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
        )
}

#[derive(Debug, Eq, PartialEq)]
enum Content {
    Json,
    Unnamed,
    Other,
}

fn content(headers: &HeaderMap) -> Content {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => Content::Unnamed,
        (Some(only), None) if is_json(only.as_bytes()) => Content::Json,
        _ => Content::Other,
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

/// Returns the length that the answer to `GET` would have, for an answer to `HEAD`.
fn wrapped_length(parts: &response::Parts, body: &SizeHint) -> Option<u64> {
    // A body that is present, although it will not be sent, knows better than a header.
    let length = match body.exact() {
        Some(0) | None => announced_length(&parts.headers)?,
        Some(length) => length,
    };
    let payload = if length == 0 {
        NULL.len() as u64
    } else {
        length
    };
    let meta = parts.extensions.get().map_or(0, EnvelopeMeta::length);
    payload.checked_add(OVERHEAD)?.checked_add(meta)
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next()?;
    if lengths.any(|other| other != length) {
        return None;
    }
    let digits = length.to_str().ok()?;
    // `parse` would accept a sign.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Makes the conditions of a request those of the payload, which the handler knows, and not those
/// of the envelope, which the caller has seen.
///
/// A range of the envelope is no range of the payload, so the whole is answered. A tag that was
/// weakened on its way out is strong again where it is compared strongly (RFC 9110 section 13.1.1).
pub(super) fn describe_payload(headers: &mut HeaderMap) {
    let is_condition =
        |name: &HeaderName| [header::RANGE, header::IF_RANGE, header::IF_MATCH].contains(name);
    if !headers.keys().any(is_condition) {
        return;
    }
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    if let header::Entry::Occupied(mut tags) = headers.entry(header::IF_MATCH) {
        for tags in tags.iter_mut() {
            strengthen(tags);
        }
    }
}

/// Makes the headers describe the wrapped body.
pub(super) fn rewrite(parts: &mut response::Parts) {
    let headers = &mut parts.headers;
    // Even if it is right: a stale length splits the response or makes the client wait for ever,
    // and the server writes the right one from the body's size hint.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    describe_data_only(headers);
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(JSON));
    headers.insert(ENVELOPE_HEADER, HeaderValue::from_static(MARK));
    parts.extensions.insert(Enveloped);
}

/// Removes or weakens the fields that describe the payload's bytes and not its meaning.
pub(super) fn describe_data_only(fields: &mut HeaderMap) {
    const DIGESTS: [HeaderName; 4] = [
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("content-md5"),
    ];
    // Most have none of them. To look through a few fields is faster than to ask for each name.
    if !fields
        .keys()
        .any(|name| *name == header::ETAG || DIGESTS.contains(name))
    {
        return;
    }
    for digest in DIGESTS {
        fields.remove(digest);
    }
    if let header::Entry::Occupied(mut tags) = fields.entry(header::ETAG) {
        for tag in tags.iter_mut() {
            weaken(tag);
        }
    }
}

/// Removes the `W/` before each tag of a list.
fn strengthen(tags: &mut HeaderValue) {
    let mut strong = Vec::with_capacity(tags.len());
    let mut rest = tags.as_bytes();
    let mut quoted = false;
    while let Some((byte, after)) = rest.split_first() {
        if !quoted && let Some(tag) = rest.strip_prefix(b"W/\"") {
            quoted = true;
            strong.push(b'"');
            rest = tag;
            continue;
        }
        quoted ^= *byte == b'"';
        strong.push(*byte);
        rest = after;
    }
    if let Ok(strong) = HeaderValue::from_bytes(&strong) {
        *tags = strong;
    }
}

fn weaken(tag: &mut HeaderValue) {
    if tag.as_bytes().starts_with(b"\"") {
        let weak = [b"W/", tag.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            *tag = weak;
        }
    }
}
