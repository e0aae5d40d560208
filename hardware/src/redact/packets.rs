//! What is a person's inside packets: reports and transfers that carry another stream.
//!
//! A [`Carrier`] says of each packet which of its bytes carry something; the driver's side of a line
//! and [`PacketRedactor`] use the same one, so that both see the same stream. The redactor hands that
//! stream to the redactor that knows it, and puts what it gets back where it came from. Packet heads,
//! lengths, padding and the places where chunks were cut stay.
//!
//! ```text
//! In ─► packets ─► parts ─┬─ carried, made up ─► inner redactor ─► replaced ─┐
//!                         └─ stays, padding, foreign ────────────────────────┴─► out
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::{At, Held, Redact};
use crate::port::carried::{Carrier, Part};
use crate::port::packets::{DESCRIPTION, HEADER, Packet, Packets, packet as packet_of};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;

/// What stands in the place of bytes that carry nothing and are no zeros: as a length, in whichever
/// form, it is none that anything has.
const FOREIGN: u8 = 0xFF;

/// What becomes of bytes that came in.
enum Plan {
    /// As many bytes of the inner redactor's.
    Inner(usize),
    /// Bytes of the inner redactor's that stand in no packet.
    Dropped(usize),
    /// These.
    Known(Vec<u8>),
}

/// Replaces what packets carry.
pub struct PacketRedactor<C, R> {
    pseudonyms: Pseudonyms,
    carrier: C,
    inner: R,
    held: Held,
    packets: Packets,
    plan: VecDeque<Plan>,
    replaced: VecDeque<u8>,
    /// The packet that has described the device of this line.
    description: Option<Bytes>,
    /// A length that no packet has was said: nothing is understood any more on this line.
    broken: bool,
}

impl<C: Carrier, R: Redact> PacketRedactor<C, R> {
    /// A redactor at the beginning of a port's events, whose packets carry what `inner` knows.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, carrier: C, inner: R) -> Self {
        Self {
            pseudonyms,
            carrier,
            inner,
            held: Held::default(),
            packets: Packets::default(),
            plan: VecDeque::new(),
            replaced: VecDeque::new(),
            description: None,
            broken: false,
        }
    }

    fn came_in(&mut self, micros: i64, bytes: &[u8]) {
        if self.broken {
            self.plan.push_back(Plan::Known(self.pseudonyms.bytes("packets", bytes)));
            return;
        }
        self.packets.push(bytes);
        loop {
            match self.packets.next_packet() {
                Ok(Some(packet)) => self.packet(micros, &packet),
                Ok(None) => return,
                Err(_) => {
                    self.broken = true;
                    self.rest();
                    return;
                }
            }
        }
    }

    fn packet(&mut self, micros: i64, packet: &Packet) {
        let Packet { kind, data } = packet;
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.known([&[*kind][..], &length].concat());
        if *kind == DESCRIPTION {
            self.carrier.describe(data);
            self.description = Some(packet_of(*kind, data).into());
            self.known(data.to_vec());
            return;
        }
        let (mut parts, mut stream) = (Vec::new(), Vec::new());
        self.carrier.take(packet, &mut parts);
        for part in parts {
            if part == Part::Lost {
                self.inward(micros, std::mem::take(&mut stream));
                // To the inner one as if the line were gone: what has begun is never whole.
                self.tell(At { micros, event: PortEvent::Closed });
                continue;
            }
            let of = |range: Range<usize>| data.get(range).unwrap_or_default();
            match part {
                Part::Carried(range) => {
                    stream.extend_from_slice(of(range.clone()));
                    self.plan.push_back(Plan::Inner(range.len()));
                }
                Part::Made(bytes) => {
                    stream.extend_from_slice(&bytes);
                    self.plan.push_back(Plan::Dropped(bytes.len()));
                }
                Part::Stays(range) => self.known(of(range).to_vec()),
                Part::Padding(range) => {
                    let bytes = of(range);
                    let is_zero = bytes.iter().all(|byte| *byte == 0);
                    self.known(vec![if is_zero { 0 } else { FOREIGN }; bytes.len()]);
                }
                Part::Lost => {}
            }
        }
        self.inward(micros, stream);
    }

    /// Hands bytes of the stream to the inner redactor.
    fn inward(&mut self, micros: i64, stream: Vec<u8>) {
        if !stream.is_empty() {
            self.tell(At { micros, event: PortEvent::In(stream.into()) });
        }
    }

    /// Tells the inner redactor something, and takes what it lets go.
    fn tell(&mut self, event: At) {
        let mut out = Vec::new();
        self.inner.push(event, &mut out);
        self.take(out);
    }

    fn known(&mut self, bytes: Vec<u8>) {
        self.plan.push_back(Plan::Known(bytes));
    }

    /// What the inner redactor has let go.
    fn take(&mut self, out: Vec<At>) {
        for at in out {
            if let PortEvent::In(bytes) = at.event {
                self.replaced.extend(bytes);
            }
        }
    }

    /// Passes on an event that is the inner redactor's, too: nothing more will come of what has
    /// begun.
    fn ended(&mut self, event: At) {
        self.carrier.forget();
        self.tell(event);
    }

    /// Of a packet that has begun and will not end, the head stays, if it is whole.
    fn rest(&mut self) {
        let rest = self.packets.take_rest();
        let (head, data) = rest.split_at(rest.len().min(HEADER));
        self.known(head.to_vec());
        let filler = self.pseudonyms.bytes("packets", data);
        self.known(filler);
    }

    /// Lets go what is decided.
    fn decide(&mut self, out: &mut Vec<At>) {
        let mut decided = Vec::new();
        while let Some(plan) = self.plan.front_mut() {
            match plan {
                Plan::Known(bytes) => decided.append(bytes),
                Plan::Inner(count) | Plan::Dropped(count) => {
                    let ready = (*count).min(self.replaced.len());
                    let bytes = self.replaced.drain(..ready);
                    if let Plan::Inner(count) = plan {
                        decided.extend(bytes);
                        *count -= ready;
                    } else if let Plan::Dropped(count) = plan {
                        drop(bytes);
                        *count -= ready;
                    }
                    if !matches!(plan, Plan::Inner(0) | Plan::Dropped(0)) {
                        break;
                    }
                }
            }
            self.plan.pop_front();
        }
        self.held.decide(&decided, out);
    }
}

impl<C: Carrier, R: Redact> Redact for PacketRedactor<C, R> {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let At { micros, event: happened } = &event;
        match happened {
            PortEvent::In(bytes) => {
                let (micros, bytes): (i64, Bytes) = (*micros, bytes.clone());
                self.held.push(event);
                self.came_in(micros, &bytes);
                self.decide(out);
                return;
            }
            PortEvent::Out(bytes) => {
                let mut packets = Packets::default();
                packets.push(bytes);
                let whole = std::iter::from_fn(|| packets.next_packet().ok().flatten());
                let sent = self.carrier.sent(&whole.collect::<Vec<_>>());
                self.ended(At { micros: *micros, event: PortEvent::Out(sent.into()) });
            }
            PortEvent::Opened { .. }
            | PortEvent::NotOpened(_)
            | PortEvent::Gone(_)
            | PortEvent::Closed => {
                self.ended(event.clone());
                self.rest();
                self.description = None;
                self.broken = false;
            }
            PortEvent::Baud(_) | PortEvent::NotWritten(_) | PortEvent::Card(_) => {}
        }
        self.held.push(event);
        self.decide(out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        let mut ended = Vec::new();
        self.inner.finish(&mut ended);
        self.take(ended);
        self.rest();
        self.decide(out);
    }

    fn held(&self) -> usize {
        self.held.len() + self.inner.held()
    }

    fn description(&self) -> Option<PortEvent> {
        self.description.clone().map(PortEvent::In)
    }
}
