//! A body as it is read.

#[cfg(feature = "gzip")]
use std::io;

use bytes::Bytes;
use http::HeaderMap;
#[cfg(feature = "gzip")]
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::response::Parts;
#[cfg(feature = "gzip")]
use http::{HeaderName, HeaderValue, StatusCode};

#[cfg(feature = "gzip")]
use crate::broken_off::broken_off;
use crate::error::Error;
use crate::layer::collect_body::collected::Collected;
#[cfg(feature = "gzip")]
use crate::layer::collect_body::gzip::{Inflating, compressed_cap, is_gzip};
use crate::layer::collect_body::layer::Codings;
use crate::layer::collect_body::step::Step;

/// What says something of the compressed bytes that is not so of the decompressed ones (RFC 9110,
/// sections 8.4 and 8.6; RFC 9530; what came before it in RFC 3230 and RFC 1864).
#[cfg(feature = "gzip")]
const OF_THE_COMPRESSED: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// A body as it is read.
#[derive(Debug)]
pub(super) enum Reading {
    Plain {
        read: Collected,
        /// Whether the whole of what arrived was kept.
        fits: bool,
    },
    #[cfg(feature = "gzip")]
    Gzip(Box<Inflating>),
}

impl Reading {
    /// Begins to read the body of a response with this head.
    pub(super) fn new(head: &Parts, codings: Codings, cap: usize) -> Self {
        match codings {
            #[cfg(feature = "gzip")]
            Codings::Gzip
                if head.status != StatusCode::PARTIAL_CONTENT && is_gzip(&head.headers) =>
            {
                Self::Gzip(Box::new(Inflating::new(cap)))
            }
            _ => {
                // Only a body that can be decoded is looked at.
                let _ = head;
                let _ = cap;
                Self::Plain {
                    read: Collected::Nothing,
                    fits: true,
                }
            }
        }
    }

    /// Returns how many bytes may arrive.
    pub(super) fn arriving_cap(&self, cap: usize) -> usize {
        match self {
            Self::Plain { .. } => cap,
            #[cfg(feature = "gzip")]
            Self::Gzip(_) => compressed_cap(cap),
        }
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, data: Bytes, cap: usize) {
        match self {
            Self::Plain { read, fits } => *fits &= read.push(data, cap),
            #[cfg(feature = "gzip")]
            Self::Gzip(inflating) => inflating.push(data),
        }
    }

    /// Works off what was pushed.
    pub(super) fn advance(&mut self) -> Step {
        match self {
            Self::Plain { fits: true, .. } => Step::More,
            Self::Plain { fits: false, .. } => Step::TooLarge,
            #[cfg(feature = "gzip")]
            Self::Gzip(inflating) => inflating.advance(),
        }
    }

    /// Judges whether a body that has ended is whole.
    pub(super) fn ended_well(&self) -> Result<(), Error> {
        match self {
            Self::Plain { .. } => Ok(()),
            // Without a length, its own format is all that says so.
            #[cfg(feature = "gzip")]
            Self::Gzip(inflating) if inflating.is_cut() => {
                let text = "the compressed body ends before its end";
                Err(broken_off(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    text,
                )))
            }
            #[cfg(feature = "gzip")]
            Self::Gzip(_) => Ok(()),
        }
    }

    /// Returns whether what was read is what the peer sent, byte for byte.
    pub(super) fn is_verbatim(&self) -> bool {
        matches!(self, Self::Plain { .. })
    }

    /// Returns what was read, and makes the headers say what it is.
    pub(super) fn take(&mut self, headers: &mut HeaderMap) -> Bytes {
        match self {
            Self::Plain { read, .. } => {
                let _ = headers;
                read.take()
            }
            #[cfg(feature = "gzip")]
            Self::Gzip(inflating) => {
                // Those of the answer to HEAD describe that to GET.
                if inflating.has_begun() {
                    for describes_the_compressed in OF_THE_COMPRESSED {
                        headers.remove(describes_the_compressed);
                    }
                    weaken(headers);
                }
                inflating.take()
            }
        }
    }
}

/// Makes a strong validator a weak one: it was of the compressed bytes (RFC 9110, section 8.8.1).
#[cfg(feature = "gzip")]
fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get_mut(ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}
