//! How frames of a SAM-V module stand in reports and transfers: pure bytes, no line, no clock.
//!
//! ```text
//! pipes   host   02: AA AA AA 96 69 LenHi LenLo │ 06: CMD PARA … CHK
//!         reader 81: AA AA AA 96 69 LenHi LenLo │ 85: SW1 SW2 SW3 … CHK
//! a pair  whole frames on its one pipe each way
//! whole   whole frames, cut into reports, the last filled up with zeros
//! split   host   LenHi LenLo CMD PARA … CHK, cut into reports, the last filled up with zeros
//!         reader LenHi LenLo SW1 SW2 SW3 … CHK, likewise: no preamble
//! ```
//!
//! What a wire carries becomes the bytes of a serial line, so that driver and redactor are those of
//! serial readers. All but the split form need no state: frames are found in the stream by whoever
//! reads it.

use std::io;
use std::ops::Range;

use super::super::frame::{HEAD, PREAMBLE};
use crate::hid::{Descriptor, Kind};
use crate::port::carried::{Carrier, Part};
use crate::port::hidraw::REPORT;
use crate::port::packets::{Packet, packet};
use crate::port::usb::SAM_PIPES;

/// The lengths that are believed of a reply: as on a serial line.
const LENGTHS: Range<usize> = 4..2401;

/// Bytes of a length.
const LENGTH: usize = 2;

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Bulk transfers: four pipes, or a pair, whichever the device has.
    Bulk,
    /// HID reports with whole frames.
    WholeReports,
    /// HID reports with frames that have no preamble.
    SplitReports,
}

/// The module's frames in packets, once the device has been described.
#[derive(Clone)]
pub struct SamCarrier {
    carriage: Carriage,
    wire: Wire,
    /// Split form: bytes of the reply that are still to come.
    left: usize,
}

/// What is known of the device.
#[derive(Clone)]
enum Wire {
    /// Nothing yet.
    Unknown,
    /// Its pipes to write to: head and rest, or one for both.
    Bulk(u8, u8),
    /// Its reports: number and bytes of those to write, where there are such; the number of those
    /// that are read, and whether reports have numbers.
    Reports { output: Option<(u8, usize)>, input: u8, numbered: bool },
}

const NO_REPORTS: &str = "this HID device takes no reports, so it is no ID-card reader; name another \
                          (see `hharome devices`)";

/// Whether a HID device may be a reader: one that is written to and answers.
///
/// # Errors
/// Why it is none.
pub fn may_be_reader(descriptor: &Descriptor) -> Result<(), &'static str> {
    let both = [Kind::Output, Kind::Input].map(|kind| descriptor.longest_report(kind));
    if both.contains(&None) { Err(NO_REPORTS) } else { Ok(()) }
}

impl SamCarrier {
    /// For a device that is not described yet.
    #[must_use]
    pub fn new(carriage: Carriage) -> Self {
        Self { carriage, wire: Wire::Unknown, left: 0 }
    }

    /// The part of a report that is not its number; `None` for one that is not the reader's.
    fn payload(&self, packet: &Packet) -> Option<Range<usize>> {
        let all = 0..packet.data.len();
        match &self.wire {
            Wire::Unknown => None,
            Wire::Bulk(..) => Some(all),
            Wire::Reports { .. } if packet.kind != REPORT => None,
            Wire::Reports { numbered: false, .. } => Some(all),
            Wire::Reports { input, .. } => {
                (packet.data.first() == Some(input)).then_some(1..packet.data.len())
            }
        }
    }

    /// A report of the split form, without its number.
    fn split(&mut self, bytes: &[u8], from: usize, parts: &mut Vec<Part>) {
        let end = from + bytes.len();
        let mut taken = self.left.min(bytes.len());
        if self.left == 0 {
            let length = match bytes {
                [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => 0,
            };
            if !LENGTHS.contains(&length) {
                parts.push(Part::Padding(from..end));
                return;
            }
            parts.push(Part::Made(PREAMBLE.to_vec()));
            self.left = LENGTH + length;
            taken = self.left.min(bytes.len());
        }
        self.left -= taken;
        parts.push(Part::Carried(from..from + taken));
        parts.push(Part::Padding(from + taken..end));
    }
}

impl Carrier for SamCarrier {
    fn describe(&mut self, description: &[u8]) {
        self.left = 0;
        self.wire = match self.carriage {
            Carriage::Bulk if SAM_PIPES.iter().all(|pipe| description.contains(pipe)) => {
                Wire::Bulk(SAM_PIPES[0], SAM_PIPES[1])
            }
            Carriage::Bulk => {
                let out = description.iter().find(|pipe| **pipe & 0x80 == 0).copied();
                out.map_or(Wire::Unknown, |out| Wire::Bulk(out, out))
            }
            Carriage::WholeReports | Carriage::SplitReports => {
                let descriptor = Descriptor::parse(description);
                Wire::Reports {
                    output: descriptor.longest_report(Kind::Output),
                    input: descriptor.longest_report(Kind::Input).map_or(0, |(number, _)| number),
                    numbered: descriptor.numbered,
                }
            }
        };
    }

    fn take(&mut self, packet: &Packet, parts: &mut Vec<Part>) {
        let Some(payload) = self.payload(packet) else {
            parts.push(Part::Padding(0..packet.data.len()));
            return;
        };
        parts.push(Part::Stays(0..payload.start));
        if self.carriage == Carriage::SplitReports {
            let bytes = packet.data.get(payload.clone()).unwrap_or_default();
            self.split(bytes, payload.start, parts);
        } else {
            parts.push(Part::Carried(payload));
        }
    }

    fn wrap(&self, frame: &[u8]) -> Option<io::Result<Vec<u8>>> {
        Some(match &self.wire {
            Wire::Unknown => return None,
            Wire::Bulk(first, second) if first == second => Ok(packet(*first, frame)),
            Wire::Bulk(first, second) => {
                let (head, rest) = frame.split_at(frame.len().min(HEAD));
                Ok([packet(*first, head), packet(*second, rest)].concat())
            }
            Wire::Reports { output: None, .. } => Err(io::Error::other(NO_REPORTS)),
            Wire::Reports { output: Some((number, size)), .. } => {
                let bytes = match self.carriage {
                    Carriage::SplitReports => frame.get(PREAMBLE.len()..).unwrap_or_default(),
                    Carriage::Bulk | Carriage::WholeReports => frame,
                };
                let report = |piece: &[u8]| {
                    let mut report = vec![*number];
                    report.extend_from_slice(piece);
                    report.resize(1 + size, 0);
                    packet(REPORT, &report)
                };
                Ok(bytes.chunks((*size).max(1)).flat_map(report).collect())
            }
        })
    }

    fn sent(&self, packets: &[Packet]) -> Vec<u8> {
        let number = match self.carriage {
            Carriage::Bulk => 0,
            Carriage::WholeReports | Carriage::SplitReports => 1,
        };
        let data = packets.iter().flat_map(|packet| packet.data.get(number..).unwrap_or_default());
        match self.carriage {
            Carriage::SplitReports => PREAMBLE.iter().chain(data).copied().collect(),
            Carriage::Bulk | Carriage::WholeReports => data.copied().collect(),
        }
    }

    fn forget(&mut self) {
        self.left = 0;
    }
}
