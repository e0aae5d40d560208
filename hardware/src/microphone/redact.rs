//! Silence in the place of what was said at a microphone's port: of the same length, in the same
//! pieces. Everything else of the line stays: gaps, troubles, and what the driver says.
//!
//! Nothing is held back, as a packet's header says what follows.

use bytes::Bytes;

use crate::port::packets::HEADER;
use crate::port::pcm::{BEGIN, GAP, OPENED, SOUND, TROUBLE};
use crate::port::tape::PortEvent;
use crate::redact::{At, Redact};

/// The redactor of one port.
#[derive(Default)]
pub struct SoundRedactor {
    /// The header that is being read.
    header: Vec<u8>,
    /// Bytes of data still to come, and whether they may stay.
    data: usize,
    stays: bool,
}

impl SoundRedactor {
    fn redacted(&mut self, bytes: &[u8]) -> Bytes {
        let byte = |byte: &u8| {
            if self.data > 0 {
                self.data -= 1;
                return if self.stays { *byte } else { 0 };
            }
            self.header.push(*byte);
            if let [kind, a, b, c, d] = self.header[..] {
                self.stays = [GAP, OPENED, TROUBLE, BEGIN].contains(&kind);
                self.data = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                self.header.clear();
            }
            // A line that is no such line says nothing that may be kept.
            let is_kind =
                self.header.len() != 1 || [SOUND, GAP, OPENED, TROUBLE, BEGIN].contains(byte);
            if is_kind { *byte } else { SOUND }
        };
        bytes.iter().map(byte).collect()
    }
}

impl Redact for SoundRedactor {
    fn push(&mut self, mut event: At, out: &mut Vec<At>) {
        match &mut event.event {
            PortEvent::In(bytes) => *bytes = self.redacted(bytes),
            PortEvent::Opened { .. } | PortEvent::Closed => {
                self.header.clear();
                self.data = 0;
            }
            _ => {}
        }
        out.push(event);
    }

    fn finish(&mut self, _: &mut Vec<At>) {}

    fn held(&self) -> usize {
        0
    }
}

const _: () = assert!(HEADER == 5, "the header is read as one byte and four");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::port::packets::packet;

    fn redacted(pieces: &[&[u8]]) -> Vec<u8> {
        let mut redactor = SoundRedactor::default();
        let mut out = Vec::new();
        for piece in pieces {
            let event = PortEvent::In(Bytes::copy_from_slice(piece));
            redactor.push(At { micros: 0, event }, &mut out);
        }
        assert_eq!(out.len(), pieces.len());
        let bytes = |at: At| match at.event {
            PortEvent::In(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        };
        out.into_iter().flat_map(bytes).collect()
    }

    proptest! {
        #[test]
        fn sound_becomes_silence_wherever_it_is_cut(
            sent in prop::collection::vec((0..4_u8, prop::collection::vec(any::<u8>(), 0..50)), 0..9),
            cut in 1..60_usize,
        ) {
            let line: Vec<u8> = sent.iter().flat_map(|(kind, data)| packet(*kind, data)).collect();
            let silent: Vec<u8> = sent
                .iter()
                .flat_map(|(kind, data)| {
                    packet(*kind, &if *kind == SOUND { vec![0; data.len()] } else { data.clone() })
                })
                .collect();
            prop_assert_eq!(redacted(&line.chunks(cut).collect::<Vec<_>>()), silent);
        }
    }

    #[test]
    fn what_no_port_says_is_taken_for_sound() {
        let mut line = packet(7, b"secret");
        line.extend(packet(GAP, &[0, 0, 0, 9, 0]));
        let mut silent = packet(SOUND, &[0; 6]);
        silent.extend(packet(GAP, &[0, 0, 0, 9, 0]));
        assert_eq!(redacted(&[&line]), silent);
    }
}
