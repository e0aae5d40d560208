//! Answers to reset (ISO/IEC 7816-3) and to select (ISO/IEC 14443-4).
//!
//! [`Atr::parse`] takes the one apart; [`card_info`] gives the other, which PC/SC does not hand out,
//! as far as it can be had. Called by drivers of cards; knows no port.

#[cfg(test)]
mod tests;

use std::fmt;

/// The longest ATR, in bytes: TS and 32 more (ISO/IEC 7816-3 chapter 8.2.1).
pub const MOST_BYTES: usize = 33;

/// PC/SC part 3, 3.2.2.1.3: asks a contactless reader for the historical bytes of the card's ATS;
/// many give all of it.
pub const GET_ATS: [u8; 5] = [0xFF, 0xCA, 0x01, 0x00, 0x00];

/// The longest ATS that a reader hands out, without TL (ISO/IEC 14443-4 chapter 5.2.2: TL is at most
/// the frame size, 256 bytes, less two check bytes).
const MOST_ATS: usize = 253;

/// T0 of an ATS of which nothing is known: no interface bytes, FSCI 2, which is what a card without
/// T0 means: frames of up to 32 bytes (ISO/IEC 14443-4 chapter 5.2.3).
const DEFAULT_T0: u8 = 0x02;

/// How the historical bytes begin that a reader makes up for a storage card, which has no ATS:
/// category indicator, application identifier of 12 bytes, and the RID of the PC/SC workgroup (PC/SC
/// part 3, 3.1.3.2.3.2).
const STORAGE_CARD: [u8; 8] = [0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06];

/// An ATR, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Atr<'a> {
    /// How the card writes its bytes.
    pub convention: Convention,
    /// TA1, TB1, TC1, TD1; TA2, TB2, …: one entry for T0 and for each TD.
    pub interface: Vec<Interface>,
    /// The historical bytes, 15 at most (ISO/IEC 7816-4 chapter 8.1.1).
    pub historical: &'a [u8],
    /// What its check byte says.
    pub check: Check,
}

/// TS (ISO/IEC 7816-3 chapter 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// `3B`
    Direct,
    /// `3F`
    Inverse,
}

/// The interface bytes that T0 or one TD has announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// TAi
    pub ta: Option<u8>,
    /// TBi
    pub tb: Option<u8>,
    /// TCi
    pub tc: Option<u8>,
    /// TDi
    pub td: Option<u8>,
}

/// TCK (ISO/IEC 7816-3 chapter 8.2.5): absent if only T=0 is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is none, and none is due.
    NotDue,
    /// T0 to TCK give 0 by exclusive or.
    Right,
    /// They do not.
    Wrong,
    /// It is due and not there.
    Missing,
}

/// Why bytes are no ATR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAtr {
    /// It begins neither with `3B` nor with `3F`.
    #[error("begins with none of 3B, 3F")]
    Start,
    /// It ends before what it has announced.
    #[error("ends before what it announces")]
    Short,
    /// It goes on after what it has announced, or has more than [`MOST_BYTES`].
    #[error("is longer than it announces")]
    Long,
}

impl<'a> Atr<'a> {
    /// Takes an ATR apart. A check byte that is wrong or missing is told, not refused.
    ///
    /// # Errors
    /// If these bytes are none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoAtr> {
        let convention = match bytes.first() {
            Some(0x3B) => Convention::Direct,
            Some(0x3F) => Convention::Inverse,
            Some(_) => return Err(NoAtr::Start),
            None => return Err(NoAtr::Short),
        };
        if bytes.len() > MOST_BYTES {
            return Err(NoAtr::Long);
        }
        let mut rest = bytes.get(1..).unwrap_or_default();
        let t0 = take(&mut rest)?;
        let mut interface = Vec::new();
        let mut announced = Some(t0);
        while let Some(which) = announced {
            let mut next = |bit: u8| (which & bit != 0).then(|| take(&mut rest)).transpose();
            let bytes =
                Interface { ta: next(0x10)?, tb: next(0x20)?, tc: next(0x40)?, td: next(0x80)? };
            announced = bytes.td;
            interface.push(bytes);
        }
        let (historical, rest) =
            rest.split_at_checked(usize::from(t0 & 0x0F)).ok_or(NoAtr::Short)?;
        let due = interface.iter().filter_map(|bytes| bytes.td).any(|td| td & 0x0F != 0);
        let check = match (due, rest) {
            (false, []) => Check::NotDue,
            (true, []) => Check::Missing,
            (true, [_]) if bytes.iter().skip(1).fold(0, |sum, byte| sum ^ byte) == 0 => {
                Check::Right
            }
            (true, [_]) => Check::Wrong,
            _ => return Err(NoAtr::Long),
        };
        Ok(Self { convention, interface, historical, check })
    }

    /// The numbers of the protocols that the card offers, the one that it prefers first. T=15 is
    /// none: it marks bytes that hold for all (ISO/IEC 7816-3 chapter 8.2.3).
    #[must_use]
    pub fn protocols(&self) -> Vec<u8> {
        let mut offered = Vec::new();
        for td in self.interface.iter().filter_map(|bytes| bytes.td) {
            let protocol = td & 0x0F;
            if protocol != 15 && !offered.contains(&protocol) {
                offered.push(protocol);
            }
        }
        if offered.is_empty() { vec![0] } else { offered }
    }

    /// Whether a reader has made it up for a contactless card: `3B 8n 80 01`, n historical bytes,
    /// TCK (PC/SC part 3, 3.1.3.2.3).
    #[must_use]
    pub fn is_contactless(&self) -> bool {
        let only_td = |td| Interface { td: Some(td), ..Interface::default() };
        self.convention == Convention::Direct
            && self.interface == [only_td(0x80), only_td(0x01), Interface::default()]
    }
}

fn take(bytes: &mut &[u8]) -> Result<u8, NoAtr> {
    let (first, rest) = bytes.split_first().ok_or(NoAtr::Short)?;
    *bytes = rest;
    Ok(*first)
}

impl fmt::Debug for Atr<'_> {
    // The historical bytes may hold a card's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atr")
            .field("convention", &self.convention)
            .field("interface", &self.interface)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// What is told of a card: its ATS with the length byte TL before it (TL counts itself, ISO/IEC
/// 14443-4 chapter 5.2), or what comes nearest.
#[derive(Clone, PartialEq, Eq)]
pub struct CardInfo {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they are.
    pub origin: Origin,
}

/// What the bytes of a [`CardInfo`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The card's ATS.
    Ats,
    /// An ATS with the card's historical bytes; its interface bytes are not known.
    Rebuilt,
    /// The ATR: the card is none of ISO/IEC 14443-4.
    Atr,
}

impl Origin {
    /// In words, for people who look at the device's state.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ats => "ATS",
            Self::Rebuilt => "rebuilt from the ATR",
            Self::Atr => "ATR",
        }
    }
}

impl fmt::Debug for CardInfo {
    // What is on a card is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardInfo").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What is told of the card with this ATR. `answer` is the reader's to [`GET_ATS`], without the
/// status word; `None` if it gave none. Readers answer with the ATS, with the ATS but for its length
/// byte, or with the historical bytes only, which the ATR has as well.
#[must_use]
pub fn card_info(atr: &[u8], answer: Option<&[u8]>) -> CardInfo {
    let historical = historical_of_ats(atr);
    match (answer, historical) {
        // Historical bytes may begin with their number by chance.
        (Some(ats), _) if is_some_ats(ats) && historical != Some(ats) => {
            let whole = begins_with_its_length(ats);
            let bytes = if whole { ats.to_vec() } else { with_length(ats) };
            CardInfo { bytes, origin: Origin::Ats }
        }
        (_, Some(historical)) => {
            let ats = [&[DEFAULT_T0], historical].concat();
            CardInfo { bytes: with_length(&ats), origin: Origin::Rebuilt }
        }
        (_, None) => CardInfo { bytes: atr.to_vec(), origin: Origin::Atr },
    }
}

/// The historical bytes of a card that has an ATS: the ATR has the contactless form, and is not a
/// storage card's.
#[must_use]
pub fn historical_of_ats(atr: &[u8]) -> Option<&[u8]> {
    let atr = Atr::parse(atr).ok().filter(Atr::is_contactless)?;
    (!atr.historical.starts_with(&STORAGE_CARD)).then_some(atr.historical)
}

/// An ATS is shorter than a frame of 256 bytes with its check bytes (ISO/IEC 14443-4 chapter 5.2.2).
fn is_some_ats(ats: &[u8]) -> bool {
    (1..=MOST_ATS).contains(&ats.len())
}

fn begins_with_its_length(ats: &[u8]) -> bool {
    ats.first().is_some_and(|tl| usize::from(*tl) == ats.len())
}

fn with_length(ats: &[u8]) -> Vec<u8> {
    // 15 historical bytes or MOST_ATS at most.
    let tl = u8::try_from(ats.len() + 1).unwrap_or(u8::MAX);
    [&[tl], ats].concat()
}
