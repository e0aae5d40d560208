//! The far end of a reader on USB: the one virtual reader, behind what speaks transfers and reports.
//!
//! Written from the readers' manuals and not from the driver. [`UsbReader`] is served over a line of
//! packets, in memory; whoever has another wire (a gadget's `/dev/hidg0`) translates its reports with
//! [`Reports`].

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::super::frame::{HEAD, PREAMBLE};
use super::super::virtual_reader::VirtualReader;
use crate::moment::at;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::hidraw::REPORT;
use crate::port::memory::inner_line;
use crate::port::packets::{DESCRIPTION, Packet, Packets, packet};

/// The packet size of a full-speed bulk pipe.
const BULK: usize = 64;

/// How long the rest of a reply may take: then the reader has broken off.
const BROKEN_OFF: Duration = Duration::from_millis(20);

/// The report descriptor of a reader with reports of 64 bytes in and out, without numbers: a vendor's
/// page, one collection, one usage each way.
pub const DESCRIPTOR: &[u8] = b"\x06\x00\xFF\x09\x01\xA1\x01\x15\x00\x26\xFF\x00\x75\x08\x95\x40\
\x09\x02\x81\x02\x95\x40\x09\x03\x91\x02\xC0";

/// The same with numbers: report 1 of 63 bytes in, report 2 of 31 bytes out.
pub const NUMBERED_DESCRIPTOR: &[u8] = b"\x06\x00\xFF\x09\x01\xA1\x01\x15\x00\x26\xFF\x00\x75\x08\
\x85\x01\x95\x3F\x09\x02\x81\x02\x85\x02\x95\x1F\x09\x03\x91\x02\xC0";

/// How the reader is on USB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugged {
    /// Four bulk pipes.
    Pipes,
    /// One pair of them.
    Pair,
    /// HID reports.
    Hid {
        /// Frames stand in reports without their preamble.
        split: bool,
        /// Reports have numbers.
        numbered: bool,
    },
}

/// A virtual reader on USB.
pub struct UsbReader {
    reader: VirtualReader,
    plugged: Plugged,
}

impl UsbReader {
    /// `reader`, plugged in so.
    #[must_use]
    pub fn new(reader: VirtualReader, plugged: Plugged) -> Self {
        Self { reader, plugged }
    }
}

impl VirtualDevice for UsbReader {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let description = match self.plugged {
            Plugged::Pipes => &[0x02, 0x06, 0x81, 0x85],
            Plugged::Pair => &[0x02, 0x81][..],
            Plugged::Hid { numbered: false, .. } => DESCRIPTOR,
            Plugged::Hid { numbered: true, .. } => NUMBERED_DESCRIPTOR,
        };
        if line.write_all(&packet(DESCRIPTION, description)).await.is_err() {
            return;
        }
        let (wire, module) = inner_line();
        let translator = Translator::new(self.plugged);
        tokio::select! {
            biased;
            () = translate(line, wire, translator) => {}
            () = self.reader.serve(module) => {}
        }
    }
}

/// Between packets and the module's bytes, until either is gone.
async fn translate(mut line: BoxedFarLine, mut module: DuplexStream, mut translator: Translator) {
    let (mut packets, mut reply) = (Packets::default(), BytesMut::new());
    let (mut from_host, mut from_module) = ([0; 1024], [0; 1024]);
    let mut broken_off = None;
    loop {
        tokio::select! {
            biased;
            read = line.read(&mut from_host) => {
                let Ok(read @ 1..) = read else { return };
                packets.push(from_host.get(..read).unwrap_or_default());
                while let Ok(Some(packet)) = packets.next_packet() {
                    let bytes = translator.heard(&packet);
                    if module.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
            read = module.read(&mut from_module) => {
                let Ok(read @ 1..) = read else { return };
                reply.extend_from_slice(from_module.get(..read).unwrap_or_default());
                broken_off = Some(Instant::now() + BROKEN_OFF);
            }
            () = at(broken_off) => {
                broken_off = None;
                let bytes = translator.reply(&reply.split());
                if line.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
        while let Some(length) = frame_length(&reply).filter(|length| *length <= reply.len()) {
            broken_off = None;
            let bytes = translator.reply(&reply.split_to(length));
            if line.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
}

/// How long a frame with this beginning is.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(PREAMBLE.len()..HEAD) {
        Some([high, low]) => Some(HEAD + usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// A reader's reports: what stands in them.
pub struct Reports {
    split: bool,
    /// Split form: bytes of a request that are still to come.
    left: usize,
}

impl Reports {
    /// Of a reader in the split form, or with whole frames.
    #[must_use]
    pub fn new(split: bool) -> Self {
        Self { split, left: 0 }
    }

    /// What the module gets of an output report, its number not counted.
    pub fn request(&mut self, report: &[u8]) -> Vec<u8> {
        if !self.split {
            return report.to_vec();
        }
        let mut bytes = Vec::new();
        if self.left == 0
            && let [high, low, ..] = report
        {
            self.left = 2 + usize::from(u16::from_be_bytes([*high, *low]));
            bytes.extend_from_slice(&PREAMBLE);
        }
        let taken = self.left.min(report.len());
        self.left -= taken;
        bytes.extend_from_slice(report.get(..taken).unwrap_or_default());
        bytes
    }

    /// A reply as input reports of this many bytes, their number not counted.
    #[must_use]
    pub fn reply(&self, reply: &[u8], size: usize) -> Vec<Vec<u8>> {
        let reply =
            if self.split { reply.get(PREAMBLE.len()..).unwrap_or_default() } else { reply };
        let filled = |piece: &[u8]| {
            let mut report = piece.to_vec();
            report.resize(size, 0);
            report
        };
        reply.chunks(size.max(1)).map(filled).collect()
    }
}

struct Translator {
    plugged: Plugged,
    reports: Reports,
}

impl Translator {
    fn new(plugged: Plugged) -> Self {
        let split = matches!(plugged, Plugged::Hid { split: true, .. });
        Self { plugged, reports: Reports::new(split) }
    }

    fn heard(&mut self, packet: &Packet) -> Vec<u8> {
        match (self.plugged, packet.kind) {
            (Plugged::Pipes, 0x02 | 0x06) | (Plugged::Pair, 0x02) => packet.data.to_vec(),
            (Plugged::Hid { .. }, REPORT) => {
                self.reports.request(packet.data.get(1..).unwrap_or_default())
            }
            _ => Vec::new(),
        }
    }

    fn reply(&self, reply: &[u8]) -> Vec<u8> {
        match self.plugged {
            Plugged::Pipes => {
                let (head, rest) = reply.split_at(reply.len().min(HEAD));
                let rest = rest.chunks(BULK).flat_map(|piece| packet(0x85, piece));
                packet(0x81, head).into_iter().chain(rest).collect()
            }
            Plugged::Pair => reply.chunks(BULK).flat_map(|piece| packet(0x81, piece)).collect(),
            Plugged::Hid { numbered: false, .. } => {
                let reports = self.reports.reply(reply, 64);
                reports.iter().flat_map(|report| packet(REPORT, report)).collect()
            }
            Plugged::Hid { numbered: true, .. } => {
                let reports = self.reports.reply(reply, 63);
                let numbered = |report: &Vec<u8>| packet(REPORT, &[&[1][..], report].concat());
                reports.iter().flat_map(numbered).collect()
            }
        }
    }
}
