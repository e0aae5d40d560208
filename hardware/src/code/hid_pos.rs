//! Scanners that are HID point-of-sale devices (HID Point of Sale Usage Tables 1.02, usage page 8C).
//!
//! Where in a report what stands is in the report descriptor: makers differ. A code may be cut into
//! several reports, each of which says whether it goes on. Put together it is followed by [`END`],
//! and so is a serial scanner's for [`super::serial`] and [`super::redact`], which do the rest.
//!
//! ```text
//! number? │ length? │ symbology, 3 bytes │ decoded data … │ … │ goes on: 1 bit    (in any order)
//! ```
//!
//! The symbology identifier is no part of a code. [`far`] is the far end.

use std::io;
use std::ops::Range;

use crate::hid::{Descriptor, Field, Kind};
use crate::port::carried::{Carrier, Part};
use crate::port::hidraw::REPORT;
use crate::port::packets::Packet;

pub mod far;
#[cfg(test)]
mod tests;

/// What stands behind each code, as no code ends.
pub const END: [u8; 8] = *b"\0\xFF\0\xFE\0\xFF\0\xFE";

/// The usage page of bar-code scanners.
pub const PAGE: u16 = 0x8C;

/// Decoded data.
const DATA: u32 = 0x008C_00FE;

/// Decoded data continued: the next report carries on.
const GOES_ON: u32 = 0x008C_00FF;

/// The usages of the page that stand beside the data: symbology identifiers 1 to 3.
const SYMBOLOGY: Range<u32> = 0x008C_00FB..0x008C_00FE;

/// Byte count, of the generic desktop page.
const BYTE_COUNT: u32 = 0x0001_003B;

/// Where in one report what stands, in bytes, the number not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanReport {
    /// The report's number; 0 where reports have none.
    number: u8,
    /// What says how many bytes of the data are the code's.
    length: Option<usize>,
    data: Range<usize>,
    /// The byte that says whether the code goes on, and its bits.
    goes_on: Option<(usize, u8)>,
    symbology: Vec<Range<usize>>,
}

impl ScanReport {
    /// The reports of a descriptor that carry codes.
    #[must_use]
    pub fn all(descriptor: &Descriptor) -> Vec<Self> {
        let data = descriptor.of(Kind::Input).filter(|field| field.usages.contains(&DATA));
        data.filter_map(|field| Self::of(descriptor, field)).collect()
    }

    fn of(descriptor: &Descriptor, data: &Field) -> Option<Self> {
        let values = data.bytes()?;
        // Symbology and data may be one field whose values have usages of their own.
        let is_other = |value: &usize| {
            u32::try_from(*value).is_ok_and(|value| data.usage(value) != Some(DATA))
        };
        let begin = values.start + (0..values.len()).take_while(is_other).count();
        let beside: Vec<&Field> = descriptor
            .of(Kind::Input)
            .filter(|field| field.report == data.report && *field != data)
            .collect();
        let is_symbology =
            |field: &&Field| field.usage(0).is_some_and(|usage| SYMBOLOGY.contains(&usage));
        let mut singles = beside.iter().copied().filter(|field| {
            field.size == 8 && field.count == 1 && !field.constant && !is_symbology(field)
        });
        let counts = |field: &&Field| field.usages == [BYTE_COUNT];
        // Makers who give the length a usage of their own put it in front of everything.
        let first = |field: &&Field| field.at == 0 && !field.usages.contains(&GOES_ON);
        let length = singles.clone().find(counts).or_else(|| singles.find(first));
        let goes_on = beside.iter().find(|field| field.usages.contains(&GOES_ON));
        let symbology = beside.iter().copied().filter(is_symbology).filter_map(Field::bytes);
        Some(Self {
            number: data.report,
            length: length.and_then(Field::bytes).map(|bytes| bytes.start),
            data: begin..values.end,
            goes_on: goes_on.and_then(|field| {
                let bits = u8::MAX.checked_shr(8_u32.checked_sub(field.size)?)?;
                Some((usize::try_from(field.at / 8).ok()?, bits << (field.at % 8)))
            }),
            symbology: symbology.chain(std::iter::once(values.start..begin)).collect(),
        })
    }

    /// Whether the code of a report without its number goes on; `None` if the report ends before
    /// that.
    fn goes_on(&self, report: &[u8]) -> Option<bool> {
        match self.goes_on {
            Some((at, bits)) => Some(report.get(at)? & bits != 0),
            None => Some(false),
        }
    }

    /// The bytes of the code in a report without its number, and whether it goes on; `None` if the
    /// report is not what it should be.
    fn code(&self, report: &[u8]) -> Option<(Range<usize>, bool)> {
        let data = report.get(self.data.clone())?;
        let goes_on = self.goes_on(report)?;
        let length = match self.length {
            Some(at) => usize::from(*report.get(at)?),
            None if goes_on => data.len(),
            None => data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        };
        (length <= data.len()).then_some((self.data.start..self.data.start + length, goes_on))
    }

    /// Whether this byte says how the code is carried.
    fn is_about(&self, at: usize) -> bool {
        Some(at) == self.length
            || self.goes_on.is_some_and(|(byte, _)| byte == at)
            || self.symbology.iter().any(|range| range.contains(&at))
    }
}

/// Whether a HID device is such a scanner.
///
/// # Errors
/// Why it is none.
pub fn is_scanner(descriptor: &Descriptor) -> Result<(), &'static str> {
    if ScanReport::all(descriptor).is_empty() {
        return Err(
            "this HID device is no point-of-sale scanner: it has no decoded data (usage page \
                    8C); name another (see `hharome devices`), or switch the scanner to HID-POS",
        );
    }
    Ok(())
}

/// Codes in reports, each followed by [`END`].
#[derive(Clone)]
pub struct ScanCarrier {
    /// What the scanner was told to say behind each code; it is no part of it.
    suffix: Vec<u8>,
    reports: Vec<ScanReport>,
    numbered: bool,
    /// A report in the middle of a code was broken: the rest of the code is no code.
    torn: bool,
    /// A code has begun.
    begun: bool,
}

impl ScanCarrier {
    /// For a scanner that is not described yet.
    #[must_use]
    pub fn new(suffix: &[u8]) -> Self {
        let (reports, suffix) = (Vec::new(), suffix.to_owned());
        Self { suffix, reports, numbered: false, torn: false, begun: false }
    }

    /// The report's layout, and where it begins.
    fn layout(&self, packet: &Packet) -> Option<(&ScanReport, usize)> {
        let (number, at) = match packet.data.first() {
            Some(number) if self.numbered => (*number, 1),
            _ => (0, 0),
        };
        let known = self.reports.iter().find(|report| report.number == number);
        known.filter(|_| packet.kind == REPORT).map(|known| (known, at))
    }
}

impl Carrier for ScanCarrier {
    fn describe(&mut self, description: &[u8]) {
        let descriptor = Descriptor::parse(description);
        self.reports = ScanReport::all(&descriptor);
        self.numbered = descriptor.numbered;
        self.forget();
    }

    fn take(&mut self, packet: &Packet, parts: &mut Vec<Part>) {
        let Some((layout, from)) = self.layout(packet) else {
            parts.push(Part::Padding(0..packet.data.len()));
            return;
        };
        let report = packet.data.get(from..).unwrap_or_default();
        let Some((code, goes_on)) = layout.code(report) else {
            let goes_on = layout.goes_on(report) == Some(true);
            parts.push(Part::Padding(0..packet.data.len()));
            if !self.torn {
                parts.extend([Part::Lost, Part::Made(END.to_vec())]);
            }
            // Even if it says that it was the last one: the rest of a code would be a wrong code, and
            // the next code can be scanned again.
            self.torn |= self.begun || goes_on;
            self.begun = self.torn;
            return;
        };
        let code = code.start + from..code.end + from;
        let carried = match packet.data.get(code.clone()) {
            _ if self.torn => code.start..code.start,
            Some(bytes) if !goes_on && bytes.ends_with(&self.suffix) => {
                code.start..code.end - self.suffix.len()
            }
            _ => code.clone(),
        };
        let about = |at: usize| at < from || layout.is_about(at - from);
        outside(0..carried.start, about, parts);
        parts.push(Part::Carried(carried.clone()));
        // The suffix, unless what was carried is none of a code.
        if self.torn {
            parts.push(Part::Padding(carried.end..code.end));
        } else {
            parts.push(Part::Stays(carried.end..code.end));
        }
        outside(code.end..packet.data.len(), about, parts);
        if !goes_on && !self.torn {
            parts.push(Part::Made(END.to_vec()));
        }
        self.torn &= goes_on;
        self.begun = goes_on;
    }

    fn wrap(&self, _: &[u8]) -> Option<io::Result<Vec<u8>>> {
        Some(Err(io::Error::other("a HID point-of-sale scanner is not written to")))
    }

    fn sent(&self, _: &[Packet]) -> Vec<u8> {
        Vec::new()
    }

    fn forget(&mut self) {
        (self.torn, self.begun) = (false, false);
    }
}

/// The bytes of a range that are no code's: those `about` the code stay, the others are padding.
fn outside(range: Range<usize>, about: impl Fn(usize) -> bool, parts: &mut Vec<Part>) {
    let mut from = range.start;
    while from < range.end {
        let stays = about(from);
        let end = (from..range.end).find(|at| about(*at) != stays).unwrap_or(range.end);
        parts.push(if stays { Part::Stays(from..end) } else { Part::Padding(from..end) });
        from = end;
    }
}
