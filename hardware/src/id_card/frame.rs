//! The frames of a SAM-V module (GA/T 467): pure bytes, no line, no clock.
//!
//! ```text
//! request: AA AA AA 96 69 | LenHi LenLo | CMD PARA [data]     | CHK
//! reply:   AA AA AA 96 69 | LenHi LenLo | SW1 SW2 SW3 [data]  | CHK
//! ```
//!
//! The length counts everything after itself, the check byte included. The check byte makes the
//! exclusive or of everything from LenHi on zero. [`FrameReader`] finds frames in a stream of
//! bytes and finds its way back after garbage.

use bytes::{Buf, BytesMut};

/// What every frame begins with.
pub const PREAMBLE: [u8; 5] = [0xAA, 0xAA, 0xAA, 0x96, 0x69];

/// Preamble and length.
pub(super) const HEAD: usize = PREAMBLE.len() + 2;

/// The longest body that is believed: the longest seen is a reply with fingerprints, 2314 bytes
/// from SW1 to CHK.
const MAX_BODY: usize = 2400;

/// A request with its data, ready for the line.
#[must_use]
pub fn request(command: [u8; 2], data: &[u8]) -> Vec<u8> {
    frame(&[&command, data])
}

/// A reply with status `sw3`, ready for the line. Used by the far end.
#[must_use]
pub fn reply(sw3: u8, data: &[u8]) -> Vec<u8> {
    frame(&[&[0, 0, sw3], data])
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    // No body here is near 64 KiB; a longer one could not be said in the length field.
    let length = u16::try_from(body + 1).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(PREAMBLE.len() + 2 + body + 1);
    frame.extend_from_slice(&PREAMBLE);
    frame.extend_from_slice(&length.to_be_bytes());
    for part in parts {
        frame.extend_from_slice(part);
    }
    frame.push(exclusive_or(&frame[PREAMBLE.len()..]));
    frame
}

/// The exclusive or of bytes: zero from a frame's length to its check byte.
pub(super) fn exclusive_or(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// A frame found in the stream: what stands between the length and the check byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(pub Vec<u8>);

/// What stood where a frame should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// A length that no frame has.
    Length(usize),
    /// A check byte that does not fit.
    Checksum,
}

/// What stands behind a preamble.
pub(super) enum Judged {
    /// More has to come.
    Unfinished,
    /// No frame.
    Garbled(Garbled),
    /// A frame whose body is of so many bytes, the check byte not counted.
    Whole(usize),
}

/// Judges bytes that begin with a preamble, or with what may become one.
pub(super) fn judge(bytes: &[u8], min_body: usize) -> Judged {
    let length = match bytes.get(PREAMBLE.len()..HEAD) {
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Judged::Unfinished,
    };
    if length < min_body || length > MAX_BODY {
        return Judged::Garbled(Garbled::Length(length));
    }
    match bytes.get(PREAMBLE.len()..HEAD + length) {
        None => Judged::Unfinished,
        Some(whole) if exclusive_or(whole) != 0 => Judged::Garbled(Garbled::Checksum),
        Some(_) => Judged::Whole(length - 1),
    }
}

/// Finds frames in a stream. `min_body` is the shortest body that is believed: 4 for replies
/// (three status bytes and the check byte), 3 for requests.
pub struct FrameReader {
    buffer: BytesMut,
    min_body: usize,
}

impl FrameReader {
    /// For the host, which reads replies.
    #[must_use]
    pub fn for_replies() -> Self {
        Self { buffer: BytesMut::new(), min_body: 4 }
    }

    /// For the module, which reads requests.
    #[must_use]
    pub fn for_requests() -> Self {
        Self { buffer: BytesMut::new(), min_body: 3 }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets what has arrived and is no whole frame yet.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// The next frame, or what stood in its place; `None` until more has arrived.
    ///
    /// After something garbled the search goes on one byte behind its preamble's begin, so that a
    /// good frame inside it is not lost.
    pub fn next_frame(&mut self) -> Option<Result<Body, Garbled>> {
        self.hunt();
        match judge(&self.buffer, self.min_body) {
            Judged::Unfinished => None,
            Judged::Garbled(what) => {
                self.buffer.advance(1);
                Some(Err(what))
            }
            Judged::Whole(body) => Some(Ok(self.take(0, body))),
        }
    }

    /// Whether something has arrived that may become a frame.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// A whole good frame behind a head that waits for more than will come. To be asked when the
    /// line has gone quiet: noise may look like a head, with a length that swallows what follows.
    pub fn take_inner(&mut self) -> Option<Body> {
        let (at, body) = (1..self.buffer.len()).find_map(|at| {
            let rest = self.buffer.get(at..).filter(|rest| rest.starts_with(&PREAMBLE))?;
            match judge(rest, self.min_body) {
                Judged::Whole(body) => Some((at, body)),
                Judged::Unfinished | Judged::Garbled(_) => None,
            }
        })?;
        Some(self.take(at, body))
    }

    /// Takes the frame at `at` whose body is of `length` bytes, and drops what stands before it.
    fn take(&mut self, at: usize, length: usize) -> Body {
        let begin = at + HEAD;
        let body = self.buffer.get(begin..begin + length).map(<[u8]>::to_vec).unwrap_or_default();
        self.buffer.advance(begin + length + 1);
        Body(body)
    }

    /// Drops everything before the next preamble, or before what may become one.
    fn hunt(&mut self) {
        let start = (0..self.buffer.len())
            .find(|&at| {
                let rest = &self.buffer[at..];
                let known = rest.len().min(PREAMBLE.len());
                rest[..known] == PREAMBLE[..known]
            })
            .unwrap_or(self.buffer.len());
        self.buffer.advance(start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// The example frames of the vendors' documents.
    #[test]
    fn requests_and_replies_are_the_documented_bytes() {
        for (command, expected) in [
            ([0x10, 0xFF], "AA AA AA 96 69 00 03 10 FF EC"),
            ([0x11, 0xFF], "AA AA AA 96 69 00 03 11 FF ED"),
            ([0x12, 0xFF], "AA AA AA 96 69 00 03 12 FF EE"),
            ([0x20, 0x01], "AA AA AA 96 69 00 03 20 01 22"),
            ([0x20, 0x02], "AA AA AA 96 69 00 03 20 02 21"),
            ([0x30, 0x01], "AA AA AA 96 69 00 03 30 01 32"),
            ([0x30, 0x10], "AA AA AA 96 69 00 03 30 10 23"),
            ([0x30, 0x03], "AA AA AA 96 69 00 03 30 03 30"),
        ] {
            assert_eq!(request(command, &[]), hex(expected));
        }
        assert_eq!(request([0x61, 0xFF], &[0x50]), hex("AA AA AA 96 69 00 04 61 FF 50 CA"));
        assert_eq!(reply(0x90, &[]), hex("AA AA AA 96 69 00 04 00 00 90 94"));
        assert_eq!(reply(0x9F, &[0; 4]), hex("AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97"));
        assert_eq!(reply(0x80, &[]), hex("AA AA AA 96 69 00 04 00 00 80 84"));
    }

    fn drain(reader: &mut FrameReader) -> Vec<Result<Body, Garbled>> {
        std::iter::from_fn(|| reader.next_frame()).collect()
    }

    #[test]
    fn a_wrong_check_byte_is_told_and_the_next_frame_is_found() {
        let mut reader = FrameReader::for_replies();
        let mut bad = reply(0x90, &[]);
        *bad.last_mut().unwrap() ^= 1;
        reader.push(&bad);
        reader.push(&reply(0x9F, &[0; 4]));
        let found = drain(&mut reader);
        assert!(matches!(found[0], Err(Garbled::Checksum)));
        assert!(matches!(&found[1], Ok(Body(body)) if body == &[0, 0, 0x9F, 0, 0, 0, 0]));
    }

    #[test]
    fn impossible_lengths_are_told_and_skipped() {
        for length in [[0, 0], [0, 3], [0x09, 0x61], [0xFF, 0xFF]] {
            let mut reader = FrameReader::for_replies();
            reader.push(&PREAMBLE);
            reader.push(&length);
            reader.push(&reply(0x80, &[]));
            let found = drain(&mut reader);
            assert!(matches!(found[0], Err(Garbled::Length(_))), "{length:?}");
            assert!(matches!(&found[1], Ok(Body(body)) if body == &[0, 0, 0x80]));
        }
    }

    proptest! {
        #[test]
        fn a_good_frame_is_found_in_any_chunking_after_garbage_without_a_preamble(
            garbage in proptest::collection::vec(0u8..0xAA, 0..64),
            data in proptest::collection::vec(any::<u8>(), 0..64),
            sw3: u8,
            cuts in proptest::collection::vec(1usize..9, 1..64),
        ) {
            let mut stream = garbage;
            stream.extend(reply(sw3, &data));
            let mut reader = FrameReader::for_replies();
            let mut found = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                reader.push(now);
                found.extend(drain(&mut reader));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let mut body = vec![0, 0, sw3];
            body.extend(&data);
            prop_assert!(found == vec![Ok(Body(body))]);
        }

        #[test]
        fn a_good_frame_is_found_behind_any_garbage_when_the_line_is_quiet(
            garbage in proptest::collection::vec(
                prop_oneof![
                    Just(PREAMBLE.to_vec()),
                    Just(vec![0x09, 0x60]),
                    Just(vec![0x00, 0x05]),
                    proptest::collection::vec(any::<u8>(), 1..4),
                ], 0..12),
            data in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut reader = FrameReader::for_replies();
            reader.push(&garbage.concat());
            drain(&mut reader);
            reader.push(&reply(0x90, &data));
            let mut found = drain(&mut reader);
            while let Some(body) = reader.take_inner() {
                found.push(Ok(body));
                found.extend(drain(&mut reader));
            }
            let mut body = vec![0, 0, 0x90];
            body.extend(&data);
            // One in 256 times the check byte of a false head fits, and what it swallows is a frame.
            let by_chance = |one: &Result<Body, Garbled>| matches!(one, Ok(Body(other)) if *other != body);
            prop_assume!(!found.iter().any(by_chance));
            prop_assert!(found.contains(&Ok(Body(body))), "{:02X?}", garbage.concat());
        }

        #[test]
        fn any_bytes_end_in_frames_or_errors_and_never_grow_without_bound(
            stream in proptest::collection::vec(
                prop_oneof![Just(0xAAu8), Just(0x96), Just(0x69), Just(0), any::<u8>()], 0..6000),
        ) {
            let mut reader = FrameReader::for_replies();
            for chunk in stream.chunks(17) {
                reader.push(chunk);
                drain(&mut reader);
                prop_assert!(reader.buffer.len() <= MAX_BODY + PREAMBLE.len() + 2);
            }
        }
    }

    impl std::fmt::Debug for Body {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:02X?}", self.0)
        }
    }
}
