//! What is a person's in a face engine's requests and answers, replaced in the packets of its line.
//!
//! The JSON goes through the same table as the clients' frames, so that a name, a number or a token is
//! replaced by the same as there. What is no JSON is a text like any other; what is no packet becomes
//! filler. The recorder pushes every event; all come out again, in order; it ends with `finish`.

use hharome_hardware::port::packets::{HEADER, MOST_DATA, Packet, packet};
use hharome_hardware::port::tape::PortEvent;
use hharome_hardware::redact::{At, Held, Redact};

use super::wire;
use crate::recording::redact::FrameRedactor;

/// What fills bytes that nobody understands.
const FILLER: u8 = b'x';

/// Replaces what is a person's in the events of an engine's line.
pub struct FaceRedactor {
    told: Side,
    said: Side,
}

/// One direction of the line.
struct Side {
    frames: FrameRedactor,
    held: Held,
    /// It is what the driver tells.
    told: bool,
    /// A length that no packet has was said: nothing is understood any more on this line.
    lost: bool,
}

impl FaceRedactor {
    /// A redactor at the beginning of a line's events, by the same replacements as `frames`.
    #[must_use]
    pub fn new(frames: FrameRedactor) -> Self {
        let said = Side { frames: frames.clone(), held: Held::default(), told: false, lost: false };
        let told = Side { frames, held: Held::outgoing(), told: true, lost: false };
        Self { told, said }
    }
}

impl Redact for FaceRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let mut passed = Vec::new();
        self.told.push(event, &mut passed);
        for event in passed {
            self.said.push(event, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        let mut passed = Vec::new();
        self.told.give_up(&mut passed);
        for event in passed {
            self.said.push(event, out);
        }
        self.said.give_up(out);
    }

    fn held(&self) -> usize {
        self.told.held.len() + self.said.held.len()
    }
}

impl Side {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let begins_anew = matches!(
            event.event,
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed
        );
        if begins_anew {
            self.give_up(out);
            self.lost = false;
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
        self.packets(out);
    }

    /// Lets go what is whole.
    fn packets(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            if self.lost {
                return self.give_up(out);
            }
            let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else {
                return;
            };
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.lost = length > MOST_DATA;
            if self.lost {
                continue;
            }
            let Some(data) = rest.get(..length) else { return };
            let data = self.data(&Packet { kind, data: data.to_vec().into() });
            self.held.decide(&packet(kind, &data), out);
        }
    }

    /// A packet's data, as long as it was.
    fn data(&self, packet: &Packet) -> Vec<u8> {
        let data = &packet.data;
        let Some(head) = wire::head(self.told, packet) else {
            return vec![FILLER; data.len()];
        };
        let (head, rest) = data.split_at(head);
        let rest = match std::str::from_utf8(rest) {
            Ok(words) if wire::is_words(self.told, packet.kind) => words.as_bytes().to_vec(),
            Ok(text) => self.frames.engine(text, self.told),
            Err(_) => vec![FILLER; rest.len()],
        };
        [head, &rest].concat()
    }

    fn give_up(&mut self, out: &mut Vec<At>) {
        let filler = vec![FILLER; self.held.undecided().len()];
        self.held.decide(&filler, out);
    }
}
