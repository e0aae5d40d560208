//! Identity numbers in BCD, a digit every half byte: in a scanner's binary codes, and by chance in
//! what looks like one.
//!
//! Called for every replaced text, in both encodings that its bytes may have, and for the bytes
//! that a scanner's code becomes; free for whoever looks through a recording.

use std::ops::Range;

use super::ID_CHARACTERS;
use super::numbers::Window;

/// Bytes that hold a number, at least in part.
const ID_BYTES: usize = ID_CHARACTERS / 2;

/// Where numbers in BCD stand in `bytes` that could be somebody's: 18 half bytes in a row, which
/// may begin and end within a byte, with the right check character (X is 10), a date of birth from
/// 1900 to 2099, and outside the invented region.
///
/// Bytes that are no BCD at all hold such a number by chance now and then: it may be asked for
/// more, such as a region that exists.
pub fn bcd_ids(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut window = Window::default();
    let ends = bytes.iter().enumerate().filter_map(move |(at, byte)| {
        let digit = |nibble: u8| (nibble <= 10).then_some(nibble);
        // A number that ends within the byte has begun within the one of the half before.
        let within = window.push(digit(byte >> 4));
        let whole = window.push(digit(byte & 0xF));
        (within || whole).then_some((at, within))
    });
    ends.map(|(last, within)| (last + 1).saturating_sub(ID_BYTES + usize::from(within))..last + 1)
}

/// The text, without a number in BCD in its UTF-8 or GB18030.
///
/// The controls that are kept hold one pair of digits only, TAB (`09`), and of printable
/// characters only the blank (`20`) begins a year. No year and month can be made without a TAB, so
/// where there is a number all of them become another blank that is no BCD; and then, though that
/// is not to be expected, the blanks as well.
pub(super) fn without_ids(mut text: String) -> String {
    /// The vertical tabulator.
    const NO_BCD: &str = "\x0B";
    for blank in ["\t", " "] {
        if !has_ids(&text) {
            break;
        }
        text = text.replace(blank, NO_BCD);
    }
    text
}

fn has_ids(text: &str) -> bool {
    let found = |bytes: &[u8]| bcd_ids(bytes).next().is_some();
    found(text.as_bytes()) || (!text.is_ascii() && found(&encoding_rs::GB18030.encode(text).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<Range<usize>>) {
        assert_eq!(bcd_ids(bytes).collect::<Vec<_>>(), Vec::from_iter(expected), "{bytes:02X?}");
    }

    #[test]
    fn a_number_is_found_at_whole_and_at_half_bytes() {
        let id = [0x11, 0x01, 0x12, 0x20, 0x12, 0x01, 0x15, 0x10, 0x06];
        check(&id, Some(0..9));
        check(&[&b"ID"[..], &id, b"END"].concat(), Some(2..11));
        // 11010519491231002X.
        check(&[0xF1, 0x10, 0x10, 0x51, 0x94, 0x91, 0x23, 0x10, 0x02, 0xAF], Some(0..10));
        check(&[0x11, 0x01, 0x05, 0x19, 0x49, 0x12, 0x31, 0x00, 0x2A, 0x11], Some(0..9));
    }

    #[test]
    fn what_could_be_nobodys_is_not_found() {
        for bytes in [
            &b""[..],
            // Cut, a wrong check character, a month that there is not, region 99.
            &[0x11, 0x01, 0x12, 0x20, 0x12, 0x01, 0x15, 0x10],
            &[0x11, 0x01, 0x12, 0x20, 0x12, 0x01, 0x15, 0x10, 0x07],
            &[0x11, 0x01, 0x12, 0x20, 0x12, 0x13, 0x15, 0x10, 0x06],
            &[0x99, 0x01, 0x01, 0x19, 0x90, 0x03, 0x07, 0x00, 0x23],
            &[0x11, 0x01, 0x12, 0x20, 0x0B, 0x12, 0x01, 0x15, 0x10, 0x06],
        ] {
            check(bytes, None);
        }
    }

    #[test]
    fn tabs_that_make_a_number_become_another_blank_and_others_stay() {
        // 22 23 24 | 20 21 | 09 | 22 | 23 2 and any check digit that fits.
        let code = (0x20..=0x2A).map(|last| format!("\"#$ !\t\"#{}", char::from(last)));
        let code = code.into_iter().find(|code| has_ids(code)).expect("one of eleven fits");
        assert_eq!(without_ids(code.clone()), code.replace('\t', "\x0B"));
        let other = code.replace('$', "%");
        assert!(!has_ids(&other));
        assert_eq!(without_ids(other.clone()), other);
    }
}
