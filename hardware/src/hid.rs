//! HID report descriptors (USB Device Class Definition for HID 1.11, chapter 6.2.2): which reports a
//! device has, and where in them what stands. Pure: bytes in, fields out.
//!
//! Read by the drivers of HID devices out of what their port says first, and by the inventory out of
//! the kernel's files. A descriptor may say anything; what makes no sense is left out, and nothing
//! grows beyond the limits below.

/// The longest descriptor that the kernel takes (`HID_MAX_DESCRIPTOR_SIZE`, linux/hid.h).
pub const MOST_BYTES: usize = 4096;

/// The longest report that is believed, in bits; hidraw's buffers hold 16 KiB.
const MOST_BITS: u32 = 16 * 1024 * 8;

/// Usages that are kept of one field, and levels of collections, of saved states: more than any
/// device needs, and a descriptor that lies does not fill the memory.
const MOST_USAGES: usize = 512;
const MOST_DEPTH: usize = 32;

/// What a report is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The device sends it.
    Input,
    /// The host sends it.
    Output,
    /// The host reads or writes it on request.
    Feature,
}

/// One main item: some values of one size that follow each other in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What the report is for.
    pub kind: Kind,
    /// The report's number; 0 where reports have none.
    pub report: u8,
    /// Where it begins, in bits from the report's beginning, the number's byte not counted.
    pub at: u32,
    /// Bits of one value.
    pub size: u32,
    /// How many values.
    pub count: u32,
    /// It only fills up.
    pub constant: bool,
    /// What the values mean: the usage page in the upper 16 bits. Of fewer than values, the last
    /// holds for the rest.
    pub usages: Vec<u32>,
}

/// What a descriptor says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// All fields, in their order.
    pub fields: Vec<Field>,
    /// Each report begins with its number.
    pub numbered: bool,
    /// The usages of the outermost collections.
    pub applications: Vec<u32>,
}

impl Field {
    /// What the value at this place means.
    #[must_use]
    pub fn usage(&self, value: u32) -> Option<u32> {
        let at = usize::try_from(value).unwrap_or(usize::MAX);
        self.usages.get(at).or(self.usages.last()).copied()
    }

    /// The bytes that the values stand in, the report's number not counted; `None` for values that
    /// are no whole bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<std::ops::Range<usize>> {
        let whole = self.size == 8 && self.at.is_multiple_of(8);
        let begin = usize::try_from(self.at / 8).ok()?;
        whole.then_some(begin..begin + usize::try_from(self.count).ok()?)
    }
}

impl Descriptor {
    /// Reads a descriptor. What is broken ends it there.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut parser = Parser::default();
        let mut rest = bytes.get(..bytes.len().min(MOST_BYTES)).unwrap_or_default();
        while let Some((item, behind)) = Item::take(rest) {
            rest = behind;
            parser.item(&item);
        }
        parser.descriptor
    }

    /// The fields of one kind of report.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.kind == kind)
    }

    /// Bytes of a report, its number not counted; 0 if there is no such report.
    #[must_use]
    pub fn report_bytes(&self, kind: Kind, report: u8) -> usize {
        let of_report = self.of(kind).filter(|field| field.report == report);
        let bits = of_report.map(|field| field.at + field.size * field.count).max();
        usize::try_from(bits.unwrap_or(0).div_ceil(8)).unwrap_or(usize::MAX)
    }

    /// The number and the bytes of the longest report of this kind, the first of several as long:
    /// the one that carries data where a device has others beside it.
    #[must_use]
    pub fn longest_report(&self, kind: Kind) -> Option<(u8, usize)> {
        let mut longest = None;
        for field in self.of(kind) {
            let bytes = self.report_bytes(kind, field.report);
            if longest.is_none_or(|(_, most)| bytes > most) {
                longest = Some((field.report, bytes));
            }
        }
        longest
    }

    /// Whether one of the outermost collections is of this usage page.
    #[must_use]
    pub fn is_of_page(&self, page: u16) -> bool {
        self.applications.iter().any(|usage| usage >> 16 == u32::from(page))
    }
}

/// One item: its type and tag, and its value as a number without and with a sign.
struct Item {
    kind: u8,
    tag: u8,
    bytes: usize,
    value: u32,
}

impl Item {
    /// The first item of these bytes, and what is behind it.
    fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (prefix, rest) = bytes.split_first()?;
        if *prefix == 0xFE {
            // A long item: none is defined, so it is stepped over.
            let length = usize::from(*rest.first()?);
            return Some((Self { kind: 3, tag: 0xF, bytes: 0, value: 0 }, rest.get(2 + length..)?));
        }
        let length = match prefix & 3 {
            3 => 4,
            other => usize::from(other),
        };
        let (data, rest) = rest.split_at_checked(length)?;
        let value = data.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        Some((Self { kind: prefix >> 2 & 3, tag: prefix >> 4, bytes: length, value }, rest))
    }
}

/// What holds until it is said anew.
#[derive(Clone, Copy, Default)]
struct Global {
    page: u32,
    size: u32,
    count: u32,
    report: u8,
}

#[derive(Default)]
struct Parser {
    descriptor: Descriptor,
    global: Global,
    saved: Vec<Global>,
    usages: Vec<u32>,
    minimum: Option<u32>,
    depth: usize,
    /// Bits of each report so far: kind, number, bits.
    lengths: Vec<(Kind, u8, u32)>,
}

impl Parser {
    fn item(&mut self, item: &Item) {
        match (item.kind, item.tag) {
            (0, 0x8) => self.field(Kind::Input, item.value),
            (0, 0x9) => self.field(Kind::Output, item.value),
            (0, 0xB) => self.field(Kind::Feature, item.value),
            (0, 0xA) => {
                if self.depth == 0
                    && self.descriptor.applications.len() < MOST_DEPTH
                    && let Some(usage) = self.usages.first()
                {
                    self.descriptor.applications.push(*usage);
                }
                self.depth += 1;
            }
            (0, 0xC) => self.depth = self.depth.saturating_sub(1),
            (1, 0x0) => self.global.page = item.value & 0xFFFF,
            (1, 0x7) => self.global.size = item.value,
            (1, 0x8) => {
                self.global.report = u8::try_from(item.value & 0xFF).unwrap_or_default();
                self.descriptor.numbered = true;
            }
            (1, 0x9) => self.global.count = item.value,
            (1, 0xA) if self.saved.len() < MOST_DEPTH => self.saved.push(self.global),
            (1, 0xB) => self.global = self.saved.pop().unwrap_or(self.global),
            (2, 0x0) => self.usage(self.paged(item)),
            (2, 0x1) => self.minimum = Some(self.paged(item)),
            (2, 0x2) => {
                let maximum = self.paged(item);
                if let Some(minimum) = self.minimum.take() {
                    for usage in (minimum..=maximum).take(MOST_USAGES) {
                        self.usage(usage);
                    }
                }
            }
            _ => {}
        }
        if item.kind == 0 {
            self.usages.clear();
            self.minimum = None;
        }
    }

    /// A usage with its page, which one of four bytes brings along.
    fn paged(&self, item: &Item) -> u32 {
        if item.bytes == 4 { item.value } else { self.global.page << 16 | item.value & 0xFFFF }
    }

    fn usage(&mut self, usage: u32) {
        if self.usages.len() < MOST_USAGES {
            self.usages.push(usage);
        }
    }

    fn field(&mut self, kind: Kind, flags: u32) {
        let Global { size, count, report, .. } = self.global;
        let known = self.lengths.iter().position(|(k, r, _)| (*k, *r) == (kind, report));
        let at = known.and_then(|known| self.lengths.get(known)).map_or(0, |(_, _, bits)| *bits);
        let end = size.checked_mul(count).and_then(|bits| bits.checked_add(at));
        let Some(end) = end.filter(|end| *end <= MOST_BITS && *end > at) else { return };
        match known.and_then(|known| self.lengths.get_mut(known)) {
            Some((_, _, bits)) => *bits = end,
            None => self.lengths.push((kind, report, end)),
        }
        let usages = std::mem::take(&mut self.usages);
        let constant = flags & 1 != 0;
        self.descriptor.fields.push(Field { kind, report, at, size, count, constant, usages });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_vendors_pair_of_reports_has_no_number_and_its_sizes() {
        // Usage page FF00, usage 1: 64 bytes in, 32 out.
        let descriptor = Descriptor::parse(b"\x06\x00\xFF\x09\x01\xA1\x01\x15\x00\x26\xFF\x00\x75\x08\x95\x40\x09\x02\x81\x02\x95\x20\x09\x03\x91\x02\xC0");
        assert!(!descriptor.numbered);
        assert_eq!(descriptor.longest_report(Kind::Input), Some((0, 64)));
        assert_eq!(descriptor.longest_report(Kind::Output), Some((0, 32)));
        assert_eq!(descriptor.longest_report(Kind::Feature), None);
        assert!(descriptor.is_of_page(0xFF00) && !descriptor.is_of_page(0x8C));
    }

    #[test]
    fn fields_of_numbered_reports_stand_one_after_the_other_in_their_own() {
        // The keyboard of HID 1.11, appendix B.1, as report 1, then a report 2 of one byte.
        let descriptor = Descriptor::parse(
            b"\x05\x01\x09\x06\xA1\x01\x85\x01\x05\x07\x19\xE0\x29\xE7\x15\x00\x25\x01\x75\x01\x95\x08\x81\x02\
              \x95\x01\x75\x08\x81\x01\x95\x05\x75\x01\x05\x08\x19\x01\x29\x05\x91\x02\x95\x01\x75\x03\x91\x01\
              \x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\x81\x00\
              \x85\x02\xA4\x75\x08\x95\x01\x05\x0C\x09\x40\x81\x02\xB4\x81\x01\xC0",
        );
        assert!(descriptor.numbered);
        let inputs: Vec<_> =
            descriptor.of(Kind::Input).map(|f| (f.report, f.at, f.size, f.count)).collect();
        assert_eq!(inputs, [(1, 0, 1, 8), (1, 8, 8, 1), (1, 16, 8, 6), (2, 0, 8, 1), (2, 8, 8, 6)]);
        assert_eq!(descriptor.report_bytes(Kind::Input, 1), 8);
        assert_eq!(descriptor.report_bytes(Kind::Output, 1), 1);
        let modifiers = &descriptor.fields[0];
        assert_eq!(modifiers.usage(0), Some(0x0007_00E0));
        assert_eq!(modifiers.usage(7), Some(0x0007_00E7));
        assert_eq!(descriptor.applications, [0x0001_0006]);
    }

    #[test]
    fn the_last_usage_holds_for_all_values_that_have_none() {
        let descriptor = Descriptor::parse(b"\x05\x8C\x09\xFE\x75\x08\x95\x38\x81\x02");
        assert_eq!(descriptor.fields[0].usage(55), Some(0x008C_00FE));
        assert_eq!(descriptor.fields[0].bytes(), Some(0..56));
    }

    #[test]
    fn lengths_that_cannot_be_are_no_fields() {
        let huge = b"\x77\xFF\xFF\xFF\xFF\x97\xFF\xFF\xFF\xFF\x81\x02";
        assert_eq!(Descriptor::parse(huge).fields, []);
        // Usages 0 to 2^32 - 1.
        let endless = b"\x75\x08\x95\x01\x1B\x00\x00\x00\x00\x2B\xFF\xFF\xFF\xFF\x81\x02";
        assert_eq!(Descriptor::parse(endless).fields[0].usages.len(), MOST_USAGES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let descriptor = Descriptor::parse(&bytes);
            prop_assert!(descriptor.fields.len() <= bytes.len());
            for field in &descriptor.fields {
                prop_assert!(field.at + field.size * field.count <= MOST_BITS);
                prop_assert!(field.usages.len() <= MOST_USAGES);
                prop_assert!(descriptor.report_bytes(field.kind, field.report) <= 16 * 1024);
            }
        }
    }
}
