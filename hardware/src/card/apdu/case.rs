//! The seven cases of a command APDU (ISO/IEC 7816-3 chapter 12.1), and what is sent of each.
//!
//! Called by [`super::exchange`]. Knows no card and waits for nothing.

use std::borrow::Cow;

use crate::port::card::Protocol;

/// INS of ENVELOPE (ISO/IEC 7816-4 chapter 7.6.2).
const ENVELOPE: u8 = 0xC2;

/// Data bytes that one command with a short length holds.
const SHORT_DATA: usize = 255;

/// How a command APDU is built: whether it has data, whether it wants some, and how it writes the
/// two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// 1: four bytes of header.
    Neither,
    /// 2S: Le in one byte.
    WantsShort,
    /// 3S: Lc in one byte, and data.
    HasShort,
    /// 4S: both.
    BothShort,
    /// 2E: `00` and Le in two bytes.
    WantsExtended,
    /// 3E: `00`, Lc in two bytes, and data.
    HasExtended,
    /// 4E: both; Le in two bytes.
    BothExtended,
    /// It fits no case.
    Unknown,
}

impl Case {
    /// The case of these bytes.
    #[must_use]
    pub fn of(command: &[u8]) -> Self {
        match command {
            [_, _, _, _] => Self::Neither,
            [_, _, _, _, _] => Self::WantsShort,
            [_, _, _, _, 0, _, _] => Self::WantsExtended,
            [_, _, _, _, 0, high, low, rest @ ..] => {
                let lc = usize::from(u16::from_be_bytes([*high, *low]));
                match rest.len().checked_sub(lc) {
                    Some(0) if lc > 0 => Self::HasExtended,
                    Some(2) if lc > 0 => Self::BothExtended,
                    _ => Self::Unknown,
                }
            }
            [_, _, _, _, lc, rest @ ..] if *lc > 0 => {
                match rest.len().checked_sub(usize::from(*lc)) {
                    Some(0) => Self::HasShort,
                    Some(1) => Self::BothShort,
                    _ => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }
}

/// What is sent for one command: pieces before the last one, which are ENVELOPEs as that is then,
/// and the last one, which mostly is all there is.
pub(super) fn pieces(protocol: Protocol, command: &[u8]) -> (Vec<Vec<u8>>, Cow<'_, [u8]>) {
    match protocol {
        Protocol::T1 => (Vec::new(), command.into()),
        Protocol::T0 => pieces_t0(command),
    }
}

/// ISO/IEC 7816-3 chapter 12.2: T=0 knows a header with one length byte P3, and data in one
/// direction.
fn pieces_t0(command: &[u8]) -> (Vec<Vec<u8>>, Cow<'_, [u8]>) {
    let case = Case::of(command);
    let (Some(header), Some((last, but_last))) = (command.get(..4), command.split_last()) else {
        return (Vec::new(), command.into());
    };
    let whole: Cow<'_, [u8]> = match case {
        // Readers that work at the level of T=0 want P3 (CCID 1.1, chapter 3.2), and for the others
        // `00` comes to the same on the wire. pcscd and its driver add nothing.
        Case::Neither => [header, &[0]].concat().into(),
        Case::WantsShort | Case::HasShort | Case::Unknown => command.into(),
        Case::BothShort => but_last.into(),
        // `00` is 256. Of an answer that is longer, the card says the rest in `61xx`.
        Case::WantsExtended => {
            let high = command.get(5).copied().unwrap_or_default();
            [header, &[if high == 0 { *last } else { 0 }]].concat().into()
        }
        Case::HasExtended | Case::BothExtended => {
            let end = command.len() - if case == Case::BothExtended { 2 } else { 0 };
            let data = command.get(7..end).unwrap_or_default();
            match u8::try_from(data.len()) {
                Ok(lc) => [header, &[lc], data].concat().into(),
                Err(_) => {
                    let mut envelopes = envelopes(command);
                    let last = envelopes.pop().unwrap_or_default();
                    return (envelopes, last.into());
                }
            }
        }
    };
    (Vec::new(), whole)
}

/// ISO/IEC 7816-3 chapter 12.2: a command with more data than P3 can say travels as it stands, in
/// the data of ENVELOPEs. The card sees its end by the length inside.
fn envelopes(command: &[u8]) -> Vec<Vec<u8>> {
    let class = match Class::of(command) {
        Class::Standard(class) => class,
        Class::Proprietary(_) => 0,
    };
    command
        .chunks(SHORT_DATA)
        .map(|chunk| {
            // A chunk has 255 bytes at most.
            let lc = u8::try_from(chunk.len()).unwrap_or(u8::MAX);
            [&[class, ENVELOPE, 0, 0, lc], chunk].concat()
        })
        .collect()
}

/// How a command is said again to a card that has answered it with `6Cxx`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Corrected {
    /// This instead of it.
    Again(Vec<u8>),
    /// On T=0 a command with data has no place for Le: the length is for GET RESPONSE.
    GetResponse,
    /// Nobody knows where Le would stand.
    Not,
}

/// `command` with another Le; `00` is 256.
pub(super) fn corrected(protocol: Protocol, command: &[u8], le: u8) -> Corrected {
    let header = command.get(..4).unwrap_or_default();
    let without = |bytes: usize| command.get(..command.len() - bytes).unwrap_or_default();
    let [high, low] = if le == 0 { [1, 0] } else { [0, le] };
    Corrected::Again(match (protocol, Case::of(command)) {
        (_, Case::Unknown) => return Corrected::Not,
        (_, Case::Neither | Case::WantsShort) | (Protocol::T0, Case::WantsExtended) => {
            [header, &[le]].concat()
        }
        (Protocol::T0, _) => return Corrected::GetResponse,
        (Protocol::T1, Case::HasShort) => [command, &[le]].concat(),
        (Protocol::T1, Case::BothShort) => [without(1), &[le]].concat(),
        (Protocol::T1, Case::HasExtended) => [command, &[high, low]].concat(),
        (Protocol::T1, Case::WantsExtended | Case::BothExtended) => {
            [without(2), &[high, low]].concat()
        }
    })
}

/// The class byte that the commands around a command have: GET RESPONSE, ENVELOPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// An interindustry class: its logical channel and nothing else (ISO/IEC 7816-4 chapter 5.4.1).
    Standard(u8),
    /// A proprietary one, or the reader's own (`FF`): as it is.
    Proprietary(u8),
}

impl Class {
    pub(super) fn of(command: &[u8]) -> Self {
        match command.first().copied().unwrap_or_default() {
            // First interindustry values: chaining and secure messaging in b5 to b3, channels 0 to
            // 3 in b2 and b1. 20 to 3F are reserved.
            class @ 0..0x40 => Self::Standard(class & 0x03),
            // Further ones: secure messaging in b6, chaining in b5, channels 4 to 19 in b4 to b1.
            class @ 0x40..0x80 => Self::Standard(class & 0x4F),
            class => Self::Proprietary(class),
        }
    }
}
