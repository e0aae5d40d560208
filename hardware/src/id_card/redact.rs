//! What a card says, replaced in the bytes of a SAM-V reader's line.
//!
//! Owns the way from a port's events to frames and back; `stream` finds the frames, `reply` knows
//! what stands in them. The recorder pushes every event of the port; all come out again, in order,
//! with their times and the lengths of their chunks, once the frame is whole that their bytes
//! belong to. It ends with [`Redact::finish`].
//!
//! ```text
//! In ─► held ─► frames ─► data replaced, check byte put right ─► out
//!                 └ garbage, what is torn: filler
//! anything else: what is held will not be finished; then itself, as it is
//! ```
//!
//! The driver that reads the replaced bytes finds the same frames with the same statuses and the
//! same damage, at the same moments, and reads the same card with other values. It forgets what it
//! has not understood whenever it sends something, and so does this.

use super::frame::{Body, FrameReader};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Held, Redact};

mod reply;
mod stream;
#[cfg(test)]
mod tests;

/// Replaces what is on people's cards in the events of one SAM-V port.
pub struct CardRedactor {
    pseudonyms: Pseudonyms,
    /// Finds the requests in what goes out: they say what stands in the replies.
    requests: FrameReader,
    /// The last request's command and parameter.
    command: Option<[u8; 2]>,
    held: Held,
}

impl CardRedactor {
    /// A redactor at the beginning of a port's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self {
            pseudonyms,
            requests: FrameReader::for_requests(),
            command: None,
            held: Held::default(),
        }
    }

    /// Lets go what can be told; everything, if nothing more will come of what has begun.
    fn decide(&mut self, ended: bool, out: &mut Vec<At>) {
        let bytes = stream::replaced(self.held.undecided(), ended, self.command, &self.pseudonyms);
        self.held.decide(&bytes, out);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.requests.push(bytes);
        while let Some(found) = self.requests.next_frame() {
            if let Ok(Body(body)) = found
                && let [command, parameter, ..] = body.as_slice()
            {
                self.command = Some([*command, *parameter]);
            }
        }
    }
}

impl Redact for CardRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        if matches!(event.event, PortEvent::In(_)) {
            self.held.push(event);
            self.decide(false, out);
            return;
        }
        self.decide(true, out);
        match &event.event {
            PortEvent::Out(bytes) => self.sent(bytes),
            PortEvent::Opened { .. } => {
                self.requests.clear();
                self.command = None;
            }
            _ => {}
        }
        out.push(event);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.decide(true, out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}
