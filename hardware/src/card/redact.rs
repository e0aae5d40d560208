//! What chip cards and those who speak with them say, replaced: ATRs and ATSs, commands, answers.
//!
//! Called by the redactors of card ports, byte for byte as it passed, and by the recorder for the
//! hex of clients' frames. Both must come to the same, whatever a driver makes of the one to get
//! the other: it puts answers together out of pieces, cuts long commands, leaves `Le` out. So what
//! replaces a byte of data depends neither on its value nor on its place, and nothing is
//! remembered between two calls, but the ATSs that readers have told ([`ToldAts`]). Lengths,
//! headers and status words stay.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::apdu::Case;
use crate::pseudonym::Pseudonyms;

#[cfg(test)]
mod tests;

/// What stands for every byte of data. It is no digit in ASCII or BCD, begins no status word
/// (`6x`, `9x`; ISO/IEC 7816-4, 5.6), and as a length in BER it asks for 93 bytes of length, which
/// every reader of records refuses.
pub const FILLER: u8 = 0xDD;

/// Names of applications that are the same on every card. Others are as good as any text: somebody's
/// number may be in one.
const APPLICATIONS: [&[u8]; 10] = [
    // The directories of payment applications (EMV 4.3, book 1, 12.2.2; EMV contactless, book B).
    b"1PAY.SYS.DDF01",
    b"2PAY.SYS.DDF01",
    // sx1.sh.社会保障 in GBK (LD/T 32-2015).
    b"sx1.sh.\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF",
    // UnionPay: debit, credit, quasi-credit, electronic cash.
    &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01],
    &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x02],
    &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x03],
    &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x06],
    // The electronic purse of PBOC (JR/T 0025).
    &[0xA0, 0x00, 0x00, 0x00, 0x03, 0x86, 0x98, 0x07, 0x01],
    // Transport: the electronic purse, electronic cash (JT/T 978).
    &[0xA0, 0x00, 0x00, 0x06, 0x32, 0x01, 0x01, 0x05],
    &[0xA0, 0x00, 0x00, 0x06, 0x32, 0x01, 0x01, 0x06],
];

/// The longest path that stays, in bytes.
const MOST_PATH: usize = 8;

/// What the identifiers in a path begin with: `3F00` is the master file (ISO/IEC 7816-4, 5.3.1), `DF`
/// and `EF` are how directories and files of Chinese cards begin. None of them is two digits in BCD
/// or begins a common character in GBK or UTF-16, so no number and no name is taken for a path.
const PATH_BYTES: [u8; 3] = [0x3F, 0xDF, 0xEF];

/// SELECT.
const SELECT: u8 = 0xA4;

/// ENVELOPE.
const ENVELOPE: u8 = 0xC2;

/// The class of commands to the reader (PC/SC part 3, 3.2.2): none of a card.
const PSEUDO: u8 = 0xFF;

/// Bytes of an extended `Le` behind data.
const LE: usize = 2;

/// CLA, INS, P1, P2 and the length behind them.
const HEAD: usize = 5;

/// The same where the length is an extended one.
const EXTENDED_HEAD: usize = 7;

/// What the historical bytes begin with that readers make up for contactless storage cards: the
/// identifier of the PC/SC workgroup (PC/SC part 3, 3.1.3.2.3.2). Drivers know them by it.
const STORAGE_CARD: [u8; 8] = [0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06];

/// Historical bytes of a storage card: that, the standard, the card's name, four reserved ones.
const STORAGE_CARD_BYTES: usize = 15;

/// ATSs that are remembered, each about a reader's last question: programs that ask for one are
/// answered at once.
const MOST_TOLD: usize = 64;

/// A command: class, instruction, parameters and lengths stay, data becomes [`FILLER`]. In SELECT
/// identifiers of files and well-known names of applications stay. What is none of ISO/IEC 7816-3's
/// cases keeps its header and what would be its length.
///
/// All data of an ENVELOPE goes, be it a client's or a piece of what a driver has cut: which piece it
/// is, and whether a command begins in it, nobody can see from it. [`without_envelopes_data`] is for
/// who compares the one with the other.
#[must_use]
pub fn command(command: &[u8]) -> Vec<u8> {
    let data = data_of(command);
    let inside = command.get(data.clone()).unwrap_or_default();
    match command {
        [class, SELECT, p1, ..] if *class != PSEUDO && is_known_name(*p1, inside) => {
            command.to_vec()
        }
        _ => filled(command, data),
    }
}

/// An ENVELOPE as it is after it was replaced, any other command as it stands. A driver cuts a
/// client's replaced command, whose header is left, and the tape has the pieces without that: they
/// are the same by their own headers and lengths alone.
#[must_use]
pub fn without_envelopes_data(passed: Bytes) -> Bytes {
    match &*passed {
        [class, ENVELOPE, ..] if *class != PSEUDO => command(&passed).into(),
        _ => passed,
    }
}

/// The ATSs that readers have told, and what stands for each. A reader's port learns them, and who
/// shows what was answered looks them up: a program may ask for an ATS by itself, and gets what a
/// driver gets. Clones have the same memory.
#[derive(Clone, Default)]
pub struct ToldAts(Arc<Mutex<VecDeque<Told>>>);

struct Told {
    real: Vec<u8>,
    stands: Vec<u8>,
}

impl ToldAts {
    /// What a reader has answered to `FF CA 01 00 00`, replaced; see [`ats`] for `of_atr`.
    pub fn learn(&self, pseudonyms: &Pseudonyms, told: &[u8], of_atr: Option<&[u8]>) -> Vec<u8> {
        let (data, status) = told.split_at(data_length(told));
        let stands = ats(pseudonyms, data, of_atr);
        let replaced = [&stands, status].concat();
        if !data.is_empty() {
            let mut told = self.lock();
            told.retain(|one| one.real != data);
            told.truncate(MOST_TOLD - 1);
            told.push_front(Told { real: data.to_vec(), stands });
        }
        replaced
    }

    /// A card's or reader's answer: an ATS that was told as what stands for it, else as [`answer`].
    #[must_use]
    pub fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let (data, status) = bytes.split_at(data_length(bytes));
        match self.lock().iter().find(|one| one.real == data) {
            Some(told) => [&told.stands, status].concat(),
            None => answer(bytes),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Told>> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A card's answer: its data becomes [`FILLER`], its status word stays.
#[must_use]
pub fn answer(answer: &[u8]) -> Vec<u8> {
    filled(answer, 0..data_length(answer))
}

/// How many bytes of an answer are data: all but the status word, if it ends with one.
#[must_use]
pub fn data_length(answer: &[u8]) -> usize {
    match answer {
        [data @ .., 0x60..=0x6F | 0x90..=0x9F, _] => data.len(),
        _ => answer.len(),
    }
}

/// An answer to reset (ISO/IEC 7816-3, 8.2): interface bytes stay, for drivers work by them;
/// historical bytes, which may hold a card's number, are replaced; the check byte is as right as it
/// was.
#[must_use]
pub fn atr(pseudonyms: &Pseudonyms, atr: &[u8]) -> Vec<u8> {
    let Some(shape) = Shape::of(atr) else {
        return pseudonyms.bytes("atr", atr);
    };
    let (before, behind) = atr.split_at(shape.historical.end);
    let (head, real) = before.split_at(shape.historical.start);
    let mut replaced = [head, &historical(pseudonyms, real)].concat();
    let (check, rest) = behind.split_at(usize::from(shape.checked).min(behind.len()));
    let sum = |bytes: &[u8]| bytes.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
    let error = sum(before) ^ sum(&replaced);
    replaced.extend(check.iter().map(|check| check ^ error));
    replaced.extend(pseudonyms.bytes("atr", rest));
    replaced
}

/// What a reader answers to `FF CA 01 00 00`, without its status word, of a card whose ATR has the
/// historical bytes `of_atr` of an ATS, if it has some: those alone, or an answer to select (ATS,
/// ISO/IEC 14443-4, 5.2), with or without the byte of its length.
///
/// Historical bytes are replaced as those of the ATR are, so the one still tells of the other.
#[must_use]
pub fn ats(pseudonyms: &Pseudonyms, answer: &[u8], of_atr: Option<&[u8]>) -> Vec<u8> {
    if Some(answer) == of_atr {
        return historical(pseudonyms, answer);
    }
    if begins_with_its_length(answer) {
        return ats_with_length(pseudonyms, answer);
    }
    without_length(pseudonyms, answer)
}

/// `nfc_cardInfo`: an ATS with its length, or an ATR.
#[must_use]
pub fn card_info(pseudonyms: &Pseudonyms, info: &[u8]) -> Vec<u8> {
    if begins_with_its_length(info) {
        ats_with_length(pseudonyms, info)
    } else {
        atr(pseudonyms, info)
    }
}

/// The historical bytes, replaced. Those of a storage card say only what kind of card it is.
fn historical(pseudonyms: &Pseudonyms, real: &[u8]) -> Vec<u8> {
    let Some(rest) = real.strip_prefix(&STORAGE_CARD) else {
        return pseudonyms.bytes("historical", real);
    };
    if real.len() == STORAGE_CARD_BYTES && real.ends_with(&[0; 4]) {
        return real.to_vec();
    }
    [&STORAGE_CARD[..], &pseudonyms.bytes("historical", rest)].concat()
}

/// TL, T0, TA, TB, TC stay.
fn ats_with_length(pseudonyms: &Pseudonyms, ats: &[u8]) -> Vec<u8> {
    let (length, format) = ats.split_at(ats.len().min(1));
    [length, &without_length(pseudonyms, format)].concat()
}

fn without_length(pseudonyms: &Pseudonyms, ats: &[u8]) -> Vec<u8> {
    let (interface, real) = ats.split_at(interface_length(ats));
    [interface, &historical(pseudonyms, real)].concat()
}

fn begins_with_its_length(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|length| usize::from(*length) == bytes.len())
}

/// The format byte T0 and the bytes TA, TB, TC that it announces, as far as they are there.
fn interface_length(format: &[u8]) -> usize {
    let announced = format.first().map_or(0, |t0| 1 + (t0 & 0x70).count_ones());
    format.len().min(usize::try_from(announced).unwrap_or_default())
}

/// Where in an ATR what stands.
struct Shape {
    historical: Range<usize>,
    /// A check byte (TCK) follows them.
    checked: bool,
}

impl Shape {
    fn of(atr: &[u8]) -> Option<Self> {
        let [0x3B | 0x3F, format, ..] = atr else { return None };
        let (mut at, mut announced, mut checked) = (2, format >> 4, false);
        while announced != 0 {
            at += usize::try_from((announced & 0x7).count_ones()).unwrap_or_default();
            if announced & 0x8 == 0 {
                break;
            }
            let Some(next) = atr.get(at) else { break };
            at += 1;
            announced = next >> 4;
            // Only a card that knows nothing but T=0 has no check byte.
            checked |= next & 0xF != 0;
        }
        let start = at.min(atr.len());
        let end = (start + usize::from(format & 0xF)).min(atr.len());
        Some(Self { historical: start..end, checked })
    }
}

/// Where the data of a command stands; for what is no command, all behind what would be its length,
/// so that what fits no case fits none afterwards.
fn data_of(command: &[u8]) -> Range<usize> {
    let end = command.len();
    match Case::of(command) {
        Case::Neither | Case::WantsShort | Case::WantsExtended => end..end,
        Case::HasShort => HEAD..end,
        Case::BothShort => HEAD..end - 1,
        Case::HasExtended => EXTENDED_HEAD..end,
        Case::BothExtended => EXTENDED_HEAD..end - LE,
        Case::Unknown if command.get(HEAD - 1) == Some(&0) => EXTENDED_HEAD.min(end)..end,
        Case::Unknown => HEAD.min(end)..end,
    }
}

/// Whether SELECT names by this P1 what says nothing about anybody (ISO/IEC 7816-4, 7.1.1).
fn is_known_name(p1: u8, name: &[u8]) -> bool {
    match p1 {
        // A file's identifier, alone.
        0x00..=0x03 | 0x08 | 0x09 if name.len() == 2 => true,
        // A path of them.
        0x08 | 0x09 if name.len() <= MOST_PATH && name.len().is_multiple_of(2) => {
            name.iter().step_by(2).all(|first| PATH_BYTES.contains(first))
        }
        0x04 => APPLICATIONS.contains(&name),
        _ => false,
    }
}

fn filled(bytes: &[u8], data: Range<usize>) -> Vec<u8> {
    let mut filled = bytes.to_vec();
    if let Some(data) = filled.get_mut(data) {
        data.fill(FILLER);
    }
    filled
}
