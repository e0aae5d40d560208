//! What is shown, taken out of a screen's packets: each picture becomes a grey one of the same length
//! and of as many dots ([`Pseudonyms::picture`]), the same that the client's own frame gets.
//!
//! Settings, numbers, outputs and reasons stay; they are this program's own words. What is no packet of
//! ours becomes filler. One stands before each recording of a screen's port.

use crate::card::redact::FILLER;
use crate::port::packets::{HEADER, MOST_DATA};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Held, Redact};

use super::WAITING_BYTES;
use super::packets::{BEFORE, PIECE, SHOW, Said, Tell};

/// More than any picture with the heads of its packets: what has no end by then is none.
const MOST_HELD: usize = 2 * WAITING_BYTES;

/// Replaces the pictures in the events of a screen's line.
pub struct ScreenRedactor {
    told: Side,
    said: Side,
}

impl ScreenRedactor {
    /// A redactor at the beginning of a line's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self {
            told: Side::new(pseudonyms.clone(), Held::outgoing(), SHOW, Tell::is_kind),
            said: Side::new(pseudonyms, Held::default(), BEFORE, Said::is_kind),
        }
    }
}

impl Redact for ScreenRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let mut said = Vec::new();
        self.said.push(event, &mut said);
        for event in said {
            self.told.push(event, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        let mut said = Vec::new();
        self.said.give_up(&mut said);
        for event in said {
            self.told.push(event, out);
        }
        self.told.give_up(out);
    }

    fn held(&self) -> usize {
        self.told.held.len() + self.said.held.len()
    }
}

/// What goes one way.
struct Side {
    pseudonyms: Pseudonyms,
    held: Held,
    /// The kind of the packet that ends a picture's pieces.
    end: u8,
    is_kind: fn(u8) -> bool,
    /// The undecided bytes so far are packets of a picture, whose pieces lie there.
    looked: usize,
    pieces: Vec<(usize, usize)>,
    /// It is no such line.
    lost: bool,
}

impl Side {
    fn new(pseudonyms: Pseudonyms, held: Held, end: u8, is_kind: fn(u8) -> bool) -> Self {
        let (looked, pieces, lost) = (0, Vec::new(), false);
        Self { pseudonyms, held, end, is_kind, looked, pieces, lost }
    }

    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let ends = matches!(
            event.event,
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed
        );
        if ends {
            self.give_up(out);
            self.lost = false;
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
        while self.next_packet(out) {}
    }

    /// Decides about the next packet; `false` if it is not whole yet.
    fn next_packet(&mut self, out: &mut Vec<At>) -> bool {
        let bytes = self.held.undecided();
        if self.lost {
            let filler = vec![FILLER; bytes.len()];
            self.held.decide(&filler, out);
            return false;
        }
        let rest = bytes.get(self.looked..).unwrap_or_default();
        let Some((&[kind, a, b, c, d], data)) = rest.split_first_chunk::<HEADER>() else {
            return false;
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > MOST_DATA || bytes.len() > MOST_HELD || !(self.is_kind)(kind) {
            self.give_up(out);
            self.lost = true;
            return true;
        }
        if data.len() < length {
            return false;
        }
        if kind == PIECE {
            self.pieces.push((self.looked + HEADER, length));
        }
        self.looked += HEADER + length;
        let whole = self.pieces.is_empty() || kind == self.end;
        if whole {
            let replaced = self.replaced();
            self.decide(&replaced, out);
        }
        true
    }

    /// What was looked at, with another picture in it.
    fn replaced(&self) -> Vec<u8> {
        let mut bytes = self.held.undecided().get(..self.looked).unwrap_or_default().to_vec();
        let ranges = || self.pieces.iter().map(|&(from, length)| from..from + length);
        let parts = ranges().filter_map(|range| bytes.get(range));
        let picture = self.pseudonyms.picture(&parts.collect::<Vec<_>>().concat());
        let mut picture = &*picture;
        for range in ranges() {
            if let (Some(to), Some((from, rest))) =
                (bytes.get_mut(range.clone()), picture.split_at_checked(range.len()))
            {
                to.copy_from_slice(from);
                picture = rest;
            }
        }
        bytes
    }

    fn decide(&mut self, bytes: &[u8], out: &mut Vec<At>) {
        self.held.decide(bytes, out);
        self.looked = 0;
        self.pieces.clear();
    }

    /// What is held is no whole picture and no whole packet, and will not be.
    fn give_up(&mut self, out: &mut Vec<At>) {
        let mut filler = vec![FILLER; self.held.undecided().len()];
        // The heads of packets stay.
        let mut at = 0;
        for &(from, length) in &self.pieces {
            if let (Some(to), Some(head)) =
                (filler.get_mut(at..from), self.held.undecided().get(at..from))
            {
                to.copy_from_slice(head);
            }
            at = from + length;
        }
        self.decide(&filler, out);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::Bytes;
    use image::{ImageFormat, RgbImage};

    use super::*;
    use crate::port::packets::packet;
    use crate::screen::Settings;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::with_key([7; 32])
    }

    /// The pieces after redaction: they are as long as they were, and in their order.
    fn redacted(pieces: &[PortEvent]) -> Vec<PortEvent> {
        let mut redactor = ScreenRedactor::new(pseudonyms());
        let mut out = Vec::new();
        for (micros, event) in (0..).zip(pieces) {
            redactor.push(At { micros, event: event.clone() }, &mut out);
        }
        redactor.finish(&mut out);
        assert_eq!(redactor.held(), 0);
        assert!(out.iter().map(|at| at.micros).eq(0..i64::try_from(pieces.len()).unwrap()));
        let out: Vec<_> = out.into_iter().map(|at| at.event).collect();
        for (before, after) in pieces.iter().zip(&out) {
            assert_eq!(length(before), length(after));
        }
        out
    }

    fn length(event: &PortEvent) -> Option<(bool, usize)> {
        match event {
            PortEvent::Out(bytes) => Some((true, bytes.len())),
            PortEvent::In(bytes) => Some((false, bytes.len())),
            _ => None,
        }
    }

    fn told(events: &[PortEvent]) -> Vec<u8> {
        let bytes = events.iter().map(|event| match event {
            PortEvent::Out(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        });
        bytes.collect::<Vec<_>>().concat()
    }

    /// A picture that shows something.
    fn picture(format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let colours = |x, y| image::Rgb([(x * y % 251) as u8, (x * 7 % 250) as u8, y as u8]);
        RgbImage::from_fn(120, 90, colours).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    /// A picture in pieces, as the driver tells of it.
    fn show(number: u32, file: &[u8], size: usize) -> Vec<Vec<u8>> {
        let pieces = file.chunks(size).map(|piece| Tell::Piece(Bytes::copy_from_slice(piece)));
        pieces.chain([Tell::Show(number)]).map(|tell| tell.packet()).collect()
    }

    #[test]
    fn a_picture_becomes_a_grey_one_of_its_size_wherever_it_is_cut() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp] {
            let file = picture(format);
            let setup = Tell::Setup(Settings { output: None, background: [1, 2, 3] }).packet();
            let line = [vec![setup], show(1, &file, 5000), vec![Tell::Close(2).packet()]]
                .concat()
                .concat();
            let invented = pseudonyms().picture(&file);
            assert!(invented.len() == file.len() && invented != file);
            let shown = image::load_from_memory(&invented).unwrap().to_rgb8();
            assert_eq!(shown.dimensions(), (120, 90));
            assert!(shown.pixels().all(|pixel| pixel == shown.get_pixel(0, 0)));
            let setup = Tell::Setup(Settings { output: None, background: [1, 2, 3] }).packet();
            let expected = [vec![setup], show(1, &invented, 5000), vec![Tell::Close(2).packet()]];
            let expected = expected.concat().concat();
            for size in [line.len(), 4096, 777] {
                let chunk = |chunk| PortEvent::Out(Bytes::copy_from_slice(chunk));
                let events: Vec<_> = line.chunks(size).map(chunk).collect();
                assert!(told(&redacted(&events)) == expected, "{format:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_said_stays_and_waits_for_its_turn() {
        let file = picture(ImageFormat::Png);
        let mut events: Vec<_> =
            show(1, &file, 9000).into_iter().map(|told| PortEvent::Out(told.into())).collect();
        let said = PortEvent::In(Said::Absent("no output".to_owned()).packet().into());
        events.insert(1, said.clone());
        let out = redacted(&events);
        assert_eq!(out[1], said);
        assert_eq!(out.last(), events.last());
    }

    #[test]
    fn the_picture_that_was_there_before_becomes_the_same() {
        let file = picture(ImageFormat::Jpeg);
        let pieces = |file: &[u8]| -> Vec<PortEvent> {
            let pieces = file.chunks(5000).map(|piece| Said::Piece(Bytes::copy_from_slice(piece)));
            let said = pieces.chain([Said::Before { number: 3, shown: true }]);
            said.map(|said| PortEvent::In(said.packet().into())).collect()
        };
        assert!(redacted(&pieces(&file)) == pieces(&pseudonyms().picture(&file)));
    }

    #[test]
    fn what_is_not_whole_and_what_is_no_packet_is_filler() {
        let opened = PortEvent::Opened { baud: 0, modem: None };
        let piece = packet(PIECE, b"secret");
        let events = [
            opened.clone(),
            PortEvent::Out(piece.into()),
            PortEvent::Out(b"\x02\0\0\0\x09sec".as_slice().into()),
            PortEvent::Closed,
            opened.clone(),
            PortEvent::In(b"\x09\0\0\0\x02secret".as_slice().into()),
            PortEvent::In(b"secret".as_slice().into()),
        ];
        let filler = |count| vec![FILLER; count];
        let head = [&packet(PIECE, b"secret")[..HEADER], &filler(6)].concat();
        let expected = [
            opened.clone(),
            PortEvent::Out(head.into()),
            PortEvent::Out(filler(8).into()),
            PortEvent::Closed,
            opened,
            PortEvent::In(filler(11).into()),
            PortEvent::In(filler(6).into()),
        ];
        assert_eq!(redacted(&events), expected);
    }
}
