//! The frames in a stream of bytes.

/// How long the head of a frame is (RFC 9113, section 4.1).
const HEAD: usize = 9;

/// What a connection begins with, before its first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// Follows the frames of one direction of a connection, however its bytes are cut.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How many bytes of the head are there.
    read: usize,
    /// How many bytes come before the next head.
    skip: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FrameHead {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    pub(super) const HEADERS: u8 = 1;
    pub(super) const SETTINGS: u8 = 4;
}

impl Frames {
    /// Follows what a client writes.
    pub(super) const fn written() -> Self {
        Self {
            head: [0; HEAD],
            read: 0,
            skip: PREFACE,
        }
    }

    /// Takes the next bytes, and calls `seen` for each head that they complete.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut seen: impl FnMut(FrameHead)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD - self.read).min(bytes.len());
            self.head[self.read..self.read + taken].copy_from_slice(&bytes[..taken]);
            self.read += taken;
            bytes = &bytes[taken..];
            if self.read == HEAD {
                let head = head_of(&self.head);
                self.read = 0;
                self.skip = head.length;
                seen(head);
            }
        }
    }
}

/// Reads the head of a frame.
pub(super) fn head_of(bytes: &[u8; HEAD]) -> FrameHead {
    let [l0, l1, l2, kind, _, s0, s1, s2, s3] = *bytes;
    FrameHead {
        length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
        kind,
        // The first bit means nothing.
        stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_heads_of_frames_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((0_usize..40, any::<u8>(), 0_u32..1 << 31), 0..12),
            cuts in prop::collection::vec(1_usize..50, 1..40),
        ) {
            let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            for (length, kind, stream) in &frames {
                bytes.extend_from_slice(&u32::try_from(*length).unwrap().to_be_bytes()[1..]);
                bytes.extend_from_slice(&[*kind, 0xff]);
                bytes.extend_from_slice(&stream.to_be_bytes());
                bytes.extend(std::iter::repeat_n(0xee, *length));
            }
            let (mut follower, mut seen) = (Frames::written(), Vec::new());
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                follower.pass(now, |head| seen.push((head.length, head.kind, head.stream)));
                rest = later;
            }
            prop_assert_eq!(seen, frames);
        }
    }
}
