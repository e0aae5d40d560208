//! The conversation with one card: select the application, fetch its records.
//!
//! ```text
//! SELECT by name ─ no ─► SELECT 3F00, SELECT DDF1 ─ no ─► not a social-security card
//!      └─────────────────────────┴─► EF05, EF06:  by tag, short file id
//!                                                 by tag, after SELECT EF      each way only if
//!                                                 by number, short file id     the one before
//!                                                 by number, after SELECT EF   does not work
//! ```
//!
//! Called by the driver inside one transaction. The way that works for EF05 is the first to be tried
//! for EF06. Records are known by their tags, never by their places: the order differs between
//! generations. A record that is refused, missing or damaged costs that record only.

use std::fmt;

use super::records::{APPLICATION, APPLICATION_ID, FILES, File, MASTER_FILE, Records, cut};
use crate::card::apdu::exchange;
use crate::port::card::{Card, CardFault, FaultKind};

/// The highest record number that is asked for: EF05 has 7 records, EF06 has 7.
const LAST_NUMBER: u8 = 10;

/// `Le` that asks for the whole record, whatever its length.
const WHOLE: u8 = 0x00;

/// Why there is nothing of a card.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The card cannot be got at, or no longer.
    #[error(transparent)]
    Fault(CardFault),
    /// The card was got at, and what it answers is no conversation.
    #[error("the card breaks off: {0}")]
    BrokenOff(String),
    /// It has no such application.
    #[error("not a social-security card: SELECT answered {0}")]
    NotOne(Word),
    /// It has the application, and tells nothing.
    #[error("none of the social-security card's records can be read: READ RECORD answered {0}")]
    NoRecords(Word),
}

impl From<CardFault> for ReadError {
    /// The fault of an exchange.
    fn from(fault: CardFault) -> Self {
        match fault.kind {
            FaultKind::Other => Self::BrokenOff(fault.detail),
            _ => Self::Fault(fault),
        }
    }
}

/// Reads a card from the beginning.
///
/// # Errors
/// What of the card there is not, or the fault that ended it.
pub(super) async fn read(card: &mut dyn Card) -> Result<Records, ReadError> {
    let mut reader = Reader { card, records: Records::default(), last: Word(None) };
    reader.select_application().await?;
    let mut ways = &WAYS[..];
    for file in &FILES {
        let mut rest = ways;
        while let [way, others @ ..] = rest {
            if reader.read_file(file, *way).await? {
                ways = rest;
                break;
            }
            rest = others;
        }
    }
    if reader.records.is_empty() {
        return Err(ReadError::NoRecords(reader.last));
    }
    Ok(reader.records)
}

/// A status word for people; `None` for an answer that is too short to have one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(Option<u16>);

impl Word {
    fn of(answer: &[u8]) -> Self {
        match answer {
            [.., high, low] => Self(Some(u16::from_be_bytes([*high, *low]))),
            _ => Self(None),
        }
    }

    /// Whether the card has done it: `9000`, or `62xx`, a warning that changes nothing
    /// (ISO/IEC 7816-4, 5.6; `6282` is a record shorter than `Le`).
    fn is_done(self) -> bool {
        self.0.is_some_and(|word| word == 0x9000 || word >> 8 == 0x62)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(word) => write!(f, "{word:04X}"),
            None => f.write_str("without a status word"),
        }
    }
}

/// A way to say which record of which file is wanted.
#[derive(Clone, Copy)]
struct Way {
    by: By,
    /// The file is named by its short id in the command itself; else it is selected first.
    short_id: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Tag,
    Number,
}

/// All ways, those first that do not depend on a card's own order of records.
const WAYS: [Way; 4] = [
    Way { by: By::Tag, short_id: true },
    Way { by: By::Tag, short_id: false },
    Way { by: By::Number, short_id: true },
    Way { by: By::Number, short_id: false },
];

impl Way {
    /// P2 of READ RECORD: short file id (0 the selected file), then what P1 is.
    fn p2(self, file: &File) -> u8 {
        let file = if self.short_id { file.short_id << 3 } else { 0 };
        let p1 = match self.by {
            By::Tag => 0b000,
            By::Number => 0b100,
        };
        file | p1
    }
}

/// What an answer to READ RECORD means.
enum Answered {
    /// A record, as it came.
    Record(Vec<u8>),
    /// The command was done and gave nothing, or wants a key first.
    Nothing,
    /// The file has no such record.
    NoSuchRecord,
    /// The card does not understand this way of asking.
    Refused,
}

struct Reader<'a> {
    card: &'a mut dyn Card,
    records: Records,
    /// The last answer to READ RECORD.
    last: Word,
}

impl Reader<'_> {
    async fn select_application(&mut self) -> Result<(), ReadError> {
        let by_name = self.select(0x04, &APPLICATION).await?;
        if by_name.is_done() {
            return Ok(());
        }
        // Its answer says nothing: a card that is in its master file already may refuse it.
        self.select(0x00, &MASTER_FILE).await?;
        if self.select(0x00, &APPLICATION_ID).await?.is_done() {
            return Ok(());
        }
        Err(ReadError::NotOne(by_name))
    }

    /// Fetches what the file has; tells whether this way of asking works.
    async fn read_file(&mut self, file: &File, way: Way) -> Result<bool, CardFault> {
        if !way.short_id && !self.select_file(file).await? {
            return Ok(false);
        }
        match way.by {
            By::Tag => self.read_by_tag(file, way.p2(file)).await,
            By::Number => self.read_by_number(file, way.p2(file)).await,
        }
    }

    async fn read_by_tag(&mut self, file: &File, p2: u8) -> Result<bool, CardFault> {
        let mut works = false;
        for (tag, length) in file.records {
            match self.read_record(*tag, p2, length + 2).await? {
                // Another record than the one that was asked for: the card takes P1 for a number.
                Answered::Record(record) if record.first() != Some(tag) => {}
                Answered::Record(record) => {
                    works = true;
                    self.keep(&record);
                }
                Answered::Nothing => works = true,
                Answered::NoSuchRecord => {}
                Answered::Refused if works => {}
                Answered::Refused => break,
            }
        }
        Ok(works)
    }

    async fn read_by_number(&mut self, file: &File, p2: u8) -> Result<bool, CardFault> {
        let mut works = false;
        for number in 1..=LAST_NUMBER {
            match self.read_record(number, p2, WHOLE).await? {
                Answered::Record(record) => {
                    if file.records.iter().any(|(tag, _)| record.first() == Some(tag)) {
                        works = true;
                        self.keep(&record);
                    }
                }
                Answered::Nothing => works = true,
                Answered::NoSuchRecord | Answered::Refused => break,
            }
        }
        Ok(works)
    }

    fn keep(&mut self, record: &[u8]) {
        // One whose length is wrong counts as not read.
        if let Some((tag, value)) = cut(record) {
            self.records.keep(tag, value);
        }
    }

    async fn read_record(&mut self, p1: u8, p2: u8, le: u8) -> Result<Answered, CardFault> {
        let mut asked = exchange(self.card, &[0x00, 0xB2, p1, p2, le]).await;
        if le != WHOLE && asked.as_ref().is_ok_and(|answer| Word::of(answer).0 == Some(0x6700)) {
            // The record has another length, and the card does not say which.
            asked = exchange(self.card, &[0x00, 0xB2, p1, p2, WHOLE]).await;
        }
        let mut answer = match asked {
            Ok(answer) => answer,
            // An answer that is none costs this record.
            Err(CardFault { kind: FaultKind::Other, .. }) => return Ok(Answered::Refused),
            Err(fault) => return Err(fault),
        };
        let word = Word::of(&answer);
        self.last = word;
        Ok(match word.0 {
            _ if word.is_done() => {
                answer.truncate(answer.len().saturating_sub(2));
                if answer.is_empty() {
                    self.records.note_blank();
                    Answered::Nothing
                } else {
                    Answered::Record(answer)
                }
            }
            // Security status or conditions not satisfied.
            Some(0x6982 | 0x6985) => {
                self.records.note_withheld();
                Answered::Nothing
            }
            Some(0x6A83) => Answered::NoSuchRecord,
            _ => Answered::Refused,
        })
    }

    /// Makes the file the current one.
    async fn select_file(&mut self, file: &File) -> Result<bool, CardFault> {
        // Under the current application; some cards know only the general form.
        Ok(self.select(0x02, &file.id).await?.is_done()
            || self.select(0x00, &file.id).await?.is_done())
    }

    /// SELECT with this P1 and what it names, without `Le`: what the file says of itself is not
    /// needed.
    async fn select(&mut self, p1: u8, name: &[u8]) -> Result<Word, CardFault> {
        // Names are of 2 or 15 bytes.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let mut command = vec![0x00, 0xA4, p1, 0x00, length];
        command.extend_from_slice(name);
        Ok(Word::of(&exchange(self.card, &command).await?))
    }
}

#[cfg(test)]
mod tests;
