//! Where a social-security card keeps what: its files and their records.
//!
//! Owns the tables of LD/T 32-2015 (application, EF05, EF06) and the cutting of one record, which is
//! `tag(1) length(1) value`. `reading` fetches by the tables and fills [`Records`], `fields` reads
//! them. Any bytes are cut or refused; none makes it panic.

use std::collections::BTreeMap;

/// The application's name: `sx1.sh.社会保障`, the Chinese part in GBK.
pub(super) const APPLICATION: [u8; 15] =
    [0x73, 0x78, 0x31, 0x2E, 0x73, 0x68, 0x2E, 0xC9, 0xE7, 0xBB, 0xE1, 0xB1, 0xA3, 0xD5, 0xCF];

/// The application's file id under the master file.
pub(super) const APPLICATION_ID: [u8; 2] = [0xDD, 0xF1];

/// The master file's id (ISO/IEC 7816-4).
pub(super) const MASTER_FILE: [u8; 2] = [0x3F, 0x00];

/// Tags of the records that are read.
pub(super) mod tag {
    /// Card identification code, 16 cn; its first six digits are the region.
    pub(in super::super) const CARD_CODE: u8 = 0x01;
    /// Version of the specification, 4 an.
    pub(in super::super) const VERSION: u8 = 0x03;
    /// Date of issue, 4 cn.
    pub(in super::super) const ISSUED: u8 = 0x05;
    /// Valid to, 4 cn.
    pub(in super::super) const EXPIRES: u8 = 0x06;
    /// Card number, 9 an.
    pub(in super::super) const CARD_NUMBER: u8 = 0x07;
    /// Social-security number, 18 an.
    pub(in super::super) const ID_NUMBER: u8 = 0x08;
    /// Name, 30 an in GB18030.
    pub(in super::super) const NAME: u8 = 0x09;
    /// Sex, 1 an.
    pub(in super::super) const SEX: u8 = 0x0A;
    /// Nation, 1 cn.
    pub(in super::super) const NATION: u8 = 0x0B;
    /// Date of birth, 4 cn.
    pub(in super::super) const BIRTH: u8 = 0x0D;
    /// What of the name does not fit into its record, 20 an; generations 2 and 3 only.
    pub(in super::super) const NAME_EXTENSION: u8 = 0x4E;
}

/// A file with records.
pub(super) struct File {
    /// Its id under the application.
    pub(super) id: [u8; 2],
    /// Its short id: the low five bits of the id.
    pub(super) short_id: u8,
    /// Those of its records that are of use, with the length of their value in bytes.
    pub(super) records: &'static [(u8, u8)],
}

/// EF05, what the card is, and EF06, who its holder is. Card class (02), institution (04) and
/// birth place (0C) are left where they are: nobody is told them.
pub(super) const FILES: [File; 2] = [
    File {
        id: [0xEF, 0x05],
        short_id: 0x05,
        records: &[
            (tag::CARD_CODE, 16),
            (tag::VERSION, 4),
            (tag::ISSUED, 4),
            (tag::EXPIRES, 4),
            (tag::CARD_NUMBER, 9),
        ],
    },
    File {
        id: [0xEF, 0x06],
        short_id: 0x06,
        records: &[
            (tag::ID_NUMBER, 18),
            (tag::NAME, 30),
            (tag::NAME_EXTENSION, 20),
            (tag::SEX, 1),
            (tag::NATION, 1),
            (tag::BIRTH, 4),
        ],
    },
];

/// The records of one card. They hold a person, so there is no `Debug`.
#[derive(Default)]
pub(super) struct Records {
    values: BTreeMap<u8, Vec<u8>>,
    /// The card has refused a record until somebody proves to have a key.
    withheld: bool,
    /// The card has answered to a record with nothing.
    blank: bool,
}

impl Records {
    /// A record's value; empty if it was not read.
    pub(super) fn value(&self, tag: u8) -> &[u8] {
        self.values.get(&tag).map_or(&[], Vec::as_slice)
    }

    /// Whether there is none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Keeps a record's value; of two with the same tag the first counts, as the card itself has it
    /// when it is asked by tag.
    pub(super) fn keep(&mut self, tag: u8, value: &[u8]) {
        self.values.entry(tag).or_insert_with(|| value.to_vec());
    }

    /// A record was refused for want of a key.
    pub(super) fn note_withheld(&mut self) {
        self.withheld = true;
    }

    /// A record came without a byte.
    pub(super) fn note_blank(&mut self) {
        self.blank = true;
    }

    /// Whether something stayed empty that a PSAM would open: whatever was refused, and on
    /// generation 3, which has both habits, what came without a byte.
    pub(super) fn lack_a_key(&self) -> bool {
        let third = self.value(tag::VERSION).first() == Some(&b'3');
        self.withheld || (self.blank && third)
    }
}

/// A record's tag and value; cards may fill it up behind that. `None` if less came than its length
/// says.
pub(super) fn cut(record: &[u8]) -> Option<(u8, &[u8])> {
    let [tag, length, value @ ..] = record else { return None };
    Some((*tag, value.get(..usize::from(*length))?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_application_is_called_by_its_chinese_name_in_gbk() {
        let (name, _, bad) = encoding_rs::GBK.decode(&APPLICATION);
        assert_eq!((name.as_ref(), bad), ("sx1.sh.社会保障", false));
    }

    #[test]
    fn a_record_is_cut_into_tag_and_value() {
        assert_eq!(cut(&[0x0A, 1, b'1']), Some((0x0A, &b"1"[..])));
        assert_eq!(cut(&[0x4E, 0]), Some((0x4E, &[][..])));
    }

    #[test]
    fn a_record_of_which_less_came_than_it_says_is_none() {
        for record in [&[][..], &[0x0A], &[0x0A, 1], &[0x0A, 2, b'1']] {
            assert_eq!(cut(record), None, "{record:02X?}");
        }
    }

    #[test]
    fn what_fills_a_record_up_is_none_of_it() {
        assert_eq!(cut(&[0x0A, 1, b'1', 0, 0]), Some((0x0A, &b"1"[..])));
    }

    #[test]
    fn of_two_records_with_one_tag_the_first_counts() {
        let mut records = Records::default();
        assert!(records.is_empty());
        records.keep(tag::SEX, b"1");
        records.keep(tag::SEX, b"2");
        assert_eq!(records.value(tag::SEX), b"1");
        assert_eq!(records.value(tag::NATION), b"");
    }

    #[test]
    fn a_key_is_lacking_where_one_was_asked_for_or_generation_3_says_nothing() {
        let records = |version: &[u8], withheld: bool, blank: bool| {
            let mut records = Records { withheld, blank, ..Records::default() };
            records.keep(tag::VERSION, version);
            records.lack_a_key()
        };
        assert!(records(b"3.00", true, false));
        assert!(records(b"3.00", false, true));
        assert!(records(b"2.00", true, false));
        assert!(!records(b"2.00", false, true));
        assert!(!records(b"3.00", false, false));
        assert!(!records(b"", false, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_or_refused(bytes: Vec<u8>) {
            if let Some((tag, value)) = cut(&bytes) {
                prop_assert_eq!(tag, bytes[0]);
                prop_assert_eq!(value, &bytes[2..2 + usize::from(bytes[1])]);
            }
        }
    }
}
