//! The far end of a HID point-of-sale scanner: the one virtual scanner, behind what says its codes in
//! reports.
//!
//! Written from makers' manuals and not from the driver. [`HidScanner`] is served over a line of
//! packets, in memory; [`Shape`] makes the reports for whoever has another wire.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::super::virtual_scanner::{ScannerHand, VirtualScanner};
use crate::moment::at;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::hidraw::REPORT;
use crate::port::memory::inner_line;
use crate::port::packets::{DESCRIPTION, packet};

/// What stands between two codes inside here.
const END: &[u8] = b"\xFF\xFF\0\xFF\xFF";

/// Bytes of a code in one report.
const DATA: usize = 56;

/// How long the rest of a code may take: then the scanner has broken off.
const BROKEN_OFF: Duration = Duration::from_millis(20);

/// Report 2, of 64 bytes with its number: length, symbology, 56 bytes of data, two of the maker's own,
/// a bit that says whether the code goes on. Scanners of several makers have it.
const COUNTED: &[u8] =
    b"\x05\x8C\x09\x02\xA1\x01\x09\x12\xA1\x02\x85\x02\x15\x00\x26\xFF\x00\x75\x08\
\x05\x01\x95\x01\x09\x3B\x81\x02\x05\x8C\x95\x03\x09\xFB\x09\xFC\x09\xFD\x81\x02\
\x95\x38\x09\xFE\x82\x02\x01\x06\x66\xFF\x95\x02\x09\x04\x81\x02\
\x05\x8C\x75\x01\x95\x01\x25\x01\x09\xFF\x81\x02\x95\x07\x81\x03\xC0\xC0";

/// Without numbers and without a length: 56 bytes of data filled up with zeros, between symbology and
/// the bit.
const BARE: &[u8] = b"\x05\x8C\x09\x02\xA1\x01\x09\x12\xA1\x02\x15\x00\x26\xFF\x00\x75\x08\
\x95\x01\x09\xFB\x81\x02\x09\xFC\x81\x02\x09\xFD\x81\x02\x95\x38\x09\xFE\x82\x02\x01\
\x75\x01\x95\x01\x25\x01\x09\xFF\x81\x02\x95\x07\x81\x03\xC0\xC0";

/// How a scanner's reports are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// With a number, and a length in front of the data.
    Counted,
    /// With neither.
    Bare,
}

impl Shape {
    /// The report descriptor.
    #[must_use]
    pub fn descriptor(self) -> &'static [u8] {
        match self {
            Self::Counted => COUNTED,
            Self::Bare => BARE,
        }
    }

    /// The reports of a QR code with these bytes, as hidraw gives them; `whole`: the last is not said
    /// to go on.
    #[must_use]
    pub fn reports(self, code: &[u8], whole: bool) -> Vec<Vec<u8>> {
        let pieces = code.chunks(DATA).count();
        let report = |(number, piece): (usize, &[u8])| {
            let mut report = match self {
                // One piece has 56 bytes at most.
                Self::Counted => vec![2, u8::try_from(piece.len()).unwrap_or(u8::MAX)],
                Self::Bare => Vec::new(),
            };
            report.extend_from_slice(b"]Q1");
            report.extend_from_slice(piece);
            report.resize(report.len() + DATA - piece.len(), 0);
            if self == Self::Counted {
                report.extend_from_slice(b"s\0");
            }
            report.push(u8::from(number + 1 < pieces || !whole));
            report
        };
        code.chunks(DATA).enumerate().map(report).collect()
    }
}

/// A virtual scanner that is a HID point-of-sale device.
pub struct HidScanner {
    scanner: VirtualScanner,
    shape: Shape,
}

impl HidScanner {
    /// A scanner with reports of this shape, and the hand that works it.
    #[must_use]
    pub fn new(shape: Shape) -> (Self, ScannerHand) {
        let (scanner, hand) = VirtualScanner::new(END, None);
        (Self { scanner, shape }, hand)
    }
}

impl VirtualDevice for HidScanner {
    async fn serve(&mut self, line: BoxedFarLine) {
        let (wire, scanner) = inner_line();
        let shape = self.shape;
        tokio::select! {
            biased;
            () = translate(line, wire, shape) => {}
            () = self.scanner.serve(scanner) => {}
        }
    }
}

/// Codes to reports, until either end is gone.
async fn translate(mut line: BoxedFarLine, mut scanner: tokio::io::DuplexStream, shape: Shape) {
    if line.write_all(&packet(DESCRIPTION, shape.descriptor())).await.is_err() {
        return;
    }
    let (mut code, mut chunk, mut ignored) = (BytesMut::new(), [0; 1024], [0; 64]);
    let mut broken_off = None;
    loop {
        let mut said: Vec<(BytesMut, bool)> = Vec::new();
        tokio::select! {
            biased;
            read = line.read(&mut ignored) => {
                let Ok(1..) = read else { return };
            }
            read = scanner.read(&mut chunk) => {
                let Ok(read @ 1..) = read else { return };
                code.extend_from_slice(chunk.get(..read).unwrap_or_default());
                while let Some(end) = code.windows(END.len()).position(|window| window == END) {
                    said.push((code.split_to(end), true));
                    drop(code.split_to(END.len()));
                }
                broken_off = (!code.is_empty()).then(|| Instant::now() + BROKEN_OFF);
            }
            () = at(broken_off) => {
                broken_off = None;
                said.push((code.split(), false));
            }
        }
        for (code, whole) in said {
            for report in shape.reports(&code, whole) {
                if line.write_all(&packet(REPORT, &report)).await.is_err() {
                    return;
                }
            }
        }
    }
}
