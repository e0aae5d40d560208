//! Commands as a card gets them, and how its answers get back (ISO/IEC 7816-3 chapter 12, 7816-4
//! chapter 5).
//!
//! [`Command`] is one command taken apart; [`Transmission`] carries the answer over T=0 (where data
//! that follows sent data has to be fetched, `61xx`, and a wrong length is told, `6Cxx`) or over
//! T=1. Called by each virtual card with what it knows to do.

use crate::port::card::Protocol;

/// INS of SELECT.
pub const SELECT: u8 = 0xA4;

/// INS of GET RESPONSE.
const GET_RESPONSE: u8 = 0xC0;

/// The most bytes of an answer that a short length field can ask for, and T=0 can carry.
const SHORT_MOST: usize = 256;

/// What a card gives for a command: data with 9000, or another status word.
pub type Reply = Result<Vec<u8>, StatusWord>;

/// The two bytes at the end of an answer (ISO/IEC 7816-4, 5.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusWord(pub u16);

/// One command, taken apart.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data field; may be empty.
    pub data: &'a [u8],
    /// How many bytes are expected at most: the field Le, where 0 counts as 256 or 65,536. `None`
    /// without the field.
    pub expected: Option<usize>,
}

/// Carries a card's answers over its protocol.
pub struct Transmission {
    /// The protocol.
    pub protocol: Protocol,
    /// T=1 only: an Le that is not just the length of the answer is told, `6Cxx`. Over T=0 it
    /// always is.
    pub strict: bool,
    /// What waits for GET RESPONSE, and the class of the command that made it.
    waiting: Vec<u8>,
    class: u8,
}

impl StatusWord {
    /// 9000: done.
    pub const OK: Self = Self(0x9000);
    /// 6700: wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// 6981: the file is of another kind.
    pub const WRONG_FILE: Self = Self(0x6981);
    /// 6982: security status not satisfied.
    pub const PROTECTED: Self = Self(0x6982);
    /// 6985: conditions of use not satisfied.
    pub const NOT_NOW: Self = Self(0x6985);
    /// 6986: no current file.
    pub const NO_FILE: Self = Self(0x6986);
    /// 6A81: function not supported.
    pub const UNSUPPORTED: Self = Self(0x6A81);
    /// 6A82: file or application not found.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// 6A83: record not found.
    pub const RECORD_NOT_FOUND: Self = Self(0x6A83);
    /// 6A86: wrong P1 or P2.
    pub const WRONG_PARAMETERS: Self = Self(0x6A86);
    /// 6B00: offset outside the file.
    pub const OUTSIDE: Self = Self(0x6B00);
    /// 6D00: unknown instruction.
    pub const WRONG_INSTRUCTION: Self = Self(0x6D00);
    /// 6E00: unknown class.
    pub const WRONG_CLASS: Self = Self(0x6E00);

    /// 61xx: this many bytes wait; 256 and more are told as 00.
    fn waiting(length: usize) -> Self {
        Self(0x6100 | Self::count(length))
    }

    /// 6Cxx: the answer has this many bytes.
    fn length_is(length: usize) -> Self {
        Self(0x6C00 | Self::count(length))
    }

    fn count(length: usize) -> u16 {
        u16::try_from(length).ok().filter(|length| *length < 0x100).unwrap_or(0)
    }
}

impl<'a> Command<'a> {
    /// Takes a command apart, with short or extended lengths; `None` if its lengths do not fit.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[class, instruction, p1, p2], body) = bytes.split_first_chunk()?;
        let (data, expected): (&[u8], _) = match *body {
            [] => (&[], None),
            [le] => (&[], Some(short(le))),
            [0, high, low] => (&[], Some(extended(high, low))),
            [0, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                match rest.split_at_checked(length)? {
                    ([], _) => return None,
                    (data, []) => (data, None),
                    (data, &[high, low]) => (data, Some(extended(high, low))),
                    _ => return None,
                }
            }
            [length, ref rest @ ..] => match rest.split_at_checked(usize::from(length))? {
                ([], _) => return None,
                (data, []) => (data, None),
                (data, &[le]) => (data, Some(short(le))),
                _ => return None,
            },
        };
        Some(Self { class, instruction, p1, p2, data, expected })
    }

    /// Whether it sends, so that data comes back only after GET RESPONSE where T=0 is spoken.
    fn sends(&self) -> bool {
        !self.data.is_empty() || self.instruction == SELECT
    }

    fn is_extended(&self) -> bool {
        self.data.len() >= SHORT_MOST || self.expected.is_some_and(|most| most > SHORT_MOST)
    }
}

impl Transmission {
    /// Over this protocol.
    #[must_use]
    pub fn over(protocol: Protocol) -> Self {
        Self { protocol, strict: false, waiting: Vec::new(), class: 0 }
    }

    /// After a reset nothing waits.
    pub fn reset(&mut self) {
        self.waiting.clear();
    }

    /// The whole answer to these bytes: `carry_out` does what the card does for the command.
    pub fn answer(
        &mut self,
        bytes: &[u8],
        carry_out: impl FnOnce(&Command<'_>) -> Reply,
    ) -> Vec<u8> {
        let Some(command) = Command::parse(bytes) else {
            self.waiting.clear();
            return answer_of(Vec::new(), StatusWord::WRONG_LENGTH);
        };
        match self.protocol {
            Protocol::T0 if command.instruction == GET_RESPONSE => self.respond(&command),
            Protocol::T0 => {
                self.waiting.clear();
                let reply = if command.is_extended() {
                    Err(StatusWord::WRONG_LENGTH)
                } else {
                    carry_out(&command).and_then(|data| self.over_bytes(&command, data))
                };
                settled(reply)
            }
            Protocol::T1 => {
                settled(carry_out(&command).and_then(|data| self.in_blocks(&command, data)))
            }
        }
    }

    fn over_bytes(&mut self, command: &Command<'_>, data: Vec<u8>) -> Reply {
        let length = data.len();
        if length > 0 && (command.sends() || length > SHORT_MOST) {
            self.waiting = data;
            self.class = command.class;
            return Err(StatusWord::waiting(length));
        }
        // The fifth byte is always there on the line: 00 where the command has none.
        if length == 0 || command.expected.unwrap_or(SHORT_MOST) == length {
            Ok(data)
        } else {
            Err(StatusWord::length_is(length))
        }
    }

    fn in_blocks(&self, command: &Command<'_>, mut data: Vec<u8>) -> Reply {
        let told = self.strict && data.len() <= SHORT_MOST;
        match command.expected {
            // The standard gives nothing here; cards in the field give it all the same.
            None if command.sends() || data.is_empty() => Ok(data),
            None => Err(StatusWord::WRONG_LENGTH),
            Some(most) if told && !data.is_empty() && most != data.len() => {
                Err(StatusWord::length_is(data.len()))
            }
            Some(most) => {
                data.truncate(most);
                Ok(data)
            }
        }
    }

    fn respond(&mut self, command: &Command<'_>) -> Vec<u8> {
        let refused = if command.class != 0 && command.class != self.class {
            Some(StatusWord::WRONG_CLASS)
        } else if (command.p1, command.p2) != (0, 0) {
            Some(StatusWord::WRONG_PARAMETERS)
        } else if !command.data.is_empty() || command.is_extended() {
            Some(StatusWord::WRONG_LENGTH)
        } else if self.waiting.is_empty() {
            Some(StatusWord::NOT_NOW)
        } else {
            let most = command.expected.unwrap_or(SHORT_MOST);
            (most > self.waiting.len()).then(|| StatusWord::length_is(self.waiting.len()))
        };
        if let Some(refused) = refused {
            return answer_of(Vec::new(), refused);
        }
        let most = command.expected.unwrap_or(SHORT_MOST).min(self.waiting.len());
        let rest = self.waiting.split_off(most);
        let part = std::mem::replace(&mut self.waiting, rest);
        let left = self.waiting.len();
        answer_of(part, if left == 0 { StatusWord::OK } else { StatusWord::waiting(left) })
    }
}

fn short(le: u8) -> usize {
    if le == 0 { SHORT_MOST } else { usize::from(le) }
}

fn extended(high: u8, low: u8) -> usize {
    match u16::from_be_bytes([high, low]) {
        0 => 0x1_0000,
        le => usize::from(le),
    }
}

fn settled(reply: Reply) -> Vec<u8> {
    match reply {
        Ok(data) => answer_of(data, StatusWord::OK),
        Err(status) => answer_of(Vec::new(), status),
    }
}

fn answer_of(mut data: Vec<u8>, status: StatusWord) -> Vec<u8> {
    data.extend(status.0.to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(bytes: &[u8]) -> Option<(&[u8], Option<usize>)> {
        Command::parse(bytes).map(|command| (command.data, command.expected))
    }

    #[test]
    fn the_seven_cases_of_the_standard_are_told_apart() {
        let nothing: &[u8] = &[];
        for (body, expected) in [
            (&[][..], Some((nothing, None))),
            (&[5], Some((nothing, Some(5)))),
            (&[0], Some((nothing, Some(256)))),
            (&[2, 7, 8], Some((&[7, 8][..], None))),
            (&[2, 7, 8, 0], Some((&[7, 8], Some(256)))),
            (&[0, 1, 0], Some((nothing, Some(256)))),
            (&[0, 0, 0], Some((nothing, Some(65_536)))),
            (&[0, 0, 1, 9], Some((&[9], None))),
            (&[0, 0, 1, 9, 1, 4], Some((&[9], Some(260)))),
            (&[0, 7], None),
            (&[3, 7, 8], None),
            (&[1, 7, 8, 9], None),
            (&[0, 0, 0, 9], None),
            (&[0, 0, 2, 9], None),
            (&[0, 0, 1, 9, 4], None),
        ] {
            let bytes = [&[0x00, 0xB0, 0x00, 0x00][..], body].concat();
            assert_eq!(taken_apart(&bytes), expected, "{body:?}");
        }
        assert_eq!(taken_apart(&[0x00, 0xB0, 0x00]), None);
    }

    fn told(transmission: &mut Transmission, bytes: &[u8], data: &[u8]) -> Vec<u8> {
        transmission.answer(bytes, |_| Ok(data.to_vec()))
    }

    #[test]
    fn over_t0_what_follows_sent_data_is_fetched() {
        let mut card = Transmission::over(Protocol::T0);
        let select = [0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00];
        assert_eq!(told(&mut card, &select, &[1, 2, 3]), [0x61, 0x03]);
        assert_eq!(told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x04], &[]), [0x6C, 0x03]);
        assert_eq!(told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x02], &[]), [1, 2, 0x61, 0x01]);
        assert_eq!(told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x01], &[]), [3, 0x90, 0x00]);
        assert_eq!(told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x01], &[]), [0x69, 0x85]);
    }

    #[test]
    fn over_t0_another_command_forgets_what_waits() {
        let mut card = Transmission::over(Protocol::T0);
        told(&mut card, &[0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00], &[1, 2, 3]);
        told(&mut card, &[0x00, 0xB0, 0x00, 0x00, 0x01], &[1]);
        assert_eq!(told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x03], &[]), [0x69, 0x85]);
    }

    #[test]
    fn over_t0_a_wrong_length_is_told() {
        let mut card = Transmission::over(Protocol::T0);
        for le in [&[0x00][..], &[0x02], &[0x04], &[]] {
            let command = [&[0x00, 0xB2, 0x01, 0x2C], le].concat();
            assert_eq!(told(&mut card, &command, &[1, 2, 3]), [0x6C, 0x03], "{le:?}");
        }
        assert_eq!(
            told(&mut card, &[0x00, 0xB2, 0x01, 0x2C, 3], &[1, 2, 3]),
            [1, 2, 3, 0x90, 0x00]
        );
    }

    #[test]
    fn over_t0_a_long_answer_comes_in_parts() {
        let mut card = Transmission::over(Protocol::T0);
        let data = [7; 300];
        assert_eq!(told(&mut card, &[0x00, 0xB2, 0x01, 0x2C, 0x00], &data), [0x61, 0x00]);
        let first = told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x00], &[]);
        assert_eq!((first.len(), &first[256..]), (258, &[0x61, 0x2C][..]));
        let second = told(&mut card, &[0x00, 0xC0, 0x00, 0x00, 0x2C], &[]);
        assert_eq!((second.len(), &second[44..]), (46, &[0x90, 0x00][..]));
    }

    #[test]
    fn over_t1_an_answer_is_as_long_as_it_is_and_at_most_as_asked() {
        let mut card = Transmission::over(Protocol::T1);
        for (le, length) in [(0x00, 3), (0x02, 2), (0x03, 3), (0x04, 3)] {
            let answer = told(&mut card, &[0x00, 0xB2, 0x01, 0x2C, le], &[1, 2, 3]);
            assert_eq!(answer.len(), length + 2, "{le}");
        }
        assert_eq!(told(&mut card, &[0x00, 0xB2, 0x01, 0x2C], &[1, 2, 3]), [0x67, 0x00]);
        card.strict = true;
        assert_eq!(told(&mut card, &[0x00, 0xB2, 0x01, 0x2C, 0x00], &[1, 2, 3]), [0x6C, 0x03]);
    }
}
