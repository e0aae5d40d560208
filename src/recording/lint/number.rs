//! ID numbers of real people among digits.
//!
//! GB 11643: six digits of a region, a date of birth, three of a sequence, and a check character
//! by ISO 7064 MOD 11-2. Region 99 does not exist: what begins with it is invented. Called by
//! `scan` with the digits of a recording, in whatever encoding they are written.

use hharome_hardware::pseudonym::is_somebodys;

/// Characters of an ID number.
const LENGTH: usize = 18;

/// The check character `X`.
pub(super) const X: u8 = 10;

/// The provinces and regions of GB/T 2260, and 91 of foreigners' permits.
const PROVINCES: [u8; 36] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52,
    53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83, 91,
];

/// Which digits in a row are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windows {
    /// Any 18 of them.
    All,
    /// The first and the last 18. Where fields of fixed length lie side by side (UTF-16 of a
    /// card's text), two dates and a number would look like a third now and then.
    Edges,
    /// Any 18 that begin with a province there is. Half-bytes of other things look like digits.
    Provinces,
}

/// Digits, as they come.
#[derive(Clone)]
pub(super) struct Digits {
    windows: Windows,
    last: [u8; LENGTH],
    run: usize,
}

/// The value of a digit or of `X`, ASCII or full-width.
pub(super) fn symbol(character: char) -> Option<u8> {
    let wide = |from: char| u8::try_from(u32::from(character) - u32::from(from)).ok();
    match character {
        '0'..='9' => wide('0'),
        '\u{FF10}'..='\u{FF19}' => wide('\u{FF10}'),
        'X' | 'x' | '\u{FF38}' | '\u{FF58}' => Some(X),
        _ => None,
    }
}

impl Digits {
    pub(super) fn new(windows: Windows) -> Self {
        Self { windows, last: [0; LENGTH], run: 0 }
    }

    /// The next digit, `X`, or something else: the ID number that ends here, masked.
    pub(super) fn push(&mut self, symbol: Option<u8>) -> Option<String> {
        let Some(symbol) = symbol else { return self.end() };
        // An X with fewer digits before it is a letter.
        if symbol == X && self.run < LENGTH - 1 {
            self.run = 0;
            return None;
        }
        if symbol == X {
            let mut number = self.last;
            shift(&mut number, symbol);
            self.run = 0;
            return self.judged(&number);
        }
        shift(&mut self.last, symbol);
        self.run += 1;
        let looked_at = match self.windows {
            Windows::Edges => self.run == LENGTH,
            Windows::All | Windows::Provinces => self.run >= LENGTH,
        };
        looked_at.then(|| self.judged(&self.last)).flatten()
    }

    /// The digits are at an end.
    pub(super) fn end(&mut self) -> Option<String> {
        let run = std::mem::take(&mut self.run);
        let unseen = self.windows == Windows::Edges && run > LENGTH;
        unseen.then(|| self.judged(&self.last)).flatten()
    }

    fn judged(&self, number: &[u8; LENGTH]) -> Option<String> {
        let [first, second, ..] = *number;
        let province = PROVINCES.contains(&(first * 10 + second));
        let there_is = self.windows != Windows::Provinces || province;
        (there_is && is_real(number)).then(|| masked(number))
    }
}

fn shift(digits: &mut [u8; LENGTH], next: u8) {
    digits.rotate_left(1);
    if let Some(last) = digits.last_mut() {
        *last = next;
    }
}

/// Whether these may be a real person's.
fn is_real(number: &[u8; LENGTH]) -> bool {
    let text = number.map(|symbol| if symbol == X { b'X' } else { b'0' + symbol });
    std::str::from_utf8(&text).is_ok_and(is_somebodys)
}

/// The region and the last four: enough to find it, not enough to know it.
fn masked(number: &[u8; LENGTH]) -> String {
    let character = |(place, value): (usize, &u8)| match (place, *value) {
        (6..14, _) => '*',
        (_, X) => 'X',
        (_, digit) => char::from(b'0' + digit),
    };
    number.iter().enumerate().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The masked numbers that are found in `text`.
    fn check(windows: Windows, text: &str, expected: &[&str]) {
        let mut digits = Digits::new(windows);
        let mut found: Vec<_> = text.chars().filter_map(|c| digits.push(symbol(c))).collect();
        found.extend(digits.end());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_number_is_found_wherever_it_stands() {
        for text in [
            "11010519491231002X",
            "身份证11010519491231002x号",
            "id=11010519491231002X&y=1",
            "99911010519491231002X",
            "１１０１０５１９４９１２３１００２Ｘ",
        ] {
            check(Windows::All, text, &["110105********002X"]);
        }
        // 410922199611150054 stands in the vendor's document.
        check(Windows::All, "0410922199611150054123", &["410922********0054"]);
    }

    #[test]
    fn what_is_no_real_number_is_not_found() {
        for text in [
            "",
            "X",
            "110105194912310021",
            "110105194913310021",
            "11010519491231002",
            "1101051949123 1002X",
            "990101199003070023",
            "123456789012345678901234567890",
        ] {
            check(Windows::All, text, &[]);
        }
    }

    #[test]
    fn the_29th_of_february_is_a_date_in_leap_years_only() {
        check(Windows::All, "110105200002290013", &["110105********0013"]);
        check(Windows::All, "110105190002290017", &[]);
    }

    #[test]
    fn of_fields_side_by_side_only_the_ends_are_looked_at() {
        let id = "410922199611150054";
        for text in [id.to_owned(), format!("{id}2020"), format!("12{id}")] {
            check(Windows::Edges, &text, &["410922********0054"]);
        }
        check(Windows::Edges, &format!("12{id}2020"), &[]);
    }

    #[test]
    fn half_bytes_are_digits_only_of_a_province() {
        check(Windows::Provinces, "410922199611150054", &["410922********0054"]);
        check(Windows::All, "001055194912310023", &["001055********0023"]);
        check(Windows::Provinces, "001055194912310023", &[]);
    }
}
