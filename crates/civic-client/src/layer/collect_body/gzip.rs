//! Decompression of gzip (RFC 1952), in bounded memory and in bounded turns.

use std::{fmt, mem};

use bytes::{Buf, Bytes};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::layer::collect_body::step::Step;

/// After how much one turn ends, of what is read and what is decompressed. It takes about a
/// millisecond.
const TURN: usize = 256 * 1024;

/// As how much the beginning of a member counts: it takes time even if the member is empty.
const MEMBER: usize = 4096;

/// How much is given to the decompressor at a time: it becomes at most 1032 times as long, which
/// is how much longer a turn may be.
const PIECE: usize = 256;

/// By how much the output grows at least.
const GROWTH: usize = 16 * 1024;

/// The longest header of a member. It may contain the name of a file and a comment.
const MAX_HEADER: usize = 4096;

/// Length of the fixed part of a header.
const FIXED_HEADER: usize = 10;

/// Whether a body is gzip, and nothing else on top.
pub(super) fn is_gzip(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(only), None) = (codings.next(), codings.next()) else {
        return false;
    };
    // RFC 9110, section 8.4.1.3: both are the same.
    [&b"gzip"[..], b"x-gzip"]
        .iter()
        .any(|name| only.as_bytes().trim_ascii().eq_ignore_ascii_case(name))
}

/// How much of a compressed body is read whose content has a cap. What cannot be compressed becomes
/// a little longer; parts that contain nothing could go on for ever.
pub(super) const fn compressed_cap(cap: usize) -> usize {
    cap.saturating_add(cap / 64).saturating_add(MAX_HEADER)
}

/// A compressed body as it is decompressed.
pub(super) struct Inflating {
    cap: usize,
    /// How much may still arrive.
    remaining: usize,
    /// What has arrived and is not decompressed yet.
    input: Bytes,
    is_begun: bool,
    /// What the turn has cost so far.
    worked: usize,
    part: Part,
    /// It is for all members: a new one costs more than an empty member is long.
    stream: Decompress,
    /// Of the member that is read.
    crc: Crc,
    output: Vec<u8>,
}

/// Which part of a member comes next. A body may consist of several members.
enum Part {
    Header(Header),
    Deflated,
    Trailer(Vec<u8>),
    /// Nothing more is decompressed.
    Ended(Step),
}

impl Inflating {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            cap,
            remaining: compressed_cap(cap),
            input: Bytes::new(),
            is_begun: false,
            worked: 0,
            part: Part::Header(Header::default()),
            stream: Decompress::new(false),
            crc: Crc::new(),
            output: Vec::new(),
        }
    }

    /// Takes the next piece, after the one before it was worked off.
    pub(super) fn push(&mut self, data: Bytes) {
        self.is_begun |= !data.is_empty();
        match self.remaining.checked_sub(data.len()) {
            Some(remaining) => {
                self.remaining = remaining;
                self.input = data;
            }
            None => self.part = Part::Ended(Step::TooLarge),
        }
    }

    /// Decompresses what was pushed, or as much of it as one turn allows.
    pub(super) fn advance(&mut self) -> Step {
        loop {
            if self.worked >= TURN && !matches!(self.part, Part::Ended(_)) {
                self.worked = 0;
                return Step::Yield;
            }
            let step = match &mut self.part {
                Part::Ended(step) => return *step,
                Part::Header(header) => {
                    let before = header.length;
                    // A header that is too long ends here too.
                    let parsed = self
                        .input
                        .iter()
                        .map(|byte| header.push(*byte))
                        .find(|parsed| *parsed != Parsed::Incomplete);
                    let read = header.length - before;
                    self.input.advance(read);
                    match parsed {
                        None | Some(Parsed::Incomplete) => return Step::More,
                        Some(Parsed::Complete) => {
                            self.worked += MEMBER;
                            self.stream.reset(false);
                            self.crc.reset();
                            Ok(Part::Deflated)
                        }
                        Some(Parsed::Wrong) => Err(Step::Corrupt),
                    }
                }
                Part::Deflated if self.output.len() > self.cap => Err(Step::TooLarge),
                Part::Deflated => {
                    // One byte more than the cap is enough to see that it does not fit.
                    let room = self.cap.saturating_add(1) - self.output.len();
                    if self.output.capacity() == self.output.len() {
                        let more = self.output.len().max(GROWTH).min(room);
                        self.output.reserve_exact(more);
                    }
                    let before = self.input.len() + self.output.capacity() - self.output.len();
                    let inflated = inflate(
                        &mut self.stream,
                        &mut self.input,
                        &mut self.output,
                        &mut self.crc,
                    );
                    self.worked +=
                        before - (self.input.len() + self.output.capacity() - self.output.len());
                    match inflated {
                        Inflated::Some => continue,
                        Inflated::NeedsMore => return Step::More,
                        Inflated::All => Ok(Part::Trailer(Vec::with_capacity(8))),
                        Inflated::Nonsense => Err(Step::Corrupt),
                    }
                }
                // The end of a stream may have come with the byte that does not fit.
                Part::Trailer(_) if self.output.len() > self.cap => Err(Step::TooLarge),
                Part::Trailer(read) => {
                    let Some(byte) = self.input.first().copied() else {
                        return Step::More;
                    };
                    self.input.advance(1);
                    read.push(byte);
                    if read.len() < 8 {
                        continue;
                    }
                    let expected = [self.crc.sum(), self.crc.amount()].map(u32::to_le_bytes);
                    if read[..] == *expected.as_flattened() {
                        Ok(Part::Header(Header::default()))
                    } else {
                        Err(Step::Corrupt)
                    }
                }
            };
            self.part = match step {
                Ok(next) => next,
                Err(step) => Part::Ended(step),
            };
        }
    }

    /// Returns whether any of the body has arrived.
    pub(super) const fn has_begun(&self) -> bool {
        self.is_begun
    }

    /// Returns whether the body may not end here: it is neither empty nor at the end of a member.
    pub(super) fn is_cut(&self) -> bool {
        self.is_begun && !matches!(&self.part, Part::Header(header) if header.length == 0)
    }

    /// Returns what was decompressed, at most as much as the cap.
    pub(super) fn take(&mut self) -> Bytes {
        let mut output = mem::take(&mut self.output);
        output.truncate(self.cap);
        Bytes::from(output)
    }
}

impl fmt::Debug for Inflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflating")
            .field("cap", &self.cap)
            .field("output", &self.output.len())
            .finish_non_exhaustive()
    }
}

/// What one call of the decompressor has brought.
enum Inflated {
    Some,
    NeedsMore,
    All,
    Nonsense,
}

/// Decompresses into the free capacity of `output`, which is not empty.
fn inflate(
    stream: &mut Decompress,
    input: &mut Bytes,
    output: &mut Vec<u8>,
    crc: &mut Crc,
) -> Inflated {
    let (before, length) = (stream.total_in(), output.len());
    let piece = &input[..input.len().min(PIECE)];
    let status = stream.decompress_vec(piece, output, FlushDecompress::None);
    let read = (stream.total_in() - before) as usize;
    let written = output.len() - length;
    input.advance(read);
    crc.update(&output[length..]);
    match status {
        Err(_) => Inflated::Nonsense,
        Ok(Status::StreamEnd) => Inflated::All,
        Ok(Status::Ok | Status::BufError) if read > 0 || written > 0 => Inflated::Some,
        Ok(Status::Ok | Status::BufError) if input.is_empty() => Inflated::NeedsMore,
        Ok(Status::Ok | Status::BufError) => Inflated::Nonsense,
    }
}

/// The header of a member (RFC 1952, section 2.3) as it is read. Each byte is looked at once.
#[derive(Debug, Default)]
struct Header {
    length: usize,
    /// Of the optional fields that are still to come.
    flags: u8,
    field: Field,
}

/// Which field of a header the next byte belongs to.
#[derive(Clone, Copy, Debug, Default)]
enum Field {
    #[default]
    Fixed,
    ExtraLength,
    /// With the first byte of the length.
    RestOfExtraLength(u8),
    /// With how much of it is to come.
    Extra(u16),
    /// The name or the comment.
    Text,
    Checksum,
    RestOfChecksum,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Parsed {
    Incomplete,
    Complete,
    Wrong,
}

impl Header {
    const CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    /// Two bytes of magic, and the only method of compression that there is.
    const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

    /// Takes the next byte.
    fn push(&mut self, byte: u8) -> Parsed {
        let index = self.length;
        self.length += 1;
        if self.length > MAX_HEADER {
            return Parsed::Wrong;
        }
        let same_field = match self.field {
            Field::Fixed => {
                if Self::MAGIC.get(index).is_some_and(|magic| *magic != byte)
                    || (index == 3 && byte & Self::RESERVED != 0)
                {
                    return Parsed::Wrong;
                }
                if index == 3 {
                    self.flags = byte;
                }
                (self.length < FIXED_HEADER).then_some(Field::Fixed)
            }
            Field::ExtraLength => Some(Field::RestOfExtraLength(byte)),
            Field::RestOfExtraLength(first) => match u16::from_le_bytes([first, byte]) {
                0 => None,
                length => Some(Field::Extra(length)),
            },
            Field::Extra(left) => (left > 1).then(|| Field::Extra(left - 1)),
            Field::Text => (byte != 0).then_some(Field::Text),
            Field::Checksum => Some(Field::RestOfChecksum),
            Field::RestOfChecksum => None,
        };
        let next = same_field.or_else(|| {
            // In this order.
            [
                (Self::EXTRA, Field::ExtraLength),
                (Self::NAME, Field::Text),
                (Self::COMMENT, Field::Text),
                (Self::CHECKSUM, Field::Checksum),
            ]
            .into_iter()
            .find(|(flag, _)| self.flags & flag != 0)
            .map(|(flag, field)| {
                self.flags &= !flag;
                field
            })
        });
        match next {
            Some(field) => {
                self.field = field;
                Parsed::Incomplete
            }
            None => Parsed::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// A text that is not the same everywhere.
    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index * index / 7) as u8).collect()
    }

    /// Decompresses a body that arrives in pieces of this size. `Err` says what ended it.
    fn read(body: &[u8], piece: usize, cap: usize) -> Result<Vec<u8>, Step> {
        let mut inflating = Inflating::new(cap);
        for piece in body.chunks(piece) {
            inflating.push(Bytes::copy_from_slice(piece));
            loop {
                match inflating.advance() {
                    Step::More => break,
                    Step::Yield => {}
                    ended => return Err(ended),
                }
            }
        }
        if inflating.is_cut() {
            return Err(Step::More);
        }
        Ok(inflating.take().to_vec())
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut_into_pieces_and_with_every_part_of_a_header() {
        let plain = text(70_000);
        let mut all = GzBuilder::new()
            .filename("a name")
            .comment("a comment")
            .extra(vec![0, 7, 0])
            .write(Vec::new(), Compression::best());
        all.write_all(&plain).unwrap();
        let bodies = [gzip(&plain), all.finish().unwrap()];
        for body in bodies {
            for piece in [1, 2, 7, 1000, body.len()] {
                assert_eq!(
                    read(&body, piece, plain.len()),
                    Ok(plain.clone()),
                    "{piece}"
                );
            }
        }
    }

    #[test]
    fn a_body_of_several_members_is_all_of_them() {
        let body = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        for piece in [1, 13, body.len()] {
            assert_eq!(read(&body, piece, 100), Ok(b"one two".to_vec()));
        }
        assert_eq!(read(&[], 1, 100), Ok(Vec::new()), "no body is no body");
    }

    #[test]
    fn the_cap_counts_what_is_decompressed_to_the_byte() {
        let body = gzip(&text(5000));
        for piece in [1, body.len()] {
            assert_eq!(read(&body, piece, 5000).map(|read| read.len()), Ok(5000));
            assert_eq!(read(&body, piece, 4999), Err(Step::TooLarge));
            assert_eq!(read(&body, piece, 0), Err(Step::TooLarge));
        }
    }

    #[test]
    fn parts_that_contain_nothing_do_not_go_on_for_ever() {
        let nothing = gzip(b"").repeat(1000);
        assert_eq!(read(&nothing, 512, 100), Err(Step::TooLarge));
        // Stored blocks of no bytes.
        let mut blocks = gzip(b"")[..FIXED_HEADER].to_vec();
        for _ in 0..1000 {
            blocks.extend([0, 0, 0, 0xff, 0xff]);
        }
        assert_eq!(read(&blocks, 512, 100), Err(Step::TooLarge));
        // A name without an end.
        let mut name = vec![0x1f, 0x8b, 8, 1 << 3, 0, 0, 0, 0, 0, 3];
        name.extend(b"x".repeat(MAX_HEADER));
        assert_eq!(read(&name, 512, 1 << 20), Err(Step::Corrupt));
    }

    #[test]
    fn a_body_that_ends_anywhere_but_at_its_end_is_cut() {
        let body = gzip(&text(1000));
        for end in 1..body.len() {
            assert_eq!(read(&body[..end], 64, 1000), Err(Step::More), "{end}");
        }
    }

    #[test]
    fn a_byte_that_is_not_as_it_was_sent_is_noticed() {
        let plain = text(1000);
        let body = gzip(&plain);
        for index in 0..body.len() {
            // The time, a hint and the system of a header mean nothing here.
            if (4..FIXED_HEADER).contains(&index) {
                continue;
            }
            let mut wrong = body.clone();
            wrong[index] ^= 0x40;
            assert!(read(&wrong, 64, 1000).is_err(), "{index}");
        }
        let behind = [body, b"more".to_vec()].concat();
        assert_eq!(read(&behind, 64, 1000), Err(Step::Corrupt));
    }

    #[test]
    fn a_turn_is_short_however_much_a_body_inflates() {
        let bomb = gzip(&vec![0; 8 * TURN]);
        let mut inflating = Inflating::new(1 << 30);
        inflating.push(Bytes::from(bomb));
        let mut turns = 0;
        let mut before = 0;
        while inflating.advance() == Step::Yield {
            assert!(inflating.output.len() - before <= TURN + PIECE * 1032);
            before = inflating.output.len();
            turns += 1;
        }
        assert!(turns >= 3, "{turns}");
        assert_eq!(inflating.take().len(), 8 * TURN);
    }
}
