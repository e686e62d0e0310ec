//! The layer, and how much it reads.

#[cfg(doc)]
use crate::error_kind::ErrorKind;

/// Reads the whole body of each response: never half of one, and never more than the cap.
///
/// - A success (2xx) whose body is longer than the cap is [`ErrorKind::BodyTooLarge`]; one whose
///   body breaks off is [`ErrorKind::Transport`]. A `Content-Length` over the cap is refused before
///   a byte is read.
/// - Any other response counts with its status alone. Its body is read, so that the connection can
///   be used again, but only up to a cap of its own and for 1 s, or for as long as the attempt has
///   left if that is less; a body that is longer, slower or breaks off is cut there. What the peer
///   decided matters more than how it explained it: a 404 whose body hangs is a 404, and not a
///   timeout that would be retried.
/// - The body of a success that was asked for as a stream
///   ([`send_stream`](crate::RequestBuilder::send_stream)) is not read: the caller reads it.
///
/// The layer belongs inside of the attempt timeout: outside, nothing would limit the time of the
/// body.
#[derive(Clone, Copy, Debug)]
pub struct CollectBodyLayer {
    pub(super) caps: Caps,
    pub(super) codings: Codings,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) success: usize,
    pub(super) error: usize,
}

impl Caps {
    /// Returns the cap of a success, or of any other response.
    pub(super) const fn of(self, success: bool) -> usize {
        if success { self.success } else { self.error }
    }
}

/// Which codings of a body are undone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Codings {
    None,
    #[cfg(feature = "gzip")]
    Gzip,
}

impl CollectBodyLayer {
    /// Creates a layer with the caps of the envelope: 16 MiB and 64 KiB.
    #[must_use]
    pub const fn new() -> Self {
        let (success, error) = (
            civic_envelope::MAX_SUCCESS_BYTES,
            civic_envelope::MAX_ERROR_BYTES,
        );
        Self {
            caps: Caps { success, error },
            codings: Codings::None,
        }
    }

    /// Sets the largest body of a success, in bytes.
    ///
    /// Defaults to 16 MiB.
    #[must_use]
    pub const fn with_max_success(mut self, bytes: usize) -> Self {
        self.caps.success = bytes;
        self
    }

    /// Sets how much of any other body is read, in bytes.
    ///
    /// Defaults to 64 KiB.
    #[must_use]
    pub const fn with_max_error(mut self, bytes: usize) -> Self {
        self.caps.error = bytes;
        self
    }

    /// Asks for compressed bodies, and decompresses them.
    ///
    /// - A request carries `accept-encoding: gzip`, unless it has an `accept-encoding` of its own,
    ///   asks for a `range`, or asks for a stream.
    /// - A body with `content-encoding: gzip` is decompressed, and the response loses that header
    ///   and its `content-length`, which are those of the compressed body. A part of a body (206)
    ///   stays as it is.
    /// - **The caps count decompressed bytes.** A body that would inflate to more is
    ///   [`ErrorKind::BodyTooLarge`], and no more than the cap is ever in memory. At most a
    ///   sixty-fourth and 4 KiB more than the cap is read of a compressed body.
    /// - A success whose compressed body ends too early is [`ErrorKind::Transport`], as any body
    ///   that breaks off. One that is no gzip (RFC 1952), or whose checksum is wrong, is
    ///   [`ErrorKind::Decode`]. Of any other response, what could be decompressed counts.
    ///
    /// Defaults to bodies as they are: within a data centre, compressing takes longer than sending.
    #[cfg(feature = "gzip")]
    #[must_use]
    pub const fn with_gzip(mut self) -> Self {
        self.codings = Codings::Gzip;
        self
    }
}

impl Default for CollectBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}
