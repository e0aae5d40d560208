//! Messages on a line: what a device says or is told in pieces that must stay whole, such as HID
//! reports, USB transfers and periods of sound.
//!
//! ```text
//! kind (1 byte) │ length of the data (4 bytes, big-endian) │ data
//! ```
//!
//! Ports write one at a time, with its header, and cut what is written to them. The meaning of
//! `kind` is the port's own: an endpoint, a report, a gap. Drivers and virtual devices read through
//! [`Packets`], which does not care where the line was cut.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// Bytes before a packet's data.
pub const HEADER: usize = 5;

/// The longest data of a packet: a text of 100,000 characters to be spoken fits, and a broken length
/// does not fill the memory.
pub const MOST_DATA: usize = 1024 * 1024;

/// The kind of the packet that lines of HID and USB devices begin with: what the device is like. No
/// endpoint and no report has this number as its kind.
pub const DESCRIPTION: u8 = 0;

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it is.
    pub kind: u8,
    /// What it says; never longer than [`MOST_DATA`].
    pub data: Bytes,
}

/// A packet as it stands on a line.
#[must_use]
pub fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + data.len());
    bytes.push(kind);
    // Nobody here makes one that is longer; whoever reads it would refuse it.
    bytes.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// Puts packets together out of the pieces that a line gives.
#[derive(Default)]
pub struct Packets {
    pieces: BytesMut,
}

impl Packets {
    /// More of the line.
    pub fn push(&mut self, piece: &[u8]) {
        self.pieces.extend_from_slice(piece);
    }

    /// The next whole packet, if there is one.
    ///
    /// # Errors
    /// `InvalidData`: a length that no packet has; the line is of no use any more.
    pub fn next_packet(&mut self) -> io::Result<Option<Packet>> {
        let Some((&[kind, a, b, c, d], rest)) = self.pieces.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > MOST_DATA {
            let error = format!("a packet of {length} bytes, more than {MOST_DATA}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.pieces.advance(HEADER);
        Ok(Some(Packet { kind, data: self.pieces.split_to(length).freeze() }))
    }

    /// What has come of a packet that will not be whole any more; the next begins anew.
    pub fn take_rest(&mut self) -> Bytes {
        self.pieces.split().freeze()
    }

    /// Whether part of a packet has come and not the rest.
    #[must_use]
    pub fn is_in_packet(&self) -> bool {
        !self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_wherever_the_line_is_cut(
            sent in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..70)), 0..9),
            cut in 1..40_usize,
        ) {
            let line: Vec<u8> = sent.iter().flat_map(|(kind, data)| packet(*kind, data)).collect();
            let mut packets = Packets::default();
            let mut got = Vec::new();
            for piece in line.chunks(cut) {
                packets.push(piece);
                while let Some(Packet { kind, data }) = packets.next_packet().unwrap() {
                    got.push((kind, data.to_vec()));
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(!packets.is_in_packet());
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        let mut packets = Packets::default();
        packets.push(&[7, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(packets.next_packet().is_err());
    }
}
