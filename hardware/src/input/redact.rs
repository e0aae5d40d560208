//! What is typed and where is touched, taken out of the records of input devices.
//!
//! That something happened, and when, stays: keys become one key, places one place, switches and
//! sounds stay what they are. Pushed by the recorder; ends with [`Redact::finish`].

use crate::port::input::{EV_ABS, EV_KEY, EV_SND, EV_SW, EV_SYN, InputEvent, RECORD, Records};
use crate::port::tape::PortEvent;
use crate::redact::{At, Held, Redact};

/// What every key becomes: `BTN_0`, a button without a meaning.
const ANY_KEY: u16 = 0x100;

/// Replaces every key by one.
#[derive(Default)]
pub struct InputRedactor {
    held: Held,
}

/// What is left of an event.
fn replaced(event: InputEvent) -> InputEvent {
    match event.kind {
        EV_SYN | EV_SW | EV_SND => event,
        EV_KEY => InputEvent { code: ANY_KEY, ..event },
        EV_ABS => InputEvent { value: 0, ..event },
        // Scan codes are keys by another name, lights tell of locks.
        _ => InputEvent { code: 0, value: 0, ..event },
    }
}

impl Redact for InputRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        match &event.event {
            PortEvent::In(_) | PortEvent::Baud(_) | PortEvent::Out(_) => {}
            // A record that was begun does not go on behind an end.
            _ => self.finish(out),
        }
        self.held.push(event);
        let mut records = Records::default();
        records.push(self.held.undecided());
        let mut decided = Vec::new();
        while let Some(event) = records.next_event() {
            decided.extend(replaced(event).record());
        }
        self.held.decide(&decided, out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        // Part of a record.
        self.held.decide(&[0; RECORD], out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::input::{SW_FRONT_PROXIMITY, SYN_REPORT};

    fn record(kind: u16, code: u16, value: i32) -> [u8; RECORD] {
        InputEvent { kind, code, value }.record()
    }

    fn redacted(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut redactor, mut out) = (InputRedactor::default(), Vec::new());
        for piece in pieces {
            let event = PortEvent::In(piece.to_vec().into());
            redactor.push(At { micros: 0, event }, &mut out);
        }
        redactor.finish(&mut out);
        assert_eq!(redactor.held(), 0);
        let bytes = |at: At| match at.event {
            PortEvent::In(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        };
        out.into_iter().map(bytes).collect()
    }

    #[test]
    fn keys_and_places_are_gone_and_what_happened_is_not() {
        let typed = [
            record(4, 4, 0x7001e),
            record(EV_KEY, 30, 1),
            record(EV_ABS, 0x35, 1234),
            record(EV_SW, SW_FRONT_PROXIMITY, 1),
            record(EV_SYN, SYN_REPORT, 0),
        ]
        .concat();
        let expected = [
            record(4, 0, 0),
            record(EV_KEY, 0x100, 1),
            record(EV_ABS, 0x35, 0),
            record(EV_SW, SW_FRONT_PROXIMITY, 1),
            record(EV_SYN, SYN_REPORT, 0),
        ]
        .concat();
        for cut in [1, 3, 8, 11, 40] {
            let pieces: Vec<&[u8]> = typed.chunks(cut).collect();
            let out = redacted(&pieces);
            assert_eq!(out.concat(), expected, "cut at {cut}");
            let lengths = |pieces: &[Vec<u8>]| pieces.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(lengths(&out), pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn part_of_a_record_becomes_nothing() {
        assert_eq!(redacted(&[&record(EV_KEY, 30, 1)[..5]]), [vec![0; 5]]);
    }
}
